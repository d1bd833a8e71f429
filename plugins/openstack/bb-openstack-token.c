/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-token.h"

#include "bb-openstack-error.h"
#include "bb-openstack-http.h"
#include "bb-web-json.h"

#include <string.h>

#define MAX_SIZE (4 * 1024 * 1024)

/* How long before its end a token is renewed: this, or a part of a short life. */
#define MARGIN 120.0
#define MARGIN_PART 0.2

struct _BbOpenstackToken
{
  char *id;
  double end;
  JsonArray *catalog;
};

static const struct
{
  const char *name;
  const char *types[3]; /* as the catalogue calls it, by preference */
  const char *version;  /* what the catalogue's address may lack */
} services[] = {
  [BB_OPENSTACK_COMPUTE] = { "Nova", { "compute" }, "" },
  [BB_OPENSTACK_IMAGE] = { "Glance", { "image" }, "/v2" },
  [BB_OPENSTACK_NETWORK] = { "Neutron", { "network" }, "/v2.0" },
  [BB_OPENSTACK_VOLUME] = { "Cinder", { "block-storage", "volumev3", "volume" }, "" },
};

const char *
bb_openstack_service_get_name (BbOpenstackService service)
{
  return services[service].name;
}

void
bb_openstack_token_free (BbOpenstackToken *self)
{
  g_free (self->id);
  g_clear_pointer (&self->catalog, json_array_unref);
  g_free (self);
}

const char *
bb_openstack_token_get_id (const BbOpenstackToken *self)
{
  return self->id;
}

double
bb_openstack_token_get_end (const BbOpenstackToken *self)
{
  return self->end;
}

/* --- the catalogue */

static const char *
find_url (JsonObject *service, const char *interface, const char *region, GString *regions)
{
  JsonArray *endpoints = bb_web_json_get_array (service, "endpoints");
  const char *url = NULL;

  for (guint i = 0; endpoints != NULL && url == NULL && i < json_array_get_length (endpoints); i++)
    {
      JsonObject *endpoint = bb_web_json_get_element (endpoints, i);
      const char *its_region = bb_web_json_get_string (endpoint, "region_id");

      if (its_region == NULL)
        its_region = bb_web_json_get_string (endpoint, "region");
      if (g_strcmp0 (bb_web_json_get_string (endpoint, "interface"), interface) != 0)
        continue;
      if (region == NULL || g_strcmp0 (its_region, region) == 0)
        url = bb_web_json_get_string (endpoint, "url");
      else if (its_region != NULL && regions->len < 200)
        {
          g_autofree char *quoted = bb_error_quote (its_region, 200);

          g_string_append_printf (regions, "%s%s", regions->len > 0 ? ", " : "", quoted);
        }
    }
  return url;
}

char *
bb_openstack_token_find_endpoint (const BbOpenstackToken *self, const BbOpenstackLogin *login,
                                  BbOpenstackService service, GError **error)
{
  const char *region = bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_REGION);
  const char *given = bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_INTERFACE);
  g_autoptr (GString) regions = g_string_new (NULL);
  g_autofree char *interface = g_strdup (given != NULL ? given : "public");
  const char *url = NULL;
  gsize length;

  /* "publicURL" is what old files say. */
  if (g_str_has_suffix (interface, "URL"))
    interface[strlen (interface) - 3] = '\0';
  for (gsize t = 0; t < 3 && services[service].types[t] != NULL; t++)
    for (guint i = 0; url == NULL && self->catalog != NULL && i < json_array_get_length (self->catalog); i++)
      {
        JsonObject *entry = bb_web_json_get_element (self->catalog, i);

        if (g_strcmp0 (bb_web_json_get_string (entry, "type"), services[service].types[t]) == 0)
          url = find_url (entry, interface, region, regions);
      }
  if (url == NULL || !g_uri_is_valid (url, G_URI_FLAGS_NONE, NULL))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                   "openstack: Keystone's catalogue has no %s address of %s (%s)%s%s%s%s", interface,
                   services[service].name, services[service].types[0], region != NULL ? " in region " : "",
                   region != NULL ? region : "", regions->len > 0 ? "; there is " : "", regions->str);
      return NULL;
    }
  length = strlen (url);
  while (length > 0 && url[length - 1] == '/')
    length--;
  {
    g_autofree char *base = g_strndup (url, length);

    return g_strconcat (base, g_str_has_suffix (base, services[service].version) ? "" : services[service].version, NULL);
  }
}

/* --- logging in */

typedef struct
{
  SoupSession *session;
  const BbOpenstackLogin *login;
  SoupMessage *message;
  double time_limit;
  char *root; /* where the versions are asked for */
  char *base; /* of Identity v3 */
  double retry_after;
} Attempt;

static void
attempt_free (gpointer data)
{
  Attempt *attempt = data;

  g_object_unref (attempt->session);
  g_clear_object (&attempt->message);
  g_free (attempt->root);
  g_free (attempt->base);
  g_free (attempt);
}

static double
get_lifetime (JsonObject *token)
{
  const char *end_text = bb_web_json_get_string (token, "expires_at");
  const char *begin_text = bb_web_json_get_string (token, "issued_at");
  g_autoptr (GDateTime) end = end_text != NULL ? g_date_time_new_from_iso8601 (end_text, NULL) : NULL;
  /* By the service's own clock; ours may be off. */
  g_autoptr (GDateTime) begin
    = begin_text != NULL ? g_date_time_new_from_iso8601 (begin_text, NULL) : g_date_time_new_now_utc ();

  if (end == NULL || begin == NULL)
    return G_MAXINT; /* a 401 will tell */
  return MAX ((double) g_date_time_difference (end, begin) / G_USEC_PER_SEC, 0);
}

BbOpenstackToken *
bb_openstack_token_parse (const char *id, GBytes *body, GError **error)
{
  g_autoptr (JsonNode) root = bb_web_json_parse (body);
  JsonObject *token = bb_web_json_get_object (bb_web_json_to_object (root), "token");
  BbOpenstackToken *self;
  JsonArray *catalog;
  double lifetime;

  if (id == NULL || token == NULL)
    {
      g_set_error_literal (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_GARBAGE,
                           "Keystone's answer to the login holds no token");
      return NULL;
    }
  lifetime = get_lifetime (token);
  catalog = bb_web_json_get_array (token, "catalog");
  self = g_new0 (BbOpenstackToken, 1);
  self->id = g_strdup (id);
  self->end = bb_delay_get_now () + lifetime - MIN (MARGIN, lifetime * MARGIN_PART);
  self->catalog = catalog != NULL ? json_array_ref (catalog) : NULL;
  return self;
}

static void
logged_in_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Attempt *attempt = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GBytes) body = bb_openstack_http_send_finish (attempt->session, result, &error);
  SoupMessageHeaders *headers = soup_message_get_response_headers (attempt->message);
  guint status = soup_message_get_status (attempt->message);
  g_autofree char *who = NULL;
  BbOpenstackToken *self = NULL;

  if (body != NULL && status / 100 == 2)
    self = bb_openstack_token_parse (soup_message_headers_get_one (headers, "X-Subject-Token"), body, &error);
  else if (body != NULL)
    {
      who = g_strdup_printf ("Keystone at %s refuses the login", attempt->base);
      attempt->retry_after = bb_openstack_http_get_retry_after (attempt->message);
      error = bb_openstack_error_new_from_answer (who, status, body);
    }
  else
    g_prefix_error (&error, "Keystone at %s: ", attempt->base);
  if (self != NULL)
    g_task_return_pointer (task, self, (GDestroyNotify) bb_openstack_token_free);
  else
    g_task_return_error (task, error);
}

static void
log_in (GTask *task)
{
  Attempt *attempt = g_task_get_task_data (task);
  g_autofree char *url = g_strconcat (attempt->base, "/auth/tokens", NULL);
  g_autoptr (JsonNode) body = bb_openstack_login_to_json (attempt->login);

  g_clear_object (&attempt->message);
  attempt->message = bb_openstack_http_message_new (attempt->session, "POST", url, body);
  bb_openstack_http_send_async (attempt->session, attempt->message, attempt->time_limit, MAX_SIZE,
                                g_task_get_cancellable (task), logged_in_cb, task);
}

/* --- finding Identity v3 */

/* The address of version 3 of what the root offers; sets @offered to what it has instead. */
static char *
find_version (const char *root, GBytes *body, GString *offered)
{
  g_autoptr (JsonNode) answer = bb_web_json_parse (body);
  JsonObject *object = bb_web_json_get_object (bb_web_json_to_object (answer), "versions");
  JsonArray *versions = bb_web_json_get_array (object, "values");

  for (guint i = 0; versions != NULL && i < json_array_get_length (versions); i++)
    {
      const char *id = bb_web_json_get_string (bb_web_json_get_element (versions, i), "id");

      /* Behind a proxy its links often are of the other side; the address that was given is of ours. */
      if (id != NULL && g_str_has_prefix (id, "v3"))
        return g_strconcat (root, "/v3", NULL);
      if (id != NULL && offered->len < 100)
        {
          g_autofree char *quoted = bb_error_quote (id, 100);

          g_string_append_printf (offered, "%s%s", offered->len > 0 ? ", " : "", quoted);
        }
    }
  return NULL;
}

static void
versions_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Attempt *attempt = g_task_get_task_data (task);
  const char *given = bb_openstack_login_get (attempt->login, BB_OPENSTACK_LOGIN_AUTH_URL);
  g_autoptr (GString) offered = g_string_new (NULL);
  GError *error = NULL;
  g_autoptr (GBytes) body = bb_openstack_http_send_finish (attempt->session, result, &error);
  guint status = soup_message_get_status (attempt->message);

  if (body == NULL)
    {
      g_prefix_error (&error, "Keystone at %s: ", attempt->root);
      g_task_return_error (task, error);
      return;
    }
  if (status >= 500 || status == 429)
    {
      g_autofree char *who = g_strdup_printf ("Keystone at %s", attempt->root);

      attempt->retry_after = bb_openstack_http_get_retry_after (attempt->message);
      g_task_return_error (task, bb_openstack_error_new_from_answer (who, status, body));
      return;
    }
  if (status == 200 || status == 300)
    attempt->base = find_version (attempt->root, body, offered);
  if (attempt->base == NULL)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PERMANENT,
                               "openstack: os_auth_url=%s: no Identity v3 is found there%s%s (%u); write the address "
                               "of Keystone's version 3, like https://cloud.example.org:5000/v3",
                               given, offered->len > 0 ? ", only " : "", offered->str, status);
      return;
    }
  if (strstr (given, "/v2.0") != NULL)
    bb_log_host (G_LOG_LEVEL_WARNING,
                 "openstack: os_auth_url=%s is of Identity v2.0, which is no more; version 3 is used instead: write "
                 "os_auth_url=%s", given, attempt->base);
  log_in (g_steal_pointer (&task));
}

void
bb_openstack_token_new_async (SoupSession *session, const BbOpenstackLogin *login, double time_limit,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Attempt *attempt = g_new0 (Attempt, 1);
  g_autofree char *url = NULL;

  g_task_set_source_tag (task, bb_openstack_token_new_async);
  attempt->session = g_object_ref (session);
  attempt->login = login;
  attempt->time_limit = time_limit;
  attempt->root = g_strdup (bb_openstack_login_get (login, BB_OPENSTACK_LOGIN_AUTH_URL));
  g_task_set_task_data (task, attempt, attempt_free);
  while (g_str_has_suffix (attempt->root, "/"))
    attempt->root[strlen (attempt->root) - 1] = '\0';
  if (g_str_has_suffix (attempt->root, "/v3"))
    {
      attempt->base = g_strdup (attempt->root);
      log_in (g_steal_pointer (&task));
      return;
    }
  if (g_str_has_suffix (attempt->root, "/v2.0"))
    attempt->root[strlen (attempt->root) - strlen ("/v2.0")] = '\0';
  url = g_strconcat (attempt->root, "/", NULL);
  attempt->message = bb_openstack_http_message_new (session, "GET", url, NULL);
  bb_openstack_http_send_async (session, attempt->message, time_limit, MAX_SIZE, cancellable, versions_received_cb,
                                g_steal_pointer (&task));
}

BbOpenstackToken *
bb_openstack_token_new_finish (GAsyncResult *result, double *retry_after, GError **error)
{
  const Attempt *attempt = g_task_get_task_data (G_TASK (result));

  *retry_after = attempt->retry_after;
  return g_task_propagate_pointer (G_TASK (result), error);
}
