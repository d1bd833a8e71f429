# What the daemon costs: a fleet of slaves of our own, and the machine's own floor beside it. Built and run by `make bench`.
bench_programs = bench/bench-fleet bench/bench-floor
EXTRA_PROGRAMS += $(bench_programs)
bench_bench_fleet_SOURCES = %D%/bench-fleet.c %D%/bench-slave.c %D%/bench-slave.h
bench_bench_fleet_CFLAGS = -std=gnu11 $(WARN_CFLAGS) $(SANITIZER_CFLAGS) $(GLIB_CFLAGS)
bench_bench_fleet_LDADD = $(GLIB_LIBS)
bench_bench_floor_SOURCES = %D%/bench-floor.c
CLEANFILES += $(bench_programs)
EXTRA_DIST += %D%/run %D%/libvirt-start %D%/README.md %D%/peer.cfg

.PHONY: bench
bench: all $(bench_programs)
	BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' /usr/bin/python3 $(srcdir)/bench/run $(BENCH_FLAGS)
