# tests/ec2.mk
if BUILD_EC2
ec2_test_cppflags = $(test_cppflags) -I$(top_builddir)/include -I$(top_srcdir)/plugins/ec2
ec2_test_libs = plugins/ec2/libec2.la $(test_libs) $(EC2_LIBS) $(JSON_LIBS)

check_PROGRAMS += tests/test-ec2-signature
tests_test_ec2_signature_SOURCES = %D%/test-ec2-signature.c
tests_test_ec2_signature_CPPFLAGS = $(ec2_test_cppflags)
tests_test_ec2_signature_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
tests_test_ec2_signature_LDADD = $(ec2_test_libs)
TESTS += tests/test-ec2-signature

check_PROGRAMS += tests/test-ec2-config
tests_test_ec2_config_SOURCES = %D%/test-ec2-config.c
tests_test_ec2_config_CPPFLAGS = $(ec2_test_cppflags)
tests_test_ec2_config_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
tests_test_ec2_config_LDADD = $(ec2_test_libs)
TESTS += tests/test-ec2-config

check_PROGRAMS += tests/test-ec2
tests_test_ec2_SOURCES = %D%/test-ec2.c %D%/support/bb-ec2-double.c %D%/support/bb-ec2-double.h
tests_test_ec2_CPPFLAGS = $(ec2_test_cppflags)
tests_test_ec2_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
tests_test_ec2_LDADD = $(ec2_test_libs)
TESTS += tests/test-ec2

check_PROGRAMS += tests/test-ec2-keys
tests_test_ec2_keys_SOURCES = %D%/test-ec2-keys.c %D%/support/bb-ec2-double.c %D%/support/bb-ec2-double.h
tests_test_ec2_keys_CPPFLAGS = $(ec2_test_cppflags)
tests_test_ec2_keys_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
tests_test_ec2_keys_LDADD = $(ec2_test_libs)
TESTS += tests/test-ec2-keys

TESTS += %D%/integration/test-ec2.py
endif
TESTS += %D%/test-ec2-dead-man.py
EXTRA_DIST += %D%/test-ec2-dead-man.py %D%/data/ec2/sigv4-vectors.json %D%/integration/test-ec2.py %D%/integration/ec2cloud.py \
	%D%/integration/fleet.py %D%/integration/ec2images.json

# 200 slaves and 400 builds, with lost answers, refusals and killed daemons.
.PHONY: check-ec2
check-ec2: all
	$(AM_TESTS_ENVIRONMENT) BB_TEST_EC2_LARGE=1 $(SHELL) $(top_srcdir)/tests/run-test /usr/bin/python3 \
	  $(srcdir)/tests/integration/test-ec2.py Many
