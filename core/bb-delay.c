/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-delay-private.h"

typedef struct
{
  gpointer timer; /* of the timers' own kind; NULL once it has run or was stopped */
  GCancellable *cancellable;
  gulong cancelled_id;
} Delay;

static const BbDelayTimers *timers;
static gpointer timers_data;

static gpointer
glib_start (gint64 delay_us, void (*func) (gpointer data), gpointer data, gpointer user_data)
{
  return GUINT_TO_POINTER (g_timeout_add_once ((guint) (delay_us / 1000), func, data));
}

static void
glib_stop (gpointer timer, gpointer user_data)
{
  g_source_remove (GPOINTER_TO_UINT (timer));
}

static gint64
glib_now_us (gpointer user_data)
{
  return g_get_monotonic_time ();
}

static const BbDelayTimers glib_timers = { glib_start, glib_stop, glib_now_us };

void
bb_delay_set_timers (const BbDelayTimers *new_timers, gpointer user_data)
{
  timers = new_timers;
  timers_data = user_data;
}

static const BbDelayTimers *
get_timers (void)
{
  return timers != NULL ? timers : &glib_timers;
}

static void
delay_free (gpointer data)
{
  Delay *delay = data;

  g_clear_object (&delay->cancellable);
  g_free (delay);
}

static void
delay_passed (gpointer data)
{
  g_autoptr (GTask) task = data;
  Delay *delay = g_task_get_task_data (task);

  delay->timer = NULL;
  g_cancellable_disconnect (delay->cancellable, delay->cancelled_id);
  g_task_return_boolean (task, TRUE);
}

/* From g_cancellable_cancel(), so nothing may be disconnected here. */
static void
delay_cancelled_cb (GCancellable *cancellable, gpointer data)
{
  GTask *task = data;
  Delay *delay = g_task_get_task_data (task);

  if (delay->timer == NULL)
    return;
  get_timers ()->stop (delay->timer, timers_data);
  delay->timer = NULL;
  g_task_return_error_if_cancelled (task);
  g_object_unref (task);
}

void
bb_delay_async (double seconds, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Delay *delay;

  g_task_set_source_tag (task, bb_delay_async);
  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }
  delay = g_new0 (Delay, 1);
  g_task_set_task_data (task, delay, delay_free);
  delay->timer = get_timers ()->start ((gint64) (seconds * G_USEC_PER_SEC), delay_passed, task, timers_data);
  if (cancellable != NULL)
    {
      delay->cancellable = g_object_ref (cancellable);
      delay->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (delay_cancelled_cb), task, NULL);
    }
}

gboolean
bb_delay_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

double
bb_delay_get_now (void)
{
  return (double) get_timers ()->now_us (timers_data) / G_USEC_PER_SEC;
}
