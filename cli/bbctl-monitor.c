/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>

#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl.h"

#define ROOT "/org/bbhost"

typedef struct
{
  Bbctl *ctl;
  GMainLoop *loop;
  int status;
} Monitor;

/* "slave", "build", "instance", "host" of an object path, and its name or number; (transfer full) */
static const char *
parse_path (const char *path, char **name)
{
  static const struct
  {
    const char *prefix;
    const char *kind;
  } kinds[] = { { ROOT "/slaves/", "slave" }, { ROOT "/builds/", "build" }, { ROOT "/instances/", "instance" } };

  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (g_str_has_prefix (path, kinds[i].prefix))
      {
        *name = bbctl_unescape (path + strlen (kinds[i].prefix));
        return kinds[i].kind;
      }
  *name = g_strdup ("");
  return "host";
}

static void
print_event (Monitor *self, const char *event, const char *path, const char *interface_name, GVariant *values)
{
  g_autofree char *name = NULL;
  const char *kind = parse_path (path, &name);
  JsonObject *object;

  object = json_object_new ();
  json_object_set_int_member (object, "time", g_get_real_time ());
  json_object_set_string_member (object, "event", event);
  json_object_set_string_member (object, "kind", kind);
  json_object_set_string_member (object, "name", name);
  json_object_set_string_member (object, "path", path);
  if (interface_name != NULL)
    json_object_set_string_member (object, "interface", interface_name);
  if (values != NULL)
    json_object_set_object_member (object, "values", bbctl_json_object (values, NULL));
  bbctl_print_json_object (object);
}

/* "21:03:04 slave bot1: state=attached, …" */
static void
print_line (Monitor *self, const char *path, const char *text)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S");
  g_autofree char *name = NULL;
  const char *kind = parse_path (path, &name);
  g_autofree char *line = g_strdup_printf ("%s %s%s%s: %s", time, kind, *name != '\0' ? " " : "", name, text);
  g_autofree char *clean = bbctl_sanitize (line);

  g_print ("%s\n", clean);
  fflush (stdout);
}

/* What is long, and looked at in its own place, is left out. */
static char *
format_changes (GVariant *values)
{
  static const char *const left_out[] = { "Steps", "Properties", "Info", NULL };
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *key = bbctl_snake_case (name);
      g_autofree char *shown = NULL;

      if (g_strv_contains (left_out, name))
        continue;
      /* The name of each member that ends so says that it is a time. */
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64)
          && (g_str_has_suffix (name, "At") || g_str_has_suffix (name, "Since")))
        shown = bbctl_format_when (g_variant_get_uint64 (value), g_get_real_time ());
      else
        shown = bbctl_format_value (value);
      if (*shown != '\0')
        g_string_append_printf (text, "%s%s=%s", text->len > 0 ? ", " : "", key, shown);
    }
  return g_string_free (text, FALSE);
}

static void
changed_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
            const char *signal_name, GVariant *parameters, gpointer user_data)
{
  Monitor *self = user_data;
  g_autoptr (GVariant) values = NULL;
  g_autofree char *text = NULL;
  const char *changed;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(sa{sv}as)")) || !g_str_has_prefix (path, ROOT))
    return;
  g_variant_get (parameters, "(&s@a{sv}as)", &changed, &values, NULL);
  if (self->ctl->json)
    {
      print_event (self, "changed", path, changed, values);
      return;
    }
  text = format_changes (values);
  if (*text != '\0')
    print_line (self, path, text);
}

static void
objects_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
            const char *signal_name, GVariant *parameters, gpointer user_data)
{
  Monitor *self = user_data;
  gboolean added = g_str_equal (signal_name, "InterfacesAdded");
  g_autoptr (GVariant) interfaces = NULL;
  const char *object;

  if (!g_variant_is_of_type (parameters, G_VARIANT_TYPE (added ? "(oa{sa{sv}})" : "(oas)")))
    return;
  g_variant_get_child (parameters, 0, "&o", &object);
  if (!self->ctl->json)
    {
      print_line (self, object, added ? _("is there") : _("is gone"));
      return;
    }
  if (!added)
    {
      print_event (self, "removed", object, NULL, NULL);
      return;
    }
  interfaces = g_variant_get_child_value (parameters, 1);
  for (gsize i = 0; i < g_variant_n_children (interfaces); i++)
    {
      g_autoptr (GVariant) values = NULL;
      const char *name;

      g_variant_get_child (interfaces, i, "{&s@a{sv}}", &name, &values);
      print_event (self, "added", object, name, values);
    }
}

static void
vanished_cb (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Monitor *self = user_data;

  g_printerr ("%s\n", _("bbctl: bbhostd has gone"));
  self->status = BBCTL_NO_DAEMON;
  g_main_loop_quit (self->loop);
}

static gboolean
signal_cb (gpointer user_data)
{
  g_main_loop_quit (((Monitor *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

int
bbctl_monitor (Bbctl *self, const char *verb, int argc, char **argv)
{
  Monitor monitor = { .ctl = self };
  GError *error = NULL;
  guint watch_id, int_id, term_id, ids[2];

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 0, 0))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error))
    return bbctl_fail (error);
  monitor.loop = g_main_loop_new (NULL, FALSE);
  ids[0] = g_dbus_connection_signal_subscribe (self->connection, self->owner, "org.freedesktop.DBus.Properties",
                                               "PropertiesChanged", NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE, changed_cb,
                                               &monitor, NULL);
  ids[1] = g_dbus_connection_signal_subscribe (self->connection, self->owner, "org.freedesktop.DBus.ObjectManager",
                                               NULL, ROOT, NULL, G_DBUS_SIGNAL_FLAGS_NONE, objects_cb, &monitor, NULL);
  watch_id = g_bus_watch_name_on_connection (self->connection, self->owner, G_BUS_NAME_WATCHER_FLAGS_NONE, NULL,
                                             vanished_cb, &monitor, NULL);
  int_id = g_unix_signal_add (SIGINT, signal_cb, &monitor);
  term_id = g_unix_signal_add (SIGTERM, signal_cb, &monitor);
  g_main_loop_run (monitor.loop);
  g_source_remove (int_id);
  g_source_remove (term_id);
  g_bus_unwatch_name (watch_id);
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    g_dbus_connection_signal_unsubscribe (self->connection, ids[i]);
  g_main_loop_unref (monitor.loop);
  return monitor.status;
}
