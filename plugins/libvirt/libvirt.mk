# plugins/libvirt: virtual machines of libvirt
if BUILD_LIBVIRT
libvirt_cppflags = -include config.h -DG_LOG_USE_STRUCTURED -DG_LOG_DOMAIN=\"bbhost-libvirt\" \
	-DGLIB_VERSION_MIN_REQUIRED=GLIB_VERSION_2_74 -DGLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74 \
	-I$(top_builddir)/include
libvirt_libs = libbbhost-1.la $(LIBVIRT_LIBS) $(ARCHIVE_LIBS) $(GLIB_LIBS)

# All but the entry point, so that the tests can call it.
noinst_LTLIBRARIES += %D%/libbblibvirt.la
%C%_libbblibvirt_la_CPPFLAGS = $(libvirt_cppflags)
%C%_libbblibvirt_la_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
%C%_libbblibvirt_la_LIBADD = $(libvirt_libs)
%C%_libbblibvirt_la_SOURCES = \
	%D%/bb-libvirt-config.c %D%/bb-libvirt-config.h \
	%D%/bb-libvirt-connection.c %D%/bb-libvirt-connection.h \
	%D%/bb-libvirt-document.c %D%/bb-libvirt-document.h \
	%D%/bb-libvirt-domain.c %D%/bb-libvirt-domain.h \
	%D%/bb-libvirt-error.c %D%/bb-libvirt-error.h \
	%D%/bb-libvirt-files.c %D%/bb-libvirt-files.h \
	%D%/bb-libvirt-images.c %D%/bb-libvirt-images.h \
	%D%/bb-libvirt-look.c %D%/bb-libvirt-look.h \
	%D%/bb-libvirt-session.c %D%/bb-libvirt-session.h \
	%D%/bb-libvirt-slave.c %D%/bb-libvirt-slave.h \
	%D%/bb-libvirt-start.c %D%/bb-libvirt-start.h \
	%D%/bb-libvirt-stop.c %D%/bb-libvirt-stop.h \
	%D%/bb-libvirt-storage.c %D%/bb-libvirt-storage.h

plugin_LTLIBRARIES += %D%/libvirt.la
%C%_libvirt_la_CPPFLAGS = $(libvirt_cppflags)
%C%_libvirt_la_CFLAGS = $(AM_CFLAGS) $(LIBVIRT_CFLAGS)
%C%_libvirt_la_LDFLAGS = $(plugin_ldflags)
%C%_libvirt_la_LIBADD = %D%/libbblibvirt.la $(libvirt_libs)
%C%_libvirt_la_SOURCES = %D%/bb-libvirt-plugin.c
endif
EXTRA_DIST += %D%/README.md
