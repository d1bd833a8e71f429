/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-http.h"

#include "bb-openstack-error.h"
#include "bb-web-exchange.h"

#include <bbhost/bbhost.h>
#include <string.h>

#define MAX_RETRY_AFTER 3600

/* Of the session: what goes with each of its messages. */
#define CERTIFICATE "bb-openstack-certificate"
#define INSECURE "bb-openstack-insecure"

SoupSession *
bb_openstack_http_session_new (const BbOpenstackLogin *login, GError **error)
{
  const char *ca_file = bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_CACERT);
  const char *cert_file = bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_CERT);
  g_autoptr (SoupSession) session = bb_web_session_new (ca_file, error);

  if (session == NULL)
    {
      g_prefix_error (error, "os_cacert: ");
      return NULL;
    }
  if (cert_file != NULL)
    {
      const char *key_file = bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_KEY);
      GTlsCertificate *certificate
        = g_tls_certificate_new_from_files (cert_file, key_file != NULL ? key_file : cert_file, error);

      if (certificate == NULL)
        {
          g_prefix_error (error, "os_cert: ");
          return NULL;
        }
      g_object_set_data_full (G_OBJECT (session), CERTIFICATE, certificate, g_object_unref);
    }
  g_object_set_data (G_OBJECT (session), INSECURE, GINT_TO_POINTER (bb_openstack_login_is_insecure (login)));
  return g_steal_pointer (&session);
}

static gboolean
accept_certificate_cb (SoupMessage *message, GTlsCertificate *certificate, GTlsCertificateFlags flags,
                       gpointer user_data)
{
  return TRUE;
}

SoupMessage *
bb_openstack_http_message_new (SoupSession *session, const char *method, const char *url, JsonNode *body)
{
  SoupMessage *message = soup_message_new (method, url);
  GTlsCertificate *certificate = g_object_get_data (G_OBJECT (session), CERTIFICATE);

  g_return_val_if_fail (message != NULL, NULL);
  /* Without it errors are HTML. */
  soup_message_headers_replace (soup_message_get_request_headers (message), "Accept", "application/json");
  /* As OpenStack's services mostly end their connections themselves. */
  soup_message_headers_replace (soup_message_get_request_headers (message), "Connection", "close");
  soup_message_add_flags (message, SOUP_MESSAGE_NEW_CONNECTION);
  if (body != NULL)
    {
      g_autofree char *text = json_to_string (body, FALSE);
      g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

      soup_message_set_request_body_from_bytes (message, "application/json", bytes);
    }
  if (certificate != NULL)
    soup_message_set_tls_client_certificate (message, certificate);
  if (g_object_get_data (G_OBJECT (session), INSECURE) != NULL)
    g_signal_connect (message, "accept-certificate", G_CALLBACK (accept_certificate_cb), NULL);
  return message;
}

/* (nullable) (transfer full) */
static char *
describe_certificate (SoupMessage *message)
{
  static const struct
  {
    GTlsCertificateFlags flag;
    const char *text;
  } faults[] = {
    { G_TLS_CERTIFICATE_UNKNOWN_CA, "is signed by nobody that this machine trusts; give os_cacert" },
    { G_TLS_CERTIFICATE_BAD_IDENTITY, "is of another host" },
    { G_TLS_CERTIFICATE_NOT_ACTIVATED, "is not valid yet" },
    { G_TLS_CERTIFICATE_EXPIRED, "has expired" },
    { G_TLS_CERTIFICATE_REVOKED, "was revoked" },
    { G_TLS_CERTIFICATE_INSECURE, "is made in a way that is not safe any more" },
  };
  GTlsCertificateFlags flags = soup_message_get_tls_peer_certificate_errors (message);

  for (gsize i = 0; i < G_N_ELEMENTS (faults); i++)
    if ((flags & faults[i].flag) != 0)
      return g_strdup_printf ("the certificate of %s %s", g_uri_get_host (soup_message_get_uri (message)), faults[i].text);
  return NULL;
}

/* (nullable) (transfer full): for people, when it is by a certificate that nothing came of the exchange */
static char *
describe_distrust (SoupMessage *message, const GError *error)
{
  if (g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_CERTIFICATE_REQUIRED))
    return g_strdup ("a certificate of ours is wanted there; give os_cert and os_key");
  return error->domain == G_TLS_ERROR ? describe_certificate (message) : NULL;
}

void
bb_openstack_http_send_async (SoupSession *session, SoupMessage *message, double time_limit, gsize max_size,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  bb_web_exchange_async (session, message, time_limit, max_size, cancellable, callback, user_data);
}

GBytes *
bb_openstack_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree char *distrust = NULL;
  gboolean sent;
  GBytes *body = bb_web_exchange_finish (session, result, &sent, &reason);

  if (reason == NULL)
    return body;
  distrust = describe_distrust (bb_web_exchange_get_message (result), reason);
  if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&reason));
  else if (distrust != NULL)
    g_set_error_literal (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_TLS, distrust);
  else
    g_set_error_literal (error, BB_OPENSTACK_ERROR, sent ? BB_OPENSTACK_ERROR_LOST : BB_OPENSTACK_ERROR_UNSENT, reason->message);
  return NULL;
}

double
bb_openstack_http_get_retry_after (SoupMessage *message)
{
  const char *text = soup_message_headers_get_one (soup_message_get_response_headers (message), "Retry-After");
  guint status = soup_message_get_status (message);
  g_autoptr (GDateTime) then = NULL;
  g_autoptr (GDateTime) now = NULL;
  guint64 seconds = 0;

  if (text == NULL || (status != 429 && status != 413 && status != 503))
    return 0;
  if (g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT32, &seconds, NULL))
    return (double) MIN (seconds, MAX_RETRY_AFTER);
  then = soup_date_time_new_from_http_string (text);
  now = g_date_time_new_now_utc ();
  return then != NULL ? CLAMP ((double) g_date_time_difference (then, now) / G_USEC_PER_SEC, 0, MAX_RETRY_AFTER) : 0;
}
