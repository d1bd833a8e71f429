/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-substantiation-private.h"

#include "bb-error.h"
#include "bb-log.h"

/* How long a backend may take to confirm that an instance is gone: clouds need minutes to end one. */
#define STOP_TIME_US (10 * 60 * G_USEC_PER_SEC)
/* How long a cancelled call may take to return. A stop is given up then; a start never: it may have made something. */
#define CANCEL_TIME_US (10 * G_USEC_PER_SEC)
#define DROP_TIME_US (60 * G_USEC_PER_SEC)

static const char *
get_name (BbSubstantiation *self)
{
  return bb_slave_get_name (BB_SLAVE (self->slave));
}

static gint64
now_us (BbSubstantiation *self)
{
  return bb_loop_now_us (self->context->loop);
}

static gint64
to_us (double seconds)
{
  return (gint64) (seconds * G_USEC_PER_SEC);
}

static gboolean
is_before_attach (BbPhase phase)
{
  return phase == BB_PHASE_INTENDING || phase == BB_PHASE_STARTING || phase == BB_PHASE_STARTING_ATTACHED
         || phase == BB_PHASE_AWAITING || phase == BB_PHASE_UNPARKING;
}

gboolean
bb_phase_is_substantiated (BbPhase phase)
{
  return phase == BB_PHASE_UP || phase == BB_PHASE_UP_LOST;
}

static void
start_missing_clock (BbSubstantiation *self)
{
  bb_timer_start_at (&self->deadline,
                     self->since_us + to_us (bb_substantiation_get_settings (self)->missing_timeout));
}

static void
start_lifetime_clock (BbSubstantiation *self)
{
  double limit = self->context->instance_max_lifetime;
  gint64 age_us;

  bb_timer_stop (&self->deadline);
  if (limit <= 0 || self->row == NULL)
    return;
  age_us = now_us (self) - bb_ledger_row_get_born_us (self->row);
  /* Drained at the limit, stopped whatever runs at twice that. */
  if (self->past_lifetime)
    limit *= 2;
  bb_timer_start_in (&self->deadline, MAX (to_us (limit) - age_us, 0));
}

static void
start_check_clock (BbSubstantiation *self)
{
  bb_timer_start_in (&self->check, to_us (MAX (bb_substantiation_get_settings (self)->check_instance_interval, 0.1)));
}

void
bb_substantiation_start_idle_clock (BbSubstantiation *self)
{
  double timeout = bb_substantiation_get_settings (self)->build_wait_timeout;

  if (timeout < 0)
    bb_timer_stop (&self->idle);
  else
    bb_timer_start_at (&self->idle, self->idle_since_us + to_us (timeout));
}

/* Regularly, that is: once more also when something is odd. */
static gboolean
is_checked (BbSubstantiation *self, BbPhase phase)
{
  return phase == BB_PHASE_AWAITING || phase == BB_PHASE_ADOPTING || phase == BB_PHASE_UP_LOST
         || (phase == BB_PHASE_UP && self->row != NULL && bb_latent_slave_announces_ends (self->slave));
}

void
bb_substantiation_enter_phase (BbSubstantiation *self, BbPhase next)
{
  BbPhase old = self->phase;

  self->phase = next;
  if (!bb_phase_is_substantiated (next))
    bb_timer_stop (&self->idle);
  if (is_checked (self, next))
    start_check_clock (self);
  else
    {
      bb_timer_stop (&self->check);
      bb_substantiation_forget_check (self);
    }

  if (is_before_attach (next) && is_before_attach (old))
    return;
  bb_timer_stop (&self->deadline);
  switch (next)
    {
    case BB_PHASE_INTENDING:
    case BB_PHASE_UNPARKING:
      self->since_us = now_us (self);
      start_missing_clock (self);
      break;
    case BB_PHASE_ADOPTING:
      self->since_us = now_us (self);
      bb_timer_start_at (&self->deadline, self->context->adopt_until_us > self->since_us
                                            ? self->context->adopt_until_us
                                            : self->since_us + to_us (self->context->login_grace));
      break;
    case BB_PHASE_UP:
    case BB_PHASE_UP_LOST:
    case BB_PHASE_PARKED:
      start_lifetime_clock (self);
      break;
    case BB_PHASE_DROPPING_START:
      bb_timer_start_in (&self->deadline, DROP_TIME_US);
      break;
    case BB_PHASE_STOPPING:
    case BB_PHASE_PARKING:
      bb_timer_start_in (&self->deadline, STOP_TIME_US);
      break;
    default:
      break;
    }
}

/* ---- what they say ---- */

static void
attach_overdue (BbSubstantiation *self)
{
  g_autoptr (GError) error = NULL;
  double limit = bb_substantiation_get_settings (self)->missing_timeout;

  if (self->phase == BB_PHASE_ADOPTING)
    error = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "it did not come back to instance %s within login_grace",
                         bb_substantiation_get_instance_name (self));
  else if (self->phase == BB_PHASE_AWAITING)
    error = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT,
                         "instance %s was started, but its slave did not attach within %g s (missing_timeout)",
                         bb_substantiation_get_instance_name (self), limit);
  else
    error = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "its start did not end within %g s (missing_timeout)", limit);
  bb_substantiation_post (self, BB_EVENT_OVERDUE, error);
}

/* The start was cancelled, and still has not returned: it can't be stopped before that, so somebody must hear of it. */
static void
drop_overdue (BbSubstantiation *self)
{
  g_autofree char *summary = NULL;

  if (self->told_overdue)
    return;
  self->told_overdue = TRUE;
  summary = g_strdup_printf ("the start of an instance of slave %s was given up %d s ago, but its backend %s has not "
                             "returned; the slave can't be used before that",
                             get_name (self), (int) (DROP_TIME_US / G_USEC_PER_SEC), self->backend);
  bb_log_slave (G_LOG_LEVEL_WARNING, get_name (self), "%s", summary);
  self->hooks->notice (BB_NOTICE_INSTANCE_TROUBLE, summary,
                       g_variant_new_parsed ("{'trouble': <%s>, 'seconds': <%u>}", BB_TROUBLE_START,
                                             (guint) (DROP_TIME_US / G_USEC_PER_SEC)),
                       self->row, self->user_data);
}

static void
stop_overdue (BbSubstantiation *self)
{
  g_autoptr (GError) error = NULL;

  if (!self->stop_cancelled)
    {
      self->stop_cancelled = TRUE;
      bb_timer_start_in (&self->deadline, CANCEL_TIME_US);
      g_cancellable_cancel (self->call_cancellable);
      return;
    }
  bb_substantiation_give_up_stop (self);
  error = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "the backend did not confirm within %d s that it is %s",
                       (int) (STOP_TIME_US / G_USEC_PER_SEC), self->phase == BB_PHASE_PARKING ? "parked" : "gone");
  bb_substantiation_post (self, self->phase == BB_PHASE_PARKING ? BB_EVENT_PARK_FAILED : BB_EVENT_STOP_FAILED,
                          error);
}

static void
lifetime_over (BbSubstantiation *self)
{
  g_autoptr (GError) error = NULL;

  if (!self->past_lifetime)
    {
      self->past_lifetime = TRUE;
      start_lifetime_clock (self);
      bb_log_slave (G_LOG_LEVEL_MESSAGE, get_name (self),
                    "instance %s is older than instance_max_lifetime and takes no more builds",
                    bb_substantiation_get_instance_name (self));
      bb_substantiation_retire (self);
      return;
    }
  error = g_error_new (BB_ERROR, BB_ERROR_LOST, "instance %s is older than twice the instance_max_lifetime",
                       bb_substantiation_get_instance_name (self));
  bb_substantiation_stop (self, FALSE, error);
}

static void
deadline_passed (BbTimer *timer, gpointer user_data)
{
  BbSubstantiation *self = user_data;

  switch (self->phase)
    {
    case BB_PHASE_DROPPING_START:
      drop_overdue (self);
      break;
    case BB_PHASE_STOPPING:
    case BB_PHASE_PARKING:
      stop_overdue (self);
      break;
    case BB_PHASE_STOP_PAUSE:
      bb_substantiation_post (self, BB_EVENT_RETRY, NULL);
      break;
    case BB_PHASE_UP:
    case BB_PHASE_UP_LOST:
    case BB_PHASE_PARKED:
      lifetime_over (self);
      break;
    default:
      attach_overdue (self);
      break;
    }
}

static void
idle_passed (BbTimer *timer, gpointer user_data)
{
  BbSubstantiation *self = user_data;

  bb_substantiation_post (self, BB_EVENT_IDLE_OVER, NULL);
}

static void
check_is_due (BbTimer *timer, gpointer user_data)
{
  BbSubstantiation *self = user_data;

  if (is_checked (self, self->phase))
    start_check_clock (self);
  bb_substantiation_call_check (self);
}

/* ---- for the executor ---- */

void
bb_substantiation_init_clocks (BbSubstantiation *self)
{
  BbLoop *loop = self->context->loop;

  bb_timer_init (&self->deadline, loop, deadline_passed, self);
  bb_timer_init (&self->idle, loop, idle_passed, self);
  bb_timer_init (&self->check, loop, check_is_due, self);
}

void
bb_substantiation_check_soon (BbSubstantiation *self)
{
  if (!bb_timer_is_running (&self->check))
    start_check_clock (self);
}

void
bb_substantiation_stop_clocks (BbSubstantiation *self)
{
  bb_timer_stop (&self->deadline);
  bb_timer_stop (&self->idle);
  bb_timer_stop (&self->check);
}

void
bb_substantiation_settings_changed (BbSubstantiation *self)
{
  if (is_before_attach (self->phase))
    start_missing_clock (self);
  else if (bb_phase_is_substantiated (self->phase) || self->phase == BB_PHASE_PARKED)
    start_lifetime_clock (self);
  if (bb_phase_is_substantiated (self->phase) && self->n_builds == 0)
    bb_substantiation_start_idle_clock (self);
}
