# tests/openstack.mk
if BUILD_OPENSTACK
check_PROGRAMS += tests/test-openstack
tests_test_openstack_SOURCES = %D%/test-openstack.c $(suite_latent)
tests_test_openstack_CPPFLAGS = $(test_cppflags) -I$(top_builddir)/include -I$(top_srcdir)/plugins/openstack -I$(top_srcdir)/plugins/web
tests_test_openstack_CFLAGS = $(AM_CFLAGS) $(OPENSTACK_CFLAGS) $(JSON_CFLAGS)
tests_test_openstack_LDADD = plugins/openstack/libopenstack.la $(test_libs) $(OPENSTACK_LIBS) $(JSON_LIBS)
TESTS += tests/test-openstack %D%/integration/test-openstack.py

# The same script against real services, which this brings up: some minutes, 2 GiB, root for the packages.
.PHONY: check-openstack
check-openstack: all
	$(AM_TESTS_ENVIRONMENT) BB_TEST_TIME_LIMIT=3600 $(SHELL) $(top_srcdir)/tests/run-test /usr/bin/python3 \
	  $(srcdir)/tests/integration/oslab.py $(srcdir)/tests/integration/test-openstack.py
endif
EXTRA_DIST += %D%/integration/test-openstack.py %D%/integration/oscloud.py %D%/integration/oslab.py \
	contrib/openstack-lab/README contrib/openstack-lab/lab contrib/openstack-lab/common.sh \
	contrib/openstack-lab/configure.sh contrib/openstack-lab/install.sh contrib/openstack-lab/services.sh \
	contrib/openstack-lab/seed.py contrib/openstack-lab/neutron-agent.py
