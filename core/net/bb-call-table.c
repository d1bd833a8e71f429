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
  GPtrArray *calls; /* of Call (owned), in the order of their numbers, which only grow; NULL: none */
  gboolean ended;
};

static void
call_free (gpointer data)
{
  Call *call = data;

  bb_timer_stop (&call->timer);
  g_free (call);
}

static guint
count (BbCallTable *self)
{
  return self->calls != NULL ? self->calls->len : 0;
}

/* Of the first call whose number is not below @number. */
static guint
find_index (BbCallTable *self, gint64 number)
{
  guint from = 0, to = count (self);

  while (from < to)
    {
      guint middle = from + (to - from) / 2;

      if (((Call *) self->calls->pdata[middle])->number < number)
        from = middle + 1;
      else
        to = middle;
    }
  return from;
}

/* (transfer full) (nullable): it is none of the table's any more. A slave that is idle has no table. */
static Call *
steal_call (BbCallTable *self, gint64 number)
{
  guint index = find_index (self, number);
  Call *call = index < count (self) ? self->calls->pdata[index] : NULL;

  if (call == NULL || call->number != number)
    return NULL;
  g_ptr_array_steal_index (self->calls, index);
  if (self->calls->len == 0)
    g_clear_pointer (&self->calls, g_ptr_array_unref);
  return call;
}

BbCallTable *
bb_call_table_new (BbLoop *loop, BbStream *stream, BbCallFailed failed, gpointer owner)
{
  BbCallTable *self = g_new0 (BbCallTable, 1);

  self->loop = loop;
  self->stream = stream;
  self->failed = failed;
  self->owner = owner;
  return self;
}

void
bb_call_table_free (BbCallTable *self)
{
  g_clear_pointer (&self->calls, g_ptr_array_unref);
  g_free (self);
}

static void
fail (Call *call, const GError *error)
{
  BbCallTable *self = call->table;

  steal_call (self, call->number);
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
  if (self->calls == NULL)
    self->calls = g_ptr_array_new_with_free_func (call_free);
  g_ptr_array_add (self->calls, call);
  if (self->calls->len > BB_LINK_MAX_PENDING_CALLS)
    {
      g_autoptr (GError) error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "the slave leaves %u calls unanswered",
                                              self->calls->len);

      bb_stream_close (self->stream, FALSE, error);
    }
}

gboolean
bb_call_table_take (BbCallTable *self, gint64 number, GCallback *answered, gpointer *user_data)
{
  Call *call = steal_call (self, number);

  if (call == NULL)
    return FALSE;
  *answered = call->answered;
  *user_data = call->user_data;
  call_free (call);
  return *answered != NULL;
}

void
bb_call_table_cancel (BbCallTable *self, gpointer user_data)
{
  for (guint i = 0; i < count (self); i++)
    {
      Call *call = self->calls->pdata[i];

      if (call->user_data != user_data)
        continue;
      call->cancelled = TRUE;
      bb_timer_start_in (&call->timer, 0);
    }
}

void
bb_call_table_forget (BbCallTable *self, gpointer user_data)
{
  for (guint i = 0; i < count (self); i++)
    {
      Call *call = self->calls->pdata[i];

      if (call->user_data == user_data)
        call->answered = NULL;
    }
}

void
bb_call_table_end (BbCallTable *self, const GError *reason)
{
  guint n = count (self);
  gint64 last = n > 0 ? ((Call *) self->calls->pdata[n - 1])->number : 0;

  self->ended = TRUE;
  /* What one of them is told may end others, and make new ones, which are not meant. */
  while (count (self) > 0 && ((Call *) self->calls->pdata[0])->number <= last)
    fail (self->calls->pdata[0], reason);
}
