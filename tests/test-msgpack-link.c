/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bb-command-ear.h"
#include "bb-error.h"
#include "bb-log-trap.h"
#include "bb-msgpack-peer.h"
#include "bb-pb-peer.h"
#include "bb-test.h"

#define INFO                                                                                                           \
  "{'admin': <'Me\\n'>, 'basedir': <'/srv/w'>, 'system': <'posix'>, 'numcpus': <int64 2>, 'delete_leftover_dirs': <false>,"  \
  " 'environ': <{'HOME': <'/home/me'>, 'SECRET': <'x'>}>, 'odd': <[int64 1]>, 'version': <'3.7.0'>,"                   \
  " 'worker_commands': <{'shell': <'3.1'>, 'upload_file': <'3.1'>, 'upload_directory': <'3.1'>,"                       \
  " 'download_file': <'3.1'>, 'mkdir': <'3.1'>, 'rmdir': <'3.1'>, 'cpdir': <'3.1'>, 'rmfile': <'3.1'>}>}"

/* A slave that has logged in, and what its one command told. */
typedef struct
{
  BbCommandEar ear; /* of its commands */
  BbTestClock *clock;
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
  BbMsgpackPeer *peer;
  gint64 request; /* of the last one to the peer */
  char *id;       /* of the last command */
  gboolean unanswered; /* the end of a command */
} Fixture;

static void
log_in (Fixture *f)
{
  f->peer = bb_msgpack_peer_new (bb_listener_get_port (f->listener));
  bb_msgpack_peer_login (f->peer, "w1", "pw-one");
  f->ear.link = f->host->links->pdata[f->host->links->len - 1];
  f->request = -1;
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bb_command_ear_init (&f->ear);
  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->host = bb_test_login_host_new ();
  f->listener = bb_listener_new (f->loop, "main", "msgpack", "127.0.0.1", 0, BB_LOGIN_HOST (f->host),
                                 &bb_listener_default_limits, &error);
  g_assert_no_error (error);
  log_in (f);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  bb_slave_link_close (f->ear.link, NULL);
  bb_test_run_pending ();
  g_assert_cmpuint (f->host->n_lost, ==, f->host->links->len);
  bb_msgpack_peer_free (f->peer);
  bb_listener_close (f->listener);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_assert_finalize_object (f->listener);
  g_assert_finalize_object (f->host);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
  bb_command_ear_clear (&f->ear);
  g_free (f->id);
}

/* The next request of the link: its op, and "" or what else is in it, ", " first. */
static void
expect_request (Fixture *f, const char *op, const char *rest)
{
  g_autofree char *text
    = g_strdup_printf ("{\"op\": \"%s\", \"seq_number\": %" G_GINT64_FORMAT "%s}", op, ++f->request, rest);

  bb_msgpack_peer_expect (f->peer, text);
}

static void
answer (Fixture *f, const char *value)
{
  bb_msgpack_peer_send (f->peer, "{'op': <'response'>, 'seq_number': <int64 %" G_GINT64_FORMAT ">, 'result': <%s>}",
                        f->request, value);
}

/* A request of the slave about the last command; @members: "" or with ", " first */
static void
ask (Fixture *f, const char *op, const char *members)
{
  bb_msgpack_peer_send (f->peer, "{'op': <'%s'>, 'seq_number': <int64 9>, 'command_id': <'%s'>%s}", op, f->id, members);
}

#define NIL "{\"op\": \"response\", \"seq_number\": 9, \"result\": nil}"

static void
tell (Fixture *f, const char *op, const char *members)
{
  ask (f, op, members);
  bb_msgpack_peer_expect (f->peer, NIL);
}

/* The id of the command whose start comes next; the rest of it is compared. */
static void
expect_start (Fixture *f, const char *rest)
{
  const char *text = bb_msgpack_peer_next (f->peer), *id = strstr (text, "\"command_id\": \"");
  g_autofree char *expected = NULL;

  g_assert_nonnull (id);
  g_free (f->id);
  f->id = g_strndup (id + 15, strcspn (id + 15, "\""));
  expected = g_strdup_printf ("{\"op\": \"start_command\", \"seq_number\": %" G_GINT64_FORMAT ", \"command_id\": \"%s\", %s}",
                              ++f->request, f->id, rest);
  g_assert_cmpstr (text, ==, expected);
}

static GVariant *
get_info (Fixture *f, const char *info)
{
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  GVariant *got;

  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_request (f, "get_worker_info", "");
  answer (f, info);
  bb_test_run_until_result (&result);
  got = bb_slave_link_get_info_finish (f->ear.link, result, &error);
  if (got == NULL)
    g_string_append (f->ear.told, error->message);
  g_object_unref (result);
  return got;
}

static void
expect_settings (Fixture *f)
{
  expect_request (f, "set_worker_settings",
                  ", \"args\": {\"buffer_size\": 65536, \"buffer_timeout\": 1, \"newline_re\": "
                  "\"(\\\\r\\\\n|\\\\r(?=.)|\\\\033\\\\[u|\\\\033\\\\[[0-9]+;[0-9]+[Hf]|\\\\033\\\\[2J|\\\\x08+)\", "
                  "\"max_line_length\": 1000000}");
  answer (f, "@mv nothing");
}

static gboolean
set_builders (Fixture *f, const char *rc, GCancellable *cancellable)
{
  static const BbBuilderDir builders[] = { { (char *) "b1", (char *) "dir1" } };
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;
  gboolean good;

  bb_slave_link_set_builders_async (f->ear.link, builders, 1, cancellable, bb_test_store_result, &result);
  expect_start (f, "\"command_name\": \"mkdir\", \"args\": {\"paths\": [\"/srv/w/dir1\"]}");
  if (rc != NULL)
    {
      tell (f, "update", rc);
      tell (f, "complete", "");
      answer (f, "@mv nothing");
    }
  else
    g_cancellable_cancel (cancellable);
  bb_test_run_until_result (&result);
  good = bb_slave_link_set_builders_finish (f->ear.link, result, &error);
  if (!good)
    g_string_append (f->ear.told, error->message);
  g_object_unref (result);
  return good;
}

#define RC(N) ", 'args': <[<[<'rc'>, <int64 " #N ">]>]>"

static void
prepare (Fixture *f)
{
  g_autoptr (GVariant) info = get_info (f, INFO);

  expect_settings (f);
  g_assert_true (set_builders (f, RC (0), NULL));
}

static BbRemoteCommand *
start (Fixture *f, const char *name, const char *args, const char *expected)
{
  g_autoptr (GError) error = NULL;
  BbRemoteCommand *command;

  if (f->request < 0)
    prepare (f);
  command = bb_slave_link_start_command (f->ear.link, "b1", name, g_variant_new_parsed (args), &bb_command_ear_events, &f->ear, &error);
  g_assert_no_error (error);
  expect_start (f, expected);
  answer (f, "@mv nothing");
  return command;
}

static BbRemoteCommand *
start_shell (Fixture *f)
{
  return start (f, "shell", "{'command': <'true'>, 'workdir': <'build'>, 'logfiles': <{'extra': 'extra.log'}>}",
                "\"command_name\": \"shell\", \"args\": {\"command\": \"true\", \"workdir\": \"/srv/w/dir1/build\", "
                "\"logfiles\": {\"extra\": \"extra.log\"}}");
}

static void
test_info (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) info = get_info (f, INFO);
  g_autofree char *text = g_variant_print (info, FALSE);

  expect_settings (f);
  g_assert_null (strstr (text, "SECRET"));
  g_assert_null (strstr (text, "odd"));
  g_assert_nonnull (strstr (text, "'admin': <'Me'>"));
  g_assert_nonnull (strstr (text, "'numcpus': <int64 2>"));
  g_assert_nonnull (strstr (text, "'delete_leftover_dirs': <false>"));
  g_assert_true (bb_slave_commands_have (bb_slave_link_get_commands (BB_SLAVE_LINK (f->ear.link)), "shell"));
}

static void
test_info_limits (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new ("{'basedir': <'/w'>, 'admin': <'x");
  g_autoptr (GVariant) info = NULL;

  for (guint i = 0; i < 3000; i++)
    g_string_append (text, "\303\251");
  g_string_append (text, "'>, 'worker_commands': <{'command': <'3.1'>");
  for (guint i = 1; i < 150; i++)
    g_string_append_printf (text, ", 'command%u': <'3.1'>", i);
  g_string_append (text, "}>");
  for (guint i = 0; i < 150; i++)
    g_string_append_printf (text, ", 'key%u': <int64 %u>", i, i);
  g_string_append_c (text, '}');
  info = get_info (f, text->str);
  expect_settings (f);
  bb_test_check_info_is_cut (f->ear.link, info);
}

static void
test_info_fails (Fixture *f, gconstpointer data)
{
  g_assert_null (get_info (f, "[int64 1]"));
  g_assert_null (get_info (f, "{'admin': <'Me'>}"));
  g_assert_cmpstr (f->ear.told->str, ==, "the slave's info does not say where it works"
                                     "the slave's info does not say where it works");
}

static void
test_builders (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  prepare (f);
  g_assert_false (set_builders (f, RC (13), NULL));
  g_assert_cmpstr (f->ear.told->str, ==, "the slave cannot make the directories of its builders");
  g_string_truncate (f->ear.told, 0);
  g_assert_false (set_builders (f, NULL, cancellable));
  g_assert_cmpstr (f->ear.told->str, ==, "Operation was cancelled");
}

static void
test_shell (Fixture *f, gconstpointer data)
{
  start_shell (f);
  tell (f, "update",
        ", 'args': <[<[<'header'>, <[<'in dir\\n'>, <[int64 6]>, <[1.5]>]>]>,"
        " <[<'stdout'>, <[<'caf\303\251\\n'>, <[int64 4]>, <[1.5]>]>]>, <[<'stderr'>, <[<'e\\n'>]>]>,"
        " <[<'log'>, <[<'extra'>, <[<'l\\n'>]>]>]>, <[<'log'>, <[<'other'>, <[<'never'>]>]>]>,"
        " <[<'rc'>, <int64 3>]>, <[<'elapsed'>, <0.5>]>, <[<'stdout'>, <'no lines'>]>, <[<'odd'>]>, <int64 7>]>");
  g_assert_cmpstr (f->ear.told->str, ==, "header=in dir\n stdout=caf\303\251\n stderr=e\n log:extra=l\n rc=int64 3 elapsed=0.5 ");
  tell (f, "complete", ", 'args': <@mv nothing>");
  g_assert_true (g_str_has_suffix (f->ear.told->str, " done="));
  /* What comes later is not an offence. */
  ask (f, "update", RC (0));
  bb_msgpack_peer_expect (f->peer, "{\"op\": \"response\", \"seq_number\": 9, \"result\": \"no such command runs\", "
                                   "\"is_exception\": true}");
  g_assert_cmpuint (f->ear.n_done, ==, 1);
}

static void
test_failures (Fixture *f, gconstpointer data)
{
  start_shell (f);
  tell (f, "complete", ", 'args': <'OSError: no'>");
  g_assert_cmpstr (f->ear.told->str, ==, "done=the slave failed with OSError: no");
  g_string_truncate (f->ear.told, 0);
  g_assert_nonnull (bb_slave_link_start_command (f->ear.link, "b1", "shell", g_variant_new_parsed ("@a{sv} {}"), &bb_command_ear_events,
                                                 &f->ear, NULL));
  expect_start (f, "\"command_name\": \"shell\", \"args\": {}");
  bb_msgpack_peer_send (f->peer, "{'op': <'response'>, 'seq_number': <int64 %" G_GINT64_FORMAT ">, 'result': <'no command'>,"
                        " 'is_exception': <true>}", f->request);
  bb_command_ear_wait_done (&f->ear, 2);
  g_assert_cmpstr (f->ear.told->str, ==, "done=the slave answered an error: no command");
}

static void
test_interrupt (Fixture *f, gconstpointer data)
{
  BbRemoteCommand *command = start_shell (f);
  g_autofree char *rest = NULL;

  bb_slave_link_interrupt (f->ear.link, command, "enough");
  rest = g_strdup_printf (", \"command_id\": \"%s\", \"why\": \"enough\"", f->id);
  expect_request (f, "interrupt_command", rest);
  answer (f, "@mv nothing");
  tell (f, "update", RC (-1));
  tell (f, "complete", "");
  g_assert_cmpstr (f->ear.told->str, ==, "rc=int64 -1 done=");
}

static void
test_upload (Fixture *f, gconstpointer data)
{
  start (f, "uploadFile", "{'workersrc': <'out/f'>, 'workdir': <'build'>, 'maxsize': <int64 5>, 'keepstamp': <true>}",
         "\"command_name\": \"upload_file\", \"args\": {\"path\": \"/srv/w/dir1/build/out/f\", \"maxsize\": 5, "
         "\"keepstamp\": true}");
  tell (f, "update_upload_file_write", ", 'args': <@ay [0x68, 0x69]>");
  tell (f, "update_upload_file_write", ", 'args': <'!'>"); /* of an old packer */
  tell (f, "update_upload_file_close", "");
  tell (f, "update_upload_file_utime", ", 'access_time': <1.5>, 'modified_time': <int64 2>");
  ask (f, "update_read_file", ", 'length': <int64 2>");
  bb_msgpack_peer_expect (f->peer, "{\"op\": \"response\", \"seq_number\": 9, \"result\": "
                                   "\"this command does not take that\", \"is_exception\": true}");
  tell (f, "complete", "");
  g_assert_cmpstr (f->ear.told->str, ==, "write=hi write=! close utime=1.5,2 done=");
}

/* More than it was asked for: it is stopped, and answered as ever. */
static void
test_upload_too_large (Fixture *f, gconstpointer data)
{
  start (f, "uploadDirectory", "{'workersrc': <'~/d'>, 'maxsize': <int64 2>}",
         "\"command_name\": \"upload_directory\", \"args\": {\"path\": \"/home/me/d\", \"maxsize\": 2, "
         "\"compress\": nil}");
  ask (f, "update_upload_directory_write", ", 'args': <@ay [0x68, 0x69, 0x21]>");
  g_assert_nonnull (strstr (bb_msgpack_peer_next (f->peer), "\"interrupt_command\""));
  bb_msgpack_peer_expect (f->peer, NIL);
  tell (f, "update_upload_directory_write", ", 'args': <@ay [0x68]>");
  tell (f, "update_upload_directory_unpack", "");
  tell (f, "complete", "");
  g_assert_cmpstr (f->ear.told->str, ==, "done=the slave sends more than it was asked for");
}

#define DOWNLOAD                                                                                                       \
  "\"command_name\": \"download_file\", \"args\": {\"path\": \"/abs/f\", \"mode\": 416, \"maxsize\": nil}"

static void
test_download (Fixture *f, gconstpointer data)
{
  start (f, "downloadFile", "{'workerdest': <'/abs/f'>, 'workdir': <'build'>, 'mode': <int64 416>}", DOWNLOAD);
  ask (f, "update_read_file", ", 'length': <int64 3>");
  bb_msgpack_peer_expect (f->peer, "{\"op\": \"response\", \"seq_number\": 9, \"result\": bin\"lis\"}");
  tell (f, "update_read_file_close", "");
  ask (f, "update_read_file", ", 'length': <int64 3>"); /* after the end: nothing */
  bb_msgpack_peer_expect (f->peer, "{\"op\": \"response\", \"seq_number\": 9, \"result\": bin\"\"}");
  tell (f, "complete", "");
  g_assert_cmpstr (f->ear.told->str, ==, "read=3 close done=");
}

static void
test_download_fails (Fixture *f, gconstpointer data)
{
  start (f, "downloadFile", "{'workerdest': <'/abs/f'>, 'mode': <int64 416>}", DOWNLOAD);
  f->ear.fail_transfer = TRUE;
  ask (f, "update_read_file", ", 'length': <int64 3>");
  g_assert_nonnull (strstr (bb_msgpack_peer_next (f->peer), "\"interrupt_command\""));
  bb_msgpack_peer_expect (f->peer, "{\"op\": \"response\", \"seq_number\": 9, \"result\": bin\"\"}");
  tell (f, "complete", "");
  g_assert_cmpstr (f->ear.told->str, ==, "read=3 done=the file is gone");
}

static void
test_read_twice (Fixture *f, gconstpointer data)
{
  start (f, "downloadFile", "{'workerdest': <'/abs/f'>, 'mode': <int64 416>}", DOWNLOAD);
  f->ear.answer_later = TRUE;
  ask (f, "update_read_file", ", 'length': <int64 3>");
  ask (f, "update_read_file", ", 'length': <int64 3>");
  bb_msgpack_peer_wait_closed (f->peer);
  bb_test_run_pending ();
  g_assert_cmpstr (f->host->lost->str, ==, "msgpack: a second read before the first is answered\n");
}

static void
test_paths (Fixture *f, gconstpointer data)
{
  start (f, "mkdir", "{'dir': <'a/b'>}", "\"command_name\": \"mkdir\", \"args\": {\"paths\": [\"/srv/w/dir1/a/b\"]}");
  tell (f, "complete", "");
  start (f, "rmdir", "{'dir': <['a', '/abs']>, 'timeout': <int64 5>}",
         "\"command_name\": \"rmdir\", \"args\": {\"paths\": [\"/srv/w/dir1/a\", \"/abs\"], \"timeout\": 5}");
  tell (f, "complete", "");
  start (f, "cpdir", "{'fromdir': <'a'>, 'todir': <'b'>}",
         "\"command_name\": \"cpdir\", \"args\": {\"from_path\": \"/srv/w/dir1/a\", \"to_path\": \"/srv/w/dir1/b\"}");
  tell (f, "complete", "");
  start (f, "rmfile", "{'path': <'~'>}", "\"command_name\": \"rmfile\", \"args\": {\"path\": \"/home/me\"}");
  tell (f, "complete", "");
}

static void
test_windows (Fixture *f, gconstpointer data)
{
  static const BbBuilderDir builders[] = { { (char *) "b1", (char *) "dir1" } };
  GAsyncResult *result = NULL;
  g_autoptr (GVariant) info = get_info (f, "{'basedir': <'C:\\\\w'>, 'system': <'nt'>}");

  expect_settings (f);
  bb_slave_link_set_builders_async (f->ear.link, builders, 1, NULL, bb_test_store_result, &result);
  expect_start (f, "\"command_name\": \"mkdir\", \"args\": {\"paths\": [\"C:\\\\w\\\\dir1\"]}");
  tell (f, "complete", "");
  bb_test_run_until_result (&result);
  g_assert_true (bb_slave_link_set_builders_finish (f->ear.link, result, NULL));
  g_object_unref (result);
  start (f, "shell", "{'workdir': <'build'>}",
         "\"command_name\": \"shell\", \"args\": {\"workdir\": \"C:\\\\w\\\\dir1\\\\build\"}");
  tell (f, "complete", "");
  start (f, "shell", "{'workdir': <'D:x'>}", "\"command_name\": \"shell\", \"args\": {\"workdir\": \"D:x\"}");
  tell (f, "complete", "");
}

static void
assert_not_started (Fixture *f, const char *builder, const char *name, const char *args, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (bb_slave_link_start_command (f->ear.link, builder, name, g_variant_new_parsed (args), &bb_command_ear_events, &f->ear, &error));
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_cannot_start (Fixture *f, gconstpointer data)
{
  start_shell (f);
  assert_not_started (f, "b1", "shell", "@a{sv} {}", "builder \"b1\" runs another command on that slave");
  tell (f, "complete", "");
  assert_not_started (f, "b2", "shell", "@a{sv} {}", "the slave does not know builder \"b2\"");
  assert_not_started (f, "b1", "svn", "@a{sv} {}", "the slave does not have the command \"svn\"; use a newer release");
  assert_not_started (f, "b1", "glob", "@a{sv} {}", "the slave does not have the command \"glob\"; use a newer release");
  assert_not_started (f, "b1", "shell", "{'command': <[<('obfuscated', 'real', 'shown')>]>}",
                      "shell: command: slaves that speak msgpack would show what is to be hidden; use the environment");
  assert_not_started (f, "b1", "shell", "{'workdir': <int64 5>}", "shell: workdir: is no path");
  assert_not_started (f, "b1", "uploadFile", "{'blocksize': <int64 655361>}",
                      "uploadFile: blocksize: 655361 is not 1 to 655360");
}

/* Unlike one of PB such a slave lets run what runs when the connection ends: by the token of the old one, which is all that has to
 * outlive us, it can be stopped over another. */
static void
test_left_running (Fixture *f, gconstpointer data)
{
  g_autoptr (BbSlaveLink) old = NULL;
  g_autofree char *token = NULL;
  g_autofree char *rest = NULL;

  start_shell (f);
  token = g_strdup (bb_slave_link_get_command_token (f->ear.link));
  rest = g_strdup_printf (", \"command_id\": \"%s\", \"why\": \"its connection was lost\"", f->id);
  old = g_object_ref (f->ear.link);
  bb_msgpack_peer_hang_up (f->peer);
  bb_command_ear_wait_done (&f->ear, 1);
  g_assert_cmpstr (f->ear.told->str, ==, "done=the peer closed the connection");
  g_assert_cmpstr (bb_slave_link_get_command_token (old), ==, token);

  bb_msgpack_peer_free (f->peer);
  log_in (f);
  g_assert_cmpstr (bb_slave_link_get_command_token (f->ear.link), !=, token);
  prepare (f);
  bb_slave_link_stop_commands (f->ear.link, token);
  expect_request (f, "interrupt_command", rest);
  answer (f, "@mv nothing");
}

static gboolean
is_lost (gpointer user_data)
{
  Fixture *f = user_data;

  return f->host->n_lost == f->host->links->len;
}

/* What nobody can have left need not be stopped. */
static void
test_left_nothing (Fixture *f, gconstpointer data)
{
  g_autoptr (BbSlaveLink) old = g_object_ref (f->ear.link);

  start_shell (f);
  tell (f, "complete", "");
  g_assert_nonnull (bb_slave_link_get_command_token (f->ear.link));
  bb_msgpack_peer_hang_up (f->peer);
  bb_test_run_until_true (is_lost, f);
  g_assert_null (bb_slave_link_get_command_token (old));
}

static void
set_no_builders (Fixture *f)
{
  GAsyncResult *result = NULL;

  bb_slave_link_set_builders_async (f->ear.link, NULL, 0, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_slave_link_set_builders_finish (f->ear.link, result, NULL));
  g_object_unref (result);
}

/* A slave that runs two commands of one id mixes them up: while one runs that is over for us, no other gets its id. */
static void
test_ids (Fixture *f, gconstpointer data)
{
  g_autofree char *first = NULL;
  g_autofree char *rest = NULL;

  start_shell (f);
  first = g_strdup (f->id);
  tell (f, "complete", "");
  start_shell (f);
  g_assert_cmpstr (f->id, ==, first);
  rest = g_strdup_printf (", \"command_id\": \"%s\", \"why\": \"its builder was taken from the slave\"", f->id);
  set_no_builders (f);
  expect_request (f, "interrupt_command", rest);
  answer (f, "@mv nothing");
  g_assert_true (set_builders (f, RC (0), NULL));
  start_shell (f);
  g_assert_cmpstr (f->id, !=, first);
  tell (f, "complete", "");

  bb_msgpack_peer_send (f->peer, "{'op': <'complete'>, 'seq_number': <int64 9>, 'command_id': <'%s'>}", first);
  bb_msgpack_peer_expect (f->peer, "{\"op\": \"response\", \"seq_number\": 9, \"result\": \"no such command runs\", "
                                   "\"is_exception\": true}");
  start_shell (f);
  g_assert_cmpstr (f->id, ==, first);
  tell (f, "complete", "");
}

/* A command of the link itself: its start, what it tells, its end. The next one is started before that is answered. */
static void
pass_own (Fixture *f, const char *expected, const char *updates)
{
  expect_start (f, expected);
  if (f->unanswered)
    bb_msgpack_peer_expect (f->peer, NIL);
  answer (f, "@mv nothing");
  tell (f, "update", updates);
  ask (f, "complete", "");
  f->unanswered = TRUE;
}

#define STAT(MODE) ", 'args': <[<[<'stat'>, <[int64 " #MODE ", 2, 3]>]>, <[<'rc'>, <int64 0>]>]>"
#define FILES(LIST) ", 'args': <[<[<'files'>, <" LIST ">]>, <[<'rc'>, <int64 0>]>]>"

static void
begin_leftovers (Fixture *f, const char *info, GAsyncResult **result)
{
  static const BbBuilderDir builders[] = { { (char *) "b1", (char *) "dir1" }, { (char *) "b2", (char *) "Dir2" } };
  g_autoptr (GVariant) got = get_info (f, info);

  expect_settings (f);
  bb_slave_link_set_builders_async (f->ear.link, builders, 2, NULL, bb_test_store_result, result);
}

static void
end_leftovers (Fixture *f, GAsyncResult **result)
{
  bb_test_run_until_result (result);
  g_assert_true (bb_slave_link_set_builders_finish (f->ear.link, *result, NULL));
  g_clear_object (result);
  bb_msgpack_peer_expect (f->peer, NIL);
  f->unanswered = FALSE;
}

/* Asked of the last first. Nothing but directories of the base directory that no builder has is removed, and never "info". */
static void
test_leftovers (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  begin_leftovers (f, "{'basedir': <'/srv/w'>, 'system': <'posix'>, 'delete_leftover_dirs': <true>}", &result);
  pass_own (f, "\"command_name\": \"listdir\", \"args\": {\"path\": \"/srv/w\"}",
            FILES ("['info', 'dir1', 'dir2', 'Dir2', 'old', 'twistd.log', '..', '.', '', '../x', 'a\\\\b', '/etc', 'gone', 'link']"));
  pass_own (f, "\"command_name\": \"stat\", \"args\": {\"path\": \"/srv/w/link\"}", STAT (0120777));
  pass_own (f, "\"command_name\": \"stat\", \"args\": {\"path\": \"/srv/w/gone\"}", RC (2));
  pass_own (f, "\"command_name\": \"stat\", \"args\": {\"path\": \"/srv/w/twistd.log\"}", STAT (0100644));
  pass_own (f, "\"command_name\": \"stat\", \"args\": {\"path\": \"/srv/w/old\"}", STAT (040755));
  pass_own (f, "\"command_name\": \"stat\", \"args\": {\"path\": \"/srv/w/dir2\"}", STAT (040700));
  pass_own (f, "\"command_name\": \"rmdir\", \"args\": {\"paths\": [\"/srv/w/old\", \"/srv/w/dir2\"]}", RC (0));
  pass_own (f, "\"command_name\": \"mkdir\", \"args\": {\"paths\": [\"/srv/w/dir1\", \"/srv/w/Dir2\"]}", RC (0));
  end_leftovers (f, &result);
}

/* A slave that names more than anybody has is asked about so many. */
static void
test_leftovers_many (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) files = g_string_new (", 'args': <[<[<'files'>, <['info'");
  GAsyncResult *result = NULL;

  for (guint i = 0; i < 1200; i++)
    g_string_append_printf (files, ", 'n%u'", i);
  g_string_append (files, "]>]>]>");
  begin_leftovers (f, "{'basedir': <'/w'>, 'system': <'posix'>, 'delete_leftover_dirs': <true>}", &result);
  pass_own (f, "\"command_name\": \"listdir\", \"args\": {\"path\": \"/w\"}", files->str);
  for (guint i = 1000; i > 0; i--)
    {
      g_autofree char *expected
        = g_strdup_printf ("\"command_name\": \"stat\", \"args\": {\"path\": \"/w/n%u\"}", i - 1);

      pass_own (f, expected, RC (2));
    }
  pass_own (f, "\"command_name\": \"mkdir\", \"args\": {\"paths\": [\"/w/dir1\", \"/w/Dir2\"]}", RC (0));
  end_leftovers (f, &result);
}

/* Where "DIR1" is "dir1". */
static void
test_leftovers_windows (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  begin_leftovers (f, "{'basedir': <'D:w'>, 'system': <'nt'>, 'delete_leftover_dirs': <int64 1>}", &result);
  pass_own (f, "\"command_name\": \"listdir\", \"args\": {\"path\": \"D:w\"}", FILES ("['DIR1', 'dir2', 'INFO', 'C:x']"));
  pass_own (f, "\"command_name\": \"mkdir\", \"args\": {\"paths\": [\"D:w\\\\dir1\", \"D:w\\\\Dir2\"]}", RC (0));
  end_leftovers (f, &result);
}

/* What can't be listed or removed stays, and the slave is of use all the same. */
static void
test_leftovers_fail (Fixture *f, gconstpointer data)
{
  static const char info[] = "{'basedir': <'/srv/w'>, 'system': <'posix'>, 'delete_leftover_dirs': <true>}";
  static const char mkdir[] = "\"command_name\": \"mkdir\", \"args\": {\"paths\": [\"/srv/w/dir1\", \"/srv/w/Dir2\"]}";
  GAsyncResult *result = NULL;
  g_autofree char *warnings = NULL;

  begin_leftovers (f, info, &result);
  pass_own (f, "\"command_name\": \"listdir\", \"args\": {\"path\": \"/srv/w\"}",
            ", 'args': <[<[<'files'>, <['old']>]>, <[<'rc'>, <int64 13>]>]>");
  pass_own (f, mkdir, RC (0));
  end_leftovers (f, &result);
  begin_leftovers (f, info, &result);
  pass_own (f, "\"command_name\": \"listdir\", \"args\": {\"path\": \"/srv/w\"}", FILES ("['old']"));
  pass_own (f, "\"command_name\": \"stat\", \"args\": {\"path\": \"/srv/w/old\"}", STAT (040755));
  pass_own (f, "\"command_name\": \"rmdir\", \"args\": {\"paths\": [\"/srv/w/old\"]}", RC (1));
  pass_own (f, mkdir, RC (0));
  end_leftovers (f, &result);
  warnings = bb_log_trap_take_warnings ();
  g_assert_cmpstr (warnings, ==, "slave w1: can't list its own directory: nothing is removed there (delete_leftover_dirs)\n"
                                 "slave w1: could not remove all directories that belong to no builder (delete_leftover_dirs)\n");
}

/* And when it is we who end it, before that. */
static void
test_close (Fixture *f, gconstpointer data)
{
  g_autofree char *rest = NULL;

  start_shell (f);
  bb_slave_link_close (f->ear.link, NULL);
  rest = g_strdup_printf (", \"command_id\": \"%s\", \"why\": \"the connection is closed\"", f->id);
  expect_request (f, "interrupt_command", rest);
  bb_msgpack_peer_expect (f->peer, "close 1000");
  bb_msgpack_peer_wait_closed (f->peer);
  bb_command_ear_wait_done (&f->ear, 1);
}

static void
test_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (BbMsgpackPeer) second = bb_msgpack_peer_new (bb_listener_get_port (f->listener));

  f->host->undecided = TRUE;
  bb_msgpack_peer_login (second, "w1", "pw-one");
  bb_slave_link_refuse (f->host->links->pdata[1], TRUE, "there is one");
  bb_msgpack_peer_expect (second, "close 1000");
  bb_msgpack_peer_wait_closed (second);
}

static void
test_ping_and_shutdown (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  bb_slave_link_ping_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_request (f, "print", ", \"message\": \"ping\"");
  answer (f, "@mv nothing");
  bb_test_run_until_result (&result);
  g_assert_true (bb_slave_link_ping_finish (f->ear.link, result, NULL));
  g_clear_object (&result);
  bb_slave_link_ping_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_request (f, "print", ", \"message\": \"ping\"");
  bb_test_clock_advance (f->clock, f->loop, 61);
  bb_test_run_until_result (&result);
  g_assert_false (bb_slave_link_ping_finish (f->ear.link, result, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_TIMEOUT);
  g_clear_object (&result);
  bb_slave_link_shutdown_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_request (f, "shutdown", "");
  bb_msgpack_peer_hang_up (f->peer);
  bb_test_run_until_result (&result);
  g_assert_true (bb_slave_link_shutdown_finish (f->ear.link, result, NULL));
  g_clear_object (&result);
}

/* What has come is left in the socket while nobody can take it. */
static void
test_pause (Fixture *f, gconstpointer data)
{
  start_shell (f);
  f->ear.pause_in_output = TRUE;
  tell (f, "update", ", 'args': <[<[<'stdout'>, <[<'one\\n'>]>]>]>");
  ask (f, "update", ", 'args': <[<[<'stdout'>, <[<'two\\n'>]>]>]>");
  bb_test_run_pending ();
  g_assert_cmpstr (f->ear.told->str, ==, "stdout=one\n ");
  f->ear.pause_in_output = FALSE;
  bb_slave_link_set_reading (f->ear.link, TRUE);
  bb_msgpack_peer_expect (f->peer, NIL);
  g_assert_cmpstr (f->ear.told->str, ==, "stdout=one\n stdout=two\n ");
  tell (f, "complete", "");
}

/* One text of more than an owner is given at once, cut between characters. */
static void
test_long_text (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) text = g_string_new ("x");
  g_autofree char *members = NULL;

  for (guint i = 0; i < 400000; i++)
    g_string_append (text, "\303\251");
  start_shell (f);
  members = g_strdup_printf (", 'args': <[<[<'stdout'>, <[<'%s'>]>]>]>", text->str);
  tell (f, "update", members);
  g_assert_true (g_utf8_validate (f->ear.told->str, -1, NULL));
  g_assert_cmpuint (f->ear.told->len, ==, text->len + 2 * strlen ("stdout= "));
  tell (f, "complete", "");
}

#define ADD(PATH, FUNC) g_test_add (PATH, Fixture, NULL, fixture_set_up, FUNC, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  ADD ("/msgpack/link/info", test_info);
  ADD ("/msgpack/link/info/fails", test_info_fails);
  ADD ("/msgpack/link/info/limits", test_info_limits);
  ADD ("/msgpack/link/builders", test_builders);
  ADD ("/msgpack/link/shell", test_shell);
  ADD ("/msgpack/link/failures", test_failures);
  ADD ("/msgpack/link/interrupt", test_interrupt);
  ADD ("/msgpack/link/upload", test_upload);
  ADD ("/msgpack/link/upload/too-large", test_upload_too_large);
  ADD ("/msgpack/link/download", test_download);
  ADD ("/msgpack/link/download/fails", test_download_fails);
  ADD ("/msgpack/link/download/read-twice", test_read_twice);
  ADD ("/msgpack/link/paths", test_paths);
  ADD ("/msgpack/link/windows", test_windows);
  ADD ("/msgpack/link/cannot-start", test_cannot_start);
  ADD ("/msgpack/link/left-running", test_left_running);
  ADD ("/msgpack/link/left-nothing", test_left_nothing);
  ADD ("/msgpack/link/ids", test_ids);
  ADD ("/msgpack/link/leftovers", test_leftovers);
  ADD ("/msgpack/link/leftovers/many", test_leftovers_many);
  ADD ("/msgpack/link/leftovers/windows", test_leftovers_windows);
  ADD ("/msgpack/link/leftovers/fail", test_leftovers_fail);
  ADD ("/msgpack/link/close", test_close);
  ADD ("/msgpack/link/refused", test_refused);
  ADD ("/msgpack/link/ping-and-shutdown", test_ping_and_shutdown);
  ADD ("/msgpack/link/pause", test_pause);
  ADD ("/msgpack/link/long-text", test_long_text);
  return g_test_run ();
}
