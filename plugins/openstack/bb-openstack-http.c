/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-http.h"

#include "bb-openstack-error.h"

#include <bbhost/bbhost.h>
#include <string.h>

#define CHUNK_SIZE 65536
#define MAX_CONNECTIONS 16
#define MAX_RETRY_AFTER 3600

/* Of the session: what goes with each of its messages. */
#define CERTIFICATE "bb-openstack-certificate"
#define INSECURE "bb-openstack-insecure"

typedef struct
{
  SoupMessage *message;
  GCancellable *cancellable; /* of the exchange: cancelled by the caller's, or when the time is over */
  GCancellable *caller;      /* (nullable) */
  gulong caller_id;
  GCancellable *timer;
  GInputStream *stream;
  GByteArray *body;
  gsize max_size;
  double time_limit;
  gboolean sent;
  gboolean timed_out;
} Exchange;

static void
exchange_free (gpointer data)
{
  Exchange *exchange = data;

  g_signal_handlers_disconnect_by_data (exchange->message, exchange);
  g_clear_object (&exchange->message);
  g_clear_object (&exchange->cancellable);
  g_clear_object (&exchange->caller);
  g_clear_object (&exchange->timer);
  g_clear_object (&exchange->stream);
  g_byte_array_unref (exchange->body);
  g_free (exchange);
}

SoupSession *
bb_openstack_http_session_new (const BbOpenstackLogin *login, GError **error)
{
  g_autoptr (SoupSession) session = soup_session_new_with_options ("user-agent", "bbhost/" PACKAGE_VERSION,
                                                                    "max-conns", MAX_CONNECTIONS,
                                                                    "max-conns-per-host", MAX_CONNECTIONS, NULL);
  const char *ca_file = bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_CACERT);
  const char *cert_file = bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_CERT);

  if (ca_file != NULL)
    {
      g_autoptr (GTlsDatabase) database = g_tls_file_database_new (ca_file, error);

      if (database == NULL)
        {
          g_prefix_error (error, "os_cacert: ");
          return NULL;
        }
      soup_session_set_tls_database (session, database);
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
  /* As OpenStack's services mostly end their connections themselves. What gets no answer on one that was used before, libsoup
   * repeats on its own, and 3.2 crashes over it. */
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

/* Ends the timer and the wish to hear of the caller's cancelling; then nothing but the task's callback is left to come.
 * May run within that cancelling, where g_cancellable_disconnect() would wait for itself. */
static void
exchange_end (Exchange *exchange)
{
  g_cancellable_cancel (exchange->timer);
  if (exchange->caller_id != 0)
    g_signal_handler_disconnect (exchange->caller, exchange->caller_id);
  exchange->caller_id = 0;
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
describe_distrust (Exchange *exchange, const GError *error)
{
  if (g_error_matches (error, G_TLS_ERROR, G_TLS_ERROR_CERTIFICATE_REQUIRED))
    return g_strdup ("a certificate of ours is wanted there; give os_cert and os_key");
  return error->domain == G_TLS_ERROR ? describe_certificate (exchange->message) : NULL;
}

static void
return_failure (GTask *task, GError *error)
{
  Exchange *exchange = g_task_get_task_data (task);
  g_autofree char *text = NULL;

  exchange_end (exchange);
  if (!exchange->timed_out && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_task_return_error (task, error);
      return;
    }
  text = exchange->timed_out ? NULL : describe_distrust (exchange, error);
  if (text != NULL)
    {
      g_error_free (error);
      g_task_return_error (task, g_error_new_literal (BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_TLS, text));
      return;
    }
  text = exchange->timed_out ? g_strdup_printf ("no answer within %.0f seconds", exchange->time_limit)
                             : g_strdup (error->message);
  g_error_free (error);
  g_task_return_error (task, g_error_new_literal (BB_OPENSTACK_ERROR,
                                                   exchange->sent ? BB_OPENSTACK_ERROR_LOST : BB_OPENSTACK_ERROR_UNSENT,
                                                   text));
}

static void read_more (GTask *task);

static void
bytes_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);

  if (bytes == NULL)
    {
      return_failure (task, g_steal_pointer (&error));
      return;
    }
  if (g_bytes_get_size (bytes) == 0)
    {
      exchange_end (exchange);
      g_task_return_pointer (task, g_byte_array_free_to_bytes (g_steal_pointer (&exchange->body)),
                             (GDestroyNotify) g_bytes_unref);
      exchange->body = g_byte_array_new ();
      return;
    }
  if (exchange->body->len + g_bytes_get_size (bytes) > exchange->max_size)
    {
      return_failure (task, g_error_new (G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
                                         "the answer is larger than %" G_GSIZE_FORMAT " bytes", exchange->max_size));
      return;
    }
  g_byte_array_append (exchange->body, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
  read_more (g_steal_pointer (&task));
}

static void
read_more (GTask *task)
{
  Exchange *exchange = g_task_get_task_data (task);

  g_input_stream_read_bytes_async (exchange->stream, CHUNK_SIZE, G_PRIORITY_DEFAULT, exchange->cancellable,
                                   bytes_read_cb, task);
}

static void
headers_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exchange *exchange = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  exchange->stream = soup_session_send_finish (SOUP_SESSION (source), result, &error);
  if (exchange->stream == NULL)
    return_failure (task, g_steal_pointer (&error));
  else
    read_more (g_steal_pointer (&task));
}

static void
time_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Exchange *exchange = g_task_get_task_data (task);

  if (!bb_delay_finish (result, NULL))
    return;
  exchange->timed_out = TRUE;
  g_cancellable_cancel (exchange->cancellable);
}

static void
caller_cancelled_cb (GCancellable *caller, gpointer user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
}

static void
wrote_headers_cb (SoupMessage *message, gpointer user_data)
{
  Exchange *exchange = user_data;

  exchange->sent = TRUE;
}

void
bb_openstack_http_send_async (SoupSession *session, SoupMessage *message, double time_limit, gsize max_size,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (session, cancellable, callback, user_data);
  Exchange *exchange = g_new0 (Exchange, 1);

  g_task_set_source_tag (task, bb_openstack_http_send_async);
  g_task_set_check_cancellable (task, FALSE);
  exchange->message = g_object_ref (message);
  exchange->cancellable = g_cancellable_new ();
  exchange->timer = g_cancellable_new ();
  exchange->body = g_byte_array_new ();
  exchange->max_size = max_size;
  exchange->time_limit = time_limit;
  g_task_set_task_data (task, exchange, exchange_free);
  if (g_task_return_error_if_cancelled (task))
    return;

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  soup_message_disable_feature (message, SOUP_TYPE_AUTH_MANAGER);
  g_signal_connect (message, "wrote-headers", G_CALLBACK (wrote_headers_cb), exchange);
  if (cancellable != NULL)
    {
      exchange->caller = g_object_ref (cancellable);
      exchange->caller_id = g_cancellable_connect (cancellable, G_CALLBACK (caller_cancelled_cb),
                                                   exchange->cancellable, NULL);
    }
  bb_delay_async (time_limit, exchange->timer, time_over_cb, g_object_ref (task));
  soup_session_send_async (session, message, G_PRIORITY_DEFAULT, exchange->cancellable, headers_received_cb,
                           g_steal_pointer (&task));
}

GBytes *
bb_openstack_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, session), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
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
