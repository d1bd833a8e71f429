/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-loop-delay.h"

#include "bb-delay-private.h"

typedef struct
{
  BbTimer timer;
  void (*func) (gpointer data);
  gpointer data;
} DelayTimer;

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  DelayTimer *delay = user_data;
  void (*func) (gpointer data) = delay->func;
  gpointer data = delay->data;

  g_free (delay);
  func (data);
}

static gpointer
start (gint64 delay_us, void (*func) (gpointer data), gpointer data, gpointer user_data)
{
  DelayTimer *delay = g_new0 (DelayTimer, 1);

  delay->func = func;
  delay->data = data;
  bb_timer_init (&delay->timer, user_data, timer_cb, delay);
  bb_timer_start_in (&delay->timer, delay_us);
  return delay;
}

static void
stop (gpointer timer, gpointer user_data)
{
  DelayTimer *delay = timer;

  bb_timer_stop (&delay->timer);
  g_free (delay);
}

static gint64
now_us (gpointer user_data)
{
  return bb_loop_now_us (user_data);
}

static const BbDelayTimers loop_timers = { start, stop, now_us };

void
bb_loop_serve_delays (BbLoop *loop)
{
  bb_delay_set_timers (&loop_timers, loop);
}

void
bb_loop_end_delays (void)
{
  bb_delay_set_timers (NULL, NULL);
}
