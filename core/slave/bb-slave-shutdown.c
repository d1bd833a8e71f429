/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include "bb-error.h"
#include "bb-log.h"

/* The end of the daemon: instances first, so that what they still say is heard, then the connections. */

static void
close_all_links (BbSlaveManager *self)
{
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "bbhostd is stopping");

  for (guint i = 0; i < self->order->len; i++)
    {
      BbSlaveRecord *record = g_ptr_array_index (self->order, i);

      bb_slave_manager_drop_newcomer (record, reason->message);
      bb_slave_manager_drop_attachment (record, reason);
    }
  bb_slave_manager_write_memory (self);
}

static void
end_shutdown (BbSlaveManager *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->shutdown_task);

  if (task == NULL)
    return;
  bb_timer_stop (&self->shutdown_timer);
  g_clear_pointer (&self->stopping, g_hash_table_unref);
  close_all_links (self);
  g_task_return_boolean (task, TRUE);
}

static void
end_shutdown_if_done (BbSlaveManager *self)
{
  /* From the loop: the caller is in the middle of something. */
  if (self->shutdown_task != NULL && g_hash_table_size (self->stopping) == 0)
    bb_timer_start_in (&self->shutdown_timer, 0);
}

void
bb_slave_manager_shutdown_timer_passed (BbTimer *timer, gpointer user_data)
{
  end_shutdown (user_data);
}

void
bb_slave_manager_stopped_for_shutdown (BbSlaveRecord *record)
{
  BbSlaveManager *self = record->manager;

  if (self->stopping != NULL && g_hash_table_remove (self->stopping, record))
    end_shutdown_if_done (self);
}

static void
stop_for_shutdown (BbSlaveManager *self, BbSlaveRecord *record, const GError *reason)
{
  bb_slave_manager_fail_acquisitions (record, reason);
  bb_slave_manager_touch (record, 0);
  if (record->substantiation == NULL || bb_substantiation_is_at_rest (record->substantiation)
      || bb_substantiation_is_parked (record->substantiation))
    return;
  if (bb_slave_record_get_settings (record)->keep_on_stop && !record->removed
      && bb_substantiation_may_be_kept (record->substantiation))
    {
      bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_record_get_name (record),
                    "its instance is left running for the next start (keep_on_stop)");
      return;
    }
  g_hash_table_add (self->stopping, record);
  bb_substantiation_stop (record->substantiation, FALSE, reason);
}

void
bb_slave_manager_shutdown_async (BbSlaveManager *self, gint64 deadline_us, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_NOT_NOW, "bbhostd is stopping");
  g_autoptr (GList) leaving = NULL;

  g_return_if_fail (BB_IS_SLAVE_MANAGER (self));
  g_return_if_fail (self->shutdown_task == NULL);

  self->shutdown_task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (self->shutdown_task, bb_slave_manager_shutdown_async);
  self->stopping = g_hash_table_new (NULL, NULL);
  bb_slave_manager_write_memory (self); /* who was detached before this does not count as attached until it */
  self->context.shutting_down = TRUE;
  bb_timer_start_at (&self->shutdown_timer, deadline_us);
  for (guint i = 0; i < self->order->len; i++)
    stop_for_shutdown (self, g_ptr_array_index (self->order, i), reason);
  leaving = g_hash_table_get_keys (self->leaving);
  for (GList *item = leaving; item != NULL; item = item->next)
    stop_for_shutdown (self, item->data, reason);
  end_shutdown_if_done (self);
}

gboolean
bb_slave_manager_shutdown_finish (BbSlaveManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
