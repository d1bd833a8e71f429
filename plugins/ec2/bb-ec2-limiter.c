/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-limiter.h"

#define SLOWEST (1.0 / 8)
#define RECOVERY 1.25

typedef struct
{
  const char *action_prefix; /* the first that fits counts */
  double capacity;
  double rate; /* a second */
} Bucket;

/* "Request throttling for the Amazon EC2 API": the figures for calls without filter and paging, the lower ones. */
static const Bucket buckets[] = {
  { "RunInstances", 5, 2 },
  { "TerminateInstances", 100, 5 },
  { "Describe", 50, 10 },
  { "", 50, 5 },
};

struct _BbEc2Limiter
{
  struct
  {
    double rate;
    double slowness; /* 1: the whole rate */
    double tokens;   /* below 0: promised to calls that wait */
    double filled_at;
  } buckets[G_N_ELEMENTS (buckets)];
};

BbEc2Limiter *
bb_ec2_limiter_new (void)
{
  BbEc2Limiter *self = g_new0 (BbEc2Limiter, 1);

  for (gsize i = 0; i < G_N_ELEMENTS (buckets); i++)
    {
      self->buckets[i].rate = buckets[i].rate;
      self->buckets[i].slowness = 1;
      self->buckets[i].tokens = buckets[i].capacity;
    }
  return self;
}

void
bb_ec2_limiter_free (BbEc2Limiter *self)
{
  g_free (self);
}

void
bb_ec2_limiter_set_launch_rate (BbEc2Limiter *self, double per_second)
{
  self->buckets[0].rate = per_second;
}

static gsize
find_bucket (const char *action)
{
  gsize i = 0;

  while (!g_str_has_prefix (action, buckets[i].action_prefix))
    i++;
  return i;
}

double
bb_ec2_limiter_take (BbEc2Limiter *self, const char *action, double now)
{
  gsize i = find_bucket (action);
  double rate = self->buckets[i].rate * self->buckets[i].slowness;
  double tokens = self->buckets[i].tokens + MAX (now - self->buckets[i].filled_at, 0) * rate;

  self->buckets[i].tokens = MIN (tokens, buckets[i].capacity) - 1;
  self->buckets[i].filled_at = now;
  return MAX (-self->buckets[i].tokens, 0) / rate;
}

void
bb_ec2_limiter_throttled (BbEc2Limiter *self, const char *action, double now)
{
  gsize i = find_bucket (action);

  self->buckets[i].slowness = MAX (self->buckets[i].slowness / 2, SLOWEST);
  self->buckets[i].tokens = MIN (self->buckets[i].tokens, 0);
  self->buckets[i].filled_at = MAX (self->buckets[i].filled_at, now);
}

void
bb_ec2_limiter_succeeded (BbEc2Limiter *self, const char *action)
{
  gsize i = find_bucket (action);

  self->buckets[i].slowness = MIN (self->buckets[i].slowness * RECOVERY, 1);
}
