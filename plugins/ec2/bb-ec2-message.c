/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-message.h"

#include "bb-ec2-error.h"
#include "bb-ec2-signature.h"

#include <openssl/crypto.h>
#include <string.h>

#define CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"
#define MAX_MESSAGE_LENGTH 600
#define MAX_RETRY_AFTER 300

BbEc2Credentials *
bb_ec2_credentials_new (const char *access_key_id, const char *secret_access_key, const char *session_token,
                        gint64 expires)
{
  BbEc2Credentials *self = g_new0 (BbEc2Credentials, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->access_key_id = g_strdup (access_key_id);
  self->secret_access_key = g_strdup (secret_access_key);
  self->session_token = g_strdup (session_token);
  self->expires = expires;
  return self;
}

BbEc2Credentials *
bb_ec2_credentials_ref (BbEc2Credentials *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bb_ec2_credentials_unref (BbEc2Credentials *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  OPENSSL_cleanse (self->secret_access_key, strlen (self->secret_access_key));
  g_free (self->access_key_id);
  g_free (self->secret_access_key);
  g_free (self->session_token);
  g_free (self);
}

gboolean
bb_ec2_credentials_equal (const BbEc2Credentials *a, const BbEc2Credentials *b)
{
  return g_str_equal (a->access_key_id, b->access_key_id) && g_str_equal (a->secret_access_key, b->secret_access_key)
         && g_strcmp0 (a->session_token, b->session_token) == 0;
}

/* The value that libsoup will send: with the port when it isn't the scheme's own. */
static char *
host_header (GUri *uri)
{
  const char *host = g_uri_get_host (uri);
  gboolean is_ipv6 = strchr (host, ':') != NULL;
  int port = g_uri_get_port (uri);
  int usual = g_str_equal (g_uri_get_scheme (uri), "https") ? 443 : 80;

  if (port == -1 || port == usual)
    return g_strdup_printf (is_ipv6 ? "[%s]" : "%s", host);
  return g_strdup_printf (is_ipv6 ? "[%s]:%d" : "%s:%d", host, port);
}

SoupMessage *
bb_ec2_message_new (const char *endpoint, const char *service, const char *region, BbEc2Query *query,
                    BbEc2Credentials *credentials, gint64 now)
{
  g_autoptr (GUri) uri = g_uri_parse (endpoint, SOUP_HTTP_URI_FLAGS, NULL);
  SoupMessage *message = soup_message_new_from_uri ("POST", uri);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  char *body = bb_ec2_query_encode (query);
  g_autofree char *timestamp = bb_ec2_signature_format_time (now);
  g_autofree char *host = host_header (uri);
  g_autofree char *authorization = NULL;
  g_autoptr (GBytes) bytes = g_bytes_new_take (body, strlen (body));
  const BbEc2Header to_sign[] = { { "Content-Type", CONTENT_TYPE },
                                  { "Host", host },
                                  { "X-Amz-Date", timestamp },
                                  { "X-Amz-Security-Token", credentials->session_token } };
  BbEc2SigningRequest request = { .method = "POST",
                                  .path = g_uri_get_path (uri),
                                  .query = g_uri_get_query (uri) != NULL ? g_uri_get_query (uri) : "",
                                  .headers = to_sign,
                                  .n_headers = credentials->session_token != NULL ? 4 : 3,
                                  .body = body,
                                  .body_length = strlen (body),
                                  .timestamp = timestamp,
                                  .region = region,
                                  .service = service };

  if (*request.path == '\0')
    request.path = "/";
  authorization
    = bb_ec2_signature_authorize (&request, credentials->access_key_id, credentials->secret_access_key);
  soup_message_headers_replace (headers, "Host", host);
  soup_message_headers_replace (headers, "X-Amz-Date", timestamp);
  if (credentials->session_token != NULL)
    soup_message_headers_replace (headers, "X-Amz-Security-Token", credentials->session_token);
  soup_message_headers_replace (headers, "Authorization", authorization);
  soup_message_set_request_body_from_bytes (message, CONTENT_TYPE, bytes);
  return message;
}

/* What a service writes into an error is for people, but it may be long, or hold a blob that only an administrator
 * can decode. */
static char *
tidy_text (char *text)
{
  char *blob = text != NULL ? strstr (text, "Encoded authorization failure message") : NULL;

  if (text == NULL)
    return g_strdup ("no message");
  if (blob != NULL)
    *blob = '\0';
  if (strlen (text) > MAX_MESSAGE_LENGTH)
    *g_utf8_find_prev_char (text, text + MAX_MESSAGE_LENGTH) = '\0';
  g_strstrip (text);
  g_strdelimit (text, "\r\n\t", ' ');
  return g_strdup (text);
}

static const char *
explain (BbEc2Error error_class, const char *action)
{
  if (error_class != BB_EC2_ERROR_FORBIDDEN)
    return NULL;
  if (g_str_equal (action, "RunInstances"))
    return "ec2:RunInstances and ec2:CreateTags, and iam:PassRole for an instance profile";
  return action;
}

static GError *
make_error (SoupMessage *message, xmlNode *root, const char *action, const char *region)
{
  xmlNode *details = bb_ec2_node_find (root, "Errors/Error");
  g_autofree char *code = NULL;
  g_autofree char *raw_text = NULL;
  g_autofree char *text = NULL;
  g_autofree char *request_id = bb_ec2_node_get_text (root, "RequestID");
  g_autoptr (GString) whole = g_string_new (NULL);
  BbEc2Error error_class;

  if (details == NULL)
    details = bb_ec2_node_find (root, "Error"); /* the shape of IAM and STS */
  if (request_id == NULL)
    request_id = bb_ec2_node_get_text (root, "RequestId");
  code = details != NULL ? bb_ec2_node_get_text (details, "Code") : NULL;
  raw_text = details != NULL ? bb_ec2_node_get_text (details, "Message") : NULL;
  error_class = bb_ec2_error_classify (soup_message_get_status (message), code);
  g_string_append_printf (whole, "%s in %s: ", action, region);
  if (code == NULL)
    g_string_append_printf (whole, "an answer that can't be read (HTTP status %u)", soup_message_get_status (message));
  else
    {
      text = tidy_text (raw_text);
      g_string_append_printf (whole, "%s: %s", code, text);
    }
  if (explain (error_class, action) != NULL)
    g_string_append_printf (whole, "; the account's user needs the permission %s%s",
                            strchr (explain (error_class, action), ':') != NULL ? "" : "ec2:",
                            explain (error_class, action));
  if (request_id != NULL)
    g_string_append_printf (whole, " (request %s)", request_id);
  return bb_ec2_error_new (error_class, code, whole->str);
}

BbEc2Document *
bb_ec2_message_parse_answer (SoupMessage *message, GBytes *body, const char *action, const char *region,
                             GError **error)
{
  g_autoptr (BbEc2Document) document
    = bb_ec2_document_parse (g_bytes_get_data (body, NULL), g_bytes_get_size (body));
  g_autofree char *root_name = g_strconcat (action, "Response", NULL);

  if (soup_message_get_status (message) == SOUP_STATUS_OK && document != NULL
      && bb_ec2_document_has_root (document, root_name))
    return g_steal_pointer (&document);
  g_propagate_error (error, make_error (message, document != NULL ? bb_ec2_document_get_root (document) : NULL, action,
                                        region));
  return NULL;
}

gint64
bb_ec2_message_get_date (SoupMessage *message)
{
  const char *text = soup_message_headers_get_one (soup_message_get_response_headers (message), "Date");
  g_autoptr (GDateTime) date = text != NULL ? soup_date_time_new_from_http_string (text) : NULL;

  return date != NULL ? g_date_time_to_unix (date) : 0;
}

double
bb_ec2_message_get_retry_after (SoupMessage *message)
{
  const char *text = soup_message_headers_get_one (soup_message_get_response_headers (message), "Retry-After");
  guint64 seconds;

  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 0, MAX_RETRY_AFTER, &seconds, NULL))
    return 0;
  return (double) seconds;
}
