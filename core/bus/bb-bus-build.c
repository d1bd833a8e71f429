/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "bb-bus-info.h"
#include "bb-bus-private.h"

static GVariant *
get_number (gpointer context, gpointer build)
{
  return g_variant_new_uint64 (bb_build_get_number (build));
}

static GVariant *
get_builder (gpointer context, gpointer build)
{
  return g_variant_new_string (bb_build_get_builder (build));
}

static GVariant *
get_slave (gpointer context, gpointer build)
{
  return g_variant_new_string (bb_build_get_slave_name (build));
}

static GVariant *
get_state (gpointer context, gpointer build)
{
  return g_variant_new_string (bb_build_state_to_string (bb_build_get_state (build)));
}

static GVariant *
get_result (gpointer context, gpointer build)
{
  return g_variant_new_string (bb_result_to_string (bb_build_get_result (build)));
}

static GVariant *
get_reason (gpointer context, gpointer build)
{
  return g_variant_new_string (bb_build_get_reason (build));
}

static GVariant *
get_build_set (gpointer context, gpointer build)
{
  return g_variant_new_uint64 (bb_build_get_build_set (build));
}

static GVariant *
get_submitted_at (gpointer context, gpointer build)
{
  return g_variant_new_uint64 ((guint64) bb_build_get_submitted_at_us (build));
}

static GVariant *
get_started_at (gpointer context, gpointer build)
{
  return g_variant_new_uint64 ((guint64) bb_build_get_started_at_us (build));
}

static GVariant *
get_finished_at (gpointer context, gpointer build)
{
  return g_variant_new_uint64 ((guint64) bb_build_get_finished_at_us (build));
}

static GVariant *
get_properties (gpointer context, gpointer build)
{
  return g_variant_ref (bb_build_get_properties (build));
}

static GVariant *
get_steps (gpointer context, gpointer build)
{
  return bb_build_master_describe_steps (build);
}

/* Which build the call is for; FALSE: the path names none, and the call was ended. */
static gboolean
get_call_number (BbBusCall *call, guint64 *number)
{
  if (bb_bus_path_parse_number (call->element, number))
    return TRUE;
  bb_bus_call_fail_new (call, BB_ERROR_NO_SUCH_BUILD, "no build %s", call->element);
  return FALSE;
}

static void
row_for_cancel_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) row = bb_bus_build_find_row_finish (BB_BUS (source), result, &error);
  const char *how = "";

  if (row == NULL)
    {
      bb_bus_call_fail (call, error);
      return;
    }
  g_variant_lookup (row, "result", "&s", &how);
  bb_bus_call_fail_new (call, BB_ERROR_WRONG_STATE, "build %s has ended: %s", call->element, how);
}

static void
handle_cancel (BbBusCall *call)
{
  BbBuildMaster *builds = bb_host_get_builds (bb_bus_call_get_host (call));
  GError *error = NULL;
  const char *reason;
  guint64 number;
  BbBuild *build;

  if (!get_call_number (call, &number))
    return;
  build = bb_build_master_find (builds, number);
  if (build == NULL)
    {
      bb_bus_build_find_row_async (call->bus, number, row_for_cancel_cb, call);
      return;
    }
  g_variant_get (bb_bus_call_get_parameters (call), "(&s)", &reason);
  if (bb_build_master_cancel (builds, build, reason, &error))
    bb_bus_call_return (call, NULL);
  else
    bb_bus_call_fail (call, error);
}

static void
handle_open_log (BbBusCall *call)
{
  g_autoptr (GUnixFDList) fds = NULL;
  GError *error = NULL;
  const char *step, *log;
  guint64 number;
  int fd;

  if (!get_call_number (call, &number))
    return;
  g_variant_get (bb_bus_call_get_parameters (call), "(&s&s)", &step, &log);
  fd = bb_build_master_open_log (bb_host_get_builds (bb_bus_call_get_host (call)), number, step, log, &error);
  if (fd < 0)
    {
      bb_bus_call_fail (call, error);
      return;
    }
  fds = g_unix_fd_list_new_from_array (&fd, 1);
  bb_bus_call_return_fds (call, g_variant_new ("(h)", 0), fds);
}

static const BbBusProperty properties[] = {
  { "Number", "number", 0, get_number },
  { "Builder", "builder", 0, get_builder },
  { "Slave", "slave", BB_BUILD_CHANGED_STATE, get_slave },
  { "State", "state", BB_BUILD_CHANGED_STATE, get_state },
  { "Result", "result", BB_BUILD_CHANGED_STATE, get_result },
  { "Reason", "reason", BB_BUILD_CHANGED_STATE, get_reason },
  { "SubmittedAt", "submitted_at", 0, get_submitted_at },
  { "StartedAt", "started_at", BB_BUILD_CHANGED_STATE, get_started_at },
  { "FinishedAt", "finished_at", BB_BUILD_CHANGED_STATE, get_finished_at },
  { "BuildSet", "build_set", 0, get_build_set },
  { "Properties", "properties", BB_BUILD_CHANGED_PROPERTIES, get_properties },
  { "Steps", "steps", BB_BUILD_CHANGED_STEPS, get_steps },
  { 0 },
};

static const BbBusMethod methods[] = {
  { "Cancel", BB_ACTION_RUN_BUILDS, handle_cancel },
  { "OpenLog", NULL, handle_open_log },
  { 0 },
};

static const BbBusFace face = { &bb_bus_org_bbhost_build1_interface, methods, properties, NULL };
static const BbBusFace *const faces[] = { &face, NULL };

static char *
get_path (gpointer build)
{
  return bb_bus_path_of_build (bb_build_get_number (build));
}

static gpointer
find (gpointer context, const char *element)
{
  guint64 number;

  if (!bb_bus_path_parse_number (element, &number))
    return NULL;
  return bb_build_master_find (bb_host_get_builds (context), number);
}

const BbBusKind bb_bus_build_kind = {
  .path = BB_BUS_ROOT "/builds",
  .faces = faces,
  .get_path = get_path,
  .find = find,
  .missing = BB_ERROR_NO_SUCH_BUILD,
  .noun = "build",
};

GVariant *
bb_bus_build_property_of_row (GVariant *row, const BbBusProperty *property)
{
  const GDBusPropertyInfo *info
    = g_dbus_interface_info_lookup_property ((GDBusInterfaceInfo *) face.info, property->name);
  const GVariantType *type = G_VARIANT_TYPE (info->signature);
  GVariant *value = g_variant_lookup_value (row, property->list_key, type);

  if (value != NULL)
    return value;
  if (g_variant_type_equal (type, G_VARIANT_TYPE_STRING))
    return g_variant_ref_sink (g_variant_new_string (""));
  if (g_variant_type_equal (type, G_VARIANT_TYPE_UINT64))
    return g_variant_ref_sink (g_variant_new_uint64 (0));
  return g_variant_ref_sink (g_variant_new_array (g_variant_type_element (type), NULL, 0));
}

static void
row_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const guint64 *number = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GVariant) rows = bb_build_master_list_finish (BB_BUILD_MASTER (source), result, &error);

  if (rows == NULL)
    g_task_return_error (task, error);
  else if (g_variant_n_children (rows) == 0)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_NO_SUCH_BUILD, "no build %" G_GUINT64_FORMAT, *number);
  else
    g_task_return_pointer (task, g_variant_get_child_value (rows, 0), (GDestroyNotify) g_variant_unref);
}

void
bb_bus_build_find_row_async (BbBus *self, guint64 number, GAsyncReadyCallback callback, gpointer user_data)
{
  BbBuildMaster *builds = bb_host_get_builds (bb_bus_get_host (self));
  g_autoptr (GTask) task = g_task_new (self, bb_bus_get_cancellable (self), callback, user_data);
  GVariantDict filter;

  g_task_set_source_tag (task, bb_bus_build_find_row_async);
  g_task_set_task_data (task, g_memdup2 (&number, sizeof number), g_free);
  g_variant_dict_init (&filter, NULL);
  g_variant_dict_insert (&filter, "number", "t", number);
  bb_build_master_list_async (builds, g_variant_dict_end (&filter), bb_bus_get_cancellable (self), row_listed_cb,
                              g_steal_pointer (&task));
}

GVariant *
bb_bus_build_find_row_finish (BbBus *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
