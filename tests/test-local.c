/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bb-error.h"
#include "bb-option-struct.h"
#include "bb-plugin-registry.h"
#include "suite-latent.h"

/* The local backend: the suite, then what is peculiar to processes. */

#define TOKEN "f3c0a6ce-62a3-4e9d-8f61-5b2b1d6c0a01"

static const BbPluginProvides *
get_provides (void)
{
  static BbPluginRegistry *registry;
  g_autofree char *folder = g_test_build_filename (G_TEST_BUILT, "..", "plugins", "local", ".libs", NULL);
  const char *const directories[] = { folder, NULL };
  g_autoptr (GError) error = NULL;
  const BbPluginProvides *provides;

  if (registry == NULL)
    registry = bb_plugin_registry_new (directories);
  provides = bb_plugin_registry_lookup (registry, "local", &error);
  g_assert_no_error (error);
  return provides;
}

static gpointer
new_config (void)
{
  gpointer config = g_malloc0 (get_provides ()->config_size);

  bb_option_struct_init (get_provides ()->options, config);
  return config;
}

static void
free_config (gpointer config)
{
  bb_option_struct_free (get_provides ()->options, config);
}

static void
set_option (gpointer config, const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;

  bb_option_parse (bb_option_find (get_provides ()->options, key), config, value, NULL, &error);
  g_assert_no_error (error);
}

static gpointer
suite_set_up (const char *dir)
{
  gpointer config = new_config ();

  set_option (config, "argv", "sleep;1000");
  return config;
}

static BbLatentSlave *
new_slave (gpointer config, const char *name)
{
  return g_object_new (get_provides ()->get_type (), "name", name, "config", config, NULL);
}

static pid_t
get_pid (BbInstance *instance)
{
  return (pid_t) g_ascii_strtoll (bb_instance_get_id (instance), NULL, 10);
}

static gboolean
process_is_gone (gpointer data)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", GPOINTER_TO_INT (data));
  g_autofree char *text = NULL;

  return !g_file_get_contents (path, &text, NULL, NULL) || strstr (text, ") Z ") != NULL || strstr (text, ") X ") != NULL;
}

static void
suite_kill_instance (gpointer backend, BbInstance *instance)
{
  g_assert_cmpint (kill (get_pid (instance), SIGKILL), ==, 0);
  bb_test_run_until_true (process_is_gone, GINT_TO_POINTER (get_pid (instance)));
}

static const BbLatentSuite suite = { "/local", suite_set_up, free_config, new_slave, suite_kill_instance, TRUE };

typedef struct
{
  char *dir;
  gpointer config;
  BbLatentSlave *slave;
  GPtrArray *resources;
  BbInstanceRequest *request;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->dir = bb_test_make_dir ();
  f->config = new_config ();
  f->slave = new_slave (f->config, "bot1");
  f->resources = g_ptr_array_new_with_free_func (g_free);
  f->request = bb_latent_suite_new_request (f->dir, "bot1", TOKEN, f->resources);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GPtrArray) left = bb_latent_suite_list (f->slave, BB_LATENT_SUITE_STORE);

  g_assert_cmpuint (left->len, ==, 0);
  g_object_unref (f->request);
  g_ptr_array_unref (f->resources);
  g_object_unref (f->slave);
  free_config (f->config);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

/* @script: of a shell, as argv= would have it. */
static BbInstance *
start_script (Fixture *f, const char *script)
{
  g_autofree char *argv = g_strdup_printf ("/bin/sh;-c;%s;bot", script);
  g_autoptr (GError) error = NULL;
  BbInstance *instance;

  set_option (f->config, "argv", argv);
  instance = bb_latent_suite_start (f->slave, f->request, &error);
  g_assert_no_error (error);
  return instance;
}

static void
stop (Fixture *f, BbInstance *instance)
{
  g_autoptr (GError) error = NULL;

  bb_latent_suite_stop (f->slave, instance, FALSE, &error);
  g_assert_no_error (error);
}

static char *
read_below (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->dir, "local", TOKEN, name, NULL);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

typedef struct
{
  Fixture *fixture;
  const char *name;
} WantedFile;

static gboolean
has_text (gpointer data)
{
  const WantedFile *wanted = data;
  g_autofree char *text = read_below (wanted->fixture, wanted->name);

  return text != NULL && strchr (text, '\n') != NULL;
}

/* The program says that it is so far by a line in a file. */
static char *
wait_for_file (Fixture *f, const char *name)
{
  WantedFile wanted = { f, name };

  bb_test_run_until_true (has_text, &wanted);
  return read_below (f, name);
}

static void
assert_gone (pid_t pid)
{
  g_assert_true (process_is_gone (GINT_TO_POINTER (pid)));
}

static gboolean
instance_has_ended (gpointer data)
{
  gpointer *pair = data;
  g_autoptr (BbInstance) now = bb_latent_suite_check (pair[0], pair[1]);

  /* With its exit status: GLib collects it on a thread of its own. */
  return bb_instance_get_state (now) == BB_INSTANCE_FAILED && strstr (bb_instance_get_reason (now), " with ") != NULL;
}

/* L10: with the reason. */
static void
test_exit_status (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance =
    start_script (f, "echo one\\; echo two\\; echo told $BBHOST_PASSWORD\\; sleep 0.1\\; exit 3");
  g_autoptr (BbInstance) now = NULL;
  gpointer pair[] = { f->slave, instance };

  bb_test_run_until_true (instance_has_ended, pair);
  now = bb_latent_suite_check (f->slave, instance);
  g_assert_cmpstr (bb_instance_get_reason (now), ==,
                   "its process has ended with exit status 3: one | two | told ********");
  stop (f, instance);
}

static void
test_no_program (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) error2 = NULL;

  set_option (f->config, "command", "buildbot-wrker");
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpstr (error->message, ==,
                   "slave bot1: local: there is no program \"buildbot-wrker\"; install it, or set command");
  set_option (f->config, "argv", "/bin/sh;-c;%(prop:image)s;");
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error2));
  g_assert_error (error2, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpuint (f->resources->len, ==, 0);
}

/* A program that can't be run leaves nothing. */
static void
test_cannot_run (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = bb_test_write_file (f->dir, "broken", 0700, "#!/nonexistent/interpreter\n");
  g_autofree char *argv = g_strconcat (path, ";", NULL);
  g_autofree char *folder = g_build_filename (f->dir, "local", TOKEN, NULL);
  g_autoptr (GError) error = NULL;

  set_option (f->config, "argv", argv);
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_true (g_str_has_prefix (error->message, "slave bot1: local: "));
  g_assert_false (g_file_test (folder, G_FILE_TEST_EXISTS));
}

static void
assert_mode (Fixture *f, const char *name, mode_t mode)
{
  g_autofree char *path = g_build_filename (f->dir, "local", TOKEN, name, NULL);
  struct stat status;

  g_assert_cmpint (stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, mode);
}

/* A10, and what the README promises. */
static void
test_environment (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *cmdline_path = NULL;
  g_autofree char *cmdline = NULL;
  g_autofree char *text = NULL;
  g_autofree char *expected = NULL;
  g_autofree char *password = NULL;
  g_autoptr (BbInstance) instance = NULL;
  gsize length;

  g_setenv ("BBHOST_TEST_SECRET", "of the daemon", TRUE);
  set_option (f->config, "env", "BRANCH=%(prop:branch)s;EMPTY=;");
  instance = start_script (f, "echo \"$BBHOST_SLAVE $BBHOST_MASTER $BBHOST_PROTOCOL $BBHOST_STORE $BBHOST_TOKEN "
                              "$BBHOST_DIRECTORY $BBHOST_PASSWORD $BRANCH $BBHOST_TEST_SECRET $(pwd)\" > said\\; "
                              "exec sleep 1000");
  text = wait_for_file (f, "said");
  expected = g_strdup_printf ("bot1 127.0.0.1:9 pb store-1 " TOKEN " %s/local/" TOKEN " sesame-4711 trunk  %s/local/" TOKEN "\n",
                              f->dir, f->dir);
  g_assert_cmpstr (text, ==, expected);
  cmdline_path = g_strdup_printf ("/proc/%d/cmdline", (int) get_pid (instance));
  g_assert_true (g_file_get_contents (cmdline_path, &cmdline, &length, NULL));
  g_assert_null (memmem (cmdline, length, BB_LATENT_SUITE_PASSWORD, strlen (BB_LATENT_SUITE_PASSWORD)));
  assert_mode (f, "", 0700);
  assert_mode (f, "password", 0600);
  password = read_below (f, "password");
  g_assert_cmpstr (password, ==, BB_LATENT_SUITE_PASSWORD);
  stop (f, instance);
}

/* Builds leave things behind: in sessions of their own, without environment, or deaf to SIGTERM. */
static void
test_strays (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autofree char *text = NULL;
  g_auto (GStrv) pids = NULL;

  set_option (f->config, "stop_timeout", "0.2");
  instance = start_script (f, "setsid sleep 1000 & A=$!\\; env -i sleep 1000 & B=$!\\; "
                              "sh -c \"trap '' TERM\\; while :\\; do sleep 1\\; done\" & C=$!\\; "
                              "echo $A $B $C > said\\; exec sleep 1000");
  text = wait_for_file (f, "said");
  pids = g_strsplit (g_strstrip (text), " ", 3);
  stop (f, instance);
  assert_gone (get_pid (instance));
  for (int i = 0; i < 3; i++)
    assert_gone ((pid_t) g_ascii_strtoll (pids[i], NULL, 10));
}

/* The worker itself is gone, and what it left is still found, listed and ended. */
static void
test_orphans (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start_script (f, "setsid sleep 1000 & echo $! > said\\; exec sleep 1000");
  g_autofree char *text = wait_for_file (f, "said");
  g_autoptr (BbInstance) now = NULL;
  g_autoptr (GPtrArray) listed = NULL;

  g_assert_cmpint (kill (get_pid (instance), SIGKILL), ==, 0);
  bb_test_run_until_true (process_is_gone, GINT_TO_POINTER (get_pid (instance)));
  now = bb_latent_suite_check (f->slave, instance);
  g_assert_cmpint (bb_instance_get_state (now), ==, BB_INSTANCE_FAILED);
  listed = bb_latent_suite_list (f->slave, BB_LATENT_SUITE_STORE);
  g_assert_cmpuint (listed->len, ==, 1);
  g_assert_cmpstr (bb_instance_get_token (g_ptr_array_index (listed, 0)), ==, TOKEN);
  stop (f, instance);
  assert_gone ((pid_t) g_ascii_strtoll (text, NULL, 10));
}

/* The number of a process that has ended is given to another one. */
static void
test_reused_pid (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const char *argv[] = { "sleep", "1000", NULL };
  g_autoptr (GSubprocess) other = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, NULL);
  g_autofree char *boot = NULL;
  g_autofree char *id = NULL;
  g_autofree char *old_id = NULL;
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (BbInstance) before_boot = NULL;
  g_autoptr (BbInstance) now = NULL;
  g_autoptr (BbInstance) now2 = NULL;

  g_assert_true (g_file_get_contents ("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL));
  id = g_strdup_printf ("%s-1-%s", g_subprocess_get_identifier (other), g_strchomp (boot));
  old_id = g_strdup_printf ("%s-1-11111111-2222-3333-4444-555555555555", g_subprocess_get_identifier (other));
  instance = bb_instance_new (id, TOKEN);
  before_boot = bb_instance_new (old_id, TOKEN);
  now = bb_latent_suite_check (f->slave, instance);
  g_assert_cmpint (bb_instance_get_state (now), ==, BB_INSTANCE_GONE);
  now2 = bb_latent_suite_check (f->slave, before_boot);
  g_assert_cmpint (bb_instance_get_state (now2), ==, BB_INSTANCE_GONE);
  stop (f, instance);
  stop (f, before_boot);
  g_assert_false (process_is_gone (GINT_TO_POINTER (atoi (g_subprocess_get_identifier (other)))));
  g_subprocess_force_exit (other);
  g_subprocess_wait (other, NULL, NULL);
}

/* Deep, unwritable, and with a way out: all of it goes, and nothing else. */
static void
test_folder (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *keep = bb_test_write_file (f->dir, "keep/me", 0600, "x");
  g_autofree char *script = g_strdup_printf (
    "mkdir -p build/a/b && touch build/a/b/c && chmod 500 build/a/b build/a && ln -s %s/keep link && "
    "(i=0\\; while [ $i -lt 300 ]\\; do mkdir dddddddddd && cd dddddddddd && touch f\\; i=$((i+1))\\; done) && "
    "echo done > said\\; exec sleep 1000", f->dir);
  g_autoptr (BbInstance) instance = start_script (f, script);
  g_autofree char *said = wait_for_file (f, "said");
  g_autofree char *folder = g_build_filename (f->dir, "local", TOKEN, NULL);

  stop (f, instance);
  g_assert_false (g_file_test (folder, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (keep, G_FILE_TEST_EXISTS));
}

/* Only a folder that is named like the token is the instance's. */
static void
test_foreign_folder (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *keep = bb_test_write_file (f->dir, "keep/me", 0600, "x");
  g_autofree char *resource = g_strdup_printf ("folder:%s/keep", f->dir);
  const char *const resources[] = { resource, NULL };
  g_autoptr (BbInstance) instance = bb_instance_new ("", TOKEN);

  bb_instance_set_resources (instance, resources);
  stop (f, instance);
  g_assert_true (g_file_test (keep, G_FILE_TEST_EXISTS));
}

static gboolean
worker_has_tried (gpointer data)
{
  Fixture *f = data;
  g_autofree char *text = read_below (f, "twistd.log");

  return text != NULL && strstr (text, "Starting factory") != NULL;
}

/* The real one, as far as it gets without a host. */
static void
test_worker (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *program = g_find_program_in_path ("buildbot-worker");
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (BbInstance) now = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *environ_path = NULL;
  g_autofree char *environment = NULL;
  gsize length;

  if (program == NULL)
    {
      g_test_skip ("there is no buildbot-worker in PATH");
      return;
    }
  instance = bb_latent_suite_start (f->slave, f->request, &error);
  g_assert_no_error (error);
  bb_test_run_until_true (worker_has_tried, f);
  now = bb_latent_suite_check (f->slave, instance);
  g_assert_cmpint (bb_instance_get_state (now), ==, BB_INSTANCE_ALIVE);
  /* What builds inherit. */
  environ_path = g_strdup_printf ("/proc/%d/environ", (int) get_pid (instance));
  g_assert_true (g_file_get_contents (environ_path, &environment, &length, NULL));
  g_assert_null (memmem (environment, length, BB_LATENT_SUITE_PASSWORD, strlen (BB_LATENT_SUITE_PASSWORD)));
  stop (f, instance);
}

static void
test_validate (void)
{
  gpointer config = new_config ();
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);

  get_provides ()->validate (config, errors);
  g_assert_cmpuint (errors->len, ==, 0);
  set_option (config, "command", "");
  set_option (config, "argv", "");
  get_provides ()->validate (config, errors);
  g_assert_cmpuint (errors->len, ==, 2);
  g_assert_cmpstr (g_ptr_array_index (errors, 0), ==, "command: is empty; remove the line for buildbot-worker");
  g_assert_cmpstr (g_ptr_array_index (errors, 1), ==,
                   "argv: is empty; give a program and its arguments, or remove the line");
  free_config (config);
}

#define ADD(PATH, FUNC) g_test_add (PATH, Fixture, NULL, fixture_set_up, FUNC, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_latent_suite_add (&suite);
  ADD ("/local/exit-status", test_exit_status);
  ADD ("/local/no-program", test_no_program);
  ADD ("/local/cannot-run", test_cannot_run);
  ADD ("/local/environment", test_environment);
  ADD ("/local/strays", test_strays);
  ADD ("/local/orphans", test_orphans);
  ADD ("/local/reused-pid", test_reused_pid);
  ADD ("/local/folder", test_folder);
  ADD ("/local/foreign-folder", test_foreign_folder);
  ADD ("/local/worker", test_worker);
  g_test_add_func ("/local/validate", test_validate);
  return g_test_run ();
}
