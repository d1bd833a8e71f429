/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-follow.h"
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl-properties.h"

/* One document: the build, or all of a set. */
static void
print_documents (GPtrArray *builds)
{
  g_autoptr (JsonArray) array = NULL;

  if (builds->len == 1)
    {
      bbctl_print_json_object (bbctl_json_object (g_ptr_array_index (builds, 0), bbctl_build_keys));
      return;
    }
  array = json_array_new ();
  for (guint i = 0; i < builds->len; i++)
    json_array_add_object_element (array, bbctl_json_object (g_ptr_array_index (builds, i), bbctl_build_keys));
  bbctl_print_json_array (g_steal_pointer (&array));
}

static int
print_submitted (Bbctl *self, char **paths)
{
  g_autoptr (GPtrArray) builds = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  GError *error = NULL;

  for (guint i = 0; paths[i] != NULL; i++)
    {
      GVariant *build = bbctl_get_all (self, paths[i], BBCTL_BUILD, &error);
      g_autofree char *number = NULL;

      if (build == NULL)
        return bbctl_fail (error);
      g_ptr_array_add (builds, build);
      number = bbctl_format_number (bbctl_dict_number (build, "Number"));
      if (!self->json)
        g_print (_("Build %s of %s was submitted.\n"), number, bbctl_dict_string (build, "Builder"));
    }
  if (self->json)
    print_documents (builds);
  return BBCTL_OK;
}

/* What is said when a signal ended the waiting, and the status for it. */
static int
leave (const char *path, int signal_number)
{
  g_printerr (_("bbctl: build %s goes on; \"bbctl log %s --follow\" shows it\n"), strrchr (path, '/') + 1,
              strrchr (path, '/') + 1);
  return 128 + signal_number;
}

/* NULL: the wait has ended without the build's end, with @status. */
static GVariant *
wait_for_one (Bbctl *self, const char *path, gboolean follow, int *status)
{
  const BbctlFollowOptions options = {
    .logs = follow,
    .json_lines = follow && self->json,
    .progress = !self->json,
  };
  g_autoptr (BbctlFollow) following = bbctl_follow_new (self, path, &options);
  g_autoptr (GVariant) build = NULL;
  g_autofree char *summary = NULL;
  GError *error = NULL;
  int signal_number;

  build = bbctl_follow_until_finished (following, &signal_number, &error);
  if (error != NULL)
    {
      *status = bbctl_fail (error);
      return NULL;
    }
  if (build == NULL)
    {
      *status = leave (path, signal_number);
      return NULL;
    }
  summary = bbctl_follow_summary (build);
  if (follow && !self->json)
    g_printerr ("%s\n", summary);
  else if (!self->json)
    g_print ("%s\n", summary);
  return g_steal_pointer (&build);
}

/* The status is that of the build that ended worst. */
static int
wait_for_all (Bbctl *self, char **paths, gboolean follow)
{
  g_autoptr (GPtrArray) builds = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  int worst = BBCTL_OK;

  for (guint i = 0; paths[i] != NULL; i++)
    {
      int status;
      GVariant *build = wait_for_one (self, paths[i], follow, &status);

      if (build == NULL)
        return status;
      g_ptr_array_add (builds, build);
      worst = MAX (worst, bbctl_follow_status (build));
    }
  if (self->json && !follow)
    print_documents (builds);
  return worst;
}

/* The paths of the builds. One that is asked for alone is in no set. */
static char **
submit (Bbctl *self, const char *const *builders, GVariant *options, GError **error)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (options);
  g_autoptr (GVariant) reply = NULL;
  char **paths = NULL;

  if (builders[1] != NULL)
    {
      reply = bbctl_change (self, BBCTL_HOST_PATH, BBCTL_HOST, "SubmitBuildSet",
                            g_variant_new ("(^as@a{sv})", builders, sunk), "(ao)", error);
      if (reply != NULL)
        g_variant_get (reply, "(^ao)", &paths);
      return paths;
    }
  reply = bbctl_change (self, BBCTL_HOST_PATH, BBCTL_HOST, "SubmitBuild",
                        g_variant_new ("(s@a{sv})", builders[0], sunk), "(o)", error);
  if (reply == NULL)
    return NULL;
  paths = g_new0 (char *, 2);
  g_variant_get (reply, "(o)", &paths[0]);
  return paths;
}

int
bbctl_build (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_auto (GStrv) items = NULL;
  g_auto (GStrv) paths = NULL;
  g_autofree char *slave = NULL, *reason = NULL;
  gboolean wait = FALSE, follow = FALSE;
  const GOptionEntry entries[] = {
    { "property", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &items, N_("Set a property of the build; may be repeated"),
      N_("NAME=VALUE") },
    { "slave", 0, 0, G_OPTION_ARG_STRING, &slave, N_("On this slave only"), N_("NAME") },
    { "reason", 'r', 0, G_OPTION_ARG_STRING, &reason, N_("Why, for people"), N_("TEXT") },
    { "wait", 'w', 0, G_OPTION_ARG_NONE, &wait, N_("Wait for its end"), NULL },
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, N_("Wait for its end and show its log meanwhile"), NULL },
    { NULL },
  };
  g_autoptr (GVariant) properties = NULL;
  GVariantDict options;
  const char *wrong;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 1, G_MAXINT))
    return BBCTL_USAGE;
  if (follow && argc > 2)
    return bbctl_usage (verb, "%s", _("build: --follow shows the log of one build; --wait takes several builders"));
  properties = bbctl_parse_properties (items, &wrong);
  if (properties == NULL)
    return bbctl_usage (verb, _("build: \"%s\" is not NAME=VALUE"), wrong);
  g_variant_ref_sink (properties);
  if (!bbctl_connect (self, &error))
    return bbctl_fail (error);
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert_value (&options, "properties", properties);
  if (slave != NULL)
    g_variant_dict_insert (&options, "slave", "s", slave);
  if (reason != NULL)
    g_variant_dict_insert (&options, "reason", "s", reason);
  argv[argc] = NULL; /* GOption may leave an argument of its own there */
  paths = submit (self, (const char *const *) argv + 1, g_variant_dict_end (&options), &error);
  if (paths == NULL)
    return bbctl_fail (error);
  return wait || follow ? wait_for_all (self, paths, follow) : print_submitted (self, paths);
}
