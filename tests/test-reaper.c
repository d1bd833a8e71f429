/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-fragile-store.h"
#include "bb-log-trap.h"
#include "bb-reaper.h"
#include "bb-sqlite-store.h"
#include "bb-test.h"

#define STORE_ID "0123456789abcdef0123456789abcdef"

/* A backend as a script: what it has, which calls fail, which hang. */

#define FAKE_TYPE_SLAVE (fake_slave_get_type ())
G_DECLARE_FINAL_TYPE (FakeSlave, fake_slave, FAKE, SLAVE, GObject)

struct _FakeSlave
{
  GObject parent_instance;

  char *name;
  char *scope;
  GHashTable *instances; /* id (the instance's) → BbInstance (owned) */
  const char *list_error;
  const char *stop_error;
  gboolean hanging; /* calls are kept and answered by fake_slave_answer() */
  GPtrArray *held;  /* of GTask (owned) */
  guint n_lists;
  guint n_stops;
  guint n_cancelled;
  gboolean was_fast;
  GString *stopped; /* what stop was asked for: "id/token " */
};

static void fake_slave_iface_init (BbSlaveInterface *iface);
static void fake_latent_slave_iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeSlave, fake_slave, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_SLAVE, fake_slave_iface_init)
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, fake_latent_slave_iface_init))

static const char *
fake_slave_get_name (BbSlave *slave)
{
  return FAKE_SLAVE (slave)->name;
}

static void
fake_slave_iface_init (BbSlaveInterface *iface)
{
  iface->get_name = fake_slave_get_name;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  FAKE_SLAVE (user_data)->n_cancelled++;
}

static void
answer_stop (FakeSlave *self, GTask *task)
{
  BbInstance *instance = g_task_get_task_data (task);

  if (self->stop_error != NULL)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "%s", self->stop_error);
      return;
    }
  g_hash_table_remove (self->instances, bb_instance_get_id (instance));
  g_task_return_boolean (task, TRUE);
}

static void
answer_list (FakeSlave *self, GTask *task)
{
  GPtrArray *list;
  GHashTableIter iter;
  BbInstance *instance;

  if (self->list_error != NULL)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_CREDENTIALS, "%s", self->list_error);
      return;
    }
  list = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);
  g_hash_table_iter_init (&iter, self->instances);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &instance))
    g_ptr_array_add (list, bb_instance_ref (instance));
  g_task_return_pointer (task, list, (GDestroyNotify) g_ptr_array_unref);
}

static void
answer (FakeSlave *self, GTask *task)
{
  if (g_task_get_task_data (task) != NULL)
    answer_stop (self, task);
  else
    answer_list (self, task);
}

/* @task: (transfer full) */
static void
take_call (FakeSlave *self, GTask *task)
{
  g_autoptr (GTask) owned = task;

  g_task_set_check_cancellable (task, FALSE);
  if (g_task_get_cancellable (task) != NULL)
    g_cancellable_connect (g_task_get_cancellable (task), G_CALLBACK (cancelled_cb), self, NULL);
  if (self->hanging)
    g_ptr_array_add (self->held, g_steal_pointer (&owned));
  else
    answer (self, task);
}

static void
fake_slave_stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  FakeSlave *self = FAKE_SLAVE (slave);
  GTask *task = g_task_new (slave, cancellable, callback, user_data);

  self->n_stops++;
  self->was_fast = fast;
  g_string_append_printf (self->stopped, "%s ", bb_instance_get_id (instance));
  g_task_set_task_data (task, bb_instance_ref (instance), (GDestroyNotify) bb_instance_unref);
  take_call (self, task);
}

static gboolean
fake_slave_stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
fake_slave_list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  FakeSlave *self = FAKE_SLAVE (slave);

  g_assert_cmpstr (store_id, ==, STORE_ID); /* C4: nothing else is ever asked for */
  self->n_lists++;
  take_call (self, g_task_new (slave, cancellable, callback, user_data));
}

static GPtrArray *
fake_slave_list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
fake_slave_get_scope (BbLatentSlave *slave)
{
  return g_strdup (FAKE_SLAVE (slave)->scope);
}

static void
fake_latent_slave_iface_init (BbLatentSlaveInterface *iface)
{
  iface->stop_instance_async = fake_slave_stop_instance_async;
  iface->stop_instance_finish = fake_slave_stop_instance_finish;
  iface->list_instances_async = fake_slave_list_instances_async;
  iface->list_instances_finish = fake_slave_list_instances_finish;
  iface->get_scope = fake_slave_get_scope;
}

static void
fake_slave_finalize (GObject *object)
{
  FakeSlave *self = FAKE_SLAVE (object);

  g_free (self->name);
  g_free (self->scope);
  g_hash_table_unref (self->instances);
  g_ptr_array_unref (self->held);
  g_string_free (self->stopped, TRUE);

  G_OBJECT_CLASS (fake_slave_parent_class)->finalize (object);
}

static void
fake_slave_class_init (FakeSlaveClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_slave_finalize;
}

static void
fake_slave_init (FakeSlave *self)
{
  self->instances = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) bb_instance_unref);
  self->held = g_ptr_array_new_with_free_func (g_object_unref);
  self->stopped = g_string_new (NULL);
}

static FakeSlave *
fake_slave_new (const char *name, const char *scope)
{
  FakeSlave *self = g_object_new (FAKE_TYPE_SLAVE, NULL);

  self->name = g_strdup (name);
  self->scope = g_strdup (scope);
  return self;
}

static void
fake_slave_add (FakeSlave *self, const char *id, const char *token)
{
  BbInstance *instance = bb_instance_new (id, token);

  bb_instance_set_state (instance, BB_INSTANCE_ALIVE, NULL);
  bb_instance_set_slave_name (instance, self->name);
  g_hash_table_insert (self->instances, (gpointer) bb_instance_get_id (instance), instance);
}

static void
fake_slave_answer (FakeSlave *self)
{
  self->hanging = FALSE;
  while (self->held->len > 0)
    {
      g_autoptr (GTask) task = g_ptr_array_steal_index (self->held, 0);

      answer (self, task);
    }
}

typedef struct
{
  char *dir;
  BbTestClock *clock;
  BbLoop *loop;
  BbSqliteStore *inner;
  BbFragileStore *store;
  BbLedger *ledger;
  BbReaper *reaper;
  FakeSlave *slave;
  GPtrArray *slaves; /* of FakeSlave (owned) */
  GHashTable *in_use; /* set of row numbers */
  GString *troubles;
  GString *gone; /* numbers of rows that were told to be gone */
} Fixture;

static GPtrArray *
list_slaves (gpointer user_data)
{
  return g_ptr_array_copy (((Fixture *) user_data)->slaves, (GCopyFunc) g_object_ref, NULL);
}

static const char *
get_type_name (BbLatentSlave *slave, gpointer user_data)
{
  return "fake";
}

static BbLatentSlave *
find_backend (BbLedgerRow *row, gpointer user_data)
{
  Fixture *f = user_data;

  for (guint i = 0; i < f->slaves->len; i++)
    if (g_str_equal (FAKE_SLAVE (f->slaves->pdata[i])->scope, bb_ledger_row_get_scope (row)))
      return f->slaves->pdata[i];
  return NULL;
}

static gboolean
is_in_use (BbLedgerRow *row, gpointer user_data)
{
  return g_hash_table_contains (((Fixture *) user_data)->in_use, GSIZE_TO_POINTER (bb_ledger_row_get_number (row)));
}

static void
row_gone (BbLedgerRow *row, gpointer user_data)
{
  g_string_append_printf (((Fixture *) user_data)->gone, "%d ", (int) bb_ledger_row_get_number (row));
}

static void
row_woken (BbLedgerRow *row, gpointer user_data)
{
  g_string_append_printf (((Fixture *) user_data)->gone, "woken %d ", (int) bb_ledger_row_get_number (row));
}

static void
trouble (const char *summary, GVariant *details, BbLedgerRow *row, gpointer user_data)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (details);

  g_string_append_printf (((Fixture *) user_data)->troubles, "%s\n", summary);
}

static const BbReaperHooks hooks = {
  .list_slaves = list_slaves,
  .get_type_name = get_type_name,
  .find_backend = find_backend,
  .is_in_use = is_in_use,
  .row_gone = row_gone,
  .row_woken = row_woken,
  .trouble = trouble,
};

static void
load (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  f->inner = bb_sqlite_store_open (f->dir, &error);
  g_assert_no_error (error);
  f->store = bb_fragile_store_new (BB_STORE (f->inner));
  f->ledger = bb_ledger_new (BB_STORE (f->store), BB_CLOCK (f->clock));
  bb_ledger_load_async (f->ledger, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_ledger_load_finish (f->ledger, result, &error));
  f->reaper = bb_reaper_new (f->ledger, f->loop, STORE_ID, &hooks, f);
}

static void
unload (Fixture *f)
{
  bb_reaper_shutdown (f->reaper);
  fake_slave_answer (f->slave);
  bb_fragile_store_settle (f->store);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  bb_sqlite_store_close (f->inner);
  g_clear_object (&f->reaper);
  g_clear_object (&f->ledger);
  g_clear_object (&f->store);
  g_clear_object (&f->inner);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->dir = bb_test_make_dir ();
  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->slaves = g_ptr_array_new_with_free_func (g_object_unref);
  f->slave = fake_slave_new ("bot1", "here");
  g_ptr_array_add (f->slaves, f->slave);
  f->in_use = g_hash_table_new (NULL, NULL);
  f->troubles = g_string_new (NULL);
  f->gone = g_string_new (NULL);
  load (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  unload (f);
  warnings = bb_log_trap_take_warnings ();
  g_ptr_array_unref (f->slaves);
  g_hash_table_unref (f->in_use);
  g_string_free (f->troubles, TRUE);
  g_string_free (f->gone, TRUE);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static void
advance (Fixture *f, double seconds)
{
  bb_fragile_store_settle (f->store);
  bb_test_clock_advance (f->clock, f->loop, seconds);
  bb_fragile_store_settle (f->store);
}

static void
restart (Fixture *f, gboolean store_is_new, double login_grace)
{
  unload (f);
  g_hash_table_remove_all (f->in_use);
  load (f);
  bb_reaper_start (f->reaper, store_is_new, login_grace);
  bb_fragile_store_settle (f->store);
}

static guint64
make_row (Fixture *f, const char *slave, const char *scope, BbRowState state, const char *id)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) row = NULL;
  g_autoptr (BbInstance) instance = NULL;

  bb_ledger_intend_async (f->ledger, slave, "fake", scope, "", -1, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  row = bb_ledger_intend_finish (f->ledger, result, &error);
  g_assert_no_error (error);
  if (state >= BB_ROW_REQUESTED)
    bb_ledger_set_requested (f->ledger, row, NULL, NULL);
  if (state >= BB_ROW_RUNNING)
    {
      instance = bb_instance_new (id, NULL);
      bb_ledger_set_running (f->ledger, row, instance, NULL, NULL);
    }
  if (state == BB_ROW_STOPPING)
    bb_ledger_set_stopping (f->ledger, row, NULL, NULL);
  bb_fragile_store_settle (f->store);
  return bb_ledger_row_get_number (row);
}

static guint64
make_running_row (Fixture *f, const char *id)
{
  guint64 number = make_row (f, "bot1", "here", BB_ROW_RUNNING, id);

  fake_slave_add (f->slave, id, bb_ledger_row_get_token (bb_ledger_find (f->ledger, number)));
  return number;
}

static void
use (Fixture *f, guint64 number)
{
  g_hash_table_add (f->in_use, GSIZE_TO_POINTER (number));
}

/* How a row that was closed ended, from the disk. */
static void
assert_closed (Fixture *f, guint64 number, const char *expected)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GPtrArray) rows = NULL;
  const char *state, *why;

  g_assert_null (bb_ledger_find (f->ledger, number));
  bb_store_select_async (BB_STORE (f->store), &bb_table_instances,
                         g_variant_new_parsed ("{'number': <%x>}", (gint64) number), NULL, 1, NULL,
                         bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  rows = bb_store_select_finish (BB_STORE (f->store), result, NULL);
  g_assert_true (g_variant_lookup (rows->pdata[0], "state", "&s", &state));
  g_assert_true (g_variant_lookup (rows->pdata[0], "why", "&s", &why));
  g_assert_cmpstr (state, ==, "closed");
  g_assert_cmpstr (why, ==, expected);
}

static void
assert_open (Fixture *f, guint64 number, BbRowState state)
{
  BbLedgerRow *row = bb_ledger_find (f->ledger, number);

  g_assert_nonnull (row);
  g_assert_cmpstr (bb_row_state_to_string (bb_ledger_row_get_state (row)), ==, bb_row_state_to_string (state));
}

/* C3, C10: an absence is asked about again before it is believed. */
static void
test_row_without_instance (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");
  g_autofree char *token = NULL;

  g_hash_table_remove_all (f->slave->instances);
  restart (f, FALSE, 300);
  assert_open (f, number, BB_ROW_RUNNING);
  advance (f, 29);
  assert_open (f, number, BB_ROW_RUNNING);
  advance (f, 2);
  assert_closed (f, number, "gone");
  g_assert_cmpuint (f->slave->n_stops, ==, 0);

  /* absent once, and there again */
  number = make_running_row (f, "i-2");
  token = g_strdup (bb_ledger_row_get_token (bb_ledger_find (f->ledger, number)));
  g_hash_table_remove_all (f->slave->instances);
  restart (f, FALSE, 600);
  fake_slave_add (f->slave, "i-2", token);
  advance (f, 31);
  g_hash_table_remove_all (f->slave->instances);
  advance (f, 269); /* the next listing: the first absence again */
  assert_open (f, number, BB_ROW_RUNNING);
}

/* C10: the same for one that works: its substantiation is told, after the second time. */
static void
test_row_in_use_without_instance (Fixture *f, gconstpointer data)
{
  guint64 number;

  bb_reaper_start (f->reaper, FALSE, 0);
  number = make_running_row (f, "i-1");
  use (f, number);
  advance (f, 301);
  g_assert_cmpstr (f->gone->str, ==, "");
  g_hash_table_remove_all (f->slave->instances);
  advance (f, 300);
  g_assert_cmpstr (f->gone->str, ==, "");
  advance (f, 30);
  g_assert_cmpstr (f->gone->str, ==, "1 ");
  assert_open (f, number, BB_ROW_RUNNING);
}

/* A start in flight is nobody's business but its own, however long it takes. */
static void
test_start_in_flight (Fixture *f, gconstpointer data)
{
  guint64 number;

  bb_reaper_start (f->reaper, FALSE, 0);
  number = make_row (f, "bot1", "here", BB_ROW_REQUESTED, NULL);
  use (f, number);
  advance (f, 1000);
  assert_open (f, number, BB_ROW_REQUESTED);
  /* Seen before its answer has come: no orphan. */
  fake_slave_add (f->slave, "i-1", bb_ledger_row_get_token (bb_ledger_find (f->ledger, number)));
  advance (f, 1000);
  g_assert_cmpuint (f->slave->n_stops, ==, 0);
  g_assert_cmpstr (f->gone->str, ==, "");
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 1);
  assert_open (f, number, BB_ROW_REQUESTED);
}

/* A row that was made while a listing was under way is not missing from it. */
static void
test_row_newer_than_listing (Fixture *f, gconstpointer data)
{
  guint64 number;

  f->slave->hanging = TRUE;
  bb_reaper_start (f->reaper, FALSE, 0);
  number = make_row (f, "bot1", "here", BB_ROW_RUNNING, "i-1");
  use (f, number);
  fake_slave_answer (f->slave);
  advance (f, 299);
  g_assert_cmpuint (f->slave->n_lists, ==, 1); /* nothing odd in it: no second look */
}

/* C2: killed after the row and before the call, or before the answer. */
static void
test_never_called (Fixture *f, gconstpointer data)
{
  guint64 intended = make_row (f, "bot1", "here", BB_ROW_INTENDED, NULL);
  guint64 requested = make_row (f, "bot1", "here", BB_ROW_REQUESTED, NULL);

  restart (f, FALSE, 300);
  assert_open (f, intended, BB_ROW_INTENDED);
  advance (f, 31);
  assert_closed (f, intended, "not started");
  assert_closed (f, requested, "gone");
}

/* C2: the answer of a start was lost with the daemon: the token finds the instance. */
static void
test_lost_answer (Fixture *f, gconstpointer data)
{
  guint64 number = make_row (f, "bot1", "here", BB_ROW_REQUESTED, NULL);

  fake_slave_add (f->slave, "i-lost", bb_ledger_row_get_token (bb_ledger_find (f->ledger, number)));
  restart (f, FALSE, 300);
  assert_open (f, number, BB_ROW_RUNNING);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (bb_ledger_find (f->ledger, number)), ==, "i-lost");
  /* Nobody came back within the grace. */
  advance (f, 301);
  g_assert_cmpstr (f->slave->stopped->str, ==, "i-lost ");
  assert_closed (f, number, "stopped");
}

/* C2: a stop by token that finds nothing is no proof, as what exists may be listed late. */
static void
test_not_found_twice (Fixture *f, gconstpointer data)
{
  guint64 number = make_row (f, "bot1", "here", BB_ROW_REQUESTED, NULL);

  f->slave->list_error = "not now"; /* listings don't help */
  bb_reaper_start (f->reaper, FALSE, 300);
  bb_reaper_stop_row (f->reaper, bb_ledger_find (f->ledger, number));
  advance (f, 29);
  assert_open (f, number, BB_ROW_STOPPING);
  g_assert_cmpuint (f->slave->n_stops, ==, 1);
  advance (f, 1);
  g_assert_cmpuint (f->slave->n_stops, ==, 2);
  assert_closed (f, number, "stopped");
}

/* C10: twice means some time apart, whatever makes it look. */
static void
test_absent_twice_at_once (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  g_hash_table_remove_all (f->slave->instances);
  restart (f, FALSE, 300);
  for (guint i = 0; i < 3; i++)
    {
      bb_reaper_reconcile_now (f->reaper);
      advance (f, 1);
    }
  g_assert_cmpuint (f->slave->n_lists, ==, 4);
  assert_open (f, number, BB_ROW_RUNNING);
  advance (f, 30);
  assert_closed (f, number, "gone");
}

/* L33: whose slave comes back within the grace is left alone. */
static void
test_grace (Fixture *f, gconstpointer data)
{
  guint64 back = make_running_row (f, "i-1");
  guint64 away = make_running_row (f, "i-2");

  restart (f, FALSE, 300);
  advance (f, 299);
  assert_open (f, away, BB_ROW_RUNNING);
  use (f, back);
  advance (f, 2);
  assert_closed (f, away, "stopped");
  assert_open (f, back, BB_ROW_RUNNING);
  advance (f, 2000);
  assert_open (f, back, BB_ROW_RUNNING);
}

/* L32: what was to be stopped does not wait for that. */
static void
test_stopping_goes_on (Fixture *f, gconstpointer data)
{
  guint64 number = make_row (f, "bot1", "here", BB_ROW_STOPPING, "i-1");

  fake_slave_add (f->slave, "i-1", NULL);
  restart (f, FALSE, 300);
  assert_closed (f, number, "stopped");
  g_assert_cmpuint (g_hash_table_size (f->slave->instances), ==, 0);
}

/* C2, C4: ours and without a row, twice. */
static void
test_orphan (Fixture *f, gconstpointer data)
{
  bb_reaper_start (f->reaper, FALSE, 10);
  advance (f, 11);
  fake_slave_add (f->slave, "i-orphan", "11111111-2222-3333-4444-555555555555");
  advance (f, 300);
  g_assert_cmpuint (f->slave->n_stops, ==, 0);
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 0);
  advance (f, 30);
  g_assert_cmpstr (f->slave->stopped->str, ==, "i-orphan ");
  assert_closed (f, 1, "stopped");
}

/* A row that was closed too early is opened again, so that what was made beside the instance goes as well. */
static void
test_orphan_of_closed_row (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  bb_ledger_close (f->ledger, bb_ledger_find (f->ledger, number), "stopped", NULL, NULL);
  restart (f, FALSE, 0);
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 0);
  f->slave->stop_error = "no";
  advance (f, 31);
  assert_open (f, number, BB_ROW_STOPPING);
  f->slave->stop_error = NULL;
  advance (f, 60);
  assert_closed (f, number, "stopped");
}

/* C11: a new store beside old instances: told, shown, and only then stopped; who logs in is left alone. */
static void
test_new_store (Fixture *f, gconstpointer data)
{
  BbLedgerRow *row;

  fake_slave_add (f->slave, "i-old", "11111111-2222-3333-4444-555555555555");
  bb_reaper_start (f->reaper, TRUE, 300);
  advance (f, 31);
  g_assert_cmpstr (f->troubles->str, ==,
                   "the store is new, but there are instances of an earlier one in here (fake): i-old; they are "
                   "stopped in 270 s, but for those whose slaves log in\n");
  row = bb_ledger_find_by_slave (f->ledger, "bot1");
  g_assert_nonnull (row);
  g_assert_cmpint (bb_ledger_row_get_state (row), ==, BB_ROW_RUNNING);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (row), ==, "i-old");
  advance (f, 260);
  g_assert_cmpuint (f->slave->n_stops, ==, 0);
  advance (f, 10);
  assert_closed (f, 1, "stopped");
}

static void
test_new_store_adopted (Fixture *f, gconstpointer data)
{
  fake_slave_add (f->slave, "i-old", "11111111-2222-3333-4444-555555555555");
  bb_reaper_start (f->reaper, TRUE, 300);
  advance (f, 31);
  use (f, 1);
  advance (f, 1000);
  g_assert_cmpuint (f->slave->n_stops, ==, 0);
  assert_open (f, 1, BB_ROW_RUNNING);
}

/* An orphan never stands in the way of the row that its slave may come back to. */
static void
test_orphan_beside_row (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  fake_slave_add (f->slave, "i-orphan", "11111111-2222-3333-4444-555555555555");
  restart (f, FALSE, 300);
  advance (f, 299);
  g_assert_true (bb_ledger_find_by_slave (f->ledger, "bot1") == bb_ledger_find (f->ledger, number));
  use (f, number);
  f->slave->stop_error = "no";
  advance (f, 2);
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 2);
  g_assert_true (bb_ledger_find_by_slave (f->ledger, "bot1") == bb_ledger_find (f->ledger, number));
  f->slave->stop_error = NULL;
  advance (f, 10);
  g_assert_cmpuint (g_hash_table_size (f->slave->instances), ==, 1);
  assert_open (f, number, BB_ROW_RUNNING);
}

/* C5: rows of an account that cannot be reached stay, it is asked again with growing pauses, one mail goes out. */
static void
test_unreachable (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  f->slave->list_error = "AuthFailure";
  g_hash_table_remove_all (f->slave->instances);
  restart (f, FALSE, 100000);
  g_assert_cmpuint (f->slave->n_lists, ==, 1);
  advance (f, 6.5);
  g_assert_cmpuint (f->slave->n_lists, ==, 2);
  g_assert_cmpstr (f->troubles->str, ==, "");
  advance (f, 13);
  g_assert_cmpuint (f->slave->n_lists, ==, 3);
  g_assert_cmpstr (f->troubles->str, ==,
                   "fake in here can't be asked for its instances, of which 1 are open and may cost money; 3 attempts "
                   "so far, and more follow: AuthFailure\n");
  advance (f, 3600);
  g_assert_cmpuint (f->slave->n_lists, <, 3 + 5 + 3600 / 225);
  g_assert_cmpuint (f->slave->n_lists, >, 3 + 3600 / 375);
  assert_open (f, number, BB_ROW_RUNNING);
  g_assert_cmpuint (bb_ledger_count_unconfirmed (f->ledger), ==, 1);
  g_assert_cmpstr (strchr (f->troubles->str, '\n'), ==, "\n");
  g_assert_cmpstr (f->gone->str, ==, "");

  /* New credentials are taken at once. */
  f->slave->list_error = NULL;
  fake_slave_add (f->slave, "i-1", bb_ledger_row_get_token (bb_ledger_find (f->ledger, number)));
  bb_reaper_reconcile_now (f->reaper);
  bb_fragile_store_settle (f->store);
  g_assert_cmpuint (bb_ledger_count_unconfirmed (f->ledger), ==, 0);
}

/* A backend that never answers is a failure like others, and whatever it says later proves nothing. */
static void
test_listing_hangs (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  restart (f, FALSE, 100000);
  use (f, number);
  advance (f, 280);
  g_hash_table_remove_all (f->slave->instances);
  f->slave->hanging = TRUE;
  advance (f, 20 + 121);
  g_assert_cmpuint (f->slave->n_cancelled, ==, 1);
  advance (f, 1000);
  g_assert_nonnull (strstr (f->troubles->str, "no answer within 120 s"));
  fake_slave_answer (f->slave);
  bb_fragile_store_settle (f->store);
  g_assert_cmpstr (f->gone->str, ==, "");
  assert_open (f, number, BB_ROW_RUNNING);
}

/* L24, E19: tried again for ever, with growing pauses; one mail after the third; open all the time. */
static void
test_stop_fails (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  restart (f, FALSE, 100000);
  f->slave->stop_error = "OperationNotPermitted: the instance has termination protection";
  bb_reaper_stop_row (f->reaper, bb_ledger_find (f->ledger, number));
  advance (f, 0);
  assert_open (f, number, BB_ROW_STOPPING);
  advance (f, 6.5 + 13);
  g_assert_cmpuint (f->slave->n_stops, ==, 3);
  g_assert_true (f->slave->was_fast);
  g_assert_cmpstr (f->troubles->str, ==,
                   "instance 1 of slave bot1 (fake in here, i-1) can't be stopped and may cost money; 3 attempts so "
                   "far, and more follow: OperationNotPermitted: the instance has termination protection\n");
  advance (f, 3600);
  g_assert_cmpuint (f->slave->n_stops, <, 3 + 5 + 3600 / 225);
  g_assert_cmpuint (f->slave->n_stops, >, 3 + 3600 / 375);
  g_assert_cmpstr (strchr (f->troubles->str, '\n'), ==, "\n");
  assert_open (f, number, BB_ROW_STOPPING);
  f->slave->stop_error = NULL;
  advance (f, 376);
  assert_closed (f, number, "stopped");
}

/* L25: a stop that never returns fails by time limit; its answer counts when it comes after all. */
static void
test_stop_hangs (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  restart (f, FALSE, 100000);
  f->slave->hanging = TRUE;
  bb_reaper_stop_row (f->reaper, bb_ledger_find (f->ledger, number));
  g_assert_cmpuint (f->slave->n_stops, ==, 1);
  advance (f, 599);
  g_assert_cmpuint (f->slave->n_stops, ==, 1);
  advance (f, 1 + 6.5);
  g_assert_cmpuint (f->slave->n_stops, ==, 2);
  assert_open (f, number, BB_ROW_STOPPING);
  fake_slave_answer (f->slave);
  bb_fragile_store_settle (f->store);
  assert_closed (f, number, "stopped");
}

/* C13: the instance is gone, but not what was made for it: only the backend can say that it is. */
static void
test_resources (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  bb_ledger_add_resource (f->ledger, bb_ledger_find (f->ledger, number), "volume:v1", NULL, NULL);
  g_hash_table_remove_all (f->slave->instances);
  restart (f, FALSE, 300);
  f->slave->stop_error = "volume v1 is busy";
  advance (f, 31);
  g_assert_cmpuint (f->slave->n_stops, ==, 1);
  assert_open (f, number, BB_ROW_STOPPING);
  advance (f, 250);
  assert_open (f, number, BB_ROW_STOPPING);
  f->slave->stop_error = NULL;
  advance (f, 400);
  assert_closed (f, number, "gone");
}

/* C6, C15: a row whose slave is gone is stopped by another of the same account; without one it stays, loudly. */
static void
test_no_backend (Fixture *f, gconstpointer data)
{
  guint64 number = make_row (f, "bot1", "elsewhere", BB_ROW_RUNNING, "i-1");
  FakeSlave *other;

  restart (f, FALSE, 0);
  advance (f, 6.5 + 13);
  assert_open (f, number, BB_ROW_STOPPING);
  g_assert_cmpstr (f->troubles->str, ==,
                   "instance 1 of slave bot1 (fake in elsewhere, i-1) can't be stopped and may cost money; 3 attempts "
                   "so far, and more follow: no slave of type fake in the configuration has access to elsewhere any "
                   "more\n");
  other = fake_slave_new ("bot2", "elsewhere");
  g_ptr_array_add (f->slaves, other);
  bb_reaper_reconcile_now (f->reaper);
  bb_fragile_store_settle (f->store);
  g_assert_cmpstr (other->stopped->str, ==, "i-1 ");
  assert_closed (f, number, "stopped");
}

/* Slaves of one account share a listing. */
static void
test_one_listing_per_scope (Fixture *f, gconstpointer data)
{
  for (int i = 0; i < 50; i++)
    g_ptr_array_add (f->slaves, fake_slave_new ("bot", i % 2 == 0 ? "here" : "there"));
  bb_reaper_start (f->reaper, FALSE, 0);
  advance (f, 1);
  {
    guint n = 0;

    for (guint i = 0; i < f->slaves->len; i++)
      n += FAKE_SLAVE (f->slaves->pdata[i])->n_lists;
    g_assert_cmpuint (n, ==, 2);
  }
  bb_reaper_set_interval (f->reaper, 60);
  advance (f, 601);
  {
    guint n = 0;

    for (guint i = 0; i < f->slaves->len; i++)
      n += FAKE_SLAVE (f->slaves->pdata[i])->n_lists;
    g_assert_cmpuint (n, ==, 22);
  }
}

/* L26: an old instance of a slave is not stopped while a new one of it is being started. */
static void
test_no_stop_during_start (Fixture *f, gconstpointer data)
{
  guint64 old = make_row (f, "bot1", "here", BB_ROW_STOPPING, "i-1");
  guint64 fresh;

  fake_slave_add (f->slave, "i-1", NULL);
  f->slave->stop_error = "no";
  restart (f, FALSE, 300);
  f->slave->stop_error = NULL;
  g_assert_cmpuint (f->slave->n_stops, ==, 1);
  fresh = make_row (f, "bot1", "here", BB_ROW_REQUESTED, NULL);
  use (f, fresh);
  advance (f, 100);
  g_assert_cmpuint (f->slave->n_stops, ==, 1);
  {
    g_autoptr (BbInstance) instance = bb_instance_new ("i-2", NULL);

    bb_ledger_set_running (f->ledger, bb_ledger_find (f->ledger, fresh), instance, NULL, NULL);
  }
  advance (f, 10);
  assert_closed (f, old, "stopped");
}

/* C1, D14: a full disk prevents no stop, and the row is closed when there is room again. */
static void
test_disk_full (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  restart (f, FALSE, 100000);
  bb_fragile_store_set_failing (f->store, TRUE);
  bb_reaper_stop_row (f->reaper, bb_ledger_find (f->ledger, number));
  advance (f, 10);
  g_assert_cmpuint (g_hash_table_size (f->slave->instances), ==, 0);
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 1);
  bb_fragile_store_set_failing (f->store, FALSE);
  advance (f, 300);
  assert_closed (f, number, "stopped");
}

static void
test_shutdown (Fixture *f, gconstpointer data)
{
  guint64 number = make_running_row (f, "i-1");

  restart (f, FALSE, 300);
  f->slave->hanging = TRUE;
  bb_reaper_stop_row (f->reaper, bb_ledger_find (f->ledger, number));
  bb_reaper_reconcile_now (f->reaper);
  g_assert_cmpuint (f->slave->held->len, ==, 2);
  bb_reaper_shutdown (f->reaper);
  g_assert_cmpuint (f->slave->n_cancelled, ==, 2);
  advance (f, 10000);
  g_assert_cmpuint (f->slave->held->len, ==, 2);
  /* A stop that succeeded all the same closes its row. */
  fake_slave_answer (f->slave);
  bb_fragile_store_settle (f->store);
  assert_closed (f, number, "stopped");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/reaper/C1/disk-full", test_disk_full);
  ADD ("/reaper/C2/never-called", test_never_called);
  ADD ("/reaper/C2/lost-answer", test_lost_answer);
  ADD ("/reaper/C2/not-found-twice", test_not_found_twice);
  ADD ("/reaper/C10/absent-twice-at-once", test_absent_twice_at_once);
  ADD ("/reaper/C2-C4/orphan", test_orphan);
  ADD ("/reaper/C2/orphan-of-closed-row", test_orphan_of_closed_row);
  ADD ("/reaper/C2/orphan-beside-row", test_orphan_beside_row);
  ADD ("/reaper/C3-C10/row-without-instance", test_row_without_instance);
  ADD ("/reaper/C10/row-in-use-without-instance", test_row_in_use_without_instance);
  ADD ("/reaper/C10/start-in-flight", test_start_in_flight);
  ADD ("/reaper/C10/row-newer-than-listing", test_row_newer_than_listing);
  ADD ("/reaper/C5/unreachable", test_unreachable);
  ADD ("/reaper/C5/listing-hangs", test_listing_hangs);
  ADD ("/reaper/C6/no-backend", test_no_backend);
  ADD ("/reaper/C11/new-store", test_new_store);
  ADD ("/reaper/C11/new-store-adopted", test_new_store_adopted);
  ADD ("/reaper/C13/resources", test_resources);
  ADD ("/reaper/L24/stop-fails", test_stop_fails);
  ADD ("/reaper/L25/stop-hangs", test_stop_hangs);
  ADD ("/reaper/L26/no-stop-during-start", test_no_stop_during_start);
  ADD ("/reaper/L32/stopping-goes-on", test_stopping_goes_on);
  ADD ("/reaper/L33/grace", test_grace);
  ADD ("/reaper/listing/one-per-scope", test_one_listing_per_scope);
  ADD ("/reaper/shutdown", test_shutdown);
  return g_test_run ();
}
