/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-retention.h"

#include <ftw.h>
#include <stdio.h>

#include "bb-build-log.h"
#include "bb-build-private.h"
#include "bb-log.h"

#define INTERVAL_US ((gint64) 600 * G_USEC_PER_SEC)
#define PORTION 20
#define BETWEEN_PORTIONS_US ((gint64) G_USEC_PER_SEC / 2)

struct _BbBuildRetention
{
  GObject parent_instance;

  BbLoop *loop;   /* owned */
  BbStore *store; /* owned */
  char *state_directory;
  double seconds;
  BbTimer timer;
  gboolean stopped;
  gboolean busy;      /* a round is under way */
  gint64 newest;      /* number; of the round that is under way */
  char **directories; /* of the builds whose rows are being removed */
};

G_DEFINE_FINAL_TYPE (BbBuildRetention, bb_build_retention, G_TYPE_OBJECT)

static int
remove_one (const char *path, const struct stat *info, int type, struct FTW *ftw)
{
  remove (path);
  return 0;
}

static void
remove_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  char **directories = task_data;

  for (guint i = 0; directories[i] != NULL; i++)
    nftw (directories[i], remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
  g_task_return_boolean (task, TRUE);
}

static void
go_on_in (BbBuildRetention *self, gint64 delay_us)
{
  self->busy = FALSE;
  if (!self->stopped && self->seconds > 0)
    bb_timer_start_in (&self->timer, delay_us);
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  go_on_in (BB_BUILD_RETENTION (source), BETWEEN_PORTIONS_US);
}

/* The rows go first: a build without its logs would be asked for, logs without a build only take room. */
static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBuildRetention) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GTask) task = NULL;

  if (!bb_store_commit_finish (BB_STORE (source), result, &error))
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "old builds can't be removed: %s", error->message);
      go_on_in (self, INTERVAL_US);
      return;
    }
  task = g_task_new (self, NULL, removed_cb, NULL);
  g_task_set_source_tag (task, committed_cb);
  g_task_set_task_data (task, g_steal_pointer (&self->directories), (GDestroyNotify) g_strfreev);
  g_task_run_in_thread (task, remove_thread);
}

static gint64
get_integer (GVariant *row, const char *column)
{
  gint64 value = 0;

  g_variant_lookup (row, column, "x", &value);
  return value;
}

static void
remove_builds (BbBuildRetention *self, GPtrArray *rows)
{
  gint64 limit = bb_loop_wall_us (self->loop) - (gint64) (self->seconds * G_USEC_PER_SEC);
  g_autoptr (GPtrArray) directories = g_ptr_array_new ();
  g_autoptr (BbStoreBatch) batch = bb_store_batch_new ();

  for (guint i = 0; i < rows->len; i++)
    {
      gint64 number = get_integer (g_ptr_array_index (rows, i), "number");

      if (number == self->newest || get_integer (g_ptr_array_index (rows, i), "finished_at") >= limit)
        continue;
      bb_store_batch_remove (batch, &bb_table_steps, g_variant_new_parsed ("{'build': <%x>}", number));
      bb_store_batch_remove (batch, &bb_table_builds, g_variant_new_parsed ("{'number': <%x>}", number));
      g_ptr_array_add (directories, bb_build_directory (self->state_directory, (guint64) number));
    }
  if (directories->len == 0)
    {
      go_on_in (self, INTERVAL_US);
      return;
    }
  g_ptr_array_add (directories, NULL);
  g_strfreev (self->directories);
  self->directories = (char **) g_ptr_array_free (g_steal_pointer (&directories), FALSE);
  bb_store_commit_async (self->store, g_steal_pointer (&batch), NULL, committed_cb, g_object_ref (self));
}

static void
oldest_selected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBuildRetention) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);

  if (rows != NULL && !self->stopped)
    remove_builds (self, rows);
  else
    go_on_in (self, INTERVAL_US);
}

static void
newest_selected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBuildRetention) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);

  if (rows == NULL || rows->len == 0)
    {
      go_on_in (self, INTERVAL_US);
      return;
    }
  self->newest = get_integer (g_ptr_array_index (rows, 0), "number");
  bb_store_select_async (self->store, &bb_table_builds, g_variant_new_parsed ("{'state': <'finished'>}"), "finished_at",
                         PORTION, NULL, oldest_selected_cb, g_object_ref (self));
}

static void
round_cb (BbTimer *timer, gpointer user_data)
{
  BbBuildRetention *self = user_data;

  self->busy = TRUE;
  bb_store_select_async (self->store, &bb_table_builds, NULL, "-number", 1, NULL, newest_selected_cb,
                         g_object_ref (self));
}

static void
bb_build_retention_finalize (GObject *object)
{
  BbBuildRetention *self = BB_BUILD_RETENTION (object);

  bb_timer_stop (&self->timer);
  g_clear_object (&self->loop);
  g_clear_object (&self->store);
  g_free (self->state_directory);
  g_strfreev (self->directories);
  G_OBJECT_CLASS (bb_build_retention_parent_class)->finalize (object);
}

static void
bb_build_retention_class_init (BbBuildRetentionClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_build_retention_finalize;
}

static void
bb_build_retention_init (BbBuildRetention *self)
{
}

BbBuildRetention *
bb_build_retention_new (BbLoop *loop, BbStore *store, const char *state_directory)
{
  BbBuildRetention *self = g_object_new (BB_TYPE_BUILD_RETENTION, NULL);

  self->loop = g_object_ref (loop);
  self->store = g_object_ref (store);
  self->state_directory = g_strdup (state_directory);
  bb_timer_init (&self->timer, loop, round_cb, self);
  return self;
}

void
bb_build_retention_set (BbBuildRetention *self, double seconds)
{
  g_return_if_fail (BB_IS_BUILD_RETENTION (self));

  if (self->seconds == seconds)
    return;
  self->seconds = seconds;
  bb_timer_stop (&self->timer);
  if (!self->busy)
    go_on_in (self, BETWEEN_PORTIONS_US);
}

void
bb_build_retention_stop (BbBuildRetention *self)
{
  g_return_if_fail (BB_IS_BUILD_RETENTION (self));

  self->stopped = TRUE;
  bb_timer_stop (&self->timer);
}
