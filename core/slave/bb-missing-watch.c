/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-missing-watch.h"

static void
time_passed (BbTimer *timer, gpointer user_data)
{
  BbMissingWatch *self = user_data;

  self->missing = TRUE;
  self->func (self, self->user_data);
}

void
bb_missing_watch_init (BbMissingWatch *self, BbLoop *loop, BbMissingFunc func, gpointer user_data)
{
  *self = (BbMissingWatch){ .func = func, .user_data = user_data };
  bb_timer_init (&self->timer, loop, time_passed, self);
}

static void
start_clock (BbMissingWatch *self, double timeout)
{
  gint64 deadline_us = self->began_us + (gint64) (timeout * G_USEC_PER_SEC);

  if (timeout <= 0)
    bb_timer_stop (&self->timer);
  else
    bb_timer_start_at (&self->timer, MAX (deadline_us, self->earliest_us));
}

void
bb_missing_watch_begin (BbMissingWatch *self, gint64 since_us, gint64 earliest_us, double timeout)
{
  self->away = TRUE;
  self->began_us = bb_loop_now_us (self->timer.loop);
  self->earliest_us = earliest_us;
  self->since_us = since_us;
  if (self->missing)
    return;
  start_clock (self, timeout);
}

void
bb_missing_watch_set_timeout (BbMissingWatch *self, double timeout)
{
  if (self->away && !self->missing)
    start_clock (self, timeout);
}

void
bb_missing_watch_end (BbMissingWatch *self)
{
  bb_timer_stop (&self->timer);
  self->began_us = self->earliest_us = self->since_us = 0;
  self->away = self->missing = self->reported = FALSE;
}
