# tests/openstack.mk
if BUILD_OPENSTACK
check_PROGRAMS += tests/test-openstack
tests_test_openstack_SOURCES = %D%/test-openstack.c $(suite_latent)
tests_test_openstack_CPPFLAGS = $(test_cppflags) -I$(top_builddir)/include -I$(top_srcdir)/plugins/openstack
tests_test_openstack_CFLAGS = $(AM_CFLAGS) $(OPENSTACK_CFLAGS) $(JSON_CFLAGS)
tests_test_openstack_LDADD = plugins/openstack/libopenstack.la $(test_libs) $(OPENSTACK_LIBS) $(JSON_LIBS)
TESTS += tests/test-openstack %D%/integration/test-openstack.py
endif
EXTRA_DIST += %D%/integration/test-openstack.py %D%/integration/oscloud.py
