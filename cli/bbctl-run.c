/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-follow.h"
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl-properties.h"

/* Everything but the command's own failure. */
static int
fail (GError *error)
{
  bbctl_fail (error);
  return BBCTL_RUN_TROUBLE;
}

/* The command's exit status, or -1 when it has none: it did not run, or did not end by itself. */
static int
find_exit_code (GVariant *build)
{
  const char *result = bbctl_dict_string (build, "Result");
  g_autoptr (GVariant) steps = g_variant_lookup_value (build, "Steps", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) step = NULL;
  gint64 code;

  if (steps == NULL || g_variant_n_children (steps) == 0 || g_str_equal (result, "exception")
      || g_str_equal (result, "retry") || g_str_equal (result, "cancelled"))
    return -1;
  step = g_variant_get_child_value (steps, 0);
  code = bbctl_dict_signed (step, "exit_code");
  return code >= 0 && code <= 255 ? (int) code : -1;
}

static void
print_document (GVariant *build, BbctlFollow *follow, int exit_code)
{
  JsonObject *object = bbctl_json_object (build, bbctl_build_keys);
  g_autofree char *out = bbctl_follow_get_collected (follow, "stdout");
  g_autofree char *err = bbctl_follow_get_collected (follow, "stderr");

  if (exit_code >= 0)
    json_object_set_int_member (object, "exit_code", exit_code);
  else
    json_object_set_null_member (object, "exit_code");
  json_object_set_string_member (object, "stdout", out);
  json_object_set_string_member (object, "stderr", err);
  bbctl_print_json_object (object);
}

static int
follow_command (Bbctl *self, const char *path)
{
  const BbctlFollowOptions options = {
    .logs = TRUE,
    .split = TRUE,
    .collect = self->json,
    .progress = self->err_is_terminal && !self->json,
    .cancel_on_interrupt = TRUE,
  };
  g_autoptr (BbctlFollow) follow = bbctl_follow_new (self, path, &options);
  g_autoptr (GVariant) build = NULL;
  g_autofree char *summary = NULL;
  GError *error = NULL;
  int signal_number, exit_code;

  build = bbctl_follow_until_finished (follow, &signal_number, &error);
  if (error != NULL)
    return fail (error);
  if (build == NULL)
    return 128 + signal_number;
  exit_code = find_exit_code (build);
  summary = bbctl_follow_summary (build);
  if (self->json)
    print_document (build, follow, exit_code);
  if (exit_code < 0)
    g_printerr ("bbctl: %s\n", summary);
  if (signal_number != 0)
    return 128 + signal_number;
  return exit_code >= 0 ? exit_code : BBCTL_RUN_TROUBLE;
}

/* {"NAME=VALUE"} → a{ss}; NULL with the wrong item. */
static GVariant *
parse_environment (char **items, const char **wrong)
{
  GVariantBuilder builder;

  *wrong = NULL;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  for (; items != NULL && *items != NULL; items++)
    {
      const char *equals = strchr (*items, '=');
      g_autofree char *name = NULL;

      if (equals == NULL || equals == *items || !g_utf8_validate (*items, -1, NULL))
        {
          *wrong = *items;
          g_variant_builder_clear (&builder);
          return NULL;
        }
      name = g_strndup (*items, (gsize) (equals - *items));
      g_variant_builder_add (&builder, "{ss}", name, equals + 1);
    }
  return g_variant_builder_end (&builder);
}

static char *
submit (Bbctl *self, const char *slave, char **command, GVariant *options, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  char *path = NULL;

  reply = bbctl_change (self, BBCTL_HOST_PATH, BBCTL_HOST, "RunCommand",
                        g_variant_new ("(s^as@a{sv})", slave != NULL ? slave : "", command, options), "(o)", error);
  if (reply != NULL)
    g_variant_get (reply, "(o)", &path);
  return path;
}

int
bbctl_run (Bbctl *self, const char *verb, int argc, char **argv)
{
  g_autofree char *slave = NULL, *workdir = NULL, *path = NULL;
  g_auto (GStrv) env = NULL;
  g_auto (GStrv) items = NULL;
  const GOptionEntry entries[] = {
    { "slave", 0, 0, G_OPTION_ARG_STRING, &slave, N_("On this slave; otherwise on any"), N_("NAME") },
    { "workdir", 'C', 0, G_OPTION_ARG_STRING, &workdir, N_("Folder to run it in"), N_("PATH") },
    { "env", 'e', 0, G_OPTION_ARG_STRING_ARRAY, &env, N_("Set an environment variable; may be repeated"),
      N_("NAME=VALUE") },
    { "property", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &items, N_("Set a property of the build; may be repeated"),
      N_("NAME=VALUE") },
    { NULL },
  };
  g_autoptr (GVariant) environment = NULL;
  g_autoptr (GVariant) properties = NULL;
  GVariantDict options;
  const char *wrong;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 1, -1))
    return BBCTL_USAGE;
  environment = parse_environment (env, &wrong);
  if (environment == NULL)
    return bbctl_usage (verb, _("run: \"%s\" is not NAME=VALUE"), wrong);
  g_variant_ref_sink (environment);
  properties = bbctl_parse_properties (items, &wrong);
  if (properties == NULL)
    return bbctl_usage (verb, _("run: \"%s\" is not NAME=VALUE"), wrong);
  g_variant_ref_sink (properties);
  for (int i = 1; i < argc; i++)
    if (!g_utf8_validate (argv[i], -1, NULL))
      return bbctl_usage (verb, _("run: an argument is not valid UTF-8, which is all that D-Bus takes"));
  if (!bbctl_connect (self, &error))
    return fail (error);
  g_variant_dict_init (&options, NULL);
  if (workdir != NULL)
    g_variant_dict_insert (&options, "workdir", "s", workdir);
  if (env != NULL)
    g_variant_dict_insert_value (&options, "env", environment);
  if (items != NULL)
    g_variant_dict_insert_value (&options, "properties", properties);
  path = submit (self, slave, argv + 1, g_variant_dict_end (&options), &error);
  if (path == NULL)
    return fail (error);
  return follow_command (self, path);
}
