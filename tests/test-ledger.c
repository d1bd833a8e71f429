/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-backoff.h"
#include "bb-fragile-store.h"
#include "bb-ledger.h"
#include "bb-log-trap.h"
#include "bb-sqlite-store.h"
#include "bb-test.h"

typedef struct
{
  char *dir;
  BbTestClock *clock;
  BbSqliteStore *inner;
  BbFragileStore *store;
  BbLedger *ledger;
  GString *events; /* what the signals said, one word each */
} Fixture;

static void
note_row (Fixture *f, const char *what, BbLedgerRow *row)
{
  g_string_append_printf (f->events, "%s%" G_GUINT64_FORMAT ":%s ", what, bb_ledger_row_get_number (row),
                          bb_row_state_to_string (bb_ledger_row_get_state (row)));
}

static void
row_added_cb (BbLedger *ledger, BbLedgerRow *row, gpointer user_data)
{
  note_row (user_data, "+", row);
}

static void
row_changed_cb (BbLedger *ledger, BbLedgerRow *row, gpointer user_data)
{
  note_row (user_data, "~", row);
}

static void
row_closed_cb (BbLedger *ledger, BbLedgerRow *row, gpointer user_data)
{
  note_row (user_data, "-", row);
}

static void
room_cb (BbLedger *ledger, gpointer user_data)
{
  g_string_append (((Fixture *) user_data)->events, "room ");
}

static void
load (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  f->inner = bb_sqlite_store_open (f->dir, &error);
  g_assert_no_error (error);
  f->store = bb_fragile_store_new (BB_STORE (f->inner));
  f->ledger = bb_ledger_new (BB_STORE (f->store), BB_CLOCK (f->clock));
  g_signal_connect (f->ledger, "row-added", G_CALLBACK (row_added_cb), f);
  g_signal_connect (f->ledger, "row-changed", G_CALLBACK (row_changed_cb), f);
  g_signal_connect (f->ledger, "row-closed", G_CALLBACK (row_closed_cb), f);
  g_signal_connect (f->ledger, "room", G_CALLBACK (room_cb), f);
  bb_ledger_load_async (f->ledger, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_ledger_load_finish (f->ledger, result, &error));
  g_assert_no_error (error);
}

static void
unload (Fixture *f)
{
  bb_fragile_store_settle (f->store);
  bb_sqlite_store_close (f->inner);
  g_clear_object (&f->ledger);
  g_clear_object (&f->store);
  g_clear_object (&f->inner);
}

static void
restart (Fixture *f)
{
  unload (f);
  load (f);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = bb_test_make_dir ();
  f->clock = bb_test_clock_new ();
  f->events = g_string_new (NULL);
  load (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  unload (f);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
  g_object_unref (f->clock);
  g_string_free (f->events, TRUE);
}

static void
assert_events (Fixture *f, const char *expected)
{
  bb_fragile_store_settle (f->store);
  g_assert_cmpstr (f->events->str, ==, expected);
  g_string_truncate (f->events, 0);
}

/* Once, however many writes have failed. */
static void
assert_warned (void)
{
  g_autofree char *warnings = bb_log_trap_take_warnings ();

  g_assert_cmpstr (warnings, ==,
                   "the ledger of instances can't be written: /state/bbhost.db: database or disk is full; nothing new "
                   "is started meanwhile, and what changes is kept in memory and written again later\n");
}

static void
begin_intend (Fixture *f, const char *slave, double cost, GAsyncResult **result)
{
  bb_ledger_intend_async (f->ledger, slave, "fake", "here", "s3cret", cost, NULL, bb_test_store_result, result);
}

static BbLedgerRow *
intend (Fixture *f, const char *slave, double cost, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  begin_intend (f, slave, cost, &result);
  bb_test_run_until_result (&result);
  return bb_ledger_intend_finish (f->ledger, result, error);
}

static BbLedgerRow *
intend_running (Fixture *f, const char *slave, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance = bb_instance_new (id, NULL);
  BbLedgerRow *row = intend (f, slave, -1, &error);

  g_assert_no_error (error);
  bb_ledger_set_requested (f->ledger, row, NULL, NULL);
  bb_ledger_set_running (f->ledger, row, instance, NULL, NULL);
  bb_fragile_store_settle (f->store);
  return row;
}

static void
close_row (Fixture *f, BbLedgerRow *row, const char *why)
{
  bb_ledger_close (f->ledger, row, why, NULL, NULL);
  bb_fragile_store_settle (f->store);
}

/* What is on disk of the instances, as the next start would see it. */
static char *
read_disk (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GPtrArray) rows = NULL;
  GString *text = g_string_new (NULL);

  bb_store_select_async (BB_STORE (f->store), &bb_table_instances, NULL, "number", -1, NULL, bb_test_store_result,
                         &result);
  bb_test_run_until_result (&result);
  rows = bb_store_select_finish (BB_STORE (f->store), result, NULL);
  g_assert_nonnull (rows);
  for (guint i = 0; i < rows->len; i++)
    {
      const char *state, *id, *why;
      gint64 number;

      g_assert_true (g_variant_lookup (rows->pdata[i], "number", "x", &number));
      g_assert_true (g_variant_lookup (rows->pdata[i], "state", "&s", &state));
      g_assert_true (g_variant_lookup (rows->pdata[i], "instance_id", "&s", &id));
      g_assert_true (g_variant_lookup (rows->pdata[i], "why", "&s", &why));
      g_string_append_printf (text, "%d:%s:%s:%s ", (int) number, state, id, why);
    }
  return g_string_free (text, FALSE);
}

static void
assert_disk (Fixture *f, const char *expected)
{
  g_autofree char *text = read_disk (f);

  g_assert_cmpstr (text, ==, expected);
}

/* C1: not before it is on disk. */
static void
test_durable_first (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) row = NULL;

  bb_fragile_store_set_hanging (f->store, TRUE);
  begin_intend (f, "bot1", 0.5, &result);
  bb_fragile_store_settle (f->store);
  g_assert_null (result);
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 0);
  bb_fragile_store_set_hanging (f->store, FALSE);
  bb_test_run_until_result (&result);
  row = bb_ledger_intend_finish (f->ledger, result, &error);
  g_assert_no_error (error);
  assert_events (f, "+1:intended ");
  assert_disk (f, "1:intended:: ");
  g_assert_true (g_uuid_string_is_valid (bb_ledger_row_get_token (row)));
  g_assert_cmpstr (bb_ledger_row_get_slave_name (row), ==, "bot1");
  g_assert_cmpstr (bb_ledger_row_get_password (row), ==, "s3cret");
  g_assert_cmpfloat (bb_ledger_row_get_hourly_cost (row), ==, 0.5);
  g_assert_cmpint (bb_ledger_row_get_requested_at_us (row), ==, bb_clock_get_wall_us (BB_CLOCK (f->clock)));
  g_assert_true (bb_ledger_find (f->ledger, 1) == row);
  g_assert_true (bb_ledger_find_by_token (f->ledger, bb_ledger_row_get_token (row)) == row);
  g_assert_true (bb_ledger_find_by_slave (f->ledger, "bot1") == row);
}

/* C1: with a disk that is full nothing is started. */
static void
test_disk_full (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) row = NULL;

  bb_fragile_store_set_failing (f->store, TRUE);
  g_assert_null (intend (f, "bot1", 1, &error));
  assert_warned ();
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  g_assert_cmpstr (error->message, ==, "no instance is asked for: /state/bbhost.db: database or disk is full");
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 0);
  g_assert_cmpfloat (bb_ledger_get_hourly_cost (f->ledger), ==, 0);
  g_clear_error (&error);

  bb_fragile_store_set_failing (f->store, FALSE);
  row = intend (f, "bot1", 1, &error);
  g_assert_no_error (error);
}

static void
test_life (Fixture *f, gconstpointer data)
{
  static const char *const resources[] = { "volume:v1", "file:/overlay", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance = bb_instance_new ("i-1", "t");
  g_autoptr (BbInstance) back = NULL;
  g_autoptr (BbLedgerRow) row = intend (f, "bot1", -1, &error);

  bb_ledger_set_requested (f->ledger, row, NULL, NULL);
  bb_ledger_add_resource (f->ledger, row, "file:/overlay", NULL, NULL);
  assert_disk (f, "1:requested:: ");
  bb_instance_set_resources (instance, resources);
  bb_instance_set_hourly_cost (instance, 0.25);
  bb_ledger_set_running (f->ledger, row, instance, NULL, NULL);
  assert_disk (f, "1:running:i-1: ");
  g_assert_cmpint (bb_ledger_row_get_confirmed_at_us (row), ==, bb_clock_get_wall_us (BB_CLOCK (f->clock)));
  g_assert_cmpfloat (bb_ledger_get_hourly_cost (f->ledger), ==, 0.25);
  g_assert_cmpuint (g_strv_length ((GStrv) bb_ledger_row_get_resources (row)), ==, 2);

  back = bb_ledger_row_to_instance (row);
  g_assert_cmpstr (bb_instance_get_id (back), ==, "i-1");
  g_assert_cmpstr (bb_instance_get_token (back), ==, bb_ledger_row_get_token (row));
  g_assert_cmpstr (bb_instance_get_resources (back)[1], ==, "volume:v1");

  bb_ledger_set_stopping (f->ledger, row, NULL, NULL);
  assert_disk (f, "1:stopping:i-1: ");
  close_row (f, row, "stopped");
  assert_disk (f, "1:closed:i-1:stopped ");
  assert_events (f, "+1:intended ~1:requested ~1:running ~1:stopping -1:closed ");
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 0);
  g_assert_null (bb_ledger_find_by_slave (f->ledger, "bot1"));
}

/* L11: an answer that comes too late brings the id, and does not make the row run again. */
static void
test_late_answer (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance = bb_instance_new ("i-late", NULL);
  g_autoptr (BbLedgerRow) row = intend (f, "bot1", -1, &error);

  bb_ledger_set_requested (f->ledger, row, NULL, NULL);
  bb_ledger_set_stopping (f->ledger, row, NULL, NULL);
  bb_ledger_set_running (f->ledger, row, instance, NULL, NULL);
  assert_disk (f, "1:stopping:i-late: ");
}

static void
test_closed_changes_no_more (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL, again = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) row = intend_running (f, "bot1", "i-1");

  close_row (f, row, "stopped");
  bb_ledger_set_stopping (f->ledger, row, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_false (bb_ledger_write_finish (f->ledger, result, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "instance 1 of slave bot1 has been closed");
  g_clear_error (&error);
  bb_ledger_close (f->ledger, row, "gone", bb_test_store_result, &again);
  bb_test_run_until_result (&again);
  g_assert_true (bb_ledger_write_finish (f->ledger, again, &error));
  assert_disk (f, "1:closed:i-1:stopped ");
}

static void
test_restart (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) one = intend_running (f, "bot1", "i-1");
  g_autoptr (BbLedgerRow) two = intend (f, "bot2", 0.5, &error);
  g_autoptr (BbLedgerRow) three = intend (f, "bot3", 0.5, &error);
  g_autofree char *token = g_strdup (bb_ledger_row_get_token (one));
  g_autoptr (GPtrArray) rows = NULL;
  BbLedgerRow *found;

  bb_ledger_add_resource (f->ledger, one, "volume:v1", NULL, NULL);
  close_row (f, three, "not started");
  restart (f);
  rows = bb_ledger_get_open_rows (f->ledger);
  g_assert_cmpuint (rows->len, ==, 2);
  found = rows->pdata[0];
  g_assert_cmpstr (bb_ledger_row_get_token (found), ==, token);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (found), ==, "i-1");
  g_assert_cmpstr (bb_ledger_row_get_password (found), ==, "s3cret");
  g_assert_cmpstr (bb_ledger_row_get_backend (found), ==, "fake");
  g_assert_cmpstr (bb_ledger_row_get_scope (found), ==, "here");
  g_assert_cmpstr (bb_ledger_row_get_resources (found)[0], ==, "volume:v1");
  g_assert_true (bb_ledger_row_is_inherited (found));
  g_assert_cmpint (bb_ledger_row_get_state (rows->pdata[1]), ==, BB_ROW_INTENDED);

  /* Numbers are never used again, those of closed rows included. */
  g_clear_object (&three);
  three = intend (f, "bot3", 0.5, &error);
  g_assert_cmpuint (bb_ledger_row_get_number (three), ==, 4);
}

/* A failed write loses nothing: it is made up for by the next one, and the closing counts only when it is on disk. */
static void
test_failed_writes (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) one = intend_running (f, "bot1", "i-1");
  g_autoptr (BbLedgerRow) two = intend_running (f, "bot2", "i-2");

  g_string_truncate (f->events, 0);
  bb_fragile_store_set_failing (f->store, TRUE);
  bb_ledger_set_stopping (f->ledger, one, NULL, NULL);
  bb_ledger_close (f->ledger, one, "stopped", bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  assert_warned ();
  g_assert_false (bb_ledger_write_finish (f->ledger, result, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  assert_events (f, "~1:stopping ");
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 2);
  g_assert_true (bb_ledger_row_is_closing (one));
  assert_disk (f, "1:running:i-1: 2:running:i-2: ");

  bb_fragile_store_set_failing (f->store, FALSE);
  bb_ledger_set_stopping (f->ledger, two, NULL, NULL);
  assert_events (f, "~2:stopping -1:closed ");
  assert_disk (f, "1:closed:i-1:stopped 2:stopping:i-2: ");
}

static void
test_retry_writes (Fixture *f, gconstpointer data)
{
  g_autoptr (BbLedgerRow) row = intend_running (f, "bot1", "i-1");

  bb_fragile_store_set_failing (f->store, TRUE);
  close_row (f, row, "gone");
  bb_ledger_retry_writes (f->ledger);
  bb_fragile_store_settle (f->store);
  assert_warned ();
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 1);
  bb_fragile_store_set_failing (f->store, FALSE);
  bb_ledger_retry_writes (f->ledger);
  bb_fragile_store_settle (f->store);
  g_assert_cmpuint (bb_ledger_count_open (f->ledger), ==, 0);
  assert_disk (f, "1:closed:i-1:gone ");
}

/* Nobody can log in with the password of an instance that is gone. */
static void
test_password_is_forgotten (Fixture *f, gconstpointer data)
{
  g_autoptr (BbLedgerRow) row = intend_running (f, "bot1", "i-1");
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GPtrArray) rows = NULL;
  const char *password = NULL;

  close_row (f, row, "stopped");
  bb_store_select_async (BB_STORE (f->store), &bb_table_instances, NULL, NULL, -1, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  rows = bb_store_select_finish (BB_STORE (f->store), result, NULL);
  g_assert_true (g_variant_lookup (rows->pdata[0], "password", "&s", &password));
  g_assert_cmpstr (password, ==, "");
}

/* C7: two that race don't exceed it; those refused hear when there is room. */
static void
test_max_instances (Fixture *f, gconstpointer data)
{
  const BbLedgerLimits limits = { .max_instances = 2 };
  GAsyncResult *results[4] = { NULL };
  BbLedgerRow *rows[4] = { NULL };
  static const char *const slaves[] = { "bot1", "bot2", "bot4", "bot3" };

  bb_ledger_set_limits (f->ledger, &limits);
  for (int i = 0; i < 4; i++)
    begin_intend (f, slaves[i], -1, &results[i]);
  for (int i = 0; i < 4; i++)
    {
      g_autoptr (GError) error = NULL;

      bb_test_run_until_result (&results[i]);
      rows[i] = bb_ledger_intend_finish (f->ledger, results[i], &error);
      g_assert_true ((rows[i] != NULL) == (i < 2));
      if (i >= 2)
        {
          g_assert_error (error, BB_ERROR, BB_ERROR_LIMIT);
          g_assert_cmpstr (error->message, ==,
                           "max_instances=2 of [host] is reached; it waits until an instance is gone");
        }
      g_object_unref (results[i]);
    }
  assert_events (f, "+1:intended +2:intended ");
  bb_ledger_set_stopping (f->ledger, rows[0], NULL, NULL);
  assert_events (f, "~1:stopping "); /* it counts until it is gone */
  close_row (f, rows[0], "stopped");
  assert_events (f, "-1:closed room ");
  g_object_unref (rows[0]);
  g_object_unref (rows[1]);
}

/* "room" is said once for all who were refused, also when the limits are raised, and not when nobody was. */
static void
test_room (Fixture *f, gconstpointer data)
{
  const BbLedgerLimits limits = { .max_instances = 1 };
  const BbLedgerLimits none = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) one = intend (f, "bot1", -1, &error);
  g_autoptr (BbLedgerRow) two = NULL;

  bb_ledger_set_limits (f->ledger, &limits);
  close_row (f, one, "stopped");
  assert_events (f, "+1:intended -1:closed ");
  two = intend (f, "bot2", -1, &error);
  g_assert_no_error (error);
  for (int i = 0; i < 3; i++)
    {
      g_assert_null (intend (f, "bot3", -1, &error));
      g_clear_error (&error);
    }
  bb_ledger_set_limits (f->ledger, &limits);
  assert_events (f, "+2:intended ");
  bb_ledger_set_limits (f->ledger, &none);
  assert_events (f, "room ");
  close_row (f, two, "stopped");
  assert_events (f, "-2:closed ");
}

/* A row that could not be written makes room again. */
static void
test_room_after_failure (Fixture *f, gconstpointer data)
{
  const BbLedgerLimits limits = { .max_instances = 1 };
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GError) error = NULL;

  bb_ledger_set_limits (f->ledger, &limits);
  bb_fragile_store_set_hanging (f->store, TRUE);
  begin_intend (f, "bot1", -1, &first);
  g_assert_null (intend (f, "bot2", -1, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_LIMIT);
  bb_fragile_store_set_failing (f->store, TRUE);
  bb_fragile_store_set_hanging (f->store, FALSE);
  bb_test_run_until_result (&first);
  assert_warned ();
  assert_events (f, "room ");
}

/* C8: unknown prices count as configured; 0.1 three times is not more than 0.3. */
static void
test_max_hourly_cost (Fixture *f, gconstpointer data)
{
  const BbLedgerLimits limits = { .max_hourly_cost = 0.3, .default_hourly_cost = 0.1 };
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) one = NULL, two = NULL, three = NULL;

  bb_ledger_set_limits (f->ledger, &limits);
  one = intend (f, "bot1", -1, &error);
  g_assert_no_error (error);
  g_assert_null (intend (f, "bot2", 0.25, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_LIMIT);
  g_assert_cmpstr (error->message, ==,
                   "max_hourly_cost=0.3 of [host] would be exceeded: the open instances cost 0.1, one more 0.25; it "
                   "waits until instances are gone");
  g_clear_error (&error);
  two = intend (f, "bot3", 0.1, &error);
  three = intend (f, "bot4", -1, &error);
  g_assert_no_error (error);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_hourly_cost (f->ledger), 0.3, 1e-9);
  g_assert_null (intend (f, "bot5", 0.01, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_LIMIT);
}

static void
count_budget (BbLedger *ledger, double spent, double limit, gpointer user_data)
{
  (*(guint *) user_data)++;
}

static void
watch_budget (Fixture *f, guint *n_told)
{
  const BbLedgerLimits limits = { .max_monthly_cost = 1 };

  bb_ledger_set_limits (f->ledger, &limits);
  g_signal_connect (f->ledger, "budget", G_CALLBACK (count_budget), n_told);
}

/* max_monthly_cost: told of once at 80 %, none is started at 100 %, and the next month begins with nothing. */
static void
test_max_monthly_cost (Fixture *f, gconstpointer data)
{
  const gint64 start_us = bb_clock_get_wall_us (BB_CLOCK (f->clock)), hour_us = G_TIME_SPAN_HOUR;
  g_autoptr (GDateTime) next_month = g_date_time_new_utc (2023, 12, 1, 1, 0, 0);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) one = NULL, two = NULL, three = NULL;
  guint n_told = 0;

  watch_budget (f, &n_told);
  one = intend (f, "bot1", 0.5, &error);
  g_assert_no_error (error);
  bb_test_clock_set_wall_us (f->clock, start_us + hour_us);
  bb_ledger_look_at_budget (f->ledger);
  g_assert_cmpuint (n_told, ==, 0);
  bb_test_clock_set_wall_us (f->clock, start_us + hour_us * 17 / 10);
  bb_ledger_look_at_budget (f->ledger);
  bb_ledger_look_at_budget (f->ledger);
  g_assert_cmpuint (n_told, ==, 1);
  close_row (f, one, "stopped");
  restart (f);
  watch_budget (f, &n_told);
  bb_ledger_look_at_budget (f->ledger);
  g_assert_cmpuint (n_told, ==, 1);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->ledger), 0.85, 1e-6);

  two = intend (f, "bot2", 0.5, &error);
  g_assert_no_error (error);
  bb_test_clock_set_wall_us (f->clock, start_us + 3 * hour_us);
  bb_ledger_look_at_budget (f->ledger);
  g_assert_cmpuint (n_told, ==, 2);
  g_assert_null (intend (f, "bot3", 0.5, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_LIMIT);
  g_assert_cmpstr (error->message, ==,
                   "max_monthly_cost=1 of [host] is spent; it waits for the next month, or for a higher limit");
  g_clear_error (&error);

  bb_test_clock_set_wall_us (f->clock, g_date_time_to_unix (next_month) * G_USEC_PER_SEC);
  bb_ledger_look_at_budget (f->ledger);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->ledger), 0.5, 1e-6);
  three = intend (f, "bot3", 0.5, &error);
  g_assert_no_error (error);
}

/* L11: a start that was given up while the row was written leaves no row behind. */
static void
test_cancelled (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  bb_fragile_store_set_hanging (f->store, TRUE);
  bb_ledger_intend_async (f->ledger, "bot1", "fake", "here", "", -1, cancellable, bb_test_store_result, &result);
  g_cancellable_cancel (cancellable);
  bb_fragile_store_set_hanging (f->store, FALSE);
  bb_test_run_until_result (&result);
  g_assert_null (bb_ledger_intend_finish (f->ledger, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_events (f, "+1:intended -1:closed ");
  assert_disk (f, "1:closed::not started ");
}

static BbLedgerRow *
adopt (Fixture *f, const char *id, const char *token, BbRowState state)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance = bb_instance_new (id, token);
  BbLedgerRow *row;

  bb_ledger_adopt_async (f->ledger, "bot9", "fake", "here", instance, state, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  row = bb_ledger_adopt_finish (f->ledger, result, &error);
  g_assert_no_error (error);
  bb_fragile_store_settle (f->store);
  return row;
}

static void
test_adopt (Fixture *f, gconstpointer data)
{
  const BbLedgerLimits limits = { .max_instances = 1 };
  g_autoptr (BbLedgerRow) one = intend_running (f, "bot1", "i-1");
  g_autoptr (BbLedgerRow) again = NULL, unknown = NULL, unmarked = NULL;

  bb_ledger_set_limits (f->ledger, &limits);
  bb_ledger_add_resource (f->ledger, one, "volume:v1", NULL, NULL);
  close_row (f, one, "gone");
  g_string_truncate (f->events, 0);
  /* One whose row was closed gets that row back, with what it knew. */
  again = adopt (f, "i-1", bb_ledger_row_get_token (one), BB_ROW_STOPPING);
  g_assert_cmpuint (bb_ledger_row_get_number (again), ==, 1);
  g_assert_cmpstr (bb_ledger_row_get_resources (again)[0], ==, "volume:v1");
  g_assert_cmpstr (bb_ledger_row_get_slave_name (again), ==, "bot1");
  /* Others get new ones, beyond the limits: they exist already. */
  unknown = adopt (f, "i-2", "11111111-2222-3333-4444-555555555555", BB_ROW_RUNNING);
  g_assert_cmpstr (bb_ledger_row_get_token (unknown), ==, "11111111-2222-3333-4444-555555555555");
  unmarked = adopt (f, "i-3", NULL, BB_ROW_STOPPING);
  g_assert_true (g_uuid_string_is_valid (bb_ledger_row_get_token (unmarked)));
  assert_events (f, "+1:stopping +2:running +3:stopping ");
  assert_disk (f, "1:stopping:i-1: 2:running:i-2: 3:stopping:i-3: ");
}

static void
test_unconfirmed (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLoop) loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_autoptr (BbLedgerRow) one = intend_running (f, "bot1", "i-1");
  g_autoptr (BbLedgerRow) two = intend (f, "bot2", -1, &error);
  gint64 began_us = bb_clock_get_wall_us (BB_CLOCK (f->clock));

  bb_test_clock_advance (f->clock, loop, 9 * 60);
  g_assert_cmpuint (bb_ledger_count_unconfirmed (f->ledger), ==, 0);
  g_string_truncate (f->events, 0);
  bb_ledger_confirm (f->ledger, one);
  bb_ledger_confirm (f->ledger, one); /* news once */
  assert_events (f, "~1:running ");
  g_assert_cmpint (bb_ledger_row_get_confirmed_at_us (one), ==, began_us + 9 * 60 * G_USEC_PER_SEC);
  bb_test_clock_advance (f->clock, loop, 61);
  g_assert_cmpuint (bb_ledger_count_unconfirmed (f->ledger), ==, 1);
  /* An administrator who sets the clock changes nothing of that, but a restart can go by nothing else. */
  bb_test_clock_set_wall_us (f->clock, began_us + 3600 * (gint64) G_USEC_PER_SEC);
  g_assert_cmpuint (bb_ledger_count_unconfirmed (f->ledger), ==, 1);
  g_clear_object (&one);
  g_clear_object (&two);
  restart (f);
  g_assert_cmpuint (bb_ledger_count_unconfirmed (f->ledger), ==, 2);
}

static void
test_backoff (void)
{
  BbBackoff backoff, other;
  double pause = 0;

  bb_backoff_init (&backoff, 5, 300);
  bb_backoff_set_seed (&backoff, 42);
  other = backoff;
  for (int i = 0; i < 12; i++)
    {
      double middle = MIN (5 * (1 << MIN (i, 20)), 300);

      pause = (double) bb_backoff_fail (&backoff) / G_USEC_PER_SEC;
      g_assert_cmpfloat (pause, >=, middle * 0.75 - 0.001);
      g_assert_cmpfloat (pause, <=, middle * 1.25 + 0.001);
      g_assert_cmpint (bb_backoff_fail (&other), ==, (gint64) (pause * G_USEC_PER_SEC + 0.5));
    }
  g_assert_cmpuint (bb_backoff_get_failures (&backoff), ==, 12);
  bb_backoff_set_seed (&other, 43);
  g_assert_cmpint (bb_backoff_fail (&other), !=, bb_backoff_fail (&backoff));
  bb_backoff_reset (&backoff);
  g_assert_cmpuint (bb_backoff_get_failures (&backoff), ==, 0);
  g_assert_cmpint (bb_backoff_fail (&backoff), <=, 6.25 * G_USEC_PER_SEC);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/ledger/C1/durable-first", test_durable_first);
  ADD ("/ledger/C1/disk-full", test_disk_full);
  ADD ("/ledger/C2/failed-writes", test_failed_writes);
  ADD ("/ledger/C2/retry-writes", test_retry_writes);
  ADD ("/ledger/C2/restart", test_restart);
  ADD ("/ledger/C7/max-instances", test_max_instances);
  ADD ("/ledger/C7/room", test_room);
  ADD ("/ledger/C7/room-after-failure", test_room_after_failure);
  ADD ("/ledger/C8/max-hourly-cost", test_max_hourly_cost);
  ADD ("/ledger/C8/max-monthly-cost", test_max_monthly_cost);
  ADD ("/ledger/C13/life", test_life);
  ADD ("/ledger/L11/late-answer", test_late_answer);
  ADD ("/ledger/L11/cancelled", test_cancelled);
  ADD ("/ledger/row/password-is-forgotten", test_password_is_forgotten);
  ADD ("/ledger/row/closed-changes-no-more", test_closed_changes_no_more);
  ADD ("/ledger/row/adopt", test_adopt);
  ADD ("/ledger/C5/unconfirmed", test_unconfirmed);
  g_test_add_func ("/ledger/backoff", test_backoff);
  return g_test_run ();
}
