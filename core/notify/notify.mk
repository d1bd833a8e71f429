# core/notify: what people should hear of
bbhostinclude_HEADERS += %D%/bb-notice.h %D%/bb-notifier.h
libbbhost_1_la_SOURCES += %D%/bb-notice.c %D%/bb-notifier.c
libbbcore_la_SOURCES += %D%/bb-notice-queue.c %D%/bb-notice-queue.h %D%/bb-notifier-set.c %D%/bb-notifier-set.h
