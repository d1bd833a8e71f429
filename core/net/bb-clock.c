/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-clock.h"

#include <time.h>

G_DEFINE_INTERFACE (BbClock, bb_clock, G_TYPE_OBJECT)

static void
bb_clock_default_init (BbClockInterface *iface)
{
}

gint64
bb_clock_get_monotonic_us (BbClock *self)
{
  return BB_CLOCK_GET_IFACE (self)->get_monotonic_us (self);
}

gint64
bb_clock_get_wall_us (BbClock *self)
{
  return BB_CLOCK_GET_IFACE (self)->get_wall_us (self);
}

gboolean
bb_clock_is_manual (BbClock *self)
{
  return BB_CLOCK_GET_IFACE (self)->manual;
}

struct _BbSystemClock
{
  GObject parent_instance;
};

static gint64
system_clock_get_monotonic_us (BbClock *clock)
{
  struct timespec now;

  clock_gettime (CLOCK_BOOTTIME, &now);
  return (gint64) now.tv_sec * G_USEC_PER_SEC + now.tv_nsec / 1000;
}

static gint64
system_clock_get_wall_us (BbClock *clock)
{
  return g_get_real_time ();
}

static void
system_clock_iface_init (BbClockInterface *iface)
{
  iface->get_monotonic_us = system_clock_get_monotonic_us;
  iface->get_wall_us = system_clock_get_wall_us;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (BbSystemClock, bb_system_clock, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_CLOCK, system_clock_iface_init))

static void
bb_system_clock_class_init (BbSystemClockClass *klass)
{
}

static void
bb_system_clock_init (BbSystemClock *self)
{
}

BbClock *
bb_system_clock_new (void)
{
  return g_object_new (BB_TYPE_SYSTEM_CLOCK, NULL);
}
