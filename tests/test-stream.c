/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bb-error.h"
#include "bb-stream.h"
#include "bb-test.h"

/* A stream on one end of a socket pair; the test holds the other. */
typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbStream *stream;
  int fd;

  GString *got;    /* taken */
  gsize take_most; /* of one offer */
  guint n_offers;
  guint n_closed;
  char *reason;
  gboolean pause;
  gboolean free_in_readable;
  gboolean close_in_readable;

  guint n_sends;       /* by the transport */
  gboolean want_other; /* reading waits for writing, as TLS may */
} Fixture;

static gsize
readable_cb (BbStream *stream, const guint8 *data, gsize length, gpointer user_data)
{
  Fixture *f = user_data;
  gsize taken = MIN (length, f->take_most);

  f->n_offers++;
  g_string_append_len (f->got, (const char *) data, (gssize) taken);
  if (f->pause)
    bb_stream_set_reading (stream, FALSE);
  if (f->close_in_readable)
    bb_stream_close (stream, FALSE, NULL);
  if (f->free_in_readable)
    g_clear_pointer (&f->stream, bb_stream_free);
  return taken;
}

static void
closed_cb (BbStream *stream, const GError *reason, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_closed++;
  f->reason = g_strdup (reason->message);
}

static const BbStreamEvents events = { readable_cb, closed_cb };

static gssize
counted_receive (gpointer transport, int fd, guint8 *data, gsize length, guint *wait)
{
  Fixture *f = transport;

  *wait = EPOLLIN;
  if (f->want_other)
    {
      f->want_other = FALSE;
      *wait = EPOLLOUT;
      errno = EAGAIN;
      return -1;
    }
  return recv (fd, data, length, 0);
}

static gssize
counted_send (gpointer transport, int fd, const guint8 *data, gsize length, guint *wait)
{
  ((Fixture *) transport)->n_sends++;
  *wait = EPOLLOUT;
  return send (fd, data, length, MSG_NOSIGNAL);
}

static const BbTransport counted_transport = { counted_receive, counted_send, NULL };

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  int fds[2];

  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
  f->fd = fds[1];
  f->got = g_string_new (NULL);
  f->take_most = G_MAXSIZE;
  f->stream = bb_stream_new (f->loop, fds[0], &counted_transport, f, &events, f, &error);
  g_assert_no_error (error);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->stream, bb_stream_free);
  if (f->fd >= 0)
    close (f->fd);
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_object_unref (f->loop);
  g_object_unref (f->clock);
  g_string_free (f->got, TRUE);
  g_free (f->reason);
}

static void
peer_sends (Fixture *f, const char *text)
{
  g_assert_cmpint (send (f->fd, text, strlen (text), MSG_NOSIGNAL), ==, strlen (text));
  bb_test_run_pending ();
}

static gsize
peer_reads (Fixture *f)
{
  static char buffer[65536];
  gsize total = 0;
  gssize n;

  while ((n = recv (f->fd, buffer, sizeof buffer, 0)) > 0)
    total += (gsize) n;
  return total;
}

static void
test_offers_again (Fixture *f, gconstpointer data)
{
  f->take_most = 0;
  peer_sends (f, "abc");
  g_assert_cmpuint (f->n_offers, ==, 1);
  f->take_most = 4;
  peer_sends (f, "def");
  g_assert_cmpstr (f->got->str, ==, "abcd");
  f->take_most = 100;
  peer_sends (f, "g");
  g_assert_cmpstr (f->got->str, ==, "abcdefg");
  g_assert_cmpuint (bb_stream_get_bytes_in (f->stream), ==, 7);
}

/* Whatever is written in one turn goes out in one piece at its end. */
static void
test_writes_once_a_turn (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 100; i++)
    bb_stream_write (f->stream, (const guint8 *) "12345", 5);
  g_assert_cmpuint (f->n_sends, ==, 0);
  g_assert_cmpuint (bb_stream_get_pending (f->stream), ==, 500);
  bb_test_run_pending ();
  g_assert_cmpuint (f->n_sends, ==, 1);
  g_assert_cmpuint (peer_reads (f), ==, 500);
  g_assert_cmpuint (bb_stream_get_pending (f->stream), ==, 0);
}

static void
test_pausing (Fixture *f, gconstpointer data)
{
  bb_stream_set_reading (f->stream, FALSE);
  bb_stream_set_reading (f->stream, FALSE);
  peer_sends (f, "abc");
  bb_stream_set_reading (f->stream, TRUE);
  bb_test_run_pending ();
  g_assert_false (bb_stream_is_reading (f->stream));
  g_assert_cmpuint (f->n_offers, ==, 0);
  bb_stream_set_reading (f->stream, TRUE);
  bb_test_run_pending ();
  g_assert_cmpstr (f->got->str, ==, "abc");
}

/* Paused with something left over: that is offered when reading goes on, without anything new. */
static void
test_resuming_offers_the_rest (Fixture *f, gconstpointer data)
{
  f->pause = TRUE;
  f->take_most = 1;
  peer_sends (f, "abc");
  g_assert_cmpstr (f->got->str, ==, "a");
  f->pause = FALSE;
  f->take_most = 10;
  bb_stream_set_reading (f->stream, TRUE);
  g_assert_cmpstr (f->got->str, ==, "a");
  bb_test_run_pending ();
  g_assert_cmpstr (f->got->str, ==, "abc");
}

static void
test_back_pressure (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *block = g_malloc0 (1024 * 1024);

  bb_stream_write (f->stream, block, 1024 * 1024);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_stream_get_pending (f->stream), >, 0);
  while (bb_stream_get_pending (f->stream) > 0)
    {
      peer_reads (f);
      bb_test_run_pending ();
    }
  bb_stream_set_max_pending (f->stream, 1024 * 1024);
  bb_stream_write (f->stream, block, 1024 * 1024);
  bb_stream_write (f->stream, block, 1);
  bb_test_run_pending ();
  g_assert_cmpuint (f->n_closed, ==, 1);
  g_assert_cmpstr (f->reason, ==, "the peer does not read: 1048577 bytes wait for it");
}

static void
test_close_with_flush (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *block = g_malloc0 (1024 * 1024);
  gsize total = 0;

  bb_stream_write (f->stream, block, 1024 * 1024);
  bb_stream_close (f->stream, TRUE, NULL);
  while (f->n_closed == 0)
    {
      total += peer_reads (f);
      bb_test_run_pending ();
    }
  total += peer_reads (f);
  g_assert_cmpuint (total, ==, 1024 * 1024);
  g_assert_cmpstr (f->reason, ==, "closed");
}

/* The peer has ten seconds to take it. */
static void
test_close_with_flush_of_nothing_read (Fixture *f, gconstpointer data)
{
  g_autofree guint8 *block = g_malloc0 (1024 * 1024);

  bb_stream_write (f->stream, block, 1024 * 1024);
  bb_stream_close (f->stream, TRUE, NULL);
  bb_test_clock_advance (f->clock, f->loop, 9);
  g_assert_cmpuint (f->n_closed, ==, 0);
  bb_test_clock_advance (f->clock, f->loop, 2);
  g_assert_cmpuint (f->n_closed, ==, 1);
}

/* The peer sees the end at once, however long the stream is kept; closed() comes from the loop. */
static void
test_close (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "for a reason");
  char byte;

  bb_stream_close (f->stream, FALSE, reason);
  bb_stream_close (f->stream, FALSE, NULL);
  bb_stream_write (f->stream, (const guint8 *) "x", 1);
  g_assert_cmpint (recv (f->fd, &byte, 1, 0), ==, 0);
  g_assert_cmpuint (f->n_closed, ==, 0);
  bb_test_run_pending ();
  g_assert_cmpuint (f->n_closed, ==, 1);
  g_assert_cmpstr (f->reason, ==, "for a reason");
}

static void
test_peer_closes (Fixture *f, gconstpointer data)
{
  send (f->fd, "last words", 10, MSG_NOSIGNAL);
  close (f->fd);
  f->fd = -1;
  bb_test_run_pending ();
  g_assert_cmpstr (f->got->str, ==, "last words");
  g_assert_cmpuint (f->n_closed, ==, 1);
  g_assert_cmpstr (f->reason, ==, "the peer closed the connection");
}

/* A peer that goes while nobody reads must not make the loop spin. */
static void
test_peer_closes_while_paused (Fixture *f, gconstpointer data)
{
  bb_stream_set_reading (f->stream, FALSE);
  close (f->fd);
  f->fd = -1;
  bb_test_run_pending ();
  g_assert_cmpuint (f->n_closed, ==, 1);
}

static void
test_freed_in_callback (Fixture *f, gconstpointer data)
{
  f->free_in_readable = TRUE;
  peer_sends (f, "abc");
  g_assert_null (f->stream);
}

static void
test_freed_when_offered_again (Fixture *f, gconstpointer data)
{
  f->take_most = 1;
  peer_sends (f, "abc");
  f->free_in_readable = TRUE;
  peer_sends (f, "def");
  g_assert_null (f->stream);
}

static void
test_closed_in_callback (Fixture *f, gconstpointer data)
{
  f->close_in_readable = TRUE;
  f->take_most = 1;
  peer_sends (f, "abc");
  g_assert_cmpuint (f->n_offers, ==, 1);
  g_assert_cmpuint (f->n_closed, ==, 1);
}

/* TLS may have to write before it can read. */
static void
test_reading_waits_for_writing (Fixture *f, gconstpointer data)
{
  f->want_other = TRUE;
  peer_sends (f, "abc");
  g_assert_cmpstr (f->got->str, ==, "abc");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("/stream/offers-again", test_offers_again);
  ADD ("/stream/writes-once-a-turn", test_writes_once_a_turn);
  ADD ("/stream/pausing", test_pausing);
  ADD ("/stream/pausing/rest", test_resuming_offers_the_rest);
  ADD ("/stream/back-pressure", test_back_pressure);
  ADD ("/stream/close", test_close);
  ADD ("/stream/close/flush", test_close_with_flush);
  ADD ("/stream/close/flush-of-nothing-read", test_close_with_flush_of_nothing_read);
  ADD ("/stream/peer-closes", test_peer_closes);
  ADD ("/stream/peer-closes/paused", test_peer_closes_while_paused);
  ADD ("/stream/freed-in-callback", test_freed_in_callback);
  ADD ("/stream/freed-in-callback/again", test_freed_when_offered_again);
  ADD ("/stream/closed-in-callback", test_closed_in_callback);
  ADD ("/stream/transport", test_reading_waits_for_writing);
  return g_test_run ();
}
