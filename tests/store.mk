# tests/store.mk
check_PROGRAMS += tests/test-store
tests_test_store_SOURCES = %D%/test-store.c
tests_test_store_CPPFLAGS = $(test_cppflags)
tests_test_store_LDADD = $(test_libs) $(SQLITE_LIBS)
TESTS += tests/test-store
