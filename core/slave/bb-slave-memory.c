/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

/* What the store remembers of slaves: one row each in the table `slaves`, written when it changes, not with each
 * message. */

void
bb_slave_manager_remember (BbSlaveRecord *record)
{
  BbSlaveManager *self = record->manager;
  GVariantDict row;

  if (record->removed)
    return;
  g_variant_dict_init (&row, NULL);
  g_variant_dict_insert (&row, "name", "s", bb_slave_record_get_name (record));
  g_variant_dict_insert (&row, "paused", "b", record->paused);
  g_variant_dict_insert_value (&row, "info", bb_slave_get_info (record->slave));
  g_variant_dict_insert (&row, "commands", "s",
                         record->commands != NULL ? bb_slave_commands_get_text (record->commands) : "");
  /* Those that the shutdown itself disconnects were attached when the daemon stopped. */
  if (!self->context.shutting_down)
    g_variant_dict_insert (&row, "attached", "b", bb_slave_record_is_attached (record));
  g_variant_dict_insert (&row, "last_message_at", "x", bb_slave_get_last_message_at_us (record->slave));
  g_variant_dict_insert (&row, "peer_address", "s", bb_slave_get_peer_address (record->slave));
  g_variant_dict_insert (&row, "reported_missing", "b", (gboolean) record->missing.reported);
  g_variant_dict_insert (&row, "missing_since", "x", record->missing.since_us);
  bb_store_put_async (self->store, &bb_table_slaves, g_variant_dict_end (&row), NULL, NULL, NULL);
}

void
bb_slave_manager_forget (BbSlaveRecord *record)
{
  BbStoreBatch *batch = bb_store_batch_new ();
  GVariantDict key;

  g_variant_dict_init (&key, NULL);
  g_variant_dict_insert (&key, "name", "s", bb_slave_record_get_name (record));
  bb_store_batch_remove (batch, &bb_table_slaves, g_variant_dict_end (&key));
  bb_store_commit_async (record->manager->store, batch, NULL, NULL, NULL);
}

void
bb_slave_manager_recall (BbSlaveRecord *record, gboolean *was_attached)
{
  GHashTable *remembered = record->manager->remembered;
  GVariant *row = g_hash_table_lookup (remembered, bb_slave_record_get_name (record));
  gboolean paused = FALSE;
  const char *commands = "";

  *was_attached = FALSE;
  if (row == NULL)
    return;
  if (g_variant_lookup (row, "paused", "b", &paused))
    record->paused = paused;
  g_clear_pointer (&record->info, g_variant_unref);
  record->info = g_variant_lookup_value (row, "info", G_VARIANT_TYPE_VARDICT);
  if (g_variant_lookup (row, "commands", "&s", &commands) && *commands != '\0')
    record->commands = bb_slave_commands_get (commands);
  g_variant_lookup (row, "last_message_at", "x", &record->last_message_at_us);
  g_variant_lookup (row, "peer_address", "s", &record->peer_address);
  g_variant_lookup (row, "attached", "b", was_attached);
  g_variant_lookup (row, "missing_since", "x", &record->missing.since_us);
  if (g_variant_lookup (row, "reported_missing", "b", &record->missing.reported))
    record->missing.missing = record->missing.reported && record->substantiation == NULL;
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
