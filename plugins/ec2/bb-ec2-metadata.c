/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-metadata.h"

#include "bb-ec2-error.h"
#include "bb-ec2-http.h"
#include "bb-ec2-profile.h"
#include "bb-web-json.h"

#include <string.h>

#define INSTANCE_ENDPOINT "http://169.254.169.254"
#define CONTAINER_ENDPOINT "http://169.254.170.2"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"
#define TOKEN_SECONDS "21600"
/* Where this machine is not one of EC2's, the address may swallow everything that is sent to it. */
#define TIME_LIMIT 2
#define MAX_ANSWER_SIZE 65536

typedef struct
{
  SoupSession *session;
  BbEc2Place *place;
  SoupMessage *message; /* the one under way */
  char *base;
  char *token;
  char *role;
} Search;

static void
search_free (gpointer data)
{
  Search *search = data;

  g_object_unref (search->session);
  bb_ec2_place_unref (search->place);
  g_clear_object (&search->message);
  g_free (search->base);
  g_free (search->token);
  g_free (search->role);
  g_free (search);
}

static void
return_none (GTask *task, const char *why)
{
  Search *search = g_task_get_task_data (task);
  g_autofree char *text
    = g_strdup_printf ("no keys: none in the slave's options, ~/.ec2/aws_id, the environment, %s (profile %s), %s; %s",
                       search->place->credentials_path, search->place->profile, search->place->config_path, why);

  g_task_return_error (task, bb_ec2_error_new (BB_EC2_ERROR_CREDENTIALS, NULL, text));
}

static BbEc2Credentials *
parse_keys (GBytes *body)
{
  g_autoptr (JsonNode) root = bb_web_json_parse (body);
  JsonObject *object = bb_web_json_to_object (root);
  const char *code;
  const char *id;
  const char *secret;
  const char *expiration;
  g_autoptr (GDateTime) expires = NULL;

  code = bb_web_json_get_string (object, "Code");
  expiration = bb_web_json_get_string (object, "Expiration");
  id = bb_web_json_get_string (object, "AccessKeyId");
  secret = bb_web_json_get_string (object, "SecretAccessKey");
  if ((code != NULL && !g_str_equal (code, "Success")) || id == NULL || secret == NULL)
    return NULL;
  expires = expiration != NULL ? g_date_time_new_from_iso8601 (expiration, NULL) : NULL;
  return bb_ec2_credentials_new (id, secret, bb_web_json_get_string (object, "Token"),
                                 expires != NULL ? g_date_time_to_unix (expires) : 0);
}

static void
send_message (GTask *task, const char *method, const char *path, GAsyncReadyCallback callback)
{
  Search *search = g_task_get_task_data (task);
  g_autofree char *url = g_strconcat (search->base, path, NULL);
  SoupMessage *message = soup_message_new (method, url);

  g_clear_object (&search->message);
  if (message == NULL)
    {
      return_none (task, "the metadata service's address is not one");
      g_object_unref (task);
      return;
    }
  search->message = message;
  if (g_str_equal (method, "PUT"))
    soup_message_headers_replace (soup_message_get_request_headers (message), "X-aws-ec2-metadata-token-ttl-seconds",
                                  TOKEN_SECONDS);
  else if (search->token != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (message), "X-aws-ec2-metadata-token",
                                  search->token);
  bb_ec2_http_send_async (search->session, message, TIME_LIMIT, MAX_ANSWER_SIZE, NULL, callback, task);
}

/* The body of a good answer; else returns the task, with @what as the reason. */
static GBytes *
take_answer (GTask *task, GObject *source, GAsyncResult *result, const char *what)
{
  Search *search = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) body = bb_ec2_http_send_finish (SOUP_SESSION (source), result, &error);
  g_autofree char *why = NULL;

  if (body != NULL && soup_message_get_status (search->message) == SOUP_STATUS_OK)
    return g_steal_pointer (&body);
  if (body == NULL)
    why = g_strdup_printf ("%s: %s", what, error->message);
  else
    why = g_strdup_printf ("%s: HTTP status %u", what, soup_message_get_status (search->message));
  return_none (task, why);
  return NULL;
}

static char *
first_line (GBytes *body)
{
  char *text = g_strndup (g_bytes_get_data (body, NULL), g_bytes_get_size (body));

  text[strcspn (text, "\r\n")] = '\0';
  return g_strstrip (text);
}

static void
keys_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GBytes) body = take_answer (task, source, result, "the metadata service's keys");
  BbEc2Credentials *credentials;

  if (body == NULL)
    return;
  credentials = parse_keys (body);
  if (credentials == NULL)
    return_none (task, "the metadata service's answer holds no keys");
  else
    g_task_return_pointer (task, credentials, (GDestroyNotify) bb_ec2_credentials_unref);
}

static void
role_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Search *search = g_task_get_task_data (task);
  g_autoptr (GBytes) body = take_answer (task, source, result, "the role of this machine");
  g_autofree char *path = NULL;

  if (body == NULL)
    return;
  search->role = first_line (body);
  if (*search->role == '\0')
    {
      return_none (task, "this machine has no role");
      return;
    }
  path = g_strconcat (ROLE_PATH, search->role, NULL);
  send_message (g_steal_pointer (&task), "GET", path, keys_received_cb);
}

static void
token_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Search *search = g_task_get_task_data (task);
  g_autoptr (GBytes) body = take_answer (task, source, result, "the metadata service of this machine");

  if (body == NULL)
    return;
  search->token = first_line (body);
  send_message (g_steal_pointer (&task), "GET", ROLE_PATH, role_received_cb);
}

/* A token over plain HTTP goes to addresses of the machine itself only, as the AWS tools have it. */
static gboolean
may_send_to (const char *url)
{
  static const char *const hosts[] = { "localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23",
                                       "fd00:ec2::23", NULL };
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  if (uri == NULL || g_uri_get_host (uri) == NULL)
    return FALSE;
  return g_str_equal (g_uri_get_scheme (uri), "https") || g_strv_contains (hosts, g_uri_get_host (uri));
}

static char *
container_token (BbEc2Place *place)
{
  const char *path = bb_ec2_place_getenv (place, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
  char *token = path != NULL ? bb_ec2_profile_read_file (path, NULL) : NULL;

  if (token == NULL)
    return g_strdup (bb_ec2_place_getenv (place, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
  return g_strstrip (token);
}

static void
ask_container (GTask *task, const char *url)
{
  Search *search = g_task_get_task_data (task);
  g_autofree char *token = container_token (search->place);

  search->message = may_send_to (url) ? soup_message_new ("GET", url) : NULL;
  if (search->message == NULL)
    {
      return_none (task, "the container's address for keys is neither https nor this machine");
      g_object_unref (task);
      return;
    }
  if (token != NULL)
    soup_message_headers_replace (soup_message_get_request_headers (search->message), "Authorization", token);
  bb_ec2_http_send_async (search->session, search->message, TIME_LIMIT, MAX_ANSWER_SIZE, NULL, keys_received_cb, task);
}

void
bb_ec2_metadata_get_keys_async (SoupSession *session, BbEc2Place *place, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Search *search = g_new0 (Search, 1);
  const char *relative = bb_ec2_place_getenv (place, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
  const char *full = bb_ec2_place_getenv (place, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
  const char *endpoint = bb_ec2_place_getenv (place, "AWS_EC2_METADATA_SERVICE_ENDPOINT");

  g_task_set_source_tag (task, bb_ec2_metadata_get_keys_async);
  search->session = g_object_ref (session);
  search->place = bb_ec2_place_ref (place);
  g_task_set_task_data (task, search, search_free);
  if (relative != NULL || full != NULL)
    {
      g_autofree char *url = relative != NULL ? g_strconcat (CONTAINER_ENDPOINT, relative, NULL) : g_strdup (full);

      ask_container (g_steal_pointer (&task), url);
      return;
    }
  if (bb_ec2_place_getenv (place, "AWS_EC2_METADATA_DISABLED") != NULL
      && g_ascii_strcasecmp (bb_ec2_place_getenv (place, "AWS_EC2_METADATA_DISABLED"), "true") == 0)
    {
      return_none (task, "the metadata service is switched off");
      return;
    }
  search->base = g_strdup (endpoint != NULL ? endpoint : INSTANCE_ENDPOINT);
  if (g_str_has_suffix (search->base, "/"))
    search->base[strlen (search->base) - 1] = '\0';
  send_message (g_steal_pointer (&task), "PUT", "/latest/api/token", token_received_cb);
}

BbEc2Credentials *
bb_ec2_metadata_get_keys_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
