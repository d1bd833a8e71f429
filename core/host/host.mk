# core/host: the whole, without its faces
libbbcore_la_SOURCES += %D%/bb-host.h
libbbcore_la_SOURCES += %D%/bb-host.c
libbbcore_la_SOURCES += %D%/bb-memory-keeper.c %D%/bb-memory-keeper.h
libbbcore_la_SOURCES += %D%/bb-build-notices.c %D%/bb-build-notices.h
libbbcore_la_SOURCES += %D%/bb-open-instances.c %D%/bb-open-instances.h
libbbcore_la_SOURCES += %D%/bb-watchdog.c %D%/bb-watchdog.h
libbbcore_la_SOURCES += %D%/bb-metrics.c %D%/bb-metrics.h
