/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "bb-listener.h"
#include "bb-pb-peer.h"
#include "bb-test.h"

/* One session with the buildbot-worker that is installed; skipped when there is none. */
typedef struct
{
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
  GSubprocess *worker;
  char *dir;
  char *base_dir;
  BbSlaveLink *link;
} Fixture;

/* What the commands told. */
typedef struct
{
  GString *out;
  GString *logs;
  GString *updates;
  GByteArray *written;
  guint n_blocks;
  guint n_closed;
  gboolean utime;
  const char *contents; /* of what is downloaded */
  gsize offset;
  gboolean done;
  GError *error;
  gboolean fail_write;
  BbSlaveLink *link;
} Events;

static void
output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length, gpointer user_data)
{
  Events *events = user_data;

  g_assert_true (g_utf8_validate_len (text, length, NULL));
  if (stream == BB_OUTPUT_STDOUT)
    g_string_append_len (events->out, text, (gssize) length);
  else if (stream == BB_OUTPUT_LOG)
    {
      g_string_append_printf (events->logs, "%s: ", log_name);
      g_string_append_len (events->logs, text, (gssize) length);
    }
}

static void
update (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data)
{
  Events *events = user_data;
  g_autofree char *text = g_variant_print (value, FALSE);

  if (g_str_equal (key, "elapsed"))
    g_assert_true (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE));
  else
    g_string_append_printf (events->updates, "%s=%s ", key, text);
}

static gboolean
write_block (BbRemoteCommand *command, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
  Events *events = user_data;

  events->n_blocks++;
  if (events->fail_write)
    {
      g_set_error_literal (error, BB_ERROR, BB_ERROR_FAILED, "the disk is full");
      return FALSE;
    }
  g_byte_array_append (events->written, data, (guint) length);
  return TRUE;
}

static void
close_file (BbRemoteCommand *command, gpointer user_data)
{
  ((Events *) user_data)->n_closed++;
}

static void
set_utime (BbRemoteCommand *command, double access_time, double modified_time, gpointer user_data)
{
  ((Events *) user_data)->utime = TRUE;
}

static void
read_block (BbRemoteCommand *command, gsize length, gpointer user_data)
{
  Events *events = user_data;
  gsize n = MIN (length, strlen (events->contents) - events->offset);
  g_autoptr (GBytes) block = g_bytes_new (events->contents + events->offset, n);

  events->n_blocks++;
  events->offset += n;
  bb_slave_link_give_block (events->link, command, block, NULL);
}

static void
done (BbRemoteCommand *command, const GError *error, gpointer user_data)
{
  Events *events = user_data;

  g_assert_false (events->done);
  events->done = TRUE;
  if (error != NULL)
    events->error = g_error_copy (error);
}

static const BbCommandEvents events_table = { output, update, write_block, close_file, set_utime, read_block, done };

static Events *
events_new (void)
{
  Events *events = g_new0 (Events, 1);

  events->out = g_string_new (NULL);
  events->logs = g_string_new (NULL);
  events->updates = g_string_new (NULL);
  events->written = g_byte_array_new ();
  return events;
}

static void
events_free (Events *events)
{
  g_string_free (events->out, TRUE);
  g_string_free (events->logs, TRUE);
  g_string_free (events->updates, TRUE);
  g_byte_array_unref (events->written);
  g_clear_error (&events->error);
  g_free (events);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Events, events_free)

static char *
run_to_end (const char *const *argv)
{
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  char *out = NULL;

  process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  if (!g_subprocess_get_successful (process))
    g_error ("%s: %s", argv[0], out);
  return out;
}

static void
start_worker (Fixture *f)
{
  g_autofree char *master = g_strdup_printf ("127.0.0.1:%u", bb_listener_get_port (f->listener));
  const char *const create[] = { "buildbot-worker", "create-worker", f->base_dir, master, "w1", "pw-one", NULL };
  g_autofree char *admin = g_build_filename (f->base_dir, "info", "admin", NULL);
  g_autofree char *output_text = run_to_end (create);
  g_autoptr (GSubprocessLauncher) launcher
    = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (admin, "Some Admin <admin@example.org>\n", -1, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_set_cwd (launcher, f->base_dir);
  f->worker = g_subprocess_launcher_spawn (launcher, &error, "buildbot-worker", "start", "--nodaemon", f->base_dir, NULL);
  g_assert_no_error (error);
}

static gboolean
has_logged_in (gpointer user_data)
{
  return ((Fixture *) user_data)->host->links->len > 0;
}

static gboolean
fixture_set_up (Fixture *f)
{
  g_autofree char *program = g_find_program_in_path ("buildbot-worker");
  g_autoptr (BbClock) clock = NULL;
  g_autoptr (GError) error = NULL;

  if (program == NULL)
    {
      g_test_skip ("buildbot-worker is not installed");
      return FALSE;
    }
  clock = bb_system_clock_new ();
  f->loop = bb_loop_new (clock, &error);
  g_assert_no_error (error);
  f->host = bb_test_login_host_new ();
  f->listener = bb_listener_new (f->loop, "main", "pb", "127.0.0.1", 0, BB_LOGIN_HOST (f->host),
                                 &bb_listener_default_limits, &error);
  g_assert_no_error (error);
  f->dir = bb_test_make_dir ();
  f->base_dir = g_build_filename (f->dir, "worker", NULL);
  start_worker (f);
  bb_test_run_until_true (has_logged_in, f);
  f->link = f->host->links->pdata[0];
  return TRUE;
}

static void
fixture_tear_down (Fixture *f)
{
  g_subprocess_force_exit (f->worker);
  g_subprocess_wait (f->worker, NULL, NULL);
  g_clear_object (&f->worker);
  bb_listener_close (f->listener);
  bb_slave_link_close (f->link, NULL);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_clear_object (&f->listener);
  g_clear_object (&f->host);
  g_clear_object (&f->loop);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
  g_free (f->base_dir);
}

static void
get_info (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) info = NULL;
  const char *text;

  bb_slave_link_get_info_async (f->link, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  info = bb_slave_link_get_info_finish (f->link, result, &error);
  g_assert_no_error (error);
  g_assert_true (g_variant_lookup (info, "admin", "&s", &text));
  g_assert_cmpstr (text, ==, "Some Admin <admin@example.org>");
  g_assert_true (g_variant_lookup (info, "basedir", "&s", &text));
  g_assert_cmpstr (text, ==, f->base_dir);
  g_assert_true (g_variant_lookup (info, "system", "&s", &text));
  g_assert_cmpstr (text, ==, "posix");
  g_assert_false (g_variant_lookup (info, "environ", "v", NULL));
  g_assert_nonnull (bb_slave_link_get_commands (f->link));
  g_assert_true (bb_slave_commands_have (bb_slave_link_get_commands (f->link), "shell"));
}

static void
set_builders (Fixture *f, const BbBuilderDir *builders, gsize n)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  bb_slave_link_set_builders_async (f->link, builders, n, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_slave_link_set_builders_finish (f->link, result, &error));
  g_assert_no_error (error);
}

static BbRemoteCommand *
start (Fixture *f, Events *events, const char *name, const char *args)
{
  g_autoptr (GError) error = NULL;
  BbRemoteCommand *command
    = bb_slave_link_start_command (f->link, "b1", name, g_variant_new_parsed (args), &events_table, events, &error);

  events->link = f->link;
  g_assert_no_error (error);
  return command;
}

static Events *
run (Fixture *f, const char *name, const char *args, const char *contents)
{
  Events *events = events_new ();

  events->contents = contents;
  start (f, events, name, args);
  bb_test_run_until (&events->done);
  return events;
}

#define SHELL(command) "{'command': <" command ">, 'workdir': <'build'>, 'logEnviron': <false>, 'timeout': <int64 60>}"

static void
run_shells (Fixture *f)
{
  g_autoptr (Events) text = run (f, "shell", SHELL ("'echo h\xc3\xa9 $A; printf \"\\\\377\\\\n\"; exit 3'"), NULL);
  g_autoptr (Events) list = run (f, "shell", SHELL ("[<'echo'>, <('obfuscated', 'real', 'shown')>]"), NULL);
  g_autoptr (Events) stdin_text = run (f, "shell",
                                       "{'command': <'cat; echo log > extra.log; sleep 0.1'>, 'workdir': <'build'>, "
                                       "'initial_stdin': <'from stdin\\n'>, 'env': <{'A': <'x'>, 'B': <@mv nothing>}>, "
                                       "'logfiles': <{'extra': 'extra.log'}>, 'maxTime': <@mv nothing>}",
                                       NULL);

  g_assert_no_error (text->error);
  g_assert_cmpstr (text->out->str, ==, "h\xc3\xa9\n\357\277\275\n");
  g_assert_cmpstr (text->updates->str, ==, "rc=3 ");
  g_assert_cmpstr (list->out->str, ==, "real\n");
  g_assert_cmpstr (list->updates->str, ==, "rc=0 ");
  g_assert_cmpstr (stdin_text->out->str, ==, "from stdin\n");
  g_assert_cmpstr (stdin_text->logs->str, ==, "extra: log\n");
}

static void
transfer_files (Fixture *f)
{
  g_autoptr (Events) down = run (f, "downloadFile",
                                 "{'workdir': <'build'>, 'workerdest': <'f.txt'>, 'blocksize': <int64 10>, 'mode': <384>}",
                                 "list\nand more than one block");
  g_autoptr (Events) up = run (f, "uploadFile",
                               "{'workdir': <'build'>, 'workersrc': <'f.txt'>, 'blocksize': <int64 16>, 'keepstamp': <true>}",
                               NULL);
  g_autoptr (Events) missing = run (f, "uploadFile",
                                    "{'workdir': <'build'>, 'workersrc': <'none'>, 'blocksize': <int64 16>}", NULL);
  g_autoptr (Events) cut = run (f, "uploadFile", "{'workdir': <'build'>, 'workersrc': <'f.txt'>, "
                                                 "'blocksize': <int64 16>, 'maxsize': <int64 5>}", NULL);
  g_autoptr (Events) tree = run (f, "uploadDirectory", "{'workdir': <'.'>, 'workersrc': <'build'>, "
                                                       "'blocksize': <int64 16384>, 'compress': <'gz'>}", NULL);
  g_autoptr (Events) no_tree = run (f, "uploadDirectory",
                                    "{'workdir': <'.'>, 'workersrc': <'none'>, 'blocksize': <int64 16384>}", NULL);

  g_assert_no_error (down->error);
  g_assert_cmpstr (down->updates->str, ==, "rc=0 ");
  g_assert_cmpuint (down->n_closed, ==, 1);
  g_assert_cmpuint (down->n_blocks, ==, 4);
  g_assert_cmpmem (up->written->data, up->written->len, "list\nand more than one block", 28);
  g_assert_cmpuint (up->n_closed, ==, 1);
  g_assert_true (up->utime);
  g_assert_cmpuint (missing->n_blocks, ==, 0);
  g_assert_cmpuint (missing->n_closed, ==, 1);
  g_assert_cmpstr (missing->updates->str, ==, "rc=1 ");
  g_assert_cmpuint (cut->written->len, ==, 5);
  g_assert_cmpstr (cut->updates->str, ==, "rc=1 ");
  g_assert_no_error (tree->error);
  g_assert_cmpuint (tree->written->len, >, 20);
  g_assert_cmpmem (tree->written->data, 2, "\x1f\x8b", 2);
  g_assert_cmpuint (tree->n_closed, ==, 1);
  g_assert_true (no_tree->error != NULL || strstr (no_tree->updates->str, "rc=1") != NULL);
}

/* A failure of ours stops the transfer, and the builder is free again. */
static void
fail_transfer (Fixture *f)
{
  g_autoptr (Events) events = events_new ();

  events->fail_write = TRUE;
  start (f, events, "uploadFile", "{'workdir': <'build'>, 'workersrc': <'f.txt'>, 'blocksize': <int64 4>}");
  bb_test_run_until (&events->done);
  g_assert_cmpuint (events->n_blocks, ==, 1);
  g_assert_cmpuint (events->n_closed, ==, 0);
  g_assert_error (events->error, BB_ERROR, BB_ERROR_FAILED);
  g_assert_cmpstr (events->error->message, ==, "the disk is full");
}

static void
run_file_commands (Fixture *f)
{
  g_autoptr (Events) mkdir_events = run (f, "mkdir", "{'dir': <'sub/dir'>}", NULL);
  g_autoptr (Events) stat_events = run (f, "stat", "{'file': <'build/f.txt'>, 'workdir': <'.'>}", NULL);
  g_autoptr (Events) list = run (f, "listdir", "{'dir': <'sub'>}", NULL);
  g_autoptr (Events) rmdir_events = run (f, "rmdir", "{'dir': <'sub'>}", NULL);
  g_autoptr (Events) gone = run (f, "listdir", "{'dir': <'sub'>}", NULL);

  g_assert_cmpstr (mkdir_events->updates->str, ==, "rc=0 ");
  g_assert_nonnull (strstr (stat_events->updates->str, "stat=[33152, "));
  g_assert_cmpstr (list->updates->str, ==, "files=['dir'] rc=0 ");
  g_assert_cmpstr (rmdir_events->updates->str, ==, "rc=0 ");
  g_assert_cmpstr (gone->updates->str, ==, "rc=2 ");
}

static void
interrupt (Fixture *f)
{
  g_autoptr (Events) events = events_new ();
  BbRemoteCommand *command = start (f, events, "shell", SHELL ("'sleep 60'"));

  g_assert_null (bb_slave_link_start_command (f->link, "b1", "shell", g_variant_new_parsed (SHELL ("'true'")),
                                              &events_table, events, NULL));
  bb_slave_link_interrupt (f->link, command, "no longer wanted");
  bb_test_run_until (&events->done);
  g_assert_cmpstr (events->updates->str, ==, "rc=-1 ");
}

static void
big_output (Fixture *f)
{
  g_autoptr (Events) events = run (f, "shell", SHELL ("'seq 1 200000'"), NULL);

  g_assert_cmpuint (events->out->len, ==, 1288895);
  g_assert_true (g_str_has_suffix (events->out->str, "199999\n200000\n"));
}

static gboolean
is_lost (gpointer user_data)
{
  return ((Fixture *) user_data)->host->n_lost > 0;
}

static void
ping_and_shut_down (Fixture *f)
{
  g_autoptr (GAsyncResult) ping = NULL;
  g_autoptr (GAsyncResult) shutdown = NULL;
  g_autoptr (GError) error = NULL;

  bb_slave_link_ping_async (f->link, NULL, bb_test_store_result, &ping);
  bb_test_run_until_result (&ping);
  g_assert_true (bb_slave_link_ping_finish (f->link, ping, &error));
  g_assert_no_error (error);
  bb_slave_link_shutdown_async (f->link, NULL, bb_test_store_result, &shutdown);
  bb_test_run_until_result (&shutdown);
  g_assert_true (bb_slave_link_shutdown_finish (f->link, shutdown, &error));
  g_assert_no_error (error);
  bb_test_run_until_true (is_lost, f);
  g_assert_true (g_subprocess_wait (f->worker, NULL, NULL));
}

static void
test_session (void)
{
  static const BbBuilderDir one[] = { { (char *) "b1", (char *) "dir1" } };
  static const BbBuilderDir two[] = { { (char *) "b1", (char *) "dir1" }, { (char *) "b2", (char *) "dir2" } };
  g_autoptr (GError) error = NULL;
  Fixture f = { 0 };

  if (!fixture_set_up (&f))
    return;
  get_info (&f);
  set_builders (&f, one, 1);
  run_shells (&f);
  transfer_files (&f);
  fail_transfer (&f);
  run_file_commands (&f);
  interrupt (&f);
  set_builders (&f, two, 2);
  set_builders (&f, one, 1);
  big_output (&f);
  g_assert_null (bb_slave_link_start_command (f.link, "b1", "svn", g_variant_new_parsed ("@a{sv} {}"), &events_table,
                                              NULL, &error));
  g_assert_cmpstr (error->message, ==, "the slave does not have the command \"svn\"; use a newer release");
  g_assert_cmpuint (f.host->n_lost, ==, 0);
  ping_and_shut_down (&f);
  fixture_tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/pb/real-worker/session", test_session);
  return g_test_run ();
}
