/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For those who write a backend: loads it as bbhostd would, reads a configuration for it, and sees whether it keeps what
 * core counts on. Prints TAP. */
#include <glib/gstdio.h>
#include <locale.h>
#include <stdio.h>

#include "bb-config.h"
#include "bb-conformance.h"
#include "bb-log-writer.h"

enum
{
  EXIT_PASSED = 0,
  EXIT_NOT_PASSED = 1,
  EXIT_WRONG_USAGE = 2,
};

typedef struct
{
  const BbPluginProvides *provides;
  gpointer plugin_config;
  BbSlaveSettings *settings;
} Backend;

static BbLatentSlave *
new_slave (gpointer data, const char *name)
{
  const Backend *backend = data;

  return g_object_new (backend->provides->get_type (), "name", name, "settings", backend->settings, "config",
                       backend->plugin_config, NULL);
}

static const BbSlaveConfig *
find_slave (BbConfig *config, const char *type, const char *wanted)
{
  GPtrArray *slaves = bb_config_get_slaves (config);

  for (guint i = 0; i < slaves->len; i++)
    {
      const BbSlaveConfig *slave = g_ptr_array_index (slaves, i);

      if (g_strcmp0 (slave->type, type) == 0 && (wanted == NULL || g_str_equal (slave->name, wanted)))
        return slave;
    }
  return NULL;
}

static void
print_lines (GPtrArray *lines)
{
  for (guint i = 0; i < lines->len; i++)
    g_printerr ("%s\n", (const char *) g_ptr_array_index (lines, i));
}

/* Indented and in one piece, so that no line of it is taken for TAP. */
static void
print_reason (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    g_print ("#   %s\n", lines[i]);
}

static gboolean
run_case (const BbConformanceTarget *target, const BbConformanceCase *c, guint number)
{
  g_autoptr (GError) error = NULL;

  if (bb_conformance_run (target, c, &error))
    {
      g_print ("ok %u - %s: %s\n", number, c->name, c->promise);
      return TRUE;
    }
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED))
    {
      g_print ("ok %u - %s # SKIP %s\n", number, c->name, error->message);
      return TRUE;
    }
  g_print ("not ok %u - %s: %s\n", number, c->name, c->promise);
  print_reason (error->message);
  return FALSE;
}

static int
run_cases (const BbConformanceTarget *target, const char *only)
{
  guint n_run = 0, n_failed = 0;

  for (const BbConformanceCase *c = bb_conformance_get_cases (); c->name != NULL; c++)
    if (only == NULL || g_str_equal (c->name, only))
      n_failed += run_case (target, c, ++n_run) ? 0 : 1;
  g_print ("1..%u\n", n_run);
  if (n_run == 0)
    {
      g_printerr ("bbhost-plugin-check: --case: there is no case \"%s\"; without it all are run and named\n", only);
      return EXIT_WRONG_USAGE;
    }
  return n_failed == 0 ? EXIT_PASSED : EXIT_NOT_PASSED;
}

/* Folders may stay behind; whatever is in them may not. */
static gboolean
remove_folders (const char *path)
{
  g_autoptr (GDir) folder = g_dir_open (path, 0, NULL);

  for (const char *name = folder != NULL ? g_dir_read_name (folder) : NULL; name != NULL;
       name = g_dir_read_name (folder))
    {
      g_autofree char *below = g_build_filename (path, name, NULL);

      if (!g_file_test (below, G_FILE_TEST_IS_DIR) || !remove_folders (below))
        return FALSE;
    }
  return g_rmdir (path) == 0;
}

/* In a folder that the backend may keep files in. */
static int
run_in_folder (const BbSlaveConfig *slave, guint time_limit, const char *only)
{
  Backend backend = { slave->provides, slave->plugin_config, slave->settings };
  BbConformanceTarget target = { new_slave, &backend, slave->name, NULL, time_limit };
  g_autoptr (GError) error = NULL;
  g_autofree char *folder = g_dir_make_tmp ("bbhost-plugin-check-XXXXXX", &error);
  int status;

  if (folder == NULL)
    {
      g_printerr ("bbhost-plugin-check: %s\n", error->message);
      return EXIT_NOT_PASSED;
    }
  target.state_directory = folder;
  status = run_cases (&target, only);
  if (!remove_folders (folder))
    g_print ("# files are left in %s\n", folder);
  return status;
}

static int
check (const char *module, const char *configuration, const char *wanted, guint time_limit, const char *only)
{
  g_autofree char *folder = g_path_get_dirname (module);
  g_autofree char *file = g_path_get_basename (module);
  g_autofree char *type
    = g_str_has_suffix (file, ".so") ? g_strndup (file, strlen (file) - strlen (".so")) : g_strdup (file);
  const char *const folders[] = { folder, NULL };
  g_autoptr (BbPluginRegistry) plugins = bb_plugin_registry_new (folders);
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  const BbSlaveConfig *slave;

  if (bb_plugin_registry_lookup (plugins, type, &error) == NULL)
    {
      g_printerr ("bbhost-plugin-check: %s\n", error->message);
      return EXIT_NOT_PASSED;
    }
  config = bb_config_load (configuration, plugins, errors, warnings);
  print_lines (errors);
  print_lines (warnings);
  if (config == NULL)
    return EXIT_WRONG_USAGE;
  slave = find_slave (config, type, wanted);
  if (slave != NULL)
    return run_in_folder (slave, time_limit, only);
  if (wanted != NULL)
    g_printerr ("bbhost-plugin-check: %s: there is no slave \"%s\" of type \"%s\"\n", configuration, wanted, type);
  else
    g_printerr ("bbhost-plugin-check: %s: there is no slave of type \"%s\"; add one\n", configuration, type);
  return EXIT_WRONG_USAGE;
}

int
main (int argc, char **argv)
{
  g_autofree char *slave = NULL;
  g_autofree char *only = NULL;
  gboolean version = FALSE, verbose = FALSE;
  int time_limit = 300;
  const GOptionEntry entries[] = {
    { "slave", 0, 0, G_OPTION_ARG_STRING, &slave, "The slave to start; otherwise the first of the plugin's type",
      "NAME" },
    { "case", 0, 0, G_OPTION_ARG_STRING, &only, "Run this case only", "NAME" },
    { "time-limit", 0, 0, G_OPTION_ARG_INT, &time_limit, "Seconds that one call may take (300)", "SECONDS" },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &verbose, "Log more", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version and exit", NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("PLUGIN.so CONFIGURATION");
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  g_option_context_set_summary (context, "Starts and stops instances of a backend of bbhost, and says whether it does what bbhostd "
                                         "counts on.\nThe instances are real ones: they may cost money.");
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("bbhost-plugin-check: %s\n", error->message);
      return EXIT_WRONG_USAGE;
    }
  if (version)
    {
      g_print ("bbhost-plugin-check %s\n", PACKAGE_VERSION);
      return EXIT_PASSED;
    }
  if (argc != 3 || time_limit < 1 || time_limit > 86400)
    {
      g_printerr ("bbhost-plugin-check: a plugin and a configuration are wanted%s; see --help\n",
                  argc == 3 ? ", and a time limit from 1 to 86400" : "");
      return EXIT_WRONG_USAGE;
    }
  bb_log_writer_install (verbose);
  return check (argv[1], argv[2], slave, (guint) time_limit, only);
}
