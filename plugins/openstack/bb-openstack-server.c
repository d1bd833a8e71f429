/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-server.h"

#include "bb-openstack-error.h"
#include "bb-web-json.h"

#include <string.h>

#define WATCH "bb-openstack-watch"

char *
bb_openstack_server_make_name (const char *slave_name, const char *token)
{
  return g_strdup_printf ("%s-%s", slave_name, token);
}

const char *
bb_openstack_server_get_mark (JsonObject *server, const char *key)
{
  return bb_web_json_get_string (bb_web_json_get_object (server, "metadata"), key);
}

const char *
bb_openstack_server_get_status (JsonObject *server)
{
  const char *status = bb_web_json_get_string (server, "status");

  return status != NULL ? status : "UNKNOWN";
}

gboolean
bb_openstack_server_is_gone (JsonObject *server)
{
  const char *status = bb_openstack_server_get_status (server);

  /* A soft-deleted one waits for the cloud's own clean-up, and can't be deleted by us any more. */
  return g_str_equal (status, "DELETED") || g_str_equal (status, "SOFT_DELETED");
}

char *
bb_openstack_server_describe (JsonObject *server)
{
  const char *fault = bb_web_json_get_string (bb_web_json_get_object (server, "fault"), "message");
  g_autofree char *status = bb_error_quote (bb_openstack_server_get_status (server), 40);
  g_autofree char *text = fault != NULL ? bb_error_quote (fault, 400) : NULL;

  return text != NULL ? g_strconcat (status, ": ", text, NULL) : g_steal_pointer (&status);
}

static BbInstanceState
get_state (JsonObject *server)
{
  static const char *const alive[]
    = { "ACTIVE", "REBOOT", "HARD_REBOOT", "PASSWORD", "RESIZE", "VERIFY_RESIZE", "REVERT_RESIZE", "MIGRATING", "UNKNOWN", NULL };
  const char *status = bb_openstack_server_get_status (server);

  if (bb_openstack_server_is_gone (server))
    return BB_INSTANCE_GONE;
  if (g_strcmp0 (bb_web_json_get_string (server, "OS-EXT-STS:task_state"), "deleting") == 0)
    return BB_INSTANCE_STOPPING;
  /* Some clouds write BUILD(spawning) and the like. */
  if (g_str_has_prefix (status, "BUILD") || g_str_equal (status, "REBUILD"))
    return BB_INSTANCE_STARTING;
  return g_strv_contains (alive, status) ? BB_INSTANCE_ALIVE : BB_INSTANCE_FAILED;
}

BbInstance *
bb_openstack_server_to_instance (JsonObject *server, const char *token)
{
  const char *id = bb_web_json_get_string (server, "id");
  const char *own_token = bb_openstack_server_get_mark (server, "bbhost:token");
  const char *slave_name = bb_openstack_server_get_mark (server, "bbhost:slave");
  BbInstance *instance = bb_instance_new (id != NULL ? id : "", own_token != NULL ? own_token : token);
  BbInstanceState state = get_state (server);
  g_autofree char *reason = bb_openstack_server_describe (server);

  bb_instance_set_state (instance, state, state == BB_INSTANCE_FAILED || state == BB_INSTANCE_GONE ? reason : NULL);
  if (slave_name != NULL)
    bb_instance_set_slave_name (instance, slave_name);
  return instance;
}

/* --- by mark */

typedef struct
{
  char *key;
  char *value;
} Mark;

static void
mark_free (gpointer data)
{
  Mark *mark = data;

  g_free (mark->key);
  g_free (mark->value);
  g_free (mark);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Mark *mark = g_task_get_task_data (task);
  GError *error = NULL;
  GPtrArray *servers = bb_openstack_account_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (servers == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  /* Whatever was asked for: filters that a cloud does not know are ignored there, and all servers come. */
  for (guint i = servers->len; i > 0; i--)
    {
      JsonObject *server = servers->pdata[i - 1];

      if (g_strcmp0 (bb_openstack_server_get_mark (server, mark->key), mark->value) != 0
          || bb_openstack_server_is_gone (server))
        g_ptr_array_remove_index (servers, i - 1);
    }
  g_task_return_pointer (task, servers, (GDestroyNotify) g_ptr_array_unref);
}

void
bb_openstack_server_list_async (BbOpenstackAccount *account, const char *key, const char *value,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (account, cancellable, callback, user_data);
  g_autofree char *query = NULL;
  Mark *mark = g_new0 (Mark, 1);

  g_task_set_source_tag (task, bb_openstack_server_list_async);
  g_task_set_check_cancellable (task, FALSE);
  mark->key = g_strdup (key);
  mark->value = g_strdup (value);
  g_task_set_task_data (task, mark, mark_free);
  if (g_str_equal (key, "bbhost:token"))
    {
      /* The name ends with it; the filter is a regular expression. */
      g_autofree char *regex = g_regex_escape_string (value, -1);
      g_autofree char *escaped = g_uri_escape_string (regex, NULL, FALSE);

      query = g_strdup_printf ("name=%s%%24", escaped);
    }
  bb_openstack_account_list_async (account, BB_OPENSTACK_COMPUTE, "/servers/detail", query, "servers", cancellable,
                                   listed_cb, g_steal_pointer (&task));
}

GPtrArray *
bb_openstack_server_list_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- by looking */

/* Of an account: those who wait for the next list. */
typedef struct
{
  GPtrArray *tasks; /* of GTask, with the server's id */
  gboolean waiting;
} Watch;

typedef struct
{
  BbOpenstackAccount *account;
  GPtrArray *tasks;
} Round;

static void
watch_free (gpointer data)
{
  Watch *watch = data;

  g_ptr_array_unref (watch->tasks);
  g_free (watch);
}

static Watch *
get_watch (BbOpenstackAccount *account)
{
  Watch *watch = g_object_get_data (G_OBJECT (account), WATCH);

  if (watch == NULL)
    {
      watch = g_new0 (Watch, 1);
      watch->tasks = g_ptr_array_new_with_free_func (g_object_unref);
      g_object_set_data_full (G_OBJECT (account), WATCH, watch, watch_free);
    }
  return watch;
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  JsonObject *server = bb_web_json_get_object (bb_web_json_to_object (root), "server");

  if (root == NULL)
    g_task_return_error (task, error);
  else if (server == NULL)
    g_task_return_new_error (task, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_GARBAGE, "Nova: the answer is no server");
  else
    g_task_return_pointer (task, json_object_ref (server), (GDestroyNotify) json_object_unref);
}

/* Why a server failed before it had a host, Nova does not show in lists. */
static gboolean
lacks_fault (JsonObject *server)
{
  return g_str_equal (bb_openstack_server_get_status (server), "ERROR") && !json_object_has_member (server, "fault");
}

static void
settle (BbOpenstackAccount *account, GTask *task, GHashTable *servers, const GError *error)
{
  const char *id = g_task_get_task_data (task);
  JsonObject *server = g_hash_table_lookup (servers, id);
  g_autofree char *path = NULL;
  g_autofree char *escaped = NULL;

  if (g_task_return_error_if_cancelled (task))
    return;
  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else if (server != NULL && !lacks_fault (server))
    g_task_return_pointer (task, json_object_ref (server), (GDestroyNotify) json_object_unref);
  else
    {
      escaped = g_uri_escape_string (id, NULL, FALSE);
      path = g_strconcat ("/servers/", escaped, NULL);
      bb_openstack_account_call_async (account, BB_OPENSTACK_COMPUTE, "GET", path, NULL, 0,
                                       g_task_get_cancellable (task), asked_cb, g_object_ref (task));
    }
}

static void
round_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Round *round = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) servers = bb_openstack_account_list_finish (round->account, result, &error);
  g_autoptr (GHashTable) by_id = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; servers != NULL && i < servers->len; i++)
    {
      const char *id = bb_web_json_get_string (servers->pdata[i], "id");

      if (id != NULL)
        g_hash_table_insert (by_id, (gpointer) id, servers->pdata[i]);
    }
  for (guint i = 0; i < round->tasks->len; i++)
    settle (round->account, round->tasks->pdata[i], by_id, error);
  g_ptr_array_unref (round->tasks);
  g_object_unref (round->account);
  g_free (round);
}

static void
interval_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbOpenstackAccount) account = user_data;
  Watch *watch = get_watch (account);
  Round *round = g_new0 (Round, 1);

  bb_delay_finish (result, NULL);
  watch->waiting = FALSE;
  round->account = g_object_ref (account);
  round->tasks = g_steal_pointer (&watch->tasks);
  watch->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  bb_openstack_account_list_async (account, BB_OPENSTACK_COMPUTE, "/servers/detail", NULL, "servers", NULL,
                                   round_listed_cb, round);
}

void
bb_openstack_server_look_async (BbOpenstackAccount *account, const char *id, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (account, cancellable, callback, user_data);
  Watch *watch = get_watch (account);

  g_task_set_source_tag (task, bb_openstack_server_look_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, g_strdup (id), g_free);
  g_ptr_array_add (watch->tasks, task);
  if (watch->waiting)
    return;
  watch->waiting = TRUE;
  bb_delay_async (bb_openstack_account_get_poll_interval (account), NULL, interval_over_cb, g_object_ref (account));
}

JsonObject *
bb_openstack_server_look_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
