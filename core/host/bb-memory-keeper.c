/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-memory-keeper.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* A hundred changes of slaves are a storm, which is over for our purpose some seconds after it began. Looking through
 * 100 MiB of memory takes milliseconds. */
#define STORM 100
#define DELAY_US (3 * G_USEC_PER_SEC)
#define MMAP_THRESHOLD (128 * 1024)
#define ARENAS 2

struct _BbMemoryKeeper
{
  BbSlaveManager *slaves; /* owned */
  gulong changed_id;
  BbTimer timer;
  guint n_changes; /* since memory was given back */
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
give_back_cb (BbTimer *timer, gpointer user_data)
{
  BbMemoryKeeper *self = user_data;

#ifdef __GLIBC__
  malloc_trim (0);
#endif
  self->n_changes = 0;
}

static void
slave_changed_cb (BbSlaveManager *slaves, BbSlave *slave, guint changes, gpointer user_data)
{
  BbMemoryKeeper *self = user_data;

  if (++self->n_changes == STORM)
    bb_timer_start_in (&self->timer, DELAY_US);
}

BbMemoryKeeper *
bb_memory_keeper_new (BbLoop *loop, BbSlaveManager *slaves)
{
  BbMemoryKeeper *self = g_new0 (BbMemoryKeeper, 1);

  self->slaves = g_object_ref (slaves);
  self->changed_id = g_signal_connect (slaves, "slave-changed", G_CALLBACK (slave_changed_cb), self);
  bb_timer_init (&self->timer, loop, give_back_cb, self);
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
