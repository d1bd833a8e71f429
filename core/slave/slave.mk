# core/slave: what a slave is, and the life of an instance
bbhostinclude_HEADERS += %D%/bb-slave.h %D%/bb-latent-slave.h %D%/bb-instance.h %D%/bb-instance-request.h
libbbcore_la_SOURCES += %D%/bb-abstract-slave-private.h %D%/bb-slave-manager.h %D%/bb-slave-settings.h \
	%D%/bb-substantiation.h %D%/bb-instance-request-private.h
libbbhost_1_la_SOURCES += %D%/bb-slave.c %D%/bb-latent-slave.c %D%/bb-instance.c %D%/bb-instance-request.c
libbbhost_1_la_SOURCES += %D%/bb-slave-settings.c
libbbhost_1_la_SOURCES += %D%/bb-abstract-slave.c
libbbcore_la_SOURCES += %D%/bb-static-slave.c %D%/bb-static-slave.h
libbbcore_la_SOURCES += %D%/bb-instance-choice.c %D%/bb-instance-choice.h \
	%D%/bb-substantiation.c %D%/bb-substantiation-calls.c %D%/bb-substantiation-clocks.c %D%/bb-substantiation-private.h \
	%D%/bb-substantiation-table.c %D%/bb-substantiation-table.h
libbbcore_la_SOURCES += %D%/bb-slave-manager.c %D%/bb-slave-manager-private.h \
	%D%/bb-slave-login.c %D%/bb-slave-apply.c %D%/bb-slave-memory.c %D%/bb-acquisition.c %D%/bb-room-queue.c \
	%D%/bb-availability.c %D%/bb-slave-verbs.c %D%/bb-slave-shutdown.c \
	%D%/bb-slave-record.c %D%/bb-slave-record.h %D%/bb-attachment.c %D%/bb-attachment.h \
	%D%/bb-builder-list.c %D%/bb-builder-list.h %D%/bb-missing-watch.c %D%/bb-missing-watch.h
