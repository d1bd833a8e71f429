/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Growing pauses between attempts: each about twice the one before, up to a longest, and each drawn from around its
 * value, so that many that failed together do not come back together. A member of its owner's struct.
 */
typedef struct
{
  /*< private >*/
  double first_seconds;
  double longest_seconds;
  guint failures;
  guint32 random_state; /* 0: the process's own randomness */
} BbBackoff;

#define BB_BACKOFF_JITTER 0.25 /* of a pause, to either side */

void bb_backoff_init (BbBackoff *self, double first_seconds, double longest_seconds);
void bb_backoff_set_seed (BbBackoff *self, guint32 seed); /* for tests: the same pauses every time */
gint64 bb_backoff_fail (BbBackoff *self);                 /* counts a failure; the pause after it in microseconds */
void bb_backoff_reset (BbBackoff *self);                  /* it worked: starts from the first pause again */
guint bb_backoff_get_failures (const BbBackoff *self);    /* in a row */

G_END_DECLS
