/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-http.h"

#include "bb-ec2-error.h"
#include "bb-web-exchange.h"

SoupSession *
bb_ec2_http_session_new (gboolean use_proxy, const char *ca_file, GError **error)
{
  SoupSession *session = bb_web_session_new (ca_file, error);

  if (session == NULL)
    {
      g_prefix_error (error, "certificates of %s: ", ca_file);
      return NULL;
    }
  soup_session_remove_feature_by_type (session, SOUP_TYPE_CONTENT_DECODER);
  if (!use_proxy)
    soup_session_set_proxy_resolver (session, NULL);
  return session;
}

void
bb_ec2_http_send_async (SoupSession *session, SoupMessage *message, double time_limit, gsize max_size,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  bb_web_exchange_async (session, message, time_limit, max_size, cancellable, callback, user_data);
}

GBytes *
bb_ec2_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error)
{
  g_autoptr (GError) reason = NULL;
  gboolean sent;
  GBytes *body = bb_web_exchange_finish (session, result, &sent, &reason);

  if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, g_steal_pointer (&reason));
  else if (reason != NULL)
    g_propagate_error (error, bb_ec2_error_new (sent ? BB_EC2_ERROR_LOST : BB_EC2_ERROR_UNSENT, NULL, reason->message));
  return body;
}
