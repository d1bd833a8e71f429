# tests/config.mk: options, key files, plugins, the local backend
include tests/plugins/plugins.mk

check_PROGRAMS += tests/test-option tests/test-interpolate tests/test-plugin tests/test-config
TESTS += tests/test-option tests/test-interpolate tests/test-plugin tests/test-config

tests_test_option_SOURCES = %D%/test-option.c
tests_test_option_CPPFLAGS = $(test_cppflags)
tests_test_option_LDADD = $(test_libs)

tests_test_interpolate_SOURCES = %D%/test-interpolate.c
tests_test_interpolate_CPPFLAGS = $(test_cppflags)
tests_test_interpolate_LDADD = $(test_libs)

tests_test_plugin_SOURCES = %D%/test-plugin.c
tests_test_plugin_CPPFLAGS = $(test_cppflags)
tests_test_plugin_LDADD = $(test_libs)

tests_test_config_SOURCES = %D%/test-config.c
tests_test_config_CPPFLAGS = $(test_cppflags)
tests_test_config_LDADD = $(test_libs)

# What every backend must do; for the test programs of all of them.
suite_latent = %D%/suite-latent.c %D%/suite-latent.h

check_PROGRAMS += tests/test-latent tests/test-local
TESTS += tests/test-latent tests/test-local

tests_test_latent_SOURCES = %D%/test-latent.c $(suite_latent)
tests_test_latent_CPPFLAGS = $(test_cppflags)
tests_test_latent_LDADD = $(test_libs)

tests_test_local_SOURCES = %D%/test-local.c $(suite_latent)
tests_test_local_CPPFLAGS = $(test_cppflags)
tests_test_local_LDADD = $(test_libs)
