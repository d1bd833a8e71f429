# The daemon as a service of the system, and as packages.
TESTS += tests/integration/test-service.py
EXTRA_DIST += tests/integration/test-service.py %D%/check-packages.py %D%/check-systemd.py %D%/debianroot.py \
  %D%/machine.py %D%/guest/control.py %D%/guest/init contrib/bbhost.spec

# Takes minutes, root, and Debian's archive.
.PHONY: check-packages
check-packages:
	@BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' BB_TEST_TIME_LIMIT=5400 \
	  $(SHELL) $(srcdir)/tests/run-test /usr/bin/python3 $(srcdir)/%D%/check-packages.py

# The same, and a virtual machine.
.PHONY: check-systemd
check-systemd:
	@BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' BB_TEST_TIME_LIMIT=5400 \
	  $(SHELL) $(srcdir)/tests/run-test /usr/bin/python3 $(srcdir)/%D%/check-systemd.py
