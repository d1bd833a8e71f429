/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A backend whose cloud is a folder: an instance is a file in it, which outlives the daemon. It misbehaves on command:
 * calls fail, are carried out without an answer, or take long; machines are listed late; and the whole daemon is killed,
 * as by kill -9, before and after each call has acted, and before each answer.
 */
#include <bbhost/bbhost.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  char *cloud;
  double kill_share;
  double fail_share;
  double lose_share;
  double slow;
  double late;
} DircloudConfig;

static const BbOption options[] = {
  { "cloud", BB_OPTION_PATH, G_STRUCT_OFFSET (DircloudConfig, cloud), NULL, 0, 0, BB_OPTION_REQUIRED, NULL,
    "The folder that is the cloud." },
  { "kill_share", BB_OPTION_NUMBER, G_STRUCT_OFFSET (DircloudConfig, kill_share), "0", 0, 1, BB_OPTION_LIVE, NULL,
    "How likely the daemon is killed at each point where it could be." },
  { "fail_share", BB_OPTION_NUMBER, G_STRUCT_OFFSET (DircloudConfig, fail_share), "0", 0, 1, BB_OPTION_LIVE, NULL,
    "How likely a call fails without having acted." },
  { "lose_share", BB_OPTION_NUMBER, G_STRUCT_OFFSET (DircloudConfig, lose_share), "0", 0, 1, BB_OPTION_LIVE, NULL,
    "How likely a call acts and then fails." },
  { "slow", BB_OPTION_SECONDS, G_STRUCT_OFFSET (DircloudConfig, slow), "0", 0, 3600, BB_OPTION_LIVE, NULL,
    "How long a call takes at the most." },
  { "late", BB_OPTION_SECONDS, G_STRUCT_OFFSET (DircloudConfig, late), "0", 0, 3600, BB_OPTION_LIVE, NULL,
    "How long a machine exists before it is listed, and found by its token." },
  { 0 },
};

typedef struct
{
  BbAbstractSlave parent_instance;
} DircloudSlave;

typedef struct
{
  BbAbstractSlaveClass parent_class;
} DircloudSlaveClass;

GType dircloud_slave_get_type (void);
static void iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_TYPE_WITH_CODE (DircloudSlave, dircloud_slave, BB_TYPE_ABSTRACT_SLAVE,
                         G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, iface_init))

static const DircloudConfig *
get_config (gpointer slave)
{
  return bb_slave_get_config (BB_SLAVE (slave));
}

/* @point: is noted, so that the driver can see that each was met */
static void
maybe_die (gpointer slave, const char *point)
{
  const DircloudConfig *config = get_config (slave);
  g_autofree char *path = NULL;
  int fd;

  if (g_random_double () >= config->kill_share)
    return;
  path = g_build_filename (config->cloud, "deaths", NULL);
  fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  g_assert_cmpint (write (fd, point, strlen (point)), ==, strlen (point));
  kill (getpid (), SIGKILL);
}

static gboolean
maybe_fail (gpointer slave, double share, const char *what, GError **error)
{
  if (g_random_double () >= share)
    return FALSE;
  g_set_error (error, BB_ERROR, BB_ERROR_QUOTA, "dircloud: %s", what);
  return TRUE;
}

static gboolean
is_listed (GKeyFile *file)
{
  return g_key_file_get_int64 (file, "instance", "listed_from_us", NULL) <= g_get_real_time ();
}

/* @all: those as well that are not listed yet, which the cloud itself knows of */
static char *
find_by_token (const DircloudConfig *config, const char *token, gboolean all)
{
  g_autoptr (GDir) dir = g_dir_open (config->cloud, 0, NULL);
  const char *name;

  while (dir != NULL && token != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (config->cloud, name, NULL);
      g_autoptr (GKeyFile) file = g_key_file_new ();
      g_autofree char *its_token = NULL;

      if (!g_str_has_prefix (name, "i-") || !g_key_file_load_from_file (file, path, 0, NULL))
        continue;
      its_token = g_key_file_get_string (file, "instance", "token", NULL);
      if (g_strcmp0 (its_token, token) == 0 && (all || is_listed (file)))
        return g_strdup (name);
    }
  return NULL;
}

/* Makes the machine, in one step that can't be half done; the same token gives the same machine. */
static char *
make_machine (const DircloudConfig *config, BbInstanceRequest *request)
{
  char *id = find_by_token (config, bb_instance_request_get_token (request), TRUE);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *uuid = NULL;
  g_autofree char *temporary = NULL;
  g_autofree char *path = NULL;
  const char *store = NULL;

  if (id != NULL)
    return id;
  uuid = g_uuid_string_random ();
  id = g_strconcat ("i-", uuid, NULL);
  g_variant_lookup (bb_instance_request_get_tags (request), "bbhost:store", "&s", &store);
  g_key_file_set_string (file, "instance", "token", bb_instance_request_get_token (request));
  g_key_file_set_string (file, "instance", "slave", bb_instance_request_get_slave_name (request));
  g_key_file_set_string (file, "instance", "store", store);
  g_key_file_set_string (file, "instance", "password", bb_instance_request_get_password (request));
  g_key_file_set_int64 (file, "instance", "listed_from_us",
                        g_get_real_time () + (gint64) (config->late * G_USEC_PER_SEC));
  temporary = g_strdup_printf ("%s/.%s", config->cloud, id);
  path = g_build_filename (config->cloud, id, NULL);
  g_assert_true (g_key_file_save_to_file (file, temporary, NULL));
  g_assert_cmpint (g_rename (temporary, path), ==, 0);
  return id;
}

static void
start_answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const DircloudConfig *config = get_config (g_task_get_source_object (task));
  GError *error = NULL;

  bb_delay_finish (result, NULL);
  maybe_die (g_task_get_source_object (task), "start answer\n");
  if (maybe_fail (g_task_get_source_object (task), config->lose_share, "the answer was lost", &error))
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, bb_instance_new (g_task_get_task_data (task), NULL),
                           (GDestroyNotify) bb_instance_unref);
}

static void
start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  const DircloudConfig *config = get_config (slave);
  GError *error = NULL;

  g_task_set_check_cancellable (task, FALSE);
  maybe_die (slave, "start call\n");
  if (maybe_fail (slave, config->fail_share, "no capacity", &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, make_machine (config, request), g_free);
  maybe_die (slave, "start done\n");
  bb_delay_async (g_random_double () * config->slow, NULL, start_answered_cb, g_steal_pointer (&task));
}

static BbInstance *
start_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
stop_answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  const DircloudConfig *config = get_config (g_task_get_source_object (task));
  GError *error = NULL;

  bb_delay_finish (result, NULL);
  maybe_die (g_task_get_source_object (task), "stop answer\n");
  if (maybe_fail (g_task_get_source_object (task), config->lose_share, "the answer was lost", &error))
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  const DircloudConfig *config = get_config (slave);
  g_autofree char *id = g_strdup (bb_instance_get_id (instance));
  GError *error = NULL;

  g_task_set_check_cancellable (task, FALSE);
  maybe_die (slave, "stop call\n");
  if (maybe_fail (slave, config->fail_share, "try again later", &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (*id == '\0')
    {
      g_free (id);
      id = find_by_token (config, bb_instance_get_token (instance), FALSE);
    }
  if (id != NULL)
    {
      g_autofree char *path = g_build_filename (config->cloud, id, NULL);

      g_unlink (path);
    }
  maybe_die (slave, "stop done\n");
  bb_delay_async (g_random_double () * config->slow, NULL, stop_answered_cb, g_steal_pointer (&task));
}

static gboolean
finish_boolean (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  g_autofree char *path = g_build_filename (get_config (slave)->cloud, bb_instance_get_id (instance), NULL);
  BbInstance *seen = bb_instance_new (bb_instance_get_id (instance), bb_instance_get_token (instance));

  maybe_die (slave, "check call\n");
  bb_instance_set_state (seen, g_access (path, F_OK) == 0 ? BB_INSTANCE_ALIVE : BB_INSTANCE_GONE, NULL);
  g_task_return_pointer (task, seen, (GDestroyNotify) bb_instance_unref);
}

static void
list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  const DircloudConfig *config = get_config (slave);
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);
  g_autoptr (GDir) dir = g_dir_open (config->cloud, 0, NULL);
  GError *error = NULL;
  const char *name;

  maybe_die (slave, "list call\n");
  if (maybe_fail (slave, config->fail_share, "listing refused", &error))
    {
      g_task_return_error (task, error);
      return;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (config->cloud, name, NULL);
      g_autoptr (GKeyFile) file = g_key_file_new ();
      g_autofree char *token = NULL;
      g_autofree char *slave_name = NULL;
      BbInstance *instance;

      if (!g_str_has_prefix (name, "i-") || !g_key_file_load_from_file (file, path, 0, NULL) || !is_listed (file))
        continue;
      token = g_key_file_get_string (file, "instance", "token", NULL);
      slave_name = g_key_file_get_string (file, "instance", "slave", NULL);
      instance = bb_instance_new (name, token);
      bb_instance_set_slave_name (instance, slave_name);
      bb_instance_set_state (instance, BB_INSTANCE_ALIVE, NULL);
      g_ptr_array_add (found, instance);
    }
  maybe_die (slave, "list answer\n");
  g_task_return_pointer (task, g_steal_pointer (&found), (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
get_scope (BbLatentSlave *slave)
{
  return g_strdup (get_config (slave)->cloud);
}

static double
get_listing_delay (BbLatentSlave *slave)
{
  return get_config (slave)->late;
}

static void
iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = start_instance_async;
  iface->start_instance_finish = start_instance_finish;
  iface->stop_instance_async = stop_instance_async;
  iface->stop_instance_finish = finish_boolean;
  iface->check_instance_async = check_instance_async;
  iface->check_instance_finish = start_instance_finish;
  iface->list_instances_async = list_instances_async;
  iface->list_instances_finish = list_instances_finish;
  iface->get_scope = get_scope;
  iface->get_listing_delay = get_listing_delay;
}

static void
dircloud_slave_class_init (DircloudSlaveClass *klass)
{
}

static void
dircloud_slave_init (DircloudSlave *self)
{
}

static const BbPluginProvides provides[] = {
  { "dircloud", dircloud_slave_get_type, options, sizeof (DircloudConfig), NULL, FALSE },
  { 0 },
};
BB_PLUGIN_DEFINE ("dircloud", "A folder that plays the cloud", provides)
