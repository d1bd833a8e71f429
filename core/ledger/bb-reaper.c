/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-reaper.h"

#include "bb-backoff.h"
#include "bb-log.h"
#include "bb-notice.h"
#include "bb-row-stop.h"

#define DEFAULT_INTERVAL_US (300 * (gint64) G_USEC_PER_SEC)
#define LIST_LIMIT_SECONDS 120
#define FIRST_PAUSE_SECONDS 5
#define LONGEST_PAUSE_SECONDS 300
#define FAILURES_UNTIL_TROUBLE 3
/* Between seeing an absence or an orphan for the first and the second time, where the backend does not need longer. */
#define SECOND_LOOK_US (30 * (gint64) G_USEC_PER_SEC)
#define TIMES_UNTIL_BELIEVED 2

struct _BbReaper
{
  GObject parent_instance;

  BbLedger *ledger; /* owned */
  BbLoop *loop;     /* owned */
  char *store_id;
  BbReaperHooks hooks;
  gpointer user_data;
  gint64 interval_us;
  gint64 grace_until_us;
  gboolean store_is_new;
  gboolean running;
  BbTimer interval; /* until the next look at everything */
  BbTimer grace;
  GHashTable *scopes; /* key (the scope's) → Scope (owned) */
  GHashTable *marks;  /* number, as a pointer to the mark's → Mark (owned): rows that something is odd about */
};

typedef struct _Listing Listing;

/* One account, region, machine … of one backend: where one listing tells of all instances. */
typedef struct
{
  BbReaper *reaper; /* not owned */
  char *key;
  char *backend;
  char *name;
  BbLatentSlave *slave; /* owned: one that can list */
  Listing *listing;     /* not owned: the one that is waited for */
  BbTimer timer;        /* to the next attempt or second look */
  BbBackoff backoff;
  gboolean reported;
  GHashTable *orphans; /* token or id (owned) → how often in a row it was seen */
} Scope;

struct _Listing
{
  BbReaper *reaper; /* owned */
  Scope *scope;     /* not owned; NULL: nobody waits any more */
  BbLatentSlave *slave; /* owned */
  GCancellable *cancellable;
  BbTimer limit;
  GHashTable *expected; /* set of numbers: rows whose instance was there when it began, as far as is known */
};

typedef struct
{
  guint64 number;
  guint absences;         /* in a row */
  guint wakings;          /* in a row: seen to run although it is parked */
  gint64 absent_since_us; /* the first of them */
  gint64 unused_since_us; /* 0: it is in use */
  BbRowStop *stop;        /* owned, nullable: it is being stopped */
} Mark;

G_DEFINE_FINAL_TYPE (BbReaper, bb_reaper, G_TYPE_OBJECT)

static void
mark_free (gpointer data)
{
  Mark *mark = data;

  if (mark->stop != NULL)
    bb_row_stop_end (mark->stop);
  g_clear_object (&mark->stop);
  g_free (mark);
}

static Mark *
find_mark (BbReaper *self, BbLedgerRow *row)
{
  guint64 number = bb_ledger_row_get_number (row);

  return g_hash_table_lookup (self->marks, &number);
}

static Mark *
ensure_mark (BbReaper *self, BbLedgerRow *row)
{
  Mark *mark = find_mark (self, row);

  if (mark == NULL)
    {
      mark = g_new0 (Mark, 1);
      mark->number = bb_ledger_row_get_number (row);
      g_hash_table_insert (self->marks, &mark->number, mark);
    }
  return mark;
}

static gboolean
is_in_use (BbReaper *self, BbLedgerRow *row)
{
  return self->hooks.is_in_use (row, self->user_data);
}

static gboolean
is_grace_over (BbReaper *self)
{
  return bb_loop_now_us (self->loop) >= self->grace_until_us;
}

/* A start of this run whose answer is still awaited: what a listing says of it means nothing yet. */
static gboolean
is_starting (BbReaper *self, BbLedgerRow *row)
{
  return bb_ledger_row_get_state (row) < BB_ROW_RUNNING && !bb_ledger_row_is_inherited (row) && is_in_use (self, row);
}

static void
listing_free (Listing *listing)
{
  bb_timer_stop (&listing->limit);
  g_hash_table_unref (listing->expected);
  g_object_unref (listing->cancellable);
  g_object_unref (listing->slave);
  g_object_unref (listing->reaper);
  g_free (listing);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Listing, listing_free)

static void
abandon_listing (Scope *scope)
{
  Listing *listing = g_steal_pointer (&scope->listing);

  if (listing == NULL)
    return;
  listing->scope = NULL;
  bb_timer_stop (&listing->limit);
  g_cancellable_cancel (listing->cancellable);
}

static void
scope_free (gpointer data)
{
  Scope *scope = data;

  bb_timer_stop (&scope->timer);
  abandon_listing (scope);
  g_clear_object (&scope->slave);
  g_hash_table_unref (scope->orphans);
  g_free (scope->key);
  g_free (scope->backend);
  g_free (scope->name);
  g_free (scope);
}

static gboolean
belongs_to (BbLedgerRow *row, Scope *scope)
{
  return g_str_equal (bb_ledger_row_get_backend (row), scope->backend)
         && g_str_equal (bb_ledger_row_get_scope (row), scope->name);
}

static void
begin_stop (BbReaper *self, BbLedgerRow *row, const char *why)
{
  Mark *mark = ensure_mark (self, row);

  if (mark->stop == NULL)
    mark->stop = bb_row_stop_new (self->ledger, self->loop, row, why, &self->hooks, self->user_data);
  if (bb_ledger_row_get_state (row) != BB_ROW_STOPPING)
    bb_ledger_set_stopping (self->ledger, row, NULL, NULL);
  bb_row_stop_try_now (mark->stop);
}

/* Ends what no substantiation answers for. A row of this run that appears to be unused may be just on its way to its
 * owner: it must still be so a while later. */
static void
stop_if_unused (BbReaper *self, BbLedgerRow *row)
{
  Mark *mark;

  if (bb_ledger_row_is_closing (row) || bb_reaper_is_stopping (self, row))
    return;
  mark = ensure_mark (self, row);
  if (is_in_use (self, row))
    {
      mark->unused_since_us = 0;
      return;
    }
  if (mark->unused_since_us == 0)
    mark->unused_since_us = bb_loop_now_us (self->loop);
  if (bb_ledger_row_get_state (row) == BB_ROW_STOPPING)
    begin_stop (self, row, "stopped");
  else if (is_grace_over (self)
           && (bb_ledger_row_is_inherited (row)
               || bb_loop_now_us (self->loop) - mark->unused_since_us >= SECOND_LOOK_US))
    {
      bb_log_instance (G_LOG_LEVEL_MESSAGE, mark->number, bb_ledger_row_get_slave_name (row),
                       "nobody uses it: it is stopped");
      begin_stop (self, row, "stopped");
    }
}

static void
stop_unused (BbReaper *self)
{
  g_autoptr (GPtrArray) rows = bb_ledger_get_open_rows (self->ledger);

  for (guint i = 0; i < rows->len; i++)
    stop_if_unused (self, rows->pdata[i]);
}

/* The instance of @row is gone: it was not in two complete listings that it should have been in. */
static void
believe_absence (BbReaper *self, BbLedgerRow *row, Mark *mark)
{
  const char *why = bb_ledger_row_get_state (row) == BB_ROW_INTENDED ? "not started" : "gone";

  mark->absences = 0;
  if (is_in_use (self, row))
    {
      /* A stop that is under way there says itself when it is confirmed. */
      if (bb_ledger_row_get_state (row) != BB_ROW_STOPPING)
        self->hooks.row_gone (row, self->user_data);
    }
  else if (bb_ledger_row_get_resources (row)[0] != NULL)
    begin_stop (self, row, why);
  else if (mark->stop == NULL || !bb_row_stop_is_calling (mark->stop))
    bb_ledger_close (self->ledger, row, why, NULL, NULL);
}

/* From the first look that found something odd to the one that is believed. */
static gint64
get_second_look_us (Scope *scope)
{
  gint64 delay_us = (gint64) (bb_latent_slave_get_listing_delay (scope->slave) * G_USEC_PER_SEC);

  return MAX (delay_us, MIN (SECOND_LOOK_US, scope->reaper->interval_us));
}

/* Whether a second look is needed. */
static gboolean
note_absence (BbReaper *self, Listing *listing, BbLedgerRow *row)
{
  Mark *mark;

  if (is_starting (self, row)
      || !g_hash_table_contains (listing->expected, GSIZE_TO_POINTER (bb_ledger_row_get_number (row))))
    return FALSE;
  mark = ensure_mark (self, row);
  if (mark->absences++ == 0)
    mark->absent_since_us = bb_loop_now_us (self->loop);
  if (mark->absences < TIMES_UNTIL_BELIEVED
      || bb_loop_now_us (self->loop) - mark->absent_since_us < get_second_look_us (listing->scope))
    return TRUE;
  believe_absence (self, row, mark);
  return FALSE;
}

/* What was parked by the time of this listing, and runs. Whether a second look is needed. */
static gboolean
note_waking (BbReaper *self, BbLedgerRow *row, BbInstance *instance)
{
  BbInstanceState state = bb_instance_get_state (instance);
  gboolean is_waking = bb_ledger_row_get_state (row) == BB_ROW_PARKED
                       && (state == BB_INSTANCE_STARTING || state == BB_INSTANCE_ALIVE);
  Mark *mark = is_waking ? ensure_mark (self, row) : find_mark (self, row);

  if (!is_waking)
    {
      if (mark != NULL)
        mark->wakings = 0;
      return FALSE;
    }
  if (++mark->wakings < TIMES_UNTIL_BELIEVED)
    return TRUE;
  mark->wakings = 0;
  if (is_in_use (self, row))
    self->hooks.row_woken (row, self->user_data);
  return FALSE;
}

static void
note_presence (BbReaper *self, BbLedgerRow *row, BbInstance *instance)
{
  Mark *mark = find_mark (self, row);

  if (mark != NULL)
    mark->absences = 0;
  if (*bb_ledger_row_get_instance_id (row) == '\0' && !is_starting (self, row))
    bb_ledger_set_running (self->ledger, row, instance, NULL, NULL);
  else
    bb_ledger_confirm (self->ledger, row);
}

static BbLedgerRow *
find_row (BbReaper *self, GHashTable *rows_by_id, BbInstance *instance)
{
  const char *token = bb_instance_get_token (instance);
  BbLedgerRow *row = token != NULL ? bb_ledger_find_by_token (self->ledger, token) : NULL;

  return row != NULL ? row : g_hash_table_lookup (rows_by_id, bb_instance_get_id (instance));
}

static void
adopted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbReaper) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLedgerRow) row = bb_ledger_adopt_finish (BB_LEDGER (source), result, &error);

  if (row == NULL)
    /* The next listing finds it again. */
    bb_log_host (G_LOG_LEVEL_WARNING, "an instance without an open row can't be given one: %s", error->message);
  else if (self->running)
    stop_if_unused (self, row);
}

static void
adopt (BbReaper *self, Scope *scope, BbInstance *instance, BbRowState state)
{
  const char *slave_name = bb_instance_get_slave_name (instance);

  if (slave_name == NULL || *slave_name == '\0')
    slave_name = "unknown";
  bb_log_slave (G_LOG_LEVEL_WARNING, slave_name,
                "instance %s (%s in %s) carries our mark, but the ledger knows nothing of it: %s",
                bb_instance_get_id (instance), scope->backend, scope->name,
                state == BB_ROW_STOPPING ? "it is stopped" : "it is stopped unless its slave logs in");
  bb_ledger_adopt_async (self->ledger, slave_name, scope->backend, scope->name, instance, state, NULL, adopted_cb,
                         g_object_ref (self));
}

static void
report_orphans (BbReaper *self, Scope *scope, GPtrArray *orphans)
{
  g_autoptr (GString) ids = NULL;
  g_autofree char *summary = NULL;
  double seconds = (double) (self->grace_until_us - bb_loop_now_us (self->loop)) / G_USEC_PER_SEC;

  if (!self->store_is_new || orphans->len == 0 || is_grace_over (self))
    return;
  ids = g_string_new (NULL);
  for (guint i = 0; i < orphans->len; i++)
    g_string_append_printf (ids, "%s%s", i > 0 ? ", " : "", bb_instance_get_id (orphans->pdata[i]));
  summary = g_strdup_printf ("the store is new, but there are instances of an earlier one in %s (%s): %s; they are stopped "
                             "in %.0f s, but for those whose slaves log in",
                             scope->name, scope->backend, ids->str, seconds);
  self->hooks.trouble (summary,
                       g_variant_new_parsed ("{'trouble': <%s>, 'backend': <%s>, 'account': <%s>, 'instances': <%s>, "
                                             "'seconds': <%u>}",
                                             BB_TROUBLE_ORPHANS, scope->backend, scope->name, ids->str, (guint) seconds),
                       NULL, self->user_data);
}

/* Those seen for the second time get a row. While the grace lasts a slave may still come back to its instance, unless
 * it has another one. Whether a second look is needed. */
static gboolean
judge_orphans (BbReaper *self, Scope *scope, GPtrArray *orphans)
{
  g_autoptr (GHashTable) before = g_steal_pointer (&scope->orphans);
  g_autoptr (GPtrArray) believed = g_ptr_array_new ();
  gboolean look_again;

  scope->orphans = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < orphans->len; i++)
    {
      BbInstance *instance = orphans->pdata[i];
      const char *token = bb_instance_get_token (instance);
      const char *key = token != NULL && *token != '\0' ? token : bb_instance_get_id (instance);
      guint times = GPOINTER_TO_UINT (g_hash_table_lookup (before, key)) + 1;

      g_hash_table_insert (scope->orphans, g_strdup (key), GUINT_TO_POINTER (times));
      if (times >= TIMES_UNTIL_BELIEVED)
        g_ptr_array_add (believed, instance);
    }
  for (guint i = 0; i < believed->len; i++)
    {
      const char *slave_name = bb_instance_get_slave_name (believed->pdata[i]);

      if (is_grace_over (self))
        adopt (self, scope, believed->pdata[i], BB_ROW_STOPPING);
      else if (slave_name == NULL || bb_ledger_find_by_slave (self->ledger, slave_name) == NULL)
        adopt (self, scope, believed->pdata[i], BB_ROW_RUNNING);
    }
  look_again = believed->len < orphans->len;
  report_orphans (self, scope, believed);
  return look_again;
}

static GHashTable *
index_rows_by_id (GPtrArray *rows, Scope *scope)
{
  GHashTable *by_id = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < rows->len; i++)
    if (belongs_to (rows->pdata[i], scope) && *bb_ledger_row_get_instance_id (rows->pdata[i]) != '\0')
      g_hash_table_insert (by_id, (gpointer) bb_ledger_row_get_instance_id (rows->pdata[i]), rows->pdata[i]);
  return by_id;
}

/* Whether a second look is needed. */
static gboolean
judge (BbReaper *self, Listing *listing, GPtrArray *instances)
{
  Scope *scope = listing->scope;
  g_autoptr (GPtrArray) rows = bb_ledger_get_open_rows (self->ledger);
  g_autoptr (GHashTable) rows_by_id = index_rows_by_id (rows, scope);
  g_autoptr (GHashTable) present = g_hash_table_new (NULL, NULL); /* BbLedgerRow → BbInstance */
  g_autoptr (GPtrArray) orphans = g_ptr_array_new ();
  gboolean look_again = FALSE;

  for (guint i = 0; i < instances->len; i++)
    {
      BbInstance *instance = instances->pdata[i];
      BbLedgerRow *row = find_row (self, rows_by_id, instance);

      if (bb_instance_get_state (instance) == BB_INSTANCE_GONE)
        continue;
      if (row != NULL)
        g_hash_table_insert (present, row, instance);
      else
        g_ptr_array_add (orphans, instance);
    }
  /* Who is told of an absence may drop the scope, or shut us down: then nobody waits for the rest. */
  for (guint i = 0; i < rows->len && listing->scope != NULL; i++)
    {
      BbLedgerRow *row = rows->pdata[i];
      BbInstance *instance = g_hash_table_lookup (present, row);

      if (bb_ledger_row_is_closing (row))
        continue;
      if (instance != NULL)
        {
          note_presence (self, row, instance);
          look_again |= note_waking (self, row, instance);
        }
      else if (belongs_to (row, scope))
        look_again |= note_absence (self, listing, row);
    }
  return (listing->scope != NULL && judge_orphans (self, scope, orphans)) || look_again;
}

static guint
count_rows (BbReaper *self, Scope *scope)
{
  g_autoptr (GPtrArray) rows = bb_ledger_get_open_rows (self->ledger);
  guint n = 0;

  for (guint i = 0; i < rows->len; i++)
    n += belongs_to (rows->pdata[i], scope);
  return n;
}

static void
listing_failed (Scope *scope, const char *reason)
{
  BbReaper *self = scope->reaper;
  gint64 pause_us = bb_backoff_fail (&scope->backoff);
  guint failures = bb_backoff_get_failures (&scope->backoff);

  bb_timer_start_in (&scope->timer, pause_us);
  bb_log_host (failures == 1 ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO,
               "%s in %s can't be asked for its instances: %s; next attempt in %.0f s", scope->backend, scope->name,
               reason, (double) pause_us / G_USEC_PER_SEC);
  if (failures >= FAILURES_UNTIL_TROUBLE && !scope->reported)
    {
      guint n_open = count_rows (self, scope);
      g_autofree char *summary = g_strdup_printf (
        "%s in %s can't be asked for its instances, of which %u are open and may cost money; %u attempts so far, and "
        "more follow: %s",
        scope->backend, scope->name, n_open, failures, reason);

      scope->reported = TRUE;
      self->hooks.trouble (summary,
                           g_variant_new_parsed ("{'trouble': <%s>, 'backend': <%s>, 'account': <%s>, 'open': <%u>, "
                                                 "'attempts': <%u>, 'last_error': <%s>}",
                                                 BB_TROUBLE_ACCOUNT, scope->backend, scope->name, n_open, failures, reason),
                           NULL, self->user_data);
    }
}

static void
listing_succeeded (Scope *scope, gboolean look_again)
{
  if (bb_backoff_get_failures (&scope->backoff) > 0)
    bb_log_host (G_LOG_LEVEL_MESSAGE, "%s in %s answers again", scope->backend, scope->name);
  bb_backoff_reset (&scope->backoff);
  scope->reported = FALSE;
  bb_timer_stop (&scope->timer);
  if (look_again)
    bb_timer_start_in (&scope->timer, get_second_look_us (scope));
}

static void
list_limit_cb (BbTimer *timer, gpointer user_data)
{
  Listing *listing = user_data;
  g_autoptr (BbReaper) self = g_object_ref (listing->reaper);
  g_autofree char *reason = g_strdup_printf ("no answer within %d s", LIST_LIMIT_SECONDS);
  Scope *scope = listing->scope;

  /* Its answer, should one come, is old by then: the next listing says it better. */
  abandon_listing (scope);
  listing_failed (scope, reason);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Listing) listing = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) instances = bb_latent_slave_list_instances_finish (listing->slave, result, &error);
  BbReaper *self = listing->reaper;
  gboolean look_again;

  if (listing->scope == NULL)
    return;
  bb_timer_stop (&listing->limit);
  if (instances == NULL)
    {
      listing->scope->listing = NULL;
      listing_failed (listing->scope, error->message);
      return;
    }
  look_again = judge (self, listing, instances);
  if (listing->scope == NULL)
    return;
  listing->scope->listing = NULL;
  listing_succeeded (listing->scope, look_again);
}

static void
list (Scope *scope)
{
  BbReaper *self = scope->reaper;
  g_autoptr (GPtrArray) rows = NULL;
  Listing *listing;

  if (scope->listing != NULL)
    return;
  bb_timer_stop (&scope->timer);
  rows = bb_ledger_get_open_rows (self->ledger);
  listing = g_new0 (Listing, 1);
  listing->reaper = g_object_ref (self);
  listing->scope = scope;
  listing->slave = g_object_ref (scope->slave);
  listing->cancellable = g_cancellable_new ();
  listing->expected = g_hash_table_new (NULL, NULL);
  for (guint i = 0; i < rows->len; i++)
    if (belongs_to (rows->pdata[i], scope) && !is_starting (self, rows->pdata[i]))
      g_hash_table_add (listing->expected, GSIZE_TO_POINTER (bb_ledger_row_get_number (rows->pdata[i])));
  bb_timer_init (&listing->limit, self->loop, list_limit_cb, listing);
  bb_timer_start_in (&listing->limit, LIST_LIMIT_SECONDS * (gint64) G_USEC_PER_SEC);
  scope->listing = listing;
  bb_latent_slave_list_instances_async (listing->slave, self->store_id, listing->cancellable, listed_cb, listing);
}

static void
scope_timer_cb (BbTimer *timer, gpointer user_data)
{
  list (user_data);
}

static Scope *
ensure_scope (BbReaper *self, BbLatentSlave *slave)
{
  const char *backend = self->hooks.get_type_name (slave, self->user_data);
  g_autofree char *name = bb_latent_slave_get_scope (slave);
  g_autofree char *key = g_strdup_printf ("%s\n%s", backend, name);
  Scope *scope = g_hash_table_lookup (self->scopes, key);

  if (scope == NULL)
    {
      scope = g_new0 (Scope, 1);
      scope->reaper = self;
      scope->backend = g_strdup (backend);
      scope->name = g_steal_pointer (&name);
      scope->key = g_steal_pointer (&key);
      scope->orphans = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      bb_backoff_init (&scope->backoff, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS);
      bb_timer_init (&scope->timer, self->loop, scope_timer_cb, scope);
      g_hash_table_insert (self->scopes, scope->key, scope);
    }
  g_set_object (&scope->slave, slave);
  return scope;
}

/* The scopes that slaves have now; those that nobody has any more are dropped. */
static void
find_scopes (BbReaper *self)
{
  g_autoptr (GPtrArray) slaves = self->hooks.list_slaves (self->user_data);
  g_autoptr (GHashTable) found = g_hash_table_new (NULL, NULL);
  GHashTableIter iter;
  Scope *scope;

  for (guint i = 0; i < slaves->len; i++)
    g_hash_table_add (found, ensure_scope (self, slaves->pdata[i]));
  g_hash_table_iter_init (&iter, self->scopes);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &scope))
    if (!g_hash_table_contains (found, scope))
      g_hash_table_iter_remove (&iter);
}

/* @also_waiting: those included that wait after a failure */
static void
list_all (BbReaper *self, gboolean also_waiting)
{
  g_autoptr (GPtrArray) scopes = g_ptr_array_new ();
  GHashTableIter iter;
  Scope *scope;

  find_scopes (self);
  /* A backend that answers at once may change the table. */
  g_hash_table_iter_init (&iter, self->scopes);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &scope))
    g_ptr_array_add (scopes, scope);
  for (guint i = 0; i < scopes->len && self->running; i++)
    {
      scope = scopes->pdata[i];
      if (also_waiting || bb_backoff_get_failures (&scope->backoff) == 0)
        list (scope);
    }
}

static void
interval_cb (BbTimer *timer, gpointer user_data)
{
  BbReaper *self = user_data;

  bb_timer_start_in (&self->interval, self->interval_us);
  bb_ledger_retry_writes (self->ledger);
  bb_ledger_look_at_budget (self->ledger);
  stop_unused (self);
  list_all (self, FALSE);
}

static void
grace_cb (BbTimer *timer, gpointer user_data)
{
  BbReaper *self = user_data;

  stop_unused (self);
  /* What was spared so far. */
  list_all (self, FALSE);
}

static void
row_closed_cb (BbLedger *ledger, BbLedgerRow *row, gpointer user_data)
{
  BbReaper *self = user_data;
  guint64 number = bb_ledger_row_get_number (row);

  g_hash_table_remove (self->marks, &number);
}

static void
bb_reaper_dispose (GObject *object)
{
  BbReaper *self = BB_REAPER (object);

  bb_reaper_shutdown (self);

  G_OBJECT_CLASS (bb_reaper_parent_class)->dispose (object);
}

static void
bb_reaper_finalize (GObject *object)
{
  BbReaper *self = BB_REAPER (object);

  g_hash_table_unref (self->scopes);
  g_hash_table_unref (self->marks);
  g_free (self->store_id);
  g_clear_object (&self->ledger);
  g_clear_object (&self->loop);

  G_OBJECT_CLASS (bb_reaper_parent_class)->finalize (object);
}

static void
bb_reaper_class_init (BbReaperClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = bb_reaper_dispose;
  object_class->finalize = bb_reaper_finalize;
}

static void
bb_reaper_init (BbReaper *self)
{
  self->scopes = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, scope_free);
  self->marks = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, mark_free);
  self->interval_us = DEFAULT_INTERVAL_US;
}

BbReaper *
bb_reaper_new (BbLedger *ledger, BbLoop *loop, const char *store_id, const BbReaperHooks *hooks, gpointer user_data)
{
  BbReaper *self;

  g_return_val_if_fail (BB_IS_LEDGER (ledger) && BB_IS_LOOP (loop), NULL);
  g_return_val_if_fail (store_id != NULL && hooks != NULL, NULL);
  g_return_val_if_fail (hooks->list_slaves != NULL && hooks->get_type_name != NULL && hooks->find_backend != NULL
                          && hooks->is_in_use != NULL && hooks->row_gone != NULL && hooks->row_woken != NULL
                          && hooks->trouble != NULL,
                        NULL);

  self = g_object_new (BB_TYPE_REAPER, NULL);
  self->ledger = g_object_ref (ledger);
  self->loop = g_object_ref (loop);
  self->store_id = g_strdup (store_id);
  self->hooks = *hooks;
  self->user_data = user_data;
  bb_timer_init (&self->interval, loop, interval_cb, self);
  bb_timer_init (&self->grace, loop, grace_cb, self);
  g_signal_connect_object (ledger, "row-closed", G_CALLBACK (row_closed_cb), self, 0);
  return self;
}

void
bb_reaper_set_interval (BbReaper *self, double seconds)
{
  gint64 interval_us = (gint64) (seconds * G_USEC_PER_SEC);

  g_return_if_fail (BB_IS_REAPER (self) && seconds > 0);

  if (self->interval_us == interval_us)
    return;
  self->interval_us = interval_us;
  if (self->running)
    bb_timer_start_in (&self->interval, interval_us);
}

void
bb_reaper_start (BbReaper *self, gboolean store_is_new, double login_grace)
{
  g_return_if_fail (BB_IS_REAPER (self) && !self->running);

  self->running = TRUE;
  self->store_is_new = store_is_new;
  self->grace_until_us = bb_loop_now_us (self->loop) + (gint64) (login_grace * G_USEC_PER_SEC);
  bb_timer_start_at (&self->grace, self->grace_until_us);
  interval_cb (&self->interval, self);
}

void
bb_reaper_reconcile_now (BbReaper *self)
{
  g_autoptr (GPtrArray) rows = NULL;

  g_return_if_fail (BB_IS_REAPER (self));

  if (!self->running)
    return;
  bb_timer_start_in (&self->interval, self->interval_us);
  bb_ledger_retry_writes (self->ledger);
  bb_ledger_look_at_budget (self->ledger);
  rows = bb_ledger_get_open_rows (self->ledger);
  for (guint i = 0; i < rows->len && self->running; i++)
    {
      Mark *mark = find_mark (self, rows->pdata[i]);

      if (mark != NULL && mark->stop != NULL)
        bb_row_stop_try_now (mark->stop);
      else
        stop_if_unused (self, rows->pdata[i]);
    }
  list_all (self, TRUE);
}

void
bb_reaper_stop_row (BbReaper *self, BbLedgerRow *row)
{
  g_return_if_fail (BB_IS_REAPER (self) && BB_IS_LEDGER_ROW (row));

  if (self->running && !bb_ledger_row_is_closing (row))
    begin_stop (self, row, "stopped");
}

gboolean
bb_reaper_is_stopping (BbReaper *self, BbLedgerRow *row)
{
  Mark *mark;

  g_return_val_if_fail (BB_IS_REAPER (self) && BB_IS_LEDGER_ROW (row), FALSE);

  mark = find_mark (self, row);
  return mark != NULL && mark->stop != NULL;
}

void
bb_reaper_shutdown (BbReaper *self)
{
  g_return_if_fail (BB_IS_REAPER (self));

  self->running = FALSE;
  bb_timer_stop (&self->interval);
  bb_timer_stop (&self->grace);
  g_hash_table_remove_all (self->scopes);
  g_hash_table_remove_all (self->marks);
}
