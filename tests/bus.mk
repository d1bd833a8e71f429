# tests/bus.mk
libbbtest_la_SOURCES += %D%/support/bb-test-bus.c %D%/support/bb-test-bus.h
check_PROGRAMS += tests/test-bus-path tests/test-bus-changes
TESTS += tests/test-bus-path tests/test-bus-changes
tests_test_bus_path_SOURCES = %D%/test-bus-path.c
tests_test_bus_path_CPPFLAGS = $(test_cppflags)
tests_test_bus_path_LDADD = $(test_libs)
tests_test_bus_changes_SOURCES = %D%/test-bus-changes.c
tests_test_bus_changes_CPPFLAGS = $(test_cppflags)
tests_test_bus_changes_LDADD = $(test_libs)

check_PROGRAMS += tests/test-bbctl
TESTS += tests/test-bbctl
tests_test_bbctl_SOURCES = %D%/test-bbctl.c
tests_test_bbctl_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/cli $(JSON_CFLAGS)
tests_test_bbctl_LDADD = libbbctl.la $(GLIB_LIBS) $(JSON_LIBS)

check_PROGRAMS += tests/test-bbctl-bus
TESTS += tests/test-bbctl-bus
tests_test_bbctl_bus_SOURCES = %D%/test-bbctl-bus.c
tests_test_bbctl_bus_CPPFLAGS = $(test_cppflags)
tests_test_bbctl_bus_LDADD = $(test_libs)

check_PROGRAMS += tests/test-bus
TESTS += tests/test-bus
tests_test_bus_SOURCES = %D%/test-bus.c
tests_test_bus_CPPFLAGS = $(test_cppflags)
tests_test_bus_LDADD = $(test_libs)

check_PROGRAMS += tests/test-polkit-authority
TESTS += tests/test-polkit-authority
tests_test_polkit_authority_SOURCES = %D%/test-polkit-authority.c
tests_test_polkit_authority_CPPFLAGS = $(test_cppflags)
tests_test_polkit_authority_LDADD = $(test_libs)
