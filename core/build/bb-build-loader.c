/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-loader.h"

#include "bb-run-request.h"

typedef struct
{
  gint64 now_us;
  guint64 next_number;
  GPtrArray *pending; /* of BbBuild *, owned */
} Loading;

static void
loading_free (Loading *loading)
{
  g_clear_pointer (&loading->pending, g_ptr_array_unref);
  g_free (loading);
}

BbBuild *
bb_build_new_retry (BbBuild *build, guint64 number, gint64 now_us)
{
  g_autoptr (GVariant) request = bb_run_request_retry (build->request, build->number);
  g_autoptr (GVariant) properties = bb_run_request_get_properties (request);
  BbBuild *retry = bb_build_new (number, build->builder, build->wanted_slave, request);

  bb_build_set_properties (retry, properties);
  retry->position = build->position;
  retry->build_set = build->build_set;
  retry->attempts = build->attempts + 1;
  retry->submitted_at_us = now_us;
  return retry;
}

static void
stored_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Loading *loading = g_task_get_task_data (task);
  GError *error = NULL;

  if (!bb_store_commit_finish (BB_STORE (source), result, &error))
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_ptr_array_ref (loading->pending), (GDestroyNotify) g_ptr_array_unref);
}

/* @build ran; (transfer full): what takes its place. */
static BbBuild *
end_as_retry (Loading *loading, BbBuild *build, BbStoreBatch *batch)
{
  BbBuild *retry = bb_build_new_retry (build, loading->next_number++, loading->now_us);

  build->state = BB_BUILD_FINISHED;
  build->result = BB_RESULT_RETRY;
  build->finished_at_us = loading->now_us;
  bb_build_set_reason (build, BB_BUILD_STOPPED_REASON);
  bb_store_batch_put (batch, &bb_table_builds, bb_build_to_row (build));
  bb_store_batch_put (batch, &bb_table_builds, bb_build_to_row (retry));
  return retry;
}

static void
unfinished_selected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Loading *loading = g_task_get_task_data (task);
  BbStoreBatch *batch;
  GError *error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);

  if (rows == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  batch = bb_store_batch_new ();
  for (guint i = 0; i < rows->len; i++)
    {
      g_autoptr (BbBuild) build = bb_build_new_from_row (g_ptr_array_index (rows, i));

      if (build->state == BB_BUILD_RUNNING)
        {
          g_ptr_array_add (loading->pending, end_as_retry (loading, build, batch));
          continue;
        }
      build->state = BB_BUILD_PENDING;
      bb_build_set_slave (build, "");
      g_ptr_array_add (loading->pending, g_steal_pointer (&build));
    }
  bb_store_commit_async (BB_STORE (source), batch, NULL, stored_cb, g_object_ref (task));
}

static void
newest_selected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Loading *loading = g_task_get_task_data (task);
  gint64 newest = 0;
  GError *error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);

  if (rows == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (rows->len > 0)
    g_variant_lookup (g_ptr_array_index (rows, 0), "number", "x", &newest);
  loading->next_number = (guint64) newest + 1;
  bb_store_select_async (BB_STORE (source), &bb_table_builds,
                         g_variant_new_parsed ("{'state': <['pending', 'waiting-for-slave', "
                                               "'running']>}"), "number", -1,
                         NULL, unfinished_selected_cb, g_object_ref (task));
}

void
bb_build_loader_load_async (BbStore *store, gint64 now_us, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (store, NULL, callback, user_data);
  Loading *loading = g_new0 (Loading, 1);

  loading->now_us = now_us;
  loading->pending = g_ptr_array_new_with_free_func (g_object_unref);
  g_task_set_source_tag (task, bb_build_loader_load_async);
  g_task_set_task_data (task, loading, (GDestroyNotify) loading_free);
  bb_store_select_async (store, &bb_table_builds, NULL, "-number", 1, NULL, newest_selected_cb, g_object_ref (task));
}

GPtrArray *
bb_build_loader_load_finish (BbStore *store, GAsyncResult *result, guint64 *next_number, GError **error)
{
  Loading *loading;

  g_return_val_if_fail (g_task_is_valid (result, store), NULL);

  loading = g_task_get_task_data (G_TASK (result));
  *next_number = loading->next_number;
  return g_task_propagate_pointer (G_TASK (result), error);
}
