# tests/slave.mk: slaves and the life of their instances, on the test clock
libbbtest_la_SOURCES += \
	%D%/support/bb-fake-cloud.c %D%/support/bb-fake-cloud.h \
	%D%/support/bb-scripted-link.c %D%/support/bb-scripted-link.h \
	%D%/support/bb-memory-store.c %D%/support/bb-memory-store.h \
	%D%/support/bb-slave-world.c %D%/support/bb-slave-world.h

check_PROGRAMS += tests/test-slave-manager
tests_test_slave_manager_SOURCES = %D%/test-slave-manager.c
tests_test_slave_manager_CPPFLAGS = $(test_cppflags)
tests_test_slave_manager_LDADD = $(test_libs)
TESTS += tests/test-slave-manager

check_PROGRAMS += tests/test-substantiation
tests_test_substantiation_SOURCES = %D%/test-substantiation.c
tests_test_substantiation_CPPFLAGS = $(test_cppflags)
tests_test_substantiation_LDADD = $(test_libs)
TESTS += tests/test-substantiation

TESTS += tests/test-substantiation-doc.py
EXTRA_DIST += %D%/test-substantiation-doc.py

check_PROGRAMS += tests/test-parking
tests_test_parking_SOURCES = %D%/test-parking.c
tests_test_parking_CPPFLAGS = $(test_cppflags)
tests_test_parking_LDADD = $(test_libs)
TESTS += tests/test-parking

check_PROGRAMS += tests/test-substantiation-table
tests_test_substantiation_table_SOURCES = %D%/test-substantiation-table.c
tests_test_substantiation_table_CPPFLAGS = $(test_cppflags)
tests_test_substantiation_table_LDADD = $(test_libs)
TESTS += tests/test-substantiation-table

check_PROGRAMS += tests/test-substantiation-random
tests_test_substantiation_random_SOURCES = %D%/test-substantiation-random.c
tests_test_substantiation_random_CPPFLAGS = $(test_cppflags)
tests_test_substantiation_random_LDADD = $(test_libs)
TESTS += tests/test-substantiation-random

# More of it: the same, ten times as long or as long as BB_RANDOM_SEQUENCES says.
random: tests/test-substantiation-random
	$(AM_TESTS_ENVIRONMENT) BB_RANDOM_SEQUENCES=$${BB_RANDOM_SEQUENCES:-1000000} \
	  $(SHELL) $(top_srcdir)/tests/run-test tests/test-substantiation-random
.PHONY: random
