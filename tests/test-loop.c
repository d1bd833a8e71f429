/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/epoll.h>
#include <unistd.h>

#include "bb-test.h"

typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  GString *order;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->order = g_string_new (NULL);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
  g_string_free (f->order, TRUE);
}

typedef struct
{
  BbTimer timer;
  Fixture *fixture;
  char letter;
} LetterTimer;

static void
append_letter (BbTimer *timer, gpointer user_data)
{
  LetterTimer *self = user_data;

  g_string_append_c (self->fixture->order, self->letter);
}

static void
test_timers_run_in_order (Fixture *f, gconstpointer data)
{
  LetterTimer timers[5];
  const int delays[] = { 30, 10, 50, 20, 40 };

  for (guint i = 0; i < G_N_ELEMENTS (timers); i++)
    {
      timers[i] = (LetterTimer){ .fixture = f, .letter = (char) ('a' + i) };
      bb_timer_init (&timers[i].timer, f->loop, append_letter, &timers[i]);
      bb_timer_start_in (&timers[i].timer, delays[i] * G_USEC_PER_SEC);
    }
  bb_test_clock_advance (f->clock, f->loop, 25);
  g_assert_cmpstr (f->order->str, ==, "bd");
  bb_timer_stop (&timers[0].timer);
  bb_timer_start_in (&timers[2].timer, G_USEC_PER_SEC);
  bb_test_clock_advance (f->clock, f->loop, 100);
  g_assert_cmpstr (f->order->str, ==, "bdce");
}

static void
count_and_restart (BbTimer *timer, gpointer user_data)
{
  guint *count = user_data;

  (*count)++;
  if (*count < 3)
    bb_timer_start_in (timer, 0);
}

static void
test_timer_of_this_turn_waits_for_the_next (Fixture *f, gconstpointer data)
{
  BbTimer timer;
  guint count = 0;

  bb_timer_init (&timer, f->loop, count_and_restart, &count);
  bb_timer_start_in (&timer, 0);
  g_assert_true (g_main_context_iteration (NULL, FALSE));
  g_assert_cmpuint (count, ==, 1);
  bb_test_run_pending ();
  g_assert_cmpuint (count, ==, 3);
}

static void
stop_other (BbTimer *timer, gpointer user_data)
{
  bb_timer_stop (user_data);
}

static void
test_timer_stopped_by_another_of_the_same_turn (Fixture *f, gconstpointer data)
{
  BbTimer first;
  LetterTimer second = { .fixture = f, .letter = 'x' };

  bb_timer_init (&second.timer, f->loop, append_letter, &second);
  bb_timer_init (&first, f->loop, stop_other, &second.timer);
  bb_timer_start_in (&first, 1);
  bb_timer_start_in (&second.timer, 2);
  bb_test_clock_advance (f->clock, f->loop, 1);
  g_assert_cmpstr (f->order->str, ==, "");
}

static void
test_heap_of_many (Fixture *f, gconstpointer data)
{
  enum { N = 2000 };
  LetterTimer *timers = g_new0 (LetterTimer, N);
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  guint expected = 0;

  for (guint i = 0; i < N; i++)
    {
      timers[i] = (LetterTimer){ .fixture = f, .letter = 'x' };
      bb_timer_init (&timers[i].timer, f->loop, append_letter, &timers[i]);
    }
  for (guint i = 0; i < 10 * N; i++)
    {
      BbTimer *timer = &timers[g_rand_int_range (rand, 0, N)].timer;

      if (g_rand_boolean (rand))
        bb_timer_stop (timer);
      else
        bb_timer_start_in (timer, g_rand_int_range (rand, 1, 1000));
    }
  for (guint i = 0; i < N; i++)
    expected += bb_timer_is_running (&timers[i].timer);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, expected);
  for (gint64 last = 0; bb_loop_count_timers (f->loop) > 0;)
    {
      g_assert_cmpint (bb_loop_get_next_deadline_us (f->loop), >=, last);
      last = bb_loop_get_next_deadline_us (f->loop);
      bb_test_clock_advance (f->clock, f->loop, 0.000001);
    }
  g_assert_cmpuint (f->order->len, ==, expected);
  g_free (timers);
}

typedef struct
{
  BbWatch watch;
  BbWatch *other;
  guint n_calls;
} Pair;

static void
stop_both (BbWatch *watch, guint events, gpointer user_data)
{
  Pair *self = user_data;

  self->n_calls++;
  bb_watch_stop (watch);
  bb_watch_stop (self->other);
}

static void
test_watch_stopped_by_another_of_the_same_turn (Fixture *f, gconstpointer data)
{
  int pipes[2][2];
  Pair pairs[2] = { 0 };

  for (guint i = 0; i < 2; i++)
    {
      g_assert_cmpint (pipe (pipes[i]), ==, 0);
      g_assert_cmpint (write (pipes[i][1], "x", 1), ==, 1);
      pairs[i].other = &pairs[1 - i].watch;
      g_assert_true (bb_watch_start (&pairs[i].watch, f->loop, pipes[i][0], EPOLLIN, stop_both, &pairs[i], NULL));
    }
  bb_test_run_pending ();
  g_assert_cmpuint (pairs[0].n_calls + pairs[1].n_calls, ==, 1);
  for (guint i = 0; i < 2; i++)
    {
      close (pipes[i][0]);
      close (pipes[i][1]);
    }
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/loop/timers/in-order", test_timers_run_in_order);
  ADD ("/loop/timers/next-turn", test_timer_of_this_turn_waits_for_the_next);
  ADD ("/loop/timers/stopped-in-the-same-turn", test_timer_stopped_by_another_of_the_same_turn);
  ADD ("/loop/timers/many", test_heap_of_many);
  ADD ("/loop/watch/stopped-in-the-same-turn", test_watch_stopped_by_another_of_the_same_turn);
  return g_test_run ();
}
