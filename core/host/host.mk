# core/host: the whole, without its faces
libbbcore_la_SOURCES += %D%/bb-host.h
libbbcore_la_SOURCES += %D%/bb-host.c
