/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include "bb-capture.h"
#include "bb-command-ear.h"
#include "bb-error.h"
#include "bb-pb-peer.h"
#include "bb-test.h"

#define NO_SUCH_METHOD                                                                                                 \
  "(\"twisted.spread.pb.CopyableFailure\" (dictionary (\"type\" \"twisted.spread.flavors.NoSuchMethod\")"               \
  " (\"value\" \"No such method\")))"
#define INFO3 "(dictionary ((\"unicode\" \"admin\") (\"unicode\" \"A\\n\")) ((\"unicode\" \"worker_commands\")"         \
              " (dictionary ((\"unicode\" \"shell\") (\"unicode\" \"3.1\")) ((\"unicode\" \"uploadFile\") (\"unicode\""  \
              " \"3.1\")) ((\"unicode\" \"downloadFile\") (\"unicode\" \"3.1\")) ((\"unicode\" \"rmdir\") (\"unicode\""  \
              " \"3.1\")))))"

/* A slave that has logged in, and what its one command told. */
typedef struct
{
  BbCommandEar ear; /* of its commands */
  BbTestClock *clock;
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
  BbPbPeer *peer;
  guint request; /* of the last call to the peer */
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bb_command_ear_init (&f->ear);
  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->host = bb_test_login_host_new ();
  f->listener = bb_listener_new (f->loop, "main", "pb", "127.0.0.1", 0, BB_LOGIN_HOST (f->host),
                                 &bb_listener_default_limits, &error);
  g_assert_no_error (error);
  f->peer = bb_pb_peer_new (bb_listener_get_port (f->listener));
  bb_pb_peer_login (f->peer, "w1", "pw-one");
  bb_pb_peer_expect (f->peer, "(answer 2 (remote 2))");
  f->ear.link = f->host->links->pdata[0];
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  bb_slave_link_close (f->ear.link, NULL);
  bb_test_run_pending ();
  g_assert_cmpuint (f->host->n_lost, ==, f->host->links->len);
  bb_pb_peer_free (f->peer);
  bb_listener_close (f->listener);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_assert_finalize_object (f->listener);
  g_assert_finalize_object (f->host);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
  bb_command_ear_clear (&f->ear);
}

static void
expect_call (Fixture *f, const char *rest)
{
  g_autofree char *text = g_strdup_printf ("(message %u %s", ++f->request, rest);

  bb_pb_peer_expect (f->peer, text);
}

static void
answer (Fixture *f, const char *value)
{
  bb_pb_peer_send (f->peer, "(answer %u %s)", f->request, value);
}

static GVariant *
finish_info (Fixture *f, GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;
  GVariant *info;

  bb_test_run_until_result (result);
  info = bb_slave_link_get_info_finish (f->ear.link, *result, &error);
  g_assert_no_error (error);
  g_clear_object (result);
  return info;
}

static void
tell_info (Fixture *f, const char *info)
{
  GAsyncResult *result = NULL;
  g_autoptr (GVariant) got = NULL;

  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"getWorkerInfo\" 1 (tuple) (dictionary))");
  answer (f, info);
  got = finish_info (f, &result);
}

static void
assert_result (Fixture *f, GAsyncResult **result, gboolean (*finish) (BbSlaveLink *, GAsyncResult *, GError **),
               const char *message)
{
  g_autoptr (GError) error = NULL;

  bb_test_run_until_result (result);
  g_assert_true (finish (f->ear.link, *result, &error) == (message == NULL));
  g_assert_cmpstr (error != NULL ? error->message : NULL, ==, message);
  g_clear_object (result);
}

static void
set_builders (Fixture *f)
{
  static const BbBuilderDir builders[] = { { (char *) "b1", (char *) "dir1" } };
  GAsyncResult *result = NULL;

  bb_slave_link_set_builders_async (f->ear.link, builders, 1, NULL, bb_test_store_result, &result);
  f->request++;
  bb_pb_peer_next (f->peer);
  answer (f, "(dictionary ((\"unicode\" \"b1\") (remote 2)))");
  assert_result (f, &result, bb_slave_link_set_builders_finish, NULL);
}

/* Info, one builder b1 and a command on it: our object 3, its writer or reader 4. */
static BbRemoteCommand *
start (Fixture *f, const char *name, const char *args)
{
  g_autoptr (GError) error = NULL;
  BbRemoteCommand *command;

  if (f->request == 0)
    {
      tell_info (f, INFO3);
      set_builders (f);
    }
  command = bb_slave_link_start_command (f->ear.link, "b1", name, g_variant_new_parsed (args), &bb_command_ear_events, &f->ear, &error);
  g_assert_no_error (error);
  f->request++;
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "startCommand"));
  return command;
}

/* Sends an update and awaits its acknowledgement. */
static void
send_update (Fixture *f, const char *dictionary)
{
  bb_pb_peer_send (f->peer, "(message 9 3 \"update\" 1 (tuple (list (list (dictionary %s) 0))) (dictionary))", dictionary);
  bb_pb_peer_expect (f->peer, "(answer 9 0)");
}

static void
send_complete (Fixture *f, const char *failure)
{
  bb_pb_peer_send (f->peer, "(message 9 3 \"complete\" 1 (tuple %s) (dictionary))", failure);
  bb_pb_peer_expect (f->peer, "(answer 9 (None))");
}

static void
test_info_python3 (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;
  g_autoptr (GVariant) info = NULL;
  g_autofree char *text = NULL;

  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"getWorkerInfo\" 1 (tuple) (dictionary))");
  answer (f, "(dictionary ((\"unicode\" \"environ\") (dictionary ((\"unicode\" \"SECRET\") (\"unicode\" \"x\"))))"
             " ((\"unicode\" \"admin\") (\"unicode\" \"Me\\n\")) ((\"unicode\" \"numcpus\") 2)"
             " ((\"unicode\" \"delete_leftover_dirs\") (\"boolean\" \"true\")) ((\"unicode\" \"odd\") (list 1))"
             " ((\"unicode\" \"worker_commands\") (dictionary ((\"unicode\" \"shell\") (\"unicode\" \"3.1\")))))");
  info = finish_info (f, &result);
  text = g_variant_print (info, FALSE);
  g_assert_null (strstr (text, "SECRET"));
  g_assert_null (strstr (text, "odd"));
  g_assert_nonnull (strstr (text, "'admin': <'Me'>"));
  g_assert_nonnull (strstr (text, "'numcpus': <int64 2>"));
  g_assert_nonnull (strstr (text, "'delete_leftover_dirs': <true>"));
  g_assert_cmpstr (bb_slave_commands_get_text (bb_slave_link_get_commands (f->ear.link)), ==, "shell\t3.1\n");
}

static void
test_info_limits (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;
  g_autoptr (GString) text = g_string_new ("(dictionary ((\"unicode\" \"admin\") (\"unicode\" \"x");
  g_autoptr (GVariant) info = NULL;

  for (guint i = 0; i < 3000; i++)
    g_string_append (text, "\303\251");
  g_string_append (text, "\")) ((\"unicode\" \"worker_commands\") (dictionary");
  for (guint i = 0; i < 150; i++)
    g_string_append_printf (text, " ((\"unicode\" \"command%u\") (\"unicode\" \"3.1\"))", i);
  g_string_append (text, "))");
  for (guint i = 0; i < 150; i++)
    g_string_append_printf (text, " ((\"unicode\" \"key%u\") %u)", i, i);
  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"getWorkerInfo\" 1 (tuple) (dictionary))");
  g_string_append_c (text, ')');
  answer (f, text->str);
  info = finish_info (f, &result);
  bb_test_check_info_is_cut (f->ear.link, info);
}

/* S2, 0.8: another method, and version and commands apart. Text is then sent as bare strings. */
static void
test_info_python2 (Fixture *f, gconstpointer data)
{
  static const BbBuilderDir builders[] = { { (char *) "b1", (char *) "dir1" } };
  GAsyncResult *result = NULL;
  g_autoptr (GVariant) info = NULL;
  g_autofree char *text = NULL;

  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"getWorkerInfo\" 1 (tuple) (dictionary))");
  bb_pb_peer_send (f->peer, "(error %u " NO_SUCH_METHOD ")", f->request);
  expect_call (f, "1 \"getSlaveInfo\" 1 (tuple) (dictionary))");
  answer (f, "(dictionary (\"host\" \"caf\\xe9\\n\"))");
  expect_call (f, "1 \"getVersion\" 1 (tuple) (dictionary))");
  bb_pb_peer_send (f->peer, "(error %u " NO_SUCH_METHOD ")", f->request);
  expect_call (f, "1 \"getCommands\" 1 (tuple) (dictionary))");
  answer (f, "(dictionary (\"shell\" \"2.9\") (\"uploadFile\" \"2.9\"))");
  info = finish_info (f, &result);
  text = g_variant_print (info, FALSE);
  g_assert_nonnull (strstr (text, "'host': <'caf\357\277\275'>"));
  g_assert_null (strstr (text, "version"));

  bb_slave_link_set_builders_async (f->ear.link, builders, 1, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"setBuilderList\" 1 (tuple (list (tuple \"b1\" \"dir1\"))) (dictionary))");
  answer (f, "(dictionary (\"b1\" (remote 2)))");
  assert_result (f, &result, bb_slave_link_set_builders_finish, NULL);
  g_assert_nonnull (bb_slave_link_start_command (f->ear.link, "b1", "uploadFile",
                                                 g_variant_new_parsed ("{'workersrc': <'f'>, 'keepstamp': <true>}"),
                                                 &bb_command_ear_events, &f->ear, NULL));
  expect_call (f, "2 \"startCommand\" 1 (tuple (remote 3) \"3\" \"uploadFile\" (dictionary (\"slavesrc\" \"f\")"
                  " (\"maxsize\" (None)) (\"writer\" (remote 4)))) (dictionary))");
}

static void
test_info_fails (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;
  g_autoptr (GError) timeout = NULL;
  g_autoptr (GError) protocol = NULL;

  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  bb_test_clock_advance (f->clock, f->loop, 61);
  bb_test_run_until_result (&result);
  g_assert_null (bb_slave_link_get_info_finish (f->ear.link, result, &timeout));
  g_assert_error (timeout, BB_ERROR, BB_ERROR_TIMEOUT);
  g_clear_object (&result);

  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  bb_test_run_pending ();
  bb_pb_peer_send (f->peer, "(answer 2 5)");
  bb_test_run_until_result (&result);
  g_assert_null (bb_slave_link_get_info_finish (f->ear.link, result, &protocol));
  g_assert_error (protocol, BB_ERROR, BB_ERROR_PROTOCOL);
  g_clear_object (&result);
}

/* At once, wherever it stands; what is answered later does no harm. */
static void
test_cancel (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;

      bb_slave_link_get_info_async (f->ear.link, cancellable, bb_test_store_result, &result);
      expect_call (f, "1 \"getWorkerInfo\" 1 (tuple) (dictionary))");
      if (i > 0)
        {
          answer (f, "(dictionary)");
          expect_call (f, "1 \"getVersion\" 1 (tuple) (dictionary))");
        }
      if (i > 1)
        {
          answer (f, "\"0.8\"");
          expect_call (f, "1 \"getCommands\" 1 (tuple) (dictionary))");
        }
      g_cancellable_cancel (cancellable);
      g_assert_null (result);
      bb_test_run_until_result (&result);
      g_assert_null (bb_slave_link_get_info_finish (f->ear.link, result, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_clear_object (&result);
      answer (f, "(dictionary)");
    }
  tell_info (f, INFO3);
}

static void
test_cancelled_before (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;

  g_cancellable_cancel (cancellable);
  bb_slave_link_ping_async (f->ear.link, cancellable, bb_test_store_result, &result);
  assert_result (f, &result, bb_slave_link_ping_finish, "Operation was cancelled");
  g_assert_null (bb_pb_peer_poll (f->peer));
}

/* A file that is too large in the slave's info directory makes its Twisted end the connection: the error says so. */
static void
test_info_lost (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  bb_slave_link_get_info_async (f->ear.link, NULL, bb_test_store_result, &result);
  bb_pb_peer_next (f->peer);
  bb_pb_peer_hang_up (f->peer);
  bb_test_run_until_result (&result);
  g_assert_null (bb_slave_link_get_info_finish (f->ear.link, result, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_LOST);
  g_assert_cmpstr (error->message, ==, "the peer closed the connection while the slave was to tell its info; "
                                       "a file of more than 640 KiB in its info directory does that");
  g_object_unref (result);
}

static void
test_builders_and_decrefs (Fixture *f, gconstpointer data)
{
  static const BbBuilderDir first[] = { { (char *) "b1", (char *) "d1" }, { (char *) "b2", (char *) "d2" } };
  static const BbBuilderDir second[] = { { (char *) "b1", (char *) "d1" } };
  g_autofree char *decref = NULL;
  GAsyncResult *result = NULL;

  tell_info (f, INFO3);
  bb_slave_link_set_builders_async (f->ear.link, first, 2, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"setBuilderList\" 1 (tuple (list (tuple (\"unicode\" \"b1\") (\"unicode\" \"d1\"))"
                  " (tuple (\"unicode\" \"b2\") (\"unicode\" \"d2\")))) (dictionary))");
  answer (f, "(dictionary ((\"unicode\" \"b1\") (remote 7)) ((\"unicode\" \"b2\") (remote 8)))");
  assert_result (f, &result, bb_slave_link_set_builders_finish, NULL);
  /* one for each reference that was received before, none for the new one */
  bb_slave_link_set_builders_async (f->ear.link, second, 1, NULL, bb_test_store_result, &result);
  f->request++;
  bb_pb_peer_next (f->peer);
  answer (f, "(dictionary ((\"unicode\" \"b1\") (remote 7)) ((\"unicode\" \"b1\") (remote 9)) ((\"unicode\" \"x\") (remote 10)))");
  assert_result (f, &result, bb_slave_link_set_builders_finish, NULL);
  decref = g_strdup (bb_pb_peer_next (f->peer));
  if (g_str_equal (decref, "(decref 7)"))
    bb_pb_peer_expect (f->peer, "(decref 8)");
  else
    bb_pb_peer_expect (f->peer, "(decref 7)");
  bb_test_run_pending ();
  g_assert_null (bb_pb_peer_poll (f->peer));
  /* an incomplete answer */
  bb_slave_link_set_builders_async (f->ear.link, first, 2, NULL, bb_test_store_result, &result);
  f->request++;
  bb_pb_peer_next (f->peer);
  answer (f, "(dictionary ((\"unicode\" \"b1\") (remote 7)))");
  assert_result (f, &result, bb_slave_link_set_builders_finish, "the slave took 1 of 2 builders");
}

static void
test_too_many_builders (Fixture *f, gconstpointer data)
{
  g_autofree BbBuilderDir *builders = g_new (BbBuilderDir, 1001);
  GAsyncResult *result = NULL;

  for (guint i = 0; i < 1001; i++)
    builders[i] = (BbBuilderDir){ (char *) "b", (char *) "d" };
  bb_slave_link_set_builders_async (f->ear.link, builders, 1001, NULL, bb_test_store_result, &result);
  assert_result (f, &result, bb_slave_link_set_builders_finish,
                 "1001 builders on one slave, at most 1000 are possible");
}

/* S13: its command never completes, so it ends here. */
static void
test_builder_removed (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  start (f, "shell", "@a{sv} {}");
  bb_slave_link_set_builders_async (f->ear.link, NULL, 0, NULL, bb_test_store_result, &result);
  f->request++;
  bb_pb_peer_next (f->peer);
  answer (f, "(dictionary)");
  assert_result (f, &result, bb_slave_link_set_builders_finish, NULL);
  g_assert_cmpstr (f->ear.told->str, ==, "done=its builder was taken from the slave");
}

static void
test_updates (Fixture *f, gconstpointer data)
{
  start (f, "shell", "{'logfiles': <{'my.log': 'my.log'}>}");
  answer (f, "(None)");
  send_update (f, "((\"unicode\" \"stdout\") (\"unicode\" \"out\"))");
  send_update (f, "((\"unicode\" \"log\") (tuple (\"unicode\" \"my.log\") (\"unicode\" \"line\")))");
  send_update (f, "((\"unicode\" \"log\") (tuple (\"unicode\" \"other\") (\"unicode\" \"nobody asked\")))");
  send_update (f, "(\"rc\" 1) (\"stderr\" \"two keys\")");
  send_update (f, "((\"unicode\" \"elapsed\") 2)");
  send_update (f, "((\"unicode\" \"stdout\") (\"unicode\" \"after elapsed\"))");
  send_update (f, "((\"unicode\" \"strange\") (list 1 \"a\")) (5 5)");
  send_complete (f, "(None)");
  g_assert_cmpstr (f->ear.told->str, ==, "stdout=out log:my.log=line rc=int64 1 stderr=two keys elapsed=2.0 "
                                     "stdout=after elapsed strange=[<int64 1>, <'a'>] done=");
  /* whatever comes late does no harm */
  bb_pb_peer_send (f->peer, "(message 9 3 \"update\" 1 (tuple (list)) (dictionary)) (decref 3) (decref 3) (decref 99)");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "Invalid Object ID"));
  g_assert_cmpuint (f->ear.n_done, ==, 1);
  g_assert_false (bb_pb_peer_is_closed (f->peer));
}

/* 5.5.1: many updates in one call, malformed ones among them. */
static void
test_odd_updates (Fixture *f, gconstpointer data)
{
  start (f, "shell", "@a{sv} {}");
  bb_pb_peer_send (f->peer, "(message 9 3 \"update\" 1 (tuple (list (list (dictionary (\"stdout\" \"a\")) 0) 5 (list 5) (list)"
                            " (list (dictionary 5) 0) (list (dictionary (\"stdout\" 5) (\"log\" 5) (\"rc\" \"x\")) 0)"
                            " (list (dictionary (\"stdout\" \"b\")) 0))) (dictionary))");
  bb_pb_peer_expect (f->peer, "(answer 9 0)");
  bb_pb_peer_send (f->peer, "(message 10 3 \"update\" 1 (tuple 5) (dictionary)) (message 11 3 \"update\" 0 (tuple (list)) (dictionary))"
                            " (message 12 3 \"dance\" 1 (tuple) (dictionary))");
  bb_pb_peer_expect (f->peer, "(answer 10 0)");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "(error 12 "));
  g_assert_cmpstr (f->ear.told->str, ==, "stdout=a stdout=b ");
}

/* A failure in complete counts, also after rc 0; and complete may come before the answer to startCommand. */
static void
test_failure_in_complete (Fixture *f, gconstpointer data)
{
  start (f, "shell", "@a{sv} {}");
  send_update (f, "(\"rc\" 0)");
  send_complete (f, "(\"twisted.spread.pb.CopyableFailure\" (dictionary (\"type\" \"exceptions.OSError\") (\"value\" \"gone\")))");
  answer (f, "(None)");
  bb_test_run_pending ();
  g_assert_cmpstr (f->ear.told->str, ==, "rc=int64 0 done=the slave failed with OSError: gone");
}

static void
test_not_started (Fixture *f, gconstpointer data)
{
  start (f, "shell", "@a{sv} {}");
  bb_pb_peer_send (f->peer, "(error %u (\"twisted.spread.pb.CopyableFailure\" (dictionary (\"type\""
                            " \"buildbot_worker.base.UnknownCommand\") (\"value\" \"what?\"))))", f->request);
  while (f->ear.n_done == 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (f->ear.told->str, ==, "done=the slave answered UnknownCommand: what?");
}

static void
test_busy_builder (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) busy = NULL;
  g_autoptr (GError) unknown = NULL;
  g_autoptr (GError) command = NULL;

  start (f, "shell", "@a{sv} {}");
  g_assert_null (bb_slave_link_start_command (f->ear.link, "b1", "shell", g_variant_new_parsed ("@a{sv} {}"), &bb_command_ear_events,
                                              &f->ear, &busy));
  g_assert_cmpstr (busy->message, ==, "builder \"b1\" runs another command on that slave");
  g_assert_null (bb_slave_link_start_command (f->ear.link, "b9", "shell", g_variant_new_parsed ("@a{sv} {}"), &bb_command_ear_events,
                                              &f->ear, &unknown));
  g_assert_cmpstr (unknown->message, ==, "the slave does not know builder \"b9\"");
  f->ear.restart_in_done = TRUE;
  send_complete (f, "(None)");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "startCommand"));
  g_assert_null (bb_slave_link_start_command (f->ear.link, "b1", "git", g_variant_new_parsed ("@a{sv} {}"), &bb_command_ear_events, &f->ear,
                                              &command));
}

static void
transfer_call (Fixture *f, const char *method, const char *args, const char *expected)
{
  bb_pb_peer_send (f->peer, "(message 9 4 \"%s\" 1 (tuple %s) (dictionary))", method, args);
  bb_pb_peer_expect (f->peer, expected);
}

static void
test_upload (Fixture *f, gconstpointer data)
{
  start (f, "uploadFile", "{'maxsize': <int64 9>}");
  transfer_call (f, "write", "message", "(answer 9 (None))");
  transfer_call (f, "close", "", "(answer 9 (None))");
  transfer_call (f, "close", "", "(answer 9 (None))");
  transfer_call (f, "utime", "(tuple 1.5 2)", "(answer 9 (None))");
  transfer_call (f, "utime", "(tuple (None) (None))", "(answer 9 (None))");
  transfer_call (f, "utime", "(None)", "(answer 9 (None))");
  transfer_call (f, "write", "\"late\"", "(answer 9 (None))");
  bb_pb_peer_send (f->peer, "(message 9 4 \"read\" 1 (tuple 5) (dictionary))");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "NoSuchMethod"));
  send_complete (f, "(None)");
  g_assert_cmpstr (f->ear.told->str, ==, "write=message close utime=1.5,2 done=");
}

/* Our side fails: the slave is asked to stop, and every call of it is answered as if all were well. */
static void
test_upload_fails (Fixture *f, gconstpointer data)
{
  f->ear.fail_transfer = TRUE;
  start (f, "uploadFile", "@a{sv} {}");
  transfer_call (f, "write", "\"one\"",
                 "(message 4 2 \"interruptCommand\" 1 (tuple (\"unicode\" \"0\") (\"unicode\" \"the disk is full\")) (dictionary))");
  bb_pb_peer_expect (f->peer, "(answer 9 (None))");
  transfer_call (f, "write", "\"two\"", "(answer 9 (None))");
  transfer_call (f, "close", "", "(answer 9 (None))");
  send_complete (f, "(None)");
  g_assert_cmpstr (f->ear.told->str, ==, "write=one done=the disk is full");
}

static void
test_upload_too_large (Fixture *f, gconstpointer data)
{
  start (f, "uploadFile", "{'maxsize': <int64 5>}");
  transfer_call (f, "write", "\"four\"", "(answer 9 (None))");
  bb_pb_peer_send (f->peer, "(message 9 4 \"write\" 1 (tuple \"more\") (dictionary))");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "interruptCommand"));
  bb_pb_peer_expect (f->peer, "(answer 9 (None))");
  send_complete (f, "(None)");
  g_assert_cmpstr (f->ear.told->str, ==, "write=four done=the slave sends more than it was asked for");
}

static void
test_download (Fixture *f, gconstpointer data)
{
  start (f, "downloadFile", "@a{sv} {}");
  transfer_call (f, "read", "100", "(answer 9 list)");
  transfer_call (f, "read", "99999999999", "(answer 9 list)");
  transfer_call (f, "read", "-5", "(answer 9 \"l\")");
  transfer_call (f, "close", "", "(answer 9 (None))");
  transfer_call (f, "read", "5", "(answer 9 \"\")");
  bb_pb_peer_send (f->peer, "(message 9 4 \"write\" 1 (tuple \"x\") (dictionary))");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "NoSuchMethod"));
  send_complete (f, "(None)");
  g_assert_cmpstr (f->ear.told->str, ==, "read=100 read=655360 read=1 close done=");
}

static void
test_download_fails (Fixture *f, gconstpointer data)
{
  f->ear.fail_transfer = TRUE;
  start (f, "downloadFile", "@a{sv} {}");
  bb_pb_peer_send (f->peer, "(message 9 4 \"read\" 1 (tuple 100) (dictionary))");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "interruptCommand"));
  bb_pb_peer_expect (f->peer, "(answer 9 \"\")");
  send_complete (f, "(None)");
  g_assert_cmpstr (f->ear.told->str, ==, "read=100 done=the file is gone");
}

/* 5.5.2: elapsed, and then nothing: the command is over and the builder free. */
/* The block is read from the disk first: the slave waits, and other messages do not. */
static void
test_download_waits (Fixture *f, gconstpointer data)
{
  BbRemoteCommand *command = start (f, "downloadFile", "@a{sv} {}");
  g_autoptr (GBytes) block = g_bytes_new ("list", 4);

  answer (f, "(None)");
  f->ear.answer_later = TRUE;
  bb_pb_peer_send (f->peer, "(message 20 4 \"read\" 1 (tuple 3) (dictionary))");
  bb_pb_peer_send (f->peer, "(message 21 2 \"keepalive\" 1 (tuple) (dictionary))");
  bb_pb_peer_expect (f->peer, "(answer 21 (None))");
  bb_test_clock_advance (f->clock, f->loop, 3000); /* not the slave's silence */
  bb_slave_link_give_block (f->ear.link, command, block, NULL);
  bb_pb_peer_expect (f->peer, "(answer 20 \"lis\")");
  send_complete (f, "(None)");
  g_assert_cmpstr (f->ear.told->str, ==, "read=3 done=");
}

/* A slave that asks for the next one before it has the last is none. */
static void
test_read_twice (Fixture *f, gconstpointer data)
{
  start (f, "downloadFile", "@a{sv} {}");
  f->ear.answer_later = TRUE;
  bb_pb_peer_send (f->peer, "(message 20 4 \"read\" 1 (tuple 3) (dictionary))");
  bb_pb_peer_send (f->peer, "(message 21 4 \"read\" 1 (tuple 3) (dictionary))");
  bb_pb_peer_wait_closed (f->peer);
  bb_test_run_pending ();
  g_assert_cmpstr (f->host->lost->str, ==, "pb: a second read before the first is answered\n");
}

static void
test_never_complete (Fixture *f, gconstpointer data)
{
  start (f, "shell", "@a{sv} {}");
  send_update (f, "(\"elapsed\" 1.5)");
  bb_test_clock_advance (f->clock, f->loop, 59);
  g_assert_cmpuint (f->ear.n_done, ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 2);
  g_assert_cmpstr (f->ear.told->str, ==, "elapsed=1.5 done=the command has ended, but the slave did not say that it is "
                                     "complete within 60 s");
  start (f, "shell", "@a{sv} {}");
}

/* A command that outlives the limits that its slave was to keep is interrupted; one that outlives that costs the connection. */
static void
test_outlives_its_time (Fixture *f, gconstpointer data)
{
  start (f, "shell", "{'timeout': <int64 1200>, 'maxTime': <int64 3600>, 'sigtermTime': <int64 10>}");
  answer (f, "(None)");
  for (guint i = 0; i < 6; i++)
    {
      bb_test_clock_advance (f->clock, f->loop, 600);
      send_update (f, "(\"stdout\" \"x\")");
    }
  bb_test_clock_advance (f->clock, f->loop, 129);
  g_assert_null (bb_pb_peer_poll (f->peer));
  bb_test_clock_advance (f->clock, f->loop, 2);
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "interruptCommand"));
  bb_test_clock_advance (f->clock, f->loop, 300);
  g_assert_cmpuint (f->ear.n_done, ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 20);
  bb_pb_peer_expect_closed (f->peer);
  g_assert_cmpstr (f->host->lost->str, ==, "a command did not end within 310 s after it was interrupted\n");
  g_assert_cmpuint (f->ear.n_done, ==, 1);
}

static void
test_silence (Fixture *f, gconstpointer data)
{
  start (f, "shell", "{'timeout': <int64 60>}");
  answer (f, "(None)");
  bb_test_clock_advance (f->clock, f->loop, 100);
  send_update (f, "(\"stdout\" \"x\")");
  bb_test_clock_advance (f->clock, f->loop, 179);
  g_assert_null (bb_pb_peer_poll (f->peer));
  bb_test_clock_advance (f->clock, f->loop, 2);
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "interruptCommand"));
  send_update (f, "(\"rc\" -1)");
  send_complete (f, "(None)");
  g_assert_cmpuint (f->ear.n_done, ==, 1);
}

static void
test_no_time_limit (Fixture *f, gconstpointer data)
{
  start (f, "shell", "{'timeout': <@mv nothing>}");
  answer (f, "(None)");
  bb_test_run_pending ();
  bb_test_clock_advance (f->clock, f->loop, 1e6);
  g_assert_null (bb_pb_peer_poll (f->peer));
  g_assert_cmpuint (f->ear.n_done, ==, 0);
}

/* While we do not read, the slave cannot be late. */
static void
test_paused_is_not_late (Fixture *f, gconstpointer data)
{
  start (f, "shell", "{'timeout': <int64 60>}");
  answer (f, "(None)");
  bb_test_run_pending ();
  bb_slave_link_set_reading (f->ear.link, FALSE);
  bb_test_clock_advance (f->clock, f->loop, 10000);
  g_assert_null (bb_pb_peer_poll (f->peer));
  bb_slave_link_set_reading (f->ear.link, TRUE);
  bb_test_clock_advance (f->clock, f->loop, 100);
  g_assert_null (bb_pb_peer_poll (f->peer));
}

static void
test_start_unanswered (Fixture *f, gconstpointer data)
{
  start (f, "shell", "@a{sv} {}");
  bb_test_clock_advance (f->clock, f->loop, 301);
  bb_pb_peer_expect_closed (f->peer);
  g_assert_cmpuint (f->ear.n_done, ==, 1);
  g_assert_cmpstr (f->host->lost->str, ==, "the slave did not answer within 300 s\n");
}

/* S18: what was sent stays where it is until reading goes on, and then comes in order. */
static void
test_pause (Fixture *f, gconstpointer data)
{
  start (f, "shell", "@a{sv} {}");
  f->ear.pause_in_output = TRUE;
  for (guint i = 0; i < 3; i++)
    bb_pb_peer_send (f->peer, "(message 9 3 \"update\" 1 (tuple (list (list (dictionary (\"stdout\" \"%u\")) 0))) (dictionary))", i);
  bb_pb_peer_send (f->peer, "(message 9 3 \"complete\" 1 (tuple (None)) (dictionary))");
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *last = g_strdup_printf ("stdout=%u ", i);

      bb_pb_peer_expect (f->peer, "(answer 9 0)");
      bb_test_run_pending ();
      g_assert_true (g_str_has_suffix (f->ear.told->str, last));
      g_assert_null (bb_pb_peer_poll (f->peer));
      bb_slave_link_set_reading (f->ear.link, TRUE);
    }
  bb_pb_peer_expect (f->peer, "(answer 9 (None))");
  g_assert_cmpstr (f->ear.told->str, ==, "stdout=0 stdout=1 stdout=2 done=");
}

static void
test_close_in_callback (Fixture *f, gconstpointer data)
{
  start (f, "shell", "@a{sv} {}");
  f->ear.close_in_output = TRUE;
  bb_pb_peer_send (f->peer, "(message 9 3 \"update\" 1 (tuple (list (list (dictionary (\"stdout\" \"a\")) 0)"
                            " (list (dictionary (\"stdout\" \"b\")) 0))) (dictionary))"
                            " (message 9 3 \"complete\" 1 (tuple (None)) (dictionary))");
  bb_pb_peer_wait_closed (f->peer);
  bb_test_run_pending ();
  g_assert_true (g_str_has_suffix (f->ear.told->str, "done=closed"));
  g_assert_cmpuint (f->ear.n_done, ==, 1);
}

/* S7: every command ends before "lost" says so. */
static void
test_lost_while_running (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  start (f, "shell", "@a{sv} {}");
  bb_slave_link_ping_async (f->ear.link, NULL, bb_test_store_result, &result);
  bb_pb_peer_next (f->peer);
  bb_pb_peer_hang_up (f->peer);
  assert_result (f, &result, bb_slave_link_ping_finish, "the peer closed the connection");
  g_assert_cmpstr (f->ear.told->str, ==, "done=the peer closed the connection");
  g_assert_cmpuint (f->host->n_lost, ==, 1);
  g_assert_null (bb_slave_link_start_command (f->ear.link, "b1", "shell", g_variant_new_parsed ("@a{sv} {}"), &bb_command_ear_events,
                                              &f->ear, NULL));
  bb_slave_link_ping_async (f->ear.link, NULL, bb_test_store_result, &result);
  assert_result (f, &result, bb_slave_link_ping_finish, "the connection to the slave has ended");
}

/* K3, S8 */
static void
test_ping_unanswered (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  bb_slave_link_ping_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"print\" 1 (tuple (\"unicode\" \"ping\")) (dictionary))");
  bb_test_clock_advance (f->clock, f->loop, 59);
  g_assert_null (result);
  bb_test_clock_advance (f->clock, f->loop, 2);
  assert_result (f, &result, bb_slave_link_ping_finish, "the slave did not answer within 60 s");
  answer (f, "(None)"); /* too late, and harmless */
  bb_test_run_pending ();
  g_assert_false (bb_pb_peer_is_closed (f->peer));
}

/* K4: data flows, so it is alive. */
static void
test_ping_of_busy_slave (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  start (f, "shell", "@a{sv} {}");
  bb_slave_link_ping_async (f->ear.link, NULL, bb_test_store_result, &result);
  f->request++;
  bb_pb_peer_next (f->peer);
  for (guint i = 0; i < 10; i++)
    {
      bb_test_clock_advance (f->clock, f->loop, 50);
      if (i < 5)
        send_update (f, "(\"stdout\" \"x\")");
      else if (i == 5)
        answer (f, "(None)");
      bb_test_run_pending ();
    }
  assert_result (f, &result, bb_slave_link_ping_finish, NULL);
}

/* K5, S10 */
static void
test_calls_of_the_slave (Fixture *f, gconstpointer data)
{
  bb_pb_peer_send (f->peer, "(message 7 2 \"keepalive\" 1 (tuple) (dictionary)) (message 8 2 \"shutdown\" 1 (tuple) (dictionary))"
                            " (message 9 2 \"dance\" 1 (tuple) (dictionary)) (message 10 \"root\" login 1 (tuple \"w1\") (dictionary))"
                            " (\"newWord\" 5) (didNotUnderstand \"x\") (cachemessage 1) (answer 77 5) (error 78 5)"
                            " (message 11 2 \"keepalive\" 0 (tuple) (dictionary)) (message 12 2 \"keepalive\" 1 (tuple) (dictionary))");
  bb_pb_peer_expect (f->peer, "(answer 7 (None))");
  bb_pb_peer_expect (f->peer, "(answer 8 (None))");
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "(error 9 "));
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "(error 10 "));
  g_assert_nonnull (strstr (bb_pb_peer_next (f->peer), "didNotUnderstand"));
  bb_pb_peer_expect (f->peer, "(answer 12 (None))");
  g_assert_cmpuint (f->host->n_shutdowns, ==, 1);
}

/* A7: 100,000 objects of the slave's that it never takes back, and as many of ours that it was never given. */
static void
test_many_references (Fixture *f, gconstpointer data)
{
  guint n_timers = bb_loop_count_timers (f->loop);

  for (guint i = 1; i <= 100000; i += 2)
    {
      bb_pb_peer_send (f->peer, "(message %u 2 \"keepalive\" 1 (tuple (remote %u)) (dictionary)) (decref %u) (message %u 2 \"keepalive\""
                                " 0 (tuple (reference %u (list (remote %u)))) (dictionary)) (decref %u)",
                       i, i, i, i + 1, i, i + 1, i + 1);
      bb_pb_peer_next (f->peer);
    }
  bb_pb_peer_send (f->peer, "(message 100001 2 \"keepalive\" 1 (tuple) (dictionary))");
  bb_pb_peer_expect (f->peer, "(answer 100001 (None))");
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, n_timers);
}

static void
test_shutdown (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  bb_slave_link_shutdown_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"shutdown\" 1 (tuple) (dictionary))");
  answer (f, "(None)");
  assert_result (f, &result, bb_slave_link_shutdown_finish, NULL);
}

/* 0.8.0 to 0.8.2 have it on their builders. */
static void
test_shutdown_of_old_slave (Fixture *f, gconstpointer data)
{
  GAsyncResult *result = NULL;

  tell_info (f, INFO3);
  set_builders (f);
  bb_slave_link_shutdown_async (f->ear.link, NULL, bb_test_store_result, &result);
  expect_call (f, "1 \"shutdown\" 1 (tuple) (dictionary))");
  bb_pb_peer_send (f->peer, "(error %u " NO_SUCH_METHOD ")", f->request);
  expect_call (f, "2 \"shutdown\" 1 (tuple) (dictionary))");
  assert_result (f, &result, bb_slave_link_shutdown_finish, NULL);
}

/* A7, chapter 10: each costs the connection, says why, and nobody else notices. */
static void
test_breaches (void)
{
  static const struct
  {
    const char *notation;
    const char *reason;
  } all[] = {
    { "5", "pb: a malformed message: not a list" },
    { "()", "pb: a malformed message: not a list" },
    { "(message 1 2)", "pb: a malformed message" },
    { "(message \"x\" 2 \"m\" 1 (tuple) (dictionary))", "pb: a malformed message" },
    { "(message 1 2 \"m\" 1 5 (dictionary))", "pb: a malformed message" },
    { "(answer)", "pb: a malformed answer" },
    { "(answer \"x\" 5)", "pb: a malformed answer" },
    { "(error 1)", "pb: a malformed error" },
    { "(version 7)", "pb: the peer does not speak version 6" },
    { "(answer 1 (dereference 5))", "jelly: a dereference of nothing" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      Fixture f = { 0 };
      g_autoptr (BbPbPeer) other = NULL;
      g_autofree char *reason = g_strconcat (all[i].reason, "\n", NULL);

      g_test_message ("%s", all[i].notation);
      fixture_set_up (&f, NULL);
      other = bb_pb_peer_new (bb_listener_get_port (f.listener));
      bb_pb_peer_login (other, "w1", "pw-one");
      bb_pb_peer_expect (other, "(answer 2 (remote 2))");
      bb_pb_peer_send (f.peer, "%s", all[i].notation);
      bb_pb_peer_wait_closed (f.peer);
      bb_test_run_pending ();
      g_assert_cmpstr (f.host->lost->str, ==, reason);
      bb_pb_peer_send (other, "(message 7 2 \"keepalive\" 1 (tuple) (dictionary))");
      bb_pb_peer_expect (other, "(answer 7 (None))");
      bb_slave_link_close (f.host->links->pdata[1], NULL);
      fixture_tear_down (&f, NULL);
    }
}

static void
test_partial_message (Fixture *f, gconstpointer data)
{
  static const guint8 beginning[] = { 2, 0x80, 5, 0x81 };

  bb_pb_peer_send_bytes (f->peer, beginning, sizeof beginning);
  bb_test_clock_advance (f->clock, f->loop, 119);
  g_assert_false (bb_pb_peer_is_closed (f->peer));
  bb_test_clock_advance (f->clock, f->loop, 2);
  bb_pb_peer_expect_closed (f->peer);
  g_assert_cmpstr (f->host->lost->str, ==, "pb: one message took longer than 120 s to arrive\n");
}

/* K4: a slave that sends for minutes always has a message under way, and each of them is complete in time. */
static void
test_always_partial (Fixture *f, gconstpointer data)
{
  g_autoptr (GByteArray) keepalive = g_byte_array_new ();

  bb_banana_put_list (keepalive, 2);
  bb_banana_put_string (keepalive, "decref", 6, TRUE);
  bb_banana_put_integer (keepalive, 77);
  bb_pb_peer_send_bytes (f->peer, keepalive->data, 3);
  for (guint i = 0; i < 20; i++)
    {
      bb_test_clock_advance (f->clock, f->loop, 30);
      bb_pb_peer_send_bytes (f->peer, keepalive->data + 3, keepalive->len - 3);
      bb_pb_peer_send_bytes (f->peer, keepalive->data, 3);
      bb_test_run_pending ();
    }
  g_assert_false (bb_pb_peer_is_closed (f->peer));
}

/* Calls and calls, each of which is answered with a block, until the kernel takes no more. */
static void
flood (Fixture *f)
{
  g_autoptr (GByteArray) call = g_byte_array_new ();
  gssize n = 0;
  guint n_full = 0;

  bb_capture_encode ("(message 9 4 \"read\" 1 (tuple 655360) (dictionary))", TRUE, call, &(const char *){ NULL });
  while (n_full < 3)
    {
      /* Of one that went in part the rest is to go first. */
      gsize begin = n > 0 && n < (gssize) call->len ? (gsize) n : 0;

      n = send (bb_pb_peer_get_fd (f->peer), call->data + begin, call->len - begin, MSG_NOSIGNAL | MSG_DONTWAIT);
      n = n > 0 ? n + (gssize) begin : (gssize) begin;
      n_full = n == (gssize) call->len ? 0 : n_full + 1;
      bb_test_run_pending ();
    }
}

/* A peer that asks and asks and does not read: it is no longer listened to, so that what waits for it stays bounded; and
 * after some time it is sent away. */
static void
test_does_not_read (Fixture *f, gconstpointer data)
{
  f->ear.large_blocks = TRUE;
  start (f, "downloadFile", "@a{sv} {}");
  flood (f);
  g_assert_cmpuint (f->host->n_lost, ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 299);
  g_assert_cmpuint (f->host->n_lost, ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 2);
  g_assert_cmpuint (f->host->n_lost, ==, 1);
  g_assert_true (g_str_has_prefix (f->host->lost->str, "the peer has not read for 300 s, "));
}

/* The same, but it reads in the end: every call is answered. */
static void
test_reads_slowly (Fixture *f, gconstpointer data)
{
  guint n_answers = 0;

  f->ear.large_blocks = TRUE;
  start (f, "downloadFile", "@a{sv} {}");
  answer (f, "(None)");
  for (guint i = 0; i < 50; i++)
    bb_pb_peer_send (f->peer, "(message 9 4 \"read\" 1 (tuple 100000) (dictionary))");
  bb_test_run_pending ();
  bb_test_clock_advance (f->clock, f->loop, 200);
  for (; n_answers < 50; n_answers++)
    {
      g_assert_true (g_str_has_prefix (bb_pb_peer_next (f->peer), "(answer 9 "));
      bb_test_clock_advance (f->clock, f->loop, 1);
    }
  bb_test_clock_advance (f->clock, f->loop, 1000);
  g_assert_cmpuint (f->host->n_lost, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("/pb/link/info/limits", test_info_limits);
  ADD ("/pb/link/info/python3", test_info_python3);
  ADD ("/pb/link/info/python2", test_info_python2);
  ADD ("/pb/link/info/fails", test_info_fails);
  ADD ("/pb/link/info/lost", test_info_lost);
  ADD ("/pb/link/cancel", test_cancel);
  ADD ("/pb/link/cancel/before", test_cancelled_before);
  ADD ("/pb/link/builders/decrefs", test_builders_and_decrefs);
  ADD ("/pb/link/builders/too-many", test_too_many_builders);
  ADD ("/pb/link/builders/removed", test_builder_removed);
  ADD ("/pb/link/command/updates", test_updates);
  ADD ("/pb/link/command/odd-updates", test_odd_updates);
  ADD ("/pb/link/command/failure-in-complete", test_failure_in_complete);
  ADD ("/pb/link/command/not-started", test_not_started);
  ADD ("/pb/link/command/busy-builder", test_busy_builder);
  ADD ("/pb/link/command/pause", test_pause);
  ADD ("/pb/link/command/close-in-callback", test_close_in_callback);
  ADD ("/pb/link/command/lost", test_lost_while_running);
  ADD ("/pb/link/upload", test_upload);
  ADD ("/pb/link/upload/fails", test_upload_fails);
  ADD ("/pb/link/upload/too-large", test_upload_too_large);
  ADD ("/pb/link/download", test_download);
  ADD ("/pb/link/download/fails", test_download_fails);
  ADD ("/pb/link/download/waits", test_download_waits);
  ADD ("/pb/link/download/read-twice", test_read_twice);
  ADD ("/pb/link/watchdog/never-complete", test_never_complete);
  ADD ("/pb/link/watchdog/outlives-its-time", test_outlives_its_time);
  ADD ("/pb/link/watchdog/silence", test_silence);
  ADD ("/pb/link/watchdog/no-limit", test_no_time_limit);
  ADD ("/pb/link/watchdog/paused", test_paused_is_not_late);
  ADD ("/pb/link/watchdog/start-unanswered", test_start_unanswered);
  ADD ("/pb/link/ping/unanswered", test_ping_unanswered);
  ADD ("/pb/link/ping/busy", test_ping_of_busy_slave);
  ADD ("/pb/link/calls-of-the-slave", test_calls_of_the_slave);
  ADD ("/pb/link/A7/many-references", test_many_references);
  ADD ("/pb/link/shutdown", test_shutdown);
  ADD ("/pb/link/shutdown/old-slave", test_shutdown_of_old_slave);
  g_test_add_func ("/pb/link/limits/breaches", test_breaches);
  ADD ("/pb/link/limits/partial-message", test_partial_message);
  ADD ("/pb/link/limits/always-partial", test_always_partial);
  ADD ("/pb/link/limits/does-not-read", test_does_not_read);
  ADD ("/pb/link/limits/reads-slowly", test_reads_slowly);
  return g_test_run ();
}
