/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include "bb-error.h"

typedef enum
{
  ACQUISITION_WAITING, /* for the machine */
  ACQUISITION_PINGING,
  ACQUISITION_HELD,    /* its build runs */
} AcquisitionState;

/* One place of a slave, from the question for it until its build has ended. */
struct _BbAcquisition
{
  BbSlaveRecord *record; /* not owned; NULL: it has ended, and a ping is still under way */
  GTask *task;           /* owned; until it is answered */
  char *builder;
  char *builddir;
  GVariant *properties;
  BbWaiter waiter;
  GCancellable *ping_cancellable;
  gulong cancelled_id;
  guint serial; /* of the machine */
  guint ref_count;
  AcquisitionState state;
};

static void
acquisition_unref (BbAcquisition *self)
{
  if (--self->ref_count > 0)
    return;
  g_clear_object (&self->task);
  g_clear_object (&self->ping_cancellable);
  g_clear_pointer (&self->properties, g_variant_unref);
  g_free (self->builder);
  g_free (self->builddir);
  g_free (self);
}

guint
bb_slave_manager_count_places (BbSlaveRecord *record)
{
  return record->acquisitions != NULL ? record->acquisitions->len : 0;
}

static BbAcquisition *
find_acquisition (BbSlaveRecord *record, const char *builder)
{
  for (guint i = 0; i < bb_slave_manager_count_places (record); i++)
    {
      BbAcquisition *acquisition = g_ptr_array_index (record->acquisitions, i);

      if (g_str_equal (acquisition->builder, builder))
        return acquisition;
    }
  return NULL;
}

gboolean
bb_slave_manager_has_builder (BbSlaveRecord *record, const char *builder)
{
  return find_acquisition (record, builder) != NULL;
}

BbBuilderList *
bb_slave_manager_list_builders (BbSlaveRecord *record)
{
  g_autoptr (BbBuilderList) list = bb_builder_list_ref (record->builders);

  for (guint i = 0; i < bb_slave_manager_count_places (record); i++)
    {
      BbAcquisition *acquisition = g_ptr_array_index (record->acquisitions, i);
      BbBuilderList *more;

      if (acquisition->state != ACQUISITION_HELD || bb_builder_list_find (list, acquisition->builder) != NULL)
        continue;
      more = bb_builder_list_add (list, acquisition->builder, acquisition->builddir);
      bb_builder_list_unref (list);
      list = more;
    }
  return g_steal_pointer (&list);
}

static void
remove_acquisition (BbAcquisition *self)
{
  BbSlaveRecord *record = g_steal_pointer (&self->record);

  g_ptr_array_remove_fast (record->acquisitions, self);
  if (record->acquisitions->len == 0)
    g_clear_pointer (&record->acquisitions, g_ptr_array_unref);
}

/* Gives up a place that no build has used. @error: (transfer full) */
static void
end_acquisition (BbAcquisition *self, GError *error)
{
  BbSlaveRecord *record = self->record;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  g_clear_signal_handler (&self->cancelled_id, g_task_get_cancellable (task));
  if (self->ping_cancellable != NULL)
    g_cancellable_cancel (self->ping_cancellable);
  remove_acquisition (self);
  if (record->substantiation != NULL && self->state == ACQUISITION_WAITING)
    bb_substantiation_unwait (record->substantiation, &self->waiter);
  else if (record->substantiation != NULL)
    bb_substantiation_build_ended (record->substantiation, self->serial);
  acquisition_unref (self);
  bb_slave_manager_touch (record, 0);
  bb_slave_manager_shut_down_if_idle (record);
  bb_slave_manager_end_if_through (record);
  g_task_return_error (task, error);
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  end_acquisition (user_data, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the build was given up"));
}

static void
hold (BbAcquisition *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);
  BbSlaveRecord *record = self->record;

  g_clear_signal_handler (&self->cancelled_id, g_task_get_cancellable (task));
  g_clear_object (&self->ping_cancellable);
  self->state = ACQUISITION_HELD;
  record->n_running++;
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_RUNNING_BUILDS);
  g_task_return_boolean (task, TRUE);
}

/* A slave that never answered one since it attached was never of use: its substantiation has failed as a whole. */
static void
ping_failed (BbAcquisition *self, BbSlaveLink *link, const GError *error)
{
  BbSlaveRecord *record = self->record;
  g_autoptr (GError) reason = NULL;

  if (record->attachment == NULL || bb_attachment_get_link (record->attachment) != link)
    return;
  reason = g_error_new (BB_ERROR, BB_ERROR_LOST, "it did not answer before a build: %s", error->message);
  if (record->substantiation != NULL && !bb_attachment_is_proved (record->attachment))
    bb_substantiation_setup_failed (record->substantiation, reason);
  bb_slave_manager_drop_attachment (record, reason);
}

static void
pinged_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbAcquisition *self = user_data;
  g_autoptr (GError) error = NULL;
  gboolean answered = bb_slave_link_ping_finish (BB_SLAVE_LINK (source), result, &error);

  if (self->record != NULL && answered && bb_slave_record_get_link (self->record) != BB_SLAVE_LINK (source))
    {
      answered = FALSE;
      g_set_error_literal (&error, BB_ERROR, BB_ERROR_LOST, "its connection was lost");
    }
  if (self->record != NULL && answered)
    {
      bb_attachment_set_proved (self->record->attachment);
      hold (self);
    }
  else if (self->record != NULL)
    {
      ping_failed (self, BB_SLAVE_LINK (source), error);
      if (self->record != NULL)
        end_acquisition (self, g_error_new (BB_ERROR, BB_ERROR_LOST, "slave %s: %s",
                                            bb_slave_record_get_name (self->record), error->message));
    }
  acquisition_unref (self);
}

static void
ping (BbAcquisition *self)
{
  BbSlaveLink *link = bb_slave_record_get_link (self->record);

  self->state = ACQUISITION_PINGING;
  if (link == NULL)
    {
      end_acquisition (self, g_error_new (BB_ERROR, BB_ERROR_LOST, "slave %s: its connection was lost",
                                          bb_slave_record_get_name (self->record)));
      return;
    }
  self->ping_cancellable = g_cancellable_new ();
  self->ref_count++;
  bb_slave_link_ping_async (link, self->ping_cancellable, pinged_cb, self);
}

static GError *
name_slave (BbSlaveRecord *record, const GError *error)
{
  GError *copy = g_error_copy (error);

  g_prefix_error (&copy, "slave %s: ", bb_slave_record_get_name (record));
  return copy;
}

void
bb_slave_manager_waiter_done (BbWaiter *waiter, const GError *error)
{
  BbAcquisition *self = waiter->owner;

  if (error != NULL)
    {
      end_acquisition (self, name_slave (self->record, error));
      return;
    }
  self->serial = bb_substantiation_get_serial (self->record->substantiation);
  ping (self);
}

static gboolean
may_acquire (BbSlaveManager *self, BbSlave *slave, const char *builder, GError **error)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);
  g_autofree char *why = NULL;

  if (record == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_SLAVE, "there is no slave %s any more", bb_slave_get_name (slave));
      return FALSE;
    }
  if (bb_slave_manager_get_availability (self, slave, &why) == BB_UNAVAILABLE)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_NOT_NOW, "slave %s: %s", bb_slave_get_name (slave), why);
      return FALSE;
    }
  if (bb_slave_manager_has_builder (record, builder))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_NOT_NOW, "slave %s: a build of builder %s runs on it",
                   bb_slave_get_name (slave), builder);
      return FALSE;
    }
  return TRUE;
}

static BbAcquisition *
acquisition_new (BbSlaveRecord *record, const char *builder, GVariant *properties, GTask *task)
{
  const BbBuilderDir *dir = bb_builder_list_find (record->builders, builder);
  BbAcquisition *self = g_new0 (BbAcquisition, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);

  self->ref_count = 1;
  self->record = record;
  self->task = g_object_ref (task);
  self->builder = g_strdup (builder);
  self->builddir = g_strdup (dir != NULL ? dir->builddir : builder);
  self->properties = properties != NULL ? g_variant_ref_sink (properties) : NULL;
  self->waiter.owner = self;
  self->waiter.properties = self->properties;
  if (cancellable != NULL)
    self->cancelled_id = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), self);
  if (record->acquisitions == NULL)
    record->acquisitions = g_ptr_array_new ();
  g_ptr_array_add (record->acquisitions, self);
  return self;
}

void
bb_slave_manager_acquire_async (BbSlaveManager *self, BbSlave *slave, const char *builder, GVariant *properties,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  BbAcquisition *acquisition;
  BbSlaveRecord *record;
  GError *error = NULL;

  g_return_if_fail (BB_IS_SLAVE_MANAGER (self));
  g_return_if_fail (BB_IS_SLAVE (slave) && builder != NULL);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_slave_manager_acquire_async);
  if (g_task_return_error_if_cancelled (task))
    return;
  /* A place that was given must be released, whatever was cancelled meanwhile. */
  g_task_set_check_cancellable (task, FALSE);
  if (!may_acquire (self, slave, builder, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  record = bb_slave_record_get (slave);
  acquisition = acquisition_new (record, builder, properties, task);
  if (record->substantiation != NULL)
    bb_substantiation_wait (record->substantiation, &acquisition->waiter);
  else
    ping (acquisition);
  bb_slave_manager_touch (record, 0);
}

gboolean
bb_slave_manager_acquire_finish (BbSlaveManager *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
learn_from_result (BbSlaveRecord *record, BbResult result)
{
  switch (result)
    {
    case BB_RESULT_EXCEPTION:
      bb_slave_manager_rest (record, "a build ended with an exception");
      break;
    case BB_RESULT_SUCCESS:
    case BB_RESULT_WARNINGS:
    case BB_RESULT_FAILURE:
    case BB_RESULT_SKIPPED:
      bb_backoff_reset (&record->attempts);
      break;
    case BB_RESULT_RETRY:
      record->retried_us = bb_loop_now_us (record->manager->context.loop);
      break;
    case BB_RESULT_NONE:
    case BB_RESULT_CANCELLED:
    default:
      break;
    }
}

void
bb_slave_manager_release (BbSlaveManager *self, BbSlave *slave, const char *builder, BbResult result)
{
  BbSlaveRecord *record;
  BbAcquisition *acquisition;
  guint serial;

  g_return_if_fail (BB_IS_SLAVE_MANAGER (self));
  g_return_if_fail (BB_IS_SLAVE (slave) && builder != NULL);

  record = bb_slave_record_get (slave);
  acquisition = record != NULL ? find_acquisition (record, builder) : NULL;
  g_return_if_fail (acquisition != NULL && acquisition->state == ACQUISITION_HELD);

  serial = acquisition->serial;
  remove_acquisition (acquisition);
  acquisition_unref (acquisition);
  record->n_running--;
  learn_from_result (record, result);
  if (record->attachment != NULL && bb_builder_list_find (record->builders, builder) == NULL)
    bb_attachment_update_builders (record->attachment);
  /* Before anybody is told of the free place: an instance that goes with its last build must not be given another. */
  if (record->substantiation != NULL)
    bb_substantiation_build_ended (record->substantiation, serial);
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_RUNNING_BUILDS);
  bb_slave_manager_shut_down_if_idle (record);
  bb_slave_manager_end_if_through (record);
}

void
bb_slave_manager_fail_acquisitions (BbSlaveRecord *record, const GError *error)
{
  for (guint i = bb_slave_manager_count_places (record); i > 0 && record->acquisitions != NULL; i--)
    {
      BbAcquisition *acquisition;

      if (i > record->acquisitions->len)
        continue;
      acquisition = g_ptr_array_index (record->acquisitions, i - 1);
      if (acquisition->state != ACQUISITION_HELD)
        end_acquisition (acquisition, name_slave (record, error));
    }
}

/* At the very end: nobody is told any more, but no task stays unanswered. */
void
bb_slave_manager_free_acquisitions (BbSlaveRecord *record)
{
  while (record->acquisitions != NULL)
    {
      BbAcquisition *acquisition = g_ptr_array_index (record->acquisitions, 0);
      g_autoptr (GTask) task = g_steal_pointer (&acquisition->task);

      if (task != NULL)
        g_clear_signal_handler (&acquisition->cancelled_id, g_task_get_cancellable (task));
      if (acquisition->ping_cancellable != NULL)
        g_cancellable_cancel (acquisition->ping_cancellable);
      remove_acquisition (acquisition);
      acquisition_unref (acquisition);
      if (task != NULL)
        g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "bbhostd has stopped");
    }
}
