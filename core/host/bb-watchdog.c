/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-watchdog.h"

#include <systemd/sd-daemon.h>

struct _BbWatchdog
{
  BbLoop *loop; /* owned */
  BbTimer timer;
  gint64 interval_us;
};

static void
feed_cb (BbTimer *timer, gpointer user_data)
{
  BbWatchdog *self = user_data;

  sd_notify (FALSE, "WATCHDOG=1");
  bb_timer_start_in (timer, self->interval_us);
}

BbWatchdog *
bb_watchdog_new (BbLoop *loop)
{
  BbWatchdog *self = g_new0 (BbWatchdog, 1);
  guint64 limit_us = 0;

  self->loop = g_object_ref (loop);
  bb_timer_init (&self->timer, loop, feed_cb, self);
  if (sd_watchdog_enabled (FALSE, &limit_us) > 0)
    {
      self->interval_us = (gint64) (limit_us / 2);
      bb_timer_start_in (&self->timer, self->interval_us);
    }
  return self;
}

void
bb_watchdog_free (BbWatchdog *self)
{
  bb_timer_stop (&self->timer);
  g_object_unref (self->loop);
  g_free (self);
}
