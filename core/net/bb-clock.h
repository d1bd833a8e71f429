/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* Where the time comes from. The daemon has one system clock; tests have one that they move by hand. */
#define BB_TYPE_CLOCK (bb_clock_get_type ())
G_DECLARE_INTERFACE (BbClock, bb_clock, BB, CLOCK, GObject)

struct _BbClockInterface
{
  GTypeInterface parent_iface;

  gint64 (*get_monotonic_us) (BbClock *self); /* for deadlines and durations */
  gint64 (*get_wall_us) (BbClock *self);      /* microseconds since 1970, for people and the store */
  gboolean manual;                            /* time moves only by hand: a loop never sleeps for a deadline */
};

gint64 bb_clock_get_monotonic_us (BbClock *self);
gint64 bb_clock_get_wall_us (BbClock *self);
gboolean bb_clock_is_manual (BbClock *self);

/* The system's own: CLOCK_BOOTTIME (goes on while the machine is suspended) and CLOCK_REALTIME. */
#define BB_TYPE_SYSTEM_CLOCK (bb_system_clock_get_type ())
G_DECLARE_FINAL_TYPE (BbSystemClock, bb_system_clock, BB, SYSTEM_CLOCK, GObject)
BbClock *bb_system_clock_new (void);

G_END_DECLS
