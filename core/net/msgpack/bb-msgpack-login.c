/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/crypto.h>
#include <string.h>

#include "bb-link-limits.h"
#include "bb-login.h"
#include "bb-msgpack-link.h"

/* Name and password come with the request for a WebSocket. */
typedef struct
{
  BbLogin login; /* first */
  BbWebsocket *socket;
  char *password; /* that it gave; NULL before the request */
} MsgpackLogin;

static BbStream *
get_stream (BbLogin *login)
{
  return bb_websocket_get_stream (((MsgpackLogin *) login)->socket);
}

static void
close_socket (BbLogin *login, const GError *error)
{
  bb_websocket_close (((MsgpackLogin *) login)->socket, FALSE, error);
}

static void
refuse (BbLogin *login)
{
  bb_websocket_refuse (((MsgpackLogin *) login)->socket, "401 Unauthorized");
}

/* In a time that does not depend on where they differ. */
static gboolean
is_password (const char *password, gpointer user_data)
{
  MsgpackLogin *self = user_data;
  g_autoptr (GChecksum) wanted = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GChecksum) given = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (wanted, (const guchar *) password, -1);
  g_checksum_update (given, (const guchar *) self->password, -1);
  return CRYPTO_memcmp (g_checksum_get_string (wanted), g_checksum_get_string (given), 64) == 0;
}

static BbSlaveLink *
welcome (BbLogin *login)
{
  BbWebsocket *socket = g_steal_pointer (&((MsgpackLogin *) login)->socket);

  bb_websocket_accept (socket);
  return BB_SLAVE_LINK (bb_msgpack_link_new (socket, bb_stranger_get_address (login->stranger), login->name));
}

static void
msgpack_login_free (BbLogin *login)
{
  MsgpackLogin *self = (MsgpackLogin *) login;

  g_clear_pointer (&self->socket, bb_websocket_free);
  if (self->password != NULL)
    OPENSSL_cleanse (self->password, strlen (self->password));
  g_free (self->password);
  g_free (self);
}

static const BbLoginClass login_class = {
  .get_stream = get_stream,
  .close = close_socket,
  .is_right = is_password,
  .refuse = refuse,
  .welcome = welcome,
  .free = msgpack_login_free,
  .in_own_turn = TRUE,
};

/* Basic base64(NAME:PASSWORD) */
static gboolean
read_authorization (MsgpackLogin *self, const char *authorization)
{
  g_autofree guchar *decoded = NULL;
  gsize length = 0;
  const guchar *colon;

  if (authorization == NULL || g_ascii_strncasecmp (authorization, "Basic ", 6) != 0 || authorization[6] == '\0')
    return FALSE;
  decoded = g_base64_decode (authorization + 6, &length);
  colon = memchr (decoded, ':', length);
  if (colon != NULL && memchr (decoded, '\0', length) == NULL && colon - decoded <= BB_LINK_MAX_NAME)
    {
      self->login.name = bb_login_dup_name ((const char *) decoded, (gsize) (colon - decoded));
      self->password = g_strndup ((const char *) colon + 1, length - (gsize) (colon + 1 - decoded));
    }
  OPENSSL_cleanse (decoded, length);
  return self->login.name != NULL;
}

static void
request_cb (BbWebsocket *socket, const char *authorization, gpointer user_data)
{
  MsgpackLogin *self = user_data;

  if (read_authorization (self, authorization))
    bb_login_decide (&self->login);
  else
    bb_login_refuse (&self->login);
}

static void
closed_cb (BbWebsocket *socket, const GError *reason, gpointer user_data)
{
  bb_login_end (user_data, reason);
}

static const BbWebsocketEvents login_events = { request_cb, NULL, closed_cb };

void
bb_msgpack_login_begin (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                        BbLoginTicket *ticket, BbLoginHost *login_host, gint64 login_time_us)
{
  MsgpackLogin *self = g_new0 (MsgpackLogin, 1);
  g_autoptr (GError) error = NULL;

  bb_login_init (&self->login, &login_class, loop, ticket, login_host);
  self->socket = bb_websocket_new (loop, fd, transport, transport_data, &login_events, self, &error);
  if (self->socket != NULL)
    bb_login_start (&self->login, login_time_us);
  else
    bb_login_fail (&self->login, error);
}
