/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <openssl/crypto.h>
#include <string.h>
#include <unistd.h>

#include "bb-login.h"
#include "bb-pb-broker.h"
#include "bb-pb-limits.h"
#include "bb-pb-link.h"
#include "bb-pb-login-private.h"

#define MD5_SIZE 16

typedef struct
{
  BbLogin login; /* first */
  BbPbBroker *broker;
  guint8 challenge[BB_PB_CHALLENGE_SIZE];
  gint64 challenger; /* 0 before login() */

  /* What respond() said, until it is decided. */
  guint8 response[MD5_SIZE];
  gboolean has_response; /* it had the right size */
  gint64 bot;
  gint64 request;
} PbLogin;

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
closed_cb (BbPbBroker *broker, const GError *reason, gpointer user_data)
{
  bb_login_end (user_data, reason);
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
  PbLogin *self = user_data;
  guint8 expected[MD5_SIZE];
  gboolean same;

  compute_response (password, self->challenge, expected);
  same = CRYPTO_memcmp (expected, self->response, MD5_SIZE) == 0;
  OPENSSL_cleanse (expected, sizeof expected);
  return same && self->has_response;
}

static BbStream *
get_stream (BbLogin *login)
{
  return bb_pb_broker_get_stream (((PbLogin *) login)->broker);
}

static void
close_broker (BbLogin *login, const GError *error)
{
  bb_pb_broker_close (((PbLogin *) login)->broker, FALSE, error);
}

static void
refuse (BbLogin *login)
{
  static const char *const parents[]
    = { "twisted.cred.error.UnauthorizedLogin", "twisted.cred.error.LoginFailed", "twisted.cred.error.Unauthorized",
        "builtins.Exception", "builtins.BaseException", "builtins.object", NULL };
  PbLogin *self = (PbLogin *) login;

  bb_pb_broker_answer_error (self->broker, self->request, parents, "");
  bb_pb_broker_ignore_input (self->broker);
  bb_timer_start_in (&login->timer, BB_PB_REFUSED_US);
}

static BbSlaveLink *
welcome (BbLogin *login)
{
  PbLogin *self = (PbLogin *) login;
  BbPbBroker *broker = g_steal_pointer (&self->broker);

  bb_pb_broker_set_root (broker, NULL, NULL);
  return BB_SLAVE_LINK (bb_pb_link_new (broker, bb_stranger_get_address (login->stranger), self->bot, self->request));
}

static void
pb_login_free (BbLogin *login)
{
  PbLogin *self = (PbLogin *) login;

  g_clear_pointer (&self->broker, bb_pb_broker_free);
  g_free (self);
}

static const BbLoginClass login_class = {
  .get_stream = get_stream,
  .close = close_broker,
  .is_right = is_response,
  .refuse = refuse,
  .welcome = welcome,
  .free = pb_login_free,
};

/* respond (RESPONSE, BOT) */
static void
respond_cb (const BbPbCall *call, gpointer user_data)
{
  PbLogin *self = user_data;
  const char *response;
  gsize length;

  if (!bb_jelly_text_is (call->method, "respond") || call->n_args != 2 || !call->wants_answer
      || !bb_jelly_get_text (call->first_arg, &response, &length)
      || !bb_jelly_get_remote (bb_jelly_next (call->first_arg), &self->bot))
    {
      bb_login_close (&self->login, "pb: a malformed answer to the challenge");
      return;
    }
  bb_pb_broker_remove_object (self->broker, self->challenger); /* each challenge counts once */
  self->request = call->request;
  self->has_response = length == MD5_SIZE;
  if (self->has_response)
    memcpy (self->response, response, MD5_SIZE);
  bb_login_decide (&self->login);
}

/* login (NAME): the challenge, for every name alike. */
static void
root_cb (const BbPbCall *call, gpointer user_data)
{
  PbLogin *self = user_data;
  const BbJellyWriter *writer;
  const char *name;
  gsize length;

  if (self->challenger != 0 || !bb_jelly_text_is (call->method, "login") || call->n_args != 1 || !call->wants_answer
      || !bb_jelly_get_text (call->first_arg, &name, &length) || length > BB_LINK_MAX_NAME
      || !make_challenge (self->challenge))
    {
      bb_login_close (&self->login, "pb: something else than one login");
      return;
    }
  self->login.name = bb_login_dup_name (name, length);
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
  PbLogin *self = g_new0 (PbLogin, 1);
  g_autoptr (GError) error = NULL;

  bb_login_init (&self->login, &login_class, loop, ticket, login_host);
  self->broker = bb_pb_broker_new (loop, fd, transport, transport_data, &login_events, self, &error);
  if (self->broker == NULL)
    {
      bb_login_fail (&self->login, error);
      return;
    }
  bb_pb_broker_set_root (self->broker, root_cb, self);
  bb_login_start (&self->login, login_time_us);
}
