/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ledger-private.h"

#include "bb-log.h"

#define UNCONFIRMED_AFTER_US (10 * 60 * G_USEC_PER_SEC)
/* Substantiated slaves are checked every few seconds: not each of these is news to anybody. */
#define CONFIRMED_AT_STEP_US (60 * G_USEC_PER_SEC)

enum
{
  SIGNAL_ROW_ADDED,
  SIGNAL_ROW_CHANGED,
  SIGNAL_ROW_CLOSED,
  SIGNAL_ROOM,
  SIGNAL_BUDGET,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

/* One write of a row that is under way. */
typedef struct
{
  BbLedger *ledger; /* owned */
  BbLedgerRow *row; /* owned */
  guint64 serial;   /* what of the row is in it */
  GTask *task;      /* owned, nullable: somebody wants to know */
} Write;

G_DEFINE_FINAL_TYPE (BbLedger, bb_ledger, G_TYPE_OBJECT)

static void
write_free (Write *write)
{
  g_clear_object (&write->task);
  g_object_unref (write->row);
  g_object_unref (write->ledger);
  g_free (write);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Write, write_free)

static int
compare_numbers (gconstpointer a, gconstpointer b)
{
  const BbLedgerRow *one = *(BbLedgerRow *const *) a, *other = *(BbLedgerRow *const *) b;

  return one->number < other->number ? -1 : one->number > other->number;
}

static void
insert_row (BbLedger *self, BbLedgerRow *row)
{
  GPtrArray *siblings = g_hash_table_lookup (self->by_slave, row->slave_name);

  if (siblings == NULL)
    {
      siblings = g_ptr_array_new ();
      g_hash_table_insert (self->by_slave, g_strdup (row->slave_name), siblings);
    }
  g_ptr_array_add (siblings, row);
  g_ptr_array_sort (siblings, compare_numbers);
  if (row->running_since_us == 0)
    self->n_parked++;
  g_hash_table_insert (self->by_token, row->token, row);
  g_hash_table_insert (self->rows, &row->number, g_object_ref (row));
}

static void
drop_row (BbLedger *self, BbLedgerRow *row)
{
  GPtrArray *siblings = g_hash_table_lookup (self->by_slave, row->slave_name);

  g_ptr_array_remove (siblings, row);
  if (siblings->len == 0)
    g_hash_table_remove (self->by_slave, row->slave_name);
  g_hash_table_remove (self->by_token, row->token);
  g_hash_table_remove (self->unwritten, row);
  g_hash_table_remove (self->rows, &row->number);
}

static void
changed (BbLedger *self, BbLedgerRow *row)
{
  g_signal_emit (self, signals[SIGNAL_ROW_CHANGED], 0, row);
}

static void
note_failure (BbLedger *self, const GError *error)
{
  if (!self->failing)
    bb_log_host (G_LOG_LEVEL_WARNING,
                 "the ledger of instances can't be written: %s; nothing new is started meanwhile, and what changes is "
                 "kept in memory and written again later",
                 error->message);
  self->failing = TRUE;
}

static void
note_success (BbLedger *self)
{
  if (self->failing)
    bb_log_host (G_LOG_LEVEL_MESSAGE, "the ledger of instances can be written again");
  self->failing = FALSE;
}

/* The closing of @row is on disk. */
static void
finish_closing (BbLedger *self, BbLedgerRow *row)
{
  if (row->state == BB_ROW_CLOSED)
    return;
  if (row->running_since_us == 0)
    self->n_parked--;
  row->state = BB_ROW_CLOSED;
  drop_row (self, row);
  bb_ledger_note_closed (self, row);
  bb_log_instance (G_LOG_LEVEL_MESSAGE, row->number, row->slave_name, "closed: %s%s%s", row->why,
                   *row->instance_id != '\0' ? "; it was " : "", row->instance_id);
  g_signal_emit (self, signals[SIGNAL_ROW_CLOSED], 0, row);
  bb_ledger_tell_room (self);
}

static void
row_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Write) write = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&write->task);
  g_autoptr (GError) error = NULL;
  BbLedgerRow *row = write->row;

  if (!bb_store_commit_finish (BB_STORE (source), result, &error))
    {
      note_failure (write->ledger, error);
      if (row->durable_serial < write->serial)
        g_hash_table_add (write->ledger->unwritten, g_object_ref (row));
      if (task != NULL)
        g_task_return_error (task, g_steal_pointer (&error));
      return;
    }

  note_success (write->ledger);
  row->durable_serial = write->serial;
  if (row->durable_serial == row->serial)
    {
      g_hash_table_remove (write->ledger->unwritten, row);
      if (row->closing)
        finish_closing (write->ledger, row);
    }
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

/* @task: (transfer full) (nullable) */
static void
put_row (BbLedger *self, BbLedgerRow *row, GTask *task)
{
  Write *write = g_new0 (Write, 1);

  write->ledger = g_object_ref (self);
  write->row = g_object_ref (row);
  write->serial = ++row->serial;
  write->task = task;
  g_hash_table_remove (self->unwritten, row);
  bb_store_put_async (self->store, &bb_table_instances, bb_ledger_row_to_stored (row), NULL, row_written_cb, write);
}

/* @task: (transfer full) (nullable). Always whole, so that one write makes up for any that failed before. */
static void
write_row (BbLedger *self, BbLedgerRow *row, GTask *task)
{
  put_row (self, row, task);
  bb_ledger_retry_writes (self);
}

static GTask *
new_task (BbLedger *self, gpointer source_tag, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  if (callback == NULL)
    return NULL;
  task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (task, source_tag);
  return task;
}

/* Whether @row may change; if not, @task (taken then) says so. */
static gboolean
may_change (BbLedgerRow *row, GTask *task)
{
  if (!row->closing)
    return TRUE;
  if (task != NULL)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_WRONG_STATE,
                             "instance %" G_GUINT64_FORMAT " of slave %s has been closed", row->number,
                             row->slave_name);
  g_clear_object (&task);
  return FALSE;
}

/* Of a row that is in the tables. What it has cost is reckoned whenever it ceases to run; one that is parked does not
 * begin to when it is to go. */
static void
set_state (BbLedger *self, BbLedgerRow *row, BbRowState state)
{
  if (state == BB_ROW_PARKED && row->running_since_us != 0)
    {
      bb_ledger_note_spent (self, row);
      row->running_since_us = 0;
      self->n_parked++;
    }
  else if (state < BB_ROW_PARKED && row->running_since_us == 0)
    {
      row->running_since_us = bb_clock_get_wall_us (self->clock);
      self->n_parked--;
    }
  row->state = state;
  bb_ledger_count_row (self, row);
}

static void
intended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  BbLedger *self = g_task_get_source_object (task);
  BbLedgerRow *row = g_task_get_task_data (task);
  gboolean written = bb_store_commit_finish (BB_STORE (source), result, &error);

  g_hash_table_remove (self->intended, row);
  if (!written)
    {
      note_failure (self, error);
      g_prefix_error (&error, "no instance is asked for: ");
      g_task_return_error (task, g_steal_pointer (&error));
      bb_ledger_tell_room (self);
      return;
    }

  note_success (self);
  row->durable_serial = row->serial;
  bb_ledger_count_row (self, row); /* the default may have changed meanwhile */
  insert_row (self, row);
  g_signal_emit (self, signals[SIGNAL_ROW_ADDED], 0, row);
  if (g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    {
      bb_ledger_close (self, row, "not started", NULL, NULL);
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the start was given up");
      return;
    }
  g_task_return_pointer (task, g_object_ref (row), g_object_unref);
}

void
bb_ledger_intend_async (BbLedger *self, const char *slave_name, const char *backend, const char *scope,
                        const char *password, double hourly_cost, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autoptr (BbLedgerRow) row = NULL;
  g_autofree char *token = g_uuid_string_random ();
  GError *error = NULL;

  g_return_if_fail (BB_IS_LEDGER (self));
  g_return_if_fail (slave_name != NULL && backend != NULL && scope != NULL);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_ledger_intend_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  /* From here on a row is under way that must not be lost from sight. */
  g_task_set_check_cancellable (task, FALSE);
  if (!bb_ledger_check_limits (self, bb_ledger_count_cost (self, hourly_cost), &error))
    {
      self->refused = TRUE;
      g_task_return_error (task, error);
      return;
    }
  row = bb_ledger_row_new (++self->last_number, token, slave_name, backend, scope);
  row->requested_at_us = row->running_since_us = bb_clock_get_wall_us (self->clock);
  row->born_us = bb_clock_get_monotonic_us (self->clock);
  if (password != NULL)
    {
      g_free (row->password);
      row->password = g_strdup (password);
    }
  row->own_cost = hourly_cost >= 0 ? hourly_cost : -1;
  bb_ledger_count_row (self, row);
  row->seen_us = bb_clock_get_monotonic_us (self->clock);
  row->serial = 1;
  g_hash_table_add (self->intended, g_object_ref (row));
  g_task_set_task_data (task, g_object_ref (row), g_object_unref);
  bb_store_put_async (self->store, &bb_table_instances, bb_ledger_row_to_stored (row), NULL, intended_cb,
                      g_steal_pointer (&task));
  bb_ledger_retry_writes (self);
}

BbLedgerRow *
bb_ledger_intend_finish (BbLedger *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

void
bb_ledger_set_requested (BbLedger *self, BbLedgerRow *row, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row));

  task = new_task (self, bb_ledger_set_requested, callback, user_data);
  if (!may_change (row, task))
    return;
  if (row->state == BB_ROW_INTENDED)
    row->state = BB_ROW_REQUESTED;
  write_row (self, row, task);
  changed (self, row);
}

void
bb_ledger_set_running (BbLedger *self, BbLedgerRow *row, BbInstance *instance, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row) && instance != NULL);

  task = new_task (self, bb_ledger_set_running, callback, user_data);
  if (!may_change (row, task))
    return;
  bb_ledger_row_take_instance (row, instance);
  /* An answer that comes when the row is to go already brings its id, and changes nothing of that. */
  if (row->state != BB_ROW_STOPPING)
    set_state (self, row, BB_ROW_RUNNING);
  bb_ledger_count_row (self, row);
  row->confirmed_at_us = bb_clock_get_wall_us (self->clock);
  row->seen_us = bb_clock_get_monotonic_us (self->clock);
  write_row (self, row, task);
  changed (self, row);
}

void
bb_ledger_set_stopping (BbLedger *self, BbLedgerRow *row, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row));

  task = new_task (self, bb_ledger_set_stopping, callback, user_data);
  if (!may_change (row, task))
    return;
  if (row->state != BB_ROW_STOPPING)
    row->stopping_at_us = bb_clock_get_wall_us (self->clock);
  set_state (self, row, BB_ROW_STOPPING);
  write_row (self, row, task);
  changed (self, row);
}

void
bb_ledger_set_parked (BbLedger *self, BbLedgerRow *row, const char *made_with, GAsyncReadyCallback callback,
                      gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row) && made_with != NULL);

  task = new_task (self, bb_ledger_set_parked, callback, user_data);
  if (!may_change (row, task))
    return;
  g_free (row->made_with);
  row->made_with = g_strdup (made_with);
  row->confirmed_at_us = bb_clock_get_wall_us (self->clock);
  row->seen_us = bb_clock_get_monotonic_us (self->clock);
  set_state (self, row, BB_ROW_PARKED);
  write_row (self, row, task);
  changed (self, row);
  bb_ledger_tell_room (self);
}

static void
unparked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_boolean (task, TRUE);
  else
    {
      g_prefix_error (&error, "its parked instance is not started: ");
      g_task_return_error (task, error);
    }
}

void
bb_ledger_unpark_async (BbLedger *self, BbLedgerRow *row, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  GTask *write;
  GError *error = NULL;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row) && row->state == BB_ROW_PARKED);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_ledger_unpark_async);
  g_task_set_check_cancellable (task, FALSE);
  if (!bb_ledger_check_limits (self, bb_ledger_count_cost (self, row->own_cost), &error))
    {
      self->refused = TRUE;
      g_task_return_error (task, error);
      return;
    }
  write = new_task (self, bb_ledger_unpark_async, unparked_cb, g_steal_pointer (&task));
  if (!may_change (row, write))
    return;
  set_state (self, row, BB_ROW_REQUESTED);
  row->seen_us = bb_clock_get_monotonic_us (self->clock);
  write_row (self, row, write);
  changed (self, row);
}

gboolean
bb_ledger_unpark_finish (BbLedger *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_ledger_add_resource (BbLedger *self, BbLedgerRow *row, const char *resource, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row) && resource != NULL);

  task = new_task (self, bb_ledger_add_resource, callback, user_data);
  if (!may_change (row, task))
    return;
  bb_ledger_row_add_resource (row, resource);
  write_row (self, row, task);
}

void
bb_ledger_close (BbLedger *self, BbLedgerRow *row, const char *why, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row) && why != NULL);

  task = new_task (self, bb_ledger_close, callback, user_data);
  if (row->state == BB_ROW_CLOSED)
    {
      if (task != NULL)
        g_task_return_boolean (task, TRUE);
      return;
    }
  if (!row->closing)
    {
      row->closing = TRUE;
      row->closed_at_us = bb_clock_get_wall_us (self->clock);
      g_free (row->why);
      row->why = g_strdup (why);
    }
  write_row (self, row, g_steal_pointer (&task));
}

gboolean
bb_ledger_write_finish (BbLedger *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_ledger_retry_writes (BbLedger *self)
{
  g_autoptr (GHashTable) unwritten = NULL;
  GHashTableIter iter;
  BbLedgerRow *row;

  g_return_if_fail (BB_IS_LEDGER (self));

  if (g_hash_table_size (self->unwritten) == 0)
    return;
  unwritten = g_steal_pointer (&self->unwritten);
  self->unwritten = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  g_hash_table_iter_init (&iter, unwritten);
  while (g_hash_table_iter_next (&iter, (gpointer *) &row, NULL))
    put_row (self, row, NULL);
}

/* How long ago something was can be told from the wall clock only, over a restart; never that it is still to come. */
static gint64
to_monotonic (BbLedger *self, gint64 wall_us)
{
  return bb_clock_get_monotonic_us (self->clock) - MAX (bb_clock_get_wall_us (self->clock) - wall_us, 0);
}

static void
add_adopted (BbLedger *self, BbLedgerRow *row, BbInstance *instance, BbRowState state)
{
  gint64 wall_us = bb_clock_get_wall_us (self->clock);

  bb_ledger_row_take_instance (row, instance);
  row->state = state;
  row->closing = FALSE;
  row->inherited = TRUE;
  row->closed_at_us = 0;
  g_free (row->why);
  row->why = g_strdup ("");
  if (row->running_since_us == 0)
    row->running_since_us = wall_us;
  bb_ledger_count_row (self, row);
  if (row->requested_at_us == 0)
    row->requested_at_us = wall_us; /* the best that is known: nobody wrote down when it was */
  row->born_us = to_monotonic (self, row->requested_at_us);
  row->confirmed_at_us = wall_us;
  row->stopping_at_us = state == BB_ROW_STOPPING ? wall_us : 0;
  row->seen_us = bb_clock_get_monotonic_us (self->clock);
  insert_row (self, row);
  write_row (self, row, NULL);
  g_signal_emit (self, signals[SIGNAL_ROW_ADDED], 0, row);
}

typedef struct
{
  char *slave_name;
  char *backend;
  char *scope;
  BbInstance *instance;
  BbRowState state;
} Adoption;

static void
adoption_free (gpointer data)
{
  Adoption *adoption = data;

  g_free (adoption->slave_name);
  g_free (adoption->backend);
  g_free (adoption->scope);
  bb_instance_unref (adoption->instance);
  g_free (adoption);
}

static void
closed_rows_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) closed = bb_store_select_finish (BB_STORE (source), result, &error);
  g_autoptr (BbLedgerRow) row = NULL;
  BbLedger *self = g_task_get_source_object (task);
  Adoption *adoption = g_task_get_task_data (task);
  const char *token = bb_instance_get_token (adoption->instance);
  g_autofree char *fresh_token = g_uuid_string_random ();
  BbLedgerRow *open;

  if (closed == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (token == NULL || *token == '\0')
    token = fresh_token;
  open = bb_ledger_find_by_token (self, token);
  if (open != NULL)
    {
      g_task_return_pointer (task, g_object_ref (open), g_object_unref);
      return;
    }
  if (closed->len > 0)
    row = bb_ledger_row_new_from_stored (closed->pdata[0]);
  else
    row = bb_ledger_row_new (++self->last_number, token, adoption->slave_name, adoption->backend, adoption->scope);
  add_adopted (self, row, adoption->instance, adoption->state);
  g_task_return_pointer (task, g_object_ref (row), g_object_unref);
}

void
bb_ledger_adopt_async (BbLedger *self, const char *slave_name, const char *backend, const char *scope,
                       BbInstance *instance, BbRowState state, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;
  Adoption *adoption;
  const char *token;

  g_return_if_fail (BB_IS_LEDGER (self));
  g_return_if_fail (slave_name != NULL && backend != NULL && scope != NULL && instance != NULL);
  g_return_if_fail (state == BB_ROW_RUNNING || state == BB_ROW_STOPPING);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_ledger_adopt_async);
  g_task_set_check_cancellable (task, FALSE);
  adoption = g_new0 (Adoption, 1);
  adoption->slave_name = g_strdup (slave_name);
  adoption->backend = g_strdup (backend);
  adoption->scope = g_strdup (scope);
  adoption->instance = bb_instance_ref (instance);
  adoption->state = state;
  g_task_set_task_data (task, adoption, adoption_free);
  token = bb_instance_get_token (instance);
  bb_store_select_async (self->store, &bb_table_instances,
                         g_variant_new_parsed ("{'token': <%s>}", token != NULL ? token : ""), NULL, 1, NULL,
                         closed_rows_read_cb, task);
}

BbLedgerRow *
bb_ledger_adopt_finish (BbLedger *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
last_row_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);
  BbLedger *self = g_task_get_source_object (task);
  gint64 number = 0;

  if (rows == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (rows->len > 0)
    g_variant_lookup (rows->pdata[0], "number", "x", &number);
  self->last_number = MAX (self->last_number, (guint64) number);
  bb_ledger_load_budget (self, g_steal_pointer (&task));
}

static void
open_rows_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);
  BbLedger *self = g_task_get_source_object (task);
  GCancellable *cancellable = g_task_get_cancellable (task);

  if (rows == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    {
      g_autoptr (BbLedgerRow) row = bb_ledger_row_new_from_stored (rows->pdata[i]);

      bb_ledger_count_row (self, row);
      row->born_us = to_monotonic (self, row->requested_at_us);
      row->seen_us = to_monotonic (self, MAX (row->confirmed_at_us, row->requested_at_us));
      insert_row (self, row);
      g_signal_emit (self, signals[SIGNAL_ROW_ADDED], 0, row);
    }
  /* Numbers are never used twice, not even those of closed rows. */
  bb_store_select_async (self->store, &bb_table_instances, NULL, "-number", 1, cancellable, last_row_read_cb,
                         g_steal_pointer (&task));
}

GVariant *
bb_ledger_open_condition (void)
{
  return g_variant_new_parsed ("{'state': <['intended', 'requested', 'running', 'parked', 'stopping']>}");
}

void
bb_ledger_load_async (BbLedger *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BB_IS_LEDGER (self));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_ledger_load_async);
  bb_store_select_async (self->store, &bb_table_instances, bb_ledger_open_condition (), "number", -1, cancellable,
                         open_rows_read_cb, task);
}

gboolean
bb_ledger_load_finish (BbLedger *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_ledger_confirm (BbLedger *self, BbLedgerRow *row)
{
  gint64 wall_us;
  gboolean first;

  g_return_if_fail (BB_IS_LEDGER (self) && BB_IS_LEDGER_ROW (row));

  if (row->closing)
    return;
  row->seen_us = bb_clock_get_monotonic_us (self->clock);
  wall_us = bb_clock_get_wall_us (self->clock);
  first = row->confirmed_at_us == 0;
  if (!first && ABS (wall_us - row->confirmed_at_us) < CONFIRMED_AT_STEP_US)
    return;
  row->confirmed_at_us = wall_us;
  /* Later ones go to disk with whatever is written next. */
  if (first)
    write_row (self, row, NULL);
  changed (self, row);
}

static void
bb_ledger_finalize (GObject *object)
{
  BbLedger *self = BB_LEDGER (object);

  g_hash_table_unref (self->by_token);
  g_hash_table_unref (self->by_slave);
  g_hash_table_unref (self->intended);
  g_hash_table_unref (self->unwritten);
  g_hash_table_unref (self->rows);
  g_clear_object (&self->store);
  g_clear_object (&self->clock);

  G_OBJECT_CLASS (bb_ledger_parent_class)->finalize (object);
}

static guint
add_row_signal (const char *name)
{
  return g_signal_new (name, BB_TYPE_LEDGER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                       BB_TYPE_LEDGER_ROW);
}

static void
bb_ledger_class_init (BbLedgerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_ledger_finalize;

  signals[SIGNAL_ROW_ADDED] = add_row_signal ("row-added");
  signals[SIGNAL_ROW_CHANGED] = add_row_signal ("row-changed");
  signals[SIGNAL_ROW_CLOSED] = add_row_signal ("row-closed");
  signals[SIGNAL_ROOM]
    = g_signal_new ("room", BB_TYPE_LEDGER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_BUDGET] = g_signal_new ("budget", BB_TYPE_LEDGER, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                         2, G_TYPE_DOUBLE, G_TYPE_DOUBLE);
}

static void
bb_ledger_init (BbLedger *self)
{
  self->rows = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_object_unref);
  self->by_token = g_hash_table_new (g_str_hash, g_str_equal);
  self->by_slave = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
  self->intended = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
  self->unwritten = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
}

BbLedger *
bb_ledger_new (BbStore *store, BbClock *clock)
{
  BbLedger *self;

  g_return_val_if_fail (BB_IS_STORE (store) && BB_IS_CLOCK (clock), NULL);

  self = g_object_new (BB_TYPE_LEDGER, NULL);
  self->store = g_object_ref (store);
  self->clock = g_object_ref (clock);
  return self;
}

GPtrArray *
bb_ledger_get_open_rows (BbLedger *self)
{
  GPtrArray *rows;
  GHashTableIter iter;
  BbLedgerRow *row;

  g_return_val_if_fail (BB_IS_LEDGER (self), NULL);

  rows = g_ptr_array_new_full (g_hash_table_size (self->rows), g_object_unref);
  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &row))
    g_ptr_array_add (rows, g_object_ref (row));
  g_ptr_array_sort (rows, compare_numbers);
  return rows;
}

BbLedgerRow *
bb_ledger_find (BbLedger *self, guint64 number)
{
  g_return_val_if_fail (BB_IS_LEDGER (self), NULL);

  return g_hash_table_lookup (self->rows, &number);
}

BbLedgerRow *
bb_ledger_find_by_token (BbLedger *self, const char *token)
{
  g_return_val_if_fail (BB_IS_LEDGER (self) && token != NULL, NULL);

  return g_hash_table_lookup (self->by_token, token);
}

BbLedgerRow *
bb_ledger_find_by_slave (BbLedger *self, const char *slave_name)
{
  GPtrArray *siblings;

  g_return_val_if_fail (BB_IS_LEDGER (self) && slave_name != NULL, NULL);

  siblings = g_hash_table_lookup (self->by_slave, slave_name);
  if (siblings == NULL)
    return NULL;
  for (guint i = siblings->len; i > 0; i--)
    if (((BbLedgerRow *) siblings->pdata[i - 1])->state != BB_ROW_STOPPING)
      return siblings->pdata[i - 1];
  return siblings->pdata[siblings->len - 1];
}

guint
bb_ledger_count_open (BbLedger *self)
{
  g_return_val_if_fail (BB_IS_LEDGER (self), 0);

  return g_hash_table_size (self->rows);
}

guint
bb_ledger_count_unconfirmed (BbLedger *self)
{
  GHashTableIter iter;
  BbLedgerRow *row;
  gint64 now_us;
  guint n = 0;

  g_return_val_if_fail (BB_IS_LEDGER (self), 0);

  now_us = bb_clock_get_monotonic_us (self->clock);
  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &row))
    if (row->state != BB_ROW_PARKED && now_us - row->seen_us > UNCONFIRMED_AFTER_US)
      n++;
  return n;
}
