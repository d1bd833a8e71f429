/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-volumes.h"

#include "bb-openstack-error.h"
#include "bb-web-json.h"

/* The first of Nova's microversions that says of a server's volumes whether they are deleted with it. */
#define DELETE_ON_TERMINATION 3

static gboolean
is_gone (const GError *error)
{
  return g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_NOT_FOUND);
}

/* --- finding them */

static gboolean
is_deleted_with_server (JsonObject *volume)
{
  JsonNode *node = volume != NULL ? json_object_get_member (volume, "delete_on_termination") : NULL;

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_BOOLEAN
         && json_node_get_boolean (node);
}

static void
server_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const char *const *kept = g_task_get_task_data (task);
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  JsonObject *server = bb_web_json_get_object (bb_web_json_to_object (root), "server");
  JsonArray *volumes = bb_web_json_get_array (server, "os-extended-volumes:volumes_attached");

  if (root == NULL && !is_gone (error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_clear_error (&error);
  for (guint i = 0; volumes != NULL && i < json_array_get_length (volumes); i++)
    {
      JsonObject *volume = bb_web_json_get_element (volumes, i);
      const char *id = bb_web_json_get_string (volume, "id");

      if (id != NULL && is_deleted_with_server (volume) && !g_strv_contains (kept, id))
        g_ptr_array_add (ids, g_strdup (id));
    }
  g_task_return_pointer (task, g_steal_pointer (&ids), (GDestroyNotify) g_ptr_array_unref);
}

void
bb_openstack_volumes_find_async (BbOpenstackAccount *account, const char *id, const char *kept,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (account, cancellable, callback, user_data);
  g_autofree char *escaped = g_uri_escape_string (id, NULL, FALSE);
  g_autofree char *path = g_strconcat ("/servers/", escaped, NULL);

  g_task_set_source_tag (task, bb_openstack_volumes_find_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, g_strsplit (kept, ",", -1), (GDestroyNotify) g_strfreev);
  bb_openstack_account_call_async (account, BB_OPENSTACK_COMPUTE, "GET", path, NULL, DELETE_ON_TERMINATION, cancellable,
                                   server_received_cb, g_steal_pointer (&task));
}

GPtrArray *
bb_openstack_volumes_find_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- seeing them go */

/* The task's data are the ids of those that are not gone yet; the last is the present one. */

static void ask_for_next (GTask *task);

static void
call (GTask *task, const char *method, GAsyncReadyCallback callback)
{
  GPtrArray *ids = g_task_get_task_data (task);
  g_autofree char *escaped = g_uri_escape_string (ids->pdata[ids->len - 1], NULL, FALSE);
  g_autofree char *path = g_strconcat ("/volumes/", escaped, NULL);

  bb_openstack_account_call_async (g_task_get_source_object (task), BB_OPENSTACK_VOLUME, method, path, NULL, 0,
                                   g_task_get_cancellable (task), callback, task);
}

static void
waited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (bb_delay_finish (result, &error))
    ask_for_next (g_steal_pointer (&task));
  else
    g_task_return_error (task, error);
}

static void
wait_for_it (GTask *task)
{
  bb_delay_async (bb_openstack_account_get_poll_interval (g_task_get_source_object (task)),
                  g_task_get_cancellable (task), waited_cb, task);
}

static void
deleted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (root != NULL || is_gone (error))
    {
      g_clear_error (&error);
      wait_for_it (g_steal_pointer (&task));
    }
  else
    g_task_return_error (task, error);
}

static void
volume_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GPtrArray *ids = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  JsonObject *volume = bb_web_json_get_object (bb_web_json_to_object (root), "volume");
  const char *status = bb_web_json_get_string (volume, "status");

  if (is_gone (error))
    {
      g_error_free (error);
      g_ptr_array_remove_index (ids, ids->len - 1);
      ask_for_next (g_steal_pointer (&task));
    }
  else if (error != NULL)
    g_task_return_error (task, error);
  else if (g_strcmp0 (status, "deleting") == 0 || g_strcmp0 (status, "detaching") == 0 || g_strcmp0 (status, "in-use") == 0)
    wait_for_it (g_steal_pointer (&task));
  else
    call (g_steal_pointer (&task), "DELETE", deleted_cb); /* Nova let go of it, and left it */
}

static void
ask_for_next (GTask *task)
{
  GPtrArray *ids = g_task_get_task_data (task);

  if (ids->len > 0)
    {
      call (task, "GET", volume_received_cb);
      return;
    }
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

void
bb_openstack_volumes_delete_async (BbOpenstackAccount *account, GPtrArray *ids, GCancellable *cancellable,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (account, cancellable, callback, user_data);
  GPtrArray *left = g_ptr_array_new_with_free_func (g_free);

  g_task_set_source_tag (task, bb_openstack_volumes_delete_async);
  g_task_set_check_cancellable (task, FALSE);
  for (guint i = 0; i < ids->len; i++)
    g_ptr_array_add (left, g_strdup (ids->pdata[i]));
  g_task_set_task_data (task, left, (GDestroyNotify) g_ptr_array_unref);
  ask_for_next (task);
}

gboolean
bb_openstack_volumes_delete_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
