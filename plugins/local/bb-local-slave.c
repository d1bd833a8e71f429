/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-local-slave.h"

#include <string.h>

#include "bb-local-folder.h"
#include "bb-local-start.h"
#include "bb-local-stop.h"
#include "bb-local-target.h"

struct _BbLocalSlave
{
  BbAbstractSlave parent_instance;

  /* The last one started, for nothing but its exit status, which nobody else can tell. NULL after a restart. */
  GSubprocess *process;
  char *process_id;
};

static void bb_local_slave_latent_iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbLocalSlave, bb_local_slave, BB_TYPE_ABSTRACT_SLAVE,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, bb_local_slave_latent_iface_init))

static gpointer
bb_local_slave_propagate_pointer (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbLocalSlave *self = g_task_get_source_object (task);
  g_autoptr (GSubprocess) process = NULL;
  GError *error = NULL;
  BbInstance *instance = bb_local_start_finish (result, &process, &error);

  if (instance == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_set_object (&self->process, process);
  g_free (self->process_id);
  self->process_id = g_strdup (bb_instance_get_id (instance));
  g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
}

static void
bb_local_slave_start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (slave, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_local_slave_start_instance_async);
  g_task_set_check_cancellable (task, FALSE);
  bb_local_start_async (request, bb_slave_get_config (BB_SLAVE (slave)), cancellable, started_cb, task);
}

static BbInstance *
bb_local_slave_start_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return bb_local_slave_propagate_pointer (slave, result, error);
}

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (bb_local_stop_finish (result, &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_prefix_error (&error, "slave %s: local: ", bb_slave_get_name (g_task_get_source_object (task)));
  g_task_return_error (task, error);
}

static void
bb_local_slave_stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast,
                                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  const BbLocalConfig *config = bb_slave_get_config (BB_SLAVE (slave));
  GTask *task = g_task_new (slave, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_local_slave_stop_instance_async);
  g_task_set_check_cancellable (task, FALSE);
  bb_local_stop_async (instance, fast ? -1 : config->stop_timeout, cancellable, stopped_cb, task);
}

static gboolean
bb_local_slave_stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

typedef struct
{
  BbLocalTarget target;
  BbInstance *instance; /* as it was given */
  char *ending;         /* how the process ended, as far as we know */
} Check;

static void
check_free (gpointer data)
{
  Check *check = data;

  bb_local_target_clear (&check->target);
  bb_instance_unref (check->instance);
  g_free (check->ending);
  g_free (check);
}

/* A copy of @old with what is known now. */
static BbInstance *
make_result (BbInstance *old, const char *id, BbInstanceState state, const char *reason)
{
  BbInstance *instance = bb_instance_new (id, bb_instance_get_token (old));

  bb_instance_set_state (instance, state, reason);
  if (bb_instance_get_slave_name (old) != NULL)
    bb_instance_set_slave_name (instance, bb_instance_get_slave_name (old));
  bb_instance_set_resources (instance, bb_instance_get_resources (old));
  bb_instance_set_hourly_cost (instance, 0);
  return instance;
}

static char *
describe_ending (BbLocalSlave *self, const char *id)
{
  /* An identifier means that GLib has not collected it yet. */
  if (self->process == NULL || g_strcmp0 (self->process_id, id) != 0 ||
      g_subprocess_get_identifier (self->process) != NULL)
    return g_strdup ("its process has ended");
  if (g_subprocess_get_if_signaled (self->process))
    return g_strdup_printf ("its process was ended by signal %d (%s)", g_subprocess_get_term_sig (self->process),
                            strsignal (g_subprocess_get_term_sig (self->process)));
  return g_strdup_printf ("its process has ended with exit status %d", g_subprocess_get_exit_status (self->process));
}

/* The one that was there first: the worker itself, or what it left behind. */
static const BbLocalProcess *
find_first (GPtrArray *processes)
{
  const BbLocalProcess *first = NULL;

  for (guint i = 0; i < processes->len; i++)
    {
      const BbLocalProcess *process = g_ptr_array_index (processes, i);

      if (first == NULL || process->start < first->start ||
          (process->start == first->start && process->pid == process->session))
        first = process;
    }
  return first;
}

static BbInstance *
check_once (Check *check, GError **error)
{
  g_autoptr (GPtrArray) processes = bb_local_target_list_processes (&check->target, error);
  const BbLocalProcess *first;
  g_autofree char *id = NULL;
  g_autofree char *tail = NULL;
  g_autofree char *reason = NULL;

  if (processes == NULL)
    return NULL;
  first = find_first (processes);
  if (*check->target.id == '\0' && first != NULL)
    {
      id = bb_local_process_make_id (first->pid, first->start, error);
      return id != NULL ? make_result (check->instance, id, BB_INSTANCE_ALIVE, NULL) : NULL;
    }
  if (first == NULL && (check->target.folder == NULL || !g_file_test (check->target.folder, G_FILE_TEST_EXISTS)))
    return make_result (check->instance, check->target.id, BB_INSTANCE_GONE, check->ending);
  if (check->target.folder != NULL)
    tail = bb_local_folder_get_log_tail (check->target.folder);
  reason = g_strconcat (check->ending, tail != NULL ? ": " : NULL, tail, NULL);
  return make_result (check->instance, check->target.id, BB_INSTANCE_FAILED, reason);
}

static void
check_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;
  BbInstance *instance = check_once (task_data, &error);

  if (instance != NULL)
    g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
  else
    g_task_return_error (task, error);
}

static void
bb_local_slave_check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  const char *id = bb_instance_get_id (instance);
  Check *check;

  g_task_set_source_tag (task, bb_local_slave_check_instance_async);
  if (bb_local_process_is_alive (id))
    {
      g_task_return_pointer (task, make_result (instance, id, BB_INSTANCE_ALIVE, NULL),
                             (GDestroyNotify) bb_instance_unref);
      return;
    }
  check = g_new0 (Check, 1);
  bb_local_target_init (&check->target, instance);
  check->instance = bb_instance_ref (instance);
  check->ending = describe_ending (BB_LOCAL_SLAVE (slave), id);
  g_task_set_task_data (task, check, check_free);
  g_task_run_in_thread (task, check_thread);
}

static BbInstance *
bb_local_slave_check_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return bb_local_slave_propagate_pointer (slave, result, error);
}

static BbInstance *
make_listed (const BbLocalProcess *process, GError **error)
{
  g_autofree char *id = bb_local_process_make_id (process->pid, process->start, error);
  g_autofree char *resource = g_strconcat (BB_LOCAL_FOLDER_RESOURCE, process->directory, NULL);
  const char *const resources[] = { process->directory != NULL ? resource : NULL, NULL };
  BbInstance *instance;

  if (id == NULL)
    return NULL;
  instance = bb_instance_new (id, process->token);
  bb_instance_set_state (instance, BB_INSTANCE_ALIVE, NULL);
  if (process->slave != NULL)
    bb_instance_set_slave_name (instance, process->slave);
  bb_instance_set_resources (instance, resources);
  bb_instance_set_hourly_cost (instance, 0);
  return instance;
}

/* One instance for each token, however many processes it has by now. */
static GPtrArray *
list_once (const char *store_id, GError **error)
{
  g_autoptr (GPtrArray) processes = bb_local_process_list (error);
  g_autoptr (GPtrArray) instances = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);
  g_autoptr (GHashTable) by_token =
    g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
  GHashTableIter iter;
  gpointer group;

  if (processes == NULL)
    return NULL;
  for (guint i = 0; i < processes->len; i++)
    {
      BbLocalProcess *process = g_ptr_array_index (processes, i);
      GPtrArray *same;

      if (process->token == NULL || g_strcmp0 (process->store, store_id) != 0)
        continue;
      same = g_hash_table_lookup (by_token, process->token);
      if (same == NULL)
        {
          same = g_ptr_array_new ();
          g_hash_table_insert (by_token, process->token, same);
        }
      g_ptr_array_add (same, process);
    }
  g_hash_table_iter_init (&iter, by_token);
  while (g_hash_table_iter_next (&iter, NULL, &group))
    {
      BbInstance *instance = make_listed (find_first (group), error);

      if (instance == NULL)
        return NULL;
      g_ptr_array_add (instances, instance);
    }
  return g_steal_pointer (&instances);
}

static void
list_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;
  GPtrArray *instances = list_once (task_data, &error);

  if (instances != NULL)
    g_task_return_pointer (task, instances, (GDestroyNotify) g_ptr_array_unref);
  else
    g_task_return_error (task, error);
}

static void
bb_local_slave_list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_local_slave_list_instances_async);
  g_task_set_task_data (task, g_strdup (store_id), g_free);
  g_task_run_in_thread (task, list_thread);
}

static GPtrArray *
bb_local_slave_list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return bb_local_slave_propagate_pointer (slave, result, error);
}

static char *
bb_local_slave_get_scope (BbLatentSlave *slave)
{
  return g_strdup ("local");
}

/* What exists is on this machine, and found. */
static double
bb_local_slave_get_listing_delay (BbLatentSlave *slave)
{
  return 0;
}

static double
bb_local_slave_get_hourly_cost (BbLatentSlave *slave)
{
  return 0;
}

static void
bb_local_slave_latent_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = bb_local_slave_start_instance_async;
  iface->start_instance_finish = bb_local_slave_start_instance_finish;
  iface->stop_instance_async = bb_local_slave_stop_instance_async;
  iface->stop_instance_finish = bb_local_slave_stop_instance_finish;
  iface->check_instance_async = bb_local_slave_check_instance_async;
  iface->check_instance_finish = bb_local_slave_check_instance_finish;
  iface->list_instances_async = bb_local_slave_list_instances_async;
  iface->list_instances_finish = bb_local_slave_list_instances_finish;
  iface->get_scope = bb_local_slave_get_scope;
  iface->get_listing_delay = bb_local_slave_get_listing_delay;
  iface->get_hourly_cost = bb_local_slave_get_hourly_cost;
}

static void
bb_local_slave_finalize (GObject *object)
{
  BbLocalSlave *self = BB_LOCAL_SLAVE (object);

  g_clear_object (&self->process);
  g_free (self->process_id);
  G_OBJECT_CLASS (bb_local_slave_parent_class)->finalize (object);
}

static void
bb_local_slave_class_init (BbLocalSlaveClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_local_slave_finalize;
}

static void
bb_local_slave_init (BbLocalSlave *self)
{
}
