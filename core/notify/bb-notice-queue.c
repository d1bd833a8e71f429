/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-notice-queue.h"

#include "bb-backoff.h"
#include "bb-log.h"
#include "bb-notifier-set.h"

/* Entries; when there are more, the oldest is given up. */
#define MAX_ENTRIES 10000
#define MAX_UNDER_WAY 4
#define FIRST_PAUSE_S 60
#define LONGEST_PAUSE_S 3600
/* After this an entry is given up: what was to be said is old by then. */
#define GIVE_UP_US (G_GINT64_CONSTANT (3) * 24 * 3600 * G_USEC_PER_SEC)
/* Of one attempt, whatever limits the notifier has of its own. */
#define ATTEMPT_US (15 * 60 * G_USEC_PER_SEC)
/* Of a stop: how long attempts may go on, and how long they may take to give up after that. */
#define LAST_ATTEMPTS_US (10 * G_USEC_PER_SEC)
#define LAST_CALLS_US (5 * G_USEC_PER_SEC)

typedef struct
{
  BbNoticeQueue *queue;
  gint64 number;
  char *notifier;    /* the name; of a notice that any notifier may carry, the one whose turn it is */
  gboolean any;      /* another notifier may carry it when this one can't */
  gboolean has_hope; /* one of this round's notifiers may be able to carry it later */
  BbNotice *notice;
  gint64 created_at_us; /* wall */
  BbBackoff backoff;
  BbTimer timer; /* the pause, or the time limit of an attempt */
  GCancellable *cancellable; /* of the attempt that is under way */
  GList link;                /* in ready */
  gboolean is_ready;
  gboolean is_loaded; /* from the store; to be tried when there are notifiers */
} Entry;

struct _BbNoticeQueue
{
  GObject parent_instance;

  BbStore *store;
  BbLoop *loop;
  BbNotifierSet *notifiers; /* NULL before the first apply */
  GHashTable *entries; /* number → Entry, owned */
  GHashTable *by_key;  /* id and notifier (owned) → Entry */
  GQueue ready;        /* to be attempted when a place is free */
  guint n_under_way;
  gint64 last_number;
  gboolean stopped;
  GTask *stopping; /* (nullable) */
  BbTimer stop_timer;
  gboolean cancelled; /* the time of the last attempts is over */
};

G_DEFINE_FINAL_TYPE (BbNoticeQueue, bb_notice_queue, G_TYPE_OBJECT)

/* What is one notice for one notifier, or for any. */
static char *
make_key (BbNotice *notice, const char *notifier, gboolean any)
{
  return g_strconcat (bb_notice_get_id (notice), "\n", any ? "" : notifier, NULL);
}

static void
entry_free (gpointer data)
{
  Entry *entry = data;
  g_autofree char *key = make_key (entry->notice, entry->notifier, entry->any);

  g_hash_table_remove (entry->queue->by_key, key);
  bb_timer_stop (&entry->timer);
  if (entry->is_ready)
    g_queue_unlink (&entry->queue->ready, &entry->link);
  g_cancellable_cancel (entry->cancellable);
  g_clear_object (&entry->cancellable);
  g_clear_object (&entry->notice);
  g_free (entry->notifier);
  g_free (entry);
}

static void
bb_notice_queue_dispose (GObject *object)
{
  BbNoticeQueue *self = BB_NOTICE_QUEUE (object);

  self->stopped = TRUE;
  bb_timer_stop (&self->stop_timer);
  g_hash_table_remove_all (self->entries);
  g_clear_pointer (&self->notifiers, bb_notifier_set_unref);
  g_clear_object (&self->store);
  g_clear_object (&self->loop);
  G_OBJECT_CLASS (bb_notice_queue_parent_class)->dispose (object);
}

static void
bb_notice_queue_finalize (GObject *object)
{
  BbNoticeQueue *self = BB_NOTICE_QUEUE (object);

  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->by_key);
  G_OBJECT_CLASS (bb_notice_queue_parent_class)->finalize (object);
}

static void
bb_notice_queue_class_init (BbNoticeQueueClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = bb_notice_queue_dispose;
  object_class->finalize = bb_notice_queue_finalize;
}

static void
bb_notice_queue_init (BbNoticeQueue *self)
{
  self->entries = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, entry_free);
  self->by_key = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_queue_init (&self->ready);
}

static void stop_time_over_cb (BbTimer *timer, gpointer user_data);

BbNoticeQueue *
bb_notice_queue_new (BbStore *store, BbLoop *loop)
{
  BbNoticeQueue *self = g_object_new (BB_TYPE_NOTICE_QUEUE, NULL);

  self->store = g_object_ref (store);
  self->loop = g_object_ref (loop);
  bb_timer_init (&self->stop_timer, loop, stop_time_over_cb, self);
  return self;
}

static GVariant *
entry_to_row (Entry *entry)
{
  GVariantDict row;

  g_variant_dict_init (&row, NULL);
  g_variant_dict_insert (&row, "number", "x", entry->number);
  g_variant_dict_insert (&row, "id", "s", bb_notice_get_id (entry->notice));
  g_variant_dict_insert (&row, "notifier", "s", entry->notifier);
  g_variant_dict_insert (&row, "any", "b", entry->any);
  g_variant_dict_insert (&row, "kind", "x", (gint64) bb_notice_get_kind (entry->notice));
  g_variant_dict_insert_value (&row, "recipients",
                               g_variant_new_strv (bb_notice_get_recipients (entry->notice), -1));
  g_variant_dict_insert (&row, "summary", "s", bb_notice_get_summary (entry->notice));
  g_variant_dict_insert_value (&row, "details", bb_notice_get_details (entry->notice));
  g_variant_dict_insert (&row, "created_at", "x", entry->created_at_us);
  return g_variant_dict_end (&row);
}

static void
remove_entry (Entry *entry)
{
  BbNoticeQueue *self = entry->queue;
  g_autoptr (BbStoreBatch) batch = bb_store_batch_new ();
  GVariantDict key;

  g_variant_dict_init (&key, NULL);
  g_variant_dict_insert (&key, "number", "x", entry->number);
  bb_store_batch_remove (batch, &bb_table_notices, g_variant_dict_end (&key));
  bb_store_commit_async (self->store, g_steal_pointer (&batch), NULL, NULL, NULL);
  g_hash_table_remove (self->entries, &entry->number);
}

static void
give_up (Entry *entry, const char *why)
{
  bb_log_host (G_LOG_LEVEL_WARNING, "notifier %s: \"%s\" is given up: %s", entry->notifier,
               bb_notice_get_summary (entry->notice), why);
  remove_entry (entry);
}

static void start_ready (BbNoticeQueue *self);

static void
make_ready (Entry *entry)
{
  entry->is_ready = TRUE;
  g_queue_push_tail_link (&entry->queue->ready, &entry->link);
  start_ready (entry->queue);
}

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  Entry *entry = user_data;

  if (entry->cancellable != NULL)
    g_cancellable_cancel (entry->cancellable);
  else
    make_ready (entry);
}

static gboolean
use_notifier (Entry *entry, const char *name)
{
  char *copy = g_strdup (name);

  if (copy == NULL)
    return FALSE;
  g_free (entry->notifier);
  entry->notifier = copy;
  return TRUE;
}

/* It was certainly not sent, so that the next one that wants it may try at once. */
static gboolean
pass_on (Entry *entry, const GError *error)
{
  if (!entry->any || !use_notifier (entry, bb_notifier_set_next (entry->queue->notifiers, entry->notice, entry->notifier)))
    return FALSE;
  bb_log_host (G_LOG_LEVEL_WARNING, "\"%s\" could not be sent and goes to notifier %s: %s",
               bb_notice_get_summary (entry->notice), entry->notifier, error->message);
  make_ready (entry);
  return TRUE;
}

static void
try_later (Entry *entry, const GError *error)
{
  gint64 pause_us = bb_backoff_fail (&entry->backoff);

  bb_log_host (bb_backoff_get_failures (&entry->backoff) == 1 ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO,
               "notifier %s: \"%s\" was not sent, next attempt in %d s: %s", entry->notifier,
               bb_notice_get_summary (entry->notice), (int) (pause_us / G_USEC_PER_SEC), error->message);
  entry->has_hope = FALSE;
  bb_timer_start_in (&entry->timer, pause_us);
}

static void
attempt_failed (Entry *entry, const GError *error)
{
  gboolean may_have_been_sent
    = g_error_matches (error, BB_ERROR, BB_ERROR_LOST) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  if (!g_error_matches (error, BB_ERROR, BB_ERROR_PERMANENT))
    entry->has_hope = TRUE;
  if (!may_have_been_sent && pass_on (entry, error))
    return;
  if (!entry->has_hope || bb_loop_wall_us (entry->queue->loop) - entry->created_at_us > GIVE_UP_US)
    {
      give_up (entry, error->message);
      return;
    }
  /* The next round begins with the first of them. */
  if (entry->any && !may_have_been_sent)
    use_notifier (entry, bb_notifier_set_next (entry->queue->notifiers, entry->notice, NULL));
  try_later (entry, error);
}

typedef struct
{
  BbNoticeQueue *queue;     /* owned */
  BbNotifierSet *notifiers; /* owned: a reload must not take away what the attempt uses */
  gint64 number;
} Attempt;

static void
attempt_free (Attempt *attempt)
{
  bb_notifier_set_unref (attempt->notifiers);
  g_object_unref (attempt->queue);
  g_free (attempt);
}

static void return_when_stopped (BbNoticeQueue *self);

static void
attempted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Attempt *attempt = user_data;
  BbNoticeQueue *self = attempt->queue;
  Entry *entry = g_hash_table_lookup (self->entries, &attempt->number);
  g_autoptr (GError) error = NULL;
  gboolean sent = bb_notifier_notify_finish (BB_NOTIFIER (source), result, &error);

  self->n_under_way--;
  if (entry != NULL)
    {
      bb_timer_stop (&entry->timer);
      g_clear_object (&entry->cancellable);
      if (sent)
        {
          bb_log_host (G_LOG_LEVEL_MESSAGE, "notifier %s: sent \"%s\"", entry->notifier,
                       bb_notice_get_summary (entry->notice));
          remove_entry (entry);
        }
      else if (!self->stopped)
        attempt_failed (entry, error);
    }
  start_ready (self);
  return_when_stopped (self);
  attempt_free (attempt);
}

static void
start_attempt (Entry *entry)
{
  BbNoticeQueue *self = entry->queue;
  BbNotifier *notifier = bb_notifier_set_find (self->notifiers, entry->notifier);
  Attempt *attempt;

  /* A reload took it away. */
  if (notifier == NULL && entry->any
      && use_notifier (entry, bb_notifier_set_next (self->notifiers, entry->notice, NULL)))
    notifier = bb_notifier_set_find (self->notifiers, entry->notifier);
  if (notifier == NULL)
    {
      give_up (entry, "there is no such notifier any more");
      return;
    }
  attempt = g_new0 (Attempt, 1);
  attempt->queue = g_object_ref (self);
  attempt->notifiers = bb_notifier_set_ref (self->notifiers);
  attempt->number = entry->number;
  entry->cancellable = g_cancellable_new ();
  bb_timer_start_in (&entry->timer, ATTEMPT_US);
  self->n_under_way++;
  bb_notifier_notify_async (notifier, entry->notice, entry->cancellable, attempted_cb, attempt);
}

static void
start_ready (BbNoticeQueue *self)
{
  while (!self->stopped && self->n_under_way < MAX_UNDER_WAY && !g_queue_is_empty (&self->ready))
    {
      Entry *entry = g_queue_peek_head (&self->ready);

      g_queue_unlink (&self->ready, &entry->link);
      entry->is_ready = FALSE;
      start_attempt (entry);
    }
}

static Entry *
add_entry (BbNoticeQueue *self, gint64 number, const char *notifier, gboolean any, BbNotice *notice,
           gint64 created_at_us)
{
  Entry *entry = g_new0 (Entry, 1);

  entry->queue = self;
  entry->number = number;
  entry->notifier = g_strdup (notifier);
  entry->any = any;
  entry->notice = g_object_ref (notice);
  entry->created_at_us = created_at_us;
  entry->link.data = entry;
  bb_backoff_init (&entry->backoff, FIRST_PAUSE_S, LONGEST_PAUSE_S);
  bb_timer_init (&entry->timer, self->loop, timer_cb, entry);
  g_hash_table_insert (self->entries, &entry->number, entry);
  g_hash_table_insert (self->by_key, make_key (notice, notifier, any), entry);
  self->last_number = MAX (self->last_number, number);
  return entry;
}

static void
give_up_oldest (BbNoticeQueue *self)
{
  GHashTableIter iter;
  Entry *entry, *oldest = NULL;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->cancellable == NULL && (oldest == NULL || entry->number < oldest->number))
      oldest = entry;
  if (oldest == NULL)
    return;
  bb_log_host (G_LOG_LEVEL_WARNING, "more than %d notices wait to be sent: \"%s\" is given up", MAX_ENTRIES,
               bb_notice_get_summary (oldest->notice));
  remove_entry (oldest);
}

/* One notice, on its way to the disk. */
typedef struct
{
  BbNoticeQueue *queue; /* owned */
  BbStoreBatch *batch;  /* until it is handed over */
  GArray *numbers;      /* of gint64: its entries */
} Submission;

static void
submission_free (Submission *submission)
{
  g_clear_pointer (&submission->batch, bb_store_batch_free);
  g_array_unref (submission->numbers);
  g_object_unref (submission->queue);
  g_free (submission);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Submission *submission = user_data;
  BbNoticeQueue *self = submission->queue;
  g_autoptr (GError) error = NULL;

  /* A full disk is no reason not to say so. */
  if (!bb_store_commit_finish (BB_STORE (source), result, &error))
    bb_log_host (G_LOG_LEVEL_WARNING, "a notice could not be stored and would be lost by a restart: %s",
                 error->message);
  for (guint i = 0; i < submission->numbers->len && !self->stopped; i++)
    {
      Entry *entry = g_hash_table_lookup (self->entries, &g_array_index (submission->numbers, gint64, i));

      if (entry != NULL)
        make_ready (entry);
    }
  submission_free (submission);
}

static void
enqueue (Submission *submission, const char *notifier, gboolean any, BbNotice *notice)
{
  BbNoticeQueue *self = submission->queue;
  g_autofree char *key = make_key (notice, notifier, any);
  Entry *entry;

  if (g_hash_table_contains (self->by_key, key))
    return;
  if (g_hash_table_size (self->entries) >= MAX_ENTRIES)
    give_up_oldest (self);
  entry = add_entry (self, self->last_number + 1, notifier, any, notice, bb_loop_wall_us (self->loop));
  g_array_append_val (submission->numbers, entry->number);
  bb_store_batch_put (submission->batch, &bb_table_notices, entry_to_row (entry));
}

void
bb_notice_queue_submit (BbNoticeQueue *self, BbNotice *notice, BbStoreBatch *with)
{
  gboolean is_build = bb_notice_get_kind (notice) == BB_NOTICE_BUILD_FINISHED;
  Submission *submission = g_new0 (Submission, 1);
  const char *name = NULL;

  submission->queue = g_object_ref (self);
  submission->batch = with != NULL ? with : bb_store_batch_new ();
  submission->numbers = g_array_new (FALSE, FALSE, sizeof (gint64));
  while (self->notifiers != NULL && (name = bb_notifier_set_next (self->notifiers, notice, name)) != NULL)
    {
      enqueue (submission, name, !is_build, notice);
      if (!is_build)
        break;
    }
  if (submission->numbers->len > 0 || with != NULL)
    bb_store_commit_async (self->store, g_steal_pointer (&submission->batch), NULL, written_cb, submission);
  else
    submission_free (submission);
}

guint
bb_notice_queue_count (BbNoticeQueue *self)
{
  return g_hash_table_size (self->entries);
}

static void
load_row (BbNoticeQueue *self, GVariant *row)
{
  g_autoptr (GVariant) details = g_variant_lookup_value (row, "details", G_VARIANT_TYPE_VARDICT);
  g_autofree const char **recipients = NULL;
  const char *id, *notifier, *summary;
  gint64 number, kind, created_at_us;
  gboolean any = FALSE;
  g_autoptr (BbNotice) notice = NULL;

  if (details == NULL || !g_variant_lookup (row, "number", "x", &number) || !g_variant_lookup (row, "id", "&s", &id)
      || !g_variant_lookup (row, "notifier", "&s", &notifier) || !g_variant_lookup (row, "summary", "&s", &summary)
      || !g_variant_lookup (row, "kind", "x", &kind) || !g_variant_lookup (row, "created_at", "x", &created_at_us)
      || !g_variant_lookup (row, "recipients", "^a&s", &recipients))
    return;
  g_variant_lookup (row, "any", "b", &any);
  notice = bb_notice_new_with_id (id, (BbNoticeKind) kind, recipients, summary, details);
  add_entry (self, number, notifier, any, notice, created_at_us)->is_loaded = TRUE;
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbNoticeQueue *self = g_task_get_source_object (task);
  g_autoptr (GPtrArray) rows = NULL;
  GError *error = NULL;

  rows = bb_store_select_finish (BB_STORE (source), result, &error);
  if (rows == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    load_row (self, g_ptr_array_index (rows, i));
  g_task_return_boolean (task, TRUE);
}

void
bb_notice_queue_load_async (BbNoticeQueue *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_notice_queue_load_async);
  bb_store_select_async (self->store, &bb_table_notices, NULL, "number", -1, cancellable, loaded_cb, task);
}

gboolean
bb_notice_queue_load_finish (BbNoticeQueue *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* Those of before the start, which nothing has tried yet. */
static void
try_idle_entries (BbNoticeQueue *self)
{
  GHashTableIter iter;
  Entry *entry;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->is_loaded)
      {
        entry->is_loaded = FALSE;
        bb_timer_start_in (&entry->timer, 0);
      }
}

void
bb_notice_queue_apply (BbNoticeQueue *self, BbConfig *config, BbPluginRegistry *plugins)
{
  g_clear_pointer (&self->notifiers, bb_notifier_set_unref);
  self->notifiers = bb_notifier_set_new (config, plugins);
  try_idle_entries (self);
}

static void
tested_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (bb_notifier_notify_finish (BB_NOTIFIER (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
bb_notice_queue_test_async (BbNoticeQueue *self, const char *notifier_name, BbNotice *notice,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  BbNotifier *notifier = bb_notifier_set_find (self->notifiers, notifier_name);

  g_task_set_source_tag (task, bb_notice_queue_test_async);
  if (notifier == NULL)
    {
      g_autofree char *known = bb_notifier_set_list_names (self->notifiers);

      g_task_return_new_error (task, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "there is no notifier \"%s\"; there is %s",
                               notifier_name, known);
      return;
    }
  g_task_set_task_data (task, bb_notifier_set_ref (self->notifiers), (GDestroyNotify) bb_notifier_set_unref);
  bb_notifier_notify_async (notifier, notice, cancellable, tested_cb, g_steal_pointer (&task));
}

gboolean
bb_notice_queue_test_finish (BbNoticeQueue *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
return_when_stopped (BbNoticeQueue *self)
{
  g_autoptr (GTask) task = NULL;

  if (self->stopping == NULL || self->n_under_way > 0)
    return;
  bb_timer_stop (&self->stop_timer);
  task = g_steal_pointer (&self->stopping);
  g_task_return_boolean (task, TRUE);
}

static void
cancel_attempts (BbNoticeQueue *self)
{
  GHashTableIter iter;
  Entry *entry;

  self->cancelled = TRUE;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->cancellable != NULL)
      g_cancellable_cancel (entry->cancellable);
}

/* First for those that go on, then for those that were cancelled. */
static void
stop_time_over_cb (BbTimer *timer, gpointer user_data)
{
  BbNoticeQueue *self = user_data;
  g_autoptr (GTask) task = NULL;

  if (!self->cancelled)
    {
      /* Which may return at once. */
      bb_timer_start_in (&self->stop_timer, LAST_CALLS_US);
      cancel_attempts (self);
      return;
    }
  task = g_steal_pointer (&self->stopping);
  g_task_return_boolean (task, TRUE);
}

void
bb_notice_queue_shutdown_async (BbNoticeQueue *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GHashTableIter iter;
  Entry *entry;

  g_return_if_fail (!self->stopped);

  self->stopped = TRUE;
  self->stopping = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (self->stopping, bb_notice_queue_shutdown_async);
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    if (entry->cancellable == NULL)
      bb_timer_stop (&entry->timer);
  bb_timer_start_in (&self->stop_timer, LAST_ATTEMPTS_US);
  return_when_stopped (self);
}

gboolean
bb_notice_queue_shutdown_finish (BbNoticeQueue *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
