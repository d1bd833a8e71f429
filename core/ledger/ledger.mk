# core/ledger: no instance is ever forgotten
libbbcore_la_SOURCES += \
	%D%/bb-backoff.c %D%/bb-backoff.h \
	%D%/bb-ledger.h %D%/bb-reaper.h
