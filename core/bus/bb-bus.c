/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus.h"

#include "bb-bus-info.h"
#include "bb-bus-private.h"

static const BbBusKind *const subtrees[] = { &bb_bus_slave_kind, &bb_bus_build_kind, &bb_bus_instance_kind };

/* InstancesUnconfirmed grows by time alone. */
#define REFRESH_US (60 * G_TIME_SPAN_SECOND)

/* Of each state, of builds that a restart brought back; others become objects when they change. */
#define MAX_LISTED 10000

struct _BbBus
{
  GObject parent_instance;

  BbHost *host;
  GDBusConnection *connection;
  BbAuthority *authority;
  BbBusChanges *changes;
  BbTimer refresh_timer;
  GCancellable *cancellable;
  guint host_id;
  guint manager_id;
  guint subtree_ids[G_N_ELEMENTS (subtrees)];
  /* Builds that were there before this was made are known once the store has named them. */
  guint n_unlisted;    /* lists that have not come yet */
  GPtrArray *managing; /* of GDBusMethodInvocation (owned): GetManagedObjects() until then */
};

G_DEFINE_FINAL_TYPE (BbBus, bb_bus, G_TYPE_OBJECT)

BbHost *
bb_bus_get_host (BbBus *self)
{
  return self->host;
}

GCancellable *
bb_bus_get_cancellable (BbBus *self)
{
  return self->cancellable;
}

BbAuthority *
bb_bus_get_authority (BbBus *self)
{
  return self->authority;
}

static void
host_called_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
                const char *method_name, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  bb_bus_call_begin (user_data, &bb_bus_host_kind, invocation);
}

static const BbBusKind *
find_kind (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (subtrees); i++)
    if (g_str_has_prefix (path, subtrees[i]->path))
      return subtrees[i];
  return NULL;
}

static void
subtree_called_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
                   const char *method_name, GVariant *parameters, GDBusMethodInvocation *invocation,
                   gpointer user_data)
{
  bb_bus_call_begin (user_data, find_kind (path), invocation);
}

/* Without functions for properties GDBus hands their calls on as methods, so that they too may take their time:
 * those of a finished build are read from the store. */
static const GDBusInterfaceVTable host_vtable = { .method_call = host_called_cb };
static const GDBusInterfaceVTable subtree_vtable = { .method_call = subtree_called_cb };

static char **
enumerate_cb (GDBusConnection *connection, const char *sender, const char *path, gpointer user_data)
{
  BbBus *self = user_data;
  const BbBusKind *kind = find_kind (path);
  g_autoptr (GPtrArray) objects = bb_bus_changes_list (self->changes, kind);
  g_autoptr (GPtrArray) elements = g_ptr_array_new ();

  for (guint i = 0; i < objects->len; i++)
    {
      g_autofree char *object_path = kind->get_path (g_ptr_array_index (objects, i));

      g_ptr_array_add (elements, g_path_get_basename (object_path));
    }
  g_ptr_array_add (elements, NULL);
  return (char **) g_ptr_array_steal (elements, NULL);
}

static GDBusInterfaceInfo **
introspect_cb (GDBusConnection *connection, const char *sender, const char *path, const char *node, gpointer user_data)
{
  BbBus *self = user_data;
  const BbBusKind *kind = find_kind (path);
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();
  gpointer object = node != NULL ? kind->find (self->host, node) : NULL;

  /* Of what is not there too, so that a call comes to us and is answered in words; and a finished build answers. */
  for (const BbBusFace *const *face = kind->faces; node != NULL && *face != NULL; face++)
    if (object != NULL ? bb_bus_face_applies (*face, object) : (*face)->applies == NULL)
      g_ptr_array_add (infos, g_dbus_interface_info_ref ((GDBusInterfaceInfo *) (*face)->info));
  g_ptr_array_add (infos, NULL);
  return (GDBusInterfaceInfo **) g_ptr_array_steal (infos, NULL);
}

static const GDBusInterfaceVTable *
dispatch_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
             const char *node, gpointer *out_user_data, gpointer user_data)
{
  BbBus *self = user_data;
  const BbBusKind *kind = find_kind (path);
  const BbBusFace *face = node != NULL ? bb_bus_kind_find_face (kind, interface_name) : NULL;
  gpointer object = face != NULL ? kind->find (self->host, node) : NULL;

  if (face == NULL || (object != NULL && !bb_bus_face_applies (face, object)))
    return NULL;
  *out_user_data = self;
  return &subtree_vtable;
}

static const GDBusSubtreeVTable subtree = { enumerate_cb, introspect_cb, dispatch_cb, { NULL } };

static void
return_managed_objects (BbBus *self, GDBusMethodInvocation *invocation)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  for (guint i = 0; i < G_N_ELEMENTS (subtrees); i++)
    {
      g_autoptr (GPtrArray) objects = bb_bus_changes_list (self->changes, subtrees[i]);

      for (guint j = 0; j < objects->len; j++)
        {
          gpointer object = g_ptr_array_index (objects, j);
          g_autofree char *path = subtrees[i]->get_path (object);

          g_variant_builder_add (&builder, "{o@a{sa{sv}}}", path,
                                 bb_bus_kind_get_interfaces (subtrees[i], self->host, object));
        }
    }
  g_dbus_method_invocation_return_value (invocation,
                                         g_variant_new ("(@a{oa{sa{sv}}})", g_variant_builder_end (&builder)));
}

static void
manager_called_cb (GDBusConnection *connection, const char *sender, const char *path, const char *interface_name,
                   const char *method_name, GVariant *parameters, GDBusMethodInvocation *invocation,
                   gpointer user_data)
{
  BbBus *self = user_data;

  if (self->n_unlisted > 0)
    g_ptr_array_add (self->managing, invocation);
  else
    return_managed_objects (self, invocation);
}

static const GDBusInterfaceVTable manager_vtable = { .method_call = manager_called_cb };

static void
host_changed (BbBus *self)
{
  bb_bus_changes_touch_slowly (self->changes, self->host, BB_BUS_HOST_CHANGED);
}

static void
refresh_cb (BbTimer *timer, gpointer user_data)
{
  host_changed (user_data);
  bb_timer_start_in (timer, REFRESH_US);
}

static void
slave_added_cb (BbSlaveManager *slaves, BbSlave *slave, BbBus *self)
{
  bb_bus_changes_add (self->changes, &bb_bus_slave_kind, slave, TRUE);
  host_changed (self);
}

static void
slave_changed_cb (BbSlaveManager *slaves, BbSlave *slave, guint changes, BbBus *self)
{
  bb_bus_changes_touch (self->changes, slave, changes);
  host_changed (self);
}

static void
slave_removed_cb (BbSlaveManager *slaves, BbSlave *slave, BbBus *self)
{
  bb_bus_changes_remove (self->changes, slave);
  host_changed (self);
}

static void
build_added_cb (BbBuildMaster *builds, BbBuild *build, BbBus *self)
{
  bb_bus_changes_add (self->changes, &bb_bus_build_kind, build, TRUE);
  host_changed (self);
}

static void
build_changed_cb (BbBuildMaster *builds, BbBuild *build, guint changes, BbBus *self)
{
  /* One of very many that a restart brought back. */
  if (bb_build_get_state (build) != BB_BUILD_FINISHED)
    bb_bus_changes_know (self->changes, &bb_bus_build_kind, build);
  bb_bus_changes_touch (self->changes, build, changes);
  host_changed (self);
}

static void
build_finished_cb (BbBuildMaster *builds, BbBuild *build, BbBus *self)
{
  bb_bus_changes_know (self->changes, &bb_bus_build_kind, build);
  bb_bus_changes_remove (self->changes, build);
  host_changed (self);
}

static void
log_appended_cb (BbBuildMaster *builds, BbBuild *build, const char *step, const char *log, guint64 size, BbBus *self)
{
  g_autofree char *path = bb_bus_path_of_build (bb_build_get_number (build));

  bb_bus_changes_log_appended (self->changes, path, bb_bus_org_bbhost_build1_interface.name, step, log, size);
}

static void
row_added_cb (BbLedger *ledger, BbLedgerRow *row, BbBus *self)
{
  bb_bus_changes_add (self->changes, &bb_bus_instance_kind, row, TRUE);
  host_changed (self);
}

static void
row_changed_cb (BbLedger *ledger, BbLedgerRow *row, BbBus *self)
{
  BbSlave *slave
    = bb_slave_manager_find (bb_host_get_slaves (self->host), bb_ledger_row_get_slave_name (row));

  bb_bus_changes_touch (self->changes, row, G_MAXUINT);
  if (slave != NULL)
    bb_bus_changes_touch (self->changes, slave, BB_SLAVE_CHANGED_INSTANCE);
  host_changed (self);
}

static void
row_closed_cb (BbLedger *ledger, BbLedgerRow *row, BbBus *self)
{
  row_changed_cb (ledger, row, self);
  bb_bus_changes_remove (self->changes, row);
}

static void
add_what_is_there (BbBus *self)
{
  g_autoptr (GPtrArray) slaves = bb_slave_manager_list (bb_host_get_slaves (self->host));
  g_autoptr (GPtrArray) rows = bb_ledger_get_open_rows (bb_host_get_ledger (self->host));

  bb_bus_changes_add (self->changes, &bb_bus_host_kind, self->host, FALSE);
  for (guint i = 0; i < slaves->len; i++)
    bb_bus_changes_add (self->changes, &bb_bus_slave_kind, g_ptr_array_index (slaves, i), FALSE);
  for (guint i = 0; i < rows->len; i++)
    bb_bus_changes_add (self->changes, &bb_bus_instance_kind, g_ptr_array_index (rows, i), FALSE);
}

static void
builds_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBus) self = user_data;
  g_autoptr (GVariant) list = bb_build_master_list_finish (BB_BUILD_MASTER (source), result, NULL);
  GVariantIter iter;
  GVariant *item;

  g_variant_iter_init (&iter, list != NULL ? list : g_variant_new ("aa{sv}", NULL));
  while (g_variant_iter_loop (&iter, "@a{sv}", &item))
    {
      BbBuild *build = NULL;
      guint64 number;

      if (g_variant_lookup (item, "number", "t", &number))
        build = bb_build_master_find (BB_BUILD_MASTER (source), number);
      if (build != NULL)
        bb_bus_changes_add (self->changes, &bb_bus_build_kind, build, FALSE);
    }
  if (--self->n_unlisted > 0)
    return;
  for (guint i = 0; i < self->managing->len; i++)
    return_managed_objects (self, g_ptr_array_index (self->managing, i));
  g_ptr_array_set_size (self->managing, 0);
}

/* Builds that a restart brought back. */
static void
list_builds (BbBus *self)
{
  static const BbBuildState live[] = { BB_BUILD_PENDING, BB_BUILD_WAITING_FOR_SLAVE, BB_BUILD_RUNNING };

  for (guint i = 0; i < G_N_ELEMENTS (live); i++)
    {
      GVariantDict filter;

      g_variant_dict_init (&filter, NULL);
      g_variant_dict_insert (&filter, "state", "s", bb_build_state_to_string (live[i]));
      g_variant_dict_insert (&filter, "limit", "t", (guint64) MAX_LISTED);
      self->n_unlisted++;
      bb_build_master_list_async (bb_host_get_builds (self->host), g_variant_dict_end (&filter), self->cancellable,
                                  builds_listed_cb, g_object_ref (self));
    }
}

static void
connect_signals (BbBus *self)
{
  BbSlaveManager *slaves = bb_host_get_slaves (self->host);
  BbBuildMaster *builds = bb_host_get_builds (self->host);
  BbLedger *ledger = bb_host_get_ledger (self->host);

  g_signal_connect_object (slaves, "slave-added", G_CALLBACK (slave_added_cb), self, 0);
  g_signal_connect_object (slaves, "slave-changed", G_CALLBACK (slave_changed_cb), self, 0);
  g_signal_connect_object (slaves, "slave-removed", G_CALLBACK (slave_removed_cb), self, 0);
  g_signal_connect_object (builds, "build-added", G_CALLBACK (build_added_cb), self, 0);
  g_signal_connect_object (builds, "build-changed", G_CALLBACK (build_changed_cb), self, 0);
  g_signal_connect_object (builds, "build-finished", G_CALLBACK (build_finished_cb), self, 0);
  g_signal_connect_object (builds, "log-appended", G_CALLBACK (log_appended_cb), self, 0);
  g_signal_connect_object (ledger, "row-added", G_CALLBACK (row_added_cb), self, 0);
  g_signal_connect_object (ledger, "row-changed", G_CALLBACK (row_changed_cb), self, 0);
  g_signal_connect_object (ledger, "row-closed", G_CALLBACK (row_closed_cb), self, 0);
}

static gboolean
export_objects (BbBus *self, GError **error)
{
  self->host_id = g_dbus_connection_register_object (self->connection, bb_bus_host_kind.path,
                                                     (GDBusInterfaceInfo *) bb_bus_host_kind.faces[0]->info,
                                                     &host_vtable, self, NULL, error);
  if (self->host_id == 0)
    return FALSE;
  self->manager_id
    = g_dbus_connection_register_object (self->connection, BB_BUS_ROOT,
                                         (GDBusInterfaceInfo *) &bb_bus_org_freedesktop_dbus_object_manager_interface,
                                         &manager_vtable, self, NULL, error);
  if (self->manager_id == 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (subtrees); i++)
    {
      /* Else GDBus would enumerate all of them for every call. */
      self->subtree_ids[i] = g_dbus_connection_register_subtree (self->connection, subtrees[i]->path, &subtree,
                                                                 G_DBUS_SUBTREE_FLAGS_DISPATCH_TO_UNENUMERATED_NODES,
                                                                 self, NULL, error);
      if (self->subtree_ids[i] == 0)
        return FALSE;
    }
  return TRUE;
}

void
bb_bus_close (BbBus *self)
{
  g_return_if_fail (BB_IS_BUS (self));

  g_cancellable_cancel (self->cancellable);
  bb_timer_stop (&self->refresh_timer);
  if (self->changes != NULL)
    bb_bus_changes_close (self->changes);
  if (self->host != NULL)
    {
      g_signal_handlers_disconnect_by_data (bb_host_get_slaves (self->host), self);
      g_signal_handlers_disconnect_by_data (bb_host_get_builds (self->host), self);
      g_signal_handlers_disconnect_by_data (bb_host_get_ledger (self->host), self);
    }
  if (self->host_id != 0)
    g_dbus_connection_unregister_object (self->connection, self->host_id);
  if (self->manager_id != 0)
    g_dbus_connection_unregister_object (self->connection, self->manager_id);
  for (guint i = 0; i < G_N_ELEMENTS (subtrees); i++)
    if (self->subtree_ids[i] != 0)
      g_dbus_connection_unregister_subtree (self->connection, self->subtree_ids[i]);
  self->host_id = self->manager_id = 0;
  memset (self->subtree_ids, 0, sizeof self->subtree_ids);
}

static void
bb_bus_dispose (GObject *object)
{
  BbBus *self = BB_BUS (object);

  bb_bus_close (self);
  g_clear_object (&self->changes);
  g_clear_object (&self->authority);
  g_clear_object (&self->connection);
  g_clear_object (&self->host);
  G_OBJECT_CLASS (bb_bus_parent_class)->dispose (object);
}

static void
bb_bus_finalize (GObject *object)
{
  BbBus *self = BB_BUS (object);

  g_ptr_array_unref (self->managing);
  g_object_unref (self->cancellable);
  G_OBJECT_CLASS (bb_bus_parent_class)->finalize (object);
}

static void
bb_bus_class_init (BbBusClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = bb_bus_dispose;
  object_class->finalize = bb_bus_finalize;
}

static void
bb_bus_init (BbBus *self)
{
  self->cancellable = g_cancellable_new ();
  self->managing = g_ptr_array_new ();
}

BbBus *
bb_bus_new (BbHost *host, GDBusConnection *connection, BbAuthority *authority, GError **error)
{
  g_autoptr (BbBus) self = g_object_new (BB_TYPE_BUS, NULL);

  self->host = g_object_ref (host);
  self->connection = g_object_ref (connection);
  self->authority = g_object_ref (authority);
  self->changes = bb_bus_changes_new (connection, bb_host_get_loop (host), host);
  if (!export_objects (self, error))
    return NULL;
  bb_timer_init (&self->refresh_timer, bb_host_get_loop (host), refresh_cb, self);
  bb_timer_start_in (&self->refresh_timer, REFRESH_US);
  add_what_is_there (self);
  connect_signals (self);
  list_builds (self);
  return g_steal_pointer (&self);
}
