/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>

#include "bb-error.h"
#include "bb-log.h"

/* What one record holds at most. Only whole ones are taken out, so that nothing stays behind in the library, where the
 * loop would not see it. */
#define MAX_RECORD SSL3_RT_MAX_PLAIN_LENGTH
/* A peer's certificate with those between it and its CA. */
#define MAX_PEER_CHAIN (64 * 1024)

struct _BbTlsContext
{
  gatomicrefcount references;
  SSL_CTX *ctx;
};

typedef struct
{
  SSL *ssl;
  BbStranger *peer;
  gboolean broken; /* nothing may be sent any more, not even a farewell */
} Connection;

/* The first of the library's errors is the nearest to the cause. */
static const char *
take_reason (void)
{
  unsigned long code = ERR_peek_error ();
  const char *reason = code != 0 ? ERR_reason_error_string (code) : NULL;

  ERR_clear_error ();
  return reason != NULL ? reason : "unknown error";
}

/* Nobody is asked at a terminal. */
static int
no_passphrase (char *buffer, int size, int writing, void *user_data)
{
  return -1;
}

BbTlsContext *
bb_tls_context_new (GError **error)
{
  static const guint8 id[] = "bbhost";
  g_autoptr (BbTlsContext) self = g_new0 (BbTlsContext, 1);

  g_atomic_ref_count_init (&self->references);
  ERR_clear_error ();
  self->ctx = SSL_CTX_new (TLS_server_method ());
  if (self->ctx == NULL || SSL_CTX_set_min_proto_version (self->ctx, TLS1_2_VERSION) != 1
      || SSL_CTX_set_session_id_context (self->ctx, id, sizeof id - 1) != 1)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "cannot begin with TLS: %s", take_reason ());
      return NULL;
    }
  SSL_CTX_set_options (self->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode (self->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                 | SSL_MODE_RELEASE_BUFFERS);
  /* Sessions are resumed by tickets, which the peers keep: nothing is remembered here. */
  SSL_CTX_set_session_cache_mode (self->ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets (self->ctx, 1);
  SSL_CTX_set_max_cert_list (self->ctx, MAX_PEER_CHAIN);
  SSL_CTX_set_default_passwd_cb (self->ctx, no_passphrase);
  return g_steal_pointer (&self);
}

BbTlsContext *
bb_tls_context_ref (BbTlsContext *self)
{
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
bb_tls_context_unref (BbTlsContext *self)
{
  if (!g_atomic_ref_count_dec (&self->references))
    return;
  SSL_CTX_free (self->ctx);
  g_free (self);
}

gboolean
bb_tls_context_load_certificate (BbTlsContext *self, const char *path, GError **error)
{
  ERR_clear_error ();
  if (SSL_CTX_use_certificate_chain_file (self->ctx, path) == 1)
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: not a certificate chain in PEM (%s)", path, take_reason ());
  return FALSE;
}

gboolean
bb_tls_context_load_private_key (BbTlsContext *self, const char *path, GError **error)
{
  unsigned long code;

  ERR_clear_error ();
  if (SSL_CTX_use_PrivateKey_file (self->ctx, path, SSL_FILETYPE_PEM) == 1
      && SSL_CTX_check_private_key (self->ctx) == 1)
    return TRUE;
  code = ERR_peek_error ();
  if (ERR_GET_LIB (code) == ERR_LIB_X509)
    g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: is not the key of the certificate", path);
  else
    g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: not a private key in PEM without a passphrase (%s)", path,
                 take_reason ());
  ERR_clear_error ();
  return FALSE;
}

gboolean
bb_tls_context_load_client_ca (BbTlsContext *self, const char *path, GError **error)
{
  STACK_OF (X509_NAME) *names;

  ERR_clear_error ();
  names = SSL_load_client_CA_file (path);
  if (names == NULL || SSL_CTX_load_verify_file (self->ctx, path) != 1)
    {
      sk_X509_NAME_pop_free (names, X509_NAME_free);
      g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: not certificates in PEM (%s)", path, take_reason ());
      return FALSE;
    }
  SSL_CTX_set_client_CA_list (self->ctx, names);
  SSL_CTX_set_verify (self->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
  return TRUE;
}

gpointer
bb_tls_connection_new (BbTlsContext *context, int fd, BbStranger *peer)
{
  SSL *ssl;
  Connection *self;

  ERR_clear_error ();
  ssl = SSL_new (context->ctx);
  if (ssl == NULL || SSL_set_fd (ssl, fd) != 1)
    {
      SSL_free (ssl);
      return NULL;
    }
  SSL_set_accept_state (ssl);
  self = g_new0 (Connection, 1);
  self->ssl = ssl;
  self->peer = bb_stranger_ref (peer);
  return self;
}

/* One line for what a person may look for; those who just go are many and say nothing. */
static void
log_failed_handshake (Connection *self, int error)
{
  long verified = SSL_get_verify_result (self->ssl);
  const char *address = bb_stranger_get_address (self->peer);

  if (error != SSL_ERROR_SSL || !bb_stranger_may_be_logged (self->peer, G_LOG_LEVEL_INFO))
    return;
  if (verified != X509_V_OK)
    bb_log_host (G_LOG_LEVEL_INFO, "connection from %s closed: no TLS with its certificate: %s", address,
                 X509_verify_cert_error_string (verified));
  else
    bb_log_host (G_LOG_LEVEL_INFO, "connection from %s closed: no TLS with it: %s", address, take_reason ());
}

/* After a call of the library that returned @result: as recv and send do. */
static gssize
fail (Connection *self, int result, guint *wait)
{
  int saved = errno;
  int error = SSL_get_error (self->ssl, result);

  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
    {
      *wait = error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT;
      errno = EAGAIN;
      return -1;
    }
  if (error == SSL_ERROR_ZERO_RETURN)
    return 0;
  if (!SSL_is_init_finished (self->ssl) && !self->broken)
    log_failed_handshake (self, error);
  self->broken = TRUE;
  ERR_clear_error ();
  if (error == SSL_ERROR_SYSCALL && saved == 0)
    return 0;
  errno = error == SSL_ERROR_SYSCALL ? saved : EPROTO;
  return -1;
}

static gssize
tls_receive (gpointer transport, int fd, guint8 *data, gsize length, guint *wait)
{
  Connection *self = transport;
  gsize got = 0;

  g_return_val_if_fail (length >= MAX_RECORD, -1);

  *wait = EPOLLIN;
  while (length - got >= MAX_RECORD)
    {
      int n;

      ERR_clear_error ();
      errno = 0;
      n = SSL_read (self->ssl, data + got, (int) MIN (length - got, G_MAXINT));
      if (n > 0)
        got += (gsize) n;
      else if (got > 0)
        break; /* what stopped it comes again with the next call */
      else
        return fail (self, n, wait);
    }
  return (gssize) got;
}

static gssize
tls_send (gpointer transport, int fd, const guint8 *data, gsize length, guint *wait)
{
  Connection *self = transport;
  gssize result;
  int n;

  *wait = EPOLLOUT;
  ERR_clear_error ();
  errno = 0;
  n = SSL_write (self->ssl, data, (int) MIN (length, G_MAXINT));
  if (n > 0)
    return n;
  result = fail (self, n, wait);
  if (result == 0) /* the peer has said that it ends; recv knows a word for it, send does not */
    {
      errno = EPIPE;
      result = -1;
    }
  return result;
}

static gboolean
text_is (const ASN1_STRING *text, const char *name)
{
  gsize length = (gsize) ASN1_STRING_length (text);

  return length == strlen (name) && memcmp (ASN1_STRING_get0_data (text), name, length) == 0;
}

static gboolean
common_name_is (X509 *certificate, const char *name)
{
  const X509_NAME *subject = X509_get_subject_name (certificate);

  for (int i = -1; (i = X509_NAME_get_index_by_NID (subject, NID_commonName, i)) >= 0;)
    if (text_is (X509_NAME_ENTRY_get_data (X509_NAME_get_entry (subject, i)), name))
      return TRUE;
  return FALSE;
}

static gboolean
alternative_name_is (X509 *certificate, const char *name)
{
  GENERAL_NAMES *names = X509_get_ext_d2i (certificate, NID_subject_alt_name, NULL, NULL);
  gboolean found = FALSE;

  for (int i = 0; i < sk_GENERAL_NAME_num (names) && !found; i++)
    {
      const GENERAL_NAME *one = sk_GENERAL_NAME_value (names, i);

      found = one->type == GEN_DNS && text_is (one->d.dNSName, name);
    }
  GENERAL_NAMES_free (names);
  return found;
}

/* Exactly: no wildcards, and upper case is another name, as it is in the configuration. */
static gboolean
tls_fits_name (gpointer transport, const char *name)
{
  Connection *self = transport;
  X509 *certificate;

  if (SSL_get_verify_mode (self->ssl) == SSL_VERIFY_NONE)
    return TRUE;
  certificate = SSL_get0_peer_certificate (self->ssl);
  return certificate != NULL && (common_name_is (certificate, name) || alternative_name_is (certificate, name));
}

static void
tls_free (gpointer transport)
{
  Connection *self = transport;

  /* Half a farewell is enough: the socket is closed next. */
  if (!self->broken && SSL_is_init_finished (self->ssl))
    SSL_shutdown (self->ssl);
  ERR_clear_error ();
  SSL_free (self->ssl);
  bb_stranger_unref (self->peer);
  g_free (self);
}

const BbTransport bb_tls_transport = { tls_receive, tls_send, tls_free, tls_fits_name };
