# tests/build.mk
check_PROGRAMS += tests/test-log
tests_test_log_SOURCES = %D%/test-log.c
tests_test_log_CPPFLAGS = $(test_cppflags)
tests_test_log_LDADD = $(test_libs)
TESTS += tests/test-log
