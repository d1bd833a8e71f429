# core/build: requests, queue, steps, results, logs
libbbcore_la_SOURCES += \
	%D%/bb-build-master.h \
	%D%/bb-build.h \
	%D%/bb-properties.c %D%/bb-properties.h \
	%D%/bb-step-types.c %D%/bb-step-types.h
