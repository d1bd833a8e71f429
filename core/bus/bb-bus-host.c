/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-info.h"
#include "bb-bus-private.h"

static GVariant *
get_version (gpointer context, gpointer host)
{
  return g_variant_new_string (PACKAGE_VERSION);
}

static GVariant *
get_name (gpointer context, gpointer host)
{
  return g_variant_new_string (bb_host_get_name (host));
}

static void
add_once (GPtrArray *names, const char *name)
{
  if (name != NULL && !g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
    g_ptr_array_add (names, (gpointer) name);
}

/* A plugin has the name of its type. The registry itself is not asked, as its answer opens every module; and the
 * answer is kept beside the configuration, as it walks over all slaves. */
static GVariant *
get_plugins (gpointer context, gpointer host)
{
  BbConfig *config = bb_host_get_config (host);
  GVariant *kept = g_object_get_data (G_OBJECT (config), "bb-bus-plugins");
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  GPtrArray *slaves = bb_config_get_slaves (config), *notifiers = bb_config_get_notifiers (config);

  if (kept != NULL)
    return g_variant_ref (kept);

  for (guint i = 0; i < slaves->len; i++)
    add_once (names, ((const BbSlaveConfig *) g_ptr_array_index (slaves, i))->type);
  for (guint i = 0; i < notifiers->len; i++)
    add_once (names, ((const BbNotifierConfig *) g_ptr_array_index (notifiers, i))->type);
  kept = g_variant_ref_sink (g_variant_new_strv ((const char *const *) names->pdata, (gssize) names->len));
  g_object_set_data_full (G_OBJECT (config), "bb-bus-plugins", kept, (GDestroyNotify) g_variant_unref);
  return g_variant_ref (kept);
}

static GVariant *
get_slaves_total (gpointer context, gpointer host)
{
  return g_variant_new_uint32 (bb_slave_manager_count (bb_host_get_slaves (host)));
}

static GVariant *
get_slaves_attached (gpointer context, gpointer host)
{
  return g_variant_new_uint32 (bb_slave_manager_count_attached (bb_host_get_slaves (host)));
}

static GVariant *
get_builds_pending (gpointer context, gpointer host)
{
  return g_variant_new_uint32 (bb_build_master_count_pending (bb_host_get_builds (host)));
}

static GVariant *
get_builds_running (gpointer context, gpointer host)
{
  return g_variant_new_uint32 (bb_build_master_count_running (bb_host_get_builds (host)));
}

static GVariant *
get_instances_running (gpointer context, gpointer host)
{
  return g_variant_new_uint32 (bb_ledger_count_open (bb_host_get_ledger (host)));
}

static GVariant *
get_instances_unconfirmed (gpointer context, gpointer host)
{
  return g_variant_new_uint32 (bb_ledger_count_unconfirmed (bb_host_get_ledger (host)));
}

static GVariant *
get_hourly_cost (gpointer context, gpointer host)
{
  return g_variant_new_double (bb_ledger_get_hourly_cost (bb_host_get_ledger (host)));
}

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;
  g_autoptr (BbBuild) build = bb_build_master_submit_finish (BB_BUILD_MASTER (source), result, &error);

  if (build == NULL)
    bb_bus_call_fail (call, error);
  else
    bb_bus_call_return_path (call, bb_bus_path_of_build (bb_build_get_number (build)));
}

static void
handle_submit_build (BbBusCall *call)
{
  g_autoptr (GVariant) options = NULL;
  const char *builder;

  g_variant_get (bb_bus_call_get_parameters (call), "(&s@a{sv})", &builder, &options);
  bb_build_master_submit_async (bb_host_get_builds (bb_bus_call_get_host (call)), builder, options,
                                bb_bus_call_get_cancellable (call), submitted_cb, call);
}

static void
set_submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;
  g_autoptr (GPtrArray) builds = bb_build_master_submit_set_finish (BB_BUILD_MASTER (source), result, &error);
  GVariantBuilder paths;

  if (builds == NULL)
    {
      bb_bus_call_fail (call, error);
      return;
    }
  g_variant_builder_init (&paths, G_VARIANT_TYPE_OBJECT_PATH_ARRAY);
  for (guint i = 0; i < builds->len; i++)
    {
      g_autofree char *path = bb_bus_path_of_build (bb_build_get_number (g_ptr_array_index (builds, i)));

      g_variant_builder_add (&paths, "o", path);
    }
  bb_bus_call_return (call, g_variant_new ("(ao)", &paths));
}

static void
handle_submit_build_set (BbBusCall *call)
{
  g_autoptr (GVariant) options = NULL;
  g_autofree const char **builders = NULL;

  g_variant_get (bb_bus_call_get_parameters (call), "(^a&s@a{sv})", &builders, &options);
  bb_build_master_submit_set_async (bb_host_get_builds (bb_bus_call_get_host (call)), builders, options,
                                    bb_bus_call_get_cancellable (call), set_submitted_cb, call);
}

static void
handle_run_command (BbBusCall *call)
{
  g_autoptr (GVariant) options = NULL;
  g_autofree const char **argv = NULL;
  const char *slave;

  g_variant_get (bb_bus_call_get_parameters (call), "(&s^a&s@a{sv})", &slave, &argv, &options);
  if (argv[0] == NULL)
    bb_bus_call_fail_new (call, BB_ERROR_INVALID_ARGUMENT, "a command is needed; argv is empty");
  else
    bb_build_master_run_async (bb_host_get_builds (bb_bus_call_get_host (call)), slave, argv, options,
                               bb_bus_call_get_cancellable (call), submitted_cb, call);
}

static void
handle_get_slave (BbBusCall *call)
{
  const char *name;

  g_variant_get (bb_bus_call_get_parameters (call), "(&s)", &name);
  if (bb_slave_manager_find (bb_host_get_slaves (bb_bus_call_get_host (call)), name) != NULL)
    bb_bus_call_return_path (call, bb_bus_path_of_slave (name));
  else
    bb_bus_call_fail_new (call, BB_ERROR_NO_SUCH_SLAVE, "no slave \"%s\"", name);
}

static void
row_for_path_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) row = bb_bus_build_find_row_finish (BB_BUS (source), result, &error);
  guint64 number;

  g_variant_get (bb_bus_call_get_parameters (call), "(t)", &number);
  if (row == NULL)
    bb_bus_call_fail (call, error);
  else
    bb_bus_call_return_path (call, bb_bus_path_of_build (number));
}

static void
handle_get_build (BbBusCall *call)
{
  guint64 number;

  g_variant_get (bb_bus_call_get_parameters (call), "(t)", &number);
  if (bb_build_master_find (bb_host_get_builds (bb_bus_call_get_host (call)), number) != NULL)
    bb_bus_call_return_path (call, bb_bus_path_of_build (number));
  else
    bb_bus_build_find_row_async (call->bus, number, row_for_path_cb, call);
}

static void
handle_get_instance (BbBusCall *call)
{
  guint64 number;

  g_variant_get (bb_bus_call_get_parameters (call), "(t)", &number);
  if (bb_ledger_find (bb_host_get_ledger (bb_bus_call_get_host (call)), number) != NULL)
    bb_bus_call_return_path (call, bb_bus_path_of_instance (number));
  else
    bb_bus_call_fail_new (call, BB_ERROR_NO_SUCH_INSTANCE, "no open instance %" G_GUINT64_FORMAT, number);
}

static void
handle_list_slaves (BbBusCall *call)
{
  g_autoptr (GPtrArray) slaves = bb_slave_manager_list (bb_host_get_slaves (bb_bus_call_get_host (call)));

  bb_bus_call_return_listing (call, &bb_bus_slave_kind, slaves);
}

static void
handle_list_instances (BbBusCall *call)
{
  g_autoptr (GPtrArray) rows = bb_ledger_get_open_rows (bb_host_get_ledger (bb_bus_call_get_host (call)));

  bb_bus_call_return_listing (call, &bb_bus_instance_kind, rows);
}

static void
builds_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) builds = bb_build_master_list_finish (BB_BUILD_MASTER (source), result, &error);

  if (builds == NULL)
    bb_bus_call_fail (call, error);
  else
    bb_bus_call_return (call, g_variant_new ("(@aa{sv})", builds));
}

static void
handle_list_builds (BbBusCall *call)
{
  g_autoptr (GVariant) filter = NULL;

  g_variant_get (bb_bus_call_get_parameters (call), "(@a{sv})", &filter);
  bb_build_master_list_async (bb_host_get_builds (bb_bus_call_get_host (call)), filter,
                              bb_bus_call_get_cancellable (call), builds_listed_cb, call);
}

static void
describe_builder (const BbBuilderConfig *config, GVariantBuilder *builder)
{
  g_autoptr (GPtrArray) steps = g_ptr_array_new ();

  for (guint i = 0; i < config->steps->len; i++)
    g_ptr_array_add (steps, ((const BbStepConfig *) g_ptr_array_index (config->steps, i))->name);
  g_variant_builder_open (builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (builder, "{sv}", "name", g_variant_new_string (config->name));
  g_variant_builder_add (builder, "{sv}", "category",
                         g_variant_new_string (config->category != NULL ? config->category : ""));
  g_variant_builder_add (builder, "{sv}", "slaves",
                         g_variant_new_strv ((const char *const *) config->slavenames,
                                             config->slavenames != NULL ? -1 : 0));
  g_variant_builder_add (builder, "{sv}", "steps",
                         g_variant_new_strv ((const char *const *) steps->pdata, (gssize) steps->len));
  g_variant_builder_add (builder, "{sv}", "properties",
                         config->properties != NULL ? config->properties : g_variant_new ("a{sv}", NULL));
  g_variant_builder_close (builder);
}

static void
handle_list_builders (BbBusCall *call)
{
  GPtrArray *builders = bb_build_master_get_builders (bb_host_get_builds (bb_bus_call_get_host (call)));
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < builders->len; i++)
    describe_builder (g_ptr_array_index (builders, i), &builder);
  bb_bus_call_return (call, g_variant_new ("(@aa{sv})", g_variant_builder_end (&builder)));
}

static void
handle_describe_plugins (BbBusCall *call)
{
  GVariant *plugins = bb_plugin_registry_describe (bb_host_get_plugins (bb_bus_call_get_host (call)));

  bb_bus_call_return (call, g_variant_new ("(@aa{sv})", plugins));
}

static void
handle_reload (BbBusCall *call)
{
  g_autoptr (GPtrArray) warnings = NULL;
  GError *error = NULL;

  if (!bb_host_reload (bb_bus_call_get_host (call), &warnings, &error))
    bb_bus_call_fail (call, error);
  else
    bb_bus_call_return (call, g_variant_new ("(@as)", g_variant_new_strv ((const char *const *) warnings->pdata,
                                                                          (gssize) warnings->len)));
}

static void
notify_tested_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;

  if (!bb_notice_queue_test_finish (BB_NOTICE_QUEUE (source), result, &error))
    bb_bus_call_fail (call, error);
  else
    bb_bus_call_return (call, NULL);
}

static void
handle_notify_test (BbBusCall *call)
{
  BbHost *host = bb_bus_call_get_host (call);
  const char *notifier, *address;
  const char *recipients[2] = { NULL, NULL };
  g_autoptr (BbNotice) notice = NULL;

  g_variant_get (bb_bus_call_get_parameters (call), "(&s&s)", &notifier, &address);
  recipients[0] = address;
  notice = bb_notice_new (BB_NOTICE_INSTANCE_TROUBLE, recipients, "this is a test: nothing has happened",
                          g_variant_new_parsed ("{'trouble': <%s>}", BB_TROUBLE_NONE));
  bb_notice_queue_test_async (bb_host_get_notices (host), notifier, notice, bb_bus_call_get_cancellable (call),
                              notify_tested_cb, call);
}

static const BbBusProperty properties[] = {
  { "Version", NULL, 0, get_version },
  { "Name", NULL, BB_BUS_HOST_CHANGED, get_name },
  { "Plugins", NULL, BB_BUS_HOST_CHANGED, get_plugins },
  { "SlavesTotal", NULL, BB_BUS_HOST_CHANGED, get_slaves_total },
  { "SlavesAttached", NULL, BB_BUS_HOST_CHANGED, get_slaves_attached },
  { "BuildsPending", NULL, BB_BUS_HOST_CHANGED, get_builds_pending },
  { "BuildsRunning", NULL, BB_BUS_HOST_CHANGED, get_builds_running },
  { "InstancesRunning", NULL, BB_BUS_HOST_CHANGED, get_instances_running },
  { "InstancesUnconfirmed", NULL, BB_BUS_HOST_CHANGED, get_instances_unconfirmed },
  { "HourlyCost", NULL, BB_BUS_HOST_CHANGED, get_hourly_cost },
  { 0 },
};

static const BbBusMethod methods[] = {
  { "SubmitBuild", BB_ACTION_RUN_BUILDS, handle_submit_build },
  { "SubmitBuildSet", BB_ACTION_RUN_BUILDS, handle_submit_build_set },
  { "RunCommand", BB_ACTION_RUN_BUILDS, handle_run_command },
  { "GetSlave", NULL, handle_get_slave },
  { "GetBuild", NULL, handle_get_build },
  { "GetInstance", NULL, handle_get_instance },
  { "ListSlaves", NULL, handle_list_slaves },
  { "ListBuilds", NULL, handle_list_builds },
  { "ListBuilders", NULL, handle_list_builders },
  { "ListInstances", NULL, handle_list_instances },
  { "DescribePlugins", NULL, handle_describe_plugins },
  { "Reload", BB_ACTION_MANAGE_HOST, handle_reload },
  { "NotifyTest", BB_ACTION_MANAGE_HOST, handle_notify_test },
  { 0 },
};

static const BbBusFace face = { &bb_bus_org_bbhost_host1_interface, methods, properties, NULL };
static const BbBusFace *const faces[] = { &face, NULL };

static char *
get_path (gpointer host)
{
  return g_strdup (BB_BUS_ROOT "/Host");
}

static gpointer
find (gpointer context, const char *element)
{
  return context;
}

const BbBusKind bb_bus_host_kind = {
  .path = BB_BUS_ROOT "/Host",
  .faces = faces,
  .get_path = get_path,
  .find = find,
  .missing = BB_ERROR_FAILED,
  .noun = "host",
};
