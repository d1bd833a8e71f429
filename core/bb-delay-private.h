/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-delay.h"

G_BEGIN_DECLS

/* How core lends its clock and its timers to the shared library, which has none of its own. */
typedef struct
{
  /* Calls @func once after @delay_us, unless stop() came first. */
  gpointer (*start) (gint64 delay_us, void (*func) (gpointer data), gpointer data, gpointer user_data);
  void (*stop) (gpointer timer, gpointer user_data);
  gint64 (*now_us) (gpointer user_data);
} BbDelayTimers;

/* @timers: (nullable): static; %NULL for GLib's own timers (a plugin's unit tests without core). */
void bb_delay_set_timers (const BbDelayTimers *timers, gpointer user_data);

G_END_DECLS
