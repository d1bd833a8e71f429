# core/build: queue, steps, results, logs
libbbcore_la_SOURCES += %D%/bb-build.h %D%/bb-build-master.h
