/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bb-capture.h"
#include "bb-test.h"

struct _BbPbPeer
{
  int fd;
  BbBananaDecoder *decoder;
  GByteArray *input;
  GQueue messages; /* of char * */
  char *current;
  gboolean closed;
};

static gboolean
message_cb (const BbBananaMessage *message, gpointer user_data, GError **error)
{
  BbPbPeer *self = user_data;

  g_queue_push_tail (&self->messages, bb_pb_peer_render (message, 0));
  return TRUE;
}

BbPbPeer *
bb_pb_peer_new (guint16 port)
{
  BbPbPeer *self = g_new0 (BbPbPeer, 1);
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (port) };
  /* What is sent has arrived when send() returns: the test clock does not wait for Nagle. */
  const int on = 1;

  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  self->fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (self->fd, >=, 0);
  setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  g_assert_cmpint (connect (self->fd, (struct sockaddr *) &address, sizeof address), ==, 0);
  self->decoder = bb_banana_decoder_new (&bb_banana_limits_after_login, message_cb, self);
  bb_banana_decoder_set_vocabulary (self->decoder, TRUE);
  self->input = g_byte_array_new ();
  g_queue_init (&self->messages);
  return self;
}

void
bb_pb_peer_free (BbPbPeer *self)
{
  bb_pb_peer_hang_up (self);
  bb_banana_decoder_free (self->decoder);
  g_byte_array_unref (self->input);
  g_queue_clear_full (&self->messages, g_free);
  g_free (self->current);
  g_free (self);
}

int
bb_pb_peer_get_fd (BbPbPeer *self)
{
  return self->fd;
}

void
bb_pb_peer_hang_up (BbPbPeer *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

void
bb_pb_peer_send_bytes (BbPbPeer *self, gconstpointer data, gsize length)
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
bb_pb_peer_send (BbPbPeer *self, const char *format, ...)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autofree char *notation = NULL;
  const char *end;
  va_list args;

  va_start (args, format);
  notation = g_strdup_vprintf (format, args);
  va_end (args);
  for (end = notation; *end != '\0'; end += strspn (end, " "))
    bb_capture_encode (end, TRUE, bytes, &end);
  bb_pb_peer_send_bytes (self, bytes->data, bytes->len);
}

static void
receive (BbPbPeer *self)
{
  guint8 buffer[65536];
  gssize n;

  while (!self->closed && self->fd >= 0 && (n = recv (self->fd, buffer, sizeof buffer, MSG_DONTWAIT)) != -1)
    {
      g_autoptr (GError) error = NULL;
      gssize taken;

      if (n == 0)
        {
          self->closed = TRUE;
          return;
        }
      g_byte_array_append (self->input, buffer, (guint) n);
      taken = bb_banana_decoder_feed (self->decoder, self->input->data, self->input->len, &error);
      g_assert_no_error (error);
      g_byte_array_remove_range (self->input, 0, (guint) taken);
    }
  if (self->fd >= 0 && !self->closed && errno != EAGAIN)
    self->closed = TRUE;
}

const char *
bb_pb_peer_poll (BbPbPeer *self)
{
  receive (self);
  g_free (self->current);
  self->current = g_queue_pop_head (&self->messages);
  return self->current;
}

static gboolean
has_message (gpointer user_data)
{
  BbPbPeer *self = user_data;

  receive (self);
  return self->closed || !g_queue_is_empty (&self->messages);
}

const char *
bb_pb_peer_next (BbPbPeer *self)
{
  bb_test_run_until_true (has_message, self);
  if (g_queue_is_empty (&self->messages))
    g_error ("the connection was closed instead of a message");
  return bb_pb_peer_poll (self);
}

void
bb_pb_peer_expect (BbPbPeer *self, const char *notation)
{
  g_assert_cmpstr (bb_pb_peer_next (self), ==, notation);
}

gboolean
bb_pb_peer_is_closed (BbPbPeer *self)
{
  receive (self);
  return self->closed && g_queue_is_empty (&self->messages);
}

void
bb_pb_peer_expect_closed (BbPbPeer *self)
{
  bb_test_run_until_true (has_message, self);
  g_assert_cmpstr (g_queue_peek_head (&self->messages), ==, NULL);
}

static gboolean
is_closed (gpointer user_data)
{
  BbPbPeer *self = user_data;

  receive (self);
  return self->closed;
}

void
bb_pb_peer_wait_closed (BbPbPeer *self)
{
  bb_test_run_until_true (is_closed, self);
}

/* The bytes of a quoted string within a notation. */
static GByteArray *
find_quoted (const char *text)
{
  g_autoptr (GByteArray) encoded = g_byte_array_new ();
  GByteArray *bytes = g_byte_array_new ();
  const char *end;

  bb_capture_encode (strchr (text, '"'), FALSE, encoded, &end);
  g_byte_array_append (bytes, encoded->data + 2, encoded->len - 2);
  return bytes;
}

static char *
escape (const guint8 *data, gsize length)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < length; i++)
    g_string_append_printf (text, "\\x%02x", data[i]);
  return g_string_free (text, FALSE);
}

static char *
compute_response (const char *password, const GByteArray *challenge)
{
  g_autoptr (GChecksum) inner = g_checksum_new (G_CHECKSUM_MD5);
  g_autoptr (GChecksum) outer = g_checksum_new (G_CHECKSUM_MD5);
  guint8 digest[16];
  gsize size = sizeof digest;

  g_checksum_update (inner, (const guchar *) password, -1);
  g_checksum_get_digest (inner, digest, &size);
  g_checksum_update (outer, digest, sizeof digest);
  g_checksum_update (outer, challenge->data, challenge->len);
  g_checksum_get_digest (outer, digest, &size);
  return escape (digest, sizeof digest);
}

void
bb_pb_peer_login (BbPbPeer *self, const char *name, const char *password)
{
  g_autoptr (GByteArray) challenge = NULL;
  g_autofree char *response = NULL;

  bb_pb_peer_expect (self, "(\"pb\" \"none\")");
  bb_pb_peer_send (self, "\"pb\" (version 6) (message 1 \"root\" login 1 (tuple \"%s\") (dictionary))", name);
  bb_pb_peer_expect (self, "(version 6)");
  challenge = find_quoted (bb_pb_peer_next (self));
  g_assert_cmpuint (challenge->len, ==, 16);
  response = compute_response (password, challenge);
  bb_pb_peer_send (self, "(message 2 1 \"respond\" 1 (tuple \"%s\" (remote 1)) (dictionary)) (decref 1)", response);
}

static void
render_string (GString *text, const char *bytes, gsize length)
{
  g_autoptr (GByteArray) encoded = g_byte_array_new ();

  bb_banana_put_string (encoded, bytes, length, TRUE);
  if (encoded->len == 2 && encoded->data[1] == 0x87)
    {
      g_string_append_len (text, bytes, (gssize) length);
      return;
    }
  g_string_append_c (text, '"');
  for (gsize i = 0; i < length; i++)
    {
      guchar byte = (guchar) bytes[i];

      if (byte == '\n')
        g_string_append (text, "\\n");
      else if (byte == '"' || byte == '\\')
        g_string_append_printf (text, "\\%c", byte);
      else if (byte < 0x20 || byte > 0x7e)
        g_string_append_printf (text, "\\x%02x", byte);
      else
        g_string_append_c (text, (char) byte);
    }
  g_string_append_c (text, '"');
}

static guint
render (GString *text, const BbBananaMessage *message, guint index)
{
  const BbBananaToken *token = &message->tokens[index];
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  switch (token->type)
    {
    case BB_BANANA_INTEGER:
      g_string_append_printf (text, "%" G_GINT64_FORMAT, token->integer);
      break;
    case BB_BANANA_FLOAT:
      g_string_append (text, g_ascii_dtostr (number, sizeof number, token->real));
      break;
    case BB_BANANA_STRING:
      render_string (text, message->bytes + token->offset, token->length);
      break;
    case BB_BANANA_LIST:
      g_string_append_c (text, '(');
      for (guint child = index + 1; child < token->next;)
        {
          if (child > index + 1)
            g_string_append_c (text, ' ');
          child = render (text, message, child);
        }
      g_string_append_c (text, ')');
      break;
    case BB_BANANA_ALIAS:
      g_string_append (text, "alias");
    }
  return token->next;
}

char *
bb_pb_peer_render (const BbBananaMessage *message, guint index)
{
  GString *text = g_string_new (NULL);

  render (text, message, index);
  return g_string_free (text, FALSE);
}

static void bb_test_login_host_iface_init (BbLoginHostInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbTestLoginHost, bb_test_login_host, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LOGIN_HOST, bb_test_login_host_iface_init))

static const char *
get_password (BbLoginHost *host, const char *name)
{
  return g_hash_table_lookup (BB_TEST_LOGIN_HOST (host)->passwords, name);
}

static void
lost_cb (BbSlaveLink *link, const GError *reason, gpointer user_data)
{
  BbTestLoginHost *self = user_data;

  g_string_append_printf (self->lost, "%s\n", reason->message);
  self->n_lost++;
}

static void
shutdown_requested_cb (BbSlaveLink *link, gpointer user_data)
{
  BB_TEST_LOGIN_HOST (user_data)->n_shutdowns++;
}

static void
login (BbLoginHost *host, const char *name, BbSlaveLink *link)
{
  BbTestLoginHost *self = BB_TEST_LOGIN_HOST (host);

  g_ptr_array_add (self->links, g_object_ref (link));
  g_string_append_printf (self->names, "%s ", name);
  g_signal_connect_object (link, "lost", G_CALLBACK (lost_cb), self, 0);
  g_signal_connect_object (link, "shutdown-requested", G_CALLBACK (shutdown_requested_cb), self, 0);
  if (!self->undecided)
    bb_slave_link_accept (link);
}

static void
login_failed (BbLoginHost *host, const char *name, gboolean known, const char *peer_address)
{
  BbTestLoginHost *self = BB_TEST_LOGIN_HOST (host);

  g_assert_true (g_str_has_prefix (peer_address, "127.0.0.1:"));
  g_string_append_printf (self->failures, "%s %s, ", known ? "wrong" : "unknown", name);
}

static void
bb_test_login_host_iface_init (BbLoginHostInterface *iface)
{
  iface->get_password = get_password;
  iface->login = login;
  iface->login_failed = login_failed;
}

static void
bb_test_login_host_finalize (GObject *object)
{
  BbTestLoginHost *self = BB_TEST_LOGIN_HOST (object);

  g_hash_table_unref (self->passwords);
  g_ptr_array_unref (self->links);
  g_string_free (self->names, TRUE);
  g_string_free (self->failures, TRUE);
  g_string_free (self->lost, TRUE);
  G_OBJECT_CLASS (bb_test_login_host_parent_class)->finalize (object);
}

static void
bb_test_login_host_class_init (BbTestLoginHostClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_test_login_host_finalize;
}

static void
bb_test_login_host_init (BbTestLoginHost *self)
{
  self->passwords = g_hash_table_new (g_str_hash, g_str_equal);
  g_hash_table_insert (self->passwords, (gpointer) "w1", (gpointer) "pw-one");
  self->links = g_ptr_array_new_with_free_func (g_object_unref);
  self->names = g_string_new (NULL);
  self->failures = g_string_new (NULL);
  self->lost = g_string_new (NULL);
}

BbTestLoginHost *
bb_test_login_host_new (void)
{
  return g_object_new (BB_TYPE_TEST_LOGIN_HOST, NULL);
}

void
bb_test_check_info_is_cut (BbSlaveLink *link, GVariant *info)
{
  GVariant *commands = bb_slave_commands_get_variant (bb_slave_link_get_commands (link));
  const char *admin = "";

  g_assert_true (g_variant_lookup (info, "admin", "&s", &admin));
  g_assert_cmpuint (strlen (admin), ==, 4095);
  g_assert_true (g_utf8_validate (admin, -1, NULL));
  g_assert_true (g_str_has_prefix (admin, "x\303\251"));
  g_assert_cmpuint (g_variant_n_children (info), ==, 99); /* the commands are the hundredth */
  g_assert_cmpuint (g_variant_n_children (commands), ==, 100);
}
