/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include "bb-error.h"
#include "bb-log-trap.h"
#include "bb-login-throttle.h"
#include "bb-pb-login-private.h"
#include "bb-pb-peer.h"
#include "bb-test.h"

#define GREETING "(\"pb\" \"none\")"
#define UNAUTHORIZED                                                                                                   \
  "(error 2 (\"twisted.spread.pb.CopyableFailure\" (dictionary"                                                         \
  " ((\"unicode\" \"type\") \"twisted.cred.error.UnauthorizedLogin\")"                                                  \
  " ((\"unicode\" \"value\") (\"unicode\" \"\"))"                                                                       \
  " ((\"unicode\" \"traceback\") (\"unicode\" \"Traceback unavailable\\n\"))"                                           \
  " ((\"unicode\" \"parents\") (list (\"unicode\" \"twisted.cred.error.UnauthorizedLogin\")"                            \
  " (\"unicode\" \"twisted.cred.error.LoginFailed\") (\"unicode\" \"twisted.cred.error.Unauthorized\")"                 \
  " (\"unicode\" \"builtins.Exception\") (\"unicode\" \"builtins.BaseException\") (\"unicode\" \"builtins.object\")))"  \
  " ((\"unicode\" \"frames\") (list)) ((\"unicode\" \"stack\") (list)) ((\"unicode\" \"tb\") (None))"                   \
  " ((\"unicode\" \"count\") 0) ((\"unicode\" \"pickled\") 1)"                                                          \
  " ((\"unicode\" \"captureVars\") (\"boolean\" \"false\")))))"

typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
  guint16 port;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->host = bb_test_login_host_new ();
  f->listener = bb_listener_new (f->loop, "main", "pb", "127.0.0.1", 0, BB_LOGIN_HOST (f->host),
                                 &bb_listener_default_limits, &error);
  g_assert_no_error (error);
  f->port = bb_listener_get_port (f->listener);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  bb_listener_close (f->listener);
  for (guint i = 0; i < f->host->links->len; i++)
    bb_slave_link_close (f->host->links->pdata[i], NULL);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_assert_finalize_object (f->listener);
  g_assert_finalize_object (f->host);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
}

static void
test_right_password (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

  bb_pb_peer_login (peer, "w1", "pw-one");
  bb_pb_peer_expect (peer, "(answer 2 (remote 2))");
  g_assert_cmpstr (f->host->names->str, ==, "w1 ");
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
}

/* A dialect without vocabulary: nothing that we send may use it. */
static void
test_dialect_none (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);
  static const guint8 none[] = { 4, 0x82, 'n', 'o', 'n', 'e' };
  static const guint8 expected[] = { 2, 0x80, 7, 0x82, 'v', 'e', 'r', 's', 'i', 'o', 'n', 6, 0x81 };
  guint8 got[sizeof expected];

  bb_pb_peer_expect (peer, GREETING);
  bb_pb_peer_send_bytes (peer, none, sizeof none);
  bb_test_run_pending ();
  g_assert_cmpint (recv (bb_pb_peer_get_fd (peer), got, sizeof got, MSG_WAITALL), ==, sizeof got);
  g_assert_cmpmem (got, sizeof got, expected, sizeof expected);
}

/* A1 */
static void
test_refused_alike (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) wrong = bb_pb_peer_new (f->port);
  g_autoptr (BbPbPeer) unknown = bb_pb_peer_new (f->port);

  bb_pb_peer_login (wrong, "w1", "pw-two");
  bb_pb_peer_expect (wrong, UNAUTHORIZED);
  bb_pb_peer_login (unknown, "nobody", "pw-two");
  bb_pb_peer_expect (unknown, UNAUTHORIZED);
  g_assert_cmpstr (f->host->failures->str, ==, "wrong w1, unknown nobody, ");
  g_assert_cmpuint (f->host->links->len, ==, 0);
}

static void
test_refused_stays_90_s (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

  bb_pb_peer_login (peer, "w1", "pw-two");
  bb_pb_peer_expect (peer, UNAUTHORIZED);
  bb_test_clock_advance (f->clock, f->loop, 89);
  g_assert_false (bb_pb_peer_is_closed (peer));
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 1);
  bb_test_clock_advance (f->clock, f->loop, 2);
  bb_pb_peer_expect_closed (peer);
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
}

static void
test_refused_may_not_send (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);
  g_autofree char *garbage = g_malloc0 (8192);

  bb_pb_peer_login (peer, "w1", "pw-two");
  bb_pb_peer_expect (peer, UNAUTHORIZED);
  bb_pb_peer_send_bytes (peer, garbage, 8192);
  bb_pb_peer_expect_closed (peer);
}

/* The same peer and name again and again: each failure is answered later than the one before, and so is a success. */
static void
test_growing_delay (Fixture *f, gconstpointer data)
{
  static const double waits[] = { 0, 0, 0, 1, 2, 4, 8, 16, 30 };

  for (guint i = 0; i < G_N_ELEMENTS (waits); i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      g_test_message ("failure %u", i + 1);
      bb_pb_peer_login (peer, "w1", "pw-two");
      bb_test_run_pending ();
      if (waits[i] > 0)
        {
          bb_test_clock_advance (f->clock, f->loop, waits[i] - 0.5);
          g_assert_cmpstr (bb_pb_peer_poll (peer), ==, NULL);
          bb_test_clock_advance (f->clock, f->loop, 0.5);
        }
      bb_pb_peer_expect (peer, UNAUTHORIZED);
    }
}

static void
test_delay_is_per_name (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) right = NULL;
  g_autoptr (BbPbPeer) waiting = NULL;

  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      bb_pb_peer_login (peer, "broken", "x");
      bb_test_clock_advance (f->clock, f->loop, 20);
      bb_pb_peer_expect (peer, UNAUTHORIZED);
    }
  waiting = bb_pb_peer_new (f->port);
  bb_pb_peer_login (waiting, "broken", "x");
  right = bb_pb_peer_new (f->port);
  bb_pb_peer_login (right, "w1", "pw-one");
  bb_pb_peer_expect (right, "(answer 2 (remote 2))");
}

/* Many connections at once do not get more tries than one. */
static void
test_tries_wait_in_line (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) peers = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_pb_peer_free);
  guint n_answered = 0, n_closed = 0;

  for (guint i = 0; i < 8; i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      bb_pb_peer_login (peer, "w1", "x");
      bb_test_clock_advance (f->clock, f->loop, 31);
      bb_pb_peer_expect (peer, UNAUTHORIZED);
    }
  for (guint i = 0; i < 20; i++)
    {
      g_ptr_array_add (peers, bb_pb_peer_new (f->port));
      bb_pb_peer_login (peers->pdata[i], "w1", "x");
    }
  bb_test_clock_advance (f->clock, f->loop, 61);
  for (guint i = 0; i < 20; i++)
    {
      n_answered += bb_pb_peer_poll (peers->pdata[i]) != NULL;
      n_closed += bb_pb_peer_is_closed (peers->pdata[i]);
    }
  g_assert_cmpuint (n_answered, <=, 3);
  g_assert_cmpuint (n_closed, >=, 16);
}

static void
test_throttle_is_bounded (Fixture *f, gconstpointer data)
{
  g_autoptr (BbLoginThrottle) throttle = bb_login_throttle_new (f->loop);

  for (guint i = 0; i < 10000; i++)
    {
      g_autofree char *name = g_strdup_printf ("name%u", i);

      bb_login_throttle_failed (throttle, "192.0.2.1", name);
    }
  g_assert_cmpuint (bb_login_throttle_count (throttle), <=, 4096);
  bb_test_clock_advance (f->clock, f->loop, 601);
  g_assert_cmpint (bb_login_throttle_reserve_us (throttle, "192.0.2.1", "name9999"), ==, 0);
  g_assert_cmpuint (bb_login_throttle_count (throttle), ==, 0);
}

static void
ask_often (BbStranger *stranger, GLogLevelFlags level, guint n, guint expected)
{
  guint n_shown = 0;

  for (guint i = 0; i < n; i++)
    n_shown += bb_stranger_may_be_logged (stranger, level) ? 1 : 0;
  g_assert_cmpuint (n_shown, ==, expected);
}

/* Names can be made up without end, so that what is logged must not depend on them. */
static void
test_log_is_bounded (Fixture *f, gconstpointer data)
{
  g_autoptr (BbStrangerLog) log = bb_stranger_log_new (f->loop, "main");
  g_autoptr (BbStranger) loud = bb_stranger_new (log, "192.0.2.1", "192.0.2.1:1");
  g_autoptr (BbStranger) other = bb_stranger_new (log, "192.0.2.2", "192.0.2.2:1");
  g_autofree char *warnings = NULL;

  ask_often (loud, G_LOG_LEVEL_WARNING, 1000, 10);
  ask_often (other, G_LOG_LEVEL_WARNING, 3, 3);
  ask_often (loud, G_LOG_LEVEL_INFO, 5, 5); /* on another account */
  bb_test_clock_advance (f->clock, f->loop, 61);
  warnings = bb_log_trap_take_warnings ();
  g_assert_cmpstr (warnings, ==,
                   "listener main: 990 more lines about refused peers, many of them about 192.0.2.1, are not shown\n");
  ask_often (loud, G_LOG_LEVEL_WARNING, 1, 1);

  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *host = g_strdup_printf ("198.51.100.%u", i);
      g_autoptr (BbStranger) one = bb_stranger_new (log, host, host);

      ask_often (one, G_LOG_LEVEL_WARNING, 1, i < 99);
    }
  bb_stranger_log_close (log);
  g_free (warnings);
  warnings = bb_log_trap_take_warnings ();
  g_assert_true (g_str_has_prefix (warnings, "listener main: 901 more lines about refused peers, many of them about "));
  ask_often (other, G_LOG_LEVEL_WARNING, 1, 0);
}

/* A1: a flood of failures, each with another name. */
static void
test_flood_of_names (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  for (guint i = 0; i < 15; i++)
    {
      g_autofree char *name = g_strdup_printf ("name%u", i);
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      bb_pb_peer_login (peer, name, "pw");
      bb_test_run_pending ();
      bb_pb_peer_expect (peer, UNAUTHORIZED);
    }
  g_assert_nonnull (strstr (f->host->failures->str, "unknown name9, "));
  g_assert_null (strstr (f->host->failures->str, "unknown name10, "));
  bb_test_clock_advance (f->clock, f->loop, 61);
  warnings = bb_log_trap_take_warnings ();
  g_assert_cmpstr (warnings, ==, "listener main: 5 more lines about refused peers, many of them about 127.0.0.1, are not shown\n");
}

/* A2 */
static void
test_time_limit (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) silent = bb_pb_peer_new (f->port);
  g_autoptr (BbPbPeer) half = bb_pb_peer_new (f->port);

  bb_pb_peer_expect (silent, GREETING);
  bb_pb_peer_expect (half, GREETING);
  bb_pb_peer_send (half, "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"w1\") (dictionary))");
  bb_pb_peer_expect (half, "(version 6)");
  bb_pb_peer_next (half);
  bb_test_clock_advance (f->clock, f->loop, 29);
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 2);
  bb_test_clock_advance (f->clock, f->loop, 2);
  bb_pb_peer_expect_closed (silent);
  bb_pb_peer_expect_closed (half);
}

/* A7: whatever it is, that connection is closed and another one works. */
static void
test_garbage (Fixture *f, gconstpointer data)
{
  static const char *const all[] = {
    "\"morse\"",
    "5",
    "\"pb\" 5",
    "\"pb\" (version 5)",
    "\"pb\" (message 1 \"root\" login 1 (tuple \"w1\") (dictionary))",
    "\"pb\" (version 6) (message 1 \"root\" \"loginAnonymous\" 1 (tuple) (dictionary))",
    "\"pb\" (version 6) (message 1 7 login 1 (tuple \"w1\") (dictionary))",
    "\"pb\" (version 6) (message 1 1 \"respond\" 1 (tuple \"0123456789abcdef\" (remote 1)) (dictionary))",
    "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple) (dictionary))",
    "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple 5) (dictionary))",
    "\"pb\" (version 6) (message 1 \"root\" login)",
    "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"w1\") (dictionary))"
    " (message 2 1 \"respond\" 1 (tuple 1 2) (dictionary))",
    "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"w1\") (dictionary))"
    " (message 2 \"root\" login 1 (tuple \"w1\") (dictionary))",
    "\"pb\" (version 6) (\"nonsense\" 1)",
    "\"pb\" (version 6) ()",
    "\"pb\" (version 6) (((((((1)))))))",
    "\"pb\" (version 6) (1 2 3 4 5 6 7 8 9)",
    "\"pb\" (version 6) (decref 1) (decref 1) (decref 1) (decref 1) (decref 1) (decref 1) (decref 1) (decref 1) (decref 1)"
    " (decref 1) (decref 1) (decref 1) (decref 1) (decref 1) (decref 1)",
  };
  g_autoptr (BbPbPeer) good = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      g_test_message ("%s", all[i]);
      bb_pb_peer_send (peer, "%s", all[i]);
      bb_pb_peer_wait_closed (peer);
    }
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
  good = bb_pb_peer_new (f->port);
  bb_pb_peer_login (good, "w1", "pw-one");
  bb_pb_peer_expect (good, "(answer 2 (remote 2))");
}

static void
test_too_many_bytes (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);
  g_autofree char *digits = g_malloc0 (300);

  bb_pb_peer_send (peer, "\"pb\" (version 6)");
  for (guint i = 0; i < 20; i++)
    bb_pb_peer_send (peer, "(cache \"%0400d\")", 1);
  bb_pb_peer_wait_closed (peer);
}

static void
test_challenge_counts_once (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

  f->host->undecided = TRUE;
  bb_pb_peer_login (peer, "w1", "pw-one");
  bb_test_run_pending ();
  g_assert_cmpuint (f->host->links->len, ==, 1);
  bb_pb_peer_send (peer, "(message 3 1 \"respond\" 1 (tuple \"0123456789abcdef\" (remote 1)) (dictionary))");
  g_assert_nonnull (strstr (bb_pb_peer_next (peer), "Invalid Object ID"));
  g_assert_cmpuint (f->host->links->len, ==, 1);
}

static void
test_long_and_odd_names (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) odd = bb_pb_peer_new (f->port);
  g_autoptr (BbPbPeer) long_name = bb_pb_peer_new (f->port);
  g_autofree char *name = g_strnfill (257, 'n');

  bb_pb_peer_login (odd, "a\\nb\\xff", "x");
  bb_pb_peer_expect (odd, UNAUTHORIZED);
  g_assert_cmpstr (f->host->failures->str, ==, "unknown a?b\357\277\275, ");
  bb_pb_peer_send (long_name, "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"%s\") (dictionary))", name);
  bb_pb_peer_wait_closed (long_name);
}

/* A3: told that it is the second, which ends a worker's process; or just closed, which does not. */
static void
test_refuse (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) second = bb_pb_peer_new (f->port);
  g_autoptr (BbPbPeer) unwanted = NULL;

  f->host->undecided = TRUE;
  bb_pb_peer_login (second, "w1", "pw-one");
  bb_test_run_pending ();
  bb_slave_link_refuse (f->host->links->pdata[0], TRUE, "another one is attached");
  g_assert_nonnull (strstr (bb_pb_peer_next (second), "((\"unicode\" \"type\") \"builtins.RuntimeError\") "
                                                      "((\"unicode\" \"value\") (\"unicode\" \"rejecting duplicate worker\"))"));
  g_assert_false (bb_pb_peer_is_closed (second));
  bb_test_clock_advance (f->clock, f->loop, 91);
  bb_pb_peer_expect_closed (second);

  unwanted = bb_pb_peer_new (f->port);
  bb_pb_peer_login (unwanted, "w1", "pw-one");
  bb_test_run_pending ();
  bb_slave_link_refuse (f->host->links->pdata[1], FALSE, "nobody asked for it");
  bb_pb_peer_expect_closed (unwanted);
  bb_test_run_pending ();
  g_assert_cmpuint (f->host->n_lost, ==, 2);
}

static void
test_hangs_up_at_any_time (Fixture *f, gconstpointer data)
{
  static const char *const all[] = { "", "\"pb\"", "\"pb\" (version 6)",
                                     "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"w1\") (dictionary))" };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      bb_pb_peer_send (peer, "%s", all[i]);
      bb_test_run_pending ();
      g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 1);
      bb_pb_peer_hang_up (peer);
      bb_test_run_pending ();
      g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
    }
}

/* The listener goes while logins are under way, one of them waiting for its turn. */
static void
test_listener_closes (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) attached = bb_pb_peer_new (f->port);
  g_autoptr (BbPbPeer) greeted = NULL;
  g_autoptr (BbPbPeer) waiting = NULL;

  bb_pb_peer_login (attached, "w1", "pw-one");
  bb_pb_peer_expect (attached, "(answer 2 (remote 2))");
  for (guint i = 0; i < 4; i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      bb_pb_peer_login (peer, "broken", "x");
      bb_test_clock_advance (f->clock, f->loop, 20);
    }
  waiting = bb_pb_peer_new (f->port);
  bb_pb_peer_login (waiting, "broken", "x");
  bb_test_clock_advance (f->clock, f->loop, 0);
  greeted = bb_pb_peer_new (f->port);
  bb_pb_peer_expect (greeted, GREETING);
  bb_listener_close (f->listener);
  bb_pb_peer_expect_closed (greeted);
  bb_pb_peer_wait_closed (waiting);
  bb_test_clock_advance (f->clock, f->loop, 100);
  g_assert_false (bb_pb_peer_is_closed (attached));
}

static gboolean
fixed_challenge (guint8 *challenge)
{
  for (guint i = 0; i < BB_PB_CHALLENGE_SIZE; i++)
    challenge[i] = (guint8) i;
  return TRUE;
}

/* The digest that Twisted computes for this challenge. */
static void
test_digest (Fixture *f, gconstpointer data)
{
  g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

  bb_pb_login_set_challenge_func (fixed_challenge);
  bb_pb_peer_expect (peer, GREETING);
  bb_pb_peer_send (peer, "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"w1\") (dictionary))"
                         " (message 2 1 \"respond\" 1 (tuple "
                         "\"\\x6a\\x50\\xa4\\x65\\xa1\\xbd\\x1a\\x50\\xd6\\xcf\\x26\\x9f\\x89\\xe3\\xc6\\x26\""
                         " (remote 1)) (dictionary))");
  bb_pb_peer_expect (peer, "(version 6)");
  bb_pb_peer_next (peer);
  bb_pb_peer_expect (peer, "(answer 2 (remote 2))");
  bb_pb_login_set_challenge_func (NULL);
}

static void
test_challenges_differ (Fixture *f, gconstpointer data)
{
  g_autofree char *first = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (BbPbPeer) peer = bb_pb_peer_new (f->port);

      bb_pb_peer_send (peer, "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"w1\") (dictionary))");
      bb_pb_peer_expect (peer, GREETING);
      bb_pb_peer_expect (peer, "(version 6)");
      if (first == NULL)
        first = g_strdup (bb_pb_peer_next (peer));
      else
        g_assert_cmpstr (bb_pb_peer_next (peer), !=, first);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("/pb/login/right-password", test_right_password);
  ADD ("/pb/login/dialect-none", test_dialect_none);
  ADD ("/pb/login/refused-alike", test_refused_alike);
  ADD ("/pb/login/refused-stays-90-s", test_refused_stays_90_s);
  ADD ("/pb/login/refused-may-not-send", test_refused_may_not_send);
  ADD ("/pb/login/growing-delay", test_growing_delay);
  ADD ("/pb/login/delay-is-per-name", test_delay_is_per_name);
  ADD ("/pb/login/tries-wait-in-line", test_tries_wait_in_line);
  ADD ("/pb/login/throttle-is-bounded", test_throttle_is_bounded);
  ADD ("/pb/login/log-is-bounded", test_log_is_bounded);
  ADD ("/pb/login/A1-flood-of-names", test_flood_of_names);
  ADD ("/pb/login/time-limit", test_time_limit);
  ADD ("/pb/login/garbage", test_garbage);
  ADD ("/pb/login/too-many-bytes", test_too_many_bytes);
  ADD ("/pb/login/challenge-counts-once", test_challenge_counts_once);
  ADD ("/pb/login/odd-names", test_long_and_odd_names);
  ADD ("/pb/login/refuse", test_refuse);
  ADD ("/pb/login/hangs-up", test_hangs_up_at_any_time);
  ADD ("/pb/login/listener-closes", test_listener_closes);
  ADD ("/pb/login/digest", test_digest);
  ADD ("/pb/login/challenges-differ", test_challenges_differ);
  return g_test_run ();
}
