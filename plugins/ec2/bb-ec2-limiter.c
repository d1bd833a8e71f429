/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-limiter.h"

#include "bb-ec2-waiter.h"

#include <bbhost/bbhost.h>

#define SLOWEST (1.0 / 8)
#define RECOVERY 1.25
/* Calls that were under way together are refused together, which is one sign and not many. */
#define SAME_SIGN_SECONDS 1

typedef struct
{
  const char *action_prefix; /* the first that fits counts */
  double capacity;
  double rate; /* a second */
} Kind;

/* "Request throttling for the Amazon EC2 API": the figures for calls without filter and paging, the lower ones. */
static const Kind kinds[] = {
  { "RunInstances", 5, 2 },
  { "TerminateInstances", 100, 5 },
  { "Describe", 50, 10 },
  { "", 50, 5 },
};

typedef struct
{
  double rate;
  double slowness; /* 1: the whole rate */
  double tokens;
  double filled_at; /* of bb_delay_get_now() */
  double throttled_at;
  GQueue waiting; /* of BbEc2Waiter (owned) */
  gboolean timer_runs;
} Bucket;

struct _BbEc2Limiter
{
  GObject parent_instance;

  Bucket buckets[G_N_ELEMENTS (kinds)];
};

G_DEFINE_FINAL_TYPE (BbEc2Limiter, bb_ec2_limiter, G_TYPE_OBJECT)

static gsize
find_bucket (const char *action)
{
  gsize i = 0;

  while (!g_str_has_prefix (action, kinds[i].action_prefix))
    i++;
  return i;
}

static void
refill (BbEc2Limiter *self, gsize i)
{
  Bucket *bucket = &self->buckets[i];
  double now = bb_delay_get_now ();

  bucket->tokens += (now - bucket->filled_at) * bucket->rate * bucket->slowness;
  bucket->tokens = MIN (bucket->tokens, kinds[i].capacity);
  bucket->filled_at = now;
}

typedef struct
{
  BbEc2Limiter *self; /* owned */
  gsize bucket;
} Timer;

static void serve (BbEc2Limiter *self, gsize i);

static void
timer_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Timer *timer = user_data;

  bb_delay_finish (result, NULL);
  timer->self->buckets[timer->bucket].timer_runs = FALSE;
  serve (timer->self, timer->bucket);
  g_object_unref (timer->self);
  g_free (timer);
}

/* Those in front, as far as the tokens go; the timer for the others. */
static void
serve (BbEc2Limiter *self, gsize i)
{
  Bucket *bucket = &self->buckets[i];
  Timer *timer;

  refill (self, i);
  while (!g_queue_is_empty (&bucket->waiting) && bucket->tokens >= 1)
    {
      BbEc2Waiter *waiter = g_queue_pop_head (&bucket->waiting);

      if (!bb_ec2_waiter_has_left (waiter))
        bucket->tokens--;
      bb_ec2_waiter_return (waiter, NULL, NULL);
    }
  if (g_queue_is_empty (&bucket->waiting) || bucket->timer_runs)
    return;
  timer = g_new0 (Timer, 1);
  timer->self = g_object_ref (self);
  timer->bucket = i;
  bucket->timer_runs = TRUE;
  bb_delay_async ((1 - bucket->tokens) / (bucket->rate * bucket->slowness), NULL, timer_cb, timer);
}

void
bb_ec2_limiter_wait_async (BbEc2Limiter *self, const char *action, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  gsize i = find_bucket (action);

  g_task_set_source_tag (task, bb_ec2_limiter_wait_async);
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    return;
  g_queue_push_tail (&self->buckets[i].waiting, bb_ec2_waiter_new (g_steal_pointer (&task), NULL, NULL));
  if (!self->buckets[i].timer_runs)
    serve (self, i);
}

gboolean
bb_ec2_limiter_wait_finish (BbEc2Limiter *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  g_task_propagate_pointer (G_TASK (result), &local_error);
  if (local_error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local_error));
  return FALSE;
}

void
bb_ec2_limiter_throttled (BbEc2Limiter *self, const char *action)
{
  gsize i = find_bucket (action);
  Bucket *bucket = &self->buckets[i];

  refill (self, i);
  bucket->tokens = MIN (bucket->tokens, 0);
  if (bucket->filled_at - bucket->throttled_at >= SAME_SIGN_SECONDS)
    {
      bucket->slowness = MAX (bucket->slowness / 2, SLOWEST);
      bucket->throttled_at = bucket->filled_at;
    }
}

void
bb_ec2_limiter_succeeded (BbEc2Limiter *self, const char *action)
{
  Bucket *bucket = &self->buckets[find_bucket (action)];

  bucket->slowness = MIN (bucket->slowness * RECOVERY, 1);
}

void
bb_ec2_limiter_set_launch_rate (BbEc2Limiter *self, double per_second)
{
  self->buckets[0].rate = per_second;
}

static void
bb_ec2_limiter_class_init (BbEc2LimiterClass *klass)
{
}

/* Nothing to finalize: whoever waits holds the limiter. */
static void
bb_ec2_limiter_init (BbEc2Limiter *self)
{
  double now = bb_delay_get_now ();

  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      self->buckets[i].rate = kinds[i].rate;
      self->buckets[i].slowness = 1;
      self->buckets[i].tokens = kinds[i].capacity;
      self->buckets[i].filled_at = now;
      self->buckets[i].throttled_at = now - SAME_SIGN_SECONDS;
    }
}

BbEc2Limiter *
bb_ec2_limiter_new (void)
{
  return g_object_new (BB_EC2_TYPE_LIMITER, NULL);
}
