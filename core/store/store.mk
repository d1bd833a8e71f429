# core/store: rows that outlive the daemon
libbbcore_la_SOURCES += %D%/bb-store.h %D%/bb-sqlite-store.h
