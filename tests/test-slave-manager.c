/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-log-trap.h"
#include "bb-slave-world.h"

typedef struct
{
  World *world;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->world = world_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  g_clear_pointer (&f->world, world_free);
  g_assert_cmpuint (bb_scripted_link_count_alive (), ==, 0);
  warnings = bb_log_trap_take_warnings ();
}

static BbSlaveConfig *
one_slave (Fixture *f)
{
  world_begin (f->world);
  return world_add_slave (f->world, "bot1", NULL);
}

static void
apply_one (Fixture *f)
{
  one_slave (f);
  world_add_builder (f->world, "hello", "hello-dir", "bot1");
  world_apply (f->world);
}

static void
assert_warnings (const char *expected)
{
  g_autofree char *warnings = bb_log_trap_take_warnings ();

  g_assert_cmpstr (warnings, ==, expected);
}

static const char *
info_text (World *world, const char *slave, const char *key)
{
  const char *text = NULL;

  g_variant_lookup (bb_slave_get_info (world_find (world, slave)), key, "&s", &text);
  return text;
}

/* ---- S1, S2, S13: attaching ---- */

static void
test_attach (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  gint64 wall_us;

  apply_one (f);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "detached");
  world_assert_why (f->world, "bot1", "unavailable: not attached");
  g_string_truncate (f->world->availability, 0);
  wall_us = bb_loop_wall_us (f->world->loop);

  link = world_attach (f->world, "bot1");
  g_assert_true (bb_scripted_link_was_accepted (link));
  g_assert_cmpstr (bb_scripted_link_get_builders (link), ==, "hello=hello-dir bbhost-run=bbhost-run ");
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "attached");
  g_assert_cmpstr (info_text (f->world, "bot1", "admin"), ==, "Ann <ann@example.org>");
  g_assert_cmpstr (bb_slave_get_peer_address (world_find (f->world, "bot1")), ==, "192.0.2.1:4711");
  g_assert_cmpint (bb_slave_get_attached_since_us (world_find (f->world, "bot1")), ==, wall_us);
  g_assert_cmpint (bb_slave_get_last_message_at_us (world_find (f->world, "bot1")), ==, wall_us);
  g_assert_cmpuint (bb_slave_manager_count_attached (f->world->slaves), ==, 1);
  world_assert_why (f->world, "bot1", "attached");
  g_assert_cmpstr (f->world->availability->str, ==, "bot1 "); /* once, so that what waits may start */

  bb_scripted_link_lose (link);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "detached");
  g_assert_cmpuint (bb_slave_manager_count_attached (f->world->slaves), ==, 0);
  g_assert_cmpint (bb_slave_get_attached_since_us (world_find (f->world, "bot1")), ==, 0);
  g_assert_cmpint (bb_slave_get_last_message_at_us (world_find (f->world, "bot1")), ==, wall_us);
  g_assert_cmpstr (f->world->availability->str, ==, "bot1 bot1 ");
}

static void
test_attach_without_info (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = bb_scripted_link_new ("192.0.2.9:1");

  apply_one (f);
  bb_scripted_link_set_info (link, g_variant_new_parsed ("@a{sv} {}"));
  world_login_with (f->world, "bot1", "pw-bot1", link);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "attached");
}

static void
test_setup_fails (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = bb_scripted_link_new ("192.0.2.9:1");

  apply_one (f);
  bb_scripted_link_set_manner (link, "builders", BB_LINK_FAILS);
  world_login_with (f->world, "bot1", "pw-bot1", link);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==,
                   "its builders could not be set up: it answered with an exception");
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "detached");
  assert_warnings ("slave bot1: the login from 192.0.2.9:1 failed: its builders could not be set up: it answered with "
                   "an exception\n");
}

/* A set-up that hangs ends by a time limit. */
static void
test_setup_hangs (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = bb_scripted_link_new ("192.0.2.9:1");

  apply_one (f);
  bb_scripted_link_set_manner (link, "info", BB_LINK_SILENT);
  world_login_with (f->world, "bot1", "pw-bot1", link);
  world_advance (f->world, 200);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==, "its set-up took longer than 180 s");
}

static void
test_builders_change (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  request = world_acquire (f->world, "bot1", "hello", NULL);
  g_assert_true (request->ok);
  g_assert_cmpuint (bb_scripted_link_count (link, "builders"), ==, 1);

  one_slave (f);
  world_add_builder (f->world, "bye", "bye", "bot1");
  world_apply (f->world);
  /* its build runs: the builder goes when it has ended */
  g_assert_cmpstr (bb_scripted_link_get_builders (link), ==, "bye=bye bbhost-run=bbhost-run hello=hello-dir ");
  request_release (request, BB_RESULT_SUCCESS);
  g_assert_cmpstr (bb_scripted_link_get_builders (link), ==, "bye=bye bbhost-run=bbhost-run ");

  /* S16: brought back */
  apply_one (f);
  g_assert_cmpstr (bb_scripted_link_get_builders (link), ==, "hello=hello-dir bbhost-run=bbhost-run ");
  g_assert_true (bb_scripted_link_is_open (link));

  /* the same again: nothing is sent */
  g_assert_cmpuint (bb_scripted_link_count (link, "builders"), ==, 4);
  apply_one (f);
  g_assert_cmpuint (bb_scripted_link_count (link, "builders"), ==, 4);
}

/* Changed while the slave is being told: told again after that, once. */
static void
test_builders_change_meanwhile (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  bb_scripted_link_set_manner (link, "builders", BB_LINK_SILENT);
  one_slave (f);
  world_apply (f->world);
  apply_one (f);
  one_slave (f);
  world_apply (f->world);
  g_assert_cmpuint (bb_scripted_link_count (link, "builders"), ==, 2);
  bb_scripted_link_time_out (link);
  world_turn (f->world);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==,
                   "its builders could not be set up: no answer within 60 s");
}

/* ---- A: who may log in ---- */

static void
test_refusals (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) unknown = NULL;
  g_autoptr (BbScriptedLink) wrong = NULL;

  apply_one (f);
  unknown = world_login (f->world, "nobody\n", "x");
  wrong = world_login (f->world, "bot1", "guess");
  g_assert_cmpstr (bb_scripted_link_get_refusal (unknown), ==, bb_scripted_link_get_refusal (wrong));
  assert_warnings ("refused a login from 192.0.2.1:4711: there is no slave \"nobody\\n\"\n"
                   "slave bot1: refused a login from 192.0.2.1:4711: wrong password\n");
}

static void
test_duplicate_answers (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) first = NULL;
  g_autoptr (BbScriptedLink) second = bb_scripted_link_new ("198.51.100.7:99");
  g_autoptr (BbScriptedLink) third = NULL;
  Request *request;

  apply_one (f);
  first = world_attach (f->world, "bot1");
  request = world_acquire (f->world, "bot1", "hello", NULL);
  world_login_with (f->world, "bot1", "pw-bot1", second);
  g_assert_cmpstr (bb_scripted_link_get_refusal (second), ==, "duplicate: rejecting duplicate slave");
  g_assert_true (bb_scripted_link_is_open (first));
  g_assert_cmpuint (bb_slave_get_running_builds (world_find (f->world, "bot1")), ==, 1);
  assert_warnings ("slave bot1: refused a second login from 198.51.100.7:99: the slave is attached from "
                   "192.0.2.1:4711, and answers\n");

  /* busy sending a log: late, but alive */
  bb_scripted_link_set_manner (first, "ping", BB_LINK_SILENT);
  third = world_login (f->world, "bot1", "pw-bot1");
  g_assert_cmpstr (bb_scripted_link_get_refusal (third), ==, NULL);
  bb_scripted_link_set_last_message_us (first, bb_loop_now_us (f->world->loop) + 5 * G_USEC_PER_SEC);
  world_advance (f->world, 11);
  g_assert_cmpstr (bb_scripted_link_get_refusal (third), ==, "duplicate: rejecting duplicate slave");
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_duplicate_of_a_dead_one (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) first = NULL;
  g_autoptr (BbScriptedLink) second = NULL;
  g_autoptr (BbScriptedLink) third = NULL;

  apply_one (f);
  first = world_attach (f->world, "bot1");
  bb_scripted_link_set_manner (first, "ping", BB_LINK_SILENT);
  second = world_login (f->world, "bot1", "pw-bot1");
  g_assert_false (bb_scripted_link_was_accepted (second)); /* it waits */
  third = world_login (f->world, "bot1", "pw-bot1");
  g_assert_cmpstr (bb_scripted_link_get_refusal (third), ==, "another second login is being looked at");
  world_advance (f->world, 11);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (first), ==,
                   "it did not answer when a second one logged in under its name");
  g_assert_true (bb_scripted_link_was_accepted (second));
  g_assert_true (bb_slave_get_link (world_find (f->world, "bot1")) == BB_SLAVE_LINK (second));
}

/* The second one gives up, or the first one ends, while the question is open. */
static void
test_duplicate_races (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) first = NULL;
  g_autoptr (BbScriptedLink) second = NULL;
  g_autoptr (BbScriptedLink) third = NULL;

  apply_one (f);
  first = world_attach (f->world, "bot1");
  bb_scripted_link_set_manner (first, "ping", BB_LINK_SILENT);
  second = world_login (f->world, "bot1", "pw-bot1");
  bb_scripted_link_lose (second);
  world_advance (f->world, 20);
  g_assert_true (bb_scripted_link_is_open (first));

  third = world_login (f->world, "bot1", "pw-bot1");
  bb_scripted_link_lose (first);
  world_turn (f->world);
  g_assert_true (bb_scripted_link_was_accepted (third));
}

static void
test_comes_back (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) first = NULL;
  g_autoptr (BbScriptedLink) second = NULL;

  apply_one (f);
  first = world_attach (f->world, "bot1");
  bb_scripted_link_lose (first);
  second = world_attach (f->world, "bot1");
  g_assert_cmpuint (bb_scripted_link_count (first, "ping"), ==, 0);
}

static void
test_password_changes (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) first = NULL;
  g_autoptr (BbScriptedLink) old = NULL;
  g_autoptr (BbScriptedLink) new = NULL;
  BbSlaveConfig *config;

  apply_one (f);
  first = world_attach (f->world, "bot1");
  config = one_slave (f);
  g_free (config->settings->password);
  config->settings->password = g_strdup ("new");
  world_apply (f->world);
  g_assert_true (bb_scripted_link_is_open (first));
  bb_scripted_link_lose (first);
  old = world_login (f->world, "bot1", "pw-bot1");
  g_assert_cmpstr (bb_scripted_link_get_refusal (old), ==, "unauthorized");
  new = world_login (f->world, "bot1", "new");
  g_assert_true (bb_scripted_link_was_accepted (new));
}

/* ---- S3, S4, S8, S9, S10, S11, S19: places ---- */

static void
test_places (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  BbSlaveConfig *config = one_slave (f);
  Request *one;
  Request *two;

  config->settings->max_builds = 1;
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  one = world_acquire (f->world, "bot1", "hello", NULL);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 1);
  world_assert_why (f->world, "bot1", "unavailable: its only place is taken");
  two = world_acquire (f->world, "bot1", "bye", NULL);
  request_assert_failed (two, BB_ERROR, BB_ERROR_NOT_NOW, "slave bot1: its only place is taken");
  g_string_truncate (f->world->availability, 0);
  request_release (one, BB_RESULT_SUCCESS);
  g_assert_cmpstr (f->world->availability->str, ==, "bot1 ");

  /* S4, S12: no limit, at once and without a reconnect; but one build of each builder */
  one_slave (f);
  world_apply (f->world);
  one = world_acquire (f->world, "bot1", "hello", NULL);
  two = world_acquire (f->world, "bot1", "bye", NULL);
  g_assert_cmpuint (bb_slave_get_running_builds (world_find (f->world, "bot1")), ==, 2);
  request_assert_failed (world_acquire (f->world, "bot1", "bye", NULL), BB_ERROR, BB_ERROR_NOT_NOW,
                         "slave bot1: a build of builder bye runs on it");
  request_release (one, BB_RESULT_SUCCESS);
  request_release (two, BB_RESULT_SUCCESS);
}

static void
test_ping_before_build_fails (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  bb_scripted_link_set_manner (link, "ping", BB_LINK_SILENT);
  request = world_acquire (f->world, "bot1", "hello", NULL);
  g_assert_false (request->done);
  bb_scripted_link_time_out (link);
  world_turn (f->world);
  request_assert_failed (request, BB_ERROR, BB_ERROR_LOST, "slave bot1: no answer within 60 s");
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==,
                   "it did not answer before a build: no answer within 60 s");
  world_assert_why (f->world, "bot1", "unavailable: not attached");
}

static void
test_cancel_during_ping (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  bb_scripted_link_set_manner (link, "ping", BB_LINK_SILENT);
  request = world_acquire (f->world, "bot1", "hello", NULL);
  request_cancel (request);
  g_assert_true (bb_scripted_link_is_open (link));
  bb_scripted_link_set_manner (link, "ping", BB_LINK_ANSWERS);
  request = world_acquire (f->world, "bot1", "hello", NULL);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_lost_with_places (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  BbSlaveConfig *config = one_slave (f);
  Request *request;

  config->settings->max_builds = 1;
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  request = world_acquire (f->world, "bot1", "hello", NULL);
  bb_scripted_link_lose (link);
  request_release (request, BB_RESULT_RETRY);
  again = world_attach (f->world, "bot1");
  world_assert_why (f->world, "bot1", "attached");
}

static void
test_pause (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  Request *request;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  request = world_acquire (f->world, "bot1", "hello", NULL);
  bb_slave_manager_pause (f->world->slaves, world_find (f->world, "bot1"));
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "paused");
  world_assert_why (f->world, "bot1", "unavailable: paused");
  request_release (request, BB_RESULT_SUCCESS); /* what runs went on */
  bb_scripted_link_lose (link);
  world_turn (f->world);

  world_restart (f->world);
  world_apply (f->world);
  again = world_attach (f->world, "bot1");
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "paused");
  g_string_truncate (f->world->availability, 0);
  bb_slave_manager_resume (f->world->slaves, world_find (f->world, "bot1"));
  g_assert_cmpstr (f->world->availability->str, ==, "bot1 ");
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "attached");
}

static void
test_graceful (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  Request *request;

  apply_one (f);
  bb_slave_manager_shutdown_slave (f->world->slaves, world_find (f->world, "bot1")); /* S11 */
  g_assert_false (bb_slave_is_graceful (world_find (f->world, "bot1")));

  link = world_attach (f->world, "bot1");
  request = world_acquire (f->world, "bot1", "hello", NULL);
  bb_scripted_link_ask_for_shutdown (link); /* the slave itself */
  world_assert_why (f->world, "bot1", "unavailable: is being shut down");
  g_assert_cmpuint (bb_scripted_link_count (link, "shutdown"), ==, 0);
  request_release (request, BB_RESULT_SUCCESS);
  g_assert_cmpuint (bb_scripted_link_count (link, "shutdown"), ==, 1);
  bb_scripted_link_lose (link);

  again = world_attach (f->world, "bot1");
  world_assert_why (f->world, "bot1", "attached");
  bb_slave_manager_shutdown_slave (f->world->slaves, world_find (f->world, "bot1"));
  world_turn (f->world);
  g_assert_cmpuint (bb_scripted_link_count (again, "shutdown"), ==, 1);
}

/* ---- L8 and its like for static slaves: quarantine ---- */

static double
fail_once (Fixture *f)
{
  Request *request = world_acquire (f->world, "bot1", "hello", NULL);
  gint64 now_us = bb_loop_wall_us (f->world->loop);

  request_release (request, BB_RESULT_EXCEPTION);
  return (bb_slave_get_next_attempt_us (world_find (f->world, "bot1")) - now_us) / (double) G_USEC_PER_SEC;
}

static void
test_quarantine (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autofree char *why = NULL;
  double expected = 10;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  for (guint i = 0; i < 12; i++)
    {
      double pause = fail_once (f);

      g_assert_cmpfloat (pause, >=, expected * 0.75);
      g_assert_cmpfloat (pause, <=, expected * 1.25);
      world_advance (f->world, pause - 0.9); /* shown rounded up */
      why = world_why (f->world, "bot1");
      g_assert_cmpstr (why, ==, "unavailable: next attempt in 1 s after: a build ended with an exception");
      g_clear_pointer (&why, g_free);
      world_advance (f->world, 1.1);
      world_assert_why (f->world, "bot1", "attached");
      expected = MIN (expected * 2, 3600);
    }
  g_assert_cmpfloat (fail_once (f), >=, 2700);
  bb_slave_manager_resume (f->world->slaves, world_find (f->world, "bot1")); /* ends the pause, not its length */
  world_assert_why (f->world, "bot1", "attached");
  g_assert_cmpfloat (fail_once (f), >=, 2700);
  bb_slave_manager_resume (f->world->slaves, world_find (f->world, "bot1"));
  request_release (world_acquire (f->world, "bot1", "hello", NULL), BB_RESULT_FAILURE); /* a good one all the same */
  g_assert_cmpfloat (fail_once (f), <=, 12.5);
}

/* ---- K ---- */

static void
test_keepalive (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  BbSlaveConfig *config = one_slave (f);

  config->settings->keepalive_interval = 100;
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  world_advance (f->world, 99);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 0);
  world_advance (f->world, 2);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 1);
  world_advance (f->world, 100);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 2);

  /* K6: the new interval counts from the last one, and off is off */
  config = one_slave (f);
  config->settings->keepalive_interval = 30;
  world_apply (f->world);
  world_advance (f->world, 30);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 3);
  config = one_slave (f);
  config->settings->keepalive_interval = 0;
  world_apply (f->world);
  world_advance (f->world, 100000);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 3);
  g_assert_true (bb_scripted_link_is_open (link));
}

static void
test_keepalive_unanswered (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  BbSlaveConfig *config = one_slave (f);

  config->settings->keepalive_interval = 10;
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  bb_scripted_link_set_manner (link, "ping", BB_LINK_SILENT);
  world_advance (f->world, 35);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 1); /* no second one before the first is answered */
  bb_scripted_link_time_out (link);
  world_turn (f->world);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==, "keepalive: no answer within 60 s");
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "detached");
}

/* ---- M ---- */

static BbSlaveConfig *
watched_slave (Fixture *f, double timeout)
{
  BbSlaveConfig *config = one_slave (f);
  const char *who[] = { "bob@example.com", "alice@example.org", NULL };

  config->settings->notify_on_missing = g_strdupv ((char **) who);
  config->settings->missing_timeout = timeout;
  return config;
}

static void
test_missing (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  BbNotice *notice;
  GVariant *details;
  gint64 lost_us;
  gint64 since_us = 0;
  const char *admin = NULL;

  watched_slave (f, 600);
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  bb_scripted_link_lose (link);
  lost_us = bb_loop_wall_us (f->world->loop);
  world_advance (f->world, 599);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
  world_advance (f->world, 2);
  g_assert_cmpuint (world_count_notices (f->world, BB_NOTICE_SLAVE_MISSING), ==, 1);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "missing");
  world_assert_why (f->world, "bot1", "unavailable: missing");
  g_assert_cmpstr (world_last_summary (f->world), ==,
                   "slave bot1 is missing: it has not been attached for 600 s (missing_timeout)");
  notice = g_ptr_array_index (f->world->notices, 0);
  g_assert_cmpuint (g_strv_length ((char **) bb_notice_get_recipients (notice)), ==, 2);
  details = bb_notice_get_details (notice);
  g_assert_true (g_variant_lookup (details, "since", "x", &since_us));
  g_assert_cmpint (since_us, ==, lost_us);
  g_assert_true (g_variant_lookup (details, "admin", "&s", &admin));
  g_assert_cmpstr (admin, ==, "Ann <ann@example.org>");

  world_advance (f->world, 100000);
  g_assert_cmpuint (f->world->notices->len, ==, 1);
  again = world_attach (f->world, "bot1");
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "attached");
  bb_scripted_link_lose (again);
  world_advance (f->world, 601);
  g_assert_cmpuint (f->world->notices->len, ==, 2);
}

static void
test_missing_but_back (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;

  watched_slave (f, 600);
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  bb_scripted_link_lose (link);
  world_advance (f->world, 500);
  again = world_attach (f->world, "bot1");
  world_advance (f->world, 5000);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
}

static void
test_missing_after_start (Fixture *f, gconstpointer data)
{
  watched_slave (f, 600);
  world_apply (f->world);
  world_advance (f->world, 601);
  g_assert_cmpuint (f->world->notices->len, ==, 1);

  /* restarts do not repeat it */
  world_restart (f->world);
  world_apply (f->world);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "missing");
  world_advance (f->world, 5000);
  g_assert_cmpuint (f->world->notices->len, ==, 1);
}

static void
test_missing_grace (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;

  watched_slave (f, 60);
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  world_restart (f->world);
  world_apply (f->world);
  world_advance (f->world, 299);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
  again = world_attach (f->world, "bot1");
  world_advance (f->world, 1000);
  g_assert_cmpuint (f->world->notices->len, ==, 0);

  /* the same after an orderly stop, and without a return */
  {
    g_autoptr (GAsyncResult) result = NULL;

    bb_slave_manager_shutdown_async (f->world->slaves, bb_loop_now_us (f->world->loop) + G_USEC_PER_SEC,
                                     bb_test_store_result, &result);
    bb_test_run_until_result (&result);
    g_assert_false (bb_scripted_link_is_open (again));
    g_assert_true (bb_slave_manager_shutdown_finish (f->world->slaves, result, NULL));
  }
  world_restart (f->world);
  world_apply (f->world);
  world_advance (f->world, 299);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
  world_advance (f->world, 2);
  g_assert_cmpuint (f->world->notices->len, ==, 1);
}

static void
test_missing_without_recipients (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  BbSlaveConfig *config = one_slave (f);

  config->settings->missing_timeout = 60;
  world_apply (f->world);
  world_advance (f->world, 61);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "missing");
  g_assert_cmpuint (f->world->notices->len, ==, 0);

  link = world_attach (f->world, "bot1");
  config = watched_slave (f, 0);
  world_apply (f->world);
  bb_scripted_link_lose (link);
  world_advance (f->world, 1000000);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "detached");
  g_assert_cmpuint (f->world->notices->len, ==, 0);
}

static void
test_missing_wanted (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;

  watched_slave (f, 60);
  world_apply (f->world);
  link = world_attach (f->world, "bot1");
  bb_slave_manager_shutdown_slave (f->world->slaves, world_find (f->world, "bot1"));
  bb_scripted_link_lose (link);
  world_advance (f->world, 1000);
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "detached");
  again = world_attach (f->world, "bot1");
  bb_slave_manager_pause (f->world->slaves, world_find (f->world, "bot1"));
  bb_scripted_link_lose (again);
  world_advance (f->world, 1000);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
}

static void
test_missing_reload (Fixture *f, gconstpointer data)
{
  watched_slave (f, 600);
  world_apply (f->world);
  world_advance (f->world, 300);
  watched_slave (f, 400);
  world_apply (f->world);
  world_advance (f->world, 99);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
  world_advance (f->world, 2);
  g_assert_cmpuint (f->world->notices->len, ==, 1); /* M11 */

  world_begin (f->world);
  world_apply (f->world);
  watched_slave (f, 600);
  world_apply (f->world);
  world_begin (f->world);
  world_apply (f->world);
  world_advance (f->world, 1000);
  g_assert_cmpuint (f->world->notices->len, ==, 1); /* M10 */
}

/* ---- S12, S14, S15, D4: reload ---- */

static void
test_removed (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  Request *request;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  request = world_acquire (f->world, "bot1", "hello", NULL);
  world_begin (f->world);
  world_apply (f->world);
  g_assert_null (bb_slave_manager_find (f->world->slaves, "bot1"));
  g_assert_true (bb_scripted_link_is_open (link));
  g_assert_cmpint (bb_slave_manager_get_availability (f->world->slaves, request->slave, NULL), ==, BB_UNAVAILABLE);
  request_release (request, BB_RESULT_SUCCESS);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==, "the slave was removed from the configuration");
  again = world_login (f->world, "bot1", "pw-bot1");
  g_assert_cmpstr (bb_scripted_link_get_refusal (again), ==, "unauthorized");
  g_assert_cmpuint (bb_slave_manager_count_attached (f->world->slaves), ==, 0);
}

/* Brought back before it was through: what is left of it goes on. */
static void
test_brought_back (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  request = world_acquire (f->world, "bot1", "hello", NULL);
  world_begin (f->world);
  world_apply (f->world);
  apply_one (f);
  g_assert_true (world_find (f->world, "bot1") == request->slave);
  request_release (request, BB_RESULT_SUCCESS);
  g_assert_true (bb_scripted_link_is_open (link));
  g_assert_cmpstr (world_state (f->world, "bot1"), ==, "attached");
  g_assert_true (bb_memory_store_has (f->world->store, &bb_table_slaves, "bot1"));
}

static void
note_signal (GString *text, const char *what, BbSlave *slave)
{
  g_string_append_printf (text, "%s%s ", what, bb_slave_get_name (slave));
}

static void
added_cb (BbSlaveManager *slaves, BbSlave *slave, gpointer user_data)
{
  note_signal (user_data, "+", slave);
}

static void
removed_cb (BbSlaveManager *slaves, BbSlave *slave, gpointer user_data)
{
  note_signal (user_data, "-", slave);
}

static void
changed_cb (BbSlaveManager *slaves, BbSlave *slave, guint changes, gpointer user_data)
{
  note_signal (user_data, "~", slave);
}

static void
test_diff (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) seen = g_string_new (NULL);
  g_autoptr (GPtrArray) list = NULL;
  BbSlaveConfig *config;

  g_signal_connect (f->world->slaves, "slave-added", G_CALLBACK (added_cb), seen);
  g_signal_connect (f->world->slaves, "slave-removed", G_CALLBACK (removed_cb), seen);
  g_signal_connect (f->world->slaves, "slave-changed", G_CALLBACK (changed_cb), seen);
  world_begin (f->world);
  world_add_slave (f->world, "a", NULL);
  world_add_slave (f->world, "b", NULL);
  world_add_slave (f->world, "c", NULL);
  world_apply (f->world);
  g_assert_cmpstr (seen->str, ==, "+a +b +c ");
  g_string_truncate (seen, 0);

  /* c comes first, b has changed, a is gone, d is new */
  world_begin (f->world);
  world_add_slave (f->world, "c", NULL);
  config = world_add_slave (f->world, "b", NULL);
  config->settings->max_builds = 7;
  world_add_slave (f->world, "d", NULL);
  world_apply (f->world);
  g_assert_cmpstr (seen->str, ==, "-a ~b +d ");
  list = bb_slave_manager_list (f->world->slaves);
  g_assert_cmpuint (list->len, ==, 3);
  g_assert_cmpstr (bb_slave_get_name (list->pdata[0]), ==, "c");
  g_assert_cmpstr (bb_slave_get_name (list->pdata[2]), ==, "d");
  g_assert_cmpint (bb_slave_get_settings (list->pdata[1])->max_builds, ==, 7);

  /* S15 */
  g_string_truncate (seen, 0);
  world_begin (f->world);
  world_add_slave (f->world, "c", "fake");
  world_add_slave (f->world, "b", NULL)->settings->max_builds = 7;
  world_add_slave (f->world, "d", NULL);
  world_apply (f->world);
  g_assert_cmpstr (seen->str, ==, "-c +c ");
  g_assert_cmpstr (bb_slave_get_type_name (world_find (f->world, "c")), ==, "fake");
}

/* ---- verbs ---- */

static void
test_verbs (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  BbSlave *slave;

  apply_one (f);
  slave = world_find (f->world, "bot1");
  g_assert_false (bb_slave_manager_disconnect (f->world->slaves, slave, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "slave bot1 is not attached");
  g_clear_error (&error);
  g_assert_false (bb_slave_manager_substantiate (f->world->slaves, slave, &error));
  g_assert_cmpstr (error->message, ==,
                   "slave bot1 can't be substantiated: it has no type= and is started by somebody else");
  g_clear_error (&error);
  bb_slave_manager_ping_async (f->world->slaves, slave, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_cmpint (bb_slave_manager_ping_finish (f->world->slaves, result, &error), ==, -1);
  g_assert_error (error, BB_ERROR, BB_ERROR_WRONG_STATE);
  g_clear_error (&error);
  g_clear_object (&result);

  link = world_attach (f->world, "bot1");
  bb_slave_manager_ping_async (f->world->slaves, slave, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_cmpint (bb_slave_manager_ping_finish (f->world->slaves, result, &error), >=, 0);
  g_assert_no_error (error);
  g_assert_true (bb_slave_manager_disconnect (f->world->slaves, slave, &error));
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==, "disconnected by a person");
}

/* What is remembered is written when it changes, and not with every message. */
static void
test_memory (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  guint n_commits;

  apply_one (f);
  link = world_attach (f->world, "bot1");
  n_commits = bb_memory_store_count_commits (f->world->store);
  bb_scripted_link_set_last_message_us (link, bb_loop_now_us (f->world->loop));
  world_advance (f->world, 3500);
  g_assert_cmpuint (bb_memory_store_count_commits (f->world->store), ==, n_commits);
  bb_scripted_link_lose (link);
  world_turn (f->world);
  g_assert_cmpuint (bb_memory_store_count_commits (f->world->store), ==, n_commits + 1);

  world_restart (f->world);
  world_apply (f->world);
  g_assert_cmpstr (info_text (f->world, "bot1", "version"), ==, "3.7");
  g_assert_true (bb_slave_commands_have (bb_slave_get_commands (world_find (f->world, "bot1")), "shell"));
  g_assert_cmpstr (bb_slave_get_peer_address (world_find (f->world, "bot1")), ==, "192.0.2.1:4711");
  world_begin (f->world);
  world_apply (f->world);
  g_assert_false (bb_memory_store_has (f->world->store, &bb_table_slaves, "bot1"));
}

/* What changes while the store is busy is written once when it is not; info that was not written is written with the next. */
static void
test_memory_of_a_storm (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) first = NULL;
  g_autoptr (BbScriptedLink) second = NULL;
  guint n_commits;

  apply_one (f);
  bb_memory_store_set_failing (f->world->store, TRUE);
  first = world_attach (f->world, "bot1");
  bb_memory_store_set_failing (f->world->store, FALSE);
  g_assert_false (bb_memory_store_has (f->world->store, &bb_table_slaves, "bot1"));
  assert_warnings ("/state/bbhost.db: database or disk is full\n");

  n_commits = bb_memory_store_count_commits (f->world->store);
  bb_memory_store_set_hanging (f->world->store, TRUE);
  bb_scripted_link_lose (first);
  world_turn (f->world);
  second = world_attach (f->world, "bot1");
  bb_scripted_link_lose (second);
  world_turn (f->world);
  bb_memory_store_set_hanging (f->world->store, FALSE);
  world_turn (f->world);
  g_assert_cmpuint (bb_memory_store_count_commits (f->world->store), ==, n_commits + 2);

  world_restart (f->world);
  world_apply (f->world);
  g_assert_cmpstr (info_text (f->world, "bot1", "version"), ==, "3.7");
}

/* One set for all slaves that have the same commands; a name that comes twice counts as it came last. */
static void
test_commands (Fixture *f, gconstpointer data)
{
  g_autoptr (BbSlaveCommands) one = bb_slave_commands_get ("shell\t2.9\nshell\t3.1\nmkdir\t\nunfinished");
  g_autoptr (BbSlaveCommands) same = bb_slave_commands_get (bb_slave_commands_get_text (one));
  g_autoptr (BbSlaveCommands) other = bb_slave_commands_get ("");
  g_autofree char *text = g_variant_print (bb_slave_commands_get_variant (other), FALSE);

  g_assert_true (one == same);
  g_assert_true (one != other);
  g_assert_cmpuint (bb_slave_commands_get_version (one), ==, 3001);
  g_assert_true (bb_slave_commands_have (one, "mkdir"));
  g_assert_false (bb_slave_commands_have (one, "unfinished"));
  g_assert_cmpuint (g_variant_n_children (bb_slave_commands_get_variant (one)), ==, 2);
  g_assert_cmpuint (bb_slave_commands_get_version (other), ==, 0);
  g_assert_cmpstr (text, ==, "{}");
}

/* What a connection may have left running is stopped over the next one, after a crash, too. */
static void
test_left_running (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) first = NULL;
  g_autoptr (BbScriptedLink) second = NULL;
  g_autoptr (BbScriptedLink) third = NULL;
  g_autoptr (BbScriptedLink) fourth = NULL;

  apply_one (f);
  bb_scripted_link_set_next_token ("one");
  first = world_attach (f->world, "bot1");
  g_assert_cmpstr (bb_scripted_link_get_stopped (first), ==, "");
  world_restart (f->world);
  world_apply (f->world);
  bb_scripted_link_set_next_token ("two");
  second = world_attach (f->world, "bot1");
  g_assert_cmpstr (bb_scripted_link_get_stopped (second), ==, "one ");
  bb_scripted_link_lose (second);
  bb_scripted_link_set_next_token ("three");
  third = world_attach (f->world, "bot1");
  g_assert_cmpstr (bb_scripted_link_get_stopped (third), ==, "two ");
  bb_scripted_link_set_token (third, NULL); /* nothing ran */
  bb_scripted_link_lose (third);
  world_turn (f->world);
  world_restart (f->world);
  world_apply (f->world);
  bb_scripted_link_set_next_token (NULL);
  fourth = world_attach (f->world, "bot1");
  g_assert_cmpstr (bb_scripted_link_get_stopped (fourth), ==, "");
}

#define TEST(PATH, FUNC) g_test_add (PATH, Fixture, NULL, set_up, FUNC, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();

  TEST ("/slave/attach/S1", test_attach);
  TEST ("/slave/commands", test_commands);
  TEST ("/slave/memory/storm", test_memory_of_a_storm);
  TEST ("/slave/attach/S2-without-info", test_attach_without_info);
  TEST ("/slave/attach/setup-fails", test_setup_fails);
  TEST ("/slave/attach/setup-hangs", test_setup_hangs);
  TEST ("/slave/builders/S13-S16", test_builders_change);
  TEST ("/slave/builders/changed-meanwhile", test_builders_change_meanwhile);
  TEST ("/slave/login/A1-refusals", test_refusals);
  TEST ("/slave/login/A3-K4-duplicate-answers", test_duplicate_answers);
  TEST ("/slave/login/duplicate-of-a-dead-one", test_duplicate_of_a_dead_one);
  TEST ("/slave/login/duplicate-races", test_duplicate_races);
  TEST ("/slave/login/A4-comes-back", test_comes_back);
  TEST ("/slave/login/A5-password-changes", test_password_changes);
  TEST ("/slave/places/S3-S4-S12", test_places);
  TEST ("/slave/places/S8-ping-fails", test_ping_before_build_fails);
  TEST ("/slave/places/cancel-during-ping", test_cancel_during_ping);
  TEST ("/slave/places/S7-S19-lost", test_lost_with_places);
  TEST ("/slave/pause/S9", test_pause);
  TEST ("/slave/graceful/S10-S11", test_graceful);
  TEST ("/slave/quarantine/L8", test_quarantine);
  TEST ("/slave/keepalive/K1-K2-K6", test_keepalive);
  TEST ("/slave/keepalive/K3-unanswered", test_keepalive_unanswered);
  TEST ("/slave/missing/M1-M8-M12", test_missing);
  TEST ("/slave/missing/M2-back-in-time", test_missing_but_back);
  TEST ("/slave/missing/M3-after-start", test_missing_after_start);
  TEST ("/slave/missing/M4-grace", test_missing_grace);
  TEST ("/slave/missing/M5-nobody-to-tell", test_missing_without_recipients);
  TEST ("/slave/missing/M9-wanted", test_missing_wanted);
  TEST ("/slave/missing/M10-M11-reload", test_missing_reload);
  TEST ("/slave/reload/S14-removed", test_removed);
  TEST ("/slave/reload/brought-back", test_brought_back);
  TEST ("/slave/reload/D4-S15-diff", test_diff);
  TEST ("/slave/verbs", test_verbs);
  TEST ("/slave/memory", test_memory);
  TEST ("/slave/memory/left-running", test_left_running);
  return g_test_run ();
}
