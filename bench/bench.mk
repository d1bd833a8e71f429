# What the daemon costs: a fleet of slaves of our own, machines for a cloud that has none, and the machine's own floor beside
# it. Built and run by `make bench`.
bench_programs = bench/bench-fleet bench/bench-floor bench/bench.la
check_PROGRAMS += bench/bench-fleet bench/bench-floor
check_LTLIBRARIES += bench/bench.la
bench_bench_fleet_SOURCES = %D%/bench-fleet.c %D%/bench-submitter.c %D%/bench-submitter.h \
	%D%/bench-slave.c %D%/bench-slave.h %D%/bench-slave-private.h %D%/bench-pb.c %D%/bench-msgpack.c
bench_bench_fleet_CFLAGS = -std=gnu11 $(WARN_CFLAGS) $(SANITIZER_CFLAGS) $(GLIB_CFLAGS) $(SOUP_CFLAGS) $(MSGPACK_CFLAGS)
bench_bench_fleet_LDADD = $(GLIB_LIBS) $(SOUP_LIBS) $(MSGPACK_LIBS) $(WSLAY_LIBS)
bench_bench_floor_SOURCES = %D%/bench-floor.c
bench_bench_la_SOURCES = %D%/bench-plugin.c
bench_bench_la_CPPFLAGS = $(plugin_cppflags)
bench_bench_la_LDFLAGS = $(plugin_ldflags) -rpath /nowhere
bench_bench_la_LIBADD = $(plugin_libs)
EXTRA_DIST += %D%/run %D%/libvirt-start %D%/README.md %D%/peer.cfg

.PHONY: bench
bench: all $(bench_programs)
	BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' /usr/bin/python3 $(srcdir)/bench/run $(BENCH_FLAGS)
