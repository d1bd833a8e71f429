# plugins/smtp: mail about builds and missing slaves
if BUILD_SMTP
smtp_cppflags = -include config.h -DG_LOG_USE_STRUCTURED -DG_LOG_DOMAIN=\"bbhost-smtp\" -DGETTEXT_PACKAGE=\"bbhost\" \
	-DGLIB_VERSION_MIN_REQUIRED=GLIB_VERSION_2_74 -DGLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74 \
	-I$(top_builddir)/include

# All but the entry point, so that the tests can call it.
noinst_LTLIBRARIES += %D%/libsmtp.la
%C%_libsmtp_la_CPPFLAGS = $(smtp_cppflags)
%C%_libsmtp_la_CFLAGS = $(AM_CFLAGS) $(SMTP_CFLAGS) $(JSON_CFLAGS)
%C%_libsmtp_la_LIBADD = libbbhost-1.la $(SMTP_LIBS) $(JSON_LIBS) $(GLIB_LIBS) -lm
%C%_libsmtp_la_SOURCES = \
	%D%/bb-mail-address.c %D%/bb-mail-address.h \
	%D%/bb-mail-attachment.c %D%/bb-mail-attachment.h \
	%D%/bb-mail-selection.c %D%/bb-mail-selection.h \
	%D%/bb-smtp-config.c %D%/bb-smtp-config.h \
	%D%/bb-smtp-message.c %D%/bb-smtp-message.h \
	%D%/bb-smtp-notifier.c %D%/bb-smtp-notifier.h \
	%D%/bb-smtp-program.c %D%/bb-smtp-program.h \
	%D%/bb-smtp-recipients.c %D%/bb-smtp-recipients.h \
	%D%/bb-smtp-session.c %D%/bb-smtp-session.h \
	%D%/bb-smtp-text.c %D%/bb-smtp-text.h

plugin_LTLIBRARIES += %D%/smtp.la
%C%_smtp_la_CPPFLAGS = $(smtp_cppflags)
%C%_smtp_la_LDFLAGS = $(plugin_ldflags)
%C%_smtp_la_LIBADD = %D%/libsmtp.la $(plugin_libs)
%C%_smtp_la_SOURCES = %D%/bb-smtp-plugin.c
endif
EXTRA_DIST += %D%/README.md
