/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-memory-keeper.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* A hundred slaves that come or go are a storm, which is over when no more than a few did since the last look; looks are not
 * put off for ever. Looking through 100 MiB of memory takes milliseconds. */
#define STORM 100
#define CALM 5
#define LOOK_US (200 * G_TIME_SPAN_MILLISECOND)
#define MAX_LOOKS 15
#define MMAP_THRESHOLD (128 * 1024)
#define ARENAS 2

struct _BbMemoryKeeper
{
  BbSlaveManager *slaves; /* owned */
  gulong changed_id;
  BbTimer timer;
  guint n_changes; /* since memory was given back */
  guint n_seen;    /* of them at the last look */
  guint n_looks;
};

void
bb_memory_keeper_set_up_process (void)
{
#ifdef __GLIBC__
  /* As each thread that allocates while another does would otherwise get 64 MiB to scatter its own over; and a
   * large block, once freed, must not make the next ones of that size part of the heap, whose middle is never given back. */
  mallopt (M_ARENA_MAX, ARENAS);
  mallopt (M_MMAP_THRESHOLD, MMAP_THRESHOLD);
#endif
}

static void
look_cb (BbTimer *timer, gpointer user_data)
{
  BbMemoryKeeper *self = user_data;

  if (self->n_changes - self->n_seen > CALM && ++self->n_looks < MAX_LOOKS)
    {
      self->n_seen = self->n_changes;
      bb_timer_start_in (timer, LOOK_US);
      return;
    }
#ifdef __GLIBC__
  malloc_trim (0);
#endif
  self->n_changes = self->n_seen = self->n_looks = 0;
}

static void
slave_changed_cb (BbSlaveManager *slaves, BbSlave *slave, guint changes, gpointer user_data)
{
  BbMemoryKeeper *self = user_data;

  /* What builds change is as much before as after them. */
  if ((changes & BB_SLAVE_CHANGED_STATE) == 0)
    return;
  if (++self->n_changes == STORM)
    bb_timer_start_in (&self->timer, LOOK_US);
}

BbMemoryKeeper *
bb_memory_keeper_new (BbLoop *loop, BbSlaveManager *slaves)
{
  BbMemoryKeeper *self = g_new0 (BbMemoryKeeper, 1);

  self->slaves = g_object_ref (slaves);
  self->changed_id = g_signal_connect (slaves, "slave-changed", G_CALLBACK (slave_changed_cb), self);
  bb_timer_init (&self->timer, loop, look_cb, self);
  return self;
}

void
bb_memory_keeper_free (BbMemoryKeeper *self)
{
  bb_timer_stop (&self->timer);
  g_clear_signal_handler (&self->changed_id, self->slaves);
  g_object_unref (self->slaves);
  g_free (self);
}
