/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue itself, with the tests' own notifier in the place of mail: it answers as the test wants. */
#include <string.h>

#include "bb-log-trap.h"
#include "bb-notice-queue.h"
#include "bb-sqlite-store.h"
#include "bb-test.h"
#include "plugins/mailer.h"

#define ONE "[notifier one]\ntype=mailer\nfromaddr=a@b.c\n"
#define TWO "[notifier two]\ntype=mailer\nfromaddr=a@b.c\n"

typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  char *dir;
  BbPluginRegistry *registry;
  BbSqliteStore *store;
  BbNoticeQueue *queue;
  TestMailerClass *mailer;
} Fixture;

static void
apply (Fixture *f, const char *text)
{
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *path = bb_test_write_file (f->dir, "bbhost.conf", 0600, text);
  g_autoptr (BbConfig) config = bb_config_load (path, f->registry, errors, warnings);

  g_assert_cmpuint (errors->len, ==, 0);
  bb_notice_queue_apply (f->queue, config, f->registry);
}

static void
open_queue (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  f->store = bb_sqlite_store_open (f->dir, &error);
  g_assert_no_error (error);
  f->queue = bb_notice_queue_new (BB_STORE (f->store), f->loop);
  bb_notice_queue_load_async (f->queue, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_notice_queue_load_finish (f->queue, result, &error));
}

static void
drop_queue (Fixture *f)
{
  g_clear_object (&f->queue);
  bb_sqlite_store_close (f->store);
  g_clear_object (&f->store);
  bb_test_run_pending ();
}

static void
close_queue (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_notice_queue_shutdown_async (f->queue, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_notice_queue_shutdown_finish (f->queue, result, NULL));
  drop_queue (f);
}

static void
reopen_queue (Fixture *f, const char *config)
{
  close_queue (f);
  open_queue (f);
  apply (f, config);
}

static void
answer (Fixture *f, const char *notifier, int code)
{
  g_hash_table_insert (f->mailer->answers, (gpointer) notifier, GINT_TO_POINTER (code + 1));
}

static void
answer_well (Fixture *f, const char *notifier)
{
  g_hash_table_remove (f->mailer->answers, notifier);
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autofree char *plugins = g_test_build_filename (G_TEST_BUILT, "plugins", ".libs", NULL);
  const char *directories[] = { plugins, NULL };
  g_autoptr (GError) error = NULL;

  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  f->dir = bb_test_make_dir ();
  f->registry = bb_plugin_registry_new (directories);
  open_queue (f);
  apply (f, ONE);
  f->mailer = g_type_class_ref (g_type_from_name ("TestMailer"));
  g_hash_table_remove_all (f->mailer->answers);
  g_ptr_array_set_size (f->mailer->attempts, 0);
  g_ptr_array_set_size (f->mailer->sent, 0);
  g_ptr_array_set_size (f->mailer->ids, 0);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  g_free (bb_log_trap_take_warnings ());
  close_queue (f);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_type_class_unref (f->mailer);
  g_object_unref (f->registry);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static BbNotice *
new_notice (guint i)
{
  const char *recipients[] = { "bob@example.com", NULL };
  g_autofree char *name = g_strdup_printf ("s-%u", i);
  g_autofree char *summary = g_strdup_printf ("slave %s was lost", name);

  return bb_notice_new (BB_NOTICE_SLAVE_MISSING, recipients, summary,
                        g_variant_new_parsed ("{'slave': <%s>, 'since': <int64 17>}", name));
}

static void
submit (Fixture *f, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (BbNotice) notice = new_notice (i);

      bb_notice_queue_submit (f->queue, notice, NULL);
    }
}

static gboolean
has_tried_all (gpointer user_data)
{
  TestMailerClass *mailer = g_type_class_peek (g_type_from_name ("TestMailer"));

  return mailer->attempts->len >= GPOINTER_TO_UINT (user_data);
}

static void
run_until_attempts (Fixture *f, guint n)
{
  bb_test_run_until_true (has_tried_all, GUINT_TO_POINTER (n));
  bb_test_run_pending ();
}

static void
assert_lines (GPtrArray *lines, const char *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < lines->len; i++)
    g_string_append_printf (text, "%s\n", (const char *) g_ptr_array_index (lines, i));
  g_assert_cmpstr (text->str, ==, expected);
}

/* N10, M4: the server is down for a day: nothing is lost, the attempts are few, each mail goes out once. */
static void
test_down_for_a_day (Fixture *f, gconstpointer data)
{
  const guint n = 200;

  answer (f, "one", BB_ERROR_QUOTA);
  submit (f, n);
  run_until_attempts (f, n);
  bb_test_clock_advance (f->clock, f->loop, 24 * 3600);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, n);
  g_assert_cmpuint (f->mailer->attempts->len, <, n * 40);
  answer_well (f, "one");
  bb_test_clock_advance (f->clock, f->loop, 2 * 3600);
  g_assert_cmpuint (f->mailer->sent->len, ==, n);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 24 * 3600);
  g_assert_cmpuint (f->mailer->sent->len, ==, n);
}

/* N10: kept over a restart, and not sent again by one. */
static void
test_restart (Fixture *f, gconstpointer data)
{
  answer (f, "one", BB_ERROR_QUOTA);
  submit (f, 3);
  run_until_attempts (f, 3);
  answer_well (f, "one");
  reopen_queue (f, ONE);
  bb_test_clock_advance (f->clock, f->loop, 1);
  g_assert_cmpuint (f->mailer->sent->len, ==, 3);
  reopen_queue (f, ONE);
  bb_test_clock_advance (f->clock, f->loop, 3600);
  g_assert_cmpuint (f->mailer->sent->len, ==, 3);
}

/* N10: given up after three days; at once when the server refuses for good. */
static void
test_given_up (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  answer (f, "one", BB_ERROR_QUOTA);
  submit (f, 1);
  run_until_attempts (f, 1);
  bb_test_clock_advance (f->clock, f->loop, 4 * 24 * 3600);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
  g_assert_cmpuint (f->mailer->sent->len, ==, 0);
  warnings = bb_log_trap_take_warnings ();
  g_assert_nonnull (strstr (warnings, "notifier one: \"slave s-0 was lost\" is given up: the server is down"));

  g_ptr_array_set_size (f->mailer->attempts, 0);
  answer (f, "one", BB_ERROR_PERMANENT);
  submit (f, 1);
  run_until_attempts (f, 1);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
  g_assert_cmpuint (f->mailer->attempts->len, ==, 1);
}

/* M6: one mail in all, through the first that can send it; when none can, all of them are asked again after a pause. */
static void
test_several (Fixture *f, gconstpointer data)
{
  apply (f, ONE TWO);
  submit (f, 1);
  run_until_attempts (f, 1);
  assert_lines (f->mailer->sent, "one: slave s-0 was lost\n");

  answer (f, "one", BB_ERROR_QUOTA);
  submit (f, 1);
  run_until_attempts (f, 3);
  assert_lines (f->mailer->sent, "one: slave s-0 was lost\ntwo: slave s-0 was lost\n");

  answer (f, "two", BB_ERROR_PERMANENT);
  submit (f, 1);
  run_until_attempts (f, 5);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 1);
  answer_well (f, "one");
  bb_test_clock_advance (f->clock, f->loop, 120);
  g_assert_cmpuint (f->mailer->attempts->len, ==, 6);
  g_assert_cmpstr (g_ptr_array_index (f->mailer->sent, 2), ==, "one: slave s-0 was lost");

  answer (f, "one", BB_ERROR_PERMANENT);
  submit (f, 1);
  run_until_attempts (f, 8);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
}

/* N10, M6: what the server may have taken is not given to another one, where it could come a second time. */
static void
test_uncertain (Fixture *f, gconstpointer data)
{
  apply (f, ONE TWO);
  answer (f, "one", BB_ERROR_LOST);
  submit (f, 1);
  run_until_attempts (f, 1);
  bb_test_clock_advance (f->clock, f->loop, 30);
  assert_lines (f->mailer->attempts, "one: slave s-0 was lost\n");
  answer_well (f, "one");
  bb_test_clock_advance (f->clock, f->loop, 120);
  assert_lines (f->mailer->sent, "one: slave s-0 was lost\n");
}

/* N2: a build goes to each notifier that wants it, and missing mail goes through one that wants no builds. */
static void
test_kinds (Fixture *f, gconstpointer data)
{
  g_autoptr (BbNotice) build = bb_notice_new (BB_NOTICE_BUILD_FINISHED, NULL, "build 7",
                                              g_variant_new_parsed ("{'number': <uint64 7>}"));

  apply (f, "[notifier none]\ntype=mailer\nfromaddr=a@b.c\nbuilders=\n" ONE TWO);
  bb_notice_queue_submit (f->queue, build, NULL);
  run_until_attempts (f, 2);
  assert_lines (f->mailer->sent, "one: build 7\ntwo: build 7\n");
  submit (f, 1);
  run_until_attempts (f, 3);
  g_assert_cmpstr (g_ptr_array_index (f->mailer->sent, 2), ==, "none: slave s-0 was lost");
}

static void
end_hung (Fixture *f)
{
  f->mailer->hanging = NULL;
  g_task_return_boolean (f->mailer->hung, TRUE);
  g_clear_object (&f->mailer->hung);
}

/* N10: a stop waits for the attempt that is under way, so that what was sent is known to be, and is not sent again. */
static void
test_stop_waits (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;

  f->mailer->hanging = "one";
  submit (f, 1);
  run_until_attempts (f, 1);
  bb_notice_queue_shutdown_async (f->queue, bb_test_store_result, &result);
  bb_test_run_pending ();
  bb_test_clock_advance (f->clock, f->loop, 5);
  g_assert_null (result);
  end_hung (f);
  bb_test_run_until_result (&result);
  drop_queue (f);

  open_queue (f);
  apply (f, ONE);
  bb_test_clock_advance (f->clock, f->loop, 1);
  g_assert_cmpuint (f->mailer->attempts->len, ==, 1);
}

/* N10: … but not for ever. What was sent without our knowing it goes out twice, but both can be known for one. */
static void
test_stop_is_bounded (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (BbNotice) notice = new_notice (0);

  f->mailer->hanging = "one";
  submit (f, 1);
  run_until_attempts (f, 1);
  bb_notice_queue_shutdown_async (f->queue, bb_test_store_result, &result);
  bb_test_clock_advance (f->clock, f->loop, 60);
  g_assert_nonnull (result);
  drop_queue (f);
  end_hung (f);
  bb_test_run_pending ();

  open_queue (f);
  apply (f, ONE);
  bb_test_clock_advance (f->clock, f->loop, 1);
  g_assert_cmpuint (f->mailer->attempts->len, ==, 2);
  assert_lines (f->mailer->sent, "one: slave s-0 was lost\n");
  g_assert_cmpstr (g_ptr_array_index (f->mailer->ids, 0), ==, bb_notice_get_id (notice));
}

/* A reload in the middle of an attempt takes nothing away from it. */
static void
test_reload (Fixture *f, gconstpointer data)
{
  f->mailer->hanging = "one";
  submit (f, 1);
  run_until_attempts (f, 1);
  apply (f, TWO);
  end_hung (f);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
}

/* M6: what waits for a notifier that a reload takes away goes to another one that can carry it. */
static void
test_rerouted (Fixture *f, gconstpointer data)
{
  answer (f, "one", BB_ERROR_QUOTA);
  submit (f, 1);
  run_until_attempts (f, 1);
  apply (f, TWO);
  bb_test_clock_advance (f->clock, f->loop, 120);
  assert_lines (f->mailer->sent, "two: slave s-0 was lost\n");
}

/* M1: the same loss, told twice while the first waits, is one. */
static void
test_same_id (Fixture *f, gconstpointer data)
{
  answer (f, "one", BB_ERROR_QUOTA);
  submit (f, 1);
  run_until_attempts (f, 1);
  submit (f, 1);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 1);
}

/* N10: bounded: the oldest is given up for the newest. */
static void
test_bounded (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  answer (f, "one", BB_ERROR_QUOTA);
  submit (f, 10001);
  run_until_attempts (f, 10000);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 10000);
  warnings = bb_log_trap_take_warnings ();
  g_assert_nonnull (strstr (warnings, "more than 10000 notices wait to be sent: \"slave s-0 was lost\" is given up"));
}

/* M7: without a notifier the one of Buildbot's default is wanted, but only when there is something to say. */
static void
test_default (Fixture *f, gconstpointer data)
{
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  apply (f, "");
  before = bb_log_trap_take_warnings ();
  g_assert_cmpstr (before, ==, "");
  submit (f, 1);
  after = bb_log_trap_take_warnings ();
  g_assert_nonnull (strstr (after, "mail can't be sent: there is no plugin \"smtp\""));
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  ADD ("/notice-queue/down-for-a-day/N10-M4", test_down_for_a_day);
  ADD ("/notice-queue/restart/N10", test_restart);
  ADD ("/notice-queue/given-up/N10", test_given_up);
  ADD ("/notice-queue/several-notifiers/M6", test_several);
  ADD ("/notice-queue/uncertain/N10-M6", test_uncertain);
  ADD ("/notice-queue/kinds/N2", test_kinds);
  ADD ("/notice-queue/stop/waits/N10", test_stop_waits);
  ADD ("/notice-queue/stop/is-bounded/N10", test_stop_is_bounded);
  ADD ("/notice-queue/reload/during-an-attempt", test_reload);
  ADD ("/notice-queue/reload/rerouted-M6", test_rerouted);
  ADD ("/notice-queue/same-loss-once/M1", test_same_id);
  ADD ("/notice-queue/bounded/N10", test_bounded);
  ADD ("/notice-queue/default/M7", test_default);
  return g_test_run ();
}
