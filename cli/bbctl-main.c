/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "bbctl.h"

const BbctlVerb bbctl_verbs[] = {
  { "status", NULL, N_("What the host is doing"), bbctl_status },
  { "slaves", NULL, N_("List the slaves"), bbctl_slaves },
  { "slave", N_("NAME"), N_("Show all that is known of a slave"), bbctl_slave },
  { "builders", NULL, N_("List the builders"), bbctl_builders },
  { "builds", NULL, N_("List builds, newest first"), bbctl_builds },
  { "build", N_("BUILDER…"), N_("Ask for a build, or for one of each builder as a build set"), bbctl_build },
  { "run", N_("-- COMMAND…"), N_("Run a command on a slave, as ssh would"), bbctl_run },
  { "log", N_("BUILD [STEP]"), N_("Print a build's log"), bbctl_log },
  { "cancel", N_("BUILD"), N_("Cancel a build"), bbctl_cancel },
  { "substantiate", N_("NAME"), N_("Start a latent slave's machine without a build"), bbctl_slave_action },
  { "insubstantiate", N_("NAME"), N_("Stop a latent slave's machine"), bbctl_insubstantiate },
  { "pause", N_("NAME"), N_("Give a slave no new builds"), bbctl_slave_action },
  { "resume", N_("NAME"), N_("End a pause, also the one after starts that failed"), bbctl_slave_action },
  { "shutdown", N_("NAME"), N_("Shut a slave down when its builds have ended"), bbctl_slave_action },
  { "ping", N_("NAME"), N_("Measure how fast a slave answers"), bbctl_ping },
  { "instances", NULL, N_("List the instances that cost money, or may"), bbctl_instances },
  { "terminate", N_("INSTANCE"), N_("Stop an instance"), bbctl_terminate },
  { "forget", N_("INSTANCE"), N_("Close the row of an instance that can never be confirmed"), bbctl_forget },
  { "plugins", N_("[PLUGIN]"), N_("List the plugins, or the options of one"), bbctl_plugins },
  { "reload", NULL, N_("Read the configuration again"), bbctl_reload },
  { "notify-test", N_("NOTIFIER ADDRESS"), N_("Send a test message"), bbctl_notify_test },
  { "monitor", NULL, N_("Print changes as they happen"), bbctl_monitor },
  { NULL },
};

static void
add_common_options (Bbctl *self, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "bus", 0, 0, G_OPTION_ARG_STRING, &self->bus,
      N_("The bus the daemon is on: system (the default) or session, or an address"), N_("BUS") },
    { "json", 0, 0, G_OPTION_ARG_NONE, &self->json, N_("One JSON document on standard output, for programs"), NULL },
    { NULL },
  };

  g_option_context_add_main_entries (context, entries, PACKAGE);
  g_option_context_set_translation_domain (context, PACKAGE);
}

static const BbctlVerb *
find_verb (const char *name)
{
  for (const BbctlVerb *verb = bbctl_verbs; verb->name != NULL; verb++)
    if (g_str_equal (verb->name, name))
      return verb;
  return NULL;
}

int
bbctl_usage (const char *verb, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_printerr ("bbctl: %s\n", text);
  if (verb != NULL)
    g_printerr (_("Try \"bbctl %s --help\".\n"), verb);
  else
    g_printerr (_("Try \"bbctl --help\".\n"));
  return BBCTL_USAGE;
}

gboolean
bbctl_parse (Bbctl *self, const char *verb, const GOptionEntry *entries, int *argc, char ***argv, int n_min, int n_max)
{
  const BbctlVerb *description = find_verb (verb);
  const char *arguments = description->arguments != NULL ? _(description->arguments) : "";
  g_autoptr (GOptionContext) context = g_option_context_new (arguments);
  g_autofree char *program = g_strdup_printf ("bbctl %s", verb);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (context, _(description->summary));
  g_option_context_set_strict_posix (context, n_max < 0);
  add_common_options (self, context);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, PACKAGE);
  g_set_prgname (program);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      bbctl_usage (verb, "%s", error->message);
      return FALSE;
    }
  /* GOption leaves it where options follow it. */
  if (*argc > 1 && g_str_equal ((*argv)[1], "--"))
    {
      (*argv)++;
      (*argc)--;
    }
  if (*argc - 1 < n_min)
    bbctl_usage (verb, _("%s: an argument is missing: %s"), verb, arguments);
  else if (n_max >= 0 && *argc - 1 > n_max)
    bbctl_usage (verb, _("%s: one argument too many: \"%s\""), verb, (*argv)[n_max + 1]);
  else
    return TRUE;
  return FALSE;
}

static char *
list_verbs (void)
{
  GString *text = g_string_new (_("Verbs:"));

  for (const BbctlVerb *verb = bbctl_verbs; verb->name != NULL; verb++)
    {
      g_autofree char *form
        = g_strdup_printf ("%s %s", verb->name, verb->arguments != NULL ? _(verb->arguments) : "");
      int padding = 24 - (int) g_utf8_strlen (form, -1);

      g_string_append_printf (text, "\n  %s%*s%s", form, MAX (padding, 1), "", _(verb->summary));
    }
  g_string_append (text, _("\n\n\"bbctl VERB --help\" shows a verb's options."));
  return g_string_free (text, FALSE);
}

static int
run (Bbctl *self, int argc, char **argv)
{
  gboolean version = FALSE;
  const GOptionEntry entries[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, N_("Print the version and exit"), NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (_("VERB [ARGUMENT…]"));
  g_autofree char *verbs = list_verbs ();
  g_autoptr (GError) error = NULL;
  const BbctlVerb *verb;

  g_option_context_set_summary (context, _("Asks and commands bbhostd, the host of build slaves."));
  g_option_context_set_description (context, verbs);
  g_option_context_set_strict_posix (context, TRUE);
  add_common_options (self, context);
  g_option_context_add_main_entries (context, entries, PACKAGE);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return bbctl_usage (NULL, "%s", error->message);
  if (version)
    {
      g_print ("bbctl %s\n", PACKAGE_VERSION);
      return BBCTL_OK;
    }
  if (argc < 2)
    return bbctl_usage (NULL, _("a verb is missing"));
  verb = find_verb (argv[1]);
  if (verb == NULL)
    return bbctl_usage (NULL, _("\"%s\" is not a verb"), argv[1]);
  return verb->run (self, verb->name, argc - 1, argv + 1);
}

static gboolean
wants_colour (void)
{
  const char *term = g_getenv ("TERM");
  const char *no_colour = g_getenv ("NO_COLOR"); /* no-color.org: any value that is not empty */

  return (no_colour == NULL || *no_colour == '\0') && term != NULL && !g_str_equal (term, "dumb");
}

int
main (int argc, char **argv)
{
  Bbctl self = { 0 };
  g_autofree char **arguments = NULL;
  int status;

  setlocale (LC_ALL, "");
  bindtextdomain (PACKAGE, BB_LOCALE_DIR);
  bind_textdomain_codeset (PACKAGE, "UTF-8");
  textdomain (PACKAGE);
  signal (SIGPIPE, SIG_IGN); /* whoever reads us may stop: an error like others */
  self.out_is_terminal = isatty (STDOUT_FILENO) == 1;
  self.err_is_terminal = isatty (STDERR_FILENO) == 1;
  self.colour = self.out_is_terminal && wants_colour ();
  /* GOption takes out of it what it has parsed. */
  arguments = g_memdup2 (argv, (gsize) (argc + 1) * sizeof *argv);
  status = run (&self, argc, arguments);
  if (fflush (stdout) != 0 && status == BBCTL_OK)
    status = BBCTL_REFUSED;
  g_clear_object (&self.connection);
  g_free (self.owner);
  g_free (self.bus);
  return status;
}
