# tests/store.mk
check_PROGRAMS += tests/test-store
tests_test_store_SOURCES = %D%/test-store.c
tests_test_store_CPPFLAGS = $(test_cppflags)
tests_test_store_LDADD = $(test_libs) $(SQLITE_LIBS)
TESTS += tests/test-store

libbbtest_la_SOURCES += %D%/support/bb-fragile-store.c %D%/support/bb-fragile-store.h \
	%D%/support/bb-log-trap.c %D%/support/bb-log-trap.h
check_PROGRAMS += tests/test-ledger
tests_test_ledger_SOURCES = %D%/test-ledger.c
tests_test_ledger_CPPFLAGS = $(test_cppflags)
tests_test_ledger_LDADD = $(test_libs)
TESTS += tests/test-ledger

check_PROGRAMS += tests/test-reaper
tests_test_reaper_SOURCES = %D%/test-reaper.c
tests_test_reaper_CPPFLAGS = $(test_cppflags)
tests_test_reaper_LDADD = $(test_libs)
TESTS += tests/test-reaper
