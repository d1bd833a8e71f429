/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <libintl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "bb-bus.h"
#include "bb-host.h"
#include "bb-log-writer.h"
#include "bb-log.h"
#include "bb-memory-keeper.h"
#include "bb-open-instances.h"
#include "bb-sqlite-store.h"
#include "bb-watchdog.h"

#define BUS_NAME "org.bbhost"

enum
{
  EXIT_IN_ORDER = 0,
  EXIT_WHILE_RUNNING = 1,
  EXIT_CONFIGURATION = 2,
};

typedef struct
{
  char *config_path;
  char **plugin_directories;
  char *state_directory;
  char *bus;
  double shutdown_grace;
  gboolean check_config;
  gboolean list_open_instances;
  gboolean set_store_aside;
  gboolean verbose;
  gboolean version;
} Options;

typedef struct
{
  GMainLoop *main_loop;
  BbHost *host;
  GDBusConnection *connection;
  gboolean is_system_bus;
  BbBus *bus;
  BbWatchdog *watchdog;
  guint name_id;
  gboolean stopping;
  gboolean started;
  int status;
} Daemon;

static gboolean
parse_options (int *argc, char ***argv, Options *options, GError **error)
{
  const GOptionEntry entries[] = {
    { "config", 'c', 0, G_OPTION_ARG_FILENAME, &options->config_path,
      N_("A configuration file, or a folder with bbhost.conf and conf.d"), N_("PATH") },
    { "plugin-dir", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options->plugin_directories,
      N_("Where plugins are; may be repeated, the first hit wins"), N_("DIR") },
    { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &options->state_directory,
      N_("Where the store and the logs of builds are"), N_("DIR") },
    { "bus", 0, 0, G_OPTION_ARG_STRING, &options->bus,
      N_("The bus to be on: system (the default) or session, or an address"), N_("BUS") },
    { "shutdown-grace", 0, 0, G_OPTION_ARG_DOUBLE, &options->shutdown_grace,
      N_("How long running builds may go on after SIGTERM (60)"), N_("SECONDS") },
    { "check-config", 0, 0, G_OPTION_ARG_NONE, &options->check_config,
      N_("Print every error and warning of the configuration and exit"), NULL },
    { "list-open-instances", 0, 0, G_OPTION_ARG_NONE, &options->list_open_instances,
      N_("Print what the ledger says is not gone, whether bbhostd runs or not, and exit"), NULL },
    { "set-store-aside", 0, 0, G_OPTION_ARG_NONE, &options->set_store_aside,
      N_("Keep a damaged store under another name, so that the next start makes a new one, and exit"), NULL },
    { "verbose", 'v', 0, G_OPTION_ARG_NONE, &options->verbose, N_("Log more"), NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &options->version, N_("Print the version and exit"), NULL },
    { 0 },
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autofree char *places = g_strdup_printf (_("Unless told otherwise: configuration in %s, plugins in %s, state in %s."),
                                             BB_CONFIG_DIR, BB_PLUGIN_DIR, BB_STATE_DIR);

  g_option_context_set_translation_domain (context, PACKAGE);
  g_option_context_set_summary (context, N_("Hosts Buildbot build slaves and starts their machines when builds wait."));
  g_option_context_set_description (context, places);
  g_option_context_add_main_entries (context, entries, PACKAGE);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "unexpected argument \"%s\"", (*argv)[1]);
      return FALSE;
    }
  if (options->shutdown_grace < 0 || options->shutdown_grace > 86400)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "--shutdown-grace: %g is not a number of seconds from 0 to 86400", options->shutdown_grace);
      return FALSE;
    }
  return TRUE;
}

static int
check_config (const Options *options)
{
  g_autoptr (BbPluginRegistry) plugins
    = bb_plugin_registry_new ((const char *const *) options->plugin_directories);
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbConfig) config = bb_config_load (options->config_path, plugins, errors, warnings);

  for (guint i = 0; i < errors->len; i++)
    g_printerr ("%s\n", (const char *) g_ptr_array_index (errors, i));
  for (guint i = 0; i < warnings->len; i++)
    g_printerr ("warning: %s\n", (const char *) g_ptr_array_index (warnings, i));
  return config != NULL ? EXIT_IN_ORDER : EXIT_CONFIGURATION;
}

/* A configuration that is wrong must not keep anybody from being warned: then it is the built-in folder. */
static char *
find_state_directory (const Options *options)
{
  g_autoptr (BbPluginRegistry) plugins
    = bb_plugin_registry_new ((const char *const *) options->plugin_directories);
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbConfig) config = NULL;
  const char *directory = options->state_directory;

  if (directory == NULL)
    {
      config = bb_config_load_usable (options->config_path, plugins, errors, warnings);
      directory = config != NULL ? bb_config_get_host (config)->state_directory : NULL;
    }
  return g_strdup (directory != NULL ? directory : BB_STATE_DIR);
}

static int
list_open_instances (const Options *options)
{
  g_autofree char *directory = find_state_directory (options);
  g_autoptr (GError) error = NULL;

  if (bb_open_instances_print (directory, &error))
    return EXIT_IN_ORDER;
  g_printerr ("bbhostd: %s\n", error->message);
  return EXIT_WHILE_RUNNING;
}

static int
set_store_aside (const Options *options)
{
  g_autofree char *directory = find_state_directory (options);
  g_autoptr (GError) error = NULL;
  g_autofree char *aside = bb_sqlite_store_set_aside (directory, &error);

  if (aside != NULL)
    {
      g_print ("The store is now %s. The next start of bbhostd makes a new one and looks for the instances of this one.\n",
               aside);
      return EXIT_IN_ORDER;
    }
  g_printerr ("bbhostd: %s\n", error->message);
  return EXIT_WHILE_RUNNING;
}

static void
end_with (Daemon *self, int status)
{
  self->status = MAX (self->status, status);
  g_main_loop_quit (self->main_loop);
}

static void
host_stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Daemon *self = user_data;

  bb_host_shutdown_finish (self->host, result, NULL);
  end_with (self, EXIT_IN_ORDER);
}

static gboolean
stop_cb (gpointer user_data)
{
  Daemon *self = user_data;

  if (self->stopping || !self->started)
    {
      /* Asked a second time, or before there is anything to stop: at once; the ledger knows what is left. */
      bb_log_host (G_LOG_LEVEL_MESSAGE, "stopping at once");
      end_with (self, EXIT_IN_ORDER);
      return G_SOURCE_CONTINUE;
    }
  self->stopping = TRUE;
  sd_notify (FALSE, "STOPPING=1");
  bb_log_host (G_LOG_LEVEL_MESSAGE, "stopping: running builds may end, then instances are stopped");
  bb_host_shutdown_async (self->host, host_stopped_cb, self);
  return G_SOURCE_CONTINUE;
}

static gboolean
reload_cb (gpointer user_data)
{
  Daemon *self = user_data;
  g_autoptr (GPtrArray) warnings = NULL;
  g_autoptr (GError) error = NULL;

  if (!self->started || self->stopping)
    return G_SOURCE_CONTINUE;
  sd_notifyf (FALSE, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());
  if (!bb_host_reload (self->host, &warnings, &error))
    bb_log_host (G_LOG_LEVEL_WARNING, "the new configuration is not used, the old one stays in force:\n%s",
                 error->message);
  for (guint i = 0; warnings != NULL && i < warnings->len; i++)
    bb_log_host (G_LOG_LEVEL_WARNING, "%s", (const char *) g_ptr_array_index (warnings, i));
  sd_notify (FALSE, "READY=1");
  return G_SOURCE_CONTINUE;
}

static void
name_acquired_cb (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Daemon *self = user_data;

  self->started = TRUE;
  self->watchdog = bb_watchdog_new (bb_host_get_loop (self->host));
  sd_notify (FALSE, "READY=1");
  bb_log_host (G_LOG_LEVEL_MESSAGE, "bbhostd " PACKAGE_VERSION " is ready: %u slaves",
               bb_slave_manager_count (bb_host_get_slaves (self->host)));
}

static void
name_lost_cb (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Daemon *self = user_data;

  if (self->stopping)
    return;
  if (connection == NULL || g_dbus_connection_is_closed (connection))
    bb_log_host (G_LOG_LEVEL_WARNING, "the bus has closed the connection");
  else
    bb_log_host (G_LOG_LEVEL_WARNING, "cannot own the name %s: another bbhostd has it, or the bus policy forbids it",
                 name);
  if (!self->started)
    {
      end_with (self, EXIT_WHILE_RUNNING);
      return;
    }
  self->status = EXIT_WHILE_RUNNING;
  stop_cb (self);
}

static GDBusConnection *
connect_to_bus (const char *bus, GError **error)
{
  g_autofree char *address = NULL;

  if (g_str_equal (bus, "system"))
    address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, error);
  else if (g_str_equal (bus, "session"))
    address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SESSION, NULL, error);
  else
    address = g_strdup (bus);
  if (address == NULL)
    return NULL;
  return g_dbus_connection_new_for_address_sync (
    address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
    error);
}

static void
host_started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Daemon *self = user_data;
  g_autoptr (BbAuthority) authority = NULL;
  g_autoptr (GError) error = NULL;

  if (!bb_host_start_finish (self->host, result, &error))
    {
      g_printerr ("%s\n", error->message);
      end_with (self, g_error_matches (error, BB_ERROR, BB_ERROR_CONFIG) ? EXIT_CONFIGURATION : EXIT_WHILE_RUNNING);
      return;
    }
  authority = self->is_system_bus ? bb_polkit_authority_new () : bb_owner_authority_new ();
  self->bus = bb_bus_new (self->host, self->connection, authority, &error);
  if (self->bus == NULL)
    {
      g_printerr ("bbhostd: %s\n", error->message);
      end_with (self, EXIT_WHILE_RUNNING);
      return;
    }
  self->name_id = g_bus_own_name_on_connection (self->connection, BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                                name_acquired_cb, name_lost_cb, self, NULL);
}

/* A descriptor for each slave; and no core files, as passwords are in memory. */
static void
set_limits (void)
{
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max)
    {
      limit.rlim_cur = limit.rlim_max;
      setrlimit (RLIMIT_NOFILE, &limit);
    }
  limit = (struct rlimit){ 0, 0 };
  setrlimit (RLIMIT_CORE, &limit);
  umask (077);
  signal (SIGPIPE, SIG_IGN);
}

static int
run (const Options *options)
{
  const BbHostParameters parameters = {
    .config_path = options->config_path,
    .plugin_directories = (const char *const *) options->plugin_directories,
    .state_directory = options->state_directory,
    .shutdown_grace = options->shutdown_grace,
  };
  Daemon daemon = { 0 };
  g_autoptr (GError) error = NULL;
  guint sources[3];

  set_limits ();
  daemon.connection = connect_to_bus (options->bus, &error);
  if (daemon.connection == NULL)
    {
      g_printerr ("bbhostd: --bus %s: %s\n", options->bus, error->message);
      return EXIT_WHILE_RUNNING;
    }
  daemon.is_system_bus = g_str_equal (options->bus, "system");
  g_dbus_connection_set_exit_on_close (daemon.connection, FALSE);
  daemon.main_loop = g_main_loop_new (NULL, FALSE);
  daemon.host = bb_host_new (&parameters);
  sources[0] = g_unix_signal_add (SIGTERM, stop_cb, &daemon);
  sources[1] = g_unix_signal_add (SIGINT, stop_cb, &daemon);
  sources[2] = g_unix_signal_add (SIGHUP, reload_cb, &daemon);
  bb_host_start_async (daemon.host, host_started_cb, &daemon);
  g_main_loop_run (daemon.main_loop);

  if (daemon.name_id != 0)
    g_bus_unown_name (daemon.name_id);
  for (guint i = 0; i < G_N_ELEMENTS (sources); i++)
    g_source_remove (sources[i]);
  if (daemon.bus != NULL)
    bb_bus_close (daemon.bus);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_object (&daemon.bus);
  g_clear_pointer (&daemon.watchdog, bb_watchdog_free);
  g_clear_object (&daemon.host);
  g_dbus_connection_flush_sync (daemon.connection, NULL, NULL);
  g_clear_object (&daemon.connection);
  g_main_loop_unref (daemon.main_loop);
  return daemon.status;
}

int
main (int argc, char **argv)
{
  Options options = { .shutdown_grace = 60 };
  g_autoptr (GError) error = NULL;
  int status;

  setlocale (LC_ALL, "");
  /* For --help and mail; what is logged stays as it can be searched for. */
  bindtextdomain (PACKAGE, BB_LOCALE_DIR);
  bind_textdomain_codeset (PACKAGE, "UTF-8");
  textdomain (PACKAGE);
  if (!parse_options (&argc, &argv, &options, &error))
    {
      g_printerr ("bbhostd: %s; see bbhostd --help\n", error->message);
      return EXIT_CONFIGURATION;
    }
  if (options.version)
    {
      g_print ("bbhostd %s\n", PACKAGE_VERSION);
      return EXIT_IN_ORDER;
    }
  if (options.config_path == NULL)
    options.config_path = g_strdup (BB_CONFIG_DIR);
  if (options.bus == NULL)
    options.bus = g_strdup ("system");
  bb_memory_keeper_set_up_process ();
  bb_log_writer_install (options.verbose);
  if (options.list_open_instances)
    status = list_open_instances (&options);
  else if (options.set_store_aside)
    status = set_store_aside (&options);
  else
    status = options.check_config ? check_config (&options) : run (&options);

  g_free (options.config_path);
  g_strfreev (options.plugin_directories);
  g_free (options.state_directory);
  g_free (options.bus);
  return status;
}
