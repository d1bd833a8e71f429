# tests/torture: kill -9 at every point, a thousand times
check_LTLIBRARIES += %D%/dircloud.la %D%/commit-killer.la
%C%_dircloud_la_SOURCES = %D%/dircloud.c
%C%_dircloud_la_CPPFLAGS = $(plugin_cppflags)
%C%_dircloud_la_LDFLAGS = $(plugin_ldflags) -rpath /nowhere
%C%_dircloud_la_LIBADD = $(plugin_libs)

# Without sanitizers, whose runtime must come first in a process.
%C%_commit_killer_la_SOURCES = %D%/commit-killer.c
%C%_commit_killer_la_CFLAGS = $(WARN_CFLAGS)
%C%_commit_killer_la_CPPFLAGS = -D_GNU_SOURCE
%C%_commit_killer_la_LDFLAGS = -module -avoid-version -shared -rpath /nowhere

TESTS += tests/torture/test-torture.py
EXTRA_DIST += %D%/test-torture.py

torture: all $(check_LTLIBRARIES)
	$(AM_TESTS_ENVIRONMENT) /usr/bin/python3 $(srcdir)/tests/torture/test-torture.py --kills 1000 --lives 1000
.PHONY: torture
