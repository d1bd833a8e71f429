/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl.h"

static gint
compare_slaves (gconstpointer a, gconstpointer b)
{
  return bbctl_compare_names (bbctl_dict_string (*(GVariant *const *) a, "name"),
                              bbctl_dict_string (*(GVariant *const *) b, "name"));
}

/* The dictionaries of an aa{sv}, by name. */
static GPtrArray *
sort_slaves (GVariant *list)
{
  GPtrArray *slaves = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (gsize i = 0; i < g_variant_n_children (list); i++)
    g_ptr_array_add (slaves, g_variant_get_child_value (list, i));
  g_ptr_array_sort (slaves, compare_slaves);
  return slaves;
}

static char *
format_builds (GVariant *slave, const char *running_key, const char *max_key)
{
  guint64 running = bbctl_dict_number (slave, running_key), max = bbctl_dict_number (slave, max_key);

  if (max == 0)
    return g_strdup_printf ("%" G_GUINT64_FORMAT, running);
  return g_strdup_printf ("%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, running, max);
}

/* What is most worth knowing beside the state. */
static char *
format_remark (GVariant *slave, gint64 now)
{
  const char *error = bbctl_dict_string (slave, "last_error");
  guint64 next = bbctl_dict_number (slave, "next_attempt_at");
  g_autofree char *when = bbctl_format_when (next, now);

  if (*error != '\0' && (gint64) next > now)
    return g_strdup_printf (_("next attempt %s after: %s"), when, error);
  if (*error != '\0')
    return g_strdup (error);
  if (bbctl_dict_boolean (slave, "shutting_down"))
    return g_strdup (_("shuts down when its builds have ended"));
  return g_strdup (bbctl_dict_string (slave, "description"));
}

static void
print_slaves (Bbctl *self, GPtrArray *slaves)
{
  static const BbctlColumn columns[] = {
    { N_("NAME") },
    { N_("TYPE") },
    { N_("STATE"), BBCTL_COLUMN_STATE },
    { N_("SINCE") },
    { N_("BUILDS"), BBCTL_COLUMN_RIGHT },
    { N_("ADDRESS") },
    { N_("INSTANCE") },
    { N_("REMARK") },
  };
  g_autoptr (BbctlTable) table = bbctl_table_new (columns, G_N_ELEMENTS (columns));
  gint64 now = g_get_real_time ();

  for (guint i = 0; i < slaves->len; i++)
    {
      GVariant *slave = g_ptr_array_index (slaves, i);
      gboolean attached = bbctl_dict_boolean (slave, "attached");

      bbctl_table_add (table, g_strdup (bbctl_dict_string (slave, "name")),
                       g_strdup (bbctl_dict_string (slave, "type")), g_strdup (bbctl_dict_string (slave, "state")),
                       bbctl_format_when (bbctl_dict_number (slave, "state_since"), now),
                       format_builds (slave, "running_builds", "max_builds"),
                       g_strdup (attached ? bbctl_dict_string (slave, "peer_address") : "-"),
                       g_strdup (bbctl_dict_string (slave, "instance_id")), format_remark (slave, now));
    }
  bbctl_table_print (table, self->colour, _("No slaves are configured."));
}

int
bbctl_slaves (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GPtrArray) slaves = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 0, 0))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error)
      || (reply = bbctl_read (self, BBCTL_HOST_PATH, BBCTL_HOST, "ListSlaves", NULL, "(aa{sv})", &error)) == NULL)
    return bbctl_fail (error);
  list = g_variant_get_child_value (reply, 0);
  slaves = sort_slaves (list);
  if (self->json)
    {
      JsonArray *array = json_array_new ();

      for (guint i = 0; i < slaves->len; i++)
        json_array_add_object_element (array, bbctl_json_object (g_ptr_array_index (slaves, i), bbctl_slave_keys));
      bbctl_print_json_array (array);
    }
  else
    print_slaves (self, slaves);
  return BBCTL_OK;
}

static gint
compare_keys (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* What the slave told of itself, or its backend of the instance, by name. */
static void
print_info (GVariant *info)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new ();
  GVariantIter iter;
  const char *key;

  g_variant_iter_init (&iter, info);
  while (g_variant_iter_next (&iter, "{&sv}", &key, NULL))
    g_ptr_array_add (keys, (gpointer) key);
  g_ptr_array_sort (keys, compare_keys);
  for (guint i = 0; i < keys->len; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (info, keys->pdata[i], NULL);

      bbctl_print_fact (keys->pdata[i], g_strstrip (bbctl_format_value (value)));
    }
}

static void
print_slave (Bbctl *self, GVariant *slave, GVariant *latent)
{
  g_autofree char *state = bbctl_colour_word (bbctl_dict_string (slave, "State"), self->colour);
  g_autoptr (GVariant) properties = g_variant_lookup_value (slave, "Properties", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) info = g_variant_lookup_value (slave, "Info", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) details = NULL;
  gint64 now = g_get_real_time ();
  guint64 next = bbctl_dict_number (slave, "NextAttemptAt");

  g_print ("%s (%s): %s\n", bbctl_dict_string (slave, "Name"), bbctl_dict_string (slave, "Type"), state);
  bbctl_print_fact (_("description"), g_strdup (bbctl_dict_string (slave, "Description")));
  bbctl_print_fact (_("state since"), bbctl_format_when (bbctl_dict_number (slave, "StateSince"), now));
  bbctl_print_fact (_("why"), g_strdup (bbctl_dict_string (slave, "StateReason")));
  bbctl_print_fact (_("attached since"), bbctl_format_when (bbctl_dict_number (slave, "AttachedSince"), now));
  bbctl_print_fact (_("last message"), bbctl_format_when (bbctl_dict_number (slave, "LastMessageAt"), now));
  bbctl_print_fact (_("address"), g_strdup (bbctl_dict_string (slave, "PeerAddress")));
  bbctl_print_fact (_("running builds"), format_builds (slave, "RunningBuilds", "MaxBuilds"));
  if (bbctl_dict_boolean (slave, "ShuttingDown"))
    bbctl_print_fact (_("shutdown"), g_strdup (_("when its builds have ended")));
  if (latent != NULL)
    {
      bbctl_print_fact (_("machine"), g_strdup (bbctl_dict_string (latent, "SubstantiationState")));
      bbctl_print_fact (_("instance"), g_strdup (bbctl_dict_string (latent, "InstanceId")));
      details = g_variant_lookup_value (latent, "InstanceDetails", G_VARIANT_TYPE_VARDICT);
      if (details != NULL)
        print_info (details);
    }
  bbctl_print_fact (_("last error"), g_strdup (bbctl_dict_string (slave, "LastError")));
  if (next > 0)
    bbctl_print_fact (_("next attempt"), bbctl_format_when (next, now));
  if (properties != NULL)
    bbctl_print_fact (_("properties"), bbctl_format_properties (properties));
  if (info != NULL)
    print_info (info);
}

/* @latent: (out): NULL for a static slave */
static GVariant *
get_slave (Bbctl *self, const char *path, GVariant **latent, GError **error)
{
  GVariant *slave = bbctl_get_all (self, path, BBCTL_SLAVE, error);

  *latent = NULL;
  if (slave != NULL && !g_str_equal (bbctl_dict_string (slave, "Type"), "static"))
    *latent = bbctl_get_all (self, path, BBCTL_LATENT_SLAVE, NULL);
  return slave;
}

/* Everything that is known of it; the status. */
static int
show_slave (Bbctl *self, const char *path)
{
  g_autoptr (GVariant) slave = NULL;
  g_autoptr (GVariant) latent = NULL;
  GError *error = NULL;

  slave = get_slave (self, path, &latent, &error);
  if (slave == NULL)
    return bbctl_fail (error);
  if (self->json)
    {
      JsonObject *object = bbctl_json_object (slave, NULL);

      if (latent != NULL)
        bbctl_json_merge (object, latent);
      bbctl_print_json_object (object);
    }
  else
    print_slave (self, slave, latent);
  return BBCTL_OK;
}

int
bbctl_slave (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autofree char *path = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error) || (path = bbctl_find_slave (self, argv[1], &error)) == NULL)
    return bbctl_fail (error);
  return show_slave (self, path);
}

/* A static slave's object has no such interface, which is all that the bus can say of it. */
static gboolean
check_latent (Bbctl *self, const char *name, const char *path, GError **error)
{
  g_autoptr (GVariant) latent = NULL;
  g_autoptr (GVariant) slave = get_slave (self, path, &latent, error);

  if (slave != NULL && latent == NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                 _("slave %s is static: bbhost starts and stops machines of latent slaves only"), name);
  return latent != NULL;
}

static int
act (Bbctl *self, const char *name, const char *interface_name, const char *method)
{
  g_autofree char *path = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) slave = NULL;
  GError *error = NULL;

  if (!bbctl_connect (self, &error) || (path = bbctl_find_slave (self, name, &error)) == NULL
      || (g_str_equal (interface_name, BBCTL_LATENT_SLAVE) && !check_latent (self, name, path, &error))
      || (reply = bbctl_change (self, path, interface_name, method, NULL, NULL, &error)) == NULL)
    return bbctl_fail (error);
  if (self->json)
    return show_slave (self, path);
  slave = bbctl_get_all (self, path, BBCTL_SLAVE, &error);
  if (slave == NULL)
    return bbctl_fail (error);
  g_print ("%s: %s\n", name, bbctl_dict_string (slave, "State"));
  return BBCTL_OK;
}

int
bbctl_slave_action (Bbctl *self, const char *verb, int argc, char **argv)
{
  static const struct
  {
    const char *verb;
    const char *interface_name;
    const char *method;
  } actions[] = {
    { "pause", BBCTL_SLAVE, "Pause" },
    { "resume", BBCTL_SLAVE, "Resume" },
    { "shutdown", BBCTL_SLAVE, "Shutdown" },
    { "substantiate", BBCTL_LATENT_SLAVE, "Substantiate" },
  };

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    if (g_str_equal (verb, actions[i].verb))
      return act (self, argv[1], actions[i].interface_name, actions[i].method);
  g_return_val_if_reached (BBCTL_USAGE);
}

int
bbctl_insubstantiate (Bbctl *self, const char *verb, int argc, char **argv)
{
  gboolean force = FALSE;
  const GOptionEntry entries[] = {
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, N_("Also while builds run on it; they become retries"), NULL },
    { NULL },
  };

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
  return act (self, argv[1], BBCTL_LATENT_SLAVE, force ? "InsubstantiateNow" : "Insubstantiate");
}

int
bbctl_ping (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autofree char *path = NULL;
  g_autoptr (GVariant) reply = NULL;
  GError *error = NULL;
  guint64 time_us;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error) || (path = bbctl_find_slave (self, argv[1], &error)) == NULL
      || (reply = bbctl_change (self, path, BBCTL_SLAVE, "Ping", NULL, "(t)", &error)) == NULL)
    return bbctl_fail (error);
  g_variant_get (reply, "(t)", &time_us);
  if (self->json)
    {
      JsonObject *object = json_object_new ();

      json_object_set_string_member (object, "name", argv[1]);
      json_object_set_int_member (object, "microseconds", (gint64) time_us);
      bbctl_print_json_object (object);
    }
  else
    g_print (_("%s answered in %.1f ms\n"), argv[1], (double) time_us / 1000);
  return BBCTL_OK;
}
