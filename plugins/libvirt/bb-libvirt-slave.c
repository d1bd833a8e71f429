/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-slave.h"

#include "bb-libvirt-config.h"
#include "bb-libvirt-connection.h"
#include "bb-libvirt-domain.h"
#include "bb-libvirt-files.h"
#include "bb-libvirt-start.h"
#include "bb-libvirt-stop.h"

#include <libxml/parser.h>

#define CHECK_LIMIT 50.0
#define LIST_LIMIT 110.0

struct _BbLibvirtSlave
{
  BbAbstractSlave parent_instance;

  BbLibvirtConnection *connection; /* owned; NULL without a configuration */
  /* What only a start or an event can tell, for the words of a check that finds the domain gone. */
  char *console;
  char *ended;
  gboolean expects_domain; /* one of ours runs, as far as is known */
};

static void bb_libvirt_slave_latent_slave_iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbLibvirtSlave, bb_libvirt_slave, BB_TYPE_ABSTRACT_SLAVE,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, bb_libvirt_slave_latent_slave_iface_init))

static const BbLibvirtConfig *
get_config (BbLibvirtSlave *self)
{
  return bb_slave_get_config (BB_SLAVE (self));
}

static GTask *
begin (BbLatentSlave *slave, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (slave, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  g_task_set_check_cancellable (task, FALSE);
  return task;
}

/* --- the connection */

static void
domain_stopped_cb (const char *what, gpointer user_data)
{
  BbLibvirtSlave *self = user_data;

  if (!self->expects_domain)
    return;
  g_free (self->ended);
  self->ended = g_strdup (what != NULL ? what : "its domain ended while the hypervisor could not be reached");
  bb_latent_slave_instance_changed (BB_LATENT_SLAVE (self));
}

static void
set_connection (BbLibvirtSlave *self, BbLibvirtConnection *connection)
{
  const char *name = bb_slave_get_name (BB_SLAVE (self));

  if (connection == self->connection)
    return;
  if (self->connection != NULL)
    bb_libvirt_connection_unwatch (self->connection, name, domain_stopped_cb, self);
  g_set_object (&self->connection, connection);
  if (self->connection != NULL)
    bb_libvirt_connection_watch (self->connection, name, domain_stopped_cb, self);
}

static void
warn_of_leaks (BbLibvirtSlave *self)
{
  if (bb_libvirt_config_get_hand_over (get_config (self)) & BB_LIBVIRT_HAND_OVER_LEAKS)
    bb_log_slave (G_LOG_LEVEL_WARNING, bb_slave_get_name (BB_SLAVE (self)),
                  "libvirt: hand_over shows the password to everyone on the hypervisor's machine who may run ps or virsh "
                  "dumpxml; fwcfg and nocloud do not");
}

/* Also of a reload. Calls that are under way keep the connection that they began with. */
static void
config_changed_cb (GObject *object, GParamSpec *pspec, gpointer user_data)
{
  BbLibvirtSlave *self = BB_LIBVIRT_SLAVE (object);
  g_autoptr (BbLibvirtConnection) connection = NULL;

  if (get_config (self) == NULL)
    return;
  connection = bb_libvirt_connection_get (bb_libvirt_config_get_uri (get_config (self)));
  set_connection (self, connection);
  warn_of_leaks (self);
}

/* --- start */

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbLibvirtSlave *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_autofree char *console = NULL;
  BbInstance *instance = bb_libvirt_start_finish (BB_LIBVIRT_CONNECTION (source), result, &console, &error);

  g_free (self->console);
  self->console = g_steal_pointer (&console);
  if (instance != NULL)
    g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
bb_libvirt_slave_start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data)
{
  BbLibvirtSlave *self = BB_LIBVIRT_SLAVE (slave);
  GTask *task = begin (slave, bb_libvirt_slave_start_instance_async, cancellable, callback, user_data);

  g_clear_pointer (&self->ended, g_free);
  self->expects_domain = TRUE;
  bb_libvirt_start_async (self->connection, get_config (self), request, cancellable, started_cb, task);
}

static BbInstance *
bb_libvirt_slave_start_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- stop */

static void
stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_libvirt_stop_finish (BB_LIBVIRT_CONNECTION (source), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
bb_libvirt_slave_stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast,
                                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbLibvirtSlave *self = BB_LIBVIRT_SLAVE (slave);
  GTask *task = begin (slave, bb_libvirt_slave_stop_instance_async, cancellable, callback, user_data);

  self->expects_domain = FALSE;
  g_clear_pointer (&self->ended, g_free);
  bb_libvirt_stop_async (self->connection, get_config (self), instance, bb_slave_get_name (BB_SLAVE (self)), fast,
                         cancellable, stopped_cb, task);
}

static gboolean
bb_libvirt_slave_stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- check */

typedef struct
{
  char *uuid;
  char *token;
  char *console; /* NULL: none that can be read */
  /* the answers */
  BbLibvirtDomainState state;
  char *tail;
} Check;

static void
check_free (gpointer data)
{
  Check *check = data;

  g_free (check->uuid);
  g_free (check->token);
  g_free (check->console);
  g_free (check->tail);
  g_free (check);
}

static gboolean
check_thread (virConnectPtr connection, gpointer data, GError **error)
{
  Check *check = data;
  g_autoptr (BbLibvirtDomainInfo) info = bb_libvirt_domain_find_by_uuid (connection, check->uuid, error);
  gboolean active;

  if (info == NULL)
    return FALSE;
  active = info->state != BB_LIBVIRT_DOMAIN_NONE && info->state != BB_LIBVIRT_DOMAIN_OFF;
  if (active && info->mark != NULL && (check->token == NULL || g_strcmp0 (info->mark->token, check->token) == 0))
    check->state = info->state;
  else
    check->state = BB_LIBVIRT_DOMAIN_NONE;
  if (check->state != BB_LIBVIRT_DOMAIN_RUNS && check->console != NULL)
    check->tail = bb_libvirt_files_get_tail (check->console);
  return TRUE;
}

static void
set_checked_state (BbLibvirtSlave *self, BbInstance *instance, Check *check)
{
  g_autofree char *reason = NULL;
  const char *what = self->ended != NULL ? self->ended : "its domain does not run any more";
  /* Where libvirt itself has told of the end no second look is needed. */
  BbInstanceState state = self->ended != NULL ? BB_INSTANCE_FAILED : BB_INSTANCE_GONE;

  switch (check->state)
    {
    case BB_LIBVIRT_DOMAIN_RUNS:
      self->expects_domain = TRUE;
      g_clear_pointer (&self->ended, g_free);
      bb_instance_set_state (instance, BB_INSTANCE_ALIVE, NULL);
      return;
    case BB_LIBVIRT_DOMAIN_ENDS:
      what = "its guest is shutting down";
      state = BB_INSTANCE_STOPPING;
      break;
    case BB_LIBVIRT_DOMAIN_BROKEN:
      what = "the guest has crashed";
      state = BB_INSTANCE_FAILED;
      break;
    case BB_LIBVIRT_DOMAIN_NONE:
    case BB_LIBVIRT_DOMAIN_OFF:
    default:
      break;
    }
  reason = g_strdup_printf ("%s%s%s", what, check->tail != NULL ? "; the end of its console: " : "",
                            check->tail != NULL ? check->tail : "");
  bb_instance_set_state (instance, state, reason);
}

static void
checked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbInstance *asked = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  Check *check = bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error);
  BbInstance *instance;

  if (check == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  instance = bb_instance_new (bb_instance_get_id (asked), bb_instance_get_token (asked));
  bb_instance_set_slave_name (instance, bb_instance_get_slave_name (asked));
  bb_instance_set_resources (instance, bb_instance_get_resources (asked));
  set_checked_state (g_task_get_source_object (task), instance, check);
  g_task_return_pointer (task, instance, (GDestroyNotify) bb_instance_unref);
}

static void
bb_libvirt_slave_check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data)
{
  BbLibvirtSlave *self = BB_LIBVIRT_SLAVE (slave);
  GTask *task = begin (slave, bb_libvirt_slave_check_instance_async, cancellable, callback, user_data);
  g_autofree char *uuid = bb_libvirt_parse_id (bb_instance_get_id (instance));
  Check *check = g_new0 (Check, 1);

  g_task_set_task_data (task, bb_instance_ref (instance), (GDestroyNotify) bb_instance_unref);
  check->uuid = g_strdup (uuid != NULL ? uuid : bb_instance_get_token (instance));
  check->token = g_strdup (bb_instance_get_token (instance));
  if (bb_libvirt_uri_is_local (bb_libvirt_config_get_uri (get_config (self))))
    check->console = g_strdup (self->console);
  bb_libvirt_connection_call_async (self->connection, check_thread, check, check_free, CHECK_LIMIT, cancellable,
                                    checked_cb, task);
}

static BbInstance *
bb_libvirt_slave_check_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- list */

typedef struct
{
  char *store;
  GPtrArray *domains; /* the answer */
} List;

static void
list_free (gpointer data)
{
  List *list = data;

  g_clear_pointer (&list->domains, g_ptr_array_unref);
  g_free (list->store);
  g_free (list);
}

static gboolean
list_thread (virConnectPtr connection, gpointer data, GError **error)
{
  List *list = data;

  list->domains = bb_libvirt_domain_list (connection, list->store, error);
  return list->domains != NULL;
}

static BbInstance *
make_instance (const BbLibvirtDomainInfo *info)
{
  g_autofree char *id = bb_libvirt_make_id (info->uuid, info->persistent, info->mark->token);
  BbInstance *instance = bb_instance_new (id, info->mark->token);

  bb_instance_set_slave_name (instance, info->mark->slave);
  bb_instance_set_resources (instance, (const char *const *) info->mark->resources);
  bb_instance_set_state (instance, info->state == BB_LIBVIRT_DOMAIN_ENDS ? BB_INSTANCE_STOPPING : BB_INSTANCE_ALIVE,
                         NULL);
  return instance;
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  List *list = bb_libvirt_connection_call_finish (BB_LIBVIRT_CONNECTION (source), result, &error);
  GPtrArray *instances;

  if (list == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  instances = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);
  for (guint i = 0; i < list->domains->len; i++)
    {
      const BbLibvirtDomainInfo *info = list->domains->pdata[i];

      if (info->mark->token != NULL)
        g_ptr_array_add (instances, make_instance (info));
    }
  g_task_return_pointer (task, instances, (GDestroyNotify) g_ptr_array_unref);
}

static void
bb_libvirt_slave_list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin (slave, bb_libvirt_slave_list_instances_async, cancellable, callback, user_data);
  List *list = g_new0 (List, 1);

  list->store = g_strdup (store_id);
  bb_libvirt_connection_call_async (BB_LIBVIRT_SLAVE (slave)->connection, list_thread, list, list_free, LIST_LIMIT,
                                    cancellable, listed_cb, task);
}

static GPtrArray *
bb_libvirt_slave_list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, slave), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
bb_libvirt_slave_get_scope (BbLatentSlave *slave)
{
  return g_strdup (bb_libvirt_config_get_uri (get_config (BB_LIBVIRT_SLAVE (slave))));
}

/* A hypervisor knows at once what it has, but may still have to take what a bbhostd that was killed has asked of it. */
static double
bb_libvirt_slave_get_listing_delay (BbLatentSlave *slave)
{
  return 5;
}

static void
bb_libvirt_slave_latent_slave_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = bb_libvirt_slave_start_instance_async;
  iface->start_instance_finish = bb_libvirt_slave_start_instance_finish;
  iface->stop_instance_async = bb_libvirt_slave_stop_instance_async;
  iface->stop_instance_finish = bb_libvirt_slave_stop_instance_finish;
  iface->check_instance_async = bb_libvirt_slave_check_instance_async;
  iface->check_instance_finish = bb_libvirt_slave_check_instance_finish;
  iface->list_instances_async = bb_libvirt_slave_list_instances_async;
  iface->list_instances_finish = bb_libvirt_slave_list_instances_finish;
  iface->get_scope = bb_libvirt_slave_get_scope;
  iface->get_listing_delay = bb_libvirt_slave_get_listing_delay;
}

static void
bb_libvirt_slave_constructed (GObject *object)
{
  G_OBJECT_CLASS (bb_libvirt_slave_parent_class)->constructed (object);
  config_changed_cb (object, NULL, NULL);
  g_signal_connect (object, "notify::config", G_CALLBACK (config_changed_cb), NULL);
}

static void
bb_libvirt_slave_dispose (GObject *object)
{
  set_connection (BB_LIBVIRT_SLAVE (object), NULL);
  G_OBJECT_CLASS (bb_libvirt_slave_parent_class)->dispose (object);
}

static void
bb_libvirt_slave_finalize (GObject *object)
{
  BbLibvirtSlave *self = BB_LIBVIRT_SLAVE (object);

  g_free (self->console);
  g_free (self->ended);
  G_OBJECT_CLASS (bb_libvirt_slave_parent_class)->finalize (object);
}

static void
bb_libvirt_slave_class_init (BbLibvirtSlaveClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = bb_libvirt_slave_constructed;
  object_class->dispose = bb_libvirt_slave_dispose;
  object_class->finalize = bb_libvirt_slave_finalize;
  /* Once, before threads use it. */
  xmlInitParser ();
}

static void
bb_libvirt_slave_init (BbLibvirtSlave *self)
{
}
