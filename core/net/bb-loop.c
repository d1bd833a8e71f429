/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-loop.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_PER_TURN 256

/* poll(2) does not count the time that the machine was suspended, our clock does: look again at least this often. */
#define LONGEST_SLEEP_MS 60000

typedef struct
{
  GSource source;
  BbLoop *loop; /* the loop owns the source */
} LoopSource;

struct _BbLoop
{
  GObject parent_instance;

  BbClock *clock;
  GSource *source;
  int epoll_fd;
  gpointer epoll_tag;
  gboolean manual;
  gint64 now_us;
  guint turn; /* of timers: one that is started in a turn does not run in it */
  GPtrArray *heap;    /* of BbTimer *, not owned; the earliest first; index 0 is not used */

  /* Of the turn that is being dispatched, so that a watch that is stopped meanwhile is not called. */
  struct epoll_event events[EVENTS_PER_TURN];
  int n_events;
};

G_DEFINE_FINAL_TYPE (BbLoop, bb_loop, G_TYPE_OBJECT)

static void
heap_set (BbLoop *self, guint index, BbTimer *timer)
{
  g_ptr_array_index (self->heap, index) = timer;
  timer->heap_index = index;
}

static BbTimer *
heap_get (BbLoop *self, guint index)
{
  return g_ptr_array_index (self->heap, index);
}

static void
heap_up (BbLoop *self, guint index, BbTimer *timer)
{
  while (index > 1 && heap_get (self, index / 2)->deadline_us > timer->deadline_us)
    {
      heap_set (self, index, heap_get (self, index / 2));
      index /= 2;
    }
  heap_set (self, index, timer);
}

static void
heap_down (BbLoop *self, guint index, BbTimer *timer)
{
  guint last = self->heap->len - 1;

  for (guint child = 2 * index; child <= last; child = 2 * index)
    {
      if (child < last && heap_get (self, child + 1)->deadline_us < heap_get (self, child)->deadline_us)
        child++;
      if (heap_get (self, child)->deadline_us >= timer->deadline_us)
        break;
      heap_set (self, index, heap_get (self, child));
      index = child;
    }
  heap_set (self, index, timer);
}

static void
heap_place (BbLoop *self, guint index, BbTimer *timer)
{
  if (index > 1 && heap_get (self, index / 2)->deadline_us > timer->deadline_us)
    heap_up (self, index, timer);
  else
    heap_down (self, index, timer);
}

static void
heap_remove (BbLoop *self, BbTimer *timer)
{
  guint index = timer->heap_index;
  BbTimer *last = heap_get (self, self->heap->len - 1);

  g_ptr_array_set_size (self->heap, (gint) self->heap->len - 1);
  timer->heap_index = 0;
  if (last != timer)
    heap_place (self, index, last);
}

static BbTimer *
heap_first (BbLoop *self)
{
  return self->heap->len > 1 ? heap_get (self, 1) : NULL;
}

static void
read_clock (BbLoop *self)
{
  self->now_us = bb_clock_get_monotonic_us (self->clock);
}

static gboolean
is_timer_due (BbLoop *self)
{
  BbTimer *first = heap_first (self);

  return first != NULL && first->deadline_us <= self->now_us;
}

static gboolean
loop_prepare (GSource *source, int *timeout_ms)
{
  BbLoop *self = ((LoopSource *) source)->loop;
  BbTimer *first = heap_first (self);
  gint64 left_us;

  *timeout_ms = -1;
  read_clock (self);
  if (is_timer_due (self))
    return TRUE;
  if (first != NULL && !self->manual)
    {
      left_us = first->deadline_us - self->now_us;
      *timeout_ms = (int) MIN (LONGEST_SLEEP_MS, (left_us + 999) / 1000);
    }
  return FALSE;
}

static gboolean
loop_check (GSource *source)
{
  BbLoop *self = ((LoopSource *) source)->loop;

  read_clock (self);
  return g_source_query_unix_fd (source, self->epoll_tag) != 0 || is_timer_due (self);
}

static void
dispatch_watches (BbLoop *self)
{
  self->n_events = epoll_wait (self->epoll_fd, self->events, EVENTS_PER_TURN, 0);
  for (int i = 0; i < self->n_events; i++)
    {
      BbWatch *watch = self->events[i].data.ptr;

      if (watch != NULL)
        watch->func (watch, self->events[i].events, watch->user_data);
    }
  self->n_events = 0;
}

static void
dispatch_timers (BbLoop *self)
{
  self->turn++;
  while (is_timer_due (self) && heap_first (self)->turn != self->turn)
    {
      BbTimer *timer = heap_first (self);

      heap_remove (self, timer);
      timer->func (timer, timer->user_data);
    }
}

static gboolean
loop_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  g_autoptr (BbLoop) self = g_object_ref (((LoopSource *) source)->loop);

  if (g_source_query_unix_fd (source, self->epoll_tag) != 0)
    dispatch_watches (self);
  dispatch_timers (self);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs loop_source_funcs = { loop_prepare, loop_check, loop_dispatch, NULL, NULL, NULL };

static void
bb_loop_finalize (GObject *object)
{
  BbLoop *self = BB_LOOP (object);

  if (self->source != NULL)
    {
      g_source_destroy (self->source);
      g_source_unref (self->source);
    }
  if (self->epoll_fd >= 0)
    close (self->epoll_fd);
  g_ptr_array_unref (self->heap);
  g_clear_object (&self->clock);
  G_OBJECT_CLASS (bb_loop_parent_class)->finalize (object);
}

static void
bb_loop_class_init (BbLoopClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_loop_finalize;
}

static void
bb_loop_init (BbLoop *self)
{
  self->epoll_fd = -1;
  self->heap = g_ptr_array_new ();
  g_ptr_array_add (self->heap, NULL);
}

BbLoop *
bb_loop_new (BbClock *clock, GError **error)
{
  g_autoptr (BbLoop) self = g_object_new (BB_TYPE_LOOP, NULL);

  self->clock = g_object_ref (clock);
  self->manual = bb_clock_is_manual (clock);
  self->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (self->epoll_fd < 0)
    {
      int saved = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "epoll_create1: %s", g_strerror (saved));
      return NULL;
    }
  read_clock (self);
  self->source = g_source_new (&loop_source_funcs, sizeof (LoopSource));
  ((LoopSource *) self->source)->loop = self;
  g_source_set_static_name (self->source, "bbhost loop");
  self->epoll_tag = g_source_add_unix_fd (self->source, self->epoll_fd, G_IO_IN);
  /* Nothing recurses. But GLib takes the descriptor of a source that can't out of the poll while it is dispatched, and
   * wakes up its own context twice for that: three system calls and a turn for nothing, each time. */
  g_source_set_can_recurse (self->source, TRUE);
  g_source_attach (self->source, g_main_context_get_thread_default ());
  return g_steal_pointer (&self);
}

BbClock *
bb_loop_get_clock (BbLoop *self)
{
  return self->clock;
}

gint64
bb_loop_now_us (BbLoop *self)
{
  if (self->manual)
    read_clock (self);
  return self->now_us;
}

gint64
bb_loop_wall_us (BbLoop *self)
{
  return bb_clock_get_wall_us (self->clock);
}

gint64
bb_loop_get_next_deadline_us (BbLoop *self)
{
  BbTimer *first = heap_first (self);

  return first != NULL ? first->deadline_us : -1;
}

guint
bb_loop_count_timers (BbLoop *self)
{
  return self->heap->len - 1;
}

void
bb_timer_init (BbTimer *timer, BbLoop *loop, BbTimerFunc func, gpointer user_data)
{
  *timer = (BbTimer){ .loop = loop, .func = func, .user_data = user_data };
}

void
bb_timer_start_at (BbTimer *timer, gint64 deadline_us)
{
  BbLoop *self = timer->loop;

  timer->deadline_us = deadline_us;
  timer->turn = self->turn;
  if (timer->heap_index != 0)
    {
      heap_place (self, timer->heap_index, timer);
      return;
    }
  g_ptr_array_add (self->heap, timer);
  heap_up (self, self->heap->len - 1, timer);
}

void
bb_timer_start_in (BbTimer *timer, gint64 delay_us)
{
  bb_timer_start_at (timer, bb_loop_now_us (timer->loop) + delay_us);
}

void
bb_timer_stop (BbTimer *timer)
{
  if (timer->heap_index != 0)
    heap_remove (timer->loop, timer);
}

gboolean
bb_timer_is_running (const BbTimer *timer)
{
  return timer->heap_index != 0;
}

gint64
bb_timer_get_deadline_us (const BbTimer *timer)
{
  return timer->heap_index != 0 ? timer->deadline_us : -1;
}

static gboolean
watch_control (BbWatch *watch, int operation)
{
  struct epoll_event event = { .events = watch->events, .data.ptr = watch };

  return epoll_ctl (watch->loop->epoll_fd, operation, watch->fd, &event) == 0;
}

gboolean
bb_watch_start (BbWatch *watch, BbLoop *loop, int fd, guint events, BbWatchFunc func, gpointer user_data,
                GError **error)
{
  *watch = (BbWatch){ .loop = loop, .fd = fd, .events = events, .func = func, .user_data = user_data };
  if (!watch_control (watch, EPOLL_CTL_ADD))
    {
      int saved = errno;

      watch->loop = NULL;
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "epoll_ctl: %s", g_strerror (saved));
      return FALSE;
    }
  return TRUE;
}

void
bb_watch_set_events (BbWatch *watch, guint events)
{
  if (watch->loop == NULL || watch->events == events)
    return;
  watch->events = events;
  if (!watch_control (watch, EPOLL_CTL_MOD))
    g_critical ("epoll_ctl: %s", g_strerror (errno));
}

void
bb_watch_stop (BbWatch *watch)
{
  BbLoop *loop = watch->loop;

  if (loop == NULL)
    return;
  watch->loop = NULL;
  epoll_ctl (loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
  for (int i = 0; i < loop->n_events; i++)
    if (loop->events[i].data.ptr == watch)
      loop->events[i].data.ptr = NULL;
}
