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
tests_test_ec2_SOURCES = %D%/test-ec2.c %D%/test-ec2-double.c %D%/test-ec2-double.h
tests_test_ec2_CPPFLAGS = $(ec2_test_cppflags)
tests_test_ec2_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
tests_test_ec2_LDADD = $(ec2_test_libs)
TESTS += tests/test-ec2
endif
EXTRA_DIST += %D%/data/ec2/sigv4-vectors.json
