/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-stream.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bb-error.h"

/* One read; what arrives whole is handed on from here and never kept per stream. */
#define READ_SIZE (64 * 1024)
/* Reads of one stream in one turn, so that one that sends fast does not starve the others. */
#define READS_PER_TURN 4
#define DEFAULT_MAX_PENDING (4 * 1024 * 1024)
/* A peer that does not take what it asked for gets no chance to ask for more while so much waits for it. */
#define HOLD_BACK (1024 * 1024)
#define STALL_LIMIT_US (300 * G_USEC_PER_SEC)
/* How long a close with flush waits for the peer to take what was written. */
#define FLUSH_TIME_US (10 * G_USEC_PER_SEC)

struct _BbStream
{
  BbLoop *loop;
  BbWatch watch;
  BbTimer timer; /* writes at the end of the turn; the time limit of a flush; the call of closed() */
  BbTimer stall_timer; /* runs while we don't read because the peer doesn't */
  gsize stalled_at;    /* what waited for it when that timer began */
  int fd;
  const BbTransport *transport;
  gpointer transport_data;
  const BbStreamEvents *events;
  gpointer user_data;

  GByteArray *input;  /* NULL unless something was not taken */
  GByteArray *output; /* NULL when nothing waits */
  gsize output_start; /* sent bytes at the beginning of output */
  gsize max_pending;
  guint not_reading;
  guint read_wait;  /* what reading and writing wait for; usually IN and OUT, TLS may want the other */
  guint write_wait;
  gboolean write_blocked;
  gboolean offer_again; /* reading was resumed: what was not taken is offered without waiting for more */
  gboolean closing;  /* closed() is due, or the flush before it */
  guint calls;       /* of its owner that are running: the struct outlives them */
  gboolean freed;
  GError *reason;
  gint64 last_input_us;
  guint64 bytes_in;
};

static gssize
plain_receive (gpointer transport, int fd, guint8 *data, gsize length, guint *wait)
{
  *wait = EPOLLIN;
  return recv (fd, data, length, 0);
}

static gssize
plain_send (gpointer transport, int fd, const guint8 *data, gsize length, guint *wait)
{
  *wait = EPOLLOUT;
  return send (fd, data, length, MSG_NOSIGNAL);
}

static const BbTransport plain_transport = { plain_receive, plain_send, NULL, NULL };

static void
update_watch (BbStream *self)
{
  guint events = 0;

  if (self->not_reading == 0 && !self->closing)
    events |= self->read_wait;
  if (self->write_blocked)
    events |= self->write_wait;
  bb_watch_set_events (&self->watch, events);
}

static void
close_socket (BbStream *self)
{
  bb_watch_stop (&self->watch);
  if (self->fd < 0)
    return;
  if (self->transport->free != NULL)
    self->transport->free (self->transport_data);
  close (self->fd);
  self->fd = -1;
}

/* Nothing is read or written any more, and the peer can see that, however long the stream is kept; closed() is called from
 * the loop. */
static void
finish (BbStream *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
finish (BbStream *self, const char *format, ...)
{
  if (self->reason == NULL)
    {
      va_list args;

      va_start (args, format);
      self->reason = g_error_new_valist (BB_ERROR, BB_ERROR_LOST, format, args);
      va_end (args);
    }
  self->closing = TRUE;
  bb_timer_stop (&self->stall_timer);
  close_socket (self);
  g_clear_pointer (&self->output, g_byte_array_unref);
  g_clear_pointer (&self->input, g_byte_array_unref);
  bb_timer_start_in (&self->timer, 0);
}

static gboolean
is_finished (BbStream *self)
{
  return self->fd < 0;
}

static void
hold_back (BbStream *self)
{
  gsize waiting = bb_stream_get_pending (self);

  if (waiting <= HOLD_BACK || bb_timer_is_running (&self->stall_timer))
    return;
  self->stalled_at = waiting;
  bb_stream_set_reading (self, FALSE);
  bb_timer_start_in (&self->stall_timer, STALL_LIMIT_US);
}

static void
let_go (BbStream *self)
{
  if (!bb_timer_is_running (&self->stall_timer))
    return;
  bb_timer_stop (&self->stall_timer);
  bb_stream_set_reading (self, TRUE);
}

static void
stalled_cb (BbTimer *timer, gpointer user_data)
{
  BbStream *self = user_data;
  gsize waiting = bb_stream_get_pending (self);
  g_autoptr (GError) error = NULL;

  if (waiting < self->stalled_at)
    {
      self->stalled_at = waiting;
      bb_timer_start_in (timer, STALL_LIMIT_US);
      return;
    }
  error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "the peer has not read for %d s, %" G_GSIZE_FORMAT " bytes wait for it",
                       (int) (STALL_LIMIT_US / G_USEC_PER_SEC), waiting);
  bb_stream_close (self, FALSE, error);
}

/* Sends what the socket takes. */
static void
flush (BbStream *self)
{
  while (self->output != NULL && self->output_start < self->output->len)
    {
      gssize n = self->transport->send (self->transport_data, self->fd, self->output->data + self->output_start,
                                        self->output->len - self->output_start, &self->write_wait);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        {
          self->write_blocked = TRUE;
          update_watch (self);
          return;
        }
      if (n < 0)
        {
          finish (self, "the connection broke: %s", g_strerror (errno));
          return;
        }
      self->output_start += (gsize) n;
    }
  self->write_blocked = FALSE;
  self->output_start = 0;
  g_clear_pointer (&self->output, g_byte_array_unref);
  if (self->closing)
    finish (self, "closed");
  else
    {
      let_go (self);
      update_watch (self);
    }
}

static void
release (BbStream *self)
{
  g_object_unref (self->loop);
  g_free (self);
}

/* A call of the owner has returned. FALSE: the stream is gone or closing. */
static gboolean
end_call (BbStream *self)
{
  gboolean alive = !self->freed && !self->closing;

  if (--self->calls == 0 && self->freed)
    release (self);
  return alive;
}

/* Offers what there is. FALSE: the stream is gone or closing. */
static gboolean
offer (BbStream *self, const guint8 *data, gsize length, gsize *taken)
{
  self->calls++;
  *taken = self->events->readable (self, data, length, self->user_data);
  return end_call (self);
}

static gboolean
take_input (BbStream *self, const guint8 *data, gsize length)
{
  g_autoptr (GByteArray) input = NULL;
  gsize taken;

  if (self->input == NULL)
    {
      if (!offer (self, data, length, &taken))
        return FALSE;
      if (taken < length)
        {
          self->input = g_byte_array_new ();
          g_byte_array_append (self->input, data + taken, (guint) (length - taken));
        }
      return TRUE;
    }
  if (length > 0)
    g_byte_array_append (self->input, data, (guint) length);
  /* What is being offered outlives the stream, which may end or be freed by an answer to it. */
  input = g_byte_array_ref (self->input);
  if (!offer (self, input->data, input->len, &taken))
    return FALSE;
  if (taken == self->input->len)
    g_clear_pointer (&self->input, g_byte_array_unref);
  else if (taken > 0)
    g_byte_array_remove_range (self->input, 0, (guint) taken);
  return TRUE;
}

/* FALSE: the stream is gone or closing. */
static gboolean
write_on (BbStream *self)
{
  flush (self);
  return !is_finished (self);
}

static void
read_some (BbStream *self)
{
  static guint8 buffer[READ_SIZE]; /* of the main thread, the only one that reads */

  for (guint i = 0; i < READS_PER_TURN && self->not_reading == 0; i++)
    {
      gssize n = self->transport->receive (self->transport_data, self->fd, buffer, sizeof buffer, &self->read_wait);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        break;
      if (n <= 0)
        {
          finish (self, n == 0 ? "the peer closed the connection" : "the connection broke: %s", g_strerror (errno));
          return;
        }
      self->last_input_us = bb_loop_now_us (self->loop);
      self->bytes_in += (guint64) n;
      if (!take_input (self, buffer, (gsize) n))
        return;
      if ((gsize) n < sizeof buffer)
        break;
    }
  /* Of TLS: what was read may be what writing has waited for, and then nothing more comes. */
  if (self->write_blocked && self->write_wait == EPOLLIN)
    write_on (self);
  else
    update_watch (self);
}

static void
ready_cb (BbWatch *watch, guint events, gpointer user_data)
{
  BbStream *self = user_data;
  gboolean hung_up = (events & (EPOLLERR | EPOLLHUP)) != 0;

  if (self->write_blocked && ((events & self->write_wait) != 0 || hung_up))
    {
      if (!write_on (self))
        return;
    }
  if (!self->closing && ((events & self->read_wait) != 0 || (hung_up && self->not_reading == 0)))
    read_some (self);
  else if (hung_up && self->not_reading > 0)
    finish (self, "the connection broke");
}

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  BbStream *self = user_data;

  if (is_finished (self))
    self->events->closed (self, self->reason, self->user_data);
  else if (self->closing)
    finish (self, "closed");
  else
    {
      if (!write_on (self))
        return;
      if (self->offer_again && self->not_reading == 0 && !self->closing)
        {
          self->offer_again = FALSE;
          if (self->input != NULL)
            take_input (self, NULL, 0);
        }
    }
}

BbStream *
bb_stream_new (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
               const BbStreamEvents *events, gpointer user_data, GError **error)
{
  BbStream *self = g_new0 (BbStream, 1);

  self->loop = g_object_ref (loop);
  self->fd = fd;
  self->transport = transport != NULL ? transport : &plain_transport;
  self->transport_data = transport_data;
  self->events = events;
  self->user_data = user_data;
  self->max_pending = DEFAULT_MAX_PENDING;
  self->read_wait = EPOLLIN;
  self->write_wait = EPOLLOUT;
  self->last_input_us = bb_loop_now_us (loop);
  bb_timer_init (&self->timer, loop, timer_cb, self);
  bb_timer_init (&self->stall_timer, loop, stalled_cb, self);
  if (!bb_watch_start (&self->watch, loop, fd, EPOLLIN, ready_cb, self, error))
    {
      bb_stream_free (self);
      return NULL;
    }
  return self;
}

void
bb_stream_set_events (BbStream *self, const BbStreamEvents *events, gpointer user_data)
{
  self->events = events;
  self->user_data = user_data;
}

void
bb_stream_free (BbStream *self)
{
  self->freed = TRUE;
  bb_timer_stop (&self->timer);
  bb_timer_stop (&self->stall_timer);
  close_socket (self);
  g_clear_pointer (&self->input, g_byte_array_unref);
  g_clear_pointer (&self->output, g_byte_array_unref);
  g_clear_error (&self->reason);
  if (self->calls == 0)
    release (self);
}

void
bb_stream_write (BbStream *self, const guint8 *data, gsize length)
{
  if (self->closing || length == 0)
    return;
  if (self->output == NULL)
    self->output = g_byte_array_new ();
  if (self->output_start > 0 && self->output_start >= self->output->len / 2)
    {
      g_byte_array_remove_range (self->output, 0, (guint) self->output_start);
      self->output_start = 0;
    }
  g_byte_array_append (self->output, data, (guint) length);
  if (bb_stream_get_pending (self) > self->max_pending)
    {
      finish (self, "the peer does not read: %" G_GSIZE_FORMAT " bytes wait for it", bb_stream_get_pending (self));
      return;
    }
  if (!self->write_blocked && !bb_timer_is_running (&self->timer))
    bb_timer_start_in (&self->timer, 0);
  hold_back (self);
}

gsize
bb_stream_get_pending (BbStream *self)
{
  return self->output != NULL ? self->output->len - self->output_start : 0;
}

void
bb_stream_set_max_pending (BbStream *self, gsize max_pending)
{
  self->max_pending = max_pending;
}

void
bb_stream_set_reading (BbStream *self, gboolean reading)
{
  g_return_if_fail (!reading || self->not_reading > 0);

  if (reading)
    self->not_reading--;
  else
    self->not_reading++;
  if (is_finished (self))
    return;
  update_watch (self);
  if (self->not_reading == 0 && self->input != NULL && !self->closing)
    {
      self->offer_again = TRUE;
      if (!bb_timer_is_running (&self->timer))
        bb_timer_start_in (&self->timer, 0);
    }
}

gboolean
bb_stream_is_reading (BbStream *self)
{
  return self->not_reading == 0;
}

void
bb_stream_close (BbStream *self, gboolean flush_first, const GError *reason)
{
  if (self->closing)
    return;
  self->closing = TRUE;
  if (reason != NULL)
    self->reason = g_error_copy (reason);
  if (!flush_first || bb_stream_get_pending (self) == 0)
    {
      finish (self, "closed");
      return;
    }
  flush (self);
  if (is_finished (self))
    return;
  bb_timer_start_in (&self->timer, FLUSH_TIME_US);
}

gint64
bb_stream_get_last_input_us (BbStream *self)
{
  return self->last_input_us;
}

guint64
bb_stream_get_bytes_in (BbStream *self)
{
  return self->bytes_in;
}

gboolean
bb_stream_fits_name (BbStream *self, const char *name)
{
  if (is_finished (self))
    return FALSE;
  return self->transport->fits_name == NULL || self->transport->fits_name (self->transport_data, name);
}
