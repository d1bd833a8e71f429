/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bbhost/bbhost.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>

/*
 * type=bench: its machines are slaves of bench-fleet, which it tells to come and to go. It does as little as a backend can,
 * so that what is measured is bbhost's own.
 */

typedef struct
{
  char *control; /* the fleet's socket */
} BenchConfig;

static const BbOption options[] = {
  { "control", BB_OPTION_PATH, G_STRUCT_OFFSET (BenchConfig, control), NULL, 0, 0, BB_OPTION_REQUIRED, NULL,
    "The socket of bench-fleet." },
  { 0 },
};

G_DECLARE_FINAL_TYPE (BenchCloudSlave, bench_cloud_slave, BENCH_CLOUD, SLAVE, BbAbstractSlave)

struct _BenchCloudSlave
{
  BbAbstractSlave parent_instance;
};

static void latent_iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BenchCloudSlave, bench_cloud_slave, BB_TYPE_ABSTRACT_SLAVE,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, latent_iface_init))

static GSocketConnection *fleet;
static GHashTable *machines; /* token → name of the slave */

static gboolean
tell (BenchCloudSlave *self, const char *line, GError **error)
{
  const BenchConfig *config = bb_slave_get_config (BB_SLAVE (self));

  if (fleet == NULL)
    {
      g_autoptr (GSocketClient) client = g_socket_client_new ();
      g_autoptr (GSocketAddress) address = g_unix_socket_address_new (config->control);

      fleet = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, error);
    }
  return fleet != NULL
         && g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (fleet)), line, strlen (line), NULL, NULL,
                                       error);
}

static BbInstance *
describe (const char *token, BbInstanceState state)
{
  BbInstance *instance = bb_instance_new (token, token);

  bb_instance_set_state (instance, state, NULL);
  return instance;
}

static void
start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  const char *name = bb_instance_request_get_slave_name (request), *token = bb_instance_request_get_token (request);
  g_autofree char *line = g_strdup_printf ("start %s %s\n", name, bb_instance_request_get_password (request));
  GError *error = NULL;

  g_task_set_check_cancellable (task, FALSE);
  if (!tell (BENCH_CLOUD_SLAVE (slave), line, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_hash_table_insert (machines, g_strdup (token), g_strdup (name));
  g_task_return_pointer (task, describe (token, BB_INSTANCE_STARTING), (GDestroyNotify) bb_instance_unref);
}

static BbInstance *
start_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  g_autofree char *line = g_strdup_printf ("stop %s\n", bb_slave_get_name (BB_SLAVE (slave)));

  /* A fleet that is gone has taken its machines along. */
  if (g_hash_table_remove (machines, bb_instance_get_token (instance)))
    tell (BENCH_CLOUD_SLAVE (slave), line, NULL);
  g_task_set_check_cancellable (task, FALSE);
  g_task_return_boolean (task, TRUE);
}

static gboolean
stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  const char *token = bb_instance_get_token (instance);

  g_task_return_pointer (task, describe (token, g_hash_table_contains (machines, token) ? BB_INSTANCE_ALIVE : BB_INSTANCE_GONE),
                         (GDestroyNotify) bb_instance_unref);
}

static BbInstance *
check_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  GPtrArray *instances = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);
  GHashTableIter iter;
  const char *token, *name;

  g_hash_table_iter_init (&iter, machines);
  while (g_hash_table_iter_next (&iter, (gpointer *) &token, (gpointer *) &name))
    {
      BbInstance *instance = describe (token, BB_INSTANCE_ALIVE);

      bb_instance_set_slave_name (instance, name);
      g_ptr_array_add (instances, instance);
    }
  g_task_return_pointer (task, instances, (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
get_scope (BbLatentSlave *slave)
{
  return g_strdup ("bench");
}

static void
latent_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = start_instance_async;
  iface->start_instance_finish = start_instance_finish;
  iface->stop_instance_async = stop_instance_async;
  iface->stop_instance_finish = stop_instance_finish;
  iface->check_instance_async = check_instance_async;
  iface->check_instance_finish = check_instance_finish;
  iface->list_instances_async = list_instances_async;
  iface->list_instances_finish = list_instances_finish;
  iface->get_scope = get_scope;
}

static void
bench_cloud_slave_class_init (BenchCloudSlaveClass *klass)
{
  machines = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

static void
bench_cloud_slave_init (BenchCloudSlave *self)
{
}

static const BbPluginProvides provides[] = {
  { "bench", bench_cloud_slave_get_type, options, sizeof (BenchConfig), NULL, FALSE },
  { 0 },
};

BB_PLUGIN_DEFINE ("bench", "Slaves that a load generator plays", provides)
