# tests/net.mk
libbbtest_la_SOURCES += %D%/support/bb-test.c %D%/support/bb-test.h %D%/support/bb-capture.c %D%/support/bb-capture.h \
	%D%/support/bb-pb-peer.c %D%/support/bb-pb-peer.h %D%/support/bb-msgpack-peer.c %D%/support/bb-msgpack-peer.h \
	%D%/support/bb-command-ear.c %D%/support/bb-command-ear.h
EXTRA_DIST += %D%/data/pb %D%/data/msgpack

check_PROGRAMS += tests/test-loop
tests_test_loop_SOURCES = %D%/test-loop.c
tests_test_loop_CPPFLAGS = $(test_cppflags)
tests_test_loop_LDADD = $(test_libs)
TESTS += tests/test-loop

check_PROGRAMS += tests/test-banana
tests_test_banana_SOURCES = %D%/test-banana.c
tests_test_banana_CPPFLAGS = $(test_cppflags)
tests_test_banana_LDADD = $(test_libs)
TESTS += tests/test-banana

check_PROGRAMS += tests/test-pb-login
tests_test_pb_login_SOURCES = %D%/test-pb-login.c
tests_test_pb_login_CPPFLAGS = $(test_cppflags)
tests_test_pb_login_LDADD = $(test_libs)
TESTS += tests/test-pb-login

check_PROGRAMS += tests/test-pb-real-worker
tests_test_pb_real_worker_SOURCES = %D%/test-pb-real-worker.c
tests_test_pb_real_worker_CPPFLAGS = $(test_cppflags)
tests_test_pb_real_worker_LDADD = $(test_libs)
TESTS += tests/test-pb-real-worker

check_PROGRAMS += tests/test-jelly
tests_test_jelly_SOURCES = %D%/test-jelly.c
tests_test_jelly_CPPFLAGS = $(test_cppflags)
tests_test_jelly_LDADD = $(test_libs)
TESTS += tests/test-jelly

check_PROGRAMS += tests/test-pb-link
tests_test_pb_link_SOURCES = %D%/test-pb-link.c
tests_test_pb_link_CPPFLAGS = $(test_cppflags)
tests_test_pb_link_LDADD = $(test_libs)
TESTS += tests/test-pb-link

check_PROGRAMS += tests/test-listener
tests_test_listener_SOURCES = %D%/test-listener.c
tests_test_listener_CPPFLAGS = $(test_cppflags)
tests_test_listener_LDADD = $(test_libs)
TESTS += tests/test-listener

check_PROGRAMS += tests/test-pb-replay
tests_test_pb_replay_SOURCES = %D%/test-pb-replay.c
tests_test_pb_replay_CPPFLAGS = $(test_cppflags)
tests_test_pb_replay_LDADD = $(test_libs)
TESTS += tests/test-pb-replay

check_PROGRAMS += tests/test-stream
tests_test_stream_SOURCES = %D%/test-stream.c
tests_test_stream_CPPFLAGS = $(test_cppflags)
tests_test_stream_LDADD = $(test_libs)
TESTS += tests/test-stream

check_PROGRAMS += tests/test-msgpack-login
tests_test_msgpack_login_SOURCES = %D%/test-msgpack-login.c
tests_test_msgpack_login_CPPFLAGS = $(test_cppflags)
tests_test_msgpack_login_LDADD = $(test_libs)
TESTS += tests/test-msgpack-login

check_PROGRAMS += tests/test-msgpack-link
tests_test_msgpack_link_SOURCES = %D%/test-msgpack-link.c
tests_test_msgpack_link_CPPFLAGS = $(test_cppflags)
tests_test_msgpack_link_LDADD = $(test_libs)
TESTS += tests/test-msgpack-link

check_PROGRAMS += tests/test-msgpack-replay
tests_test_msgpack_replay_SOURCES = %D%/test-msgpack-replay.c
tests_test_msgpack_replay_CPPFLAGS = $(test_cppflags)
tests_test_msgpack_replay_LDADD = $(test_libs)
TESTS += tests/test-msgpack-replay
