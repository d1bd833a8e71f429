# core/ledger: no instance is ever forgotten
libbbcore_la_SOURCES += \
	%D%/bb-backoff.c %D%/bb-backoff.h \
	%D%/bb-budget.c %D%/bb-budget.h \
	%D%/bb-ledger.c %D%/bb-ledger.h %D%/bb-ledger-private.h %D%/bb-ledger-limits.c \
	%D%/bb-ledger-row.c %D%/bb-ledger-row.h %D%/bb-ledger-row-private.h \
	%D%/bb-reaper.c %D%/bb-reaper.h \
	%D%/bb-row-stop.c %D%/bb-row-stop.h
