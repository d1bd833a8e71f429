/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-call-table.h"

#include "bb-error.h"
#include "bb-link-limits.h"

typedef struct
{
  BbCallTable *table;
  BbTimer timer;
  gint64 number;
  gint64 time_limit_us;
  gboolean patient;
  gboolean cancelled;
  GCallback answered;
  gpointer user_data;
} Call;

struct _BbCallTable
{
  BbLoop *loop;     /* not owned */
  BbStream *stream; /* not owned */
  BbCallFailed failed;
  gpointer owner;
  GHashTable *calls; /* number → Call (owned) */
  gboolean ended;
};

static void
call_free (gpointer data)
{
  Call *call = data;

  bb_timer_stop (&call->timer);
  g_free (call);
}

BbCallTable *
bb_call_table_new (BbLoop *loop, BbStream *stream, BbCallFailed failed, gpointer owner)
{
  BbCallTable *self = g_new0 (BbCallTable, 1);

  self->loop = loop;
  self->stream = stream;
  self->failed = failed;
  self->owner = owner;
  self->calls = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, call_free);
  return self;
}

void
bb_call_table_free (BbCallTable *self)
{
  g_hash_table_unref (self->calls);
  g_free (self);
}

static void
fail (Call *call, const GError *error)
{
  BbCallTable *self = call->table;

  g_hash_table_steal (self->calls, &call->number);
  bb_timer_stop (&call->timer);
  if (call->answered != NULL)
    self->failed (self->owner, call->answered, error, call->user_data);
  g_free (call);
}

static void
time_passed_cb (BbTimer *timer, gpointer user_data)
{
  Call *call = user_data;
  BbCallTable *self = call->table;
  gint64 deadline_us = bb_stream_get_last_input_us (self->stream) + call->time_limit_us;
  g_autoptr (GError) error = NULL;

  /* While we don't read ourselves, nothing can be heard of the peer. */
  if (!self->ended && !bb_stream_is_reading (self->stream))
    deadline_us = bb_loop_now_us (self->loop) + call->time_limit_us;
  else if (!call->patient)
    deadline_us = 0;
  if (!self->ended && !call->cancelled && deadline_us > bb_loop_now_us (self->loop))
    {
      bb_timer_start_at (timer, deadline_us);
      return;
    }
  if (self->ended)
    error = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "the connection to the slave has ended");
  else if (call->cancelled)
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "no longer wanted");
  else
    error = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "the slave did not answer within %d s",
                         (int) (call->time_limit_us / G_USEC_PER_SEC));
  fail (call, error);
}

void
bb_call_table_add (BbCallTable *self, gint64 number, gint64 time_limit_us, gboolean patient, GCallback answered,
                   gpointer user_data)
{
  Call *call = g_new0 (Call, 1);

  call->table = self;
  call->number = number;
  call->time_limit_us = time_limit_us;
  call->patient = patient;
  call->answered = answered;
  call->user_data = user_data;
  bb_timer_init (&call->timer, self->loop, time_passed_cb, call);
  bb_timer_start_in (&call->timer, self->ended ? 0 : time_limit_us);
  g_hash_table_insert (self->calls, &call->number, call);
  if (g_hash_table_size (self->calls) > BB_LINK_MAX_PENDING_CALLS)
    {
      g_autoptr (GError) error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "the slave leaves %u calls unanswered",
                                              g_hash_table_size (self->calls));

      bb_stream_close (self->stream, FALSE, error);
    }
}

gboolean
bb_call_table_take (BbCallTable *self, gint64 number, GCallback *answered, gpointer *user_data)
{
  Call *call = g_hash_table_lookup (self->calls, &number);

  if (call == NULL)
    return FALSE;
  *answered = call->answered;
  *user_data = call->user_data;
  g_hash_table_remove (self->calls, &number);
  return *answered != NULL;
}

void
bb_call_table_cancel (BbCallTable *self, gpointer user_data)
{
  GHashTableIter iter;
  Call *call;

  g_hash_table_iter_init (&iter, self->calls);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &call))
    if (call->user_data == user_data)
      {
        call->cancelled = TRUE;
        bb_timer_start_in (&call->timer, 0);
      }
}

void
bb_call_table_forget (BbCallTable *self, gpointer user_data)
{
  GHashTableIter iter;
  Call *call;

  g_hash_table_iter_init (&iter, self->calls);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &call))
    if (call->user_data == user_data)
      call->answered = NULL;
}

void
bb_call_table_end (BbCallTable *self, const GError *reason)
{
  g_autofree gint64 **numbers = NULL;
  g_autofree gint64 *all = NULL;
  guint n;

  self->ended = TRUE;
  numbers = (gint64 **) g_hash_table_get_keys_as_array (self->calls, &n);
  all = g_new (gint64, n + 1);
  for (guint i = 0; i < n; i++)
    all[i] = *numbers[i];
  /* What one of them is told may end others. */
  for (guint i = 0; i < n; i++)
    {
      Call *call = g_hash_table_lookup (self->calls, &all[i]);

      if (call != NULL)
        fail (call, reason);
    }
}
