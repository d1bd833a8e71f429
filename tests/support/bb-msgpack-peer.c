/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-msgpack-peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bb-test.h"

struct _BbMsgpackPeer
{
  int fd;
  GByteArray *input;
  char *current;
  gboolean closed;
};

BbMsgpackPeer *
bb_msgpack_peer_new_for_fd (int fd)
{
  BbMsgpackPeer *self = g_new0 (BbMsgpackPeer, 1);

  self->fd = fd;
  self->input = g_byte_array_new ();
  return self;
}

BbMsgpackPeer *
bb_msgpack_peer_new (guint16 port)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  /* What is sent has arrived when send() returns: the test clock does not wait for Nagle. */
  const int on = 1;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  g_assert_cmpint (fd, >=, 0);
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  g_assert_cmpint (connect (fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  return bb_msgpack_peer_new_for_fd (fd);
}

void
bb_msgpack_peer_free (BbMsgpackPeer *self)
{
  bb_msgpack_peer_hang_up (self);
  g_byte_array_unref (self->input);
  g_free (self->current);
  g_free (self);
}

void
bb_msgpack_peer_hang_up (BbMsgpackPeer *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

void
bb_msgpack_peer_send_bytes (BbMsgpackPeer *self, gconstpointer data, gsize length)
{
  const guint8 *bytes = data;

  while (length > 0)
    {
      gssize n = send (self->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);

      if (n < 0 && errno != EAGAIN)
        return; /* the other side has closed, which the test will look for */
      if (n < 0)
        {
          g_main_context_iteration (NULL, FALSE);
          continue;
        }
      bytes += n;
      length -= (gsize) n;
    }
}

void
bb_msgpack_peer_ask (BbMsgpackPeer *self, const char *name, const char *password)
{
  g_autofree char *plain = g_strdup_printf ("%s:%s", name, password);
  g_autofree char *encoded = g_base64_encode ((const guchar *) plain, strlen (plain));
  g_autofree char *request
    = g_strdup_printf ("GET / HTTP/1.1\r\nUser-Agent: AutobahnPython/22.7.1\r\nHost: 127.0.0.1:29890\r\n"
                       "Upgrade: WebSocket\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
                       "Authorization: Basic %s\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Sec-WebSocket-Version: 13\r\n\r\n", encoded);

  bb_msgpack_peer_send_bytes (self, request, strlen (request));
}

static void
receive (BbMsgpackPeer *self)
{
  guint8 buffer[65536];
  gssize n;

  while (!self->closed && self->fd >= 0 && (n = recv (self->fd, buffer, sizeof buffer, MSG_DONTWAIT)) != -1)
    {
      if (n == 0)
        self->closed = TRUE;
      else
        g_byte_array_append (self->input, buffer, (guint) n);
    }
  if (self->fd >= 0 && !self->closed && errno != EAGAIN)
    self->closed = TRUE;
}

static gsize
find_head (BbMsgpackPeer *self)
{
  const guint8 *end = self->input->len > 0 ? memmem (self->input->data, self->input->len, "\r\n\r\n", 4) : NULL;

  return end != NULL ? (gsize) (end - self->input->data) + 4 : 0;
}

static gboolean
has_head (gpointer user_data)
{
  BbMsgpackPeer *self = user_data;

  receive (self);
  return self->closed || find_head (self) > 0;
}

const char *
bb_msgpack_peer_next_answer (BbMsgpackPeer *self)
{
  gsize length;

  bb_test_run_until_true (has_head, self);
  length = find_head (self);
  if (length == 0)
    g_error ("the connection was closed instead of an answer");
  g_free (self->current);
  self->current = g_strndup ((char *) self->input->data, length);
  g_byte_array_remove_range (self->input, 0, (guint) length);
  return self->current;
}

const char *
bb_msgpack_peer_next_status (BbMsgpackPeer *self)
{
  bb_msgpack_peer_next_answer (self);
  if (g_str_has_prefix (self->current, "HTTP/1.1 101 "))
    g_assert_nonnull (strstr (self->current, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")); /* RFC 6455, 1.3 */
  *strchr (self->current, '\r') = '\0';
  return self->current;
}

void
bb_msgpack_peer_login (BbMsgpackPeer *self, const char *name, const char *password)
{
  const char *status;

  bb_msgpack_peer_ask (self, name, password);
  status = bb_msgpack_peer_next_status (self);
  g_assert_cmpstr (status, ==, "HTTP/1.1 101 Switching Protocols");
}

void
bb_msgpack_peer_send_frame (BbMsgpackPeer *self, guint8 opcode, gboolean masked, gconstpointer data, gsize length)
{
  static const guint8 mask[] = { 0x12, 0x34, 0x56, 0x78 };
  g_autoptr (GByteArray) frame = g_byte_array_new ();
  guint8 mask_bit = masked ? 0x80 : 0;
  guint64 long_length = GUINT64_TO_BE ((guint64) length);
  guint16 short_length = GUINT16_TO_BE ((guint16) length);
  guint8 head[2] = { opcode, (guint8) (mask_bit | (length < 126 ? length : length <= G_MAXUINT16 ? 126 : 127)) };
  guint start;

  g_byte_array_append (frame, head, 2);
  if (length > G_MAXUINT16)
    g_byte_array_append (frame, (guint8 *) &long_length, 8);
  else if (length >= 126)
    g_byte_array_append (frame, (guint8 *) &short_length, 2);
  if (masked)
    g_byte_array_append (frame, mask, 4);
  start = frame->len;
  if (length > 0)
    g_byte_array_append (frame, data, (guint) length);
  for (guint i = start; masked && i < frame->len; i++)
    frame->data[i] ^= mask[(i - start) % 4];
  bb_msgpack_peer_send_bytes (self, frame->data, frame->len);
}

void
bb_msgpack_peer_send (BbMsgpackPeer *self, const char *format, ...)
{
  g_autofree char *text = NULL;
  g_autoptr (GVariant) message = NULL;
  g_autoptr (GError) error = NULL;
  msgpack_sbuffer buffer;
  msgpack_packer packer;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  message = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
  g_assert_no_error (error);
  msgpack_sbuffer_init (&buffer);
  msgpack_packer_init (&packer, &buffer, msgpack_sbuffer_write);
  bb_msgpack_put_variant (&packer, message);
  bb_msgpack_peer_send_frame (self, 0x82, TRUE, buffer.data, buffer.size);
  msgpack_sbuffer_destroy (&buffer);
}

/* The payload of the frame at the beginning of the input; NULL: it is not complete. */
static const guint8 *
get_frame (BbMsgpackPeer *self, gsize *length, gsize *frame_length)
{
  const guint8 *data = self->input->data;
  gsize available = self->input->len, head = 2;
  guint64 size;

  if (available < head)
    return NULL;
  g_assert_false (data[1] & 0x80); /* a server masks nothing */
  size = data[1];
  if (size >= 126)
    {
      guint n_bytes = size == 126 ? 2 : 8;

      size = 0;
      for (guint i = 0; i < n_bytes && available >= head + n_bytes; i++)
        size = size << 8 | data[head + i];
      head += n_bytes;
    }
  if (available < head || available - head < size)
    return NULL;
  *length = (gsize) size;
  *frame_length = head + (gsize) size;
  return data + head;
}

static void
render (GString *text, const msgpack_object *value)
{
  const char *bytes;
  gsize length;

  if (bb_msgpack_get_text (value, &bytes, &length))
    {
      g_autofree char *escaped = NULL;
      g_autofree char *copy = g_strndup (bytes, MIN (length, 200));

      escaped = g_strescape (copy, NULL);
      g_string_append_printf (text, "%s\"%s\"", value->type == MSGPACK_OBJECT_BIN ? "bin" : "", escaped);
    }
  else if (value->type == MSGPACK_OBJECT_ARRAY || value->type == MSGPACK_OBJECT_MAP)
    {
      gboolean is_map = value->type == MSGPACK_OBJECT_MAP;
      guint n = is_map ? value->via.map.size : value->via.array.size;

      g_string_append_c (text, is_map ? '{' : '[');
      for (guint i = 0; i < n; i++)
        {
          if (i > 0)
            g_string_append (text, ", ");
          if (is_map)
            {
              render (text, &value->via.map.ptr[i].key);
              g_string_append (text, ": ");
            }
          render (text, is_map ? &value->via.map.ptr[i].val : &value->via.array.ptr[i]);
        }
      g_string_append_c (text, is_map ? '}' : ']');
    }
  else if (value->type == MSGPACK_OBJECT_NIL)
    g_string_append (text, "nil");
  else
    {
      char number[100];

      msgpack_object_print_buffer (number, sizeof number, *value);
      g_string_append (text, number);
    }
}

char *
bb_msgpack_render (const guint8 *data, gsize length)
{
  GString *text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  msgpack_unpacked unpacked;

  bb_msgpack_check (data, length, &error);
  g_assert_no_error (error);
  msgpack_unpacked_init (&unpacked);
  g_assert_cmpint (msgpack_unpack_next (&unpacked, (const char *) data, length, NULL), ==, MSGPACK_UNPACK_SUCCESS);
  render (text, &unpacked.data);
  msgpack_unpacked_destroy (&unpacked);
  return g_string_free (text, FALSE);
}

static gboolean
has_frame (gpointer user_data)
{
  BbMsgpackPeer *self = user_data;
  gsize length, frame_length;

  receive (self);
  return self->closed || get_frame (self, &length, &frame_length) != NULL;
}

const char *
bb_msgpack_peer_next (BbMsgpackPeer *self)
{
  const guint8 *payload;
  gsize length, frame_length;

  bb_test_run_until_true (has_frame, self);
  payload = get_frame (self, &length, &frame_length);
  if (payload == NULL)
    g_error ("the connection was closed instead of a message");
  g_free (self->current);
  switch (self->input->data[0])
    {
    case 0x82:
      self->current = bb_msgpack_render (payload, length);
      break;
    case 0x88:
      self->current = g_strdup_printf ("close %d", length >= 2 ? payload[0] << 8 | payload[1] : 0);
      break;
    case 0x89:
      self->current = g_strdup ("ping");
      break;
    case 0x8a:
      self->current = g_strdup_printf ("pong %.*s", (int) length, (const char *) payload);
      break;
    default:
      g_assert_not_reached ();
    }
  g_byte_array_remove_range (self->input, 0, (guint) frame_length);
  return self->current;
}

void
bb_msgpack_peer_expect (BbMsgpackPeer *self, const char *text)
{
  g_assert_cmpstr (bb_msgpack_peer_next (self), ==, text);
}

gboolean
bb_msgpack_peer_is_closed (BbMsgpackPeer *self)
{
  receive (self);
  return self->closed;
}

static gboolean
is_closed (gpointer user_data)
{
  return bb_msgpack_peer_is_closed (user_data);
}

void
bb_msgpack_peer_wait_closed (BbMsgpackPeer *self)
{
  bb_test_run_until_true (is_closed, self);
}
