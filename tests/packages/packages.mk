# The daemon as a service of the system, and as packages.
TESTS += tests/integration/test-service.py
EXTRA_DIST += tests/integration/test-service.py %D%/check-packages.py contrib/bbhost.spec

# Takes minutes, root, and Debian's archive.
.PHONY: check-packages
check-packages:
	@BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' BB_TEST_TIME_LIMIT=5400 \
	  $(SHELL) $(srcdir)/tests/run-test /usr/bin/python3 $(srcdir)/%D%/check-packages.py
