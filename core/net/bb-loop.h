/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-clock.h"

G_BEGIN_DECLS

/*
 * One GSource on an epoll descriptor for every socket, and one heap of deadlines for every timer: GMainContext
 * polls all of its sources on every turn, so that a source per slave would make each event cost O(slaves).
 */
#define BB_TYPE_LOOP (bb_loop_get_type ())
G_DECLARE_FINAL_TYPE (BbLoop, bb_loop, BB, LOOP, GObject)

/* Attaches to the thread-default main context. Several loops may exist in one process (tests). */
BbLoop *bb_loop_new (BbClock *clock, GError **error);
BbClock *bb_loop_get_clock (BbLoop *self); /* (transfer none) */
gint64 bb_loop_now_us (BbLoop *self);      /* monotonic, read once per turn of the loop */
gint64 bb_loop_wall_us (BbLoop *self);     /* microseconds since 1970 */

/* A timer is a member of its owner's struct, so that it can't outlive it unnoticed and costs no allocation. */
typedef struct _BbTimer BbTimer;
typedef void (*BbTimerFunc) (BbTimer *timer, gpointer user_data);

struct _BbTimer
{
  /*< private >*/
  BbLoop *loop; /* not owned: the owner of the timer keeps the loop */
  BbTimerFunc func;
  gpointer user_data;
  gint64 deadline_us;
  guint heap_index; /* 0: not running */
  guint turn;       /* in which it was started */
};

void bb_timer_init (BbTimer *timer, BbLoop *loop, BbTimerFunc func, gpointer user_data);
void bb_timer_start_at (BbTimer *timer, gint64 deadline_us); /* of bb_loop_now_us(); moves a running timer */
void bb_timer_start_in (BbTimer *timer, gint64 delay_us);    /* 0: in the next turn */
void bb_timer_stop (BbTimer *timer);                         /* no-op when not running; also before init of a zeroed struct */
gboolean bb_timer_is_running (const BbTimer *timer);
gint64 bb_timer_get_deadline_us (const BbTimer *timer); /* -1 when not running */
gint64 bb_loop_get_next_deadline_us (BbLoop *self);     /* of the earliest timer; -1 when none runs */
guint bb_loop_count_timers (BbLoop *self);              /* running ones: tests assert that none outlives its owner */

/* A descriptor in the epoll set; a member of its owner's struct as well. */
typedef struct _BbWatch BbWatch;
typedef void (*BbWatchFunc) (BbWatch *watch, guint epoll_events, gpointer user_data);

struct _BbWatch
{
  /*< private >*/
  BbLoop *loop;
  int fd;
  guint events;
  BbWatchFunc func;
  gpointer user_data;
};

/* Level-triggered; @events of <sys/epoll.h>. The descriptor stays the caller's. A watch may be stopped, and its
 * owner freed, from within any callback of the same turn. */
gboolean bb_watch_start (BbWatch *watch, BbLoop *loop, int fd, guint events, BbWatchFunc func, gpointer user_data,
                         GError **error);
void bb_watch_set_events (BbWatch *watch, guint events);
void bb_watch_stop (BbWatch *watch);

G_END_DECLS
