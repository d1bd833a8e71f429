# tests/net.mk
libbbtest_la_SOURCES += %D%/support/bb-test.c %D%/support/bb-test.h
check_PROGRAMS += tests/test-loop
tests_test_loop_SOURCES = %D%/test-loop.c
tests_test_loop_CPPFLAGS = $(test_cppflags)
tests_test_loop_LDADD = $(test_libs)
TESTS += tests/test-loop
