/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "bb-local-slave.h"

static const BbOption options[] = {
  { "command", BB_OPTION_STRING, G_STRUCT_OFFSET (BbLocalConfig, command), "buildbot-worker", 0, 0, BB_OPTION_NO_FLAGS,
    NULL, N_("The worker's program: a name in PATH, or a path as in /srv/venv/bin/buildbot-worker.") },
  { "argv", BB_OPTION_STRINGS, G_STRUCT_OFFSET (BbLocalConfig, argv), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("Any other program that acts as a slave, and its arguments; it is used instead of command.") },
  { "env", BB_OPTION_PAIRS, G_STRUCT_OFFSET (BbLocalConfig, env), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("Environment variables beside PATH, HOME and the like, which are bbhostd's own.") },
  { "stop_timeout", BB_OPTION_SECONDS, G_STRUCT_OFFSET (BbLocalConfig, stop_timeout), "10", 0, 3600, BB_OPTION_LIVE,
    NULL, N_("How long its processes may take to end before they are killed.") },
  { 0 },
};

static void
validate (gconstpointer data, GPtrArray *errors)
{
  const BbLocalConfig *config = data;

  if (config->command == NULL || *config->command == '\0')
    g_ptr_array_add (errors, g_strdup ("command: is empty; remove the line for buildbot-worker"));
  if (config->argv != NULL && (config->argv[0] == NULL || *config->argv[0] == '\0'))
    g_ptr_array_add (errors, g_strdup ("argv: is empty; give a program and its arguments, or remove the line"));
}

static const BbPluginProvides provides[] = {
  { "local", bb_local_slave_get_type, options, sizeof (BbLocalConfig), validate, FALSE },
  { 0 },
};

BB_PLUGIN_DEFINE ("local", N_("Slaves as processes of this machine"), provides)
