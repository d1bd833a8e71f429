# tests/web.mk
check_PROGRAMS += tests/test-web
tests_test_web_SOURCES = %D%/test-web.c
tests_test_web_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)/plugins/web
tests_test_web_CFLAGS = $(AM_CFLAGS) $(SOUP_CFLAGS) $(JSON_CFLAGS)
tests_test_web_LDADD = plugins/web/libweb.la $(test_libs) $(SOUP_LIBS) $(JSON_LIBS)
TESTS += tests/test-web
