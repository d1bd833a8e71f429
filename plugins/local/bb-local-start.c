/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-local-start.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "bb-local-folder.h"
#include "bb-local-target.h"

typedef struct
{
  BbInstanceRequest *request;
  BbLocalTarget target;
  char **argv;
  char **environment;
  GSubprocess *process;
} Start;

static void
start_free (gpointer data)
{
  Start *start = data;

  g_object_unref (start->request);
  bb_local_target_clear (&start->target);
  g_strfreev (start->argv);
  g_strfreev (start->environment);
  g_clear_object (&start->process);
  g_free (start);
}

static gboolean
is_wildcard (const char *address)
{
  return g_str_equal (address, "0.0.0.0") || g_str_equal (address, "::") || g_str_equal (address, "*");
}

/* Any name is that of this machine, whose listener is bound to all addresses. */
static char *
make_master (BbInstanceRequest *request)
{
  const char *host = bb_instance_request_get_master_host (request);
  guint port = bb_instance_request_get_master_port (request);

  if (is_wildcard (host) || !g_hostname_is_ip_address (host))
    return g_strdup_printf ("127.0.0.1:%u", port);
  return g_strdup_printf (strchr (host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, port);
}

/*
 * bbhostd's environment is not for builds: it may hold the daemon's keys and systemd's sockets. The password is in it
 * only for programs of one's own, as a worker passes everything on to its builds, which log it.
 */
static char **
make_environment (BbInstanceRequest *request, const BbLocalConfig *config, const char *folder, GError **error)
{
  static const char *const kept[] = { "PATH", "HOME", "USER",   "LOGNAME", "SHELL",
                                      "LANG", "TZ",   "LC_ALL", "TMPDIR",  "PYTHONPATH" };
  g_autoptr (GVariant) tags = g_variant_ref (bb_instance_request_get_tags (request));
  g_autofree char *master = make_master (request);
  g_auto (GStrv) environment = NULL;
  const char *store = "";

  g_variant_lookup (tags, "bbhost:store", "&s", &store);
  environment = g_environ_setenv (environment, BB_LOCAL_ENV_TOKEN, bb_instance_request_get_token (request), TRUE);
  environment = g_environ_setenv (environment, BB_LOCAL_ENV_STORE, store, TRUE);
  environment = g_environ_setenv (environment, BB_LOCAL_ENV_SLAVE, bb_instance_request_get_slave_name (request), TRUE);
  environment = g_environ_setenv (environment, BB_LOCAL_ENV_DIRECTORY, folder, TRUE);
  environment = g_environ_setenv (environment, "BBHOST_MASTER", master, TRUE);
  environment = g_environ_setenv (environment, "BBHOST_PROTOCOL", bb_instance_request_get_protocol (request), TRUE);
  environment = g_environ_setenv (environment, "BBHOST_TLS", bb_instance_request_get_tls (request) ? "true" : "false", TRUE);
  if (config->argv != NULL)
    environment =
      g_environ_setenv (environment, "BBHOST_PASSWORD", bb_instance_request_get_password (request), TRUE);
  for (gsize i = 0; i < G_N_ELEMENTS (kept); i++)
    if (g_getenv (kept[i]) != NULL)
      environment = g_environ_setenv (environment, kept[i], g_getenv (kept[i]), TRUE);
  for (char **pair = config->env; pair != NULL && *pair != NULL; pair++)
    {
      const char *equals = strchr (*pair, '=');
      g_autofree char *key = g_strndup (*pair, equals - *pair);
      g_autofree char *value = bb_instance_request_interpolate (request, equals + 1, error);

      if (value == NULL)
        return NULL;
      environment = g_environ_setenv (environment, key, value, TRUE);
    }
  return g_steal_pointer (&environment);
}

static char **
make_argv (BbInstanceRequest *request, const BbLocalConfig *config, const char *folder, GError **error)
{
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  const char *program = config->argv != NULL ? config->argv[0] : config->command;
  char *found = g_find_program_in_path (program);

  if (found == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                   "slave %s: local: there is no program \"%s\"; install it, or set %s",
                   bb_instance_request_get_slave_name (request), program, config->argv != NULL ? "argv" : "command");
      return NULL;
    }
  g_ptr_array_add (argv, found);
  for (char **word = config->argv; word != NULL && *word != NULL; word++)
    {
      char *value;

      if (word == config->argv)
        continue;
      value = bb_instance_request_interpolate (request, *word, error);
      if (value == NULL)
        return NULL;
      g_ptr_array_add (argv, value);
    }
  if (config->argv == NULL)
    {
      g_ptr_array_add (argv, g_strdup ("start"));
      g_ptr_array_add (argv, g_strdup ("--nodaemon"));
      g_ptr_array_add (argv, g_strdup (folder));
    }
  g_ptr_array_add (argv, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&argv), FALSE);
}

/* In the child: a session of its own, so that what ends bbhostd's terminal does not end it, and it outlives bbhostd. */
static void
become_session_leader (gpointer data)
{
  sigset_t none;

  setsid ();
  sigemptyset (&none);
  sigprocmask (SIG_SETMASK, &none, NULL);
  signal (SIGPIPE, SIG_DFL);
}

static gboolean
spawn (Start *start, GError **error)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_autofree char *output = g_build_filename (start->target.folder, BB_LOCAL_OUTPUT, NULL);
  g_autoptr (GError) local_error = NULL;
  const char *pid;
  guint64 start_ticks;

  g_subprocess_launcher_set_cwd (launcher, start->target.folder);
  g_subprocess_launcher_set_environ (launcher, start->environment);
  g_subprocess_launcher_set_stdout_file_path (launcher, output);
  g_subprocess_launcher_set_child_setup (launcher, become_session_leader, NULL, NULL);
  start->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) start->argv, &local_error);
  if (start->process == NULL)
    {
      gboolean later = g_error_matches (local_error, G_SPAWN_ERROR, G_SPAWN_ERROR_FORK) ||
                       g_error_matches (local_error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOMEM);

      g_set_error_literal (error, BB_ERROR, later ? BB_ERROR_QUOTA : BB_ERROR_PERMANENT, local_error->message);
      return FALSE;
    }
  pid = g_subprocess_get_identifier (start->process);
  if (pid == NULL || !bb_local_process_get_start ((pid_t) g_ascii_strtoll (pid, NULL, 10), &start_ticks))
    {
      g_autofree char *tail = bb_local_folder_get_log_tail (start->target.folder);

      g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "%s ended at once%s%s", start->argv[0], tail != NULL ? ": " : "",
                   tail != NULL ? tail : "");
      return FALSE;
    }
  start->target.id = bb_local_process_make_id ((pid_t) g_ascii_strtoll (pid, NULL, 10), start_ticks, error);
  return start->target.id != NULL;
}

static void
start_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Start *start = task_data;
  const char *name = bb_instance_request_get_slave_name (start->request);
  GError *error = NULL;

  if (bb_local_folder_make (start->target.folder, name, bb_instance_request_get_password (start->request), &error) &&
      spawn (start, &error))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (start->process != NULL)
    g_subprocess_force_exit (start->process);
  bb_local_folder_remove (start->target.folder, NULL);
  g_prefix_error (&error, "slave %s: local: ", name);
  g_task_return_error (task, error);
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  g_autofree char *resource = g_strconcat (BB_LOCAL_FOLDER_RESOURCE, start->target.folder, NULL);
  const char *const resources[] = { resource, NULL };
  GError *error = NULL;
  BbInstance *instance;

  if (!g_task_propagate_boolean (G_TASK (result), &error))
    {
      g_task_return_error (task, error);
      return;
    }
  instance = bb_instance_new (start->target.id, start->target.token);
  bb_instance_set_state (instance, BB_INSTANCE_ALIVE, NULL);
  bb_instance_set_slave_name (instance, bb_instance_request_get_slave_name (start->request));
  bb_instance_set_resources (instance, resources);
  bb_instance_set_hourly_cost (instance, 0);
  g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
}

static void
folder_recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  g_autoptr (GTask) thread = NULL;
  GError *error = NULL;

  if (!bb_instance_request_record_finish (start->request, result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (g_task_return_error_if_cancelled (task))
    return;
  /* Without the cancellable: what has begun by now is brought to its end, and its instance is returned. */
  thread = g_task_new (NULL, NULL, started_cb, g_object_ref (task));
  g_task_set_task_data (thread, start, NULL);
  g_task_run_in_thread (thread, start_thread);
}

void
bb_local_start_async (BbInstanceRequest *request, const BbLocalConfig *config, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *resource = NULL;
  GError *error = NULL;
  Start *start = g_new0 (Start, 1);

  g_task_set_source_tag (task, bb_local_start_async);
  g_task_set_check_cancellable (task, FALSE);
  start->request = g_object_ref (request);
  g_task_set_task_data (task, start, start_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  start->target.token = g_strdup (bb_instance_request_get_token (request));
  start->target.folder =
    bb_local_folder_get_path (bb_instance_request_get_state_directory (request), start->target.token);
  if (start->target.folder == NULL)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PERMANENT, "slave %s: local: the token is no file name",
                               bb_instance_request_get_slave_name (request));
      return;
    }
  start->argv = make_argv (request, config, start->target.folder, &error);
  if (start->argv != NULL)
    start->environment = make_environment (request, config, start->target.folder, &error);
  if (start->environment == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  resource = g_strconcat (BB_LOCAL_FOLDER_RESOURCE, start->target.folder, NULL);
  bb_instance_request_record_async (request, resource, cancellable, folder_recorded_cb, g_steal_pointer (&task));
}

BbInstance *
bb_local_start_finish (GAsyncResult *result, GSubprocess **process, GError **error)
{
  Start *start = g_task_get_task_data (G_TASK (result));
  BbInstance *instance = g_task_propagate_pointer (G_TASK (result), error);

  if (instance != NULL)
    *process = g_steal_pointer (&start->process);
  return instance;
}
