/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include "bb-msgpack-peer.h"
#include "bb-pb-peer.h"
#include "bb-test.h"
#include "bb-websocket.h"

/* Before and at the login of msgpack: the request of HTTP, frames, values; and who is let in. */
typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbTestLoginHost *host;
  BbListener *listener;
  BbMsgpackPeer *peer;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->host = bb_test_login_host_new ();
  f->listener = bb_listener_new (f->loop, "main", "msgpack", "127.0.0.1", 0, BB_LOGIN_HOST (f->host),
                                 &bb_listener_default_limits, &error);
  g_assert_no_error (error);
  f->peer = bb_msgpack_peer_new (bb_listener_get_port (f->listener));
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  bb_msgpack_peer_free (f->peer);
  bb_test_run_pending ();
  bb_listener_close (f->listener);
  bb_test_run_pending ();
  g_assert_cmpuint (f->host->n_lost, ==, f->host->links->len);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_assert_finalize_object (f->listener);
  g_assert_finalize_object (f->host);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
}

static void
another_peer (Fixture *f)
{
  bb_msgpack_peer_free (f->peer);
  bb_test_run_pending ();
  f->peer = bb_msgpack_peer_new (bb_listener_get_port (f->listener));
}

static void
test_accepted (Fixture *f, gconstpointer data)
{
  bb_msgpack_peer_login (f->peer, "w1", "pw-one");
  g_assert_cmpstr (f->host->names->str, ==, "w1 ");
  g_assert_cmpstr (bb_slave_link_get_protocol (f->host->links->pdata[0]), ==, "msgpack");
  g_assert_cmpuint (bb_listener_count_unauthenticated (f->listener), ==, 0);
}

static void
test_refused_alike (Fixture *f, gconstpointer data)
{
  static const char *const names[] = { "w1", "nobody" };
  g_autofree char *first = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      bb_msgpack_peer_ask (f->peer, names[i], "guess");
      g_assert_cmpstr (bb_msgpack_peer_next_status (f->peer), ==, "HTTP/1.1 401 Unauthorized");
      bb_msgpack_peer_wait_closed (f->peer);
      another_peer (f);
    }
  g_assert_cmpstr (f->host->failures->str, ==, "wrong w1, unknown nobody, ");
  g_assert_cmpuint (f->host->links->len, ==, 0);
}

/* The third failure is answered later than the second, and so on; the others are not kept waiting. */
static void
test_growing_delay (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    {
      bb_msgpack_peer_ask (f->peer, "w1", "guess");
      bb_msgpack_peer_next_status (f->peer);
      another_peer (f);
    }
  bb_msgpack_peer_ask (f->peer, "w1", "pw-one");
  bb_test_clock_advance (f->clock, f->loop, 0.5);
  g_assert_cmpuint (f->host->links->len, ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 31);
  g_assert_cmpstr (bb_msgpack_peer_next_status (f->peer), ==, "HTTP/1.1 101 Switching Protocols");
  g_assert_cmpuint (f->host->links->len, ==, 1);
}

static void
test_time_limit (Fixture *f, gconstpointer data)
{
  bb_msgpack_peer_send_bytes (f->peer, "GET / HTTP/1.1\r\n", 16);
  bb_test_clock_advance (f->clock, f->loop, 29);
  g_assert_false (bb_msgpack_peer_is_closed (f->peer));
  bb_test_clock_advance (f->clock, f->loop, 2);
  bb_msgpack_peer_wait_closed (f->peer);
}

/* Of a name with what would make another line of a log. */
static void
test_odd_names (Fixture *f, gconstpointer data)
{
  g_autofree char *longest = g_strnfill (256, 'x');
  g_autofree char *too_long = g_strnfill (257, 'x');
  g_autofree char *expected = g_strdup_printf ("unknown a?b, unknown %s, ", longest);
  const char *names[] = { "a\nb", longest, too_long };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      bb_msgpack_peer_ask (f->peer, names[i], "x");
      g_assert_cmpstr (bb_msgpack_peer_next_status (f->peer), ==, "HTTP/1.1 401 Unauthorized");
      another_peer (f);
    }
  g_assert_cmpstr (f->host->failures->str, ==, expected);
}

/* "w1:pw-one" */
#define LOGIN "Authorization: Basic dzE6cHctb25l\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"

static void
test_requests (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *request;
    const char *status;
  } all[] = {
    { "GET /any/path HTTP/1.1\r\n" UPGRADE KEY LOGIN, "101 Switching Protocols" },
    { "GET / HTTP/1.1\r\n" UPGRADE KEY "authorization: basic dzE6cHctb25l\r\n", "101 Switching Protocols" },
    { "GET / HTTP/1.1\r\n" UPGRADE KEY, "401 Unauthorized" },
    { "GET / HTTP/1.1\r\n" UPGRADE KEY LOGIN LOGIN, "401 Unauthorized" },
    { "GET / HTTP/1.1\r\n" UPGRADE KEY "Authorization: Basic \r\n", "401 Unauthorized" },
    { "GET / HTTP/1.1\r\n" UPGRADE KEY "Authorization: Basic dzE=\r\n", "401 Unauthorized" },
    { "GET / HTTP/1.1\r\n" UPGRADE KEY "Authorization: Digest dzE6cHctb25l\r\n", "401 Unauthorized" },
    { "POST / HTTP/1.1\r\n" UPGRADE KEY LOGIN, "405 Method Not Allowed" },
    { "GET / HTTP/1.0\r\n" UPGRADE KEY LOGIN, "400 Bad Request" },
    { "GET / HTTP/1.1\r\n" KEY LOGIN, "426 Upgrade Required" },
    { "GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 8\r\n" KEY LOGIN,
      "426 Upgrade Required" },
    { "GET / HTTP/1.1\r\n" UPGRADE LOGIN, "400 Bad Request" },
    { "GET / HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Key: short\r\n" LOGIN, "400 Bad Request" },
    { "GET / HTTP/1.1\r\n" UPGRADE KEY KEY LOGIN, "400 Bad Request" },
    { "\x02\x80\x02\x82pb\r\n", "400 Bad Request" },
    { "nonsense\r\n", "400 Bad Request" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autofree char *expected = g_strconcat ("HTTP/1.1 ", all[i].status, NULL);

      g_test_message ("%u", i);
      bb_msgpack_peer_send_bytes (f->peer, all[i].request, strlen (all[i].request));
      bb_msgpack_peer_send_bytes (f->peer, "\r\n", 2);
      g_assert_cmpstr (bb_msgpack_peer_next_status (f->peer), ==, expected);
      another_peer (f);
    }
  g_assert_cmpuint (f->host->links->len, ==, 2);
}

static void
test_too_large_head (Fixture *f, gconstpointer data)
{
  g_autofree char *line = g_strnfill (8192, 'x');

  bb_msgpack_peer_send_bytes (f->peer, "GET / HTTP/1.1\r\nX: ", 19);
  bb_msgpack_peer_send_bytes (f->peer, line, 8192);
  bb_msgpack_peer_wait_closed (f->peer);
  /* And what comes behind a good one, before it is decided. */
  another_peer (f);
  for (guint i = 0; i < 3; i++)
    {
      bb_msgpack_peer_ask (f->peer, "w1", "guess");
      bb_msgpack_peer_next_status (f->peer);
      another_peer (f);
    }
  bb_msgpack_peer_ask (f->peer, "w1", "pw-one");
  bb_msgpack_peer_send_bytes (f->peer, line, 8192);
  bb_msgpack_peer_send_bytes (f->peer, line, 8192);
  bb_msgpack_peer_wait_closed (f->peer);
  g_assert_cmpuint (f->host->links->len, ==, 0);
}

/* Frames of a slave that is let in */

#define ASK "\x82\xa2op\xa1x\xaaseq_number\x05"
#define ASK_LENGTH 18
#define ANSWER "{\"op\": \"response\", \"seq_number\": 5, \"result\": \"no such command exists\", \"is_exception\": true}"

static void
test_frames (Fixture *f, gconstpointer data)
{
  bb_msgpack_peer_login (f->peer, "w1", "pw-one");
  bb_msgpack_peer_send_frame (f->peer, 0x82, TRUE, ASK, ASK_LENGTH);
  bb_msgpack_peer_expect (f->peer, ANSWER);
  /* In pieces, with a ping in between. */
  bb_msgpack_peer_send_frame (f->peer, 0x02, TRUE, ASK, 7);
  bb_msgpack_peer_send_frame (f->peer, 0x00, TRUE, "", 0);
  bb_msgpack_peer_send_frame (f->peer, 0x89, TRUE, "are you there", 13);
  bb_msgpack_peer_expect (f->peer, "pong are you there");
  bb_msgpack_peer_send_frame (f->peer, 0x80, TRUE, ASK + 7, ASK_LENGTH - 7);
  bb_msgpack_peer_expect (f->peer, ANSWER);
  /* What means nothing here: text, a pong, no request. */
  bb_msgpack_peer_send_frame (f->peer, 0x81, TRUE, "text", 4);
  bb_msgpack_peer_send_frame (f->peer, 0x8a, TRUE, "", 0);
  bb_msgpack_peer_send_frame (f->peer, 0x82, TRUE, "\xc0", 1);
  bb_msgpack_peer_send_frame (f->peer, 0x82, TRUE, "\x81\xa2op\xa1x", 6);
  bb_msgpack_peer_send (f->peer, "{'op': <'response'>, 'seq_number': <int64 77>, 'result': <'to nothing'>}");
  bb_msgpack_peer_send_frame (f->peer, 0x82, TRUE, ASK, ASK_LENGTH);
  bb_msgpack_peer_expect (f->peer, ANSWER);
  bb_msgpack_peer_send_frame (f->peer, 0x88, TRUE, "\x03\xe8", 2);
  bb_msgpack_peer_expect (f->peer, "close 1000");
  bb_msgpack_peer_wait_closed (f->peer);
  g_assert_cmpstr (f->host->lost->str, ==, "websocket: the peer closed the connection\n");
}

/* One byte after the other. */
static void
test_slowly (Fixture *f, gconstpointer data)
{
  static const guint8 frame[] = { 0x82, 0x80 | ASK_LENGTH, 0, 0, 0, 0 };

  bb_msgpack_peer_login (f->peer, "w1", "pw-one");
  for (guint i = 0; i < sizeof frame + ASK_LENGTH; i++)
    {
      bb_msgpack_peer_send_bytes (f->peer, i < sizeof frame ? (const char *) frame + i : ASK + i - sizeof frame, 1);
      bb_test_run_pending ();
    }
  bb_msgpack_peer_expect (f->peer, ANSWER);
  bb_msgpack_peer_send_bytes (f->peer, frame, 1);
  bb_test_clock_advance (f->clock, f->loop, 119);
  g_assert_cmpuint (f->host->n_lost, ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 2);
  g_assert_cmpstr (f->host->lost->str, ==, "websocket: one message took longer than 120 s to arrive\n");
}

/* A message is offered that is said to be larger than it may be; or which it is, in pieces. */
static void
test_too_large (Fixture *f, gconstpointer data)
{
  static const guint8 head[] = { 0x82, 0xff, 0, 0, 0, 0, 1, 0, 0, 1, 1, 2, 3, 4, 5 };
  g_autofree char *block = g_malloc0 (9 * 1024 * 1024);

  bb_msgpack_peer_login (f->peer, "w1", "pw-one");
  bb_msgpack_peer_send_bytes (f->peer, head, sizeof head);
  bb_msgpack_peer_expect (f->peer, "close 1009");
  bb_msgpack_peer_wait_closed (f->peer);
  another_peer (f);
  bb_msgpack_peer_login (f->peer, "w1", "pw-one");
  bb_msgpack_peer_send_frame (f->peer, 0x02, TRUE, block, 9 * 1024 * 1024);
  bb_msgpack_peer_send_frame (f->peer, 0x80, TRUE, block, 9 * 1024 * 1024);
  bb_msgpack_peer_wait_closed (f->peer);
  bb_test_run_pending ();
  g_assert_cmpstr (f->host->lost->str, ==,
                   "websocket: a message of more than 16 MiB\nwebsocket: a message of more than 16 MiB\n");
}

static void
test_too_many_fragments (Fixture *f, gconstpointer data)
{
  bb_msgpack_peer_login (f->peer, "w1", "pw-one");
  bb_msgpack_peer_send_frame (f->peer, 0x02, TRUE, "\xc0", 1);
  for (guint i = 0; i < 1023; i++)
    bb_msgpack_peer_send_frame (f->peer, 0x00, TRUE, "", 0);
  bb_test_run_pending ();
  g_assert_cmpuint (f->host->n_lost, ==, 0);
  bb_msgpack_peer_send_frame (f->peer, 0x00, TRUE, "", 0);
  bb_msgpack_peer_wait_closed (f->peer);
  bb_test_run_pending ();
  g_assert_cmpstr (f->host->lost->str, ==, "websocket: a message in more than 1024 frames\n");
}

static void
test_malformed_frames (void)
{
  static const struct
  {
    const char *bytes;
    gsize length;
    const char *reason;
  } all[] = {
    { "\x82\x01\xc0", 3, "websocket: a malformed frame" },                                      /* not masked */
    { "\xc2\x81zzzz\xc0", 7, "websocket: a malformed frame" },                                  /* an extension's bit */
    { "\x83\x81zzzz\xc0", 7, "websocket: a malformed frame" },                                  /* an unknown kind */
    { "\x80\x81zzzz\xc0", 7, "websocket: a malformed frame" },                                  /* goes on with nothing */
    { "\x09\x80zzzz", 6, "websocket: a malformed frame" },                                      /* a ping in pieces */
    { "\x82\xfe\x00\x01zzzz\xc0", 9, "websocket: a malformed frame" },                          /* a length too long */
    { "\x81\x81zzzz\x85", 7, "websocket: text that is not UTF-8" },
    { "\x82\x81\0\0\0\0\xc1", 7, "msgpack: a type that slaves don't use" },
    { "\x82\x80zzzz", 6, "msgpack: a message that is cut off" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autofree char *expected = g_strconcat (all[i].reason, "\n", NULL);
      Fixture f = { 0 };

      g_test_message ("%u", i);
      fixture_set_up (&f, NULL);
      bb_msgpack_peer_login (f.peer, "w1", "pw-one");
      bb_msgpack_peer_send_bytes (f.peer, all[i].bytes, all[i].length);
      bb_msgpack_peer_wait_closed (f.peer);
      bb_test_run_pending ();
      g_assert_cmpstr (f.host->lost->str, ==, expected);
      fixture_tear_down (&f, NULL);
    }
}

static void
accept_cb (BbWebsocket *socket, const char *authorization, gpointer user_data)
{
  bb_websocket_accept (socket);
}

static void
count_cb (BbWebsocket *socket, const guint8 *data, gsize length, gpointer user_data)
{
  ++*(guint *) user_data;
}

static void
ignore_cb (BbWebsocket *socket, const GError *reason, gpointer user_data)
{
}

/* What a library keeps for frames is there only while one is under way: an idle slave costs nothing of it. */
static void
test_at_rest (void)
{
  static const BbWebsocketEvents events = { accept_cb, count_cb, ignore_cb };
  static const guint8 short_frame[] = { 0x82, 0x81, 0, 0, 0, 0, 0xc0 };
  const gsize lengths[] = { 0, 1, 125, 126, 65535, 65536, 70000 };
  g_autofree guint8 *data = g_malloc0 (70000);
  g_autoptr (BbClock) clock = BB_CLOCK (bb_test_clock_new ());
  g_autoptr (GError) error = NULL;
  g_autoptr (BbLoop) loop = bb_loop_new (clock, &error);
  g_autoptr (BbMsgpackPeer) peer = NULL;
  g_autoptr (BbWebsocket) socket = NULL;
  guint n_messages = 0;
  int fds[2];

  g_assert_no_error (error);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
  peer = bb_msgpack_peer_new_for_fd (fds[0]);
  socket = bb_websocket_new (loop, fds[1], NULL, NULL, &events, &n_messages, &error);
  g_assert_no_error (error);
  bb_msgpack_peer_login (peer, "any", "body");
  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      bb_msgpack_peer_send_frame (peer, 0x82, TRUE, data, lengths[i]);
      bb_test_run_pending ();
      g_assert_cmpuint (n_messages, ==, i + 1);
      g_assert_true (bb_websocket_is_at_rest (socket));
    }
  for (guint i = 0; i < sizeof short_frame; i++)
    {
      g_assert_true (bb_websocket_is_at_rest (socket) == (i == 0));
      bb_msgpack_peer_send_bytes (peer, short_frame + i, 1);
      bb_test_run_pending ();
    }
  g_assert_true (bb_websocket_is_at_rest (socket));
  bb_msgpack_peer_send_frame (peer, 0x02, TRUE, data, 1);
  bb_msgpack_peer_send_frame (peer, 0x89, TRUE, data, 1);
  bb_test_run_pending ();
  g_assert_false (bb_websocket_is_at_rest (socket));
  bb_msgpack_peer_send_frame (peer, 0x80, TRUE, data, 1);
  bb_test_run_pending ();
  bb_websocket_send (socket, data, 5);
  g_assert_true (bb_websocket_is_at_rest (socket));
}

/* Values */

static void
test_values (void)
{
  static const struct
  {
    const char *bytes;
    gsize length;
    const char *text; /* or what is wrong */
  } all[] = {
    { "\x7f", 1, "127" },
    { "\xe0", 1, "-32" },
    { "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 9, "4294967296" },
    { "\xd3\xff\xff\xff\xff\x00\x00\x00\x00", 9, "-4294967296" },
    { "\x93\xc0\xc2\xc3", 4, "[nil, false, true]" },
    { "\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", 9, "1.500000" },
    { "\xd9\x02hi", 4, "\"hi\"" },
    { "\xc5\x00\x02hi", 5, "bin\"hi\"" },
    { "\xdb\x00\x00\x00\x02hi", 7, "\"hi\"" },
    { "\xdc\x00\x01\x05", 4, "[5]" },
    { "\xde\x00\x01\xa1k\x05", 6, "{\"k\": 5}" },
    { "\xdd\xff\xff\xff\xff", 5, "msgpack: a message that is cut off" }, /* would be 100 GB of members */
    { "\xdf\x80\x00\x00\x00\xc0", 6, "msgpack: a message that is cut off" },
    { "\xc6\xff\xff\xff\xff", 5, "msgpack: a message that is cut off" },
    { "\xd9\x05hi", 4, "msgpack: a message that is cut off" },
    { "\xcd\x01", 2, "msgpack: a message that is cut off" },
    { "\x92\x01", 2, "msgpack: a message that is cut off" },
    { "\x81\x01", 2, "msgpack: a message that is cut off" },
    { "\x01\x02", 2, "msgpack: more than one value in a message" },
    { "\xd4\x01\x01", 3, "msgpack: a type that slaves don't use" },
    { "\xc7\x00\x01", 3, "msgpack: a type that slaves don't use" },
    { "\xc1", 1, "msgpack: a type that slaves don't use" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *text = NULL;

      g_test_message ("%u", i);
      if (bb_msgpack_check ((const guint8 *) all[i].bytes, all[i].length, &error))
        text = bb_msgpack_render ((const guint8 *) all[i].bytes, all[i].length);
      g_assert_cmpstr (error != NULL ? error->message : text, ==, all[i].text);
    }
}

static void
test_value_limits (void)
{
  g_autofree guint8 *many = g_malloc0 (1000005);
  guint8 deep[40];
  g_autoptr (GError) too_deep = NULL;
  g_autoptr (GError) too_many = NULL;

  memset (deep, 0x91, sizeof deep);
  deep[31] = 0xc0;
  g_assert_true (bb_msgpack_check (deep, 32, NULL));
  g_free (bb_msgpack_render (deep, 32)); /* msgpack-c takes it, too */
  deep[31] = 0x91;
  deep[32] = 0xc0;
  g_assert_false (bb_msgpack_check (deep, 33, &too_deep));
  g_assert_cmpstr (too_deep->message, ==, "msgpack: a message that is nested too deeply");

  memcpy (many, "\xdd\x00\x0f\x42\x3f", 5); /* 999,999 and the list itself */
  g_assert_true (bb_msgpack_check (many, 5 + 999999, NULL));
  memcpy (many, "\xdd\x00\x0f\x42\x40", 5);
  g_assert_false (bb_msgpack_check (many, 5 + 1000000, &too_many));
  g_assert_cmpstr (too_many->message, ==, "msgpack: too many elements in one message");
}

#define ADD(PATH, FUNC) g_test_add (PATH, Fixture, NULL, fixture_set_up, FUNC, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/msgpack/login/accepted", test_accepted);
  ADD ("/msgpack/login/refused-alike", test_refused_alike);
  ADD ("/msgpack/login/growing-delay", test_growing_delay);
  ADD ("/msgpack/login/time-limit", test_time_limit);
  ADD ("/msgpack/login/odd-names", test_odd_names);
  ADD ("/msgpack/login/requests", test_requests);
  ADD ("/msgpack/login/too-large-head", test_too_large_head);
  ADD ("/msgpack/frames", test_frames);
  ADD ("/msgpack/frames/slowly", test_slowly);
  ADD ("/msgpack/frames/too-large", test_too_large);
  ADD ("/msgpack/frames/too-many-fragments", test_too_many_fragments);
  g_test_add_func ("/msgpack/frames/malformed", test_malformed_frames);
  g_test_add_func ("/msgpack/frames/at-rest", test_at_rest);
  g_test_add_func ("/msgpack/values", test_values);
  g_test_add_func ("/msgpack/values/limits", test_value_limits);
  return g_test_run ();
}
