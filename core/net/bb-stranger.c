/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-stranger.h"

#include "bb-log.h"

#define WINDOW_US (60 * G_USEC_PER_SEC)
#define LINES_OF_ONE_HOST 10
#define LINES_OF_ALL 100

/* A minute, from its first line on. */
typedef struct
{
  BbStrangerLog *log;
  GLogLevelFlags level;
  BbTimer timer;     /* runs while there is anything to forget */
  GHashTable *hosts; /* host → how many lines were asked for; no more hosts than lines */
  guint n_shown;
  guint n_held_back;
} Window;

struct _BbStrangerLog
{
  char *listener;
  gboolean closed;
  Window warnings;
  Window infos;
};

struct _BbStranger
{
  BbStrangerLog *log;
  char *host;
  char *address;
};

static const char *
find_busiest (Window *window)
{
  const char *busiest = "", *host;
  guint most = 0;
  GHashTableIter iter;
  gpointer n;

  g_hash_table_iter_init (&iter, window->hosts);
  while (g_hash_table_iter_next (&iter, (gpointer *) &host, &n))
    if (GPOINTER_TO_UINT (n) > most)
      {
        most = GPOINTER_TO_UINT (n);
        busiest = host;
      }
  return busiest;
}

static void
end_window (Window *window)
{
  bb_timer_stop (&window->timer);
  if (window->n_held_back == 1)
    bb_log_host (window->level, "listener %s: 1 more line about refused peers is not shown", window->log->listener);
  else if (window->n_held_back > 1)
    bb_log_host (window->level, "listener %s: %u more lines about refused peers, many of them about %s, are not shown",
                 window->log->listener, window->n_held_back, find_busiest (window));
  window->n_shown = window->n_held_back = 0;
  g_hash_table_remove_all (window->hosts);
}

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  end_window (user_data);
}

static void
window_init (Window *window, BbStrangerLog *log, BbLoop *loop, GLogLevelFlags level)
{
  window->log = log;
  window->level = level;
  window->hosts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  bb_timer_init (&window->timer, loop, timer_cb, window);
}

BbStrangerLog *
bb_stranger_log_new (BbLoop *loop, const char *listener)
{
  BbStrangerLog *self = g_rc_box_new0 (BbStrangerLog);

  self->listener = g_strdup (listener);
  window_init (&self->warnings, self, loop, G_LOG_LEVEL_WARNING);
  window_init (&self->infos, self, loop, G_LOG_LEVEL_INFO);
  return self;
}

void
bb_stranger_log_close (BbStrangerLog *self)
{
  end_window (&self->warnings);
  end_window (&self->infos);
  self->closed = TRUE;
}

static void
log_clear (gpointer data)
{
  BbStrangerLog *self = data;

  bb_timer_stop (&self->warnings.timer);
  bb_timer_stop (&self->infos.timer);
  g_hash_table_unref (self->warnings.hosts);
  g_hash_table_unref (self->infos.hosts);
  g_free (self->listener);
}

void
bb_stranger_log_unref (BbStrangerLog *self)
{
  g_rc_box_release_full (self, log_clear);
}

BbStranger *
bb_stranger_new (BbStrangerLog *log, const char *host, const char *address)
{
  BbStranger *self = g_rc_box_new0 (BbStranger);

  self->log = g_rc_box_acquire (log);
  self->host = g_strdup (host);
  self->address = g_strdup (address);
  return self;
}

BbStranger *
bb_stranger_ref (BbStranger *self)
{
  return g_rc_box_acquire (self);
}

static void
stranger_clear (gpointer data)
{
  BbStranger *self = data;

  bb_stranger_log_unref (self->log);
  g_free (self->host);
  g_free (self->address);
}

void
bb_stranger_unref (BbStranger *self)
{
  g_rc_box_release_full (self, stranger_clear);
}

const char *
bb_stranger_get_host (BbStranger *self)
{
  return self->host;
}

const char *
bb_stranger_get_address (BbStranger *self)
{
  return self->address;
}

gboolean
bb_stranger_may_be_logged (BbStranger *self, GLogLevelFlags level)
{
  Window *window = level == G_LOG_LEVEL_WARNING ? &self->log->warnings : &self->log->infos;
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (window->hosts, self->host));

  if (self->log->closed)
    return FALSE;
  if (!bb_timer_is_running (&window->timer))
    bb_timer_start_in (&window->timer, WINDOW_US);
  if (n > 0 || window->n_shown < LINES_OF_ALL)
    g_hash_table_insert (window->hosts, g_strdup (self->host), GUINT_TO_POINTER (n + 1));
  if (n < LINES_OF_ONE_HOST && window->n_shown < LINES_OF_ALL)
    {
      window->n_shown++;
      return TRUE;
    }
  window->n_held_back++;
  return FALSE;
}
