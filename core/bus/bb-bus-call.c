/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-private.h"

#define PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

void
bb_bus_call_free (BbBusCall *call)
{
  g_object_unref (call->bus);
  g_free (call->element);
  g_free (call);
}

void
bb_bus_call_return (BbBusCall *call, GVariant *value)
{
  g_dbus_method_invocation_return_value (call->invocation, value);
  bb_bus_call_free (call);
}

void
bb_bus_call_return_fds (BbBusCall *call, GVariant *value, GUnixFDList *fds)
{
  g_dbus_method_invocation_return_value_with_unix_fd_list (call->invocation, value, fds);
  bb_bus_call_free (call);
}

void
bb_bus_call_return_path (BbBusCall *call, char *path)
{
  bb_bus_call_return (call, g_variant_new ("(o)", path));
  g_free (path);
}

void
bb_bus_call_fail (BbBusCall *call, GError *error)
{
  /* Clients know the names of org.bbhost.Error alone. */
  if (error->domain == BB_ERROR)
    g_dbus_method_invocation_return_gerror (call->invocation, error);
  else
    g_dbus_method_invocation_return_error_literal (call->invocation, BB_ERROR, BB_ERROR_FAILED, error->message);
  g_error_free (error);
  bb_bus_call_free (call);
}

void
bb_bus_call_fail_new (BbBusCall *call, int code, const char *format, ...)
{
  va_list args;
  GError *error;

  va_start (args, format);
  error = g_error_new_valist (BB_ERROR, code, format, args);
  va_end (args);
  bb_bus_call_fail (call, error);
}

static void
fail_missing (BbBusCall *call)
{
  g_autofree char *name = bb_bus_path_unescape (call->element);

  bb_bus_call_fail_new (call, call->kind->missing, "no %s \"%s\"", call->kind->noun,
                        name != NULL ? name : call->element);
}

gpointer
bb_bus_call_get_object (BbBusCall *call)
{
  gpointer object = call->kind->find (bb_bus_get_host (call->bus), call->element);

  if (object == NULL)
    fail_missing (call);
  else if (!bb_bus_face_applies (call->face, object))
    {
      bb_bus_call_fail_new (call, BB_ERROR_WRONG_STATE, "%s %s has no %s", call->kind->noun, call->element,
                            call->face->info->name);
      object = NULL;
    }
  return object;
}

GVariant *
bb_bus_call_get_parameters (BbBusCall *call)
{
  return g_dbus_method_invocation_get_parameters (call->invocation);
}

BbHost *
bb_bus_call_get_host (BbBusCall *call)
{
  return bb_bus_get_host (call->bus);
}

GCancellable *
bb_bus_call_get_cancellable (BbBusCall *call)
{
  return bb_bus_get_cancellable (call->bus);
}

/* @object is NULL for a finished build, which is @row then. (transfer full) */
static GVariant *
get_property (BbBusCall *call, const BbBusProperty *property, gpointer object, GVariant *row)
{
  if (object != NULL)
    return bb_bus_property_get (property, bb_bus_get_host (call->bus), object);
  return bb_bus_build_property_of_row (row, property);
}

static void
return_properties (BbBusCall *call, gpointer object, GVariant *row)
{
  const BbBusProperty *wanted = NULL;
  g_autoptr (GVariant) value = NULL;
  GVariantBuilder builder;
  const char *name;

  if (g_str_equal (g_dbus_method_invocation_get_method_name (call->invocation), "Get"))
    {
      g_variant_get (bb_bus_call_get_parameters (call), "(&s&s)", NULL, &name);
      wanted = bb_bus_face_find_property (call->face, name);
      if (wanted == NULL)
        {
          bb_bus_call_fail_new (call, BB_ERROR_INVALID_ARGUMENT, "no property %s", name);
          return;
        }
      value = get_property (call, wanted, object, row);
      bb_bus_call_return (call, g_variant_new ("(v)", value));
      return;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (const BbBusProperty *property = call->face->properties; property->name != NULL; property++)
    {
      g_autoptr (GVariant) one = get_property (call, property, object, row);

      g_variant_builder_add (&builder, "{sv}", property->name, one);
    }
  bb_bus_call_return (call, g_variant_new ("(@a{sv})", g_variant_builder_end (&builder)));
}

static void
row_for_properties_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) row = bb_bus_build_find_row_finish (BB_BUS (source), result, &error);

  if (row == NULL)
    bb_bus_call_fail (call, error);
  else
    return_properties (call, NULL, row);
}

/* Get and GetAll; Set can't come, as nothing is writable. */
static void
handle_properties (BbBusCall *call)
{
  gpointer object = call->kind->find (bb_bus_get_host (call->bus), call->element);
  guint64 number;

  if (object != NULL)
    return_properties (call, object, NULL);
  else if (call->kind == &bb_bus_build_kind && bb_bus_path_parse_number (call->element, &number))
    bb_bus_build_find_row_async (call->bus, number, row_for_properties_cb, call);
  else
    fail_missing (call);
}

/* Whether the caller waits for it that somebody is asked for a password. */
static gboolean
is_interactive (BbBusCall *call)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (call->invocation);

  return (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
}

/* Minutes may have passed since the call: handlers look for their object now, and refuse what its state forbids. */
static void
authorized_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbBusCall *call = user_data;
  GError *error = NULL;

  if (!bb_authority_check_finish (BB_AUTHORITY (source), result, &error))
    bb_bus_call_fail (call, error);
  else if (g_cancellable_is_cancelled (bb_bus_get_cancellable (call->bus)))
    bb_bus_call_fail_new (call, BB_ERROR_WRONG_STATE, "bbhostd is stopping");
  else
    call->method->handler (call);
}

void
bb_bus_call_begin (BbBus *bus, const BbBusKind *kind, GDBusMethodInvocation *invocation)
{
  const char *interface_name = g_dbus_method_invocation_get_interface_name (invocation);
  BbBusCall *call = g_new0 (BbBusCall, 1);
  gboolean is_properties = g_str_equal (interface_name, PROPERTIES_INTERFACE);

  if (is_properties)
    g_variant_get_child (g_dbus_method_invocation_get_parameters (invocation), 0, "&s", &interface_name);
  call->bus = g_object_ref (bus);
  call->invocation = invocation;
  call->kind = kind;
  call->element = g_path_get_basename (g_dbus_method_invocation_get_object_path (invocation));
  call->face = bb_bus_kind_find_face (kind, interface_name);
  /* GDBus has checked interface, member and arguments against the XML; that each has a row is checked by a test. */
  g_return_if_fail (call->face != NULL);
  if (is_properties)
    {
      handle_properties (call);
      return;
    }
  call->method = bb_bus_face_find_method (call->face, g_dbus_method_invocation_get_method_name (invocation));
  g_return_if_fail (call->method != NULL);
  if (call->method->action == NULL)
    call->method->handler (call);
  else
    bb_authority_check_async (bb_bus_get_authority (bus), g_dbus_method_invocation_get_connection (invocation),
                              g_dbus_method_invocation_get_sender (invocation), call->method->action,
                              is_interactive (call), bb_bus_get_cancellable (bus), authorized_cb, call);
}
