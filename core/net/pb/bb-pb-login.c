/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#include "bb-log.h"
#include "bb-login-judge.h"
#include "bb-pb-broker.h"
#include "bb-pb-limits.h"
#include "bb-pb-link.h"
#include "bb-pb-login-private.h"

#define MD5_SIZE 16

/* A connection from accept until its login is decided. */
typedef struct
{
  BbPbBroker *broker;
  BbLoginTicket *ticket;
  BbLoginHost *login_host; /* not owned */
  BbTimer timer;           /* the login must be complete; a refused peer must be gone */
  char *name;
  BbStranger *stranger;
  guint8 challenge[BB_PB_CHALLENGE_SIZE];
  gint64 challenger; /* 0 before login() */
  gboolean refused;

  /* What respond() said, until it is decided. */
  gboolean deciding;
  guint8 response[MD5_SIZE];
  gboolean has_response; /* it had the right size */
  gint64 bot;
  gint64 request;
} Login;

static void decide (Login *self);

/* The kernel's own: OpenSSL's would cost ten times as much, and where there is no TLS it sleeps. */
static gboolean
random_challenge (guint8 *challenge)
{
  return getentropy (challenge, BB_PB_CHALLENGE_SIZE) == 0;
}

static BbPbChallengeFunc make_challenge = random_challenge;

void
bb_pb_login_set_challenge_func (BbPbChallengeFunc func)
{
  make_challenge = func != NULL ? func : random_challenge;
}

static void
login_free (Login *self)
{
  bb_timer_stop (&self->timer);
  if (self->ticket != NULL)
    bb_login_ticket_release (self->ticket);
  g_clear_pointer (&self->broker, bb_pb_broker_free);
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
  bb_pb_broker_close (self->broker, FALSE, error);
}

static void
evicted_cb (const char *why, gpointer user_data)
{
  Login *self = user_data;

  self->ticket = NULL;
  close_login (self, why);
}

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  Login *self = user_data;

  if (self->deciding)
    {
      decide (self);
      return;
    }
  close_login (self, self->refused ? "a refused peer has stayed long enough" : "no login within the time limit");
}

static void
closed_cb (BbPbBroker *broker, const GError *reason, gpointer user_data)
{
  Login *self = user_data;

  /* One line for what a person may look for; those who just go are many and say nothing. */
  if (!self->refused && g_error_matches (reason, BB_ERROR, BB_ERROR_PROTOCOL)
      && bb_stranger_may_be_logged (self->stranger, G_LOG_LEVEL_INFO))
    bb_log_host (G_LOG_LEVEL_INFO, "connection from %s closed before login: %s", bb_stranger_get_address (self->stranger),
                 reason->message);
  login_free (self);
}

static const BbPbBrokerEvents login_events = { closed_cb };

/* MD5 (MD5 (password) || challenge), worker-protocol 4.1. */
static void
compute_response (const char *password, const guint8 *challenge, guint8 *response)
{
  g_autoptr (GChecksum) inner = g_checksum_new (G_CHECKSUM_MD5);
  g_autoptr (GChecksum) outer = g_checksum_new (G_CHECKSUM_MD5);
  guint8 digest[MD5_SIZE];
  gsize size = sizeof digest;

  g_checksum_update (inner, (const guchar *) password, -1);
  g_checksum_get_digest (inner, digest, &size);
  g_checksum_update (outer, digest, sizeof digest);
  g_checksum_update (outer, challenge, BB_PB_CHALLENGE_SIZE);
  size = MD5_SIZE;
  g_checksum_get_digest (outer, response, &size);
  OPENSSL_cleanse (digest, sizeof digest);
}

static gboolean
is_response (const char *password, gpointer user_data)
{
  Login *self = user_data;
  guint8 expected[MD5_SIZE];
  gboolean same;

  compute_response (password, self->challenge, expected);
  same = CRYPTO_memcmp (expected, self->response, MD5_SIZE) == 0;
  OPENSSL_cleanse (expected, sizeof expected);
  return same && self->has_response;
}

static void
refuse (Login *self)
{
  static const char *const parents[]
    = { "twisted.cred.error.UnauthorizedLogin", "twisted.cred.error.LoginFailed", "twisted.cred.error.Unauthorized",
        "builtins.Exception", "builtins.BaseException", "builtins.object", NULL };

  self->refused = TRUE;
  bb_pb_broker_answer_error (self->broker, self->request, parents, "");
  bb_pb_broker_ignore_input (self->broker);
  bb_timer_start_in (&self->timer, BB_PB_REFUSED_US);
}

static void
welcome (Login *self)
{
  BbPbBroker *broker = g_steal_pointer (&self->broker);
  g_autoptr (BbPbLink) link = NULL;

  bb_pb_broker_set_root (broker, NULL, NULL);
  link = bb_pb_link_new (broker, bb_stranger_get_address (self->stranger), self->bot, self->request);
  bb_login_host_login (self->login_host, self->name, BB_SLAVE_LINK (link));
  login_free (self);
}

static void
decide (Login *self)
{
  self->deciding = FALSE;
  if (bb_login_judge (self->ticket, self->login_host, bb_pb_broker_get_stream (self->broker), self->name, is_response,
                      self))
    welcome (self);
  else
    refuse (self);
}

/* respond (RESPONSE, BOT) */
static void
respond_cb (const BbPbCall *call, gpointer user_data)
{
  Login *self = user_data;
  const char *response;
  gsize length;
  gint64 wait_us;

  if (!bb_jelly_text_is (call->method, "respond") || call->n_args != 2 || !call->wants_answer
      || !bb_jelly_get_text (call->first_arg, &response, &length)
      || !bb_jelly_get_remote (bb_jelly_next (call->first_arg), &self->bot))
    {
      close_login (self, "pb: a malformed answer to the challenge");
      return;
    }
  bb_pb_broker_remove_object (self->broker, self->challenger); /* each challenge counts once */
  self->request = call->request;
  self->has_response = length == MD5_SIZE;
  if (self->has_response)
    memcpy (self->response, response, MD5_SIZE);
  wait_us = bb_login_throttle_reserve_us (bb_login_ticket_get_throttle (self->ticket),
                                          bb_stranger_get_host (self->stranger), self->name);
  if (wait_us < 0)
    {
      close_login (self, "too many logins of this name have failed");
      return;
    }
  if (wait_us == 0)
    {
      decide (self);
      return;
    }
  self->deciding = TRUE;
  bb_timer_start_in (&self->timer, wait_us);
}

/* login (NAME): the challenge, for every name alike. */
static void
root_cb (const BbPbCall *call, gpointer user_data)
{
  Login *self = user_data;
  const BbJellyWriter *writer;
  const char *name;
  gsize length;

  if (self->challenger != 0 || !bb_jelly_text_is (call->method, "login") || call->n_args != 1 || !call->wants_answer
      || !bb_jelly_get_text (call->first_arg, &name, &length) || length > BB_LINK_MAX_NAME
      || !make_challenge (self->challenge))
    {
      close_login (self, "pb: something else than one login");
      return;
    }
  self->name = bb_login_dup_name (name, length);
  self->challenger = bb_pb_broker_add_object (self->broker, respond_cb, self);
  writer = bb_pb_broker_begin_answer (self->broker, call->request);
  bb_jelly_put_tagged (writer, "tuple", 2);
  bb_jelly_put_bytes (writer, (const char *) self->challenge, BB_PB_CHALLENGE_SIZE);
  bb_jelly_put_remote (writer, self->challenger);
  bb_pb_broker_end_answer (self->broker);
}

void
bb_pb_login_begin (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data, BbLoginTicket *ticket,
                   BbLoginHost *login_host, gint64 login_time_us)
{
  Login *self = g_new0 (Login, 1);
  g_autoptr (GError) error = NULL;

  self->ticket = ticket;
  self->login_host = login_host;
  self->stranger = bb_stranger_ref (bb_login_ticket_get_stranger (ticket));
  bb_timer_init (&self->timer, loop, timer_cb, self);
  self->broker = bb_pb_broker_new (loop, fd, transport, transport_data, &login_events, self, &error);
  if (self->broker == NULL)
    {
      if (bb_stranger_may_be_logged (self->stranger, G_LOG_LEVEL_WARNING))
        bb_log_host (G_LOG_LEVEL_WARNING, "connection from %s: %s", bb_stranger_get_address (self->stranger), error->message);
      login_free (self);
      return;
    }
  bb_login_ticket_set_evict (ticket, evicted_cb, self);
  bb_pb_broker_set_root (self->broker, root_cb, self);
  bb_timer_start_in (&self->timer, login_time_us);
}
