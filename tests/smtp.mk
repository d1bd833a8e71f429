# tests/smtp.mk: the notifier, alone and with a real mail server
check_PROGRAMS += tests/test-notice-queue
TESTS += tests/test-notice-queue
tests_test_notice_queue_SOURCES = %D%/test-notice-queue.c
tests_test_notice_queue_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)/tests
tests_test_notice_queue_LDADD = $(test_libs)

if BUILD_SMTP
check_PROGRAMS += tests/test-smtp
TESTS += tests/test-smtp tests/integration/test-mail.py
tests_test_smtp_SOURCES = %D%/test-smtp.c
tests_test_smtp_CPPFLAGS = $(test_cppflags) -I$(top_srcdir)/plugins/smtp -I$(top_builddir)/include
tests_test_smtp_CFLAGS = $(AM_CFLAGS) $(SMTP_CFLAGS)
tests_test_smtp_LDADD = plugins/smtp/libsmtp.la $(test_libs) $(SMTP_LIBS)
endif
EXTRA_DIST += %D%/integration/test-mail.py %D%/integration/postfix.py
