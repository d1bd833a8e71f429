/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-account.h"

#include "bb-openstack-error.h"
#include "bb-openstack-http.h"
#include "bb-web-json.h"

#include <string.h>

#define MAX_SIZE (64 * 1024 * 1024)
#define MAX_TRIES 3
#define MAX_PAUSE 1.0
#define MAX_PAGES 1000

/* A longer wait that a service asks for is not sat out within one call, but kept between calls. */
#define MAX_WAIT 120.0

struct _BbOpenstackAccount
{
  GObject parent_instance;

  BbOpenstackLogin *login;
  SoupSession *session;
  BbOpenstackToken *token; /* NULL until needed, and after a 401 */
  gboolean logging_in;
  GPtrArray *waiting; /* of GTask: calls that wait for a token */
  double call_timeout;
  double poll_interval;
  double not_before; /* of bb_delay_get_now(): asked for by a Retry-After */
};

G_DEFINE_FINAL_TYPE (BbOpenstackAccount, bb_openstack_account, G_TYPE_OBJECT)

/* By the login's key; not referenced. */
static GHashTable *accounts;

static void
bb_openstack_account_finalize (GObject *object)
{
  BbOpenstackAccount *self = BB_OPENSTACK_ACCOUNT (object);

  g_hash_table_remove (accounts, bb_openstack_login_get_key (self->login));
  g_clear_pointer (&self->token, bb_openstack_token_free);
  g_clear_object (&self->session);
  g_ptr_array_unref (self->waiting);
  bb_openstack_login_free (self->login);
  if (g_hash_table_size (accounts) == 0)
    g_clear_pointer (&accounts, g_hash_table_unref);
  G_OBJECT_CLASS (bb_openstack_account_parent_class)->finalize (object);
}

static void
bb_openstack_account_class_init (BbOpenstackAccountClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_openstack_account_finalize;
}

static void
bb_openstack_account_init (BbOpenstackAccount *self)
{
  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
}

BbOpenstackAccount *
bb_openstack_account_get (const BbOpenstackConfig *config, GError **error)
{
  g_autoptr (BbOpenstackLogin) login = bb_openstack_login_new (config, error);
  g_autoptr (SoupSession) session = NULL;
  BbOpenstackAccount *self;

  if (login == NULL)
    return NULL;
  if (accounts == NULL)
    accounts = g_hash_table_new (g_str_hash, g_str_equal);
  self = g_hash_table_lookup (accounts, bb_openstack_login_get_key (login));
  if (self == NULL)
    {
      session = bb_openstack_http_session_new (login, error);
      if (session == NULL)
        return NULL;
      self = g_object_new (BB_OPENSTACK_TYPE_ACCOUNT, NULL);
      self->session = g_steal_pointer (&session);
      self->login = g_steal_pointer (&login);
      g_hash_table_insert (accounts, (gpointer) bb_openstack_login_get_key (self->login), self);
    }
  else
    g_object_ref (self);
  bb_openstack_account_set_times (self, config->call_timeout, config->poll_interval);
  return self;
}

void
bb_openstack_account_set_times (BbOpenstackAccount *self, double call_timeout, double poll_interval)
{
  self->call_timeout = call_timeout;
  self->poll_interval = poll_interval;
}

double
bb_openstack_account_get_poll_interval (BbOpenstackAccount *self)
{
  return self->poll_interval;
}

const char *
bb_openstack_account_get_name (BbOpenstackAccount *self)
{
  return bb_openstack_login_get_name (self->login);
}

gboolean
bb_openstack_account_is_insecure (BbOpenstackAccount *self)
{
  return bb_openstack_login_is_insecure (self->login);
}

/* --- one call */

typedef struct
{
  BbOpenstackService service;
  char *method;
  char *path;
  JsonNode *body;
  int minor;
  SoupMessage *message;
  char *token; /* that it went out with */
  guint tries;
  gboolean renewed; /* after a 401, which is done once */
} Call;

static void call_begin (GTask *task);

static void
call_free (gpointer data)
{
  Call *call = data;

  g_free (call->method);
  g_free (call->path);
  g_clear_pointer (&call->body, json_node_unref);
  g_clear_object (&call->message);
  g_free (call->token);
  g_free (call);
}

static void
paused_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (!bb_delay_finish (result, &error))
    g_task_return_error (task, error);
  else
    call_begin (g_steal_pointer (&task));
}

static gboolean
is_repeatable (const Call *call)
{
  return !g_str_equal (call->method, "POST");
}

/* Takes @error; repeats the call where that may help and does no harm. */
static void
call_failed (GTask *task, GError *error)
{
  BbOpenstackAccount *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  gboolean repeat = FALSE;

  call->tries++;
  if (error->domain == BB_OPENSTACK_ERROR && call->tries < MAX_TRIES)
    switch ((BbOpenstackError) error->code)
      {
      case BB_OPENSTACK_ERROR_UNSENT:
      case BB_OPENSTACK_ERROR_BUSY:
      case BB_OPENSTACK_ERROR_UNCHECKED:
        repeat = TRUE;
        break;
      case BB_OPENSTACK_ERROR_LOST:
      case BB_OPENSTACK_ERROR_SERVER:
      case BB_OPENSTACK_ERROR_GARBAGE:
        repeat = is_repeatable (call);
        break;
      default:
        break;
      }
  if (!repeat)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  g_error_free (error);
  bb_delay_async (MIN (self->poll_interval, MAX_PAUSE) * call->tries, g_task_get_cancellable (task), paused_cb, task);
}

static void
keep_away (BbOpenstackAccount *self, double seconds)
{
  self->not_before = MAX (self->not_before, bb_delay_get_now () + seconds);
}

static JsonNode *
parse_body (GBytes *body)
{
  if (g_bytes_get_size (body) == 0)
    return json_node_new (JSON_NODE_NULL);
  return bb_web_json_parse (body);
}

static void
answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbOpenstackAccount *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) body = bb_openstack_http_send_finish (self->session, result, &error);
  guint status = soup_message_get_status (call->message);
  g_autofree char *who
    = g_strdup_printf ("%s: %s %.*s", bb_openstack_service_get_name (call->service), call->method,
                       (int) strcspn (call->path, "?"), call->path);
  JsonNode *root = NULL;

  if (body == NULL)
    {
      g_prefix_error (&error, "%s: ", who);
      call_failed (g_steal_pointer (&task), error);
      return;
    }
  if (status == 401 && !call->renewed)
    {
      /* Others may have got a new one meanwhile. */
      if (self->token != NULL && g_str_equal (bb_openstack_token_get_id (self->token), call->token))
        g_clear_pointer (&self->token, bb_openstack_token_free);
      call->renewed = TRUE;
      call_begin (g_steal_pointer (&task));
      return;
    }
  keep_away (self, bb_openstack_http_get_retry_after (call->message));
  if (status / 100 == 2)
    root = parse_body (body);
  if (root != NULL)
    {
      g_task_return_pointer (task, root, (GDestroyNotify) json_node_unref);
      return;
    }
  if (status / 100 == 2)
    error = g_error_new (BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_GARBAGE, "%s: the answer is no JSON", who);
  else
    error = bb_openstack_error_new_from_answer (who, status, body);
  if (status == 401)
    {
      error->code = BB_OPENSTACK_ERROR_UNCHECKED;
      g_prefix_error (&error, "refuses a token that Keystone has just given: ");
    }
  call_failed (g_steal_pointer (&task), error);
}

static void
call_send (GTask *task)
{
  BbOpenstackAccount *self = g_task_get_source_object (task);
  Call *call = g_task_get_task_data (task);
  GError *error = NULL;
  g_autofree char *endpoint = bb_openstack_token_find_endpoint (self->token, self->login, call->service, &error);
  g_autofree char *url = NULL;
  SoupMessageHeaders *headers;

  if (endpoint == NULL)
    {
      call_failed (task, error);
      return;
    }
  url = g_strconcat (endpoint, call->path, NULL);
  g_clear_object (&call->message);
  call->message = bb_openstack_http_message_new (self->session, call->method, url, call->body);
  g_free (call->token);
  call->token = g_strdup (bb_openstack_token_get_id (self->token));
  headers = soup_message_get_request_headers (call->message);
  soup_message_headers_replace (headers, "X-Auth-Token", call->token);
  if (call->minor > 0)
    {
      g_autofree char *version = g_strdup_printf ("2.%d", call->minor);
      g_autofree char *compute = g_strconcat ("compute ", version, NULL);

      soup_message_headers_replace (headers, "OpenStack-API-Version", compute);
      soup_message_headers_replace (headers, "X-OpenStack-Nova-API-Version", version);
    }
  bb_openstack_http_send_async (self->session, call->message, self->call_timeout, MAX_SIZE,
                                g_task_get_cancellable (task), answered_cb, task);
}

static void
token_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbOpenstackAccount) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) waiting = g_steal_pointer (&self->waiting);
  double retry_after;

  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  self->logging_in = FALSE;
  g_clear_pointer (&self->token, bb_openstack_token_free);
  self->token = bb_openstack_token_new_finish (result, &retry_after, &error);
  keep_away (self, retry_after);
  for (guint i = 0; i < waiting->len; i++)
    {
      GTask *task = g_object_ref (waiting->pdata[i]);

      if (g_task_return_error_if_cancelled (task))
        g_object_unref (task);
      else if (error != NULL)
        call_failed (task, g_error_copy (error));
      else if (self->token == NULL) /* refused to one of those before */
        call_begin (task);
      else
        call_send (task);
    }
}

/* Takes @task. */
static void
call_begin (GTask *task)
{
  BbOpenstackAccount *self = g_task_get_source_object (task);
  double wait = self->not_before - bb_delay_get_now ();

  if (wait > MAX_WAIT)
    {
      g_task_return_new_error (task, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_BUSY,
                               "the cloud asked to be left alone for another %.0f seconds", wait);
      g_object_unref (task);
      return;
    }
  if (wait > 0)
    {
      bb_delay_async (wait, g_task_get_cancellable (task), paused_cb, task);
      return;
    }
  if (self->token != NULL && bb_delay_get_now () < bb_openstack_token_get_end (self->token))
    {
      call_send (task);
      return;
    }
  g_ptr_array_add (self->waiting, task);
  if (self->logging_in)
    return;
  self->logging_in = TRUE;
  /* For all who wait: none of them may cancel it. */
  bb_openstack_token_new_async (self->session, self->login, self->call_timeout, NULL, token_received_cb,
                                g_object_ref (self));
}

void
bb_openstack_account_call_async (BbOpenstackAccount *self, BbOpenstackService service, const char *method,
                                 const char *path, JsonNode *body, int minor, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Call *call = g_new0 (Call, 1);

  g_task_set_source_tag (task, bb_openstack_account_call_async);
  g_task_set_check_cancellable (task, FALSE);
  call->service = service;
  call->method = g_strdup (method);
  call->path = g_strdup (path);
  call->body = body != NULL ? json_node_ref (body) : NULL;
  call->minor = minor;
  g_task_set_task_data (task, call, call_free);
  if (!g_task_return_error_if_cancelled (task))
    call_begin (g_steal_pointer (&task));
}

JsonNode *
bb_openstack_account_call_finish (BbOpenstackAccount *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- lists */

typedef struct
{
  BbOpenstackService service;
  char *path;
  char *query;
  char *member;
  GPtrArray *items;
  guint pages;
} Listing;

static void listing_ask (GTask *task, const char *marker);

static void
listing_free (gpointer data)
{
  Listing *listing = data;

  g_free (listing->path);
  g_free (listing->query);
  g_free (listing->member);
  g_clear_pointer (&listing->items, g_ptr_array_unref);
  g_free (listing);
}

/* Nova says "servers_links": [{"rel": "next"}], Glance "next": "/v2/images?…"; where the next page begins we know. */
static gboolean
has_next (JsonObject *page, const char *member)
{
  g_autofree char *name = g_strconcat (member, "_links", NULL);
  JsonArray *links = bb_web_json_get_array (page, name);

  for (guint i = 0; links != NULL && i < json_array_get_length (links); i++)
    if (g_strcmp0 (bb_web_json_get_string (bb_web_json_get_element (links, i), "rel"), "next") == 0)
      return TRUE;
  return bb_web_json_get_string (page, "next") != NULL;
}

static void
page_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Listing *listing = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  JsonObject *page = bb_web_json_to_object (root);
  JsonArray *items = bb_web_json_get_array (page, listing->member);
  const char *marker = NULL;

  if (root == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (items == NULL || ++listing->pages > MAX_PAGES)
    {
      g_task_return_new_error (task, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_GARBAGE, "%s: GET %s: the answer is no list",
                               bb_openstack_service_get_name (listing->service), listing->path);
      return;
    }
  for (guint i = 0; i < json_array_get_length (items); i++)
    {
      JsonObject *item = bb_web_json_get_element (items, i);

      if (item == NULL)
        continue;
      marker = bb_web_json_get_string (item, "id");
      g_ptr_array_add (listing->items, json_object_ref (item));
    }
  if (marker != NULL && has_next (page, listing->member))
    listing_ask (g_steal_pointer (&task), marker);
  else
    g_task_return_pointer (task, g_steal_pointer (&listing->items), (GDestroyNotify) g_ptr_array_unref);
}

static void
listing_ask (GTask *task, const char *marker)
{
  Listing *listing = g_task_get_task_data (task);
  g_autoptr (GString) path = g_string_new (listing->path);
  char separator = '?';

  if (listing->query != NULL)
    {
      g_string_append_printf (path, "?%s", listing->query);
      separator = '&';
    }
  if (marker != NULL)
    {
      g_autofree char *escaped = g_uri_escape_string (marker, NULL, FALSE);

      g_string_append_printf (path, "%cmarker=%s", separator, escaped);
    }
  bb_openstack_account_call_async (g_task_get_source_object (task), listing->service, "GET", path->str, NULL, 0,
                                   g_task_get_cancellable (task), page_received_cb, task);
}

void
bb_openstack_account_list_async (BbOpenstackAccount *self, BbOpenstackService service, const char *path,
                                 const char *query, const char *member, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Listing *listing = g_new0 (Listing, 1);

  g_task_set_source_tag (task, bb_openstack_account_list_async);
  g_task_set_check_cancellable (task, FALSE);
  listing->service = service;
  listing->path = g_strdup (path);
  listing->query = g_strdup (query);
  listing->member = g_strdup (member);
  listing->items = g_ptr_array_new_with_free_func ((GDestroyNotify) json_object_unref);
  g_task_set_task_data (task, listing, listing_free);
  listing_ask (g_steal_pointer (&task), NULL);
}

GPtrArray *
bb_openstack_account_list_finish (BbOpenstackAccount *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
