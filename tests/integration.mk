# The whole of it from outside: real workers, scripted peers, programs as users call them.
integration_tests = \
	%D%/integration/test-workers.py \
	%D%/integration/test-peers.py \
	%D%/integration/test-restart.py \
	%D%/integration/test-trouble.py \
	%D%/integration/test-latent.py \
	%D%/integration/test-commands.py \
	%D%/integration/test-manual.py \
	%D%/integration/test-migrate.py \
	%D%/integration/test-languages.py \
	%D%/integration/test-tls.py \
	%D%/integration/test-bench.py
TESTS += $(integration_tests)
EXTRA_DIST += $(integration_tests) \
	%D%/integration/bbtest.py \
	%D%/integration/pbpeer.py \
	%D%/integration/hostile-storm.py \
	%D%/integration/test-installed.py \
	contrib/build-tree contrib/debian-packages contrib/install-packages

# A minute of it, and sensitive to what else the machine does: not among the tests.
check-hostile: all bench/bench-fleet
	BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' /usr/bin/python3 $(srcdir)/tests/integration/hostile-storm.py
.PHONY: check-hostile
# Without sanitizers, whose runtime must come first in a process.
check_LTLIBRARIES += %D%/integration/clock-jumper.la
%C%_integration_clock_jumper_la_SOURCES = %D%/integration/clock-jumper.c
%C%_integration_clock_jumper_la_CFLAGS = $(WARN_CFLAGS)
%C%_integration_clock_jumper_la_CPPFLAGS = -D_GNU_SOURCE
%C%_integration_clock_jumper_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

# Every test of real workers on every wire, which takes minutes.
check-wires: all
	BB_TEST_ALL_WIRES=1 $(MAKE) $(AM_MAKEFLAGS) check TESTS='tests/integration/test-workers.py'
.PHONY: check-wires

# What was installed, from where it was installed; `make distcheck` comes by here.
installcheck-local:
	@if test -n "$(DESTDIR)"; then \
	  echo "ok 1 - installed # SKIP paths are built in, so that a staged copy can't be run"; \
	else \
	  BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' \
	  BB_TEST_BBHOSTD='$(sbindir)/bbhostd' BB_TEST_BBCTL='$(bindir)/bbctl' \
	  BB_TEST_PLUGIN_CHECK='$(bindir)/bbhost-plugin-check' \
	  BB_TEST_PKG_CONFIG_PATH='$(pkgconfigdir)' \
	  $(SHELL) $(top_srcdir)/tests/run-test /usr/bin/python3 $(srcdir)/tests/integration/test-installed.py; \
	fi
