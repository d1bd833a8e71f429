# core/ledger: no instance is ever forgotten
libbbcore_la_SOURCES += %D%/bb-ledger.h %D%/bb-reaper.h
