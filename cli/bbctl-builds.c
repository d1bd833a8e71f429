/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl.h"

#define DEFAULT_SHOWN 30
#define DEFAULT_LISTED 1000 /* with --json */

static void
print_builders (Bbctl *self, GVariant *list)
{
  static const BbctlColumn columns[] = { { N_("NAME") }, { N_("CATEGORY") }, { N_("STEPS") }, { N_("SLAVES") } };
  g_autoptr (BbctlTable) table = bbctl_table_new (columns, G_N_ELEMENTS (columns));
  GVariantIter iter;
  GVariant *builder;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "@a{sv}", &builder))
    {
      g_autoptr (GVariant) steps = g_variant_lookup_value (builder, "steps", G_VARIANT_TYPE_STRING_ARRAY);
      g_autoptr (GVariant) slaves = g_variant_lookup_value (builder, "slaves", G_VARIANT_TYPE_STRING_ARRAY);

      bbctl_table_add (table, g_strdup (bbctl_dict_string (builder, "name")),
                       g_strdup (bbctl_dict_string (builder, "category")),
                       steps != NULL ? bbctl_format_value (steps) : g_strdup (""),
                       slaves != NULL ? bbctl_format_value (slaves) : g_strdup (""));
    }
  bbctl_table_print (table, self->colour, _("No builders are configured."));
}

int
bbctl_builders (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) list = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, NULL, &argc, &argv, 0, 0))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error)
      || (reply = bbctl_read (self, BBCTL_HOST_PATH, BBCTL_HOST, "ListBuilders", NULL, "(aa{sv})", &error)) == NULL)
    return bbctl_fail (error);
  list = g_variant_get_child_value (reply, 0);
  if (self->json)
    bbctl_print_json_array (bbctl_json_array (list, NULL));
  else
    print_builders (self, list);
  return BBCTL_OK;
}

/* How long it took, or takes by now. */
static char *
format_time (GVariant *build, gint64 now)
{
  guint64 started = bbctl_dict_number (build, "started_at"), finished = bbctl_dict_number (build, "finished_at");

  if (started == 0)
    return g_strdup ("-");
  return bbctl_format_duration ((finished != 0 ? (gint64) finished : now) - (gint64) started);
}

static void
print_builds (Bbctl *self, GVariant *list)
{
  static const BbctlColumn columns[] = {
    { N_("NUMBER"), BBCTL_COLUMN_RIGHT },
    { N_("BUILDER") },
    { N_("SLAVE") },
    { N_("STATE"), BBCTL_COLUMN_STATE },
    { N_("SUBMITTED") },
    { N_("TIME"), BBCTL_COLUMN_RIGHT },
    { N_("REASON") },
  };
  g_autoptr (BbctlTable) table = bbctl_table_new (columns, G_N_ELEMENTS (columns));
  gint64 now = g_get_real_time ();
  GVariantIter iter;
  GVariant *build;

  g_variant_iter_init (&iter, list);
  while (g_variant_iter_loop (&iter, "@a{sv}", &build))
    {
      const char *builder = bbctl_dict_string (build, "builder"), *result = bbctl_dict_string (build, "result");

      bbctl_table_add (table, bbctl_format_number (bbctl_dict_number (build, "number")),
                       g_strdup (*builder != '\0' ? builder : _("(run)")),
                       g_strdup (bbctl_dict_string (build, "slave")),
                       g_strdup (*result != '\0' ? result : bbctl_dict_string (build, "state")),
                       bbctl_format_when (bbctl_dict_number (build, "submitted_at"), now), format_time (build, now),
                       g_strdup (bbctl_dict_string (build, "reason")));
    }
  bbctl_table_print (table, self->colour, _("No builds."));
}

static void
insert_filter (GVariantDict *filter, const char *key, const char *value)
{
  if (value != NULL)
    g_variant_dict_insert (filter, key, "s", value);
}

int
bbctl_builds (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autofree char *builder = NULL, *slave = NULL, *state = NULL, *result = NULL;
  gint limit = -1;
  const GOptionEntry entries[] = {
    { "builder", 0, 0, G_OPTION_ARG_STRING, &builder, N_("Only of this builder"), N_("NAME") },
    { "slave", 0, 0, G_OPTION_ARG_STRING, &slave, N_("Only on this slave"), N_("NAME") },
    { "state", 0, 0, G_OPTION_ARG_STRING, &state,
      N_("Only those that are pending, waiting-for-slave, running or finished"), N_("STATE") },
    { "result", 0, 0, G_OPTION_ARG_STRING, &result, N_("Only those that ended so"), N_("RESULT") },
    { "limit", 'n', 0, G_OPTION_ARG_INT, &limit,
      N_("At most so many (30; with --json 1000); 0: as many as bbhostd tells"), N_("N") },
    { NULL },
  };
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) list = NULL;
  GVariantDict filter;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 0, 0))
    return BBCTL_USAGE;
  if (limit < 0)
    limit = self->json ? DEFAULT_LISTED : DEFAULT_SHOWN;
  if (!bbctl_connect (self, &error))
    return bbctl_fail (error);
  g_variant_dict_init (&filter, NULL);
  insert_filter (&filter, "builder", builder);
  insert_filter (&filter, "slave", slave);
  insert_filter (&filter, "state", state);
  insert_filter (&filter, "result", result);
  g_variant_dict_insert (&filter, "limit", "t", limit > 0 ? (guint64) limit : G_MAXUINT32);
  reply = bbctl_read (self, BBCTL_HOST_PATH, BBCTL_HOST, "ListBuilds",
                      g_variant_new ("(@a{sv})", g_variant_dict_end (&filter)), "(aa{sv})", &error);
  if (reply == NULL)
    return bbctl_fail (error);
  list = g_variant_get_child_value (reply, 0);
  if (self->json)
    bbctl_print_json_array (bbctl_json_array (list, bbctl_build_keys));
  else
    print_builds (self, list);
  return BBCTL_OK;
}

int
bbctl_cancel (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autofree char *reason = NULL;
  const GOptionEntry entries[] = {
    { "reason", 'r', 0, G_OPTION_ARG_STRING, &reason, N_("Why"), N_("TEXT") },
    { NULL },
  };
  g_autofree char *path = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GVariant) build = NULL;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error) || (path = bbctl_find_build (self, argv[1], &error)) == NULL
      || (reply = bbctl_change (self, path, BBCTL_BUILD, "Cancel",
                                g_variant_new ("(s)", reason != NULL ? reason : "cancelled with bbctl"), NULL, &error))
           == NULL
      || (build = bbctl_get_all (self, path, BBCTL_BUILD, &error)) == NULL)
    return bbctl_fail (error);
  if (self->json)
    bbctl_print_json_object (bbctl_json_object (build, bbctl_build_keys));
  else
    g_print (_("Build %s is cancelled.\n"), argv[1]);
  return BBCTL_OK;
}
