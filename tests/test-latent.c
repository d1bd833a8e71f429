/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-delay.h"
#include "bb-error.h"
#include "suite-latent.h"

/* The suite itself, tried on a cloud in memory that is slow, but does what it should. */

#define SLOW 0.002

typedef struct
{
  char *id;
  char *token;
  char *store;
  char *slave;
} Machine;

typedef struct
{
  GPtrArray *machines; /* of Machine */
  guint n_made;
} Cloud;

typedef struct
{
  BbAbstractSlave parent_instance;
  Cloud *cloud;
} FakeSlave;

typedef struct
{
  BbAbstractSlaveClass parent_class;
} FakeSlaveClass;

static void fake_slave_latent_iface_init (BbLatentSlaveInterface *iface);
static GType fake_slave_get_type (void);

G_DEFINE_TYPE_WITH_CODE (FakeSlave, fake_slave, BB_TYPE_ABSTRACT_SLAVE,
                         G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, fake_slave_latent_iface_init))

static void
machine_free (gpointer data)
{
  Machine *machine = data;

  g_free (machine->id);
  g_free (machine->token);
  g_free (machine->store);
  g_free (machine->slave);
  g_free (machine);
}

static Machine *
find_machine (Cloud *cloud, BbInstance *instance)
{
  for (guint i = 0; i < cloud->machines->len; i++)
    {
      Machine *machine = g_ptr_array_index (cloud->machines, i);

      if (g_str_equal (machine->id, bb_instance_get_id (instance)) ||
          g_strcmp0 (machine->token, bb_instance_get_token (instance)) == 0)
        return machine;
    }
  return NULL;
}

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  FakeSlave *self = g_task_get_source_object (task);
  BbInstanceRequest *request = BB_INSTANCE_REQUEST (source);
  const char *const resources[] = { "volume:vol-1", NULL };
  GError *error = NULL;
  Machine *machine;
  BbInstance *instance;

  if (!bb_instance_request_record_finish (request, result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (g_task_return_error_if_cancelled (task))
    return;
  machine = g_new0 (Machine, 1);
  machine->id = g_strdup_printf ("i-%u", ++self->cloud->n_made);
  machine->token = g_strdup (bb_instance_request_get_token (request));
  g_variant_lookup (bb_instance_request_get_tags (request), "bbhost:store", "s", &machine->store);
  machine->slave = g_strdup (bb_instance_request_get_slave_name (request));
  g_ptr_array_add (self->cloud->machines, machine);
  instance = bb_instance_new (machine->id, machine->token);
  bb_instance_set_resources (instance, resources);
  g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
}

static void
start_waited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!bb_delay_finish (result, &error))
    g_task_return_error (task, error);
  else
    {
      BbInstanceRequest *request = g_task_get_task_data (task);
      GCancellable *cancellable = g_task_get_cancellable (task);

      bb_instance_request_record_async (request, "volume:vol-1", cancellable, recorded_cb, g_steal_pointer (&task));
    }
}

static void
fake_slave_start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (slave, cancellable, callback, user_data);

  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, g_object_ref (request), g_object_unref);
  bb_delay_async (SLOW, cancellable, start_waited_cb, task);
}

static void
stop_waited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  FakeSlave *self = g_task_get_source_object (task);
  GError *error = NULL;
  Machine *machine;

  if (!bb_delay_finish (result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  machine = find_machine (self->cloud, g_task_get_task_data (task));
  if (machine != NULL)
    g_ptr_array_remove (self->cloud->machines, machine);
  g_task_return_boolean (task, TRUE);
}

static void
fake_slave_stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (slave, cancellable, callback, user_data);

  g_task_set_task_data (task, bb_instance_ref (instance), (GDestroyNotify) bb_instance_unref);
  bb_delay_async (fast ? 0 : SLOW, cancellable, stop_waited_cb, task);
}

static gboolean
fake_slave_stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
fake_slave_check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  Machine *machine = find_machine (((FakeSlave *) slave)->cloud, instance);
  BbInstance *now = bb_instance_new (bb_instance_get_id (instance), bb_instance_get_token (instance));

  bb_instance_set_state (now, machine != NULL ? BB_INSTANCE_ALIVE : BB_INSTANCE_GONE, NULL);
  g_task_return_pointer (task, now, (GDestroyNotify) bb_instance_unref);
}

static void
fake_slave_list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  Cloud *cloud = ((FakeSlave *) slave)->cloud;
  GPtrArray *instances = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);

  for (guint i = 0; i < cloud->machines->len; i++)
    {
      const Machine *machine = g_ptr_array_index (cloud->machines, i);
      BbInstance *instance;

      if (!g_str_equal (machine->store, store_id))
        continue;
      instance = bb_instance_new (machine->id, machine->token);
      bb_instance_set_slave_name (instance, machine->slave);
      g_ptr_array_add (instances, instance);
    }
  g_task_return_pointer (task, instances, (GDestroyNotify) g_ptr_array_unref);
}

static gpointer
propagate_pointer (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
fake_slave_get_scope (BbLatentSlave *slave)
{
  return g_strdup ("memory");
}

static void
fake_slave_latent_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = fake_slave_start_instance_async;
  iface->start_instance_finish = (gpointer) propagate_pointer;
  iface->stop_instance_async = fake_slave_stop_instance_async;
  iface->stop_instance_finish = fake_slave_stop_instance_finish;
  iface->check_instance_async = fake_slave_check_instance_async;
  iface->check_instance_finish = (gpointer) propagate_pointer;
  iface->list_instances_async = fake_slave_list_instances_async;
  iface->list_instances_finish = (gpointer) propagate_pointer;
  iface->get_scope = fake_slave_get_scope;
}

static void
fake_slave_class_init (FakeSlaveClass *klass)
{
}

static void
fake_slave_init (FakeSlave *self)
{
}

static gpointer
set_up (const char *dir)
{
  Cloud *cloud = g_new0 (Cloud, 1);

  cloud->machines = g_ptr_array_new_with_free_func (machine_free);
  return cloud;
}

static void
tear_down (gpointer backend)
{
  Cloud *cloud = backend;

  g_assert_cmpuint (cloud->machines->len, ==, 0);
  g_ptr_array_unref (cloud->machines);
  g_free (cloud);
}

static BbLatentSlave *
new_slave (gpointer backend, const char *name)
{
  FakeSlave *slave = g_object_new (fake_slave_get_type (), "name", name, NULL);

  slave->cloud = backend;
  return BB_LATENT_SLAVE (slave);
}

static void
kill_instance (gpointer backend, BbInstance *instance)
{
  Cloud *cloud = backend;

  g_ptr_array_remove (cloud->machines, find_machine (cloud, instance));
}

static const BbLatentSuite suite = { "/fake", set_up, tear_down, new_slave, kill_instance, TRUE };

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_latent_suite_add (&suite);
  return g_test_run ();
}
