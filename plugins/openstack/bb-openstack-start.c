/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-start.h"

#include "bb-openstack-error.h"
#include "bb-web-json.h"
#include "bb-openstack-plan.h"
#include "bb-openstack-row.h"
#include "bb-openstack-server.h"
#include "bb-openstack-stop.h"
#include "bb-openstack-volumes.h"

#include <string.h>

/* How often a server whose creation got no answer is looked for, and how often one may not be found, or not asked for,
 * before that is believed. */
#define MAX_SEARCHES 3
#define MAX_UNSEEN 5
#define MAX_FAILED_LOOKS 5

typedef struct
{
  BbInstanceRequest *request;
  BbOpenstackPlan *plan;
  GPtrArray *resources; /* of char *, with a NULL at the end: of the ledger's row */
  guint recorded;       /* how many of them are in it */
  BbInstance *instance; /* from when its id is known */
  GError *error;        /* why it is stopped again, or why it is searched for */
  guint searches;
  guint unseen;
  guint failed_looks;
} Start;

static void look (GTask *task);
static void search (GTask *task);
static void record (GTask *task);
static void create (GTask *task);
static void give_address (GTask *task);

static void
start_free (gpointer data)
{
  Start *start = data;

  g_object_unref (start->request);
  g_clear_pointer (&start->plan, bb_openstack_plan_free);
  g_ptr_array_unref (start->resources);
  g_clear_pointer (&start->instance, bb_instance_unref);
  g_clear_error (&start->error);
  g_free (start);
}

/* --- giving up */

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  /* What is left is in the ledger, and stopped from there. */
  if (!bb_openstack_stop_finish (BB_OPENSTACK_ACCOUNT (source), result, &error))
    bb_log_slave (G_LOG_LEVEL_WARNING, bb_instance_request_get_slave_name (start->request),
                  "server %s of the failed start is not gone yet: %s", bb_instance_get_id (start->instance), error->message);
  g_task_return_error (task, g_steal_pointer (&start->error));
}

/* Takes @error. */
static void
give_up (GTask *task, GError *error)
{
  Start *start = g_task_get_task_data (task);

  start->error = bb_openstack_error_to_core (error);
  bb_openstack_stop_async (g_task_get_source_object (task), start->instance, g_task_get_cancellable (task), stopped_cb,
                           task);
}

static void
return_instance (GTask *task, BbInstanceState state)
{
  Start *start = g_task_get_task_data (task);

  bb_instance_set_state (start->instance, state, NULL);
  g_task_return_pointer (task, g_steal_pointer (&start->instance), (GDestroyNotify) bb_instance_unref);
  g_object_unref (task);
}

/* --- the ledger's row */

static void
add_resource (Start *start, const char *kind, const char *rest)
{
  g_ptr_array_insert (start->resources, (int) start->resources->len - 1, g_strconcat (kind, rest, NULL));
}

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;

  if (bb_instance_request_record_finish (start->request, result, &error))
    {
      start->recorded++;
      record (g_steal_pointer (&task));
    }
  else if (start->instance != NULL)
    give_up (g_steal_pointer (&task), error);
  else
    g_task_return_error (task, error);
}

/* Writes down what is new, and goes on: without an instance by making it. */
static void
record (GTask *task)
{
  Start *start = g_task_get_task_data (task);

  if (start->recorded < start->resources->len - 1)
    {
      /* What exists already is written down whether it is wanted still or not. */
      bb_instance_request_record_async (start->request, start->resources->pdata[start->recorded],
                                        start->instance != NULL ? NULL : g_task_get_cancellable (task), recorded_cb, task);
      return;
    }
  if (start->instance == NULL)
    {
      create (task);
      return;
    }
  bb_instance_set_resources (start->instance, (const char *const *) start->resources->pdata);
  give_address (task);
}

/* --- the address */

static void
address_made_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (root == NULL)
    give_up (g_steal_pointer (&task), error);
  else
    return_instance (g_steal_pointer (&task), BB_INSTANCE_ALIVE);
}

static void
ports_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  g_autofree char *description
    = bb_openstack_stop_make_description (bb_instance_request_get_token (start->request));
  const char *server_id = bb_instance_get_id (start->instance);
  GError *error = NULL;
  g_autoptr (GPtrArray) ports = bb_openstack_account_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  g_autoptr (JsonNode) body = json_node_new (JSON_NODE_OBJECT);
  g_autoptr (JsonObject) root = json_object_new ();
  JsonObject *address;
  const char *port = NULL;

  for (guint i = 0; ports != NULL && port == NULL && i < ports->len; i++)
    if (g_strcmp0 (bb_web_json_get_string (ports->pdata[i], "device_id"), server_id) == 0)
      port = bb_web_json_get_string (ports->pdata[i], "id");
  if (ports != NULL && port == NULL)
    error = g_error_new_literal (BB_ERROR, BB_ERROR_PERMANENT,
                                 "openstack: floating_ip_pool: the server has no port that could get an address");
  if (port == NULL)
    {
      give_up (g_steal_pointer (&task), error);
      return;
    }
  address = json_object_new ();
  json_object_set_string_member (address, "floating_network_id", start->plan->pool);
  json_object_set_string_member (address, "port_id", port);
  json_object_set_string_member (address, "description", description);
  json_object_set_object_member (root, "floatingip", address);
  json_node_set_object (body, root);
  bb_openstack_account_call_async (BB_OPENSTACK_ACCOUNT (source), BB_OPENSTACK_NETWORK, "POST", "/floatingips", body, 0,
                                   NULL, address_made_cb, g_steal_pointer (&task));
}

static void
give_address (GTask *task)
{
  Start *start = g_task_get_task_data (task);
  g_autofree char *query = NULL;

  if (start->plan->pool == NULL)
    {
      return_instance (task, BB_INSTANCE_ALIVE);
      return;
    }
  query = g_strconcat ("device_id=", bb_instance_get_id (start->instance), NULL);
  bb_openstack_account_list_async (g_task_get_source_object (task), BB_OPENSTACK_NETWORK, "/ports", query, "ports",
                                   g_task_get_cancellable (task), ports_received_cb, task);
}

/* --- its disks */

static void
volumes_found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) ids = bb_openstack_volumes_find_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (ids == NULL)
    {
      give_up (g_steal_pointer (&task), error);
      return;
    }
  for (guint i = 0; i < ids->len; i++)
    add_resource (start, BB_OPENSTACK_ROW_VOLUME, ids->pdata[i]);
  record (g_steal_pointer (&task));
}

static void
is_active (GTask *task)
{
  Start *start = g_task_get_task_data (task);

  if (start->plan->kept == NULL)
    give_address (task);
  else
    bb_openstack_volumes_find_async (g_task_get_source_object (task), bb_instance_get_id (start->instance),
                                     start->plan->kept, g_task_get_cancellable (task), volumes_found_cb, task);
}

/* --- waiting */

static GError *
make_fault (JsonObject *server)
{
  g_autofree char *text = bb_openstack_server_describe (server);
  gboolean may_help = strstr (text, "No valid host") != NULL || strstr (text, "uota") != NULL
                      || strstr (text, "Exceeded maximum number of retries") != NULL;

  return g_error_new (BB_ERROR, may_help ? BB_ERROR_QUOTA : BB_ERROR_FAILED, "openstack: server %s became %s",
                      bb_web_json_get_string (server, "id"), text);
}

static void
look_failed (GTask *task, GError *error)
{
  Start *start = g_task_get_task_data (task);
  gboolean unseen = g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_NOT_FOUND);

  /* Right after its creation a server may not be shown everywhere. */
  if (unseen && ++start->unseen >= MAX_UNSEEN)
    {
      give_up (task, g_error_new (BB_ERROR, BB_ERROR_FAILED, "openstack: server %s vanished while it was built",
                                  bb_instance_get_id (start->instance)));
      g_error_free (error);
      return;
    }
  g_error_free (error);
  if (!unseen && ++start->failed_looks >= MAX_FAILED_LOOKS)
    return_instance (task, BB_INSTANCE_STARTING); /* it exists; core goes on asking */
  else
    look (task);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (JsonObject) server = bb_openstack_server_look_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  const char *status = server != NULL ? bb_openstack_server_get_status (server) : NULL;

  if (g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    {
      g_clear_error (&error);
      return_instance (g_steal_pointer (&task), BB_INSTANCE_STARTING);
      return;
    }
  if (server == NULL)
    {
      look_failed (g_steal_pointer (&task), error);
      return;
    }
  start->unseen = 0;
  start->failed_looks = 0;
  if (g_str_has_prefix (status, "BUILD"))
    look (g_steal_pointer (&task));
  else if (g_str_equal (status, "ACTIVE"))
    is_active (g_steal_pointer (&task));
  else
    give_up (g_steal_pointer (&task), make_fault (server));
}

static void
look (GTask *task)
{
  Start *start = g_task_get_task_data (task);

  bb_openstack_server_look_async (g_task_get_source_object (task), bb_instance_get_id (start->instance),
                                  g_task_get_cancellable (task), looked_cb, task);
}

static void
reported_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;

  if (!bb_instance_request_report_finish (start->request, result, &error))
    give_up (g_steal_pointer (&task), error);
  else
    look (g_steal_pointer (&task));
}

/* --- making it */

static void
server_exists (GTask *task, const char *id)
{
  Start *start = g_task_get_task_data (task);
  const char *token = bb_instance_request_get_token (start->request);

  start->instance = bb_instance_new (id, token);
  bb_instance_set_slave_name (start->instance, bb_instance_request_get_slave_name (start->request));
  bb_instance_set_resources (start->instance, (const char *const *) start->resources->pdata);
  bb_instance_set_state (start->instance, BB_INSTANCE_STARTING, NULL);
  bb_instance_request_report_async (start->request, start->instance, NULL, reported_cb, task);
}

static void
search_again_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  bb_delay_finish (result, NULL);
  search (user_data);
}

static void
searched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbOpenstackAccount *account = BB_OPENSTACK_ACCOUNT (source);
  Start *start = g_task_get_task_data (task);
  g_autoptr (GPtrArray) servers = bb_openstack_server_list_finish (account, result, NULL);
  const char *id = servers != NULL && servers->len > 0 ? bb_web_json_get_string (servers->pdata[0], "id") : NULL;

  if (id != NULL)
    {
      g_clear_error (&start->error);
      server_exists (g_steal_pointer (&task), id);
    }
  else if (++start->searches < MAX_SEARCHES)
    bb_delay_async (bb_openstack_account_get_poll_interval (account), NULL, search_again_cb, g_steal_pointer (&task));
  else
    g_task_return_error (task, bb_openstack_error_to_core (g_steal_pointer (&start->error)));
}

/* The creation got no answer, but may have had its effect. What turns up later still is found by its token when core stops
 * what this start may have left. */
static void
search (GTask *task)
{
  Start *start = g_task_get_task_data (task);

  bb_openstack_server_list_async (g_task_get_source_object (task), "bbhost:token",
                                  bb_instance_request_get_token (start->request), NULL, searched_cb, task);
}

static gboolean
may_have_had_effect (const GError *error)
{
  return g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_LOST)
         || g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_SERVER)
         || g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_GARBAGE);
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  const char *id = bb_web_json_get_string (
    bb_web_json_get_object (bb_web_json_to_object (root), "server"), "id");

  if (id != NULL)
    {
      server_exists (g_steal_pointer (&task), id);
      return;
    }
  if (root != NULL)
    error = g_error_new_literal (BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_GARBAGE, "Nova: the answer is no server");
  if (may_have_had_effect (error))
    {
      start->error = error;
      search (g_steal_pointer (&task));
      return;
    }
  /* Of a creation this means that several networks are there and none was named, and the like. */
  if (g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_CONFLICT))
    error->code = BB_OPENSTACK_ERROR_REFUSED;
  g_task_return_error (task, bb_openstack_error_to_core (error));
}

static void
create (GTask *task)
{
  Start *start = g_task_get_task_data (task);

  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }
  /* Without the cancellable: an answer that is thrown away is a server that nobody knows. */
  bb_openstack_account_call_async (g_task_get_source_object (task), BB_OPENSTACK_COMPUTE, "POST", "/servers",
                                   start->plan->body, start->plan->minor, NULL, created_cb, task);
}

static void
planned_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Start *start = g_task_get_task_data (task);
  const char *token = bb_instance_request_get_token (start->request);
  GError *error = NULL;

  start->plan = bb_openstack_plan_new_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  if (start->plan == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (start->plan->pool != NULL)
    add_resource (start, BB_OPENSTACK_ROW_ADDRESS, token);
  if (start->plan->kept != NULL)
    add_resource (start, BB_OPENSTACK_ROW_DISKS, start->plan->kept);
  add_resource (start, BB_OPENSTACK_ROW_SERVER, token);
  record (g_steal_pointer (&task));
}

void
bb_openstack_start_async (BbOpenstackAccount *account, const BbOpenstackConfig *config, BbInstanceRequest *request,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (account, cancellable, callback, user_data);
  Start *start = g_new0 (Start, 1);

  g_task_set_source_tag (task, bb_openstack_start_async);
  g_task_set_check_cancellable (task, FALSE);
  start->request = g_object_ref (request);
  start->resources = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (start->resources, NULL);
  g_task_set_task_data (task, start, start_free);
  if (!g_task_return_error_if_cancelled (task))
    bb_openstack_plan_new_async (account, config, request, cancellable, planned_cb, g_steal_pointer (&task));
}

BbInstance *
bb_openstack_start_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
