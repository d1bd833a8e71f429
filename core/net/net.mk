# core/net: bytes to messages and back, timers
libbbcore_la_SOURCES += %D%/bb-clock.h %D%/bb-loop.h %D%/bb-slave-link.h %D%/bb-listener.h
libbbcore_la_SOURCES += %D%/bb-clock.c %D%/bb-loop.c %D%/bb-slave-link.c %D%/bb-login-host.c %D%/bb-login-host.h
