/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-slave.h"

#include "bb-openstack-account.h"
#include "bb-openstack-error.h"
#include "bb-openstack-server.h"
#include "bb-openstack-start.h"
#include "bb-openstack-stop.h"

struct _BbOpenstackSlave
{
  BbAbstractSlave parent_instance;

  BbOpenstackAccount *account;             /* of account_config; NULL until it is needed */
  const BbOpenstackConfig *account_config; /* the configuration that the account was made from */
};

static void bb_openstack_slave_latent_slave_iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbOpenstackSlave, bb_openstack_slave, BB_TYPE_ABSTRACT_SLAVE,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, bb_openstack_slave_latent_slave_iface_init))

static const BbOpenstackConfig *
get_config (BbOpenstackSlave *self)
{
  return bb_slave_get_config (BB_SLAVE (self));
}

/* (transfer none) (nullable): changes with the configuration; calls that are under way keep the one they began with. */
static BbOpenstackAccount *
get_account (BbOpenstackSlave *self, GError **error)
{
  const BbOpenstackConfig *config = get_config (self);
  g_autoptr (GError) local_error = NULL;

  if (self->account_config == config && self->account != NULL)
    return self->account;
  g_clear_object (&self->account);
  self->account = bb_openstack_account_get (config, &local_error);
  self->account_config = config;
  if (self->account == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "openstack: %s", local_error->message);
  return self->account;
}

/* A task for one of the calls below; or NULL when there is no account, and the task has been returned. */
static GTask *
begin (BbLatentSlave *slave, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback,
       gpointer user_data, BbOpenstackAccount **account)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE);
  *account = get_account (BB_OPENSTACK_SLAVE (slave), &error);
  if (*account != NULL)
    return g_steal_pointer (&task);
  g_task_return_error (task, error);
  return NULL;
}

/* --- start */

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  BbInstance *instance = bb_openstack_start_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (instance != NULL)
    g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
  else
    g_task_return_error (task, error);
}

static void
bb_openstack_slave_start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data)
{
  BbOpenstackAccount *account;
  GTask *task = begin (slave, bb_openstack_slave_start_instance_async, cancellable, callback, user_data, &account);

  if (task == NULL)
    return;
  if (bb_openstack_account_is_insecure (account))
    bb_log_slave (G_LOG_LEVEL_WARNING, bb_slave_get_name (BB_SLAVE (slave)),
                  "insecure=true: the cloud's certificate goes unchecked, and whoever sits in between can read the password");
  bb_openstack_start_async (account, get_config (BB_OPENSTACK_SLAVE (slave)), request, cancellable, started_cb, task);
}

static BbInstance *
bb_openstack_slave_start_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- stop */

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (bb_openstack_stop_finish (BB_OPENSTACK_ACCOUNT (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
bb_openstack_slave_stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast,
                                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbOpenstackAccount *account;
  GTask *task = begin (slave, bb_openstack_slave_stop_instance_async, cancellable, callback, user_data, &account);

  if (task != NULL)
    bb_openstack_stop_async (account, instance, cancellable, stopped_cb, task);
}

static gboolean
bb_openstack_slave_stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- check */

static void
return_gone (GTask *task)
{
  BbInstance *asked = g_task_get_task_data (task);
  BbInstance *instance = bb_instance_new (bb_instance_get_id (asked), bb_instance_get_token (asked));

  bb_instance_set_state (instance, BB_INSTANCE_GONE, "Nova does not know it any more");
  g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
}

/* Not found twice, an interval apart: a young server may be missing for a moment. */
static void
looked_again_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbInstance *asked = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (JsonObject) server = bb_openstack_server_look_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (server != NULL)
    g_task_return_pointer (task, bb_openstack_server_to_instance (server, bb_instance_get_token (asked)),
                           (GDestroyNotify) bb_instance_unref);
  else if (g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_NOT_FOUND))
    {
      g_error_free (error);
      return_gone (task);
    }
  else
    g_task_return_error (task, bb_openstack_error_to_core (error));
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbInstance *asked = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (JsonObject) server = bb_openstack_server_look_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (server != NULL)
    g_task_return_pointer (task, bb_openstack_server_to_instance (server, bb_instance_get_token (asked)),
                           (GDestroyNotify) bb_instance_unref);
  else if (g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_NOT_FOUND))
    {
      g_error_free (error);
      bb_openstack_server_look_async (BB_OPENSTACK_ACCOUNT (source), bb_instance_get_id (asked), cancellable,
                                      looked_again_cb, g_steal_pointer (&task));
    }
  else
    g_task_return_error (task, bb_openstack_error_to_core (error));
}

static void
found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbInstance *asked = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) servers = bb_openstack_server_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (servers == NULL)
    g_task_return_error (task, bb_openstack_error_to_core (error));
  else if (servers->len == 0)
    return_gone (task);
  else
    g_task_return_pointer (task, bb_openstack_server_to_instance (servers->pdata[0], bb_instance_get_token (asked)),
                           (GDestroyNotify) bb_instance_unref);
}

static void
bb_openstack_slave_check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data)
{
  const char *id = bb_instance_get_id (instance);
  BbOpenstackAccount *account;
  GTask *task = begin (slave, bb_openstack_slave_check_instance_async, cancellable, callback, user_data, &account);

  if (task == NULL)
    return;
  g_task_set_task_data (task, bb_instance_ref (instance), (GDestroyNotify) bb_instance_unref);
  if (id != NULL && *id != '\0')
    bb_openstack_server_look_async (account, id, cancellable, looked_cb, task);
  else
    bb_openstack_server_list_async (account, "bbhost:token", bb_instance_get_token (instance), cancellable, found_cb,
                                    task);
}

static BbInstance *
bb_openstack_slave_check_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- list */

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GPtrArray) servers = bb_openstack_server_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  GPtrArray *instances;

  if (servers == NULL)
    {
      g_task_return_error (task, bb_openstack_error_to_core (error));
      return;
    }
  instances = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);
  for (guint i = 0; i < servers->len; i++)
    g_ptr_array_add (instances, bb_openstack_server_to_instance (servers->pdata[i], NULL));
  g_task_return_pointer (task, instances, (GDestroyNotify) g_ptr_array_unref);
}

static void
bb_openstack_slave_list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data)
{
  BbOpenstackAccount *account;
  GTask *task = begin (slave, bb_openstack_slave_list_instances_async, cancellable, callback, user_data, &account);

  if (task != NULL)
    bb_openstack_server_list_async (account, "bbhost:store", store_id, cancellable, listed_cb, task);
}

static GPtrArray *
bb_openstack_slave_list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
bb_openstack_slave_get_scope (BbLatentSlave *slave)
{
  BbOpenstackAccount *account = get_account (BB_OPENSTACK_SLAVE (slave), NULL);

  return g_strdup (account != NULL ? bb_openstack_account_get_name (account) : "unknown");
}

/* OpenStack has no prices. */
static double
bb_openstack_slave_get_hourly_cost (BbLatentSlave *slave)
{
  return -1;
}

static void
bb_openstack_slave_latent_slave_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = bb_openstack_slave_start_instance_async;
  iface->start_instance_finish = bb_openstack_slave_start_instance_finish;
  iface->stop_instance_async = bb_openstack_slave_stop_instance_async;
  iface->stop_instance_finish = bb_openstack_slave_stop_instance_finish;
  iface->check_instance_async = bb_openstack_slave_check_instance_async;
  iface->check_instance_finish = bb_openstack_slave_check_instance_finish;
  iface->list_instances_async = bb_openstack_slave_list_instances_async;
  iface->list_instances_finish = bb_openstack_slave_list_instances_finish;
  iface->get_scope = bb_openstack_slave_get_scope;
  iface->get_hourly_cost = bb_openstack_slave_get_hourly_cost;
}

static void
bb_openstack_slave_dispose (GObject *object)
{
  g_clear_object (&BB_OPENSTACK_SLAVE (object)->account);
  G_OBJECT_CLASS (bb_openstack_slave_parent_class)->dispose (object);
}

static void
bb_openstack_slave_class_init (BbOpenstackSlaveClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = bb_openstack_slave_dispose;
}

static void
bb_openstack_slave_init (BbOpenstackSlave *self)
{
}
