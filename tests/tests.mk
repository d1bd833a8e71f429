# tests: GTest programs and scripts that speak TAP, one fragment per subject
AM_TESTS_ENVIRONMENT = \
	export G_TEST_SRCDIR='$(abs_top_srcdir)/tests' G_TEST_BUILDDIR='$(abs_top_builddir)/tests' \
	BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)';
TEST_EXTENSIONS = .py
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh --comments
PY_LOG_DRIVER = $(LOG_DRIVER) --ignore-exit
LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-test
PY_LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/run-test /usr/bin/python3
EXTRA_DIST += %D%/run-test %D%/mutate

# Hours for all of it; MUTATE_FLAGS='--each 3 core/ledger/bb-reaper.c' for some.
.PHONY: check-mutants
check-mutants:
	$(AM_TESTS_ENVIRONMENT) $(srcdir)/tests/mutate $(MUTATE_FLAGS)

test_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/support -I$(top_srcdir)/devel
test_libs = libbbtest.la libbbconformance.la libbbcore.la libbbhost-1.la $(GLIB_LIBS) $(GMODULE_LIBS)
check_LTLIBRARIES += libbbtest.la
libbbtest_la_CPPFLAGS = $(test_cppflags)
libbbtest_la_SOURCES =

include %D%/net.mk
include %D%/store.mk
include %D%/config.mk
include %D%/slave.mk
include %D%/build.mk
include %D%/bus.mk
include %D%/web.mk
include %D%/ec2.mk
include %D%/openstack.mk
include %D%/smtp.mk
include %D%/libvirt.mk
include %D%/integration.mk
include %D%/packages/packages.mk
include %D%/torture/torture.mk
