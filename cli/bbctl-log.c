/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <unistd.h>

#include "bbctl-follow.h"
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl.h"

static gboolean
copy_all (BbctlTail *tail, Bbctl *self, const char *path, GError **error)
{
  gboolean more = TRUE;

  if (!bbctl_tail_open (tail, self, path, error))
    return FALSE;
  while (more)
    if (!bbctl_tail_copy (tail, &more, error))
      return FALSE;
  return bbctl_tail_end (tail, error);
}

static gboolean
has_log (GVariant *step, const char *log)
{
  g_autofree const char **logs = NULL;

  return g_variant_lookup (step, "logs", "^a&s", &logs) && g_strv_contains (logs, log);
}

static void
print_heading (Bbctl *self, const char *step)
{
  g_autofree char *clean = bbctl_sanitize (step);

  if (!self->out_is_terminal)
    return;
  g_print (self->colour ? "\033[1m== %s ==\033[0m\n" : "== %s ==\n", clean);
  fflush (stdout);
}

/* One log; adds it to @array when there is one. */
static gboolean
show_log (Bbctl *self, const char *path, const char *step, const char *log, JsonArray *array, GError **error)
{
  BbctlProgress progress = { .quiet = TRUE };
  BbctlTailForm form = array != NULL           ? BBCTL_TAIL_COLLECT
                       : self->out_is_terminal ? BBCTL_TAIL_TERMINAL
                                               : BBCTL_TAIL_RAW;
  BbctlTail *tail = bbctl_tail_new (step, log, form, STDOUT_FILENO, &progress);
  gboolean success = copy_all (tail, self, path, error);

  if (success && array != NULL)
    {
      JsonObject *object = json_object_new ();
      g_autofree char *text = bbctl_tail_get_text (tail);

      json_object_set_string_member (object, "step", step);
      json_object_set_string_member (object, "log", log);
      json_object_set_string_member (object, "text", text);
      json_array_add_object_element (array, object);
    }
  bbctl_tail_free (tail);
  return success;
}

/* The log of every step that has one, in the order of the steps. */
static gboolean
show_all_steps (Bbctl *self, const char *path, const char *log, JsonArray *array, GError **error)
{
  g_autoptr (GVariant) build = bbctl_get_all (self, path, BBCTL_BUILD, error);
  g_autoptr (GVariant) steps = NULL;
  guint n_shown = 0;

  if (build == NULL)
    return FALSE;
  steps = g_variant_lookup_value (build, "Steps", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; steps != NULL && i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) step = g_variant_get_child_value (steps, i);
      const char *name = bbctl_dict_string (step, "name");

      if (!has_log (step, log))
        continue;
      if (array == NULL && g_variant_n_children (steps) > 1)
        print_heading (self, name);
      if (!show_log (self, path, name, log, array, error))
        return FALSE;
      n_shown++;
    }
  if (n_shown == 0)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, _("build %s has no log \"%s\" (it is %s)"),
                 strrchr (path, '/') + 1, log, bbctl_dict_string (build, "State"));
  return n_shown > 0;
}

static int
follow (Bbctl *self, const char *path, const char *step, const char *log)
{
  const BbctlFollowOptions options = {
    .logs = TRUE,
    .json_lines = self->json,
    .progress = !self->json && self->err_is_terminal,
    .only_step = step,
    .log = log,
  };
  g_autoptr (BbctlFollow) following = bbctl_follow_new (self, path, &options);
  g_autoptr (GVariant) build = NULL;
  GError *error = NULL;
  int signal_number;

  build = bbctl_follow_until_finished (following, &signal_number, &error);
  if (error != NULL)
    return bbctl_fail (error);
  return build != NULL ? BBCTL_OK : 128 + signal_number;
}

int
bbctl_log (Bbctl *self, const char *verb, int argc, char **argv)
{
  gboolean follows = FALSE;
  g_autofree char *log = NULL, *path = NULL;
  const GOptionEntry entries[] = {
    { "follow", 'f', 0, G_OPTION_ARG_NONE, &follows, N_("Go on until the build has ended"), NULL },
    { "log", 'l', 0, G_OPTION_ARG_STRING, &log, N_("Which of a step's logs (stdio)"), N_("NAME") },
    { NULL },
  };
  const char *name;
  JsonArray *array = NULL;
  gboolean success;
  GError *error = NULL;

  if (!bbctl_parse (self, verb, entries, &argc, &argv, 1, 2))
    return BBCTL_USAGE;
  if (!bbctl_connect (self, &error) || (path = bbctl_find_build (self, argv[1], &error)) == NULL)
    return bbctl_fail (error);
  name = log != NULL ? log : "stdio";
  if (follows)
    return follow (self, path, argc > 2 ? argv[2] : NULL, name);
  if (self->json)
    array = json_array_new ();
  success = argc > 2 ? show_log (self, path, argv[2], name, array, &error)
                     : show_all_steps (self, path, name, array, &error);
  if (!success)
    {
      g_clear_pointer (&array, json_array_unref);
      return bbctl_fail (error);
    }
  if (self->json)
    {
      JsonObject *object = json_object_new ();

      json_object_set_int_member (object, "number", g_ascii_strtoll (argv[1], NULL, 10));
      json_object_set_array_member (object, "logs", array);
      bbctl_print_json_object (object);
    }
  return BBCTL_OK;
}
