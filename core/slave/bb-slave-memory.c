/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include "bb-log.h"

/* What the store remembers of slaves: one row each in the table `slaves`, written when it changes, not with each
 * message; once for all that changed while the batch before was on its way to the disk. */

#define MAX_BATCH 100

static void
add (GVariantBuilder *row, const char *column, GVariant *value)
{
  g_variant_builder_add_value (row, g_variant_new_dict_entry (g_variant_new_string (column), g_variant_new_variant (value)));
}

/* In the order of the table's columns. */
static GVariant *
make_row (BbSlaveRecord *record)
{
  GVariantBuilder row;

  g_variant_builder_init (&row, G_VARIANT_TYPE_VARDICT);
  add (&row, "name", g_variant_new_string (bb_slave_record_get_name (record)));
  add (&row, "paused", g_variant_new_boolean (record->paused));
  if (record->info_era != record->manager->info_era)
    {
      add (&row, "info", bb_slave_get_info (record->slave));
      add (&row, "commands",
           g_variant_new_string (record->commands != NULL ? bb_slave_commands_get_text (record->commands) : ""));
    }
  record->info_era = record->manager->info_era;
  /* Those that the shutdown itself disconnects were attached when the daemon stopped. */
  if (!record->manager->context.shutting_down)
    add (&row, "attached", g_variant_new_boolean (bb_slave_record_is_attached (record)));
  add (&row, "last_message_at", g_variant_new_int64 (bb_slave_get_last_message_at_us (record->slave)));
  add (&row, "peer_address", g_variant_new_string (bb_slave_get_peer_address (record->slave)));
  add (&row, "reported_missing", g_variant_new_boolean (record->missing.reported));
  add (&row, "missing_since", g_variant_new_int64 (record->missing.since_us));
  add (&row, "command_token", g_variant_new_string (record->command_token != NULL ? record->command_token : ""));
  return g_variant_builder_end (&row);
}

static void
rows_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GWeakRef *weak = user_data;
  g_autoptr (BbSlaveManager) self = g_weak_ref_get (weak);
  g_autoptr (GError) error = NULL;
  gboolean written = bb_store_commit_finish (BB_STORE (source), result, &error);

  g_weak_ref_clear (weak);
  g_free (weak);
  if (!written)
    bb_log_host (G_LOG_LEVEL_WARNING, "%s", error->message);
  if (self == NULL)
    return;
  self->writing = FALSE;
  if (!written)
    self->info_era++;
  if (self->to_remember.length > 0)
    bb_timer_start_in (&self->memory_timer, 0);
}

static void
write_batch (BbSlaveManager *self)
{
  BbStoreBatch *batch = bb_store_batch_new ();
  GWeakRef *weak = g_new0 (GWeakRef, 1);
  GList *link;

  for (guint i = 0; i < MAX_BATCH && (link = g_queue_pop_head_link (&self->to_remember)) != NULL; i++)
    {
      BbSlaveRecord *record = link->data;

      record->memory_link.data = NULL;
      bb_store_batch_put (batch, &bb_table_slaves, make_row (record));
    }
  self->writing = TRUE;
  g_weak_ref_init (weak, self);
  bb_store_commit_async (self->store, batch, NULL, rows_written_cb, weak);
}

void
bb_slave_manager_memory_timer_passed (BbTimer *timer, gpointer user_data)
{
  write_batch (user_data);
}

void
bb_slave_manager_write_memory (BbSlaveManager *self)
{
  bb_timer_stop (&self->memory_timer);
  while (self->to_remember.length > 0)
    write_batch (self);
}

void
bb_slave_manager_remember (BbSlaveRecord *record)
{
  BbSlaveManager *self = record->manager;

  if (record->removed || record->memory_link.data != NULL)
    return;
  record->memory_link.data = record;
  g_queue_push_tail_link (&self->to_remember, &record->memory_link);
  if (!self->writing && !bb_timer_is_running (&self->memory_timer))
    bb_timer_start_in (&self->memory_timer, 0);
}

void
bb_slave_manager_leave_memory_queue (BbSlaveRecord *record)
{
  if (record->memory_link.data != NULL)
    g_queue_unlink (&record->manager->to_remember, &record->memory_link);
  record->memory_link.data = NULL;
}

void
bb_slave_manager_forget (BbSlaveRecord *record)
{
  BbStoreBatch *batch = bb_store_batch_new ();
  GVariantDict key;

  bb_slave_manager_leave_memory_queue (record);
  record->info_era = 0;
  g_variant_dict_init (&key, NULL);
  g_variant_dict_insert (&key, "name", "s", bb_slave_record_get_name (record));
  bb_store_batch_remove (batch, &bb_table_slaves, g_variant_dict_end (&key));
  bb_store_commit_async (record->manager->store, batch, NULL, NULL, NULL);
}

/* Without the rest of the row that it is a part of. (transfer full) */
static GVariant *
copy_info (GVariant *info)
{
  g_autoptr (GBytes) bytes = g_bytes_new (g_variant_get_data (info), g_variant_get_size (info));

  return g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, TRUE));
}

static void
recall_value (BbSlaveRecord *record, const char *column, GVariant *value, gboolean *was_attached)
{
  if (g_str_equal (column, "paused"))
    record->paused = g_variant_get_boolean (value);
  else if (g_str_equal (column, "info") && g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    record->info = copy_info (value);
  else if (g_str_equal (column, "commands"))
    {
      record->info_era = record->manager->info_era;
      if (*g_variant_get_string (value, NULL) != '\0')
        record->commands = bb_slave_commands_get (g_variant_get_string (value, NULL));
    }
  else if (g_str_equal (column, "last_message_at"))
    record->last_message_at_us = g_variant_get_int64 (value);
  else if (g_str_equal (column, "peer_address"))
    record->peer_address = g_variant_dup_string (value, NULL);
  else if (g_str_equal (column, "command_token") && *g_variant_get_string (value, NULL) != '\0')
    record->command_token = g_variant_dup_string (value, NULL);
  else if (g_str_equal (column, "attached"))
    *was_attached = g_variant_get_boolean (value);
  else if (g_str_equal (column, "missing_since"))
    record->missing.since_us = g_variant_get_int64 (value);
  else if (g_str_equal (column, "reported_missing"))
    {
      record->missing.reported = g_variant_get_boolean (value);
      record->missing.missing = record->missing.reported && record->substantiation == NULL;
    }
}

/* Of a record that is new. */
void
bb_slave_manager_recall (BbSlaveRecord *record, gboolean *was_attached)
{
  GHashTable *remembered = record->manager->remembered;
  GVariant *row = g_hash_table_lookup (remembered, bb_slave_record_get_name (record));
  GVariantIter iter;
  const char *column;
  GVariant *value;

  *was_attached = FALSE;
  if (row == NULL)
    return;
  g_variant_iter_init (&iter, row);
  while (g_variant_iter_loop (&iter, "{&sv}", &column, &value))
    recall_value (record, column, value, was_attached);
  g_hash_table_remove (remembered, bb_slave_record_get_name (record));
}

static void
rows_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbSlaveManager *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);

  if (rows == NULL)
    {
      g_prefix_error (&error, "what is remembered of slaves can't be read: ");
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *row = g_ptr_array_index (rows, i);
      const char *name;

      if (g_variant_lookup (row, "name", "&s", &name))
        g_hash_table_replace (self->remembered, g_strdup (name), g_variant_ref (row));
    }
  g_task_return_boolean (task, TRUE);
}

void
bb_slave_manager_load_async (BbSlaveManager *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  GTask *task;

  g_return_if_fail (BB_IS_SLAVE_MANAGER (self));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_slave_manager_load_async);
  bb_store_select_async (self->store, &bb_table_slaves, NULL, NULL, -1, cancellable, rows_read_cb, task);
}

gboolean
bb_slave_manager_load_finish (BbSlaveManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
