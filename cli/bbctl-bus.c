/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl.h"

#include <gio/gunixfdlist.h>

#define READ_TIME_MS 60000
#define CHANGE_TIME_MS (5 * 60000) /* polkit may ask somebody for a password */

static GDBusConnection *
open_bus (const char *bus, GError **error)
{
  g_autofree char *address = NULL;

  if (bus == NULL || g_str_equal (bus, "system"))
    address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  else if (g_str_equal (bus, "session"))
    address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SESSION, NULL, error);
  else
    address = g_strdup (bus);
  if (address == NULL)
    return NULL;
  return g_dbus_connection_new_for_address_sync (
    address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
    error);
}

gboolean
bbctl_connect (Bbctl *self, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) local_error = NULL;

  self->connection = open_bus (self->bus, &local_error);
  if (self->connection == NULL)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_SERVER, _("can't reach the bus \"%s\": %s"),
                   self->bus != NULL ? self->bus : "system", local_error->message);
      return FALSE;
    }
  reply = g_dbus_connection_call_sync (self->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetNameOwner", g_variant_new ("(s)", "org.bbhost"),
                                       G_VARIANT_TYPE ("(s)"), G_DBUS_CALL_FLAGS_NONE, READ_TIME_MS, NULL,
                                       &local_error);
  if (reply == NULL)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER,
                   _("bbhostd is not on the bus \"%s\"; is it running, and with the same --bus?"),
                   self->bus != NULL ? self->bus : "system");
      return FALSE;
    }
  g_variant_get (reply, "(s)", &self->owner);
  return TRUE;
}

int
bbctl_error_status (const GError *error)
{
  static const int gone[] = {
    G_DBUS_ERROR_NO_SERVER, G_DBUS_ERROR_SERVICE_UNKNOWN, G_DBUS_ERROR_NAME_HAS_NO_OWNER, G_DBUS_ERROR_NO_REPLY,
    G_DBUS_ERROR_DISCONNECTED, G_DBUS_ERROR_TIMEOUT, G_DBUS_ERROR_TIMED_OUT,
  };

  for (guint i = 0; i < G_N_ELEMENTS (gone); i++)
    if (g_error_matches (error, G_DBUS_ERROR, gone[i]))
      return BBCTL_NO_DAEMON;
  /* GDBus itself tells of a connection that was cut, and of an answer that did not come, in this way. */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CLOSED)
      || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return BBCTL_NO_DAEMON;
  return BBCTL_REFUSED;
}

int
bbctl_fail (GError *error)
{
  int status = bbctl_error_status (error);
  gboolean remote = g_dbus_error_strip_remote_error (error);

  /* The bus' own words, or GDBus', name a unique name or a socket. */
  if (status == BBCTL_NO_DAEMON && (remote || error->domain == G_IO_ERROR))
    g_printerr (_("bbctl: bbhostd has gone: %s\n"), error->message);
  /* Whoever does not read on, as in `bbctl log 7 | head`, knows of that. */
  else if (!g_error_matches (error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE))
    g_printerr ("bbctl: %s\n", error->message);
  g_error_free (error);
  return status;
}

static GVariant *
call (Bbctl *self, const char *path, const char *interface_name, const char *method, GVariant *parameters,
      const char *reply, GDBusCallFlags flags, int time_ms, GError **error)
{
  return g_dbus_connection_call_sync (self->connection, self->owner, path, interface_name, method, parameters,
                                      G_VARIANT_TYPE (reply != NULL ? reply : "()"), flags, time_ms, NULL, error);
}

GVariant *
bbctl_read (Bbctl *self, const char *path, const char *interface_name, const char *method, GVariant *parameters,
            const char *reply, GError **error)
{
  return call (self, path, interface_name, method, parameters, reply, G_DBUS_CALL_FLAGS_NONE, READ_TIME_MS, error);
}

GVariant *
bbctl_change (Bbctl *self, const char *path, const char *interface_name, const char *method, GVariant *parameters,
              const char *reply, GError **error)
{
  return call (self, path, interface_name, method, parameters, reply,
               G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, CHANGE_TIME_MS, error);
}

GVariant *
bbctl_get_all (Bbctl *self, const char *path, const char *interface_name, GError **error)
{
  g_autoptr (GVariant) reply = bbctl_read (self, path, "org.freedesktop.DBus.Properties", "GetAll",
                                           g_variant_new ("(s)", interface_name), "(a{sv})", error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static char *
find (Bbctl *self, const char *method, GVariant *parameters, GError **error)
{
  g_autoptr (GVariant) reply = bbctl_read (self, BBCTL_HOST_PATH, BBCTL_HOST, method, parameters, "(o)", error);
  char *path = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(o)", &path);
  return path;
}

char *
bbctl_find_slave (Bbctl *self, const char *name, GError **error)
{
  return find (self, "GetSlave", g_variant_new ("(s)", name), error);
}

static char *
find_by_number (Bbctl *self, const char *method, const char *text, GError **error)
{
  guint64 number;

  if (!g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &number, NULL))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT, _("\"%s\" is not a number"), text);
      return NULL;
    }
  return find (self, method, g_variant_new ("(t)", number), error);
}

char *
bbctl_find_build (Bbctl *self, const char *number, GError **error)
{
  return find_by_number (self, "GetBuild", number, error);
}

char *
bbctl_find_instance (Bbctl *self, const char *number, GError **error)
{
  return find_by_number (self, "GetInstance", number, error);
}

int
bbctl_open_log (Bbctl *self, const char *build_path, const char *step, const char *log, GError **error)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) reply = NULL;
  gint32 handle;

  reply = g_dbus_connection_call_with_unix_fd_list_sync (
    self->connection, self->owner, build_path, BBCTL_BUILD, "OpenLog", g_variant_new ("(ss)", step, log),
    G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NONE, READ_TIME_MS, NULL, &fds, NULL, error);
  if (reply == NULL)
    return -1;
  g_variant_get (reply, "(h)", &handle);
  if (fds == NULL)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, _("the bus does not pass descriptors"));
      return -1;
    }
  return g_unix_fd_list_get (fds, handle, error);
}

const char *
bbctl_dict_string (GVariant *dict, const char *key)
{
  const char *value = "";

  g_variant_lookup (dict, key, "&s", &value);
  return value;
}

gint64
bbctl_dict_signed (GVariant *dict, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dict, key, NULL);

  if (value == NULL)
    return 0;
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_UINT64:
      return (gint64) MIN (g_variant_get_uint64 (value), (guint64) G_MAXINT64);
    case G_VARIANT_CLASS_INT64:
      return g_variant_get_int64 (value);
    case G_VARIANT_CLASS_UINT32:
      return g_variant_get_uint32 (value);
    case G_VARIANT_CLASS_INT32:
      return g_variant_get_int32 (value);
    default:
      return 0;
    }
}

guint64
bbctl_dict_number (GVariant *dict, const char *key)
{
  return (guint64) MAX (bbctl_dict_signed (dict, key), 0);
}

double
bbctl_dict_double (GVariant *dict, const char *key)
{
  double value = 0;

  g_variant_lookup (dict, key, "d", &value);
  return value;
}

gboolean
bbctl_dict_boolean (GVariant *dict, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (dict, key, "b", &value);
  return value;
}
