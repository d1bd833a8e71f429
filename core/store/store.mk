# core/store: rows that outlive the daemon
libbbcore_la_SOURCES += \
	%D%/bb-store.c %D%/bb-store.h %D%/bb-store-private.h \
	%D%/bb-sqlite-store.c %D%/bb-sqlite-store.h %D%/bb-sqlite-store-private.h \
	%D%/bb-sqlite-database.c %D%/bb-sqlite-rows.c %D%/bb-sqlite-schema.c %D%/bb-sqlite-database-private.h
