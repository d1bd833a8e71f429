/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bbctl, as a process, against a scripted daemon on a private bus: exit statuses, outputs, order of events. D9, D10. */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <signal.h>
#include <unistd.h>

#include "bb-bus-info.h"
#include "bb-error.h"
#include "bb-test-bus.h"
#include "bb-test.h"

typedef struct
{
  BbTestBus *bus;
  GDBusConnection *connection;
  guint name_id;
  char *dir;
  GHashTable *logs; /* name → path of its file (owned) */
  GVariantDict build;
  GString *calls; /* "Method(arguments)\n" of all that were made to change something */
  void (*submitted) (gpointer fixture); /* after SubmitBuild or RunCommand was answered */
  /* One run of bbctl. */
  GSubprocess *process;
  GString *out;
  GString *err;
  guint n_open; /* of its outputs, and the process itself */
  gboolean ended;
  gboolean cancelled;
} Fixture;

static const GDBusInterfaceInfo *const build_info = &bb_bus_org_bbhost_build1_interface;

static void
set_build (Fixture *f, const char *key, GVariant *value)
{
  g_variant_dict_insert_value (&f->build, key, value);
}

static GVariant *
get_build (Fixture *f)
{
  GVariant *build = g_variant_ref_sink (g_variant_dict_end (&f->build));

  g_variant_dict_init (&f->build, build);
  return build;
}

static void
reset_build (Fixture *f)
{
  g_variant_dict_clear (&f->build);
  g_variant_dict_init (&f->build, NULL);
  set_build (f, "Number", g_variant_new_uint64 (7));
  set_build (f, "Builder", g_variant_new_string ("hello"));
  set_build (f, "Slave", g_variant_new_string (""));
  set_build (f, "State", g_variant_new_string ("pending"));
  set_build (f, "Result", g_variant_new_string (""));
  set_build (f, "Reason", g_variant_new_string ("bot-1: paused"));
  set_build (f, "SubmittedAt", g_variant_new_uint64 (1000000));
  set_build (f, "StartedAt", g_variant_new_uint64 (0));
  set_build (f, "FinishedAt", g_variant_new_uint64 (0));
  set_build (f, "Properties", g_variant_new_parsed ("@a{sv} {'n': <int64 5>}"));
  set_build (f, "Steps", g_variant_new_parsed ("@aa{sv} []"));
}

/* Changes the build and tells of it. @text: an a{sv} */
static void
change_build (Fixture *f, const char *text)
{
  g_autoptr (GVariant) changes = g_variant_ref_sink (g_variant_new_parsed (text));
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, changes);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    set_build (f, key, value);
  g_dbus_connection_emit_signal (f->connection, NULL, "/org/bbhost/builds/7", "org.freedesktop.DBus.Properties",
                                 "PropertiesChanged", g_variant_new ("(s@a{sv}as)", build_info->name, changes, NULL),
                                 NULL);
}

static void
append_log (Fixture *f, const char *log, const char *text)
{
  const char *path = g_hash_table_lookup (f->logs, log);
  int fd = open (path, O_WRONLY | O_APPEND | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (write (fd, text, strlen (text)), ==, strlen (text));
  close (fd);
  g_dbus_connection_emit_signal (f->connection, NULL, "/org/bbhost/builds/7", build_info->name, "LogAppended",
                                 g_variant_new ("(sst)", "compile", log, (guint64) 1), NULL);
}

static void
answer_open_log (Fixture *f, GVariant *parameters, GDBusMethodInvocation *invocation)
{
  g_autoptr (GUnixFDList) fds = NULL;
  const char *step, *log, *path;
  int fd;

  g_variant_get (parameters, "(&s&s)", &step, &log);
  path = g_hash_table_lookup (f->logs, log);
  if (path == NULL || !g_str_equal (step, "compile"))
    {
      g_dbus_method_invocation_return_error (invocation, BB_ERROR, BB_ERROR_NO_SUCH_LOG, "no log %s", log);
      return;
    }
  fd = open (path, O_RDONLY | O_CLOEXEC);
  fds = g_unix_fd_list_new_from_array (&fd, 1);
  g_dbus_method_invocation_return_value_with_unix_fd_list (invocation, g_variant_new ("(h)", 0), fds);
}

static const char slave_lists[]
  = "([{'name': <'bot-10'>, 'type': <'static'>, 'state': <'attached'>, 'attached': <true>, 'max_builds': <uint32 2>,"
    " 'running_builds': <uint32 1>, 'properties': <@a{sv} {}>, 'peer_address': <'192.0.2.1:5'>, 'instance_id': <''>,"
    " 'substantiation_state': <''>, 'last_error': <''>, 'next_attempt_at': <uint64 0>, 'description': <''>},"
    " {'name': <'bot-2'>, 'type': <'local'>, 'state': <'insubstantiated'>, 'attached': <false>,"
    " 'max_builds': <uint32 0>, 'running_builds': <uint32 0>, 'properties': <@a{sv} {}>, 'peer_address': <''>,"
    " 'instance_id': <''>, 'substantiation_state': <'insubstantiated'>, 'last_error': <'no room'>,"
    " 'next_attempt_at': <uint64 0>, 'description': <''>}],)";

/* A slave, a build, an instance; what is not listed here is an error, as are names that do not exist. */
static GVariant *
answer (Fixture *f, const char *method, GVariant *parameters)
{
  g_autoptr (GVariant) build = get_build (f);
  const char *name = "";

  if (g_str_equal (method, "ListSlaves"))
    return g_variant_new_parsed (slave_lists);
  if (g_str_equal (method, "ListBuilds"))
    return g_variant_new_parsed ("([@a{sv} {'number': <uint64 7>, 'steps': <@aa{sv} []>}],)");
  if (g_str_equal (method, "ListBuilders") || g_str_equal (method, "ListInstances")
      || g_str_equal (method, "DescribePlugins"))
    return g_variant_new_parsed ("(@aa{sv} [],)");
  if (g_str_equal (method, "GetSlave"))
    {
      g_variant_get (parameters, "(&s)", &name);
      return g_str_equal (name, "bot-2") ? g_variant_new ("(o)", "/org/bbhost/slaves/bot_2d2") : NULL;
    }
  if (g_str_equal (method, "GetBuild") || g_str_equal (method, "SubmitBuild") || g_str_equal (method, "RunCommand"))
    return g_variant_new ("(o)", "/org/bbhost/builds/7");
  if (g_str_equal (method, "GetInstance"))
    return g_variant_new ("(o)", "/org/bbhost/instances/3");
  if (g_str_equal (method, "Ping"))
    return g_variant_new ("(t)", (guint64) 1500);
  if (g_str_equal (method, "Reload"))
    return g_variant_new_parsed ("(['conf: [slave x] y: odd'],)");
  if (!g_str_equal (method, "GetAll"))
    return g_variant_new ("()");
  g_variant_get_child (parameters, 0, "&s", &name);
  if (g_str_equal (name, "org.bbhost.Build1"))
    return g_variant_new ("(@a{sv})", build);
  if (g_str_equal (name, "org.bbhost.Host1"))
    return g_variant_new_parsed ("({'Version': <'1.0'>, 'SlavesTotal': <uint32 2>, 'HourlyCost': <0.5>},)");
  if (g_str_equal (name, "org.bbhost.Instance1"))
    return g_variant_new_parsed ("({'Number': <uint64 3>, 'InstanceId': <'i-3'>, 'Slave': <'bot-2'>},)");
  return g_variant_new_parsed ("({'Name': <'bot-2'>, 'Type': <'local'>, 'State': <'substantiating'>,"
                               " 'StateSince': <uint64 1>},)");
}

static void
called_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
           const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;
  g_autofree char *text = g_variant_print (parameters, FALSE);
  GVariant *reply;

  if (!g_str_has_prefix (method, "Get") && !g_str_has_prefix (method, "List") && !g_str_equal (method, "OpenLog"))
    g_string_append_printf (f->calls, "%s%s\n", method, text);
  if (g_str_equal (method, "OpenLog"))
    {
      answer_open_log (f, parameters, invocation);
      return;
    }
  reply = answer (f, method, parameters);
  if (reply == NULL)
    {
      g_dbus_method_invocation_return_error (invocation, BB_ERROR, BB_ERROR_NO_SUCH_SLAVE, "no slave %s", text);
      return;
    }
  g_dbus_method_invocation_return_value (invocation, reply);
  if (g_str_equal (method, "Cancel"))
    change_build (f, "{'State': <'finished'>, 'Result': <'cancelled'>}");
  /* The client reads the state next; what is scripted happens after it has subscribed. */
  if (g_str_equal (method, "GetAll") && strstr (text, "Build1") != NULL && f->submitted != NULL)
    {
      void (*submitted) (gpointer) = g_steal_pointer (&f->submitted);

      submitted (f);
    }
}

static const GDBusInterfaceVTable vtable = { .method_call = called_cb };

static void
export_object (Fixture *f, const char *path, const GDBusInterfaceInfo *info)
{
  g_autoptr (GError) error = NULL;

  g_dbus_connection_register_object (f->connection, path, (GDBusInterfaceInfo *) info, &vtable, f, NULL, &error);
  g_assert_no_error (error);
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  static const char *const logs[] = { "stdio", "stdout", "stderr" };

  f->bus = bb_test_bus_new ();
  f->connection = bb_test_bus_connect (f->bus);
  export_object (f, "/org/bbhost/Host", &bb_bus_org_bbhost_host1_interface);
  export_object (f, "/org/bbhost/slaves/bot_2d2", &bb_bus_org_bbhost_slave1_interface);
  export_object (f, "/org/bbhost/slaves/bot_2d2", &bb_bus_org_bbhost_latent_slave1_interface);
  export_object (f, "/org/bbhost/builds/7", build_info);
  export_object (f, "/org/bbhost/instances/3", &bb_bus_org_bbhost_instance1_interface);
  bb_test_bus_own_name (f->connection, "org.bbhost");
  f->dir = bb_test_make_dir ();
  f->logs = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  for (guint i = 0; i < G_N_ELEMENTS (logs); i++)
    g_hash_table_insert (f->logs, (gpointer) logs[i], bb_test_write_file (f->dir, logs[i], 0600, ""));
  f->calls = g_string_new (NULL);
  g_variant_dict_init (&f->build, NULL);
  reset_build (f);
}

static void
end_run (Fixture *f)
{
  g_clear_object (&f->process);
  if (f->out != NULL)
    g_string_free (f->out, TRUE);
  if (f->err != NULL)
    g_string_free (f->err, TRUE);
  f->out = f->err = NULL;
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  end_run (f);
  g_dbus_connection_close_sync (f->connection, NULL, NULL);
  g_object_unref (f->connection);
  bb_test_bus_free (f->bus);
  g_hash_table_unref (f->logs);
  g_string_free (f->calls, TRUE);
  g_variant_dict_clear (&f->build);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static void
part_ended (Fixture *f)
{
  f->ended = --f->n_open == 0;
}

static void read_on (Fixture *f, GInputStream *stream);

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, NULL);
  GString *text = G_INPUT_STREAM (source) == g_subprocess_get_stdout_pipe (f->process) ? f->out : f->err;

  if (bytes == NULL || g_bytes_get_size (bytes) == 0)
    {
      part_ended (f);
      return;
    }
  g_string_append_len (text, g_bytes_get_data (bytes, NULL), (gssize) g_bytes_get_size (bytes));
  read_on (f, G_INPUT_STREAM (source));
}

static void
read_on (Fixture *f, GInputStream *stream)
{
  g_input_stream_read_bytes_async (stream, 4096, G_PRIORITY_DEFAULT, NULL, read_cb, f);
}

static void
waited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  part_ended (user_data);
}

static void
start_argv (Fixture *f, const char *input, char **argv)
{
  g_autoptr (GError) error = NULL;

  end_run (f);
  g_string_truncate (f->calls, 0);
  f->out = g_string_new (NULL);
  f->err = g_string_new (NULL);
  f->process = g_subprocess_newv ((const char *const *) argv,
                                  G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE
                                    | G_SUBPROCESS_FLAGS_STDERR_PIPE,
                                  &error);
  g_assert_no_error (error);
  g_output_stream_write_all (g_subprocess_get_stdin_pipe (f->process), input, strlen (input), NULL, NULL, NULL);
  g_output_stream_close (g_subprocess_get_stdin_pipe (f->process), NULL, NULL);
  f->n_open = 3;
  f->ended = FALSE;
  read_on (f, g_subprocess_get_stdout_pipe (f->process));
  read_on (f, g_subprocess_get_stderr_pipe (f->process));
  g_subprocess_wait_async (f->process, NULL, waited_cb, f);
}

/* @command: words that have no blanks in them */
static void
start (Fixture *f, const char *input, const char *command)
{
  g_autofree char *line = g_strdup_printf ("%s/bbctl --bus %s %s", g_getenv ("BB_BUILDDIR"),
                                           bb_test_bus_get_address (f->bus), command);
  g_auto (GStrv) argv = g_strsplit (line, " ", -1);

  start_argv (f, input, argv);
}

static int
wait_end (Fixture *f)
{
  bb_test_run_until (&f->ended);
  g_assert_true (g_subprocess_get_if_exited (f->process));
  return g_subprocess_get_exit_status (f->process);
}

static int
run (Fixture *f, const char *command)
{
  start (f, "", command);
  return wait_end (f);
}

static gboolean
has_output (gpointer user_data)
{
  return ((Fixture *) user_data)->out->len > 0;
}

#define RUNNING                                                                                                        \
  "{'State': <'running'>, 'Slave': <'bot-2'>, 'StartedAt': <uint64 2000000>, 'Steps': <[{'name': <'compile'>, "        \
  "'state': <'running'>, 'exit_code': <-1>, 'logs': <['stdio', 'stdout', 'stderr']>}]>}"
#define FINISHED(result, code)                                                                                         \
  "{'State': <'finished'>, 'Result': <'" result "'>, 'Reason': <''>, 'FinishedAt': <uint64 14000000>, 'Steps': "       \
  "<[{'name': <'compile'>, 'state': <'finished'>, 'exit_code': <" #code ">, "                                          \
  "'logs': <['stdio', 'stdout', 'stderr']>}]>}"

static void
exit_with_7 (gpointer user_data)
{
  Fixture *f = user_data;

  change_build (f, RUNNING);
  append_log (f, "stdout", "to out\n");
  append_log (f, "stderr", "to err\n");
  append_log (f, "stdio", "all\n");
  change_build (f, FINISHED ("failure", 7));
}

static void
test_run (Fixture *f, gconstpointer data)
{
  f->submitted = exit_with_7;
  g_assert_cmpint (run (f, "run --slave bot-2 -e A=b -- sh -c 7"), ==, 7);
  g_assert_cmpstr (f->out->str, ==, "to out\n");
  g_assert_cmpstr (f->err->str, ==, "to err\n");
  g_assert_cmpstr (f->calls->str, ==, "RunCommand('bot-2', ['sh', '-c', '7'], {'env': <{'A': 'b'}>})\n");
}

static void
test_run_json (Fixture *f, gconstpointer data)
{
  f->submitted = exit_with_7;
  g_assert_cmpint (run (f, "--json run -- x"), ==, 7);
  g_assert_nonnull (strstr (f->out->str, "\"exit_code\":7,\"stdout\":\"to out\\n\",\"stderr\":\"to err\\n\"}\n"));
  g_assert_cmpstr (f->err->str, ==, "");
}

static void
lose (gpointer user_data)
{
  change_build (user_data, FINISHED ("retry", -1));
}

static void
test_run_trouble (Fixture *f, gconstpointer data)
{
  f->submitted = lose;
  g_assert_cmpint (run (f, "run -- x"), ==, 255);
  g_assert_nonnull (strstr (f->err->str, "bbctl: build 7 of hello: retry"));
}

static void
say_now (gpointer user_data)
{
  change_build (user_data, RUNNING);
  append_log (user_data, "stdout", "now\n");
}

static void
test_run_streams_and_cancels (Fixture *f, gconstpointer data)
{
  f->submitted = say_now;
  start (f, "", "run -- x");
  bb_test_run_until_true (has_output, f);
  g_assert_cmpstr (f->out->str, ==, "now\n");
  g_subprocess_send_signal (f->process, SIGINT);
  g_assert_cmpint (wait_end (f), ==, 130);
  g_assert_nonnull (strstr (f->calls->str, "Cancel('interrupted by the user of bbctl',)\n"));
}

static gboolean
has_been_cancelled (gpointer user_data)
{
  Fixture *f = user_data;

  if (strstr (f->calls->str, "Cancel(") != NULL)
    return TRUE;
  /* It is noticed when there is more to write. */
  append_log (f, "stdout", "more\n");
  return FALSE;
}

static void
test_run_into_head (Fixture *f, gconstpointer data)
{
  g_autofree char *line = g_strdup_printf ("'%s/bbctl' --bus '%s' run -- x | head -n 1", g_getenv ("BB_BUILDDIR"),
                                           bb_test_bus_get_address (f->bus));
  char *argv[] = { (char *) "/bin/sh", (char *) "-c", line, NULL };

  f->submitted = say_now;
  start_argv (f, "", argv);
  bb_test_run_until_true (has_output, f);
  bb_test_run_until_true (has_been_cancelled, f);
  wait_end (f);
  g_assert_cmpstr (f->out->str, ==, "now\n");
  g_assert_cmpstr (f->err->str, ==, "");
}

static void
test_daemon_vanishes (Fixture *f, gconstpointer data)
{
  f->submitted = say_now;
  start (f, "", "run -- x");
  bb_test_run_until_true (has_output, f);
  g_dbus_connection_close_sync (f->connection, NULL, NULL);
  g_assert_cmpint (wait_end (f), ==, 255);
  g_assert_nonnull (strstr (f->err->str, "bbhostd has gone"));
}

static void
vanish (gpointer user_data)
{
  g_dbus_connection_close_sync (((Fixture *) user_data)->connection, NULL, NULL);
}

static void
test_no_daemon (Fixture *f, gconstpointer data)
{
  f->submitted = vanish;
  g_assert_cmpint (run (f, "build hello --wait"), ==, 69);
  g_assert_cmpint (run (f, "--json slaves"), ==, 69);
  g_assert_cmpstr (f->out->str, ==, "");
  g_assert_nonnull (strstr (f->err->str, "bbhostd is not on the bus"));
}

static void
succeed (gpointer user_data)
{
  change_build (user_data, RUNNING);
  append_log (user_data, "stdio", "hello\n");
  change_build (user_data, FINISHED ("success", 0));
}

static void
warn (gpointer user_data)
{
  change_build (user_data, FINISHED ("warnings", 0));
}

static void
fail (gpointer user_data)
{
  change_build (user_data, FINISHED ("failure", 1));
}

static void
except (gpointer user_data)
{
  change_build (user_data, FINISHED ("exception", -1));
}

static void
test_wait_statuses (Fixture *f, gconstpointer data)
{
  static const struct
  {
    void (*script) (gpointer);
    int status;
  } cases[] = { { succeed, 0 }, { warn, 0 }, { fail, 1 }, { except, 2 }, { lose, 2 } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      reset_build (f);
      f->submitted = cases[i].script;
      g_assert_cmpint (run (f, "build hello -p n=5 --wait"), ==, cases[i].status);
      g_assert_cmpstr (f->calls->str, ==, "SubmitBuild('hello', {'properties': <{'n': <int64 5>}>})\n");
    }
  reset_build (f);
  f->submitted = succeed;
  g_assert_cmpint (run (f, "--json build hello --wait"), ==, 0);
  g_assert_true (g_str_has_prefix (f->out->str, "{\"number\":7,\"builder\":\"hello\",\"slave\":\"bot-2\",\"state\":"
                                                "\"finished\",\"result\":\"success\","));
  g_assert_cmpstr (f->err->str, ==, "");
}

static void
test_follow (Fixture *f, gconstpointer data)
{
  f->submitted = succeed;
  g_assert_cmpint (run (f, "build hello --follow"), ==, 0);
  g_assert_cmpstr (f->out->str, ==, "hello\n");
  g_assert_cmpstr (f->err->str, ==,
                   "waiting: bot-1: paused\nstep compile\nbuild 7 of hello on bot-2: success in 12 s\n");
}

static void
test_follow_json (Fixture *f, gconstpointer data)
{
  g_auto (GStrv) lines = NULL;

  f->submitted = succeed;
  g_assert_cmpint (run (f, "--json build hello --follow"), ==, 0);
  lines = g_strsplit (f->out->str, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 5);
  g_assert_true (g_str_has_prefix (lines[0], "{\"event\":\"build\",\"number\":7,"));
  g_assert_nonnull (strstr (lines[1], "\"state\":\"running\""));
  g_assert_cmpstr (lines[2], ==, "{\"event\":\"log\",\"step\":\"compile\",\"log\":\"stdio\",\"text\":\"hello\\n\"}");
  g_assert_nonnull (strstr (lines[3], "\"result\":\"success\""));
  g_assert_cmpstr (lines[4], ==, "");
}

static void
test_finished_before_it_is_watched (Fixture *f, gconstpointer data)
{
  succeed (f);
  g_assert_cmpint (run (f, "build hello --follow"), ==, 0);
  g_assert_cmpstr (f->out->str, ==, "hello\n");
}

static void
test_log_is_raw (Fixture *f, gconstpointer data)
{
  change_build (f, RUNNING);
  append_log (f, "stdio", "\033[2J\303raw\r\n");
  g_assert_cmpint (run (f, "log 7"), ==, 0);
  g_assert_cmpstr (f->out->str, ==, "\033[2J\303raw\r\n");
  g_assert_cmpint (run (f, "log 7 compile --log stdout"), ==, 0);
  g_assert_cmpstr (f->out->str, ==, "");
  g_assert_cmpint (run (f, "log 7 link"), ==, 1);
  g_assert_cmpstr (f->err->str, ==, "bbctl: no log stdio\n");
  g_assert_cmpint (run (f, "--json log 7"), ==, 0);
  g_assert_cmpstr (f->out->str, ==,
                   "{\"number\":7,\"logs\":[{\"step\":\"compile\",\"log\":\"stdio\","
                   "\"text\":\"\\u001b[2J\357\277\275raw\\r\\n\"}]}\n");
  g_assert_cmpint (run (f, "log seven"), ==, 1);
  g_assert_cmpstr (f->err->str, ==, "bbctl: \"seven\" is not a number\n");
}

static void
test_slaves (Fixture *f, gconstpointer data)
{
  g_assert_cmpint (run (f, "slaves --json"), ==, 0);
  g_assert_true (g_str_has_prefix (
    f->out->str, "[{\"name\":\"bot-2\",\"type\":\"local\",\"state\":\"insubstantiated\",\"attached\":false,"
                 "\"max_builds\":0,\"running_builds\":0,\"properties\":{},\"peer_address\":\"\",\"instance_id\":\"\","
                 "\"substantiation_state\":\"insubstantiated\",\"last_error\":\"no room\",\"next_attempt_at\":0},"));
  g_assert_cmpint (run (f, "slaves"), ==, 0);
  g_assert_cmpstr (f->out->str, ==,
                   "NAME    TYPE    STATE            SINCE  BUILDS  ADDRESS      INSTANCE  REMARK\n"
                   "bot-2   local   insubstantiated  -           0  -                      no room\n"
                   "bot-10  static  attached         -         1/2  192.0.2.1:5\n");
  g_assert_cmpint (run (f, "pause nobody"), ==, 1);
  g_assert_cmpstr (f->err->str, ==, "bbctl: no slave ('nobody',)\n");
  g_assert_cmpstr (f->out->str, ==, "");
}

static void
test_verbs_call (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *command;
    const char *calls;
  } cases[] = {
    { "pause bot-2", "Pause()\n" },
    { "resume bot-2", "Resume()\n" },
    { "shutdown bot-2", "Shutdown()\n" },
    { "ping bot-2", "Ping()\n" },
    { "substantiate bot-2", "Substantiate()\n" },
    { "insubstantiate bot-2", "Insubstantiate()\n" },
    { "insubstantiate --force bot-2", "InsubstantiateNow()\n" },
    { "cancel 7 --reason because", "Cancel('because',)\n" },
    { "terminate 3", "Terminate()\n" },
    { "forget 3 --yes --reason gone", "Forget('gone',)\n" },
    { "reload", "Reload()\n" },
    { "status", "" },
    { "slave bot-2", "" },
    { "builders", "" },
    { "builds", "" },
    { "build hello", "SubmitBuild('hello', {'properties': <@a{sv} {}>})\n" },
    { "instances", "" },
    { "plugins", "DescribePlugins()\n" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *json = g_strdup_printf ("--json %s", cases[i].command);

      g_assert_cmpint (run (f, cases[i].command), ==, 0);
      g_assert_cmpstr (f->calls->str, ==, cases[i].calls);
      g_assert_cmpuint (f->out->len, >, 0);
      /* D9: one document, on one line, and nothing else. */
      g_assert_cmpint (run (f, json), ==, 0);
      g_assert_cmpstr (f->calls->str, ==, cases[i].calls);
      g_assert_cmpstr (f->err->str, ==, "");
      g_assert_true (f->out->str[0] == '{' || f->out->str[0] == '[');
      g_assert_true (strchr (f->out->str, '\n') == f->out->str + f->out->len - 1);
    }
}

static void
test_forget_asks (Fixture *f, gconstpointer data)
{
  start (f, "n\n", "forget 3");
  g_assert_cmpint (wait_end (f), ==, 1);
  g_assert_cmpstr (f->calls->str, ==, "");
  g_assert_nonnull (strstr (f->err->str, "goes on costing money"));
  g_assert_nonnull (strstr (f->err->str, "nothing was changed"));
  start (f, "", "forget 3");
  g_assert_cmpint (wait_end (f), ==, 1);
  start (f, "y\nthe account is gone\n", "forget 3");
  g_assert_cmpint (wait_end (f), ==, 0);
  g_assert_cmpstr (f->calls->str, ==, "Forget('the account is gone',)\n");
}

static void
test_usage (Fixture *f, gconstpointer data)
{
  static const char *const wrong[] = { "nonsense", "slave", "slaves x", "run", "--nonsense", "build b -p x",
                                       "build --nope b", "forget 3 --yes", "log", "run -e x -- y", "slave a b" };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_assert_cmpint (run (f, wrong[i]), ==, 64);
      g_assert_cmpstr (f->out->str, ==, "");
      g_assert_nonnull (strstr (f->err->str, "--help"));
    }
}

static void
test_monitor (Fixture *f, gconstpointer data)
{
  start (f, "", "monitor --json");
  /* It says nothing of itself, so things happen until it hears of one. */
  while (f->out->len == 0)
    {
      change_build (f, "{'Slave': <'bot-2'>}");
      g_main_context_iteration (NULL, FALSE);
    }
  g_subprocess_send_signal (f->process, SIGINT);
  g_assert_cmpint (wait_end (f), ==, 0);
  g_assert_nonnull (strstr (f->out->str, "\"event\":\"changed\",\"kind\":\"build\",\"name\":\"7\",\"path\":"
                                         "\"/org/bbhost/builds/7\",\"interface\":\"org.bbhost.Build1\","
                                         "\"values\":{\"slave\":\"bot-2\"}}\n"));
}

int
main (int argc, char **argv)
{
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  g_setenv ("LC_ALL", "C.UTF-8", TRUE);
  g_test_init (&argc, &argv, NULL);
  ADD ("/bbctl/bus/D10/run", test_run);
  ADD ("/bbctl/bus/D10/run-streams-and-cancels", test_run_streams_and_cancels);
  ADD ("/bbctl/bus/run-into-head", test_run_into_head);
  ADD ("/bbctl/bus/run-json", test_run_json);
  ADD ("/bbctl/bus/run-trouble", test_run_trouble);
  ADD ("/bbctl/bus/daemon-vanishes", test_daemon_vanishes);
  ADD ("/bbctl/bus/D9/no-daemon", test_no_daemon);
  ADD ("/bbctl/bus/wait-statuses", test_wait_statuses);
  ADD ("/bbctl/bus/follow", test_follow);
  ADD ("/bbctl/bus/follow-json", test_follow_json);
  ADD ("/bbctl/bus/finished-before-it-is-watched", test_finished_before_it_is_watched);
  ADD ("/bbctl/bus/log-is-raw", test_log_is_raw);
  ADD ("/bbctl/bus/slaves", test_slaves);
  ADD ("/bbctl/bus/D9/verbs", test_verbs_call);
  ADD ("/bbctl/bus/forget-asks", test_forget_asks);
  ADD ("/bbctl/bus/D9/usage", test_usage);
  ADD ("/bbctl/bus/monitor", test_monitor);
  return g_test_run ();
}
