# plugins/web: what the plugins that speak HTTP with a cloud share; linked into each of them
noinst_LTLIBRARIES += %D%/libweb.la
%C%_libweb_la_CPPFLAGS = -include config.h -DG_LOG_USE_STRUCTURED -DG_LOG_DOMAIN=\"bbhost-web\" \
	-DGLIB_VERSION_MIN_REQUIRED=GLIB_VERSION_2_74 -DGLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74 -I$(top_builddir)/include
%C%_libweb_la_CFLAGS = $(AM_CFLAGS) $(SOUP_CFLAGS) $(JSON_CFLAGS)
%C%_libweb_la_LIBADD = libbbhost-1.la $(SOUP_LIBS) $(JSON_LIBS) $(GLIB_LIBS)
%C%_libweb_la_SOURCES = \
	%D%/bb-web-exchange.c %D%/bb-web-exchange.h \
	%D%/bb-web-json.c %D%/bb-web-json.h
