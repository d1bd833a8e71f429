/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-fragile-store.h"

#include "bb-test.h"

struct _BbFragileStore
{
  GObject parent_instance;

  BbStore *inner; /* owned */
  gboolean failing;
  gboolean hanging;
  GQueue held; /* of GTask (owned) with a batch as its data */
};

static void bb_fragile_store_iface_init (BbStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbFragileStore, bb_fragile_store, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_STORE, bb_fragile_store_iface_init))

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (bb_store_commit_finish (BB_STORE (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

/* @task: (transfer full) */
static void
pass_on (BbFragileStore *self, GTask *task)
{
  BbStoreBatch *batch = g_object_steal_data (G_OBJECT (task), "batch");

  if (self->failing)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_STORE, "/state/bbhost.db: database or disk is full");
      g_object_unref (task);
      bb_store_batch_free (batch);
      return;
    }
  bb_store_commit_async (self->inner, batch, NULL, committed_cb, task);
}

static void
commit_async (BbStore *store, BbStoreBatch *batch, GCancellable *cancellable, GAsyncReadyCallback callback,
              gpointer user_data)
{
  BbFragileStore *self = BB_FRAGILE_STORE (store);
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_object_set_data_full (G_OBJECT (task), "batch", batch, (GDestroyNotify) bb_store_batch_free);
  if (self->hanging)
    g_queue_push_tail (&self->held, task);
  else
    pass_on (self, task);
}

static gboolean
commit_finish (BbStore *store, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
selected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GPtrArray *rows = bb_store_select_finish (BB_STORE (source), result, &error);

  if (rows != NULL)
    g_task_return_pointer (task, rows, (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

static void
select_async (BbStore *store, const BbTable *table, GVariant *where, const char *order_by, gint64 limit,
              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  bb_store_select_async (BB_FRAGILE_STORE (store)->inner, table, where, order_by, limit, NULL, selected_cb,
                         g_task_new (store, NULL, callback, user_data));
}

static GPtrArray *
select_finish (BbStore *store, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
bb_fragile_store_iface_init (BbStoreInterface *iface)
{
  iface->commit_async = commit_async;
  iface->commit_finish = commit_finish;
  iface->select_async = select_async;
  iface->select_finish = select_finish;
}

static void
bb_fragile_store_finalize (GObject *object)
{
  BbFragileStore *self = BB_FRAGILE_STORE (object);

  g_assert_cmpuint (self->held.length, ==, 0);
  g_clear_object (&self->inner);

  G_OBJECT_CLASS (bb_fragile_store_parent_class)->finalize (object);
}

static void
bb_fragile_store_class_init (BbFragileStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_fragile_store_finalize;
}

static void
bb_fragile_store_init (BbFragileStore *self)
{
  g_queue_init (&self->held);
}

BbFragileStore *
bb_fragile_store_new (BbStore *inner)
{
  BbFragileStore *self = g_object_new (BB_TYPE_FRAGILE_STORE, NULL);

  self->inner = g_object_ref (inner);
  return self;
}

void
bb_fragile_store_set_failing (BbFragileStore *self, gboolean failing)
{
  self->failing = failing;
}

void
bb_fragile_store_set_hanging (BbFragileStore *self, gboolean hanging)
{
  self->hanging = hanging;
  while (!hanging && self->held.length > 0)
    pass_on (self, g_queue_pop_head (&self->held));
}

void
bb_fragile_store_settle (BbFragileStore *self)
{
  /* What an answer gives rise to is handed over behind this; a few rounds reach the end of every chain. */
  for (int i = 0; i < 4; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GPtrArray) rows = NULL;

      bb_test_run_pending ();
      bb_store_select_async (self->inner, &bb_table_meta, NULL, NULL, 1, NULL, bb_test_store_result, &result);
      bb_test_run_until_result (&result);
      rows = bb_store_select_finish (self->inner, result, NULL);
    }
  bb_test_run_pending ();
}
