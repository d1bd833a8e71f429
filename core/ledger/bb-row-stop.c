/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-row-stop.h"

#include "bb-backoff.h"
#include "bb-log.h"
#include "bb-notice.h"

#define FIRST_PAUSE_SECONDS 5
#define LONGEST_PAUSE_SECONDS 300
/* Calls of one slave's start and stop never overlap: how often to look whether its start has ended. */
#define START_UNDER_WAY_PAUSE_US (10 * G_USEC_PER_SEC)
#define FAILURES_UNTIL_TROUBLE 3

typedef struct
{
  BbRowStop *stop; /* owned */
  BbLatentSlave *backend; /* owned */
  GCancellable *cancellable;
  BbTimer limit;
} Call;

struct _BbRowStop
{
  GObject parent_instance;

  BbLedger *ledger;  /* owned */
  BbLoop *loop;      /* owned */
  BbLedgerRow *row;  /* owned */
  char *why;
  const BbReaperHooks *hooks; /* NULL: ended */
  gpointer user_data;
  BbBackoff backoff;
  BbTimer pause;
  gint64 not_found_since_us; /* loop time: a stop by token found nothing then; 0: none has */
  Call *call; /* not owned: the one whose answer is waited for; one beyond its limit is not that any more */
};

G_DEFINE_FINAL_TYPE (BbRowStop, bb_row_stop, G_TYPE_OBJECT)

static void
call_free (Call *call)
{
  bb_timer_stop (&call->limit);
  g_object_unref (call->cancellable);
  g_object_unref (call->backend);
  g_object_unref (call->stop);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

static void
fail (BbRowStop *self, const char *reason)
{
  BbLedgerRow *row = self->row;
  const char *id = bb_ledger_row_get_instance_id (row);
  gint64 pause_us = bb_backoff_fail (&self->backoff);
  guint failures = bb_backoff_get_failures (&self->backoff);

  bb_log_instance (failures == 1 ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO, bb_ledger_row_get_number (row),
                   bb_ledger_row_get_slave_name (row), "can't be stopped: %s; next attempt in %.0f s", reason,
                   (double) pause_us / G_USEC_PER_SEC);
  bb_timer_start_in (&self->pause, pause_us);
  if (failures == FAILURES_UNTIL_TROUBLE)
    {
      g_autofree char *summary = g_strdup_printf (
        "instance %" G_GUINT64_FORMAT " of slave %s (%s in %s%s%s) can't be stopped and may cost money; %d attempts so "
        "far, and more follow: %s",
        bb_ledger_row_get_number (row), bb_ledger_row_get_slave_name (row), bb_ledger_row_get_backend (row),
        bb_ledger_row_get_scope (row), *id != '\0' ? ", " : "", id, FAILURES_UNTIL_TROUBLE, reason);

      self->hooks->trouble (summary,
                            g_variant_new_parsed ("{'trouble': <%s>, 'attempts': <%u>, 'last_error': <%s>}",
                                                  BB_TROUBLE_STOP, failures, reason),
                            row, self->user_data);
    }
}

/* Whether there is nothing left: without an id, that the token finds nothing is believed when it has been so for as long
 * as the backend may need to list what exists. If not, it is looked for again then. */
static gboolean
is_gone (BbRowStop *self, BbLatentSlave *backend)
{
  gint64 now_us = bb_loop_now_us (self->loop);
  gint64 delay_us = (gint64) (bb_latent_slave_get_listing_delay (backend) * G_USEC_PER_SEC);

  if (*bb_ledger_row_get_instance_id (self->row) != '\0')
    return TRUE;
  if (self->not_found_since_us == 0)
    self->not_found_since_us = now_us;
  if (now_us - self->not_found_since_us >= delay_us)
    return TRUE;
  if (self->call == NULL && self->hooks != NULL)
    bb_timer_start_at (&self->pause, self->not_found_since_us + delay_us);
  return FALSE;
}

static void
limit_cb (BbTimer *timer, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (BbRowStop) self = g_object_ref (call->stop);
  g_autofree char *reason = g_strdup_printf ("no answer within %d s", BB_ROW_STOP_LIMIT_SECONDS);

  self->call = NULL;
  /* It may answer right here, and @call be gone. */
  g_cancellable_cancel (call->cancellable);
  if (self->hooks != NULL && !bb_ledger_row_is_closing (self->row))
    fail (self, reason);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  BbRowStop *self = call->stop;
  gboolean awaited = self->call == call;
  gboolean stopped = bb_latent_slave_stop_instance_finish (call->backend, result, &error);

  if (awaited)
    self->call = NULL;
  if (bb_ledger_row_is_closing (self->row))
    return;
  if (stopped && !is_gone (self, call->backend))
    return;
  if (stopped)
    {
      bb_timer_stop (&self->pause);
      bb_ledger_close (self->ledger, self->row, self->why, NULL, NULL);
    }
  else if (awaited && self->hooks != NULL)
    fail (self, error->message);
}

static gboolean
is_start_under_way (BbRowStop *self)
{
  BbLedgerRow *row = bb_ledger_find_by_slave (self->ledger, bb_ledger_row_get_slave_name (self->row));

  return row != NULL && row != self->row && bb_ledger_row_get_state (row) < BB_ROW_RUNNING
         && !bb_ledger_row_is_inherited (row) && self->hooks->is_in_use (row, self->user_data);
}

static void
try (BbRowStop *self)
{
  g_autoptr (BbInstance) instance = NULL;
  BbLatentSlave *backend;
  Call *call;

  if (self->hooks == NULL || self->call != NULL || bb_ledger_row_is_closing (self->row))
    return;
  bb_timer_stop (&self->pause);
  if (is_start_under_way (self))
    {
      bb_timer_start_in (&self->pause, START_UNDER_WAY_PAUSE_US);
      return;
    }
  backend = self->hooks->find_backend (self->row, self->user_data);
  if (backend == NULL)
    {
      g_autofree char *reason
        = g_strdup_printf ("no slave of type %s in the configuration has access to %s any more",
                           bb_ledger_row_get_backend (self->row), bb_ledger_row_get_scope (self->row));

      fail (self, reason);
      return;
    }

  call = g_new0 (Call, 1);
  call->stop = g_object_ref (self);
  call->backend = g_object_ref (backend);
  call->cancellable = g_cancellable_new ();
  bb_timer_init (&call->limit, self->loop, limit_cb, call);
  bb_timer_start_in (&call->limit, BB_ROW_STOP_LIMIT_SECONDS * (gint64) G_USEC_PER_SEC);
  self->call = call;
  instance = bb_ledger_row_to_instance (self->row);
  /* A guest that did not shut down when it was asked is not asked again. */
  bb_latent_slave_stop_instance_async (backend, instance, bb_backoff_get_failures (&self->backoff) > 0,
                                       call->cancellable, stopped_cb, call);
}

static void
pause_over_cb (BbTimer *timer, gpointer user_data)
{
  try (user_data);
}

static void
bb_row_stop_finalize (GObject *object)
{
  BbRowStop *self = BB_ROW_STOP (object);

  bb_timer_stop (&self->pause);
  g_free (self->why);
  g_object_unref (self->row);
  g_object_unref (self->loop);
  g_object_unref (self->ledger);

  G_OBJECT_CLASS (bb_row_stop_parent_class)->finalize (object);
}

static void
bb_row_stop_class_init (BbRowStopClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_row_stop_finalize;
}

static void
bb_row_stop_init (BbRowStop *self)
{
  bb_backoff_init (&self->backoff, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS);
}

BbRowStop *
bb_row_stop_new (BbLedger *ledger, BbLoop *loop, BbLedgerRow *row, const char *why, const BbReaperHooks *hooks,
                 gpointer user_data)
{
  BbRowStop *self = g_object_new (BB_TYPE_ROW_STOP, NULL);

  self->ledger = g_object_ref (ledger);
  self->loop = g_object_ref (loop);
  self->row = g_object_ref (row);
  self->why = g_strdup (why);
  self->hooks = hooks;
  self->user_data = user_data;
  bb_timer_init (&self->pause, loop, pause_over_cb, self);
  return self;
}

void
bb_row_stop_try_now (BbRowStop *self)
{
  g_return_if_fail (BB_IS_ROW_STOP (self));

  try (self);
}

gboolean
bb_row_stop_is_calling (BbRowStop *self)
{
  g_return_val_if_fail (BB_IS_ROW_STOP (self), FALSE);

  return self->call != NULL;
}

void
bb_row_stop_end (BbRowStop *self)
{
  Call *call;

  g_return_if_fail (BB_IS_ROW_STOP (self));

  self->hooks = NULL;
  bb_timer_stop (&self->pause);
  call = g_steal_pointer (&self->call);
  if (call != NULL)
    {
      bb_timer_stop (&call->limit);
      g_cancellable_cancel (call->cancellable);
    }
}
