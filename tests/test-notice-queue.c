/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The queue itself, with the real smtp plugin's place taken by a notifier that answers as the test wants. */
#include <string.h>

#include "bb-log-trap.h"
#include "bb-notice-queue.h"
#include "bb-sqlite-store.h"
#include "bb-test.h"

#define BB_TYPE_FAKE_NOTIFIER (bb_fake_notifier_get_type ())
G_DECLARE_FINAL_TYPE (BbFakeNotifier, bb_fake_notifier, BB, FAKE_NOTIFIER, GObject)

struct _BbFakeNotifier
{
  GObject parent_instance;
};

static guint n_attempts, n_sent;
static int answer_code; /* a BbError, or -1: it is sent */

static gboolean
fake_wants (BbNotifier *notifier, BbNotice *notice)
{
  return TRUE;
}

static void
fake_notify_async (BbNotifier *notifier, BbNotice *notice, GCancellable *cancellable, GAsyncReadyCallback callback,
                   gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (notifier, cancellable, callback, user_data);

  n_attempts++;
  if (answer_code >= 0)
    {
      g_task_return_new_error (task, BB_ERROR, answer_code, "the server is down");
      return;
    }
  n_sent++;
  g_task_return_boolean (task, TRUE);
}

static gboolean
fake_notify_finish (BbNotifier *notifier, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
fake_iface_init (BbNotifierInterface *iface)
{
  iface->wants = fake_wants;
  iface->notify_async = fake_notify_async;
  iface->notify_finish = fake_notify_finish;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (BbFakeNotifier, bb_fake_notifier, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_NOTIFIER, fake_iface_init))

static void
fake_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
}

static void
bb_fake_notifier_class_init (BbFakeNotifierClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags fixed = G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->set_property = fake_set_property;
  g_object_class_install_property (object_class, 1, g_param_spec_string ("name", NULL, NULL, NULL, fixed));
  g_object_class_install_property (object_class, 2, g_param_spec_pointer ("config", NULL, NULL, fixed));
  g_object_class_install_property (object_class, 3, g_param_spec_string ("host-name", NULL, NULL, NULL, fixed));
}

static void
bb_fake_notifier_init (BbFakeNotifier *self)
{
}

typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  char *dir;
  BbSqliteStore *store;
  BbNoticeQueue *queue;
} Fixture;

static void
open_queue (Fixture *f)
{
  static const BbOption no_options[] = { { 0 } };
  static const BbPluginProvides provides = { "fake", bb_fake_notifier_get_type, no_options, 0, NULL, TRUE };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  f->store = bb_sqlite_store_open (f->dir, &error);
  g_assert_no_error (error);
  f->queue = bb_notice_queue_new (BB_STORE (f->store), f->loop);
  bb_notice_queue_load_async (f->queue, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_notice_queue_load_finish (f->queue, result, &error));
  bb_notice_queue_set_notifier (f->queue, "fake", &provides);
}

static void
close_queue (Fixture *f)
{
  bb_notice_queue_shutdown (f->queue);
  g_clear_object (&f->queue);
  bb_sqlite_store_close (f->store);
  g_clear_object (&f->store);
  bb_test_run_pending ();
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  n_attempts = n_sent = 0;
  answer_code = BB_ERROR_QUOTA;
  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  f->dir = bb_test_make_dir ();
  open_queue (f);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = bb_log_trap_take_warnings ();

  g_assert_nonnull (strstr (warnings, "the server is down"));
  close_queue (f);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static void
submit (Fixture *f, guint n)
{
  const char *recipients[] = { "bob@example.com", NULL };

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *summary = g_strdup_printf ("slave s-%u was lost", i);
      g_autoptr (BbNotice) notice
        = bb_notice_new (BB_NOTICE_SLAVE_MISSING, recipients, summary, g_variant_new ("a{sv}", NULL));

      bb_notice_queue_submit (f->queue, notice);
    }
}

static gboolean
has_tried_all (gpointer user_data)
{
  return n_attempts >= GPOINTER_TO_UINT (user_data);
}

/* N10, M4: the server is down for a day: nothing is lost, the attempts are few, each mail goes out once. */
static void
test_down_for_a_day (Fixture *f, gconstpointer data)
{
  const guint n = 200;

  submit (f, n);
  bb_test_run_until_true (has_tried_all, GUINT_TO_POINTER (n));
  bb_test_clock_advance (f->clock, f->loop, 24 * 3600);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, n);
  g_assert_cmpuint (n_attempts, <, n * 40);
  answer_code = -1;
  bb_test_clock_advance (f->clock, f->loop, 2 * 3600);
  g_assert_cmpuint (n_sent, ==, n);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 24 * 3600);
  g_assert_cmpuint (n_sent, ==, n);
}

/* N10: kept over a restart, and not sent again by one. */
static void
test_restart (Fixture *f, gconstpointer data)
{
  submit (f, 3);
  bb_test_run_until_true (has_tried_all, GUINT_TO_POINTER (3));
  bb_test_run_pending ();
  close_queue (f);
  answer_code = -1;
  open_queue (f);
  bb_test_clock_advance (f->clock, f->loop, 1);
  g_assert_cmpuint (n_sent, ==, 3);
  close_queue (f);
  open_queue (f);
  bb_test_clock_advance (f->clock, f->loop, 3600);
  g_assert_cmpuint (n_sent, ==, 3);
}

/* N10: given up after three days; at once when the server refuses for good. */
static void
test_given_up (Fixture *f, gconstpointer data)
{
  submit (f, 1);
  bb_test_run_until_true (has_tried_all, GUINT_TO_POINTER (1));
  bb_test_clock_advance (f->clock, f->loop, 4 * 24 * 3600);
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
  g_assert_cmpuint (n_sent, ==, 0);

  n_attempts = 0;
  answer_code = BB_ERROR_PERMANENT;
  submit (f, 1);
  bb_test_run_until_true (has_tried_all, GUINT_TO_POINTER (1));
  bb_test_run_pending ();
  g_assert_cmpuint (bb_notice_queue_count (f->queue), ==, 0);
  g_assert_cmpuint (n_attempts, ==, 1);
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
  return g_test_run ();
}
