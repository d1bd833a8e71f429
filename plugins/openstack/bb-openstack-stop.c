/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-stop.h"

#include "bb-openstack-error.h"
#include "bb-web-json.h"
#include "bb-openstack-row.h"
#include "bb-openstack-server.h"
#include "bb-openstack-volumes.h"

#include <string.h>

typedef struct
{
  GPtrArray *ids; /* of char *: servers that are not gone yet; the last is the present one */
  char *token;
  gboolean has_address;
  GPtrArray *addresses; /* of char *: ids that are not free yet */
  char *kept;           /* (nullable): the user's volumes; set when the server's own must be found out */
  GPtrArray *volumes;   /* of char *: ids of the server's own */
} Stop;

static void delete_next (GTask *task);
static void free_next (GTask *task);

char *
bb_openstack_stop_make_description (const char *token)
{
  return g_strdup_printf ("bbhost:token=%s", token);
}

static void
stop_free (gpointer data)
{
  Stop *stop = data;

  g_ptr_array_unref (stop->ids);
  g_ptr_array_unref (stop->addresses);
  g_ptr_array_unref (stop->volumes);
  g_free (stop->kept);
  g_free (stop->token);
  g_free (stop);
}

static gpointer
copy_text (gconstpointer text, gpointer user_data)
{
  return g_strdup (text);
}

static gboolean
is_gone (const GError *error)
{
  return g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_NOT_FOUND);
}

static void
call_delete (GTask *task, BbOpenstackService service, const char *folder, const char *id, GAsyncReadyCallback callback)
{
  g_autofree char *escaped = g_uri_escape_string (id, NULL, FALSE);
  g_autofree char *path = g_strconcat (folder, escaped, NULL);

  bb_openstack_account_call_async (g_task_get_source_object (task), service, "DELETE", path, NULL, 0,
                                   g_task_get_cancellable (task), callback, task);
}

/* --- disks, when nothing else is left */

static void
volumes_deleted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (bb_openstack_volumes_delete_finish (BB_OPENSTACK_ACCOUNT (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, bb_openstack_error_to_core (error));
}

/* --- addresses, when no server is left */

static void
freed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (root == NULL && !is_gone (error))
    {
      g_task_return_error (task, bb_openstack_error_to_core (error));
      return;
    }
  g_clear_error (&error);
  g_ptr_array_remove_index (stop->addresses, stop->addresses->len - 1);
  free_next (g_steal_pointer (&task));
}

static void
free_next (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  if (stop->addresses->len > 0)
    {
      call_delete (task, BB_OPENSTACK_NETWORK, "/floatingips/", stop->addresses->pdata[stop->addresses->len - 1],
                   freed_cb);
      return;
    }
  bb_openstack_volumes_delete_async (g_task_get_source_object (task), stop->volumes, g_task_get_cancellable (task),
                                     volumes_deleted_cb, task);
}

static void
addresses_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  g_autofree char *description = bb_openstack_stop_make_description (stop->token);
  GError *error = NULL;
  g_autoptr (GPtrArray) addresses = bb_openstack_account_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (addresses == NULL)
    {
      g_task_return_error (task, bb_openstack_error_to_core (error));
      return;
    }
  for (guint i = 0; i < addresses->len; i++)
    {
      const char *id = bb_web_json_get_string (addresses->pdata[i], "id");

      if (id != NULL && g_strcmp0 (bb_web_json_get_string (addresses->pdata[i], "description"), description) == 0)
        g_ptr_array_add (stop->addresses, g_strdup (id));
    }
  free_next (g_steal_pointer (&task));
}

static void
servers_are_gone (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  if (stop->has_address && stop->token != NULL)
    bb_openstack_account_list_async (g_task_get_source_object (task), BB_OPENSTACK_NETWORK, "/floatingips", NULL,
                                     "floatingips", g_task_get_cancellable (task), addresses_received_cb, task);
  else
    free_next (task);
}

/* --- servers */

static void
one_is_gone (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  g_ptr_array_remove_index (stop->ids, stop->ids->len - 1);
  delete_next (task);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (JsonObject) server = bb_openstack_server_look_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (is_gone (error) || (server != NULL && bb_openstack_server_is_gone (server)))
    {
      g_clear_error (&error);
      one_is_gone (g_steal_pointer (&task));
    }
  else if (server == NULL)
    g_task_return_error (task, bb_openstack_error_to_core (error));
  else if (g_strcmp0 (bb_web_json_get_string (server, "OS-EXT-STS:task_state"), "deleting") == 0)
    bb_openstack_server_look_async (BB_OPENSTACK_ACCOUNT (source), stop->ids->pdata[stop->ids->len - 1], cancellable,
                                    looked_cb, g_steal_pointer (&task));
  else
    delete_next (g_steal_pointer (&task)); /* a deletion may end in ERROR; only another one helps then */
}

static void
deleted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  const char *id = stop->ids->pdata[stop->ids->len - 1];
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (root != NULL)
    bb_openstack_server_look_async (BB_OPENSTACK_ACCOUNT (source), id, cancellable, looked_cb, g_steal_pointer (&task));
  else if (is_gone (error))
    {
      g_error_free (error);
      one_is_gone (g_steal_pointer (&task));
    }
  else
    g_task_return_error (task, bb_openstack_error_to_core (error));
}

/* Only while the server is there can its disks be known. */
static void
volumes_found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) ids = bb_openstack_volumes_find_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (ids == NULL)
    {
      g_task_return_error (task, bb_openstack_error_to_core (error));
      return;
    }
  g_ptr_array_extend (stop->volumes, ids, copy_text, NULL);
  call_delete (g_steal_pointer (&task), BB_OPENSTACK_COMPUTE, "/servers/", stop->ids->pdata[stop->ids->len - 1],
               deleted_cb);
}

static void
delete_next (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  if (stop->ids->len == 0)
    servers_are_gone (task);
  else if (stop->kept != NULL)
    bb_openstack_volumes_find_async (g_task_get_source_object (task), stop->ids->pdata[stop->ids->len - 1], stop->kept,
                                     g_task_get_cancellable (task), volumes_found_cb, task);
  else
    call_delete (task, BB_OPENSTACK_COMPUTE, "/servers/", stop->ids->pdata[stop->ids->len - 1], deleted_cb);
}

static void
found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) servers = bb_openstack_server_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (servers == NULL)
    {
      g_task_return_error (task, bb_openstack_error_to_core (error));
      return;
    }
  for (guint i = 0; i < servers->len; i++)
    {
      const char *id = bb_web_json_get_string (servers->pdata[i], "id");

      if (id != NULL)
        g_ptr_array_add (stop->ids, g_strdup (id));
    }
  delete_next (g_steal_pointer (&task));
}

void
bb_openstack_stop_async (BbOpenstackAccount *account, BbInstance *instance, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (account, cancellable, callback, user_data);
  const char *const *resources = bb_instance_get_resources (instance);
  const char *id = bb_instance_get_id (instance);
  const char *kept = bb_openstack_row_find (resources, BB_OPENSTACK_ROW_DISKS);
  Stop *stop = g_new0 (Stop, 1);

  g_task_set_source_tag (task, bb_openstack_stop_async);
  g_task_set_check_cancellable (task, FALSE);
  stop->ids = g_ptr_array_new_with_free_func (g_free);
  stop->addresses = g_ptr_array_new_with_free_func (g_free);
  stop->token = g_strdup (bb_instance_get_token (instance));
  stop->volumes = g_ptr_array_new_with_free_func (g_free);
  stop->has_address = bb_openstack_row_find (resources, BB_OPENSTACK_ROW_ADDRESS) != NULL;
  for (gsize i = 0; resources[i] != NULL; i++)
    if (g_str_has_prefix (resources[i], BB_OPENSTACK_ROW_VOLUME))
      g_ptr_array_add (stop->volumes, g_strdup (resources[i] + strlen (BB_OPENSTACK_ROW_VOLUME)));
  if (stop->volumes->len == 0)
    stop->kept = g_strdup (kept);
  g_task_set_task_data (task, stop, stop_free);
  if (id != NULL && *id != '\0')
    {
      g_ptr_array_add (stop->ids, g_strdup (id));
      delete_next (g_steal_pointer (&task));
    }
  else if (stop->token != NULL && bb_openstack_row_find (resources, BB_OPENSTACK_ROW_SERVER) != NULL)
    bb_openstack_server_list_async (account, "bbhost:token", stop->token, cancellable, found_cb, g_steal_pointer (&task));
  else
    g_task_return_boolean (task, TRUE);
}

gboolean
bb_openstack_stop_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
