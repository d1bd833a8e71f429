/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-sqlite-store.h"

#include "bb-sqlite-database-private.h"
#include "bb-sqlite-store-private.h"

/* How many batches may share a commit: those that came first shall not wait for those that came much later. */
#define MAX_GROUP 1000

struct _BbSqliteStore
{
  GObject parent_instance;

  BbSqliteDatabase *database; /* the thread's, while it runs */
  char *id;
  gboolean is_new;
  GThread *thread;            /* NULL when closed */
  GAsyncQueue *jobs;          /* of Job (owned) */
  BbSqliteStoreHook hook;
  gpointer hook_data;
};

typedef enum
{
  JOB_COMMIT,
  JOB_SELECT,
  JOB_END, /* the thread's last */
} JobKind;

/* Made and freed in the thread of the caller: a task must not lose its last reference, and with it perhaps the
 * store its last one, in the store's own thread. */
typedef struct
{
  JobKind kind;
  GTask *task; /* owned */
  BbStoreBatch *batch;
  const BbTable *table;
  GVariant *where; /* (nullable) */
  char *order_by;  /* (nullable) */
  gint64 limit;

  GPtrArray *rows;
  GError *error;
} Job;

static void bb_sqlite_store_iface_init (BbStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbSqliteStore, bb_sqlite_store, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_STORE, bb_sqlite_store_iface_init))

static void
job_free (gpointer data)
{
  Job *job = data;

  g_clear_object (&job->task);
  g_clear_pointer (&job->batch, bb_store_batch_free);
  g_clear_pointer (&job->where, g_variant_unref);
  g_clear_pointer (&job->rows, g_ptr_array_unref);
  g_clear_error (&job->error);
  g_free (job->order_by);
  g_free (job);
}

/* In the caller's context: the callbacks of jobs that have been done, in their order. */
static gboolean
jobs_done_cb (gpointer user_data)
{
  GPtrArray *done = user_data;

  for (guint i = 0; i < done->len; i++)
    {
      Job *job = done->pdata[i];

      if (job->error != NULL)
        g_task_return_error (job->task, g_steal_pointer (&job->error));
      else if (job->kind == JOB_SELECT)
        g_task_return_pointer (job->task, g_steal_pointer (&job->rows), (GDestroyNotify) g_ptr_array_unref);
      else
        g_task_return_boolean (job->task, TRUE);
    }
  return G_SOURCE_REMOVE;
}

/* @done: (transfer full): jobs of one context */
static void
hand_back (GPtrArray *done)
{
  Job *first = done->pdata[0];
  GMainContext *context = g_task_get_context (first->task);
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, jobs_done_cb, done, (GDestroyNotify) g_ptr_array_unref);
  g_source_attach (source, context);
}

static void
hand_back_all (GPtrArray *jobs)
{
  guint start = 0;

  while (start < jobs->len)
    {
      GPtrArray *done = g_ptr_array_new_with_free_func (job_free);
      GMainContext *context = g_task_get_context (((Job *) jobs->pdata[start])->task);

      while (start < jobs->len && g_task_get_context (((Job *) jobs->pdata[start])->task) == context)
        g_ptr_array_add (done, jobs->pdata[start++]);
      hand_back (done);
    }
}

static void
call_hook (BbSqliteStore *self, BbSqliteStorePoint point)
{
  if (self->hook != NULL)
    self->hook (point, self->hook_data);
}

static gboolean
write_all (BbSqliteStore *self, GPtrArray *group, GError **error)
{
  if (!bb_sqlite_database_begin (self->database, error))
    return FALSE;
  for (guint i = 0; i < group->len; i++)
    {
      Job *job = group->pdata[i];
      g_autoptr (GError) reason = NULL;

      if (bb_sqlite_database_write (self->database, job->batch, &reason))
        continue;
      if (!bb_sqlite_database_in_transaction (self->database))
        {
          g_propagate_error (error, g_steal_pointer (&reason));
          return FALSE;
        }
      job->error = g_steal_pointer (&reason);
    }
  call_hook (self, BB_SQLITE_STORE_BEFORE_COMMIT);
  return bb_sqlite_database_commit (self->database, error);
}

/* One transaction for all: when it fails it has failed for each of them. */
static void
commit_group (BbSqliteStore *self, GPtrArray *group)
{
  g_autoptr (GError) error = NULL;

  if (group->len == 0)
    return;
  if (!write_all (self, group, &error))
    for (guint i = 0; i < group->len; i++)
      {
        Job *job = group->pdata[i];

        if (job->error == NULL)
          job->error = g_error_copy (error);
      }
  else
    call_hook (self, BB_SQLITE_STORE_AFTER_COMMIT);
  hand_back_all (group);
  g_ptr_array_set_size (group, 0);
}

/* @job: (transfer full): it belongs to its caller's thread again as soon as it was handed back */
static void
run_select (BbSqliteStore *self, Job *job)
{
  GPtrArray *done = g_ptr_array_new_with_free_func (job_free);

  job->rows = bb_sqlite_database_select (self->database, job->table, job->where, job->order_by, job->limit,
                                         &job->error);
  g_ptr_array_add (done, job);
  hand_back (done);
}

static gpointer
run_jobs (gpointer user_data)
{
  BbSqliteStore *self = user_data;
  g_autoptr (GPtrArray) group = g_ptr_array_new (); /* of Job: the writes that wait */
  gboolean ended = FALSE;

  while (!ended)
    {
      Job *job = group->len == 0 ? g_async_queue_pop (self->jobs) : g_async_queue_try_pop (self->jobs);

      if (job != NULL && job->kind == JOB_COMMIT)
        {
          g_ptr_array_add (group, job);
          if (group->len < MAX_GROUP)
            continue;
          job = NULL;
        }
      commit_group (self, group);
      if (job == NULL)
        continue;
      ended = job->kind == JOB_END;
      if (ended)
        job_free (job);
      else
        run_select (self, job);
    }
  return NULL;
}

/* @job: (transfer full) */
static void
hand_over (BbSqliteStore *self, Job *job)
{
  if (self->thread != NULL)
    {
      g_async_queue_push (self->jobs, job);
      return;
    }
  g_task_return_new_error (job->task, BB_ERROR, BB_ERROR_STORE, "the store has been closed");
  job_free (job);
}

static void
bb_sqlite_store_commit_async (BbStore *store, BbStoreBatch *batch, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  BbSqliteStore *self = BB_SQLITE_STORE (store);
  Job *job = g_new0 (Job, 1);

  job->kind = JOB_COMMIT;
  job->batch = batch;
  job->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (job->task, bb_sqlite_store_commit_async);
  /* It is written all the same. */
  g_task_set_check_cancellable (job->task, FALSE);
  hand_over (self, job);
}

static gboolean
bb_sqlite_store_commit_finish (BbStore *store, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
bb_sqlite_store_select_async (BbStore *store, const BbTable *table, GVariant *where, const char *order_by, gint64 limit,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbSqliteStore *self = BB_SQLITE_STORE (store);
  Job *job = g_new0 (Job, 1);

  job->kind = JOB_SELECT;
  job->table = table;
  job->where = where != NULL ? g_variant_ref (where) : NULL;
  job->order_by = g_strdup (order_by);
  job->limit = limit;
  job->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (job->task, bb_sqlite_store_select_async);
  hand_over (self, job);
}

static GPtrArray *
bb_sqlite_store_select_finish (BbStore *store, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
bb_sqlite_store_iface_init (BbStoreInterface *iface)
{
  iface->commit_async = bb_sqlite_store_commit_async;
  iface->commit_finish = bb_sqlite_store_commit_finish;
  iface->select_async = bb_sqlite_store_select_async;
  iface->select_finish = bb_sqlite_store_select_finish;
}

static void
bb_sqlite_store_finalize (GObject *object)
{
  BbSqliteStore *self = BB_SQLITE_STORE (object);

  bb_sqlite_store_close (self);
  g_async_queue_unref (self->jobs);
  g_free (self->id);

  G_OBJECT_CLASS (bb_sqlite_store_parent_class)->finalize (object);
}

static void
bb_sqlite_store_class_init (BbSqliteStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_sqlite_store_finalize;
}

static void
bb_sqlite_store_init (BbSqliteStore *self)
{
  self->jobs = g_async_queue_new ();
}

BbSqliteStore *
bb_sqlite_store_open (const char *directory, GError **error)
{
  g_autoptr (BbSqliteStore) self = g_object_new (BB_TYPE_SQLITE_STORE, NULL);

  g_return_val_if_fail (directory != NULL, NULL);

  self->database = bb_sqlite_database_open (directory, error);
  if (self->database == NULL)
    return NULL;
  self->id = g_strdup (bb_sqlite_database_get_id (self->database));
  self->is_new = bb_sqlite_database_is_new (self->database);
  self->thread = g_thread_try_new ("store", run_jobs, self, error);
  if (self->thread == NULL)
    return NULL;
  return g_steal_pointer (&self);
}

char *
bb_sqlite_store_set_aside (const char *directory, GError **error)
{
  g_return_val_if_fail (directory != NULL, NULL);

  return bb_sqlite_database_set_aside (directory, error);
}

GPtrArray *
bb_sqlite_store_peek (const char *directory, const BbTable *table, GVariant *where, const char *order_by,
                      GError **error)
{
  g_autoptr (GVariant) condition = g_variant_ref_sink (where);
  g_autofree char *path = g_build_filename (directory, "bbhost.db", NULL);
  g_autoptr (BbSqliteDatabase) database = NULL;

  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return g_ptr_array_new ();
  database = bb_sqlite_database_open_to_read (directory, error);
  return database != NULL ? bb_sqlite_database_select (database, table, condition, order_by, -1, error) : NULL;
}

const char *
bb_sqlite_store_get_id (BbSqliteStore *self)
{
  g_return_val_if_fail (BB_IS_SQLITE_STORE (self), NULL);

  return self->id;
}

gboolean
bb_sqlite_store_is_new (BbSqliteStore *self)
{
  g_return_val_if_fail (BB_IS_SQLITE_STORE (self), FALSE);

  return self->is_new;
}

void
bb_sqlite_store_set_hook (BbSqliteStore *self, BbSqliteStoreHook hook, gpointer user_data)
{
  g_return_if_fail (BB_IS_SQLITE_STORE (self));

  self->hook = hook;
  self->hook_data = user_data;
}

void
bb_sqlite_store_close (BbSqliteStore *self)
{
  g_return_if_fail (BB_IS_SQLITE_STORE (self));

  if (self->thread != NULL)
    {
      Job *job = g_new0 (Job, 1);

      job->kind = JOB_END;
      g_async_queue_push (self->jobs, job);
      g_thread_join (g_steal_pointer (&self->thread));
    }
  g_clear_pointer (&self->database, bb_sqlite_database_free);
}
