# fuzz: each decoder of foreign bytes. Built by clang with --enable-fuzzers, libFuzzer drives them (see fuzz/run and
# `make check-fuzz`); built as the rest is, they run their corpus once, as tests.
fuzz_programs = fuzz/fuzz-pb fuzz/fuzz-msgpack fuzz/fuzz-config fuzz/fuzz-interpolate
fuzz_cppflags = $(test_cppflags) -I$(srcdir)/%D%
fuzz_common = %D%/fuzz-common.c %D%/fuzz.h
if FUZZERS
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
else
fuzz_ldflags = $(AM_LDFLAGS)
fuzz_common += %D%/fuzz-replay.c
check_PROGRAMS += $(fuzz_programs)
TESTS += $(fuzz_programs)
endif
EXTRA_PROGRAMS += $(fuzz_programs)
EXTRA_DIST += %D%/README.md %D%/run %D%/make-seeds %D%/fuzz-replay.c %D%/corpus

fuzz_session = %D%/fuzz-session.c %D%/fuzz-session.h %D%/fuzz-wire.c %D%/fuzz-wire.h $(fuzz_common)
fuzz_fuzz_pb_SOURCES = %D%/fuzz-pb.c $(fuzz_session)
fuzz_fuzz_pb_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME=\"pb\"
fuzz_fuzz_pb_LDFLAGS = $(fuzz_ldflags)
fuzz_fuzz_pb_LDADD = $(test_libs)

fuzz_fuzz_msgpack_SOURCES = %D%/fuzz-msgpack.c $(fuzz_session)
fuzz_fuzz_msgpack_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME=\"msgpack\"
fuzz_fuzz_msgpack_LDFLAGS = $(fuzz_ldflags)
fuzz_fuzz_msgpack_LDADD = $(test_libs)

fuzz_fuzz_config_SOURCES = %D%/fuzz-config.c $(fuzz_common)
fuzz_fuzz_config_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME=\"config\"
fuzz_fuzz_config_LDFLAGS = $(fuzz_ldflags)
fuzz_fuzz_config_LDADD = $(test_libs)

fuzz_fuzz_interpolate_SOURCES = %D%/fuzz-interpolate.c $(fuzz_common)
fuzz_fuzz_interpolate_CPPFLAGS = $(fuzz_cppflags) -DFUZZ_NAME=\"interpolate\"
fuzz_fuzz_interpolate_LDFLAGS = $(fuzz_ldflags)
fuzz_fuzz_interpolate_LDADD = $(test_libs)

if BUILD_EC2
fuzz_programs += fuzz/fuzz-ec2
fuzz_fuzz_ec2_SOURCES = %D%/fuzz-ec2.c $(fuzz_common)
fuzz_fuzz_ec2_CPPFLAGS = $(fuzz_cppflags) -I$(top_builddir)/include -I$(top_srcdir)/plugins/ec2 -DFUZZ_NAME=\"ec2\"
fuzz_fuzz_ec2_CFLAGS = $(AM_CFLAGS) $(EC2_CFLAGS) $(JSON_CFLAGS)
fuzz_fuzz_ec2_LDFLAGS = $(fuzz_ldflags)
fuzz_fuzz_ec2_LDADD = plugins/ec2/libec2.la $(test_libs) $(EC2_LIBS)
endif

if BUILD_OPENSTACK
fuzz_programs += fuzz/fuzz-openstack
fuzz_fuzz_openstack_SOURCES = %D%/fuzz-openstack.c $(fuzz_common)
fuzz_fuzz_openstack_CPPFLAGS = $(fuzz_cppflags) -I$(top_builddir)/include -I$(top_srcdir)/plugins/openstack -I$(top_srcdir)/plugins/web \
	-DFUZZ_NAME=\"openstack\"
fuzz_fuzz_openstack_CFLAGS = $(AM_CFLAGS) $(OPENSTACK_CFLAGS) $(JSON_CFLAGS)
fuzz_fuzz_openstack_LDFLAGS = $(fuzz_ldflags)
fuzz_fuzz_openstack_LDADD = plugins/openstack/libopenstack.la $(test_libs) $(OPENSTACK_LIBS) $(JSON_LIBS)
endif

fuzzers: $(BUILT_SOURCES)
	$(MAKE) $(AM_MAKEFLAGS) $(fuzz_programs)
check-fuzz:
	BB_SRCDIR='$(abs_top_srcdir)' BB_BUILDDIR='$(abs_top_builddir)' $(srcdir)/fuzz/run
.PHONY: fuzzers check-fuzz
