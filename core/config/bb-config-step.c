/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-private.h"

#include <glib/gi18n.h>
#include <string.h>

#define DAY 86400.0
#define MAX_SIZE 1e14

/* Part of the name of each of a step's log files, next to a position and a log's name, escaped. */
#define MAX_STEP_NAME 64

#define OPTION(KEY, TYPE, FALLBACK, MINIMUM, MAXIMUM, FLAGS, HELP)                                                     \
  {                                                                                                                    \
    #KEY, BB_OPTION_##TYPE, G_STRUCT_OFFSET (BbStepConfig, KEY), FALLBACK, MINIMUM, MAXIMUM, FLAGS, NULL, HELP         \
  }

#define RESULT_OPTIONS(HALT)                                                                                           \
  OPTION (halt_on_failure, BOOLEAN, HALT, 0, 0, 0, N_("A failure ends the build, but for steps with always_run.")),    \
  OPTION (flunk_on_failure, BOOLEAN, "true", 0, 0, 0, N_("A failure makes the build a failure.")),                     \
  OPTION (warn_on_failure, BOOLEAN, "false", 0, 0, 0, N_("A failure gives the build warnings.")),                      \
  OPTION (always_run, BOOLEAN, "false", 0, 0, 0, N_("Runs even when an earlier step has ended the build.")),           \
  OPTION (do_step_if, STRING, NULL, 0, 0, BB_OPTION_INTERPOLATED,                                                      \
          N_("Skipped when this is empty, \"false\" or \"0\" once its properties are filled in."))

#define WORKDIR_OPTION                                                                                                 \
  OPTION (workdir, STRING, NULL, 0, 0, BB_OPTION_INTERPOLATED, N_("Below the builder's folder; default: build."))
#define SOURCE_OPTION(HELP) OPTION (source, STRING, NULL, 0, 0, BB_OPTION_REQUIRED | BB_OPTION_INTERPOLATED, HELP)
#define DESTINATION_OPTION(HELP)                                                                                       \
  OPTION (destination, STRING, NULL, 0, 0, BB_OPTION_REQUIRED | BB_OPTION_INTERPOLATED, HELP)
#define SIZE_OPTIONS                                                                                                   \
  OPTION (max_size, INTEGER, "none", 1, MAX_SIZE, BB_OPTION_NONE_ALLOWED, N_("Most bytes that are transferred.")),     \
  OPTION (block_size, INTEGER, "262144", 4096, 524288, 0, N_("Bytes per message."))
#define DIRECTORIES_OPTION                                                                                             \
  OPTION (directories, STRINGS, NULL, 0, 0, BB_OPTION_REQUIRED | BB_OPTION_INTERPOLATED,                               \
          N_("Folders below the slave's base folder."))
#define LOG_ENVIRON_OPTION OPTION (log_environ, BOOLEAN, "true", 0, 0, 0, N_("Logs the environment of the command."))
#define TIME_OPTIONS(TIMEOUT)                                                                                          \
  OPTION (timeout, SECONDS, TIMEOUT, 0.1, 365 * DAY, BB_OPTION_NONE_ALLOWED,                                           \
          N_("Seconds without output after which it is killed.")),                                                     \
  OPTION (max_time, SECONDS, "none", 0.1, 365 * DAY, BB_OPTION_NONE_ALLOWED,                                           \
          N_("Seconds in all after which it is killed."))

static const BbOption shell_options[] = {
  OPTION (command, STRING, NULL, 0, 0, BB_OPTION_INTERPOLATED, N_("A line for the slave's shell.")),
  OPTION (argv, STRINGS, NULL, 0, 0, BB_OPTION_INTERPOLATED, N_("A program and its arguments, without a shell.")),
  WORKDIR_OPTION,
  OPTION (env, PAIRS, NULL, 0, 0, BB_OPTION_INTERPOLATED, N_("Environment variables.")),
  TIME_OPTIONS ("1200"),
  OPTION (sigterm_time, SECONDS, "none", 0.1, DAY, BB_OPTION_NONE_ALLOWED,
          N_("Seconds between asking a command to end and killing it.")),
  OPTION (logfiles, PAIRS, NULL, 0, 0, BB_OPTION_INTERPOLATED, N_("Further logs: NAME=FILE in the workdir.")),
  OPTION (use_pty, BOOLEAN, "false", 0, 0, 0, N_("Gives the command a terminal.")),
  OPTION (initial_stdin, STRING, NULL, 0, 0, BB_OPTION_INTERPOLATED, N_("What the command reads.")),
  LOG_ENVIRON_OPTION,
  RESULT_OPTIONS ("false"),
  { 0 },
};

static const BbOption upload_options[] = {
  SOURCE_OPTION (N_("The file at the slave, below the workdir.")),
  DESTINATION_OPTION (N_("The file at the host.")),
  WORKDIR_OPTION,
  SIZE_OPTIONS,
  OPTION (keep_stamp, BOOLEAN, "false", 0, 0, 0, N_("Keeps the time of the file.")),
  RESULT_OPTIONS ("true"),
  { 0 },
};

static const BbOption upload_directory_options[] = {
  SOURCE_OPTION (N_("The folder at the slave, below the workdir.")),
  DESTINATION_OPTION (N_("The folder at the host.")),
  WORKDIR_OPTION,
  SIZE_OPTIONS,
  OPTION (compress, STRING, "none", 0, 0, BB_OPTION_NONE_ALLOWED, N_("On the way: gz, bz2 or none.")),
  RESULT_OPTIONS ("true"),
  { 0 },
};

static const BbOption download_options[] = {
  SOURCE_OPTION (N_("The file at the host.")),
  DESTINATION_OPTION (N_("The file at the slave, below the workdir.")),
  WORKDIR_OPTION,
  SIZE_OPTIONS,
  OPTION (mode, STRING, NULL, 0, 0, 0, N_("The file's permissions at the slave, octal.")),
  RESULT_OPTIONS ("true"),
  { 0 },
};

static const BbOption mkdir_options[] = {
  DIRECTORIES_OPTION,
  RESULT_OPTIONS ("false"),
  { 0 },
};

static const BbOption rmdir_options[] = {
  DIRECTORIES_OPTION,
  LOG_ENVIRON_OPTION,
  RESULT_OPTIONS ("false"),
  { 0 },
};

static const BbOption copy_options[] = {
  SOURCE_OPTION (N_("The folder that is copied, below the slave's base folder.")),
  DESTINATION_OPTION (N_("The folder that becomes the copy.")),
  TIME_OPTIONS ("120"),
  LOG_ENVIRON_OPTION,
  RESULT_OPTIONS ("false"),
  { 0 },
};

/* In the order of BbStepType. */
static const char *const type_names[] = {
  "shell", "upload", "upload-directory", "download", "mkdir", "rmdir", "copy", NULL,
};

static const BbOption *const type_options[] = {
  shell_options, upload_options, upload_directory_options, download_options, mkdir_options, rmdir_options, copy_options,
};
G_STATIC_ASSERT (G_N_ELEMENTS (type_options) + 1 == G_N_ELEMENTS (type_names));

static const char *const extra_keys[] = { "type", NULL };

const BbOption *
bb_config_get_step_options (const char *type)
{
  for (guint i = 0; type_names[i] != NULL; i++)
    if (g_str_equal (type_names[i], type))
      return type_options[i];
  return NULL;
}

static int
find_type (BbConfigLoader *loader, const BbConfigGroup *group)
{
  const char *type = bb_config_group_get (group, "type");
  g_autofree char *suggestion = NULL;
  g_autofree char *all = NULL;

  if (type == NULL)
    return 0;
  for (int i = 0; type_names[i] != NULL; i++)
    if (g_str_equal (type_names[i], type))
      return i;
  suggestion = bb_config_suggest (loader, type, type_names);
  all = g_strjoinv (", ", (char **) type_names);
  bb_config_error (loader, group, "type", "\"%s\" is not one of: %s%s", type, all, suggestion);
  return -1;
}

static void
check_shell (BbConfigLoader *loader, const BbConfigGroup *group, const BbStepConfig *step)
{
  if (step->command != NULL && step->argv != NULL)
    bb_config_error (loader, group, "argv", "is given beside command; keep one of them");
  else if (step->command == NULL && step->argv == NULL)
    bb_config_error (loader, group, "command", "is missing; give command= or argv=");
  else if (step->argv != NULL && (step->argv[0] == NULL || *step->argv[0] == '\0'))
    bb_config_error (loader, group, "argv", "is empty; give a program and its arguments, as in make;-j4;");
  else if (step->command != NULL && *step->command == '\0')
    bb_config_error (loader, group, "command", "is empty; give a line for the slave's shell");
}

static void
check_transfer (BbConfigLoader *loader, const BbConfigGroup *group, const BbStepConfig *step)
{
  if (step->mode != NULL && !g_ascii_string_to_unsigned (step->mode, 8, 0, 07777, NULL, NULL))
    bb_config_error (loader, group, "mode", "\"%s\" is not an octal number like 0644", step->mode);
  if (step->compress != NULL && !g_str_equal (step->compress, "gz") && !g_str_equal (step->compress, "bz2"))
    bb_config_error (loader, group, "compress", "\"%s\" is not one of: gz, bz2, none", step->compress);
  if (step->directories != NULL && step->directories[0] == NULL)
    bb_config_error (loader, group, "directories", "is empty; name at least one");
}

/* Nothing keeps a command line secret: it is in the build's log, and on the slave's process list. */
static void
check_no_password (BbConfigLoader *loader, const BbConfigGroup *group)
{
  for (guint i = 0; i < group->entries->len; i++)
    {
      const BbConfigEntry *entry = &g_array_index (group->entries, BbConfigEntry, i);

      if (strstr (entry->value, "%(slave:password)s") != NULL)
        bb_config_error (loader, group, entry->key,
                         "%%(slave:password)s has no value in a step, whose log would show it; remove it");
    }
}

static void
load_step (BbConfigLoader *loader, const BbConfigGroup *group)
{
  g_autofree char *owner = NULL;
  BbStepConfig *step;
  int type;

  if (!bb_config_check_name (loader, group, group->name, "step"))
    return;
  if (strlen (group->name) > MAX_STEP_NAME)
    bb_config_error (loader, group, NULL, "a step's name has at most %d bytes", MAX_STEP_NAME);
  type = find_type (loader, group);
  step = g_new0 (BbStepConfig, 1);
  step->name = g_strdup (group->name);
  step->origin = bb_config_origin (group);
  step->type = MAX (type, 0);
  bb_option_struct_init (type_options[step->type], step);
  g_ptr_array_add (loader->config->steps, step);
  if (type < 0)
    return;
  owner = g_strdup_printf ("a step of type \"%s\"", type_names[type]);
  check_no_password (loader, group);
  if (!bb_config_parse_group (loader, group, type_options[type], extra_keys, owner, step))
    return;
  if (type_options[type] == shell_options)
    check_shell (loader, group, step);
  else
    check_transfer (loader, group, step);
}

void
bb_config_load_steps (BbConfigLoader *loader)
{
  const GPtrArray *groups = loader->groups[BB_CONFIG_STEP];

  for (guint i = 0; i < groups->len; i++)
    load_step (loader, g_ptr_array_index (groups, i));
}

void
bb_step_config_free (BbStepConfig *step)
{
  bb_option_struct_clear (type_options[step->type], step);
  g_free (step->name);
  g_free (step->origin);
  g_free (step);
}

gboolean
bb_step_config_equal (const BbStepConfig *a, const BbStepConfig *b)
{
  return a->type == b->type && g_str_equal (a->name, b->name) &&
         bb_option_struct_equal (type_options[a->type], a, b, BB_OPTION_NO_FLAGS);
}
