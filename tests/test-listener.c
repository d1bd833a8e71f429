/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bb-error.h"
#include "bb-pb-peer.h"
#include "bb-test.h"

typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
} Fixture;

static BbListener *
listen_on (Fixture *f, const char *address, guint16 port, const BbListenerLimits *limits, GError **error)
{
  return bb_listener_new (f->loop, "main", "pb", address, port, BB_LOGIN_HOST (f->host), limits, error);
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->host = bb_test_login_host_new ();
  f->listener = listen_on (f, "127.0.0.1", 0, &bb_listener_default_limits, &error);
  g_assert_no_error (error);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  bb_listener_close (f->listener);
  bb_test_run_pending ();
  for (guint i = 0; i < f->host->links->len; i++)
    bb_slave_link_close (f->host->links->pdata[i], NULL);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_assert_finalize_object (f->listener);
  g_assert_finalize_object (f->host);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
}

/* Sockets on both ends. */
static gboolean
can_open (rlim_t n_files)
{
  struct rlimit limit;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  limit.rlim_cur = limit.rlim_max;
  setrlimit (RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= n_files)
    return TRUE;
  g_test_skip ("not enough file descriptors are allowed");
  return FALSE;
}

/* Connects without waiting: the kernel answers for a listener that does not look yet. */
static int
connect_to (guint16 port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  g_assert_cmpint (fd, >=, 0);
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  if (connect (fd, (struct sockaddr *) &address, sizeof address) != 0)
    g_assert_cmpint (errno, ==, EINPROGRESS);
  return fd;
}

typedef struct
{
  int *fds;
  guint n;
  guint n_greeted;
  gboolean *greeted;
} Crowd;

static void
crowd_init (Crowd *crowd, guint n, guint16 port)
{
  crowd->n = n;
  crowd->n_greeted = 0;
  crowd->fds = g_new (int, n);
  crowd->greeted = g_new0 (gboolean, n);
  for (guint i = 0; i < n; i++)
    crowd->fds[i] = connect_to (port);
}

static void
crowd_clear (Crowd *crowd)
{
  for (guint i = 0; i < crowd->n; i++)
    if (crowd->fds[i] >= 0)
      close (crowd->fds[i]);
  g_free (crowd->fds);
  g_free (crowd->greeted);
}

static gboolean
all_are_greeted (gpointer user_data)
{
  static const guint8 greeting[] = { 2, 0x80, 2, 0x82, 'p', 'b', 4, 0x82, 'n', 'o', 'n', 'e' };
  Crowd *crowd = user_data;
  guint8 got[64];

  for (guint i = 0; i < crowd->n; i++)
    {
      gssize n;

      if (crowd->greeted[i] || (n = recv (crowd->fds[i], got, sizeof got, 0)) < 0)
        continue;
      g_assert_cmpmem (got, n, greeting, sizeof greeting);
      crowd->greeted[i] = TRUE;
      crowd->n_greeted++;
    }
  return crowd->n_greeted == crowd->n;
}

/* The kernel's queue holds them, they are all accepted at once, and each is spoken to without having said anything. */
static void
test_thousand_at_once (Fixture *f, gconstpointer data)
{
  Crowd crowd;

  if (!can_open (2500))
    return;
  crowd_init (&crowd, 1000, bb_listener_get_port (f->listener));
  bb_test_run_until_true (all_are_greeted, &crowd);
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 1000);
  crowd_clear (&crowd);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
}

static guint
count_closed (Crowd *crowd)
{
  guint n_closed = 0;
  guint8 got[64];

  for (guint i = 0; i < crowd->n; i++)
    {
      gssize n;

      while ((n = recv (crowd->fds[i], got, sizeof got, 0)) > 0)
        ;
      n_closed += n == 0 || errno != EAGAIN;
    }
  return n_closed;
}

/* A2: half of them send garbage, half nothing; a slave is served meanwhile, and all is given back. */
static void
test_hostile_crowd (Fixture *f, gconstpointer data)
{
  guint16 port = bb_listener_get_port (f->listener);
  g_autoptr (BbPbPeer) slave = NULL;
  Crowd crowd;

  if (!can_open (5000))
    return;
  crowd_init (&crowd, 2000, port);
  bb_test_run_until_true (all_are_greeted, &crowd);
  slave = bb_pb_peer_new (port);
  for (guint i = 0; i < crowd.n; i += 2)
    g_assert_cmpint (send (crowd.fds[i], "\xff\xff\xff garbage", 11, MSG_NOSIGNAL), ==, 11);
  bb_pb_peer_login (slave, "w1", "pw-one");
  bb_pb_peer_expect (slave, "(answer 2 (remote 2))");
  bb_test_run_pending ();
  g_assert_cmpuint (count_closed (&crowd), ==, 1000);
  bb_test_clock_advance (f->clock, f->loop, 31);
  g_assert_cmpuint (count_closed (&crowd), ==, 2000);
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
  g_assert_false (bb_pb_peer_is_closed (slave));
  crowd_clear (&crowd);
}

/* The cap of one address, and of all: the oldest goes for the new one, as the new one may be the slave. */
static void
test_caps (Fixture *f, gconstpointer data)
{
  BbListenerLimits limits = { .max_unauthenticated = 100, .max_unauthenticated_per_address = 10,
                              .login_time_us = 30 * G_USEC_PER_SEC };
  g_autoptr (GError) error = NULL;
  g_autoptr (BbPbPeer) slave = NULL;
  Crowd crowd;

  bb_listener_close (f->listener);
  g_object_unref (f->listener);
  f->listener = listen_on (f, "127.0.0.1", 0, &limits, &error);
  g_assert_no_error (error);
  crowd_init (&crowd, 50, bb_listener_get_port (f->listener));
  bb_test_run_pending ();
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 10);
  g_assert_cmpuint (count_closed (&crowd), ==, 40);
  slave = bb_pb_peer_new (bb_listener_get_port (f->listener));
  bb_pb_peer_login (slave, "w1", "pw-one");
  bb_pb_peer_expect (slave, "(answer 2 (remote 2))");
  crowd_clear (&crowd);
}

/* No descriptor is left: it waits instead of spinning, and goes on later. */
static void
test_out_of_descriptors (Fixture *f, gconstpointer data)
{
  struct rlimit before, tight;
  GLogLevelFlags fatal;
  Crowd crowd;

  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &before), ==, 0);
  crowd_init (&crowd, 5, bb_listener_get_port (f->listener));
  tight = before;
  tight.rlim_cur = (rlim_t) crowd.fds[4] + 1;
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &tight), ==, 0);
  fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK); /* the warning is meant to come */
  for (guint i = 0; i < 20; i++)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
  g_assert_false (g_main_context_pending (NULL));
  g_log_set_always_fatal (fatal);
  g_assert_cmpint (setrlimit (RLIMIT_NOFILE, &before), ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 1.1);
  bb_test_run_until_true (all_are_greeted, &crowd);
  crowd_clear (&crowd);
}

/* A6 */
static void
test_port_in_use (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *expected
    = g_strdup_printf ("listener main: cannot bind 127.0.0.1 port %u: Address already in use (held by *test-listener*, pid %d)",
                       bb_listener_get_port (f->listener), getpid ());

  g_assert_null (listen_on (f, "127.0.0.1", bb_listener_get_port (f->listener), &bb_listener_default_limits, &error));
  g_test_message ("%s", error->message);
  g_assert_true (g_pattern_match_simple (expected, error->message));
}

static void
test_wrong_configuration (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) address = NULL;
  g_autoptr (GError) protocol = NULL;

  g_assert_null (listen_on (f, "localhost", 0, &bb_listener_default_limits, &address));
  g_assert_cmpstr (address->message, ==, "listener main: address: \"localhost\" is not an IP address");
  g_assert_null (bb_listener_new (f->loop, "main", "http", NULL, 0, BB_LOGIN_HOST (f->host), &bb_listener_default_limits,
                                  &protocol));
  g_assert_cmpstr (protocol->message, ==, "listener main: protocol: \"http\" is neither \"pb\" nor \"msgpack\"");
}

static gboolean
greeted (gpointer user_data)
{
  char got[12];

  return recv (GPOINTER_TO_INT (user_data), got, sizeof got, MSG_DONTWAIT) == 12;
}

/* `*` and nothing are both families on one socket. */
static void
test_any_address (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbListener) any = listen_on (f, "*", 0, &bb_listener_default_limits, &error);
  struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
  g_autoptr (BbPbPeer) v4 = NULL;
  int fd;

  g_assert_no_error (error);
  v4 = bb_pb_peer_new (bb_listener_get_port (any));
  bb_pb_peer_login (v4, "w1", "pw-one");
  bb_pb_peer_expect (v4, "(answer 2 (remote 2))");
  g_assert_true (g_str_has_prefix (bb_slave_link_get_peer_address (f->host->links->pdata[0]), "127.0.0.1:"));
  v6.sin6_port = htons (bb_listener_get_port (any));
  v6.sin6_addr = in6addr_loopback;
  fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect (fd, (struct sockaddr *) &v6, sizeof v6) == 0)
    bb_test_run_until_true (greeted, GINT_TO_POINTER (fd));
  if (fd >= 0)
    close (fd);
  bb_listener_close (any);
  bb_test_run_pending ();
}

/* What one attached idle slave costs us, without the kernel's part. The sanitizers count otherwise. */
static void
test_memory (Fixture *f, gconstpointer data)
{
  int fds[201];
  gsize before = 0, each;

#if defined(__SANITIZE_ADDRESS__)
  g_test_skip ("the memory of a sanitized program says nothing");
  return;
#endif
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (bb_listener_get_port (f->listener));

      bb_pb_peer_login (peer, "w1", "pw-one");
      bb_pb_peer_expect (peer, "(answer 2 (remote 2))");
      fds[i] = dup (bb_pb_peer_get_fd (peer));
      g_clear_pointer (&peer, bb_pb_peer_free);
      /* The first one also pays for OpenSSL. */
      if (i == 0)
        before = mallinfo2 ().uordblks;
    }
  each = (mallinfo2 ().uordblks - before) / (G_N_ELEMENTS (fds) - 1);
  g_test_message ("%" G_GSIZE_FORMAT " bytes each", each);
  g_assert_cmpuint (each, <, 4096);
  for (guint i = 0; i < G_N_ELEMENTS (fds); i++)
    close (fds[i]);
  bb_test_run_pending ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("/listener/thousand-at-once", test_thousand_at_once);
  ADD ("/listener/hostile-crowd", test_hostile_crowd);
  ADD ("/listener/caps", test_caps);
  ADD ("/listener/out-of-descriptors", test_out_of_descriptors);
  ADD ("/listener/port-in-use", test_port_in_use);
  ADD ("/listener/wrong-configuration", test_wrong_configuration);
  ADD ("/listener/any-address", test_any_address);
  ADD ("/listener/memory", test_memory);
  return g_test_run ();
}
