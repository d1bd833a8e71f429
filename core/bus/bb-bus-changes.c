/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-changes.h"

#include "bb-bus-path.h"
#include "bb-log.h"

/* A loop that is never idle must not keep changes back for ever. */
#define LATEST_US (50 * G_TIME_SPAN_MILLISECOND)
/* Sent in one go, so that a reload that changes every slave leaves room for calls in between. */
#define MAX_BATCH 256
/* Objects that have gone while the bus takes nothing; beyond that the oldest are not told of. */
#define MAX_GONE 4096
#define SLOW_INTERVAL_US (200 * G_TIME_SPAN_MILLISECOND)
/* LogAppended: so many rounds in a second when there is one, and fewer when a round is long: 500 signals at most. */
#define LOG_INTERVAL_US (40 * G_TIME_SPAN_MILLISECOND)
#define LOG_INTERVAL_PER_SIGNAL_US (2 * G_TIME_SPAN_MILLISECOND)
#define MAX_LOGS 4096

typedef struct
{
  const BbBusKind *kind;
  GObject *object; /* owned */
  GList link;      /* in one of the queues when queued; data is the entry */
  guint changes;   /* what may differ from what was told */
  gboolean queued;
  gboolean added; /* not told yet that it is there */
  gboolean gone;
  guint64 told[]; /* hashes of the values that were told, of all properties of all faces in their order */
} Entry;

typedef struct
{
  char *path;
  const char *interface_name; /* static */
  char *step;
  char *log;
  guint64 size;
} LogAppended;

struct _BbBusChanges
{
  GObject parent_instance;

  GDBusConnection *connection;
  gpointer context;
  BbLoop *loop;
  GHashTable *entries; /* object (owned by the entry) → Entry (owned, until it is gone) */
  GQueue changed;      /* of Entry */
  GQueue gone;         /* of Entry (owned) */
  GHashTable *logs;    /* of LogAppended (owned), which is its own key */
  Entry *slow;         /* one object is enough; NULL: nothing waits */
  guint slow_changes;
  gint64 slow_after_us;
  BbTimer slow_timer;
  gint64 logs_after_us;
  BbTimer log_timer;
  BbTimer latest_timer;
  GSource *idle;
  GCancellable *cancellable; /* of the flush */
  gboolean flushing;         /* the bus has not taken all that was sent */
  gboolean told_of_loss;
};

G_DEFINE_FINAL_TYPE (BbBusChanges, bb_bus_changes, G_TYPE_OBJECT)

static void
entry_free (Entry *entry)
{
  g_object_unref (entry->object);
  g_free (entry);
}

static void
log_appended_free (LogAppended *item)
{
  g_free (item->path);
  g_free (item->step);
  g_free (item->log);
  g_free (item);
}

static guint
log_appended_hash (gconstpointer key)
{
  const LogAppended *item = key;

  return (g_str_hash (item->path) * 31 + g_str_hash (item->step)) * 31 + g_str_hash (item->log);
}

static gboolean
log_appended_equal (gconstpointer a, gconstpointer b)
{
  const LogAppended *one = a, *other = b;

  return g_str_equal (one->path, other->path) && g_str_equal (one->step, other->step)
         && g_str_equal (one->log, other->log);
}

/* FNV-1a over the serialised value. A copy of each value instead would make ten thousand slaves cost megabytes. */
static guint64
hash_value (GVariant *value)
{
  const guchar *data = g_variant_get_data (value);
  gsize size = g_variant_get_size (value);
  guint64 hash = G_GUINT64_CONSTANT (0xcbf29ce484222325);

  for (gsize i = 0; i < size; i++)
    hash = (hash ^ data[i]) * G_GUINT64_CONSTANT (0x100000001b3);
  return hash;
}

static gsize
count_properties (const BbBusKind *kind)
{
  gsize n = 0;

  for (const BbBusFace *const *face = kind->faces; *face != NULL; face++)
    for (const BbBusProperty *property = (*face)->properties; property->name != NULL; property++)
      n++;
  return n;
}

/* What of @changes really differs, as the parameters of PropertiesChanged, or NULL; from now on it counts as told. @told: of
 * this face. */
static GVariant *
take_differences (BbBusChanges *self, const BbBusFace *face, gpointer object, guint changes, guint64 *told)
{
  GVariantBuilder builder, invalidated;
  gboolean differs = FALSE;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_init (&invalidated, G_VARIANT_TYPE_STRING_ARRAY);
  for (gsize i = 0; face->properties[i].name != NULL; i++)
    {
      g_autoptr (GVariant) value = NULL;
      guint64 hash;

      if ((face->properties[i].changes & changes) == 0)
        continue;
      if (face->properties[i].large)
        {
          g_variant_builder_add (&invalidated, "s", face->properties[i].name);
          differs = TRUE;
          continue;
        }
      value = bb_bus_property_get (&face->properties[i], self->context, object);
      hash = hash_value (value);
      if (hash == told[i])
        continue;
      told[i] = hash;
      differs = TRUE;
      g_variant_builder_add (&builder, "{sv}", face->properties[i].name, value);
    }
  if (differs)
    return g_variant_new ("(sa{sv}as)", face->info->name, &builder, &invalidated);
  g_variant_builder_clear (&builder);
  g_variant_builder_clear (&invalidated);
  return NULL;
}

static void
emit (BbBusChanges *self, const char *path, const char *interface_name, const char *signal, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;

  /* A connection that is closed is noticed by its owner. */
  if (!g_dbus_connection_emit_signal (self->connection, NULL, path, interface_name, signal, parameters, &error))
    bb_log_host (G_LOG_LEVEL_DEBUG, "D-Bus: %s of %s: %s", signal, path, error->message);
}

static void
emit_differences (BbBusChanges *self, Entry *entry, const char *path)
{
  guint64 *told = entry->told;

  for (const BbBusFace *const *face = entry->kind->faces; *face != NULL; face++)
    {
      GVariant *parameters = NULL;

      if (bb_bus_face_applies (*face, entry->object))
        parameters = take_differences (self, *face, entry->object, entry->changes, told);
      if (parameters != NULL)
        emit (self, path, "org.freedesktop.DBus.Properties", "PropertiesChanged", parameters);
      for (const BbBusProperty *property = (*face)->properties; property->name != NULL; property++)
        told++;
    }
  entry->changes = 0;
}

static void
emit_gone (BbBusChanges *self, Entry *entry, const char *path)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (const BbBusFace *const *face = entry->kind->faces; *face != NULL; face++)
    if (bb_bus_face_applies (*face, entry->object))
      g_variant_builder_add (&builder, "s", (*face)->info->name);
  emit (self, BB_BUS_ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
        g_variant_new ("(o@as)", path, g_variant_builder_end (&builder)));
}

static void
announce (BbBusChanges *self, Entry *entry)
{
  g_autofree char *path = entry->kind->get_path (entry->object);

  entry->queued = FALSE;
  if (entry->added)
    emit (self, BB_BUS_ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
          g_variant_new ("(o@a{sa{sv}})", path,
                         bb_bus_kind_get_interfaces (entry->kind, self->context, entry->object)));
  entry->added = FALSE;
  /* Also of one that was just added: who knows its path from a method's answer may have read it before. */
  emit_differences (self, entry, path);
  if (entry->gone)
    emit_gone (self, entry, path);
}

static void schedule (BbBusChanges *self);

static void
flushed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBusChanges) self = user_data;

  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  self->flushing = FALSE;
  schedule (self);
}

static gboolean
logs_are_due (BbBusChanges *self)
{
  return g_hash_table_size (self->logs) > 0 && bb_loop_now_us (self->loop) >= self->logs_after_us;
}

static void
send_logs (BbBusChanges *self)
{
  GHashTableIter iter;
  gpointer value;
  guint n = g_hash_table_size (self->logs);

  g_hash_table_iter_init (&iter, self->logs);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      LogAppended *item = value;

      emit (self, item->path, item->interface_name, "LogAppended",
            g_variant_new ("(sst)", item->step, item->log, item->size));
    }
  g_hash_table_remove_all (self->logs);
  self->logs_after_us = bb_loop_now_us (self->loop) + MAX (LOG_INTERVAL_US, n * LOG_INTERVAL_PER_SIGNAL_US);
}

static void
send_batch (BbBusChanges *self)
{
  GList *link;
  guint n_sent = 0;

  bb_timer_stop (&self->latest_timer);
  if (self->flushing)
    return;
  if (logs_are_due (self))
    {
      send_logs (self);
      n_sent++;
    }
  for (; n_sent < MAX_BATCH && (link = g_queue_pop_head_link (&self->gone)) != NULL; n_sent++)
    {
      announce (self, link->data);
      entry_free (link->data);
    }
  for (; n_sent < MAX_BATCH && (link = g_queue_pop_head_link (&self->changed)) != NULL; n_sent++)
    announce (self, link->data);
  if (n_sent == 0)
    return;
  self->flushing = TRUE;
  g_dbus_connection_flush (self->connection, self->cancellable, flushed_cb, g_object_ref (self));
}

static gboolean
idle_cb (gpointer user_data)
{
  BbBusChanges *self = user_data;

  g_clear_pointer (&self->idle, g_source_unref);
  send_batch (self);
  return G_SOURCE_REMOVE;
}

static void
latest_cb (BbTimer *timer, gpointer user_data)
{
  send_batch (user_data);
}

/* Sees to it that what waits, and may be sent, is sent when the loop is idle. */
static void
schedule (BbBusChanges *self)
{
  if (self->flushing || g_cancellable_is_cancelled (self->cancellable))
    return;
  if (g_hash_table_size (self->logs) > 0 && !logs_are_due (self) && !bb_timer_is_running (&self->log_timer))
    bb_timer_start_at (&self->log_timer, self->logs_after_us);
  if (self->idle != NULL || (self->changed.length == 0 && self->gone.length == 0 && !logs_are_due (self)))
    return;
  self->idle = g_idle_source_new ();
  g_source_set_callback (self->idle, idle_cb, self, NULL);
  g_source_attach (self->idle, g_main_context_get_thread_default ());
  bb_timer_start_in (&self->latest_timer, LATEST_US);
}

static void
log_timer_cb (BbTimer *timer, gpointer user_data)
{
  schedule (user_data);
}

static void
enqueue (BbBusChanges *self, Entry *entry, guint changes)
{
  entry->changes |= changes;
  if (!entry->queued)
    g_queue_push_tail_link (&self->changed, &entry->link);
  entry->queued = TRUE;
  schedule (self);
}

static void
slow_timer_cb (BbTimer *timer, gpointer user_data)
{
  BbBusChanges *self = user_data;
  Entry *entry = g_steal_pointer (&self->slow);

  self->slow_after_us = bb_loop_now_us (self->loop) + SLOW_INTERVAL_US;
  if (entry != NULL)
    enqueue (self, entry, self->slow_changes);
  self->slow_changes = 0;
}

static void
bb_bus_changes_dispose (GObject *object)
{
  BbBusChanges *self = BB_BUS_CHANGES (object);

  bb_bus_changes_close (self);
  g_clear_object (&self->connection);
  g_clear_object (&self->loop);
  G_OBJECT_CLASS (bb_bus_changes_parent_class)->dispose (object);
}

static void
bb_bus_changes_finalize (GObject *object)
{
  BbBusChanges *self = BB_BUS_CHANGES (object);

  g_hash_table_unref (self->entries);
  g_hash_table_unref (self->logs);
  g_object_unref (self->cancellable);
  G_OBJECT_CLASS (bb_bus_changes_parent_class)->finalize (object);
}

static void
bb_bus_changes_class_init (BbBusChangesClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = bb_bus_changes_dispose;
  object_class->finalize = bb_bus_changes_finalize;
}

static void
bb_bus_changes_init (BbBusChanges *self)
{
  self->entries = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) entry_free);
  self->logs = g_hash_table_new_full (log_appended_hash, log_appended_equal, NULL, (GDestroyNotify) log_appended_free);
  self->cancellable = g_cancellable_new ();
  g_queue_init (&self->changed);
  g_queue_init (&self->gone);
}

BbBusChanges *
bb_bus_changes_new (GDBusConnection *connection, BbLoop *loop, gpointer context)
{
  BbBusChanges *self = g_object_new (BB_TYPE_BUS_CHANGES, NULL);

  self->connection = g_object_ref (connection);
  self->loop = g_object_ref (loop);
  self->context = context;
  bb_timer_init (&self->slow_timer, loop, slow_timer_cb, self);
  bb_timer_init (&self->log_timer, loop, log_timer_cb, self);
  bb_timer_init (&self->latest_timer, loop, latest_cb, self);
  return self;
}

void
bb_bus_changes_close (BbBusChanges *self)
{
  GList *link;

  g_cancellable_cancel (self->cancellable);
  bb_timer_stop (&self->slow_timer);
  bb_timer_stop (&self->log_timer);
  bb_timer_stop (&self->latest_timer);
  if (self->idle != NULL)
    g_source_destroy (self->idle);
  g_clear_pointer (&self->idle, g_source_unref);
  while ((link = g_queue_pop_head_link (&self->gone)) != NULL)
    entry_free (link->data);
  g_queue_init (&self->changed); /* its links are members of the entries */
  self->slow = NULL;
  g_hash_table_remove_all (self->entries);
  g_hash_table_remove_all (self->logs);
}

/* NULL: it is known already. */
static Entry *
make_entry (BbBusChanges *self, const BbBusKind *kind, gpointer object)
{
  Entry *entry;

  if (g_hash_table_contains (self->entries, object) || g_cancellable_is_cancelled (self->cancellable))
    return NULL;
  entry = g_malloc0 (sizeof (Entry) + count_properties (kind) * sizeof (guint64));
  entry->kind = kind;
  entry->object = g_object_ref (object);
  entry->link.data = entry;
  g_hash_table_insert (self->entries, object, entry);
  return entry;
}

void
bb_bus_changes_know (BbBusChanges *self, const BbBusKind *kind, gpointer object)
{
  make_entry (self, kind, object);
}

void
bb_bus_changes_add (BbBusChanges *self, const BbBusKind *kind, gpointer object, gboolean announce_it)
{
  Entry *entry = make_entry (self, kind, object);
  guint64 *told;

  if (entry == NULL)
    return;
  told = entry->told;
  for (const BbBusFace *const *face = kind->faces; *face != NULL; face++)
    for (const BbBusProperty *property = (*face)->properties; property->name != NULL; property++, told++)
      if (property->changes != 0 && !property->large)
        {
          g_autoptr (GVariant) value = bb_bus_property_get (property, self->context, object);

          *told = hash_value (value);
        }
  entry->added = announce_it;
  if (announce_it)
    enqueue (self, entry, 0);
}

void
bb_bus_changes_touch (BbBusChanges *self, gpointer object, guint changes)
{
  Entry *entry = g_hash_table_lookup (self->entries, object);

  if (entry != NULL)
    enqueue (self, entry, changes);
}

void
bb_bus_changes_touch_slowly (BbBusChanges *self, gpointer object, guint changes)
{
  Entry *entry = g_hash_table_lookup (self->entries, object);

  if (entry == NULL)
    return;
  self->slow_changes |= changes;
  if (self->slow == NULL)
    bb_timer_start_at (&self->slow_timer, MAX (bb_loop_now_us (self->loop), self->slow_after_us));
  self->slow = entry;
}

void
bb_bus_changes_remove (BbBusChanges *self, gpointer object)
{
  Entry *entry;

  if (!g_hash_table_steal_extended (self->entries, object, NULL, (gpointer *) &entry))
    return;
  if (self->slow == entry)
    {
      self->slow = NULL;
      self->slow_changes = 0;
    }
  if (entry->queued)
    g_queue_unlink (&self->changed, &entry->link);
  entry->gone = TRUE;
  entry->queued = TRUE;
  entry->changes = G_MAXUINT;
  g_queue_push_tail_link (&self->gone, &entry->link);
  if (self->gone.length > MAX_GONE)
    {
      if (!self->told_of_loss)
        bb_log_host (G_LOG_LEVEL_WARNING, "D-Bus: the bus takes nothing; clients will miss ends of builds");
      self->told_of_loss = TRUE;
      entry_free (g_queue_pop_head_link (&self->gone)->data);
    }
  schedule (self);
}

void
bb_bus_changes_log_appended (BbBusChanges *self, const char *path, const char *interface_name, const char *step,
                             const char *log, guint64 size)
{
  const LogAppended key = { .path = (char *) path, .step = (char *) step, .log = (char *) log };
  LogAppended *item = g_hash_table_lookup (self->logs, &key);

  if (g_cancellable_is_cancelled (self->cancellable))
    return;
  if (item == NULL && g_hash_table_size (self->logs) < MAX_LOGS)
    {
      item = g_new0 (LogAppended, 1);
      item->path = g_strdup (path);
      item->interface_name = interface_name;
      item->step = g_strdup (step);
      item->log = g_strdup (log);
      g_hash_table_add (self->logs, item);
    }
  if (item != NULL)
    item->size = size;
  schedule (self);
}

GPtrArray *
bb_bus_changes_list (BbBusChanges *self, const BbBusKind *kind)
{
  GPtrArray *objects = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer object, value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, &object, &value))
    if (((Entry *) value)->kind == kind)
      g_ptr_array_add (objects, object);
  return objects;
}
