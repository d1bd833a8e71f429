/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-waiter.h"

struct _BbEc2Waiter
{
  GTask *task; /* NULL once it has left */
  GCancellable *cancellable;
  gulong cancelled_id;
  void (*left) (gpointer user_data);
  gpointer user_data;
};

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  BbEc2Waiter *self = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  if (task == NULL)
    return;
  g_task_return_error_if_cancelled (task);
  if (self->left != NULL)
    self->left (self->user_data);
}

BbEc2Waiter *
bb_ec2_waiter_new (GTask *task, void (*left) (gpointer user_data), gpointer user_data)
{
  BbEc2Waiter *self = g_new0 (BbEc2Waiter, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);

  self->task = task;
  self->left = left;
  self->user_data = user_data;
  if (cancellable != NULL)
    {
      self->cancellable = g_object_ref (cancellable);
      self->cancelled_id = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), self);
    }
  return self;
}

gboolean
bb_ec2_waiter_has_left (BbEc2Waiter *self)
{
  return self->task == NULL;
}

static GTask *
take_task (BbEc2Waiter *self)
{
  GTask *task = self->task;

  if (self->cancelled_id != 0)
    g_signal_handler_disconnect (self->cancellable, self->cancelled_id);
  g_clear_object (&self->cancellable);
  g_free (self);
  return task;
}

void
bb_ec2_waiter_return (BbEc2Waiter *self, gpointer value, GDestroyNotify destroy)
{
  g_autoptr (GTask) task = take_task (self);

  if (task != NULL)
    g_task_return_pointer (task, value, destroy);
  else if (destroy != NULL)
    destroy (value);
}

void
bb_ec2_waiter_return_error (BbEc2Waiter *self, const GError *error)
{
  g_autoptr (GTask) task = take_task (self);

  if (task != NULL)
    g_task_return_error (task, g_error_copy (error));
}
