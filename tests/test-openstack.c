/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The openstack plugin against a little cloud within this process, whose answers have the forms of the real services. */
#include "bb-error.h"
#include "bb-instance-request-private.h"
#include "bb-log-trap.h"
#include "bb-openstack-choice.h"
#include "bb-openstack-config.h"
#include "bb-openstack-devices.h"
#include "bb-openstack-error.h"
#include "bb-openstack-login.h"
#include "bb-openstack-slave.h"
#include "bb-option-struct.h"
#include "suite-latent.h"

#include <libsoup/soup.h>
#include <string.h>

#define TOKEN "5f1d7c1e-8a3e-4e55-9c09-2f1d0c6b7a21"
#define IMAGE_1 "11111111-1111-4111-8111-111111111111"
#define IMAGE_2 "22222222-2222-4222-8222-222222222222"
#define NO_VALID_HOST "No valid host was found. There are not enough hosts available."

static const char flavors[]
  = "{\"flavors\": [{\"id\": \"1\", \"name\": \"m1.tiny\"}, {\"id\": \"2\", \"name\": \"twin\"}, "
    "{\"id\": \"3\", \"name\": \"twin\"}]}";

#define IMAGE(ID, NAME, DATE, STATUS)                                                                                  \
  "{\"id\": \"" ID "\", \"name\": \"" NAME "\", \"status\": \"" STATUS "\", \"created_at\": \"" DATE                    \
  "\", \"min_disk\": 1, \"size\": 3221225473}"
static const char images[]
  = "{\"images\": [" IMAGE (IMAGE_1, "debian-12", "2026-01-01T00:00:00Z", "active") ", "
    IMAGE (IMAGE_2, "debian-13", "2026-02-01T00:00:00Z", "active") ", "
    IMAGE ("33333333-3333-4333-8333-333333333333", "debian-14", "2026-03-01T00:00:00Z", "queued") "], \"first\": \"/v2/images\"}";

static const char networks[]
  = "{\"networks\": [{\"id\": \"net-1\", \"name\": \"lab-net\"}, {\"id\": \"net-2\", \"name\": \"public\"}]}";

/* --- the cloud */

typedef struct
{
  char *id;
  JsonObject *request;
  const char *status; /* static */
  const char *fault;  /* static, nullable */
  guint looks;        /* how often it is BUILD(spawning) still */
  guint hidden;       /* lists and looks that do not show it yet */
} Server;

typedef struct
{
  const char *method;
  const char *path; /* its beginning */
  guint status;     /* 0: the connection is closed; 1: never answered */
  const char *body;
  const char *retry_after;
  gboolean with_effect;
} Fault;

typedef struct
{
  SoupServer *http;
  char *url;
  char *auth_url;
  GPtrArray *servers;
  GPtrArray *addresses; /* of char *: the requests for them */
  GPtrArray *calls;     /* of char *: "GET /path?query" */
  GPtrArray *faults;    /* of Fault *: each is used once */
  GPtrArray *hung;      /* of SoupServerMessage */
  char *last_login;
  char *last_version;
  guint logins;
  guint made;
  guint token; /* the number in the only one that is valid */
  double lifetime;
  const char *first_status;
  const char *fault;
  guint looks;
  guint hidden;
  gboolean only_v2;
  guint volume_looks; /* how often the server's disk is shown still once the server is gone; its deletion ends that */
  guint volume_deletions;
  gpointer config;
} Cloud;

static void
server_free (gpointer data)
{
  Server *server = data;

  g_free (server->id);
  json_object_unref (server->request);
  g_free (server);
}

static char *
to_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, FALSE);
}

/* Lists do not tell why a server that never had a host is in ERROR. */
static char *
show (Server *server, gboolean with_fault)
{
  g_autofree char *metadata = to_text (json_object_get_object_member (server->request, "metadata"));
  g_autofree char *fault
    = server->fault != NULL && with_fault ? g_strdup_printf (", \"fault\": {\"code\": 500, \"message\": \"%s\"}", server->fault) : NULL;
  const char *status = server->looks > 0 ? "BUILD(spawning)" : server->status;

  if (server->looks > 0)
    server->looks--;
  return g_strdup_printf ("{\"id\": \"%s\", \"name\": \"%s\", \"status\": \"%s\", \"metadata\": %s, "
                          "\"OS-EXT-STS:task_state\": null, \"os-extended-volumes:volumes_attached\": "
                          "[{\"id\": \"volume-1\", \"delete_on_termination\": true}, "
                          "{\"id\": \"volume-2\", \"delete_on_termination\": false}, "
                          "{\"id\": \"volume-3\", \"delete_on_termination\": true}]%s}",
                          server->id, json_object_get_string_member (server->request, "name"), status, metadata,
                          fault != NULL ? fault : "");
}

static Server *
find (Cloud *cloud, const char *id)
{
  for (guint i = 0; i < cloud->servers->len; i++)
    if (g_str_equal (((Server *) cloud->servers->pdata[i])->id, id))
      return cloud->servers->pdata[i];
  return NULL;
}

/* All of them, whatever filter is asked for, as a cloud does that does not know it. */
static char *
list_servers (Cloud *cloud)
{
  GString *text = g_string_new ("{\"servers\": [");

  for (guint i = 0; i < cloud->servers->len; i++)
    {
      Server *server = cloud->servers->pdata[i];
      g_autofree char *shown = NULL;

      if (server->hidden > 0)
        continue;
      shown = show (server, FALSE);
      g_string_append_printf (text, "%s%s", text->str[text->len - 1] == '[' ? "" : ", ", shown);
    }
  return g_string_free (g_string_append (text, "]}"), FALSE);
}

static JsonObject *
parse (SoupServerMessage *message, const char *member)
{
  g_autoptr (GBytes) body = soup_message_body_flatten (soup_server_message_get_request_body (message));
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize size;
  const char *data = g_bytes_get_data (body, &size);

  g_assert_true (json_parser_load_from_data (parser, data, (gssize) size, NULL));
  return json_object_ref (json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)), member));
}

/* An endpoint behind which nobody is. */
#define DEAD_END(INTERFACE, REGION)                                                                                    \
  "{\"interface\": \"" INTERFACE "\", \"region_id\": \"" REGION "\", \"url\": \"http://127.0.0.1:1\"}"

static char *
log_in (Cloud *cloud, SoupServerMessage *message)
{
  g_autoptr (JsonObject) auth = parse (message, "auth");
  g_autoptr (GDateTime) begin = g_date_time_new_utc (2026, 1, 1, 0, 0, 0);
  g_autoptr (GDateTime) end = g_date_time_add_seconds (begin, cloud->lifetime);
  g_autofree char *end_text = g_date_time_format_iso8601 (end);
  g_autofree char *id = g_strdup_printf ("token-%u", ++cloud->token);
  g_autoptr (GString) catalog = g_string_new (NULL);
  static const char *const services[] = { "compute", "image", "network", "volumev3" };
  static const char *const paths[] = { "compute/v2.1", "image", "network/", "volume/v3" };

  for (gsize i = 0; i < G_N_ELEMENTS (services); i++)
    g_string_append_printf (catalog,
                            "%s{\"type\": \"%s\", \"endpoints\": [" DEAD_END ("internal", "RegionOne")
                            ", {\"interface\": \"public\", \"region_id\": \"RegionOne\", \"url\": \"%s%s\"}, "
                            DEAD_END ("public", "RegionTwo") "]}",
                            i > 0 ? ", " : "", services[i], cloud->url, paths[i]);
  cloud->logins++;
  g_free (cloud->last_login);
  cloud->last_login = to_text (auth);
  soup_message_headers_replace (soup_server_message_get_response_headers (message), "X-Subject-Token", id);
  return g_strdup_printf ("{\"token\": {\"issued_at\": \"2026-01-01T00:00:00.000000Z\", \"expires_at\": \"%s\", "
                          "\"catalog\": [%s]}}", end_text, catalog->str);
}

static char *
make_server (Cloud *cloud, SoupServerMessage *message)
{
  Server *server = g_new0 (Server, 1);

  server->id = g_strdup_printf ("server-%u", ++cloud->made);
  server->request = parse (message, "server");
  server->status = cloud->first_status;
  server->fault = cloud->fault;
  server->looks = cloud->looks;
  server->hidden = cloud->hidden;
  g_ptr_array_add (cloud->servers, server);
  return g_strdup_printf ("{\"server\": {\"id\": \"%s\", \"links\": []}}", server->id);
}

static char *
serve_one (Cloud *cloud, const char *method, const char *id, guint *status)
{
  Server *server = find (cloud, id);

  if (server == NULL || server->hidden > 0)
    {
      if (server != NULL)
        server->hidden--;
      *status = 404;
      return g_strdup ("{\"itemNotFound\": {\"code\": 404, \"message\": \"Instance could not be found.\"}}");
    }
  if (g_str_equal (method, "DELETE"))
    {
      *status = 204;
      g_ptr_array_remove (cloud->servers, server);
      return g_strdup ("");
    }
  {
    g_autofree char *shown = show (server, TRUE);

    return g_strdup_printf ("{\"server\": %s}", shown);
  }
}

static char *
serve_addresses (Cloud *cloud, SoupServerMessage *message, const char *method, const char *path, guint *status)
{
  GString *text;

  if (g_str_equal (method, "POST"))
    {
      g_autoptr (JsonObject) address = parse (message, "floatingip");

      json_object_set_string_member (address, "id", "address-1");
      g_ptr_array_add (cloud->addresses, to_text (address));
      *status = 201;
      return g_strdup ("{\"floatingip\": {\"id\": \"address-1\"}}");
    }
  if (g_str_equal (method, "DELETE"))
    {
      g_assert_true (g_str_has_suffix (path, "/address-1"));
      g_ptr_array_set_size (cloud->addresses, 0);
      *status = 204;
      return g_strdup ("");
    }
  text = g_string_new ("{\"floatingips\": [{\"id\": \"address-of-others\", \"description\": \"\"}");
  for (guint i = 0; i < cloud->addresses->len; i++)
    g_string_append_printf (text, ", %s", (char *) cloud->addresses->pdata[i]);
  return g_string_free (g_string_append (text, "]}"), FALSE);
}

static char *
serve_volume (Cloud *cloud, const char *method, guint *status)
{
  if (cloud->volume_looks == 0)
    {
      *status = 404;
      return g_strdup ("{\"itemNotFound\": {\"code\": 404, \"message\": \"Volume volume-1 could not be found.\"}}");
    }
  if (g_str_equal (method, "DELETE"))
    {
      cloud->volume_deletions++;
      cloud->volume_looks = 0;
      *status = 202;
      return g_strdup ("");
    }
  if (cloud->volume_looks > 1)
    {
      cloud->volume_looks--;
      return g_strdup ("{\"volume\": {\"id\": \"volume-1\", \"status\": \"in-use\"}}");
    }
  return g_strdup ("{\"volume\": {\"id\": \"volume-1\", \"status\": \"available\"}}");
}

static char *
serve (Cloud *cloud, SoupServerMessage *message, const char *method, const char *path, guint *status)
{
  const char *token = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "X-Auth-Token");
  g_autofree char *wanted = g_strdup_printf ("token-%u", cloud->token);

  *status = 200;
  if (g_str_equal (path, "/"))
    {
      *status = 300;
      return g_strdup_printf ("{\"versions\": {\"values\": [{\"id\": \"%s\", \"links\": []}]}}",
                              cloud->only_v2 ? "v2.0" : "v3.14");
    }
  if (g_str_equal (path, "/v3/auth/tokens"))
    {
      *status = 201;
      return log_in (cloud, message);
    }
  if (g_strcmp0 (token, wanted) != 0)
    {
      *status = 401;
      return g_strdup ("{\"error\": {\"code\": 401, \"message\": \"The request you have made requires authentication.\", "
                       "\"title\": \"Unauthorized\"}}");
    }
  if (g_str_equal (path, "/compute/v2.1/"))
    return g_strdup ("{\"version\": {\"id\": \"v2.1\", \"min_version\": \"2.1\", \"version\": \"2.60\"}}");
  if (g_str_equal (path, "/volume/v3/volumes/volume-1"))
    return serve_volume (cloud, method, status);
  if (g_str_equal (path, "/volume/v3/snapshots/snap-1"))
    return g_strdup ("{\"snapshot\": {\"id\": \"snap-1\", \"size\": 7}}");
  if (g_str_equal (path, "/compute/v2.1/flavors"))
    return g_strdup (flavors);
  if (g_str_equal (path, "/image/v2/images"))
    return g_strdup (images);
  if (g_str_equal (path, "/image/v2/images/" IMAGE_1))
    return g_strdup (IMAGE (IMAGE_1, "debian-12", "2026-01-01T00:00:00Z", "active"));
  if (g_str_equal (path, "/network/v2.0/networks"))
    return g_strdup (networks);
  if (g_str_equal (path, "/network/v2.0/ports"))
    return g_strdup_printf ("{\"ports\": [{\"id\": \"port-0\", \"device_id\": \"other\"}, "
                            "{\"id\": \"port-1\", \"device_id\": \"server-%u\"}]}", cloud->made);
  if (g_str_has_prefix (path, "/network/v2.0/floatingips"))
    return serve_addresses (cloud, message, method, path, status);
  if (g_str_equal (path, "/compute/v2.1/servers"))
    {
      *status = 202;
      return make_server (cloud, message);
    }
  if (g_str_equal (path, "/compute/v2.1/servers/detail"))
    return list_servers (cloud);
  if (g_str_has_prefix (path, "/compute/v2.1/servers/"))
    return serve_one (cloud, method, path + strlen ("/compute/v2.1/servers/"), status);
  *status = 404;
  return g_strdup ("{\"message\": \"The resource could not be found.<br />\", \"code\": \"404 Not Found\"}");
}

static Fault *
take_fault (Cloud *cloud, const char *method, const char *path)
{
  for (guint i = 0; i < cloud->faults->len; i++)
    {
      Fault *fault = cloud->faults->pdata[i];

      if (g_str_equal (fault->method, method) && g_str_has_prefix (path, fault->path))
        return g_ptr_array_steal_index (cloud->faults, i);
    }
  return NULL;
}

static void
request_cb (SoupServer *http, SoupServerMessage *message, const char *path, GHashTable *query, gpointer user_data)
{
  Cloud *cloud = user_data;
  const char *method = soup_server_message_get_method (message);
  const char *query_text = g_uri_get_query (soup_server_message_get_uri (message));
  g_autofree Fault *fault = take_fault (cloud, method, path);
  g_autofree char *body = NULL;
  guint status;

  g_assert_cmpstr (soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Accept"), ==,
                   "application/json");
  g_ptr_array_add (cloud->calls,
                   g_strdup_printf ("%s %s%s%s", method, path, query_text != NULL ? "?" : "",
                                    query_text != NULL ? query_text : ""));
  if (g_str_equal (method, "POST") && g_str_equal (path, "/compute/v2.1/servers"))
    {
      g_free (cloud->last_version);
      cloud->last_version = g_strdup (
        soup_message_headers_get_one (soup_server_message_get_request_headers (message), "OpenStack-API-Version"));
    }
  if (fault == NULL || fault->with_effect)
    body = serve (cloud, message, method, path, &status);
  if (fault != NULL && fault->status == 0)
    {
      GIOStream *stream = soup_server_message_steal_connection (message);

      g_io_stream_close (stream, NULL, NULL);
      g_object_unref (stream);
      return;
    }
  if (fault != NULL && fault->status == 1)
    {
      soup_server_message_pause (message);
      g_ptr_array_add (cloud->hung, g_object_ref (message));
      return;
    }
  if (fault != NULL)
    {
      status = fault->status;
      g_free (body);
      body = g_strdup (fault->body);
      if (fault->retry_after != NULL)
        soup_message_headers_replace (soup_server_message_get_response_headers (message), "Retry-After",
                                      fault->retry_after);
    }
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, body, strlen (body));
}

static void
add_fault (Cloud *cloud, Fault fault)
{
  g_ptr_array_add (cloud->faults, g_memdup2 (&fault, sizeof fault));
}

static guint
count_calls (Cloud *cloud, const char *prefix)
{
  guint count = 0;

  for (guint i = 0; i < cloud->calls->len; i++)
    count += g_str_has_prefix (cloud->calls->pdata[i], prefix);
  return count;
}

static void
set_option (gpointer config, const char *key, const char *value)
{
  g_autoptr (GError) error = NULL;

  bb_option_parse (bb_option_find (bb_openstack_options, key), config, value, NULL, &error);
  g_assert_no_error (error);
}

static gpointer
cloud_new (const char *dir)
{
  Cloud *cloud = g_new0 (Cloud, 1);
  GSList *uris;

  cloud->http = soup_server_new (NULL, NULL);
  cloud->servers = g_ptr_array_new_with_free_func (server_free);
  cloud->addresses = g_ptr_array_new_with_free_func (g_free);
  cloud->calls = g_ptr_array_new_with_free_func (g_free);
  cloud->faults = g_ptr_array_new_with_free_func (g_free);
  cloud->hung = g_ptr_array_new_with_free_func (g_object_unref);
  cloud->first_status = "ACTIVE";
  cloud->lifetime = 3600;
  soup_server_add_handler (cloud->http, NULL, request_cb, cloud, NULL);
  g_assert_true (soup_server_listen_local (cloud->http, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, NULL));
  uris = soup_server_get_uris (cloud->http);
  cloud->url = g_uri_to_string (uris->data);
  cloud->auth_url = g_strconcat (cloud->url, "v3", NULL);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  cloud->config = bb_option_struct_new_default (bb_openstack_options);
  set_option (cloud->config, "os_auth_url", cloud->auth_url);
  set_option (cloud->config, "os_username", "labuser");
  set_option (cloud->config, "os_password", "lab-secret");
  set_option (cloud->config, "os_tenant_name", "lab");
  set_option (cloud->config, "flavor", "m1.tiny");
  set_option (cloud->config, "image", "debian-12");
  set_option (cloud->config, "floating_ip_pool", "public");
  set_option (cloud->config, "poll_interval", "0.02");
  return cloud;
}

static void
cloud_free (gpointer data)
{
  Cloud *cloud = data;

  bb_test_run_pending ();
  soup_server_disconnect (cloud->http);
  g_object_unref (cloud->http);
  g_ptr_array_unref (cloud->servers);
  g_ptr_array_unref (cloud->addresses);
  g_ptr_array_unref (cloud->calls);
  g_ptr_array_unref (cloud->faults);
  g_ptr_array_unref (cloud->hung);
  bb_option_struct_free (bb_openstack_options, cloud->config);
  g_free (cloud->url);
  g_free (cloud->auth_url);
  g_free (cloud->last_login);
  g_free (cloud->last_version);
  g_free (cloud);
}

static BbLatentSlave *
new_slave (gpointer backend, const char *name)
{
  Cloud *cloud = backend;

  return g_object_new (BB_OPENSTACK_TYPE_SLAVE, "name", name, "config", cloud->config, NULL);
}

static void
kill_server (gpointer backend, BbInstance *instance)
{
  find (backend, bb_instance_get_id (instance))->status = "SHUTOFF";
}

static const BbLatentSuite suite = { "/openstack", cloud_new, cloud_free, new_slave, kill_server, TRUE };

/* --- what is peculiar */

typedef struct
{
  char *dir;
  Cloud *cloud;
  GPtrArray *resources;
  BbInstanceRequest *request;
  BbLatentSlave *slave;
  BbInstance *instance;
  GError *error;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = bb_test_make_dir ();
  f->cloud = cloud_new (f->dir);
  g_clear_pointer (&((BbOpenstackConfig *) f->cloud->config)->floating_ip_pool, g_free);
  f->resources = g_ptr_array_new_with_free_func (g_free);
  f->request = bb_latent_suite_new_request (f->dir, "bot1", TOKEN, f->resources);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->slave);
  g_clear_pointer (&f->instance, bb_instance_unref);
  g_clear_error (&f->error);
  g_object_unref (f->request);
  g_ptr_array_unref (f->resources);
  cloud_free (f->cloud);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
  g_free (bb_log_trap_take_warnings ());
}

static void
start (Fixture *f)
{
  f->slave = new_slave (f->cloud, "bot1");
  f->instance = bb_latent_suite_start (f->slave, f->request, &f->error);
}

static JsonObject *
start_well (Fixture *f)
{
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpuint (f->cloud->servers->len, ==, 1);
  return ((Server *) f->cloud->servers->pdata[0])->request;
}

static void
start_badly (Fixture *f, BbError code, const char *text)
{
  start (f);
  g_assert_error (f->error, BB_ERROR, (int) code);
  g_assert_nonnull (strstr (f->error->message, text));
  g_assert_null (strstr (f->error->message, "lab-secret"));
  g_assert_cmpuint (f->cloud->servers->len, ==, 0);
}

static void
set (Fixture *f, const char *key, const char *value)
{
  set_option (f->cloud->config, key, value);
}

static void
unset_image (Fixture *f)
{
  g_clear_pointer (&((BbOpenstackConfig *) f->cloud->config)->image, g_free);
}

/* O1 */
static void
test_flavor_by_id (Fixture *f, gconstpointer data)
{
  JsonObject *server;

  set (f, "flavor", "1");
  set (f, "image", IMAGE_1);
  server = start_well (f);
  g_assert_cmpstr (json_object_get_string_member (server, "flavorRef"), ==, "1");
  g_assert_cmpstr (json_object_get_string_member (server, "imageRef"), ==, IMAGE_1);
  g_assert_cmpuint (count_calls (f->cloud, "GET /image/v2/images/" IMAGE_1), ==, 1);
}

/* O1, O10: names, metadata, what else the server is told; the mark in its name. */
static void
test_options (Fixture *f, gconstpointer data)
{
  JsonObject *server;
  JsonObject *metadata;
  g_autofree char *groups = NULL;
  g_autofree guchar *user_data = NULL;
  gsize size;

  set (f, "meta", "team=%(prop:branch)s;b=c");
  set (f, "security_groups", "ssh;web");
  set (f, "key_name", "my-key");
  set (f, "user_data", "password %(slave:password)s");
  set (f, "availability_zone", "nova");
  set (f, "config_drive", "true");
  set (f, "networks", "lab-net");
  server = start_well (f);
  metadata = json_object_get_object_member (server, "metadata");
  g_assert_cmpstr (json_object_get_string_member (server, "name"), ==, "bot1-" TOKEN);
  g_assert_cmpstr (json_object_get_string_member (server, "imageRef"), ==, IMAGE_1);
  g_assert_cmpstr (json_object_get_string_member (metadata, "team"), ==, "trunk");
  g_assert_cmpstr (json_object_get_string_member (metadata, "b"), ==, "c");
  g_assert_cmpstr (json_object_get_string_member (metadata, "bbhost:token"), ==, TOKEN);
  g_assert_cmpstr (json_object_get_string_member (metadata, "bbhost:slave"), ==, "bot1");
  g_assert_cmpstr (json_object_get_string_member (metadata, "bbhost:store"), ==, BB_LATENT_SUITE_STORE);
  g_assert_cmpstr (json_object_get_string_member (server, "key_name"), ==, "my-key");
  g_assert_cmpstr (json_object_get_string_member (server, "availability_zone"), ==, "nova");
  g_assert_true (json_object_get_boolean_member (server, "config_drive"));
  groups = to_text (server);
  g_assert_nonnull (strstr (groups, "\"security_groups\":[{\"name\":\"ssh\"},{\"name\":\"web\"}]"));
  g_assert_nonnull (strstr (groups, "\"networks\":[{\"uuid\":\"net-1\"}]"));
  user_data = g_base64_decode (json_object_get_string_member (server, "user_data"), &size);
  g_assert_cmpmem (user_data, size, "password " BB_LATENT_SUITE_PASSWORD, strlen ("password " BB_LATENT_SUITE_PASSWORD));
  g_assert_null (f->cloud->last_version);
}

static void
test_network_word (Fixture *f, gconstpointer data)
{
  JsonObject *server;

  set (f, "networks", "none");
  server = start_well (f);
  g_assert_cmpstr (json_object_get_string_member (server, "networks"), ==, "none");
  g_assert_cmpstr (f->cloud->last_version, ==, "compute 2.37");
}

static void
test_client_version (Fixture *f, gconstpointer data)
{
  JsonObject *server;

  set (f, "client_version", "2.40");
  server = start_well (f);
  g_assert_cmpstr (json_object_get_string_member (server, "networks"), ==, "auto");
  g_assert_cmpstr (f->cloud->last_version, ==, "compute 2.40");
}

static void
test_version_too_high (Fixture *f, gconstpointer data)
{
  set (f, "client_version", "2.61");
  start_badly (f, BB_ERROR_PERMANENT, "client_version=2.61: this cloud's Nova speaks up to 2.60");
  g_assert_cmpuint (count_calls (f->cloud, "POST /compute/"), ==, 0);
}

/* A Nova that knows no words for networks: auto is what it does without one, none it can't. */
static void
test_old_nova (Fixture *f, gconstpointer data)
{
  static const char old[] = "{\"version\": {\"id\": \"v2.1\", \"min_version\": \"2.1\", \"version\": \"2.36\"}}";

  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/", 200, flavors });
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/", 200, old });
  set (f, "networks", "auto");
  g_assert_false (json_object_has_member (start_well (f), "networks"));
  g_assert_null (f->cloud->last_version);
}

static void
test_no_network_on_old_nova (Fixture *f, gconstpointer data)
{
  static const char old[] = "{\"version\": {\"id\": \"v2.1\", \"min_version\": \"2.1\", \"version\": \"2.36\"}}";

  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/", 200, flavors });
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/", 200, old });
  set (f, "networks", "none");
  start_badly (f, BB_ERROR_PERMANENT, "networks=none: needs Nova 2.37, and this cloud's speaks up to 2.36");
}

/* Its text is filled in as that of user_data. */
static void
test_user_data_file (Fixture *f, gconstpointer data)
{
  g_autofree char *path = bb_test_write_file (f->dir, "user-data", 0600, "I am %(slave:name)s");
  g_autofree guchar *user_data = NULL;
  gsize size;

  set (f, "user_data_file", path);
  user_data = g_base64_decode (json_object_get_string_member (start_well (f), "user_data"), &size);
  g_assert_cmpmem (user_data, size, "I am bot1", strlen ("I am bot1"));
}

/* O1 */
static void
test_unknown_flavor (Fixture *f, gconstpointer data)
{
  set (f, "flavor", "big");
  start_badly (f, BB_ERROR_PERMANENT, "there is no flavor \"big\"; there is: m1.tiny, twin, twin");
}

static void
test_ambiguous_flavor (Fixture *f, gconstpointer data)
{
  set (f, "flavor", "twin");
  start_badly (f, BB_ERROR_PERMANENT, "2 have the name of flavor \"twin\"; give the id of one: 2, 3");
}

static void
test_unknown_image (Fixture *f, gconstpointer data)
{
  set (f, "image", "fedora");
  start_badly (f, BB_ERROR_PERMANENT, "there is no image \"fedora\"; there is: debian-1");
}

/* O2: the queued one is newer still. */
static void
test_image_regex (Fixture *f, gconstpointer data)
{
  unset_image (f);
  set (f, "image_regex", "debian-..");
  g_assert_cmpstr (json_object_get_string_member (start_well (f), "imageRef"), ==, IMAGE_2);
}

static void
test_image_oldest (Fixture *f, gconstpointer data)
{
  unset_image (f);
  set (f, "image_regex", "debian-..");
  set (f, "image_order", "oldest");
  g_assert_cmpstr (json_object_get_string_member (start_well (f), "imageRef"), ==, IMAGE_1);
}

static void
test_image_regex_is_whole (Fixture *f, gconstpointer data)
{
  unset_image (f);
  set (f, "image_regex", "debian");
  start_badly (f, BB_ERROR_PERMANENT, "fits no image's name");
}

static void
test_image_command (Fixture *f, gconstpointer data)
{
  unset_image (f);
  set (f, "image_command", "/bin/sh -c 'grep -q debian-13 && echo " IMAGE_2 "'");
  g_assert_cmpstr (json_object_get_string_member (start_well (f), "imageRef"), ==, IMAGE_2);
}

static void
test_image_command_hangs (Fixture *f, gconstpointer data)
{
  unset_image (f);
  set (f, "image_command", "/bin/sleep 100");
  set (f, "image_command_timeout", "0.1");
  start_badly (f, BB_ERROR_TIMEOUT, "image_command did not end within 0.1 seconds");
}

/* O4: 3 GiB and a byte */
static void
test_block_devices (Fixture *f, gconstpointer data)
{
  g_autofree char *text = NULL;

  unset_image (f);
  set (f, "block_devices", "uuid=" IMAGE_1 ",device_name=vdb");
  text = to_text (start_well (f));
  g_assert_nonnull (strstr (text, "\"volume_size\":4"));
  g_assert_nonnull (strstr (text, "\"device_name\":\"vdb\""));
  g_assert_nonnull (strstr (text, "\"delete_on_termination\":true"));
  g_assert_null (strstr (text, "imageRef"));
}

/* O4: every key of a disk, and those of a snapshot and of a volume, which has its size */
static void
test_block_device_keys (Fixture *f, gconstpointer data)
{
  g_autoptr (JsonNode) devices = NULL;
  g_autofree char *text = NULL;

  set (f, "block_devices",
       "uuid=snap-1,source_type=snapshot,boot_index=-1;"
       "uuid=" IMAGE_1 ",destination_type=local,volume_size=9;"
       "uuid=volume-3,source_type=volume,device_name=vdc,delete_on_termination=false;");
  devices = json_node_copy (json_object_get_member (start_well (f), "block_device_mapping_v2"));
  text = json_to_string (devices, FALSE);
  g_assert_cmpstr (text, ==,
                   "[{\"uuid\":\"snap-1\",\"source_type\":\"snapshot\",\"destination_type\":\"volume\",\"device_name\":\"vda\","
                   "\"boot_index\":-1,\"delete_on_termination\":true,\"volume_size\":7},"
                   "{\"uuid\":\"" IMAGE_1 "\",\"source_type\":\"image\",\"destination_type\":\"local\",\"device_name\":\"vda\","
                   "\"boot_index\":0,\"delete_on_termination\":true,\"volume_size\":9},"
                   "{\"uuid\":\"volume-3\",\"source_type\":\"volume\",\"destination_type\":\"volume\",\"device_name\":\"vdc\","
                   "\"boot_index\":0,\"delete_on_termination\":false}]");
}

/* O4, C13: the disk that Nova made is in the row, neither one that is to stay nor the user's is; one that Nova forgets is deleted. */
static void
test_disks_go (Fixture *f, gconstpointer data)
{
  set (f, "block_devices", "uuid=snap-1,source_type=snapshot;uuid=volume-3,source_type=volume;");
  start_well (f);
  g_assert_cmpuint (f->resources->len, ==, 3);
  g_assert_cmpstr (f->resources->pdata[0], ==, "disks:volume-3");
  g_assert_cmpstr (f->resources->pdata[1], ==, "server:" TOKEN);
  g_assert_cmpstr (f->resources->pdata[2], ==, "volume:volume-1");
  f->cloud->volume_looks = 3;
  g_assert_true (bb_latent_suite_stop (f->slave, f->instance, FALSE, &f->error));
  g_assert_cmpuint (f->cloud->volume_deletions, ==, 1);
}

/* The same when the daemon was killed before it knew of the disk. */
static void
test_unknown_disks_go (Fixture *f, gconstpointer data)
{
  const char *const resources[] = { "disks:volume-3", "server:" TOKEN, NULL };

  start_well (f);
  bb_instance_set_resources (f->instance, resources);
  f->cloud->volume_looks = 1;
  g_assert_true (bb_latent_suite_stop (f->slave, f->instance, FALSE, &f->error));
  g_assert_cmpuint (count_calls (f->cloud, "GET /volume/v3/volumes/volume-1"), >, 0);
  g_assert_cmpuint (count_calls (f->cloud, "GET /volume/v3/volumes/"), ==,
                    count_calls (f->cloud, "GET /volume/v3/volumes/volume-1"));
  g_assert_cmpuint (f->cloud->volume_deletions, ==, 1);
}

/* A row of a start that asked for no server is done without asking anybody. */
static void
test_stop_of_nothing (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) instance = bb_instance_new ("", TOKEN);

  set (f, "region", "Moon");
  f->slave = new_slave (f->cloud, "bot1");
  g_assert_true (bb_latent_suite_stop (f->slave, instance, FALSE, &f->error));
  g_assert_cmpuint (f->cloud->calls->len, ==, 0);
}

/* C1: that a list could not be had does not mean that nothing is in it. */
static void
test_stop_without_a_list (Fixture *f, gconstpointer data)
{
  const char *const resources[] = { "server:" TOKEN, NULL };
  g_autoptr (BbInstance) instance = bb_instance_new ("", TOKEN);

  start_well (f);
  bb_instance_set_resources (instance, resources);
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/servers/detail", 403, "{}" });
  g_assert_false (bb_latent_suite_stop (f->slave, instance, FALSE, &f->error));
  g_assert_error (f->error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpuint (f->cloud->servers->len, ==, 1);
  g_clear_error (&f->error);
  g_assert_true (bb_latent_suite_stop (f->slave, instance, FALSE, &f->error));
  g_assert_cmpuint (f->cloud->servers->len, ==, 0);
}

/* O5 */
static void
test_build_states (Fixture *f, gconstpointer data)
{
  f->cloud->looks = 3;
  start_well (f);
  g_assert_cmpuint (count_calls (f->cloud, "GET /compute/v2.1/servers/detail"), ==, 4);
  g_assert_cmpint (bb_instance_get_state (f->instance), ==, BB_INSTANCE_ALIVE);
}

/* O5, O7 */
static void
test_no_valid_host (Fixture *f, gconstpointer data)
{
  f->cloud->first_status = "ERROR";
  f->cloud->fault = NO_VALID_HOST;
  start_badly (f, BB_ERROR_QUOTA, "ERROR: " NO_VALID_HOST);
}

static void
test_error_without_fault (Fixture *f, gconstpointer data)
{
  f->cloud->first_status = "ERROR";
  start_badly (f, BB_ERROR_FAILED, "became ERROR");
}

/* O6 */
static void
test_hidden (Fixture *f, gconstpointer data)
{
  f->cloud->hidden = 2;
  start_well (f);
}

/* O7 */
static void
test_quota (Fixture *f, gconstpointer data)
{
  add_fault (f->cloud, (Fault){ "POST", "/compute/v2.1/servers", 403,
                                "{\"forbidden\": {\"code\": 403, \"message\": \"Quota exceeded for instances: Requested 1, "
                                "but already used 3 of 2 instances\"}}" });
  start_badly (f, BB_ERROR_QUOTA, "Quota exceeded for instances: Requested 1, but already used 3 of 2 instances");
}

static void
test_bad_request (Fixture *f, gconstpointer data)
{
  add_fault (f->cloud, (Fault){ "POST", "/compute/v2.1/servers", 400,
                                "{\"badRequest\": {\"code\": 400, \"message\": \"Invalid key_name provided.\"}}" });
  start_badly (f, BB_ERROR_PERMANENT, "Invalid key_name provided.");
}

/* O8: refused, renewed, once. */
static void
test_revoked (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) list = NULL;

  start_well (f);
  g_assert_cmpuint (f->cloud->logins, ==, 1);
  f->cloud->token = 77;
  list = bb_latent_suite_list (f->slave, BB_LATENT_SUITE_STORE);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_cmpuint (f->cloud->logins, ==, 2);
}

static void
test_expires (Fixture *f, gconstpointer data)
{
  f->cloud->lifetime = 0;
  start_well (f);
  g_assert_cmpuint (f->cloud->logins, >, 2);
}

/* A service that can't check tokens: no login after the other, and nothing that ends a build. */
static void
test_refused_twice (Fixture *f, gconstpointer data)
{
  static const char body[] = "{\"error\": {\"code\": 401, \"message\": \"no\"}}";

  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/flavors", 401, body });
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/flavors", 401, body });
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/flavors", 401, body });
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/flavors", 401, body });
  start_badly (f, BB_ERROR_QUOTA, "refuses a token that Keystone has just given: Nova: GET /flavors: no (401)");
  g_assert_cmpuint (f->cloud->logins, ==, 2);
}

static void
test_shared_login (Fixture *f, gconstpointer data)
{
  g_autoptr (BbLatentSlave) other = new_slave (f->cloud, "bot2");
  g_autoptr (GPtrArray) list = NULL;

  start_well (f);
  list = bb_latent_suite_list (other, BB_LATENT_SUITE_STORE);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_cmpuint (f->cloud->logins, ==, 1);
}

/* O9 */
static void
test_login_bodies (Fixture *f, gconstpointer data)
{
  set (f, "os_user_domain", "Users");
  set (f, "os_project_domain", "Projects");
  start_well (f);
  g_assert_cmpstr (f->cloud->last_login, ==,
                   "{\"identity\":{\"methods\":[\"password\"],\"password\":{\"user\":{\"name\":\"labuser\",\"domain\":{\"name\":"
                   "\"Users\"},\"password\":\"lab-secret\"}}},\"scope\":{\"project\":{\"name\":\"lab\",\"domain\":{\"name\":"
                   "\"Projects\"}}}}");
}

static void
test_application_credential (Fixture *f, gconstpointer data)
{
  set (f, "os_application_credential_id", "app-1");
  set (f, "os_application_credential_secret", "app-secret");
  start_well (f);
  g_assert_cmpstr (f->cloud->last_login, ==,
                   "{\"identity\":{\"methods\":[\"application_credential\"],\"application_credential\":{\"id\":\"app-1\","
                   "\"secret\":\"app-secret\"}}}");
}

static void
test_application_credential_name (Fixture *f, gconstpointer data)
{
  set (f, "os_application_credential_name", "mine");
  set (f, "os_application_credential_secret", "app-secret");
  start_well (f);
  g_assert_cmpstr (f->cloud->last_login, ==,
                   "{\"identity\":{\"methods\":[\"application_credential\"],\"application_credential\":{\"name\":\"mine\","
                   "\"user\":{\"name\":\"labuser\",\"domain\":{\"id\":\"default\"}},\"secret\":\"app-secret\"}}}");
}

/* It decides where more than one way is given. */
static void
test_auth_type (Fixture *f, gconstpointer data)
{
  set (f, "os_auth_type", "v3password");
  set (f, "os_token", "given");
  start_well (f);
  g_assert_nonnull (strstr (f->cloud->last_login, "\"methods\":[\"password\"]"));
}

static void
test_password_file (Fixture *f, gconstpointer data)
{
  g_autofree char *path = bb_test_write_file (f->dir, "password", 0600, "of-the-file\nand no more\n");

  g_clear_pointer (&((BbOpenstackConfig *) f->cloud->config)->os_password, g_free);
  set (f, "os_password_file", path);
  start_well (f);
  g_assert_nonnull (strstr (f->cloud->last_login, "\"password\":\"of-the-file\""));
}

/* Where these lead nobody is: so they are used. */
static void
test_region (Fixture *f, gconstpointer data)
{
  set (f, "region", "RegionTwo");
  start_badly (f, BB_ERROR_TIMEOUT, "Nova: GET /flavors: Could not connect to 127.0.0.1");
}

static void
test_interface (Fixture *f, gconstpointer data)
{
  set (f, "os_interface", "internalURL");
  start_badly (f, BB_ERROR_TIMEOUT, "Nova: GET /flavors: Could not connect to 127.0.0.1");
}

static void
test_token_login (Fixture *f, gconstpointer data)
{
  set (f, "os_token", "given");
  start_well (f);
  g_assert_nonnull (strstr (f->cloud->last_login, "\"methods\":[\"token\"],\"token\":{\"id\":\"given\"}"));
}

static void
test_clouds_yaml (Fixture *f, gconstpointer data)
{
  BbOpenstackConfig *config = f->cloud->config;
  g_autofree char *text
    = g_strdup_printf ("clouds:\n  mine:\n    region_name: RegionOne\n    auth:\n      auth_url: %s\n      username: ann\n"
                       "      project_name: lab\n", f->cloud->auth_url);
  g_autofree char *path = bb_test_write_file (f->dir, "clouds.yaml", 0600, text);
  g_autofree char *secure = bb_test_write_file (f->dir, "secure.yaml", 0600,
                                                "clouds:\n  mine:\n    auth:\n      password: from-file\n");

  g_clear_pointer (&config->os_auth_url, g_free);
  g_clear_pointer (&config->os_username, g_free);
  g_clear_pointer (&config->os_password, g_free);
  g_clear_pointer (&config->os_tenant_name, g_free);
  set (f, "os_cloud", "mine");
  g_setenv ("OS_CLIENT_CONFIG_FILE", path, TRUE);
  start_well (f);
  g_unsetenv ("OS_CLIENT_CONFIG_FILE");
  g_assert_nonnull (strstr (f->cloud->last_login, "\"name\":\"ann\""));
  g_assert_nonnull (strstr (f->cloud->last_login, "\"password\":\"from-file\""));
}

static void
test_old_address (Fixture *f, gconstpointer data)
{
  g_autofree char *old = g_strconcat (f->cloud->url, "v2.0", NULL);
  g_autofree char *warnings = NULL;

  set (f, "os_auth_url", old);
  start_well (f);
  warnings = bb_log_trap_take_warnings ();
  g_assert_nonnull (strstr (warnings, "write os_auth_url="));
  g_assert_nonnull (strstr (warnings, f->cloud->auth_url));
}

static void
test_only_v2 (Fixture *f, gconstpointer data)
{
  g_autofree char *old = g_strconcat (f->cloud->url, "v2.0", NULL);

  f->cloud->only_v2 = TRUE;
  set (f, "os_auth_url", old);
  start_badly (f, BB_ERROR_PERMANENT, "no Identity v3 is found there, only v2.0 (300); write the address");
}

static void
test_unknown_region (Fixture *f, gconstpointer data)
{
  set (f, "region", "Moon");
  start_badly (f, BB_ERROR_PERMANENT, "no public address of Nova (compute) in region Moon; there is RegionOne, RegionTwo");
}

/* O11, C13 */
static void
test_address (Fixture *f, gconstpointer data)
{
  set (f, "floating_ip_pool", "public");
  start_well (f);
  g_assert_cmpuint (f->cloud->addresses->len, ==, 1);
  g_assert_nonnull (strstr (f->cloud->addresses->pdata[0], "\"floating_network_id\":\"net-2\",\"port_id\":\"port-1\""));
  g_assert_cmpstr (f->resources->pdata[0], ==, "floating-ip:" TOKEN);
  g_assert_cmpstr (f->resources->pdata[1], ==, "server:" TOKEN);
  g_assert_true (bb_latent_suite_stop (f->slave, f->instance, FALSE, &f->error));
  g_assert_cmpuint (f->cloud->addresses->len, ==, 0);
  g_assert_cmpuint (f->cloud->servers->len, ==, 0);
  g_assert_cmpuint (count_calls (f->cloud, "DELETE /network/v2.0/floatingips/"), ==, 1);
}

static void
test_address_refused (Fixture *f, gconstpointer data)
{
  set (f, "floating_ip_pool", "public");
  add_fault (f->cloud, (Fault){ "POST", "/network/v2.0/floatingips", 409,
                                "{\"NeutronError\": {\"type\": \"OverQuota\", \"message\": \"Quota exceeded for resources: "
                                "['floatingip'].\", \"detail\": \"\"}}" });
  start_badly (f, BB_ERROR_QUOTA, "Quota exceeded for resources: ['floatingip'].");
}

static void
test_locked (Fixture *f, gconstpointer data)
{
  start_well (f);
  add_fault (f->cloud, (Fault){ "DELETE", "/compute/v2.1/servers/", 409,
                                "{\"conflictingRequest\": {\"code\": 409, \"message\": \"Instance server-1 is locked\"}}" });
  g_assert_false (bb_latent_suite_stop (f->slave, f->instance, FALSE, &f->error));
  g_assert_nonnull (strstr (f->error->message, "Instance server-1 is locked"));
}

/* A server that comes back from its deletion in ERROR is deleted again. */
static void
test_delete_fails (Fixture *f, gconstpointer data)
{
  start_well (f);
  add_fault (f->cloud, (Fault){ "DELETE", "/compute/v2.1/servers/", 204, "" });
  ((Server *) f->cloud->servers->pdata[0])->status = "ERROR";
  g_assert_true (bb_latent_suite_stop (f->slave, f->instance, FALSE, &f->error));
  g_assert_cmpuint (count_calls (f->cloud, "DELETE "), ==, 2);
  g_assert_cmpuint (f->cloud->servers->len, ==, 0);
}

/* O12 */
static void
test_retry_after (Fixture *f, gconstpointer data)
{
  gint64 begin = g_get_monotonic_time ();

  add_fault (f->cloud, (Fault){ "POST", "/compute/v2.1/servers", 429, "{\"overLimit\": {\"message\": \"slow down\"}}", "1" });
  start_well (f);
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, G_USEC_PER_SEC);
  g_assert_cmpuint (count_calls (f->cloud, "POST /compute/v2.1/servers"), ==, 2);
}

/* Keystone's counts for the account as everybody's. */
static void
test_retry_after_of_keystone (Fixture *f, gconstpointer data)
{
  add_fault (f->cloud, (Fault){ "POST", "/v3/auth/tokens", 429, "{}", "1000" });
  start_badly (f, BB_ERROR_QUOTA, "asked to be left alone for another");
  g_assert_cmpuint (count_calls (f->cloud, ""), ==, 1);
}

static void
test_long_retry_after (Fixture *f, gconstpointer data)
{
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/flavors", 429, "{}", "1000" });
  start_badly (f, BB_ERROR_QUOTA, "asked to be left alone for another");
  g_assert_cmpuint (count_calls (f->cloud, "GET /compute/v2.1/flavors"), ==, 1);
}

/* O13 */
static void
test_hangs (Fixture *f, gconstpointer data)
{
  set (f, "call_timeout", "0.2");
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/flavors", 1 });
  start_well (f);
  g_assert_cmpuint (count_calls (f->cloud, "GET /compute/v2.1/flavors"), ==, 2);
}

static void
test_server_error (Fixture *f, gconstpointer data)
{
  add_fault (f->cloud, (Fault){ "GET", "/compute/v2.1/flavors", 503, "{\"message\": \"down\"}" });
  start_well (f);
}

/* The creation has its effect, but its answer is lost: the server is taken over, and none is made beside it. */
static void
test_lost_answer (Fixture *f, gconstpointer data)
{
  add_fault (f->cloud, (Fault){ "POST", "/compute/v2.1/servers", 500, "{}", NULL, TRUE });
  start_well (f);
  g_assert_cmpuint (f->cloud->made, ==, 1);
  g_assert_cmpuint (count_calls (f->cloud, "GET /compute/v2.1/servers/detail?name=5f1d7c1e"), ==, 1);
}

static void
test_lost_request (Fixture *f, gconstpointer data)
{
  add_fault (f->cloud, (Fault){ "POST", "/compute/v2.1/servers", 500,
                                "{\"computeFault\": {\"code\": 500, \"message\": \"Unexpected API Error.\"}}" });
  start_badly (f, BB_ERROR_QUOTA, "Unexpected API Error.");
  g_assert_cmpuint (f->cloud->made, ==, 0);
}

/* C4: what is not ours is not listed, and a list goes on over its pages. */
static void
test_pages (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) list = NULL;

  start_well (f);
  add_fault (f->cloud,
             (Fault){ "GET", "/compute/v2.1/servers/detail", 200,
                      "{\"servers\": [{\"id\": \"of-others\", \"name\": \"x\", \"status\": \"ACTIVE\", \"metadata\": {}}, "
                      "{\"id\": \"deleted\", \"name\": \"y\", \"status\": \"DELETED\", \"metadata\": {\"bbhost:store\": "
                      "\"" BB_LATENT_SUITE_STORE "\"}}], "
                      "\"servers_links\": [{\"rel\": \"next\", \"href\": \"http://127.0.0.1:1/v2.1/servers?marker=deleted\"}]}" });
  list = bb_latent_suite_list (f->slave, BB_LATENT_SUITE_STORE);
  g_assert_cmpuint (list->len, ==, 1);
  g_assert_cmpstr (bb_instance_get_id (list->pdata[0]), ==, bb_instance_get_id (f->instance));
  g_assert_cmpuint (count_calls (f->cloud, "GET /compute/v2.1/servers/detail?marker=deleted"), ==, 1);
}

/* Variables of the shell count only when nothing else says where the cloud is. */
static void
test_environment (Fixture *f, gconstpointer data)
{
  static const char *const names[] = { "OS_AUTH_URL", "OS_USERNAME", "OS_PASSWORD", "OS_TENANT_NAME" };
  BbOpenstackConfig *config = f->cloud->config;
  const char *const values[] = { f->cloud->auth_url, "bob", "of-the-shell", "lab" };

  g_clear_pointer (&config->os_auth_url, g_free);
  g_clear_pointer (&config->os_username, g_free);
  g_clear_pointer (&config->os_password, g_free);
  g_clear_pointer (&config->os_tenant_name, g_free);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_setenv (names[i], values[i], TRUE);
  start_well (f);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    g_unsetenv (names[i]);
  g_assert_nonnull (strstr (f->cloud->last_login, "\"name\":\"bob\""));
  g_assert_nonnull (strstr (f->cloud->last_login, "\"password\":\"of-the-shell\""));
}

static void
test_insecure (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  set (f, "insecure", "true");
  start_well (f);
  warnings = bb_log_trap_take_warnings ();
  g_assert_nonnull (strstr (warnings, "the cloud's certificate goes unchecked"));
}

/* O3, and the rest of what --check-config says */
static void
test_validate (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *text = NULL;

  bb_openstack_config_validate (f->cloud->config, errors);
  g_assert_cmpuint (errors->len, ==, 0);
  unset_image (f);
  set (f, "meta", "bbhost:token=x");
  set (f, "client_version", "3");
  set (f, "networks", "none;lab-net");
  g_clear_pointer (&((BbOpenstackConfig *) f->cloud->config)->os_password, g_free);
  bb_openstack_config_validate (f->cloud->config, errors);
  g_ptr_array_add (errors, NULL);
  text = g_strjoinv ("\n", (char **) errors->pdata);
  g_assert_cmpstr (text, ==,
                   "image: missing; give it, or image_regex, image_command or block_devices\n"
                   "os_password: missing; give it or os_password_file\n"
                   "meta: \"bbhost:token\" begins with bbhost:, which is not for users\n"
                   "networks: \"none\" stands alone or not at all\n"
                   "client_version: \"3\" is neither 2 nor like 2.37");
}

static void
test_quote (void)
{
  g_autofree char *whole = bb_error_quote ("a\nb\x1b[2J\xc2\x9bü", 100);
  g_autofree char *cut = bb_error_quote ("aü€€", 5);

  g_assert_cmpstr (whole, ==, "a b [2J ü");
  g_assert_cmpstr (cut, ==, "aü");
}

int
main (int argc, char **argv)
{
#define ADD(NAME, FUNC) g_test_add ("/openstack/" NAME, Fixture, NULL, set_up, FUNC, tear_down)
  g_unsetenv ("OS_CLOUD");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/openstack/quote", test_quote);
  bb_log_trap_install ();
  bb_latent_suite_add (&suite);
  ADD ("O1/flavor/by-id", test_flavor_by_id);
  ADD ("O1/flavor/unknown", test_unknown_flavor);
  ADD ("O1/flavor/ambiguous", test_ambiguous_flavor);
  ADD ("O1/image/unknown", test_unknown_image);
  ADD ("O2/image/regex", test_image_regex);
  ADD ("O2/image/oldest", test_image_oldest);
  ADD ("O2/image/regex-is-whole", test_image_regex_is_whole);
  ADD ("O2/image/command", test_image_command);
  ADD ("O13/image/command-hangs", test_image_command_hangs);
  ADD ("O10/options/all", test_options);
  ADD ("options/network-word", test_network_word);
  ADD ("options/client-version", test_client_version);
  ADD ("O4/options/block-devices", test_block_devices);
  ADD ("options/version-too-high", test_version_too_high);
  ADD ("options/old-nova", test_old_nova);
  ADD ("options/no-network-on-old-nova", test_no_network_on_old_nova);
  ADD ("options/user-data-file", test_user_data_file);
  ADD ("O4/options/block-device-keys", test_block_device_keys);
  ADD ("O4/stop/disks", test_disks_go);
  ADD ("C13/stop/disks-that-nobody-knew-of", test_unknown_disks_go);
  ADD ("C2/stop/of-nothing", test_stop_of_nothing);
  ADD ("C1/stop-without-a-list", test_stop_without_a_list);
  ADD ("options/insecure", test_insecure);
  ADD ("O3/options/validate", test_validate);
  ADD ("O5/start/build-states", test_build_states);
  ADD ("O7/start/no-valid-host", test_no_valid_host);
  ADD ("O5/start/error-without-fault", test_error_without_fault);
  ADD ("O6/start/hidden", test_hidden);
  ADD ("O7/start/quota", test_quota);
  ADD ("L7/start/bad-request", test_bad_request);
  ADD ("C2/start/lost-answer", test_lost_answer);
  ADD ("C2/start/lost-request", test_lost_request);
  ADD ("O8/login/revoked", test_revoked);
  ADD ("O8/login/expires", test_expires);
  ADD ("O8/login/refused-twice", test_refused_twice);
  ADD ("O8/login/shared", test_shared_login);
  ADD ("O9/login/domains", test_login_bodies);
  ADD ("O9/login/application-credential", test_application_credential);
  ADD ("O9/login/application-credential-name", test_application_credential_name);
  ADD ("O9/login/type", test_auth_type);
  ADD ("O9/login/password-file", test_password_file);
  ADD ("O9/login/region", test_region);
  ADD ("O9/login/interface", test_interface);
  ADD ("O9/login/token", test_token_login);
  ADD ("O9/login/clouds-yaml", test_clouds_yaml);
  ADD ("O9/login/environment", test_environment);
  ADD ("O9/login/old-address", test_old_address);
  ADD ("O9/login/only-v2", test_only_v2);
  ADD ("O9/login/unknown-region", test_unknown_region);
  ADD ("O11/address/made-and-freed", test_address);
  ADD ("O7/address/refused", test_address_refused);
  ADD ("C4/list/pages-and-others", test_pages);
  ADD ("O11/stop/locked", test_locked);
  ADD ("O11/stop/comes-back-in-error", test_delete_fails);
  ADD ("O12/call/retry-after", test_retry_after);
  ADD ("O12/call/retry-after-of-keystone", test_retry_after_of_keystone);
  ADD ("O12/call/long-retry-after", test_long_retry_after);
  ADD ("O13/call/hangs", test_hangs);
  ADD ("L7/call/server-error", test_server_error);
  return g_test_run ();
}
