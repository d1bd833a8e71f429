/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl.h"

static void
print_status (Bbctl *self, GVariant *host)
{
  g_autoptr (GVariant) plugins = g_variant_lookup_value (host, "Plugins", G_VARIANT_TYPE_STRING_ARRAY);
  g_autofree char *attached = bbctl_format_number (bbctl_dict_number (host, "SlavesAttached"));
  g_autofree char *total = bbctl_format_number (bbctl_dict_number (host, "SlavesTotal"));
  g_autofree char *running = bbctl_format_number (bbctl_dict_number (host, "BuildsRunning"));
  g_autofree char *pending = bbctl_format_number (bbctl_dict_number (host, "BuildsPending"));
  g_autofree char *instances = bbctl_format_number (bbctl_dict_number (host, "InstancesRunning"));
  g_autofree char *unconfirmed = bbctl_format_number (bbctl_dict_number (host, "InstancesUnconfirmed"));
  g_autofree char *cost = bbctl_format_cost (bbctl_dict_double (host, "HourlyCost"));

  g_print (_("bbhost %s on %s\n"), bbctl_dict_string (host, "Version"), bbctl_dict_string (host, "Name"));
  bbctl_print_fact (_("slaves"), g_strdup_printf (_("%s of %s attached"), attached, total));
  bbctl_print_fact (_("builds"), g_strdup_printf (_("%s running, %s waiting"), running, pending));
  bbctl_print_fact (_("instances"), g_strdup_printf ("%s, %s", instances, cost));
  if (!g_str_equal (unconfirmed, "0"))
    bbctl_print_fact (_("unconfirmed"), g_strdup_printf (_("%s (see \"bbctl instances\")"), unconfirmed));
  if (plugins != NULL)
    bbctl_print_fact (_("plugins"), bbctl_format_value (plugins));
}

int
bbctl_status (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autoptr (GVariant) host = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 0, 0))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error) || (host = bbctl_get_all (self, BBCTL_HOST_PATH, BBCTL_HOST, &error)) == NULL)
    return bbctl_fail (error);
  if (self->json)
    bbctl_print_json_object (bbctl_json_object (host, NULL));
  else
    print_status (self, host);
  return BBCTL_OK;
}

static char *
format_types (GVariant *plugin)
{
  g_autoptr (GVariant) types = g_variant_lookup_value (plugin, "types", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GPtrArray) names = g_ptr_array_new ();

  for (gsize i = 0; types != NULL && i < g_variant_n_children (types); i++)
    {
      g_autoptr (GVariant) type = g_variant_get_child_value (types, i);

      g_ptr_array_add (names, (gpointer) bbctl_dict_string (type, "type"));
    }
  g_ptr_array_add (names, NULL);
  return g_strjoinv (", ", (char **) names->pdata);
}

/* What a plugin says of itself comes from the daemon in English; its texts are in our catalogue. */
static const char *
translate (const char *text)
{
  return *text != '\0' ? _(text) : text;
}

static void
print_plugins (Bbctl *self, GVariant *list)
{
  static const BbctlColumn columns[] = {
    { N_("NAME") }, { N_("VERSION") }, { N_("TYPES") }, { N_("LOADED") }, { N_("SUMMARY") },
  };
  g_autoptr (BbctlTable) table = bbctl_table_new (columns, G_N_ELEMENTS (columns));
  GVariantIter iter;
  GVariant *plugin;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "@a{sv}", &plugin))
    {
      const char *error = bbctl_dict_string (plugin, "error");

      bbctl_table_add (table, g_strdup (bbctl_dict_string (plugin, "name")),
                       g_strdup (bbctl_dict_string (plugin, "version")), format_types (plugin),
                       g_strdup (bbctl_dict_boolean (plugin, "loaded") ? _("yes") : _("no")),
                       g_strdup (*error != '\0' ? error : translate (bbctl_dict_string (plugin, "summary"))));
    }
  bbctl_table_print (table, self->colour, _("No plugins are installed."));
}

/* A list of the one plugin that is meant. */
static GVariant *
pick_plugin (GVariant *list, const char *name, GError **error)
{
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) plugin = g_variant_get_child_value (list, i);

      if (g_str_equal (bbctl_dict_string (plugin, "name"), name))
        return g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE_VARDICT, &plugin, 1));
    }
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("there is no plugin \"%s\"; \"bbctl plugins\" lists them"),
               name);
  return NULL;
}

static void
print_options (Bbctl *self, GVariant *type)
{
  static const BbctlColumn columns[] = { { N_("OPTION") }, { N_("KIND") }, { N_("DEFAULT") }, { N_("MEANING") } };
  g_autoptr (GVariant) options = g_variant_lookup_value (type, "options", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (BbctlTable) table = bbctl_table_new (columns, G_N_ELEMENTS (columns));

  for (gsize i = 0; options != NULL && i < g_variant_n_children (options); i++)
    {
      g_autoptr (GVariant) option = g_variant_get_child_value (options, i);

      bbctl_table_add (table, g_strdup (bbctl_dict_string (option, "key")),
                       g_strdup (bbctl_dict_string (option, "kind")),
                       g_strdup (bbctl_dict_string (option, "default")),
                       g_strdup (translate (bbctl_dict_string (option, "help"))));
    }
  g_print ("\ntype=%s\n", bbctl_dict_string (type, "type"));
  bbctl_table_print (table, self->colour, _("It has no options of its own."));
}

static void
print_plugin (Bbctl *self, GVariant *list)
{
  g_autoptr (GVariant) plugin = g_variant_get_child_value (list, 0);
  g_autoptr (GVariant) types = g_variant_lookup_value (plugin, "types", G_VARIANT_TYPE ("aa{sv}"));

  print_plugins (self, list);
  for (gsize i = 0; types != NULL && i < g_variant_n_children (types); i++)
    {
      g_autoptr (GVariant) type = g_variant_get_child_value (types, i);

      print_options (self, type);
    }
}

int
bbctl_plugins (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) all = NULL;
  g_autoptr (GVariant) list = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 0, 1))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error)
      || (reply = bbctl_read (self, BBCTL_HOST_PATH, BBCTL_HOST, "DescribePlugins", NULL, "(aa{sv})", &error)) == NULL)
    return bbctl_fail (error);
  all = g_variant_get_child_value (reply, 0);
  list = argc > 1 ? pick_plugin (all, argv[1], &error) : g_variant_ref (all);
  if (list == NULL)
    return bbctl_fail (error);
  if (self->json)
    bbctl_print_json_array (bbctl_json_array (list, NULL));
  else if (argc > 1)
    print_plugin (self, list);
  else
    print_plugins (self, list);
  return BBCTL_OK;
}

int
bbctl_reload (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  g_autofree const char **warnings = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 0, 0))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error)
      || (reply = bbctl_change (self, BBCTL_HOST_PATH, BBCTL_HOST, "Reload", NULL, "(as)", &error)) == NULL)
    return bbctl_fail (error);
  g_variant_get (reply, "(^a&s)", &warnings);
  if (self->json)
    {
      JsonObject *object = json_object_new ();
      JsonArray *array = json_array_new ();

      for (guint i = 0; warnings[i] != NULL; i++)
        json_array_add_string_element (array, warnings[i]);
      json_object_set_array_member (object, "warnings", array);
      bbctl_print_json_object (object);
      return BBCTL_OK;
    }
  for (guint i = 0; warnings[i] != NULL; i++)
    g_printerr (_("warning: %s\n"), warnings[i]);
  g_print ("%s\n", _("The configuration was read again."));
  return BBCTL_OK;
}

int
bbctl_notify_test (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 2, 2))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error)
      || (reply = bbctl_change (self, BBCTL_HOST_PATH, BBCTL_HOST, "NotifyTest",
                                g_variant_new ("(ss)", argv[1], argv[2]), "()", &error))
           == NULL)
    return bbctl_fail (error);
  if (self->json)
    {
      JsonObject *object = json_object_new ();

      json_object_set_string_member (object, "notifier", argv[1]);
      json_object_set_string_member (object, "address", argv[2]);
      bbctl_print_json_object (object);
      return BBCTL_OK;
    }
  g_print (_("A test message was sent to %s.\n"), argv[2]);
  return BBCTL_OK;
}
