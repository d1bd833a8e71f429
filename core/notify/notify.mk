# core/notify: what people should hear of
bbhostinclude_HEADERS += %D%/bb-notice.h %D%/bb-notifier.h
