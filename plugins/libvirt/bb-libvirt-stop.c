/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-stop.h"

#include "bb-libvirt-domain.h"
#include "bb-libvirt-files.h"
#include "bb-libvirt-start.h"
#include "bb-libvirt-storage.h"

#include <string.h>

#define FIND_LIMIT 60.0
#define DESTROY_LIMIT 120.0
#define REMOVE_LIMIT 300.0
/* Between two looks at a guest that shuts down, should its end not be told. */
#define LOOK_PAUSE 5.0

typedef struct
{
  BbInstance *instance;
  char *name;  /* of the slave */
  char *token; /* NULL: unknown */
  gboolean graceful;
  double shutdown_timeout;
  double deadline; /* of bb_delay_get_now(): for the guest to shut down; 0: it was not asked */
  char *uuid;      /* of the domain, once it was found */
  char *domain_name;
  gboolean other_runs;    /* a domain of another run of this slave */
  GPtrArray *resources;   /* what the ledger names, and the domain's mark */
  GCancellable *alarm;    /* ends the pause: the domain has stopped */
} Stop;

static void
stop_free (gpointer data)
{
  Stop *stop = data;

  bb_instance_unref (stop->instance);
  g_ptr_array_unref (stop->resources);
  g_clear_object (&stop->alarm);
  g_free (stop->name);
  g_free (stop->token);
  g_free (stop->uuid);
  g_free (stop->domain_name);
  g_free (stop);
}

/* @error: (transfer full) */
static void
fail (GTask *task, GError *error)
{
  Stop *stop = g_task_get_task_data (task);

  if (error->domain == BB_ERROR)
    g_prefix_error (&error, "slave %s: libvirt: ", stop->name);
  g_task_return_error (task, error);
}

/* 3. Remove what was made. */

typedef struct
{
  GPtrArray *files;
  GPtrArray *volumes;
} Removal;

static void
remove_free (gpointer data)
{
  Removal *removal = data;

  g_ptr_array_unref (removal->files);
  g_ptr_array_unref (removal->volumes);
  g_free (removal);
}

static gboolean
remove_thread (virConnectPtr connection, gpointer data, GError **error)
{
  Removal *removal = data;

  for (guint i = 0; i < removal->files->len; i++)
    if (!bb_libvirt_files_remove (removal->files->pdata[i], error))
      return FALSE;
  for (guint i = 0; i < removal->volumes->len; i++)
    if (!bb_libvirt_storage_remove (connection, removal->volumes->pdata[i], error))
      return FALSE;
  return TRUE;
}

static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error) == NULL)
    fail (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

/* The image has one name for all runs: while another one uses it, it is not ours to remove. */
static gboolean
is_ours_alone (Stop *stop, const char *resource)
{
  return !stop->other_runs || (stop->token != NULL && strstr (resource, stop->token) != NULL);
}

static void
remove_resources (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  Removal *removal = g_new0 (Removal, 1);

  removal->files = g_ptr_array_new_with_free_func (g_free);
  removal->volumes = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < stop->resources->len; i++)
    {
      const char *resource = stop->resources->pdata[i];

      if (!is_ours_alone (stop, resource))
        continue;
      if (g_str_has_prefix (resource, BB_LIBVIRT_FILE_RESOURCE))
        g_ptr_array_add (removal->files, g_strdup (resource + strlen (BB_LIBVIRT_FILE_RESOURCE)));
      else if (g_str_has_prefix (resource, BB_LIBVIRT_VOLUME_RESOURCE))
        g_ptr_array_add (removal->volumes, g_strdup (resource + strlen (BB_LIBVIRT_VOLUME_RESOURCE)));
    }
  if (removal->files->len == 0 && removal->volumes->len == 0)
    {
      remove_free (removal);
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
      return;
    }
  bb_libvirt_connection_call_async (g_task_get_source_object (task), remove_thread, removal, remove_free,
                                    REMOVE_LIMIT, g_task_get_cancellable (task), removed_cb, task);
}

/* 1. Find the domain, by its id or, when that was lost, by its mark. */

typedef struct
{
  char *uuid;
  char *name;
  char *token;
  /* the answers */
  BbLibvirtDomainInfo *info; /* NULL: it does not run */
  gboolean other_runs;
} Find;

static void
find_free (gpointer data)
{
  Find *find = data;

  g_free (find->uuid);
  g_free (find->name);
  g_free (find->token);
  g_clear_pointer (&find->info, bb_libvirt_domain_info_free);
  g_free (find);
}

static gboolean
is_active (BbLibvirtDomainInfo *info)
{
  return info->state != BB_LIBVIRT_DOMAIN_NONE && info->state != BB_LIBVIRT_DOMAIN_OFF;
}

static gboolean
is_it (Find *find, BbLibvirtDomainInfo *info)
{
  return is_active (info) && info->mark != NULL
         && (find->token == NULL || g_strcmp0 (info->mark->token, find->token) == 0);
}

static gboolean
find_thread (virConnectPtr connection, gpointer data, GError **error)
{
  Find *find = data;
  g_autoptr (BbLibvirtDomainInfo) by_name = bb_libvirt_domain_find_by_name (connection, find->name, error);
  g_autoptr (BbLibvirtDomainInfo) by_uuid = NULL;

  if (by_name == NULL)
    return FALSE;
  if (is_it (find, by_name) && (find->uuid == NULL || g_strcmp0 (by_name->uuid, find->uuid) == 0))
    {
      find->info = g_steal_pointer (&by_name);
      return TRUE;
    }
  find->other_runs = is_active (by_name);
  /* What is started from xml has the token for its UUID, and may have another name meanwhile. */
  if (find->uuid == NULL && find->token != NULL && g_uuid_string_is_valid (find->token))
    find->uuid = g_strdup (find->token);
  if (find->uuid == NULL)
    return TRUE;
  by_uuid = bb_libvirt_domain_find_by_uuid (connection, find->uuid, error);
  if (by_uuid == NULL)
    return FALSE;
  if (is_it (find, by_uuid))
    find->info = g_steal_pointer (&by_uuid);
  return TRUE;
}

static void found_cb (GObject *source, GAsyncResult *result, gpointer user_data);

static void
find_domain (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  Find *find = g_new0 (Find, 1);

  find->uuid = bb_libvirt_parse_id (bb_instance_get_id (stop->instance));
  find->name = g_strdup (stop->name);
  find->token = g_strdup (stop->token);
  bb_libvirt_connection_call_async (g_task_get_source_object (task), find_thread, find, find_free, FIND_LIMIT,
                                    g_task_get_cancellable (task), found_cb, task);
}

/* 2. End it. */

static gboolean
destroy_thread (virConnectPtr connection, gpointer data, GError **error)
{
  return bb_libvirt_domain_destroy (connection, data, error);
}

/* Whether it is off is asked, and not believed. */
static void
destroyed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  stop->deadline = -1;
  if (bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error) == NULL)
    fail (task, g_steal_pointer (&error));
  else
    find_domain (g_steal_pointer (&task));
}

static void
destroy (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  bb_libvirt_connection_call_async (g_task_get_source_object (task), destroy_thread, g_strdup (stop->uuid), g_free,
                                    DESTROY_LIMIT, g_task_get_cancellable (task), destroyed_cb, task);
}

static void
stopped_cb (const char *what, gpointer user_data)
{
  Stop *stop = user_data;

  g_cancellable_cancel (stop->alarm);
}

static void
pause_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);

  bb_delay_finish (result, NULL);
  bb_libvirt_connection_unwatch (g_task_get_source_object (task), stop->domain_name, stopped_cb, stop);
  if (!g_task_return_error_if_cancelled (task))
    find_domain (g_steal_pointer (&task));
}

static void
wait_for_guest (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  double left = stop->deadline - bb_delay_get_now ();

  g_clear_object (&stop->alarm);
  stop->alarm = g_cancellable_new ();
  bb_libvirt_connection_watch (g_task_get_source_object (task), stop->domain_name, stopped_cb, stop);
  bb_delay_async (CLAMP (left, 0, LOOK_PAUSE), stop->alarm, pause_over_cb, task);
}

static gboolean
shut_down_thread (virConnectPtr connection, gpointer data, GError **error)
{
  return bb_libvirt_domain_shut_down (connection, data, error);
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Stop *stop = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error) != NULL)
    {
      /* It may be off already: its end was told while nobody watched. */
      find_domain (task);
      return;
    }
  bb_log_slave (G_LOG_LEVEL_INFO, stop->name, "libvirt: %s; its domain is destroyed", error->message);
  destroy (task);
}

static void
ask_guest (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  bb_libvirt_connection_call_async (g_task_get_source_object (task), shut_down_thread, g_strdup (stop->uuid), g_free,
                                    FIND_LIMIT, g_task_get_cancellable (task), asked_cb, task);
}

static void
take_found (Stop *stop, Find *find)
{
  g_free (stop->uuid);
  stop->uuid = g_strdup (find->info->uuid);
  g_free (stop->domain_name);
  stop->domain_name = g_strdup (find->info->name);
  for (char **resource = find->info->mark->resources; *resource != NULL; resource++)
    if (!g_ptr_array_find_with_equal_func (stop->resources, *resource, g_str_equal, NULL))
      g_ptr_array_add (stop->resources, g_strdup (*resource));
}

static void
found_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  Find *find = bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error);

  if (find == NULL)
    {
      fail (task, g_steal_pointer (&error));
      return;
    }
  stop->other_runs = find->other_runs;
  if (find->info == NULL)
    {
      remove_resources (g_steal_pointer (&task));
      return;
    }
  take_found (stop, find);
  if (stop->deadline < 0)
    fail (task, g_error_new (BB_ERROR, BB_ERROR_FAILED, "domain \"%s\" was destroyed, and still runs",
                             stop->domain_name));
  else if (stop->deadline == 0 && stop->graceful && find->info->state == BB_LIBVIRT_DOMAIN_RUNS)
    {
      stop->deadline = bb_delay_get_now () + stop->shutdown_timeout;
      ask_guest (g_steal_pointer (&task));
    }
  else if (stop->deadline > 0 && bb_delay_get_now () < stop->deadline)
    wait_for_guest (g_steal_pointer (&task));
  else
    destroy (g_steal_pointer (&task));
}

void
bb_libvirt_stop_async (BbLibvirtConnection *connection, const BbLibvirtConfig *config, BbInstance *instance,
                       const char *slave_name, gboolean fast, GCancellable *cancellable,
                       GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (connection, cancellable, callback, user_data);
  const char *const *resources = bb_instance_get_resources (instance);
  Stop *stop = g_new0 (Stop, 1);

  g_task_set_source_tag (task, bb_libvirt_stop_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, stop, stop_free);
  stop->instance = bb_instance_ref (instance);
  stop->name = g_strdup (bb_instance_get_slave_name (instance) != NULL ? bb_instance_get_slave_name (instance)
                                                                       : slave_name);
  stop->token = g_strdup (bb_instance_get_token (instance));
  stop->graceful = config->graceful_shutdown && !fast;
  stop->shutdown_timeout = config->shutdown_timeout;
  stop->resources = g_ptr_array_new_with_free_func (g_free);
  for (; *resources != NULL; resources++)
    g_ptr_array_add (stop->resources, g_strdup (*resources));
  if (!g_task_return_error_if_cancelled (task))
    find_domain (g_steal_pointer (&task));
}

gboolean
bb_libvirt_stop_finish (BbLibvirtConnection *connection, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, connection), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
