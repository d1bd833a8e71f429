/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-login-throttle.h"

/* Failures without a delay: somebody mistypes a password. */
#define FREE_FAILURES 2
#define LONGEST_DELAY_US (30 * G_USEC_PER_SEC)
#define LONGEST_WAIT_US (60 * G_USEC_PER_SEC)
/* Forgotten after this long without a failure, or when there are too many. */
#define MEMORY_US (600 * G_USEC_PER_SEC)
#define MAX_ENTRIES 4096

typedef struct
{
  GList node; /* the one that failed longest ago first */
  char *key;
  guint n_failures;
  gint64 last_failure_us;
  gint64 next_us; /* when the next attempt is decided */
} Entry;

struct _BbLoginThrottle
{
  BbLoop *loop; /* not owned */
  GHashTable *entries; /* key → Entry */
  GQueue oldest_first;
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->key);
  g_free (entry);
}

BbLoginThrottle *
bb_login_throttle_new (BbLoop *loop)
{
  BbLoginThrottle *self = g_new0 (BbLoginThrottle, 1);

  self->loop = loop;
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, entry_free);
  g_queue_init (&self->oldest_first);
  return self;
}

void
bb_login_throttle_free (BbLoginThrottle *self)
{
  g_hash_table_unref (self->entries);
  g_free (self);
}

static void
forget (BbLoginThrottle *self, Entry *entry)
{
  g_queue_unlink (&self->oldest_first, &entry->node);
  g_hash_table_remove (self->entries, entry->key);
}

static void
forget_old (BbLoginThrottle *self)
{
  gint64 since_us = bb_loop_now_us (self->loop) - MEMORY_US;
  Entry *oldest;

  while ((oldest = g_queue_peek_head (&self->oldest_first)) != NULL
         && (oldest->last_failure_us < since_us || self->oldest_first.length > MAX_ENTRIES))
    forget (self, oldest);
}

static Entry *
find (BbLoginThrottle *self, const char *host, const char *name)
{
  g_autofree char *key = g_strconcat (host, "\n", name, NULL);

  return g_hash_table_lookup (self->entries, key);
}

static gint64
delay_of (const Entry *entry)
{
  guint doublings = entry->n_failures - MIN (entry->n_failures, FREE_FAILURES);

  if (doublings == 0)
    return 0;
  return doublings > 5 ? LONGEST_DELAY_US : MIN (LONGEST_DELAY_US, G_USEC_PER_SEC << (doublings - 1));
}

gint64
bb_login_throttle_reserve_us (BbLoginThrottle *self, const char *host, const char *name)
{
  gint64 now_us = bb_loop_now_us (self->loop), begin_us;
  Entry *entry;

  forget_old (self);
  entry = find (self, host, name);
  if (entry == NULL)
    return 0;
  begin_us = MAX (now_us, entry->next_us);
  if (begin_us - now_us > LONGEST_WAIT_US)
    return -1;
  entry->next_us = begin_us + delay_of (entry);
  return begin_us - now_us;
}

void
bb_login_throttle_failed (BbLoginThrottle *self, const char *host, const char *name)
{
  gint64 now_us = bb_loop_now_us (self->loop);
  Entry *entry = find (self, host, name);

  if (entry == NULL)
    {
      entry = g_new0 (Entry, 1);
      entry->key = g_strconcat (host, "\n", name, NULL);
      entry->node.data = entry;
      g_hash_table_insert (self->entries, entry->key, entry);
    }
  else
    g_queue_unlink (&self->oldest_first, &entry->node);
  g_queue_push_tail_link (&self->oldest_first, &entry->node);
  entry->n_failures++;
  entry->last_failure_us = now_us;
  entry->next_us = MAX (entry->next_us, now_us + delay_of (entry));
  forget_old (self);
}

void
bb_login_throttle_succeeded (BbLoginThrottle *self, const char *host, const char *name)
{
  Entry *entry = find (self, host, name);

  if (entry != NULL)
    forget (self, entry);
}

guint
bb_login_throttle_count (BbLoginThrottle *self)
{
  return g_hash_table_size (self->entries);
}
