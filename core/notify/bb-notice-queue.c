/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-notice-queue.h"

#include "bb-backoff.h"
#include "bb-log.h"

/* Entries; when there are more, the oldest is given up. */
#define MAX_ENTRIES 10000
#define MAX_UNDER_WAY 4
#define FIRST_PAUSE_S 60
#define LONGEST_PAUSE_S 3600
/* After this an entry is given up: what was to be said is old by then. */
#define GIVE_UP_US (G_GINT64_CONSTANT (3) * 24 * 3600 * G_USEC_PER_SEC)
/* Of one attempt, whatever limits the notifier has of its own. */
#define ATTEMPT_US (300 * G_USEC_PER_SEC)

typedef struct
{
  BbNoticeQueue *queue;
  gint64 number;
  char *notifier; /* the name; of a notice that any notifier may carry, the one whose turn it is */
  gboolean any;   /* another notifier may carry it when this one refuses for good */
  BbNotice *notice;
  gint64 created_at_us; /* wall */
  BbBackoff backoff;
  BbTimer timer; /* the pause, or the time limit of an attempt */
  GCancellable *cancellable; /* of the attempt that is under way */
  GList link;                /* in ready */
  gboolean is_ready;
  gboolean is_loaded; /* from the store; to be tried when there are notifiers */
} Entry;

typedef struct
{
  char *name;
  BbNotifier *notifier;
} Named;

struct _BbNoticeQueue
{
  GObject parent_instance;

  BbStore *store;
  BbLoop *loop;
  BbConfig *config;      /* whose structs the notifiers hold */
  GPtrArray *notifiers;  /* of Named, in the configuration's order */
  gpointer default_config; /* of the notifier that stands for none */
  const BbPluginProvides *default_provides;
  GHashTable *entries; /* number → Entry, owned */
  GQueue ready;        /* to be attempted when a place is free */
  guint n_under_way;
  gint64 last_number;
  gboolean stopped;
};

G_DEFINE_FINAL_TYPE (BbNoticeQueue, bb_notice_queue, G_TYPE_OBJECT)

static void
entry_free (gpointer data)
{
  Entry *entry = data;

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
named_free (gpointer data)
{
  Named *named = data;

  g_free (named->name);
  g_object_unref (named->notifier);
  g_free (named);
}

static void
drop_notifiers (BbNoticeQueue *self)
{
  g_ptr_array_set_size (self->notifiers, 0);
  if (self->default_config != NULL)
    bb_option_struct_free (self->default_provides->options, g_steal_pointer (&self->default_config));
}

static void
bb_notice_queue_dispose (GObject *object)
{
  BbNoticeQueue *self = BB_NOTICE_QUEUE (object);

  bb_notice_queue_shutdown (self);
  g_hash_table_remove_all (self->entries);
  drop_notifiers (self);
  g_clear_object (&self->config);
  g_clear_object (&self->store);
  g_clear_object (&self->loop);
  G_OBJECT_CLASS (bb_notice_queue_parent_class)->dispose (object);
}

static void
bb_notice_queue_finalize (GObject *object)
{
  BbNoticeQueue *self = BB_NOTICE_QUEUE (object);

  g_hash_table_unref (self->entries);
  g_ptr_array_unref (self->notifiers);
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
  self->notifiers = g_ptr_array_new_with_free_func (named_free);
  self->entries = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, entry_free);
  g_queue_init (&self->ready);
}

BbNoticeQueue *
bb_notice_queue_new (BbStore *store, BbLoop *loop)
{
  BbNoticeQueue *self = g_object_new (BB_TYPE_NOTICE_QUEUE, NULL);

  self->store = g_object_ref (store);
  self->loop = g_object_ref (loop);
  return self;
}

static BbNotifier *
find_notifier (BbNoticeQueue *self, const char *name, guint *index)
{
  for (guint i = 0; i < self->notifiers->len; i++)
    {
      Named *named = g_ptr_array_index (self->notifiers, i);

      if (g_str_equal (named->name, name))
        {
          if (index != NULL)
            *index = i;
          return named->notifier;
        }
    }
  return NULL;
}

static GVariant *
entry_to_row (Entry *entry)
{
  GVariantDict row;

  g_variant_dict_init (&row, NULL);
  g_variant_dict_insert (&row, "number", "x", entry->number);
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

/* The next notifier that may carry what this one refused for good. */
static gboolean
pass_on (Entry *entry)
{
  BbNoticeQueue *self = entry->queue;
  guint index = 0;

  if (!entry->any || find_notifier (self, entry->notifier, &index) == NULL)
    return FALSE;
  for (guint i = index + 1; i < self->notifiers->len; i++)
    {
      Named *named = g_ptr_array_index (self->notifiers, i);

      if (!bb_notifier_wants (named->notifier, entry->notice))
        continue;
      g_free (entry->notifier);
      entry->notifier = g_strdup (named->name);
      bb_store_put_async (self->store, &bb_table_notices, entry_to_row (entry), NULL, NULL, NULL);
      return TRUE;
    }
  return FALSE;
}

static void
attempt_failed (Entry *entry, const GError *error)
{
  BbNoticeQueue *self = entry->queue;
  gint64 pause_us;

  if (g_error_matches (error, BB_ERROR, BB_ERROR_PERMANENT) && pass_on (entry))
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "\"%s\" could not be sent and goes to notifier %s: %s",
                   bb_notice_get_summary (entry->notice), entry->notifier, error->message);
      make_ready (entry);
      return;
    }
  if (g_error_matches (error, BB_ERROR, BB_ERROR_PERMANENT)
      || bb_loop_wall_us (self->loop) - entry->created_at_us > GIVE_UP_US)
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "notifier %s: \"%s\" is given up: %s", entry->notifier,
                   bb_notice_get_summary (entry->notice), error->message);
      remove_entry (entry);
      return;
    }
  pause_us = bb_backoff_fail (&entry->backoff);
  bb_log_host (bb_backoff_get_failures (&entry->backoff) == 1 ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_INFO,
               "notifier %s: \"%s\" was not sent, next attempt in %d s: %s", entry->notifier,
               bb_notice_get_summary (entry->notice), (int) (pause_us / G_USEC_PER_SEC), error->message);
  bb_timer_start_in (&entry->timer, pause_us);
}

typedef struct
{
  BbNoticeQueue *queue; /* owned */
  gint64 number;
} Attempt;

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
  g_free (attempt);
  g_object_unref (self);
}

static void
start_attempt (Entry *entry)
{
  BbNoticeQueue *self = entry->queue;
  BbNotifier *notifier = find_notifier (self, entry->notifier, NULL);
  Attempt *attempt;

  if (notifier == NULL)
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "notifier %s is not configured any more: \"%s\" is given up", entry->notifier,
                   bb_notice_get_summary (entry->notice));
      remove_entry (entry);
      return;
    }
  attempt = g_new0 (Attempt, 1);
  attempt->queue = g_object_ref (self);
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

static void
entry_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Attempt *attempt = user_data;
  Entry *entry = g_hash_table_lookup (attempt->queue->entries, &attempt->number);
  g_autoptr (GError) error = NULL;

  /* A full disk is no reason not to say so. */
  if (!bb_store_commit_finish (BB_STORE (source), result, &error))
    bb_log_host (G_LOG_LEVEL_WARNING, "a notice could not be stored and would be lost by a restart: %s",
                 error->message);
  if (entry != NULL && !attempt->queue->stopped)
    make_ready (entry);
  g_object_unref (attempt->queue);
  g_free (attempt);
}

static void
enqueue (BbNoticeQueue *self, const char *notifier, gboolean any, BbNotice *notice)
{
  Entry *entry;
  Attempt *attempt = g_new0 (Attempt, 1);

  if (g_hash_table_size (self->entries) >= MAX_ENTRIES)
    give_up_oldest (self);
  entry = add_entry (self, self->last_number + 1, notifier, any, notice, bb_loop_wall_us (self->loop));
  attempt->queue = g_object_ref (self);
  attempt->number = entry->number;
  bb_store_put_async (self->store, &bb_table_notices, entry_to_row (entry), NULL, entry_written_cb, attempt);
}

void
bb_notice_queue_submit (BbNoticeQueue *self, BbNotice *notice)
{
  gboolean is_build = bb_notice_get_kind (notice) == BB_NOTICE_BUILD_FINISHED;

  /* The notifier that stands for none reports missing slaves only. */
  if (self->stopped || (is_build && self->default_config != NULL))
    return;
  for (guint i = 0; i < self->notifiers->len; i++)
    {
      Named *named = g_ptr_array_index (self->notifiers, i);

      if (!bb_notifier_wants (named->notifier, notice))
        continue;
      enqueue (self, named->name, !is_build, notice);
      if (!is_build)
        return;
    }
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
  const char *notifier, *summary;
  gint64 number, kind, created_at_us;
  gboolean any = FALSE;
  g_autoptr (BbNotice) notice = NULL;

  if (details == NULL || !g_variant_lookup (row, "number", "x", &number)
      || !g_variant_lookup (row, "notifier", "&s", &notifier) || !g_variant_lookup (row, "summary", "&s", &summary)
      || !g_variant_lookup (row, "kind", "x", &kind) || !g_variant_lookup (row, "created_at", "x", &created_at_us)
      || !g_variant_lookup (row, "recipients", "^a&s", &recipients))
    return;
  g_variant_lookup (row, "any", "b", &any);
  notice = bb_notice_new ((BbNoticeKind) kind, recipients, summary, details);
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

static void
add_notifier (BbNoticeQueue *self, const char *name, const BbPluginProvides *provides, gpointer plugin_config,
              const char *host_name)
{
  Named *named = g_new0 (Named, 1);

  named->name = g_strdup (name);
  named->notifier = g_object_new (provides->get_type (), "name", name, "config", plugin_config, "host-name",
                                  host_name, NULL);
  g_ptr_array_add (self->notifiers, named);
}

/* Buildbot reports missing slaves also when no notifier is configured: from `buildbot`, through localhost:25. */
static void
add_default_notifier (BbNoticeQueue *self, BbPluginRegistry *plugins, const char *host_name)
{
  g_autoptr (GError) error = NULL;
  const BbPluginProvides *provides = bb_plugin_registry_lookup (plugins, "smtp", &error);

  if (provides == NULL)
    {
      bb_log_host (G_LOG_LEVEL_INFO, "no mail about missing slaves: %s", error->message);
      return;
    }
  self->default_provides = provides;
  self->default_config = bb_option_struct_new_default (provides->options);
  add_notifier (self, "default", provides, self->default_config, host_name);
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
  GPtrArray *configs = bb_config_get_notifiers (config);
  const char *host_name = bb_config_get_host (config)->name;

  drop_notifiers (self);
  g_set_object (&self->config, config);
  for (guint i = 0; i < configs->len; i++)
    {
      const BbNotifierConfig *notifier = g_ptr_array_index (configs, i);

      add_notifier (self, notifier->name, notifier->provides, notifier->plugin_config, host_name);
    }
  if (configs->len == 0)
    add_default_notifier (self, plugins, host_name);
  try_idle_entries (self);
}

void
bb_notice_queue_set_notifier (BbNoticeQueue *self, const char *name, const BbPluginProvides *provides)
{
  drop_notifiers (self);
  add_notifier (self, name, provides, NULL, name);
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
  BbNotifier *notifier = find_notifier (self, notifier_name, NULL);

  g_task_set_source_tag (task, bb_notice_queue_test_async);
  if (notifier == NULL)
    {
      g_autoptr (GString) known = g_string_new (NULL);

      for (guint i = 0; i < self->notifiers->len; i++)
        g_string_append_printf (known, "%s\"%s\"", i > 0 ? ", " : "",
                                ((Named *) g_ptr_array_index (self->notifiers, i))->name);
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "there is no notifier \"%s\"; there is %s",
                               notifier_name, known->len > 0 ? known->str : "none");
      return;
    }
  bb_notifier_notify_async (notifier, notice, cancellable, tested_cb, g_steal_pointer (&task));
}

gboolean
bb_notice_queue_test_finish (BbNoticeQueue *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_notice_queue_shutdown (BbNoticeQueue *self)
{
  GHashTableIter iter;
  Entry *entry;

  self->stopped = TRUE;
  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &entry))
    {
      bb_timer_stop (&entry->timer);
      if (entry->cancellable != NULL)
        g_cancellable_cancel (entry->cancellable);
    }
}
