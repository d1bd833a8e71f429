# plugins/ec2: machines of Amazon EC2, and of what speaks its API
if BUILD_EC2
ec2_cppflags = -include config.h -DG_LOG_USE_STRUCTURED -DG_LOG_DOMAIN=\"bbhost-ec2\" \
	-DGLIB_VERSION_MIN_REQUIRED=GLIB_VERSION_2_74 -DGLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74 \
	-I$(top_builddir)/include -I$(top_srcdir)/plugins/web
ec2_libs = libbbhost-1.la $(EC2_LIBS) $(JSON_LIBS) $(CRYPTO_LIBS) $(GLIB_LIBS)

# All but the entry point, so that the tests can call it.
noinst_LTLIBRARIES += %D%/libec2.la
%C%_libec2_la_CPPFLAGS = $(ec2_cppflags)
%C%_libec2_la_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
%C%_libec2_la_LIBADD = plugins/web/libweb.la $(ec2_libs)
%C%_libec2_la_SOURCES = \
	%D%/bb-ec2-account.c %D%/bb-ec2-account.h \
	%D%/bb-ec2-api.c %D%/bb-ec2-api.h \
	%D%/bb-ec2-attach.c %D%/bb-ec2-attach.h \
	%D%/bb-ec2-client.c %D%/bb-ec2-client.h \
	%D%/bb-ec2-config.c %D%/bb-ec2-config.h \
	%D%/bb-ec2-credential-source.c %D%/bb-ec2-credential-source.h \
	%D%/bb-ec2-document.c %D%/bb-ec2-document.h \
	%D%/bb-ec2-error.c %D%/bb-ec2-error.h \
	%D%/bb-ec2-http.c %D%/bb-ec2-http.h \
	%D%/bb-ec2-image-choice.c %D%/bb-ec2-image-choice.h \
	%D%/bb-ec2-launch.c %D%/bb-ec2-launch.h \
	%D%/bb-ec2-limiter.c %D%/bb-ec2-limiter.h \
	%D%/bb-ec2-message.c %D%/bb-ec2-message.h \
	%D%/bb-ec2-metadata.c %D%/bb-ec2-metadata.h \
	%D%/bb-ec2-place.c %D%/bb-ec2-place.h \
	%D%/bb-ec2-prepare.c %D%/bb-ec2-prepare.h \
	%D%/bb-ec2-profile.c %D%/bb-ec2-profile.h \
	%D%/bb-ec2-query.c %D%/bb-ec2-query.h \
	%D%/bb-ec2-row.c %D%/bb-ec2-row.h \
	%D%/bb-ec2-signature.c %D%/bb-ec2-signature.h \
	%D%/bb-ec2-slave.c %D%/bb-ec2-slave.h \
	%D%/bb-ec2-static-keys.c %D%/bb-ec2-static-keys.h \
	%D%/bb-ec2-stop.c %D%/bb-ec2-stop.h \
	%D%/bb-ec2-waiter.c %D%/bb-ec2-waiter.h

plugin_LTLIBRARIES += %D%/ec2.la
%C%_ec2_la_CPPFLAGS = $(ec2_cppflags)
%C%_ec2_la_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
%C%_ec2_la_SOURCES = %D%/bb-ec2-plugin.c
%C%_ec2_la_LDFLAGS = $(plugin_ldflags)
%C%_ec2_la_LIBADD = %D%/libec2.la $(ec2_libs)
endif
EXTRA_DIST += %D%/README.md
