/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-loop.h"

G_BEGIN_DECLS

/* Tells systemd that the loop still turns, twice in WatchdogSec= of the unit; without one it does nothing. By a timer of
 * the loop itself, so that it stops when events are no longer served. */
typedef struct _BbWatchdog BbWatchdog;

BbWatchdog *bb_watchdog_new (BbLoop *loop);
void bb_watchdog_free (BbWatchdog *self);

G_END_DECLS
