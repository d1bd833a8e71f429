/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-slave.h"

#include "bb-ec2-account.h"
#include "bb-ec2-config.h"
#include "bb-ec2-error.h"
#include "bb-ec2-launch.h"
#include "bb-ec2-row.h"
#include "bb-ec2-stop.h"

#include <string.h>

#define CONSOLE_LINES 3

struct _BbEc2Slave
{
  BbAbstractSlave parent_instance;

  BbEc2Account *account;             /* of account_config; NULL until it is needed */
  const BbEc2Config *account_config; /* the configuration that the account was made from */
};

static void bb_ec2_slave_latent_slave_iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbEc2Slave, bb_ec2_slave, BB_TYPE_ABSTRACT_SLAVE,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, bb_ec2_slave_latent_slave_iface_init))

static const BbEc2Config *
get_config (BbEc2Slave *self)
{
  return bb_slave_get_config (BB_SLAVE (self));
}

/* (transfer none) (nullable): changes with the configuration; calls that are under way keep the one they began with. */
static BbEc2Account *
get_account (BbEc2Slave *self, GError **error)
{
  const BbEc2Config *config = get_config (self);
  g_autoptr (BbEc2Login) login = NULL;
  g_autoptr (GError) local_error = NULL;

  if (self->account_config == config && self->account != NULL)
    return self->account;
  login = bb_ec2_config_get_login (config);
  g_clear_object (&self->account);
  self->account = bb_ec2_account_get (login, &local_error);
  self->account_config = config;
  if (self->account == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "ec2: %s", local_error->message);
  else
    bb_ec2_client_set_launch_rate (bb_ec2_account_get_client (self->account), config->launch_rate);
  return self->account;
}

/* A task for one of the calls below; or NULL when there is no account, and the task has been returned. */
static GTask *
begin (BbLatentSlave *slave, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback,
       gpointer user_data, BbEc2Account **account)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE);
  *account = get_account (BB_EC2_SLAVE (slave), &error);
  if (*account != NULL)
    return g_steal_pointer (&task);
  g_task_return_error (task, error);
  return NULL;
}

/* --- start */

static void
launched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  BbInstance *instance = bb_ec2_launch_finish (BB_EC2_ACCOUNT (source), result, &error);

  if (instance != NULL)
    g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
bb_ec2_slave_start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  BbEc2Account *account;
  GTask *task = begin (slave, bb_ec2_slave_start_instance_async, cancellable, callback, user_data, &account);

  if (task != NULL)
    bb_ec2_launch_async (account, get_config (BB_EC2_SLAVE (slave)), request, cancellable, launched_cb, task);
}

static BbInstance *
bb_ec2_slave_start_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- stop */

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_ec2_stop_finish (BB_EC2_ACCOUNT (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
bb_ec2_slave_stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbEc2Account *account;
  GTask *task = begin (slave, bb_ec2_slave_stop_instance_async, cancellable, callback, user_data, &account);

  if (task != NULL)
    bb_ec2_stop_async (account, get_config (BB_EC2_SLAVE (slave)), instance, BB_EC2_STOP_TERMINATE, cancellable,
                       stopped_cb, task);
}

static gboolean
bb_ec2_slave_stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
bb_ec2_slave_announces_ends (BbLatentSlave *slave)
{
  return get_config (BB_EC2_SLAVE (slave))->spot_instance;
}

/* --- park */

static gboolean
bb_ec2_slave_can_park (BbLatentSlave *slave)
{
  return get_config (BB_EC2_SLAVE (slave))->stop_mode == BB_EC2_STOP_MODE_STOP;
}

static void
bb_ec2_slave_park_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  BbEc2Account *account;
  GTask *task = begin (slave, bb_ec2_slave_park_instance_async, cancellable, callback, user_data, &account);

  if (task != NULL)
    bb_ec2_stop_async (account, get_config (BB_EC2_SLAVE (slave)), instance, BB_EC2_STOP_PARK, cancellable, stopped_cb,
                       task);
}

/* --- check */

static BbInstanceState
state_of (const BbEc2Machine *machine)
{
  if (g_str_equal (machine->state, "pending"))
    return BB_INSTANCE_STARTING;
  if (g_str_equal (machine->state, "running"))
    return BB_INSTANCE_ALIVE;
  if (g_str_equal (machine->state, "terminated"))
    return BB_INSTANCE_GONE;
  if (g_str_equal (machine->state, "stopped"))
    return BB_INSTANCE_PARKED;
  return BB_INSTANCE_STOPPING;
}

/* How @machine is, as core sees it; with the reason in words for all but running ones. */
static BbInstance *
make_instance (const BbEc2Machine *machine, const char *token)
{
  const char *tag = g_hash_table_lookup (machine->tags, "bbhost:token");
  BbInstance *instance = bb_instance_new (machine->id, tag != NULL ? tag : token);
  BbInstanceState state = state_of (machine);
  g_autofree char *reason = NULL;

  if (g_strcmp0 (machine->reason_code, "Server.SpotInstanceTermination") == 0)
    reason = g_strdup_printf ("%s: EC2 has taken the spot instance back (%s)", machine->state, machine->reason_code);
  else if (machine->reason_message != NULL)
    reason = g_strdup_printf ("%s: %s", machine->state, machine->reason_message);
  else if (state != BB_INSTANCE_ALIVE)
    reason = g_strdup (machine->state);
  if (state == BB_INSTANCE_ALIVE && machine->spot_status != NULL
      && g_str_has_prefix (machine->spot_status, "marked-for-"))
    {
      state = BB_INSTANCE_ENDING;
      g_free (reason);
      reason = g_strdup_printf ("EC2 takes the spot instance back in two minutes (%s)", machine->spot_status);
    }
  bb_instance_set_state (instance, state, reason);
  bb_instance_set_slave_name (instance, g_hash_table_lookup (machine->tags, "bbhost:slave"));
  return instance;
}

static void
return_checked (GTask *task, BbInstance *instance)
{
  g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
}

/* With the console's last lines, if there are any, why a machine went down is often plain. */
static void
console_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbInstance *instance = g_task_get_task_data (task);
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, NULL);
  g_autofree char *tail
    = document != NULL ? bb_ec2_api_parse_console_tail (bb_ec2_document_get_root (document), CONSOLE_LINES) : NULL;
  g_autofree char *reason = NULL;

  if (tail != NULL)
    {
      reason = g_strdup_printf ("%s; the console's last lines: %s", bb_instance_get_reason (instance), tail);
      bb_instance_set_state (instance, bb_instance_get_state (instance), reason);
    }
  return_checked (task, bb_instance_ref (instance));
}

/* Not visible says nothing about a young one; an old one that the service shows no more is gone. */
static void
return_unseen (GTask *task, BbEc2Slave *self)
{
  BbInstance *asked = g_task_get_task_data (task);
  BbInstance *instance;
  gint64 last_launch;
  gboolean spot;
  gint64 age;

  bb_ec2_row_parse_resources (bb_instance_get_resources (asked), &last_launch, &spot);
  age = g_get_real_time () / G_USEC_PER_SEC - last_launch;
  if ((double) age < get_config (self)->unseen_grace)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_QUOTA, "ec2: instance %s is not visible yet",
                               bb_instance_get_id (asked));
      return;
    }
  instance = bb_instance_new (bb_instance_get_id (asked), bb_instance_get_token (asked));
  bb_instance_set_state (instance, BB_INSTANCE_GONE, "EC2 does not know it any more");
  return_checked (task, instance);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbEc2Slave *self = g_task_get_source_object (task);
  BbEc2Account *account = BB_EC2_ACCOUNT (source);
  BbInstance *asked = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) machines = bb_ec2_account_look_finish (account, result, &error);
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (BbEc2Query) query = NULL;

  if (machines == NULL)
    {
      g_task_return_error (task, bb_ec2_error_to_core (error));
      return;
    }
  if (machines->len == 0)
    {
      return_unseen (task, self);
      return;
    }
  instance = make_instance (machines->pdata[0], bb_instance_get_token (asked));
  if (bb_instance_get_state (instance) != BB_INSTANCE_GONE && bb_instance_get_state (instance) != BB_INSTANCE_PARKED)
    {
      return_checked (task, g_steal_pointer (&instance));
      return;
    }
  query = bb_ec2_api_get_console_output (bb_instance_get_id (instance));
  g_task_set_task_data (task, g_steal_pointer (&instance), (GDestroyNotify) bb_instance_unref);
  bb_ec2_client_call_async (bb_ec2_account_get_client (account), query, BB_EC2_CALL_NO_FLAGS,
                            cancellable, console_received_cb, g_steal_pointer (&task));
}

static void
bb_ec2_slave_check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  const BbEc2Config *config = get_config (BB_EC2_SLAVE (slave));
  const char *id = bb_instance_get_id (instance);
  gboolean has_id = id != NULL && *id != '\0';
  BbEc2Account *account;
  GTask *task = begin (slave, bb_ec2_slave_check_instance_async, cancellable, callback, user_data, &account);

  if (task == NULL)
    return;
  g_task_set_task_data (task, bb_instance_ref (instance), (GDestroyNotify) bb_instance_unref);
  bb_ec2_account_look_async (account, has_id ? BB_EC2_LOOK_BY_ID : BB_EC2_LOOK_BY_TOKEN,
                             has_id ? id : bb_instance_get_token (instance), config->poll_interval,
                             config->spot_instance, cancellable, looked_cb, task);
}

static BbInstance *
bb_ec2_slave_check_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
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
  g_autoptr (GPtrArray) machines = bb_ec2_client_list_finish (BB_EC2_CLIENT (source), result, &error);
  GPtrArray *instances;

  if (machines == NULL)
    {
      g_task_return_error (task, bb_ec2_error_to_core (error));
      return;
    }
  instances = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);
  for (guint i = 0; i < machines->len; i++)
    {
      const BbEc2Machine *machine = machines->pdata[i];

      if (!g_str_equal (machine->state, "terminated"))
        g_ptr_array_add (instances, make_instance (machine, NULL));
    }
  g_task_return_pointer (task, instances, (GDestroyNotify) g_ptr_array_unref);
}

static void
bb_ec2_slave_list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  BbEc2Account *account;
  GTask *task = begin (slave, bb_ec2_slave_list_instances_async, cancellable, callback, user_data, &account);
  g_autoptr (BbEc2Query) query = NULL;

  if (task == NULL)
    return;
  query = bb_ec2_api_list_instances ("bbhost:store", store_id);
  bb_ec2_client_list_async (bb_ec2_account_get_client (account), query, bb_ec2_api_parse_machines,
                            (GDestroyNotify) bb_ec2_machine_free, BB_EC2_CALL_NO_FLAGS, cancellable, listed_cb, task);
}

static GPtrArray *
bb_ec2_slave_list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- what they are called and cost */

/* Who we are there: not the secret, and not the keys that were found, which may be new ones tomorrow. */
static char *
describe_identity (const BbEc2Config *config)
{
  const char *role = config->role_arn != NULL ? config->role_arn : "";
  const char *separator = config->role_arn != NULL ? " " : "";

  if (config->identifier != NULL)
    return g_strdup_printf ("%s%s%s", config->identifier, separator, role);
  if (config->aws_id_file_path != NULL)
    return g_strdup_printf ("%s%s%s", config->aws_id_file_path, separator, role);
  if (config->profile != NULL)
    return g_strdup_printf ("profile %s%s%s", config->profile, separator, role);
  return g_strdup_printf ("default%s%s", separator, role);
}

static char *
bb_ec2_slave_get_scope (BbLatentSlave *slave)
{
  BbEc2Slave *self = BB_EC2_SLAVE (slave);
  const BbEc2Config *config = get_config (self);
  g_autofree char *identity = describe_identity (config);
  BbEc2Account *account = get_account (self, NULL);

  if (account == NULL)
    return g_strdup_printf ("%s %s", config->region != NULL ? config->region : "", identity);
  return g_strdup_printf ("%s %s %s", bb_ec2_client_get_region (bb_ec2_account_get_client (account)),
                          bb_ec2_client_get_endpoint (bb_ec2_account_get_client (account)), identity);
}

/* EC2 doesn't tell what a machine on demand costs; of a spot instance the bid is the most. */
static double
bb_ec2_slave_get_hourly_cost (BbLatentSlave *slave)
{
  const BbEc2Config *config = get_config (BB_EC2_SLAVE (slave));

  if (!config->spot_instance || config->spot_fallback != BB_EC2_FALLBACK_NONE || config->max_spot_price == 0)
    return -1;
  return config->max_spot_price;
}

static void
bb_ec2_slave_latent_slave_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = bb_ec2_slave_start_instance_async;
  iface->start_instance_finish = bb_ec2_slave_start_instance_finish;
  iface->stop_instance_async = bb_ec2_slave_stop_instance_async;
  iface->stop_instance_finish = bb_ec2_slave_stop_instance_finish;
  iface->check_instance_async = bb_ec2_slave_check_instance_async;
  iface->check_instance_finish = bb_ec2_slave_check_instance_finish;
  iface->list_instances_async = bb_ec2_slave_list_instances_async;
  iface->list_instances_finish = bb_ec2_slave_list_instances_finish;
  iface->get_scope = bb_ec2_slave_get_scope;
  iface->get_hourly_cost = bb_ec2_slave_get_hourly_cost;
  iface->announces_ends = bb_ec2_slave_announces_ends;
  iface->can_park = bb_ec2_slave_can_park;
  iface->park_instance_async = bb_ec2_slave_park_instance_async;
  iface->park_instance_finish = bb_ec2_slave_stop_instance_finish;
}

static void
bb_ec2_slave_dispose (GObject *object)
{
  g_clear_object (&BB_EC2_SLAVE (object)->account);
  G_OBJECT_CLASS (bb_ec2_slave_parent_class)->dispose (object);
}

static void
bb_ec2_slave_class_init (BbEc2SlaveClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = bb_ec2_slave_dispose;
}

static void
bb_ec2_slave_init (BbEc2Slave *self)
{
}
