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
