/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-websocket.h"

#include <libsoup/soup.h>
#include <string.h>
#include <wslay/wslay.h>

#include "bb-error.h"
#include "bb-msgpack-limits.h"

#define HANDSHAKE_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */
#define KEY_SIZE 16
#define MASK_SIZE 4

typedef enum
{
  AWAITING_REQUEST,
  DECIDING, /* the request has come */
  OPEN,
  CLOSING,
} Phase;

struct _BbWebsocket
{
  BbLoop *loop;
  BbStream *stream;
  const BbWebsocketEvents *events;
  gpointer user_data;
  BbTimer partial_timer; /* runs while a message is incomplete */
  Phase phase;
  char *key; /* the peer's; NULL once it is answered */

  /* wslay has buffers of 8 KiB, which an idle slave should not cost: NULL unless something is under way. */
  wslay_event_context_ptr context;
  gboolean receiving; /* the context is in use further up the stack */
  const guint8 *input;
  gsize input_left;
  gsize unframed;      /* bytes that the context was given of a frame that is not complete */
  guint64 frame_size;  /* of the frame that is under way */
  guint n_fragments;   /* of the message that is under way; 0: none is */
  const char *breach;  /* of a limit of ours */
};

static void
fail (BbWebsocket *self, const char *what)
{
  g_autoptr (GError) error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "websocket: %s", what);

  bb_websocket_close (self, TRUE, error);
}

/* Frames, by callbacks of wslay's. */

static ssize_t
recv_cb (wslay_event_context_ptr context, uint8_t *buffer, size_t length, int flags, void *user_data)
{
  BbWebsocket *self = user_data;
  gsize n = MIN (length, self->input_left);

  /* Reading was stopped, or the connection ended, by what a message made somebody do. */
  if (n == 0 || self->phase != OPEN || !bb_stream_is_reading (self->stream))
    {
      wslay_event_set_error (context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
  memcpy (buffer, self->input, n);
  self->input += n;
  self->input_left -= n;
  self->unframed += n;
  return (ssize_t) n;
}

static ssize_t
send_cb (wslay_event_context_ptr context, const uint8_t *data, size_t length, int flags, void *user_data)
{
  bb_stream_write (((BbWebsocket *) user_data)->stream, data, length);
  return (ssize_t) length;
}

/* On the wire: two bytes, the length if it is longer than these hold, in as few bytes as will do, the mask. */
static guint64
get_frame_size (guint64 payload)
{
  return 2 + (payload < 126 ? 0 : payload <= G_MAXUINT16 ? 2 : 8) + MASK_SIZE + payload;
}

static void
frame_start_cb (wslay_event_context_ptr context, const struct wslay_event_on_frame_recv_start_arg *frame, void *user_data)
{
  BbWebsocket *self = user_data;

  self->frame_size = get_frame_size (frame->payload_length);
  if (wslay_is_ctrl_frame (frame->opcode))
    return;
  self->n_fragments++;
  if (self->n_fragments > BB_MSGPACK_MAX_FRAGMENTS)
    {
      self->breach = "a message in more than " G_STRINGIFY (BB_MSGPACK_MAX_FRAGMENTS) " frames";
      wslay_event_shutdown_read (context);
    }
}

static void
frame_end_cb (wslay_event_context_ptr context, void *user_data)
{
  BbWebsocket *self = user_data;

  self->unframed -= self->frame_size;
}

static void
message_cb (wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *message, void *user_data)
{
  BbWebsocket *self = user_data;

  if (wslay_is_ctrl_frame (message->opcode))
    return;
  self->n_fragments = 0;
  bb_timer_stop (&self->partial_timer); /* that one is complete */
  if (message->opcode == WSLAY_BINARY_FRAME && self->phase == OPEN)
    self->events->message (self, message->msg, message->msg_length, self->user_data);
}

static const struct wslay_event_callbacks callbacks = {
  .recv_callback = recv_cb,
  .send_callback = send_cb,
  .on_frame_recv_start_callback = frame_start_cb,
  .on_frame_recv_end_callback = frame_end_cb,
  .on_msg_recv_callback = message_cb,
};

static void
ensure_context (BbWebsocket *self)
{
  if (self->context != NULL)
    return;
  if (wslay_event_context_server_init (&self->context, &callbacks, self) != 0)
    g_error ("no memory for a WebSocket"); /* as g_malloc() does */
  wslay_event_config_set_max_recv_msg_length (self->context, BB_MSGPACK_MAX_MESSAGE);
}

gboolean
bb_websocket_is_at_rest (BbWebsocket *self)
{
  return self->context == NULL;
}

static void
release_context (BbWebsocket *self)
{
  if (!self->receiving && self->unframed == 0 && self->n_fragments == 0)
    g_clear_pointer (&self->context, wslay_event_context_free);
}

static const char *
describe_end (BbWebsocket *self)
{
  if (self->breach != NULL)
    return self->breach;
  if (wslay_event_get_close_received (self->context))
    return "the peer closed the connection";
  switch (wslay_event_get_status_code_sent (self->context))
    {
    case WSLAY_CODE_MESSAGE_TOO_BIG:
      return "a message of more than 16 MiB";
    case WSLAY_CODE_INVALID_FRAME_PAYLOAD_DATA:
      return "text that is not UTF-8";
    default:
      return "a malformed frame";
    }
}

/* Runs from the first byte of a message that did not come whole. */
static void
watch_partial (BbWebsocket *self)
{
  if (self->context == NULL || self->phase != OPEN || !bb_stream_is_reading (self->stream))
    bb_timer_stop (&self->partial_timer);
  else if (!bb_timer_is_running (&self->partial_timer))
    bb_timer_start_in (&self->partial_timer, BB_LINK_MAX_PARTIAL_US);
}

static gsize
receive_frames (BbWebsocket *self, const guint8 *data, gsize length)
{
  gboolean good;

  self->input = data;
  self->input_left = length;
  ensure_context (self);
  self->receiving = TRUE;
  good = wslay_event_recv (self->context) == 0;
  self->receiving = FALSE;
  wslay_event_send (self->context); /* pongs, and the answer to a close */
  if (self->phase == OPEN && (!good || !wslay_event_get_read_enabled (self->context)))
    fail (self, describe_end (self));
  length -= self->input_left;
  self->input_left = 0;
  release_context (self);
  watch_partial (self);
  return length;
}

static void
partial_too_long_cb (BbTimer *timer, gpointer user_data)
{
  BbWebsocket *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!bb_stream_is_reading (self->stream))
    {
      bb_timer_start_in (timer, BB_LINK_MAX_PARTIAL_US);
      return;
    }
  error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "websocket: one message took longer than %d s to arrive",
                       (int) (BB_LINK_MAX_PARTIAL_US / G_USEC_PER_SEC));
  bb_websocket_close (self, FALSE, error);
}

/* The request */

/* The value of a header that is there exactly once, or NULL. */
static const char *
get_only (SoupMessageHeaders *headers, const char *name)
{
  const char *list = soup_message_headers_get_list (headers, name);

  return list != NULL && strchr (list, ',') == NULL ? list : NULL;
}

static gboolean
is_key (const char *text)
{
  g_autofree guchar *key = NULL;
  gsize length = 0;

  if (text == NULL || *text == '\0')
    return FALSE;
  key = g_base64_decode (text, &length);
  return length == KEY_SIZE;
}

/* What is wrong with the request, as the status to answer; NULL: nothing. */
static const char *
check_request (SoupMessageHeaders *headers, guint parsed, const char *method, SoupHTTPVersion version)
{
  if (parsed != SOUP_STATUS_OK || version != SOUP_HTTP_1_1)
    return "400 Bad Request";
  if (!g_str_equal (method, "GET"))
    return "405 Method Not Allowed";
  if (!soup_message_headers_header_contains (headers, "Upgrade", "websocket")
      || !soup_message_headers_header_contains (headers, "Connection", "upgrade")
      || g_strcmp0 (get_only (headers, "Sec-WebSocket-Version"), "13") != 0)
    return "426 Upgrade Required";
  return is_key (get_only (headers, "Sec-WebSocket-Key")) ? NULL : "400 Bad Request";
}

/* @head: up to its last header */
static void
receive_request (BbWebsocket *self, const char *head, gsize length)
{
  SoupMessageHeaders *headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_REQUEST);
  g_autofree char *method = NULL;
  g_autofree char *path = NULL;
  SoupHTTPVersion version = SOUP_HTTP_1_0;
  guint parsed = soup_headers_parse_request (head, (int) length, headers, &method, &path, &version);
  const char *wrong = check_request (headers, parsed, method, version);

  self->phase = DECIDING;
  if (wrong != NULL)
    bb_websocket_refuse (self, wrong);
  else
    {
      self->key = g_strdup (get_only (headers, "Sec-WebSocket-Key"));
      self->events->request (self, get_only (headers, "Authorization"), self->user_data);
    }
  soup_message_headers_unref (headers);
}

static gsize
receive_head (BbWebsocket *self, const guint8 *data, gsize length)
{
  const char *end = memmem (data, MIN (length, BB_MSGPACK_MAX_HEAD), "\r\n\r\n", 4);
  gsize head;

  if (end == NULL && length >= BB_MSGPACK_MAX_HEAD)
    fail (self, "a request of more than " G_STRINGIFY (BB_MSGPACK_MAX_HEAD) " bytes");
  if (end == NULL)
    return 0;
  head = (gsize) (end - (const char *) data) + 2;
  receive_request (self, (const char *) data, head);
  return head + 2;
}

static gsize
readable_cb (BbStream *stream, const guint8 *data, gsize length, gpointer user_data)
{
  BbWebsocket *self = user_data;
  gsize taken = 0;

  if (self->phase == AWAITING_REQUEST)
    taken = receive_head (self, data, length);
  /* Slaves wait for the answer; whatever else has come waits with it. */
  if (self->phase == DECIDING && length - taken > BB_MSGPACK_MAX_HEAD)
    fail (self, "messages before login");
  if (self->phase == OPEN && taken < length)
    taken += receive_frames (self, data + taken, length - taken);
  return self->phase == CLOSING ? length : taken;
}

static void
closed_cb (BbStream *stream, const GError *reason, gpointer user_data)
{
  BbWebsocket *self = user_data;

  self->phase = CLOSING;
  bb_timer_stop (&self->partial_timer);
  self->events->closed (self, reason, self->user_data);
}

static const BbStreamEvents stream_events = { readable_cb, closed_cb };

BbWebsocket *
bb_websocket_new (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                  const BbWebsocketEvents *events, gpointer user_data, GError **error)
{
  BbWebsocket *self = g_new0 (BbWebsocket, 1);

  self->loop = g_object_ref (loop);
  self->events = events;
  self->user_data = user_data;
  bb_timer_init (&self->partial_timer, loop, partial_too_long_cb, self);
  self->stream = bb_stream_new (loop, fd, transport, transport_data, &stream_events, self, error);
  if (self->stream != NULL)
    return self;
  bb_websocket_free (self);
  return NULL;
}

void
bb_websocket_set_events (BbWebsocket *self, const BbWebsocketEvents *events, gpointer user_data)
{
  self->events = events;
  self->user_data = user_data;
}

void
bb_websocket_free (BbWebsocket *self)
{
  bb_timer_stop (&self->partial_timer);
  g_clear_pointer (&self->stream, bb_stream_free);
  g_clear_pointer (&self->context, wslay_event_context_free);
  g_free (self->key);
  g_object_unref (self->loop);
  g_free (self);
}

BbStream *
bb_websocket_get_stream (BbWebsocket *self)
{
  return self->stream;
}

BbLoop *
bb_websocket_get_loop (BbWebsocket *self)
{
  return self->loop;
}

static char *
compute_accept (const char *key)
{
  g_autoptr (GChecksum) sha1 = g_checksum_new (G_CHECKSUM_SHA1);
  guint8 digest[20];
  gsize size = sizeof digest;

  g_checksum_update (sha1, (const guchar *) key, -1);
  g_checksum_update (sha1, (const guchar *) HANDSHAKE_GUID, -1);
  g_checksum_get_digest (sha1, digest, &size);
  return g_base64_encode (digest, size);
}

void
bb_websocket_accept (BbWebsocket *self)
{
  g_autofree char *accept = NULL;
  g_autofree char *answer = NULL;

  if (self->phase != DECIDING)
    return;
  accept = compute_accept (self->key);
  answer = g_strdup_printf ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: %s\r\n\r\n", accept);
  g_clear_pointer (&self->key, g_free);
  self->phase = OPEN;
  bb_stream_write (self->stream, (const guint8 *) answer, strlen (answer));
  /* What has come behind the request is offered again. */
  bb_stream_set_reading (self->stream, FALSE);
  bb_stream_set_reading (self->stream, TRUE);
}

void
bb_websocket_refuse (BbWebsocket *self, const char *status)
{
  g_autofree char *answer = NULL;
  g_autoptr (GError) error = NULL;

  if (self->phase != DECIDING)
    return;
  answer = g_strdup_printf ("HTTP/1.1 %s\r\nUpgrade: websocket\r\nConnection: close\r\n"
                            "WWW-Authenticate: Basic realm=\"bbhost\"\r\nContent-Length: 0\r\n\r\n", status);
  error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "websocket: answered %s", status);
  self->phase = CLOSING;
  bb_stream_write (self->stream, (const guint8 *) answer, strlen (answer));
  bb_stream_close (self->stream, TRUE, error);
}

void
bb_websocket_send (BbWebsocket *self, const guint8 *data, gsize length)
{
  const struct wslay_event_msg message = { WSLAY_BINARY_FRAME, data, length };

  if (self->phase != OPEN)
    return;
  ensure_context (self);
  if (wslay_event_queue_msg (self->context, &message) == 0)
    wslay_event_send (self->context);
  release_context (self);
}

void
bb_websocket_close (BbWebsocket *self, gboolean farewell, const GError *reason)
{
  if (self->phase == CLOSING)
    return;
  if (self->phase == OPEN && farewell)
    {
      ensure_context (self);
      if (wslay_event_queue_close (self->context, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0) == 0)
        wslay_event_send (self->context);
    }
  self->phase = CLOSING;
  bb_timer_stop (&self->partial_timer);
  bb_stream_close (self->stream, farewell, reason);
}
