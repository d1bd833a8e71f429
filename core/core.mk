# core: what every subject shares, and the daemon itself
libbbhost_1_la_SOURCES += %D%/bb-error.c %D%/bb-error.h %D%/bb-log.c %D%/bb-log.h %D%/bb-types.c %D%/bb-types.h \
	%D%/bb-delay.c %D%/bb-delay.h %D%/bb-delay-private.h
bbhostinclude_HEADERS += %D%/bbhost.h %D%/bb-delay.h %D%/bb-error.h %D%/bb-log.h %D%/bb-types.h
libbbcore_la_SOURCES += %D%/bb-log-writer.c %D%/bb-log-writer.h
bbhostd_SOURCES = %D%/main.c
bbhostd_LDADD = libbbcore.la libbbhost-1.la $(GLIB_LIBS) $(SYSTEMD_LIBS)
