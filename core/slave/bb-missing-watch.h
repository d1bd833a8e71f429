/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-loop.h"

G_BEGIN_DECLS

typedef struct _BbMissingWatch BbMissingWatch;
/* The slave has been away for its time. */
typedef void (*BbMissingFunc) (BbMissingWatch *self, gpointer user_data);

/* How long a static slave has been away, and whether that was said. A member of its owner's struct. */
struct _BbMissingWatch
{
  BbTimer timer;
  BbMissingFunc func;
  gpointer user_data;
  gint64 began_us;        /* loop time: the loss, or the daemon's start */
  gint64 earliest_us;     /* loop time: not before that (the reconnect grace after a start) */
  gint64 since_us;        /* wall: the loss, as far as it is known; 0: unknown */
  gboolean away;
  gboolean missing;
  gboolean reported;      /* nobody is told again before it has been back */
};

void bb_missing_watch_init (BbMissingWatch *self, BbLoop *loop, BbMissingFunc func, gpointer user_data);
/* It has gone, at @since_us of the wall clock. @timeout: seconds, 0: never missing. */
void bb_missing_watch_begin (BbMissingWatch *self, gint64 since_us, gint64 earliest_us, double timeout);
/* Another timeout, which counts from the same loss. */
void bb_missing_watch_set_timeout (BbMissingWatch *self, double timeout);
/* It is back, or gone for good. */
void bb_missing_watch_end (BbMissingWatch *self);

G_END_DECLS
