/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-info.h"
#include "bb-bus-private.h"

static GVariant *
get_name (gpointer context, gpointer slave)
{
  return g_variant_new_string (bb_slave_get_name (slave));
}

static GVariant *
get_type_name (gpointer context, gpointer slave)
{
  return g_variant_new_string (bb_slave_get_type_name (slave));
}

static GVariant *
get_state (gpointer context, gpointer slave)
{
  return g_variant_new_string (bb_slave_state_to_string (bb_slave_get_state (slave)));
}

static GVariant *
get_state_since (gpointer context, gpointer slave)
{
  return g_variant_new_uint64 ((guint64) bb_slave_get_state_since_us (slave));
}

static GVariant *
get_state_reason (gpointer context, gpointer slave)
{
  return g_variant_new_string (bb_slave_get_state_reason (slave));
}

static GVariant *
get_attached (gpointer context, gpointer slave)
{
  return g_variant_new_boolean (bb_slave_is_attached (slave));
}

static GVariant *
get_paused (gpointer context, gpointer slave)
{
  return g_variant_new_boolean (bb_slave_is_paused (slave));
}

static GVariant *
get_shutting_down (gpointer context, gpointer slave)
{
  return g_variant_new_boolean (bb_slave_is_graceful (slave));
}

static GVariant *
get_description (gpointer context, gpointer slave)
{
  const char *description = bb_slave_get_settings (slave)->description;

  return g_variant_new_string (description != NULL ? description : "");
}

static GVariant *
get_properties (gpointer context, gpointer slave)
{
  GVariant *properties = bb_slave_get_settings (slave)->properties;

  return properties != NULL ? g_variant_ref (properties) : g_variant_new ("a{sv}", NULL);
}

static GVariant *
get_max_builds (gpointer context, gpointer slave)
{
  return g_variant_new_uint32 ((guint32) MIN (bb_slave_get_settings (slave)->max_builds, G_MAXUINT32));
}

static GVariant *
get_running_builds (gpointer context, gpointer slave)
{
  return g_variant_new_uint32 (bb_slave_get_running_builds (slave));
}

static GVariant *
get_attached_since (gpointer context, gpointer slave)
{
  return g_variant_new_uint64 ((guint64) bb_slave_get_attached_since_us (slave));
}

static GVariant *
get_last_message_at (gpointer context, gpointer slave)
{
  return g_variant_new_uint64 ((guint64) bb_slave_get_last_message_at_us (slave));
}

static GVariant *
get_peer_address (gpointer context, gpointer slave)
{
  return g_variant_new_string (bb_slave_get_peer_address (slave));
}

static GVariant *
get_info (gpointer context, gpointer slave)
{
  BbSlaveCommands *commands = bb_slave_get_commands (slave);
  GVariantBuilder builder;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  if (commands == NULL)
    return g_variant_ref (bb_slave_get_info (slave));
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_iter_init (&iter, bb_slave_get_info (slave));
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (!g_str_equal (key, "commands"))
      g_variant_builder_add (&builder, "{sv}", key, value);
  g_variant_builder_add (&builder, "{sv}", "commands", bb_slave_commands_get_variant (commands));
  return g_variant_builder_end (&builder);
}

static GVariant *
get_last_error (gpointer context, gpointer slave)
{
  return g_variant_new_string (bb_slave_get_last_error (slave));
}

static GVariant *
get_next_attempt_at (gpointer context, gpointer slave)
{
  return g_variant_new_uint64 ((guint64) bb_slave_get_next_attempt_us (slave));
}

static gboolean
is_latent (gpointer slave)
{
  return BB_IS_LATENT_SLAVE (slave);
}

static GVariant *
get_substantiation_state (gpointer context, gpointer slave)
{
  if (!is_latent (slave))
    return g_variant_new_string ("");
  return g_variant_new_string (bb_substantiation_state_to_string (
    bb_slave_manager_get_substantiation_state (bb_host_get_slaves (context), slave)));
}

static GVariant *
get_backend (gpointer context, gpointer slave)
{
  return g_variant_new_string (is_latent (slave) ? bb_slave_get_type_name (slave) : "");
}

static GVariant *
get_instance_id (gpointer context, gpointer slave)
{
  const char *id = bb_slave_manager_get_instance_id (bb_host_get_slaves (context), slave);

  return g_variant_new_string (id != NULL ? id : "");
}

static GVariant *
get_instance_details (gpointer context, gpointer slave)
{
  BbLedgerRow *row = is_latent (slave) ? bb_slave_manager_get_row (bb_host_get_slaves (context), slave) : NULL;

  return row != NULL ? g_variant_ref (bb_ledger_row_get_details (row)) : g_variant_new ("a{sv}", NULL);
}

static GVariant *
get_build_wait_timeout (gpointer context, gpointer slave)
{
  return g_variant_new_double (is_latent (slave) ? bb_slave_get_settings (slave)->build_wait_timeout : 0);
}

static void
handle_pause (BbBusCall *call)
{
  BbSlave *slave = bb_bus_call_get_object (call);

  if (slave == NULL)
    return;
  bb_slave_manager_pause (bb_host_get_slaves (bb_bus_call_get_host (call)), slave);
  bb_bus_call_return (call, NULL);
}

static void
handle_resume (BbBusCall *call)
{
  BbSlave *slave = bb_bus_call_get_object (call);

  if (slave == NULL)
    return;
  bb_slave_manager_resume (bb_host_get_slaves (bb_bus_call_get_host (call)), slave);
  bb_bus_call_return (call, NULL);
}

static void
handle_shutdown (BbBusCall *call)
{
  BbSlave *slave = bb_bus_call_get_object (call);

  if (slave == NULL)
    return;
  bb_slave_manager_shutdown_slave (bb_host_get_slaves (bb_bus_call_get_host (call)), slave);
  bb_bus_call_return (call, NULL);
}

static void
return_success (BbBusCall *call, gboolean success, GError *error)
{
  if (success)
    bb_bus_call_return (call, NULL);
  else
    bb_bus_call_fail (call, error);
}

static void
handle_disconnect (BbBusCall *call)
{
  BbSlave *slave = bb_bus_call_get_object (call);
  GError *error = NULL;
  gboolean success;

  if (slave == NULL)
    return;
  success = bb_slave_manager_disconnect (bb_host_get_slaves (bb_bus_call_get_host (call)), slave, &error);
  return_success (call, success, error);
}

static void
pinged_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;
  gint64 time_us = bb_slave_manager_ping_finish (BB_SLAVE_MANAGER (source), result, &error);

  if (time_us < 0)
    bb_bus_call_fail (call, error);
  else
    bb_bus_call_return (call, g_variant_new ("(t)", (guint64) time_us));
}

static void
handle_ping (BbBusCall *call)
{
  BbSlave *slave = bb_bus_call_get_object (call);

  if (slave != NULL)
    bb_slave_manager_ping_async (bb_host_get_slaves (bb_bus_call_get_host (call)), slave,
                                 bb_bus_call_get_cancellable (call), pinged_cb, call);
}

static void
handle_substantiate (BbBusCall *call)
{
  BbSlave *slave = bb_bus_call_get_object (call);
  GError *error = NULL;
  gboolean success;

  if (slave == NULL)
    return;
  success = bb_slave_manager_substantiate (bb_host_get_slaves (bb_bus_call_get_host (call)), slave, &error);
  return_success (call, success, error);
}

static void
insubstantiate (BbBusCall *call, gboolean force)
{
  BbSlave *slave = bb_bus_call_get_object (call);
  GError *error = NULL;
  gboolean success;

  if (slave == NULL)
    return;
  success = bb_slave_manager_insubstantiate (bb_host_get_slaves (bb_bus_call_get_host (call)), slave, force, &error);
  return_success (call, success, error);
}

static void
handle_insubstantiate (BbBusCall *call)
{
  insubstantiate (call, FALSE);
}

static void
handle_insubstantiate_now (BbBusCall *call)
{
  insubstantiate (call, TRUE);
}

#define STATE BB_SLAVE_CHANGED_STATE
#define SETTINGS BB_SLAVE_CHANGED_SETTINGS
#define INSTANCE BB_SLAVE_CHANGED_INSTANCE

static const BbBusProperty slave_properties[] = {
  { "Name", "name", 0, get_name },
  { "Type", "type", 0, get_type_name },
  { "State", "state", STATE, get_state },
  { "StateSince", "state_since", STATE, get_state_since },
  { "StateReason", "state_reason", STATE, get_state_reason },
  { "Attached", "attached", STATE, get_attached },
  { "Paused", "paused", STATE, get_paused },
  { "ShuttingDown", "shutting_down", STATE, get_shutting_down },
  { "Description", "description", SETTINGS, get_description },
  { "Properties", "properties", SETTINGS, get_properties },
  { "MaxBuilds", "max_builds", SETTINGS, get_max_builds },
  { "RunningBuilds", "running_builds", BB_SLAVE_CHANGED_RUNNING_BUILDS, get_running_builds },
  { "AttachedSince", "attached_since", STATE, get_attached_since },
  { "LastMessageAt", "last_message_at", 0, get_last_message_at },
  { "PeerAddress", "peer_address", STATE, get_peer_address },
  { "Info", NULL, BB_SLAVE_CHANGED_INFO, get_info, .large = TRUE },
  { "LastError", "last_error", STATE | INSTANCE, get_last_error },
  { "NextAttemptAt", "next_attempt_at", STATE | INSTANCE, get_next_attempt_at },
  { 0 },
};

static const BbBusProperty latent_slave_properties[] = {
  { "SubstantiationState", "substantiation_state", STATE, get_substantiation_state },
  { "Backend", "backend", 0, get_backend },
  { "InstanceId", "instance_id", STATE | INSTANCE, get_instance_id },
  { "InstanceDetails", NULL, STATE | INSTANCE, get_instance_details },
  { "BuildWaitTimeout", "build_wait_timeout", SETTINGS, get_build_wait_timeout },
  { "LastError", NULL, STATE | INSTANCE, get_last_error },
  { "NextAttemptAt", NULL, STATE | INSTANCE, get_next_attempt_at },
  { 0 },
};

static const BbBusMethod slave_methods[] = {
  { "Pause", BB_ACTION_MANAGE_SLAVES, handle_pause },
  { "Resume", BB_ACTION_MANAGE_SLAVES, handle_resume },
  { "Shutdown", BB_ACTION_MANAGE_SLAVES, handle_shutdown },
  { "Disconnect", BB_ACTION_MANAGE_SLAVES, handle_disconnect },
  { "Ping", BB_ACTION_MANAGE_SLAVES, handle_ping },
  { 0 },
};

static const BbBusMethod latent_slave_methods[] = {
  { "Substantiate", BB_ACTION_MANAGE_SLAVES, handle_substantiate },
  { "Insubstantiate", BB_ACTION_MANAGE_SLAVES, handle_insubstantiate },
  { "InsubstantiateNow", BB_ACTION_MANAGE_SLAVES, handle_insubstantiate_now },
  { 0 },
};

static const BbBusFace slave_face = { &bb_bus_org_bbhost_slave1_interface, slave_methods, slave_properties, NULL };
static const BbBusFace latent_slave_face
  = { &bb_bus_org_bbhost_latent_slave1_interface, latent_slave_methods, latent_slave_properties, is_latent };
static const BbBusFace *const faces[] = { &slave_face, &latent_slave_face, NULL };

static char *
get_path (gpointer slave)
{
  return bb_bus_path_of_slave (bb_slave_get_name (slave));
}

static gpointer
find (gpointer context, const char *element)
{
  g_autofree char *name = bb_bus_path_unescape (element);

  return name != NULL ? bb_slave_manager_find (bb_host_get_slaves (context), name) : NULL;
}

const BbBusKind bb_bus_slave_kind = {
  .path = BB_BUS_ROOT "/slaves",
  .faces = faces,
  .get_path = get_path,
  .find = find,
  .missing = BB_ERROR_NO_SUCH_SLAVE,
  .noun = "slave",
};
