/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include "bb-error.h"
#include "bb-log.h"

/* What people can have done to a slave. */

void
bb_slave_manager_pause (BbSlaveManager *self, BbSlave *slave)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);

  if (record == NULL || record->paused)
    return;
  record->paused = TRUE;
  bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_get_name (slave), "paused");
  bb_slave_manager_remember (record);
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_STATE);
}

void
bb_slave_manager_resume (BbSlaveManager *self, BbSlave *slave)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);
  guint changes = 0;

  if (record == NULL)
    return;
  if (record->paused)
    {
      record->paused = FALSE;
      bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_get_name (slave), "resumed");
      bb_slave_manager_remember (record);
      changes |= BB_SLAVE_CHANGED_STATE;
    }
  if (bb_timer_is_running (&record->rest_timer))
    {
      bb_timer_stop (&record->rest_timer);
      record->next_attempt_us = 0;
      changes |= BB_SLAVE_CHANGED_INSTANCE;
    }
  bb_slave_manager_touch (record, changes);
}

void
bb_slave_manager_shutdown_slave (BbSlaveManager *self, BbSlave *slave)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);

  if (record == NULL || record->graceful || !bb_slave_record_is_attached (record))
    return;
  record->graceful = TRUE;
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_STATE);
  bb_slave_manager_shut_down_if_idle (record);
}

gboolean
bb_slave_manager_disconnect (BbSlaveManager *self, BbSlave *slave, GError **error)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "disconnected by a person");

  if (record == NULL || record->attachment == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "slave %s is not attached", bb_slave_get_name (slave));
      return FALSE;
    }
  bb_slave_manager_drop_attachment (record, reason);
  return TRUE;
}

static void
slave_pinged_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbSlaveManager *self = g_task_get_source_object (task);
  gint64 *began_us = g_task_get_task_data (task);
  GError *error = NULL;

  if (!bb_slave_link_ping_finish (BB_SLAVE_LINK (source), result, &error))
    g_task_return_error (task, error);
  else
    g_task_return_int (task, bb_clock_get_monotonic_us (bb_loop_get_clock (self->context.loop)) - *began_us);
}

void
bb_slave_manager_ping_async (BbSlaveManager *self, BbSlave *slave, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  BbSlaveLink *link = bb_slave_get_link (slave);
  gint64 *began_us;

  g_task_set_source_tag (task, bb_slave_manager_ping_async);
  if (link == NULL)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_WRONG_STATE, "slave %s is not attached",
                               bb_slave_get_name (slave));
      return;
    }
  began_us = g_new (gint64, 1);
  *began_us = bb_clock_get_monotonic_us (bb_loop_get_clock (self->context.loop));
  g_task_set_task_data (task, began_us, g_free);
  bb_slave_link_ping_async (link, cancellable, slave_pinged_cb, g_steal_pointer (&task));
}

gint64
bb_slave_manager_ping_finish (BbSlaveManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), -1);

  return g_task_propagate_int (G_TASK (result), error);
}

static BbSlaveRecord *
get_latent_record (BbSlaveManager *self, BbSlave *slave, GError **error)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);

  if (record != NULL && record->substantiation != NULL && !record->removed)
    return record;
  g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE,
               "slave %s can't be substantiated: it has no type= and is started by somebody else",
               bb_slave_get_name (slave));
  return NULL;
}

gboolean
bb_slave_manager_substantiate (BbSlaveManager *self, BbSlave *slave, GError **error)
{
  BbSlaveRecord *record = get_latent_record (self, slave, error);
  g_autofree char *why = NULL;

  if (record == NULL)
    return FALSE;
  if (self->context.shutting_down)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "slave %s can't be substantiated: bbhostd is stopping",
                   bb_slave_get_name (slave));
      return FALSE;
    }
  why = bb_slave_manager_explain_latent (record);
  if (why != NULL && !record->waits_for_room && !bb_substantiation_get_builds (record->substantiation))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "slave %s can't be substantiated: %s",
                   bb_slave_get_name (slave), why);
      return FALSE;
    }
  bb_substantiation_want (record->substantiation);
  return TRUE;
}

gboolean
bb_slave_manager_insubstantiate (BbSlaveManager *self, BbSlave *slave, gboolean force, GError **error)
{
  BbSlaveRecord *record = get_latent_record (self, slave, error);
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "insubstantiated by a person");
  guint n_builds;

  if (record == NULL)
    return FALSE;
  if (bb_substantiation_get_state (record->substantiation) == BB_INSUBSTANTIATED)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "slave %s is not substantiated%s", bb_slave_get_name (slave),
                   bb_substantiation_is_parked (record->substantiation)
                     ? "; terminate its parked instance if it is not wanted any more"
                     : "");
      return FALSE;
    }
  n_builds = bb_substantiation_get_builds (record->substantiation);
  if (n_builds > 0 && !force)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE,
                   "slave %s runs %u build%s; wait for its end, cancel it, or insubstantiate with force",
                   bb_slave_get_name (slave), n_builds, n_builds == 1 ? "" : "s");
      return FALSE;
    }
  bb_substantiation_stop (record->substantiation, force, reason);
  return TRUE;
}
