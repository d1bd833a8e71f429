# core/slave: what a slave is, and the life of an instance
bbhostinclude_HEADERS += %D%/bb-slave.h %D%/bb-latent-slave.h %D%/bb-instance.h %D%/bb-instance-request.h
libbbcore_la_SOURCES += %D%/bb-abstract-slave-private.h %D%/bb-slave-manager.h %D%/bb-slave-settings.h \
	%D%/bb-substantiation.h %D%/bb-instance-request-private.h
libbbhost_1_la_SOURCES += %D%/bb-slave.c %D%/bb-latent-slave.c %D%/bb-instance.c %D%/bb-instance-request.c
libbbhost_1_la_SOURCES += %D%/bb-slave-settings.c
libbbhost_1_la_SOURCES += %D%/bb-abstract-slave.c
libbbcore_la_SOURCES += %D%/bb-static-slave.c %D%/bb-static-slave.h
