# plugins/openstack: servers of OpenStack clouds
if BUILD_OPENSTACK
openstack_cppflags = -include config.h -DG_LOG_USE_STRUCTURED -DG_LOG_DOMAIN=\"bbhost-openstack\" \
	-DGLIB_VERSION_MIN_REQUIRED=GLIB_VERSION_2_74 -DGLIB_VERSION_MAX_ALLOWED=GLIB_VERSION_2_74 \
	-I$(top_builddir)/include -I$(top_srcdir)/plugins/web
openstack_libs = libbbhost-1.la $(OPENSTACK_LIBS) $(JSON_LIBS) $(GLIB_LIBS)

# All but the entry point, so that the tests can call it.
noinst_LTLIBRARIES += %D%/libopenstack.la
%C%_libopenstack_la_CPPFLAGS = $(openstack_cppflags)
%C%_libopenstack_la_CFLAGS = $(AM_CFLAGS) $(OPENSTACK_CFLAGS) $(JSON_CFLAGS)
%C%_libopenstack_la_LIBADD = plugins/web/libweb.la $(openstack_libs)
%C%_libopenstack_la_SOURCES = \
	%D%/bb-openstack-account.c %D%/bb-openstack-account.h \
	%D%/bb-openstack-choice.c %D%/bb-openstack-choice.h \
	%D%/bb-openstack-clouds.c %D%/bb-openstack-clouds.h \
	%D%/bb-openstack-config.c %D%/bb-openstack-config.h \
	%D%/bb-openstack-devices.c %D%/bb-openstack-devices.h \
	%D%/bb-openstack-error.c %D%/bb-openstack-error.h \
	%D%/bb-openstack-http.c %D%/bb-openstack-http.h \
	%D%/bb-openstack-login.c %D%/bb-openstack-login.h \
	%D%/bb-openstack-plan.c %D%/bb-openstack-plan.h \
	%D%/bb-openstack-row.c %D%/bb-openstack-row.h \
	%D%/bb-openstack-server.c %D%/bb-openstack-server.h \
	%D%/bb-openstack-slave.c %D%/bb-openstack-slave.h \
	%D%/bb-openstack-start.c %D%/bb-openstack-start.h \
	%D%/bb-openstack-stop.c %D%/bb-openstack-stop.h \
	%D%/bb-openstack-token.c %D%/bb-openstack-token.h \
	%D%/bb-openstack-volumes.c %D%/bb-openstack-volumes.h

plugin_LTLIBRARIES += %D%/openstack.la
%C%_openstack_la_CPPFLAGS = $(openstack_cppflags)
%C%_openstack_la_CFLAGS = $(AM_CFLAGS) $(OPENSTACK_CFLAGS) $(JSON_CFLAGS)
%C%_openstack_la_SOURCES = %D%/bb-openstack-plugin.c
%C%_openstack_la_LDFLAGS = $(plugin_ldflags)
%C%_openstack_la_LIBADD = %D%/libopenstack.la $(openstack_libs)
endif
EXTRA_DIST += %D%/README.md
