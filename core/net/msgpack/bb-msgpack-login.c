/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/crypto.h>
#include <string.h>

#include "bb-link-limits.h"
#include "bb-log.h"
#include "bb-login-judge.h"
#include "bb-msgpack-link.h"

/* A connection from accept until its login is decided: name and password come with the request for a WebSocket. */
typedef struct
{
  BbWebsocket *socket;
  BbLoginTicket *ticket;
  BbLoginHost *login_host; /* not owned */
  BbTimer timer;           /* the login must be complete; or it is its turn */
  BbStranger *stranger;
  char *name;     /* NULL before the request */
  char *password; /* that it gave */
  gboolean deciding;
  gboolean refused;
} Login;

static void
login_free (Login *self)
{
  bb_timer_stop (&self->timer);
  if (self->ticket != NULL)
    bb_login_ticket_release (self->ticket);
  g_clear_pointer (&self->socket, bb_websocket_free);
  if (self->password != NULL)
    OPENSSL_cleanse (self->password, strlen (self->password));
  g_free (self->password);
  g_free (self->name);
  bb_stranger_unref (self->stranger);
  g_free (self);
}

static void
close_login (Login *self, const char *why)
{
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_PROTOCOL, why);

  self->deciding = FALSE;
  bb_timer_stop (&self->timer);
  bb_websocket_close (self->socket, FALSE, error);
}

static void
evicted_cb (const char *why, gpointer user_data)
{
  Login *self = user_data;

  self->ticket = NULL;
  close_login (self, why);
}

static void
refuse (Login *self)
{
  self->refused = TRUE;
  bb_timer_stop (&self->timer);
  bb_websocket_refuse (self->socket, "401 Unauthorized");
}

/* In a time that does not depend on where they differ. */
static gboolean
is_password (const char *password, gpointer user_data)
{
  Login *self = user_data;
  g_autoptr (GChecksum) wanted = g_checksum_new (G_CHECKSUM_SHA256);
  g_autoptr (GChecksum) given = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (wanted, (const guchar *) password, -1);
  g_checksum_update (given, (const guchar *) self->password, -1);
  return CRYPTO_memcmp (g_checksum_get_string (wanted), g_checksum_get_string (given), 64) == 0;
}

static void
welcome (Login *self)
{
  BbWebsocket *socket = g_steal_pointer (&self->socket);
  g_autoptr (BbMsgpackLink) link = NULL;

  bb_websocket_accept (socket);
  link = bb_msgpack_link_new (socket, bb_stranger_get_address (self->stranger), self->name);
  bb_login_host_login (self->login_host, self->name, BB_SLAVE_LINK (link));
  login_free (self);
}

static void
decide (Login *self)
{
  self->deciding = FALSE;
  if (bb_login_judge (self->ticket, self->login_host, bb_websocket_get_stream (self->socket), self->name, is_password,
                      self))
    welcome (self);
  else
    refuse (self);
}

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  Login *self = user_data;

  if (self->deciding)
    decide (self);
  else
    close_login (self, "no login within the time limit");
}

/* Basic base64(NAME:PASSWORD) */
static gboolean
read_authorization (Login *self, const char *authorization)
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
      self->name = bb_login_dup_name ((const char *) decoded, (gsize) (colon - decoded));
      self->password = g_strndup ((const char *) colon + 1, length - (gsize) (colon + 1 - decoded));
    }
  OPENSSL_cleanse (decoded, length);
  return self->name != NULL;
}

static void
request_cb (BbWebsocket *socket, const char *authorization, gpointer user_data)
{
  Login *self = user_data;
  gint64 wait_us;

  if (!read_authorization (self, authorization))
    {
      refuse (self);
      return;
    }
  wait_us = bb_login_throttle_reserve_us (bb_login_ticket_get_throttle (self->ticket),
                                          bb_stranger_get_host (self->stranger), self->name);
  if (wait_us < 0)
    close_login (self, "too many logins of this name have failed");
  else
    {
      self->deciding = TRUE;
      bb_timer_start_in (&self->timer, wait_us);
    }
}

static void
closed_cb (BbWebsocket *socket, const GError *reason, gpointer user_data)
{
  Login *self = user_data;

  /* One line for what a person may look for; those who just go are many and say nothing. */
  if (!self->refused && g_error_matches (reason, BB_ERROR, BB_ERROR_PROTOCOL)
      && bb_stranger_may_be_logged (self->stranger, G_LOG_LEVEL_INFO))
    bb_log_host (G_LOG_LEVEL_INFO, "connection from %s closed before login: %s", bb_stranger_get_address (self->stranger),
                 reason->message);
  login_free (self);
}

static const BbWebsocketEvents login_events = { request_cb, NULL, closed_cb };

void
bb_msgpack_login_begin (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                        BbLoginTicket *ticket, BbLoginHost *login_host, gint64 login_time_us)
{
  Login *self = g_new0 (Login, 1);
  g_autoptr (GError) error = NULL;

  self->ticket = ticket;
  self->login_host = login_host;
  self->stranger = bb_stranger_ref (bb_login_ticket_get_stranger (ticket));
  bb_timer_init (&self->timer, loop, timer_cb, self);
  self->socket = bb_websocket_new (loop, fd, transport, transport_data, &login_events, self, &error);
  if (self->socket == NULL)
    {
      if (bb_stranger_may_be_logged (self->stranger, G_LOG_LEVEL_WARNING))
        bb_log_host (G_LOG_LEVEL_WARNING, "connection from %s: %s", bb_stranger_get_address (self->stranger), error->message);
      login_free (self);
      return;
    }
  bb_login_ticket_set_evict (ticket, evicted_cb, self);
  bb_timer_start_in (&self->timer, login_time_us);
}
