/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-follow.h"
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl-properties.h"

static int
print_submitted (Bbctl *self, const char *path)
{
  g_autoptr (GVariant) build = NULL;
  g_autofree char *number = NULL;
  GError *error = NULL;

  build = bbctl_get_all (self, path, BBCTL_BUILD, &error);
  if (build == NULL)
    return bbctl_fail (error);
  number = bbctl_format_number (bbctl_dict_number (build, "Number"));
  if (self->json)
    bbctl_print_json_object (bbctl_json_object (build, bbctl_build_keys));
  else
    g_print (_("Build %s of %s was submitted.\n"), number, bbctl_dict_string (build, "Builder"));
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

static int
wait_for (Bbctl *self, const char *path, gboolean follow)
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
    return bbctl_fail (error);
  if (build == NULL)
    return leave (path, signal_number);
  summary = bbctl_follow_summary (build);
  if (self->json && !follow)
    bbctl_print_json_object (bbctl_json_object (build, bbctl_build_keys));
  else if (follow && !self->json)
    g_printerr ("%s\n", summary);
  else if (!self->json)
    g_print ("%s\n", summary);
  return bbctl_follow_status (build);
}

static char *
submit (Bbctl *self, const char *builder, GVariant *options, GError **error)
{
  g_autoptr (GVariant) reply = bbctl_change (self, BBCTL_HOST_PATH, BBCTL_HOST, "SubmitBuild",
                                             g_variant_new ("(s@a{sv})", builder, options), "(o)", error);
  char *path = NULL;

  if (reply != NULL)
    g_variant_get (reply, "(o)", &path);
  return path;
}

int
bbctl_build (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_auto (GStrv) items = NULL;
  g_autofree char *slave = NULL, *reason = NULL, *path = NULL;
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

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 1, 1))
    return BBCTL_USAGE;
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
  path = submit (self, argv[1], g_variant_dict_end (&options), &error);
  if (path == NULL)
    return bbctl_fail (error);
  return wait || follow ? wait_for (self, path, follow) : print_submitted (self, path);
}
