# tests of core/build: with a store and a disk that are real, and slaves that the test plays
check_PROGRAMS += tests/test-log
tests_test_log_SOURCES = %D%/test-log.c
tests_test_log_CPPFLAGS = $(test_cppflags)
tests_test_log_LDADD = $(test_libs)
TESTS += tests/test-log

# The fake slave manager has the real one's symbols, so that it is linked instead.
build_test_support = \
	%D%/support/bb-build-fixture.c %D%/support/bb-build-fixture.h \
	%D%/support/bb-fake-link.c %D%/support/bb-fake-link.h \
	%D%/support/bb-fake-slaves.c %D%/support/bb-fake-slaves.h

check_PROGRAMS += tests/test-build
tests_test_build_SOURCES = %D%/test-build.c $(build_test_support)
tests_test_build_CPPFLAGS = $(test_cppflags)
tests_test_build_LDADD = $(test_libs)
TESTS += tests/test-build

check_PROGRAMS += tests/test-distributor
tests_test_distributor_SOURCES = %D%/test-distributor.c $(build_test_support)
tests_test_distributor_CPPFLAGS = $(test_cppflags)
tests_test_distributor_LDADD = $(test_libs)
TESTS += tests/test-distributor

check_PROGRAMS += tests/test-steps
tests_test_steps_SOURCES = %D%/test-steps.c $(build_test_support)
tests_test_steps_CPPFLAGS = $(test_cppflags)
tests_test_steps_LDADD = $(test_libs)
TESTS += tests/test-steps

check_PROGRAMS += tests/test-transfer
tests_test_transfer_SOURCES = %D%/test-transfer.c $(build_test_support)
tests_test_transfer_CPPFLAGS = $(test_cppflags)
tests_test_transfer_LDADD = $(test_libs) $(ARCHIVE_LIBS)
TESTS += tests/test-transfer
