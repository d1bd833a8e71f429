/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-backoff.h"

void
bb_backoff_init (BbBackoff *self, double first_seconds, double longest_seconds)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (first_seconds > 0 && longest_seconds >= first_seconds);

  *self = (BbBackoff){ .first_seconds = first_seconds, .longest_seconds = longest_seconds };
}

void
bb_backoff_set_seed (BbBackoff *self, guint32 seed)
{
  g_return_if_fail (self != NULL);

  self->random_state = seed;
}

/* 0 to 1 */
static double
draw (BbBackoff *self)
{
  if (self->random_state == 0)
    return g_random_double ();
  /* xorshift32 (Marsaglia 2003): never 0 when it was not */
  self->random_state ^= self->random_state << 13;
  self->random_state ^= self->random_state >> 17;
  self->random_state ^= self->random_state << 5;
  return self->random_state / (double) G_MAXUINT32;
}

gint64
bb_backoff_fail (BbBackoff *self)
{
  double seconds;

  g_return_val_if_fail (self != NULL && self->first_seconds > 0, 0);

  seconds = self->first_seconds;
  for (guint i = 0; i < self->failures && seconds < self->longest_seconds; i++)
    seconds *= 2;
  seconds = MIN (seconds, self->longest_seconds);
  if (self->failures < G_MAXUINT)
    self->failures++;
  seconds *= 1 + BB_BACKOFF_JITTER * (2 * draw (self) - 1);
  return (gint64) (seconds * G_USEC_PER_SEC);
}

void
bb_backoff_reset (BbBackoff *self)
{
  g_return_if_fail (self != NULL);

  self->failures = 0;
}

guint
bb_backoff_get_failures (const BbBackoff *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->failures;
}
