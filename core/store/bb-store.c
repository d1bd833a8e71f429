/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-store.h"

#include "bb-log.h"
#include "bb-store-private.h"

G_DEFINE_INTERFACE (BbStore, bb_store, G_TYPE_OBJECT)

/* Times are microseconds since 1970, 0 or missing when there is none. */

const BbTable bb_table_builds = {
  "builds",
  1,
  (const BbColumn[]){
    { "number", BB_COLUMN_INTEGER },
    { "builder", BB_COLUMN_TEXT, .indexed = TRUE },
    { "slave", BB_COLUMN_TEXT, .indexed = TRUE }, /* the one that it was given to */
    { "wanted_slave", BB_COLUMN_TEXT },           /* the only one that it may be given to */
    { "state", BB_COLUMN_TEXT, .indexed = TRUE },
    { "result", BB_COLUMN_TEXT, .indexed = TRUE },
    { "reason", BB_COLUMN_TEXT },
    { "submitted_at", BB_COLUMN_INTEGER },
    { "started_at", BB_COLUMN_INTEGER },
    { "finished_at", BB_COLUMN_INTEGER, .indexed = TRUE },
    { "properties", BB_COLUMN_VARIANT },
    { "request", BB_COLUMN_VARIANT },    /* what was asked for: argv and options of an ad-hoc command, … */
    { "position", BB_COLUMN_INTEGER },   /* in its builder's queue, smallest first; a retry goes before all others */
    { "attempts", BB_COLUMN_INTEGER },   /* how often it was begun */
    { "build_set", BB_COLUMN_INTEGER, .indexed = TRUE }, /* number of its first build; missing when it was asked for alone */
    { "notice_due", BB_COLUMN_BOOLEAN, .indexed = TRUE }, /* its end is still to be told to the notifiers */
    { NULL },
  },
};

const BbTable bb_table_steps = {
  "steps",
  2,
  (const BbColumn[]){
    { "build", BB_COLUMN_INTEGER },
    { "position", BB_COLUMN_INTEGER },
    { "name", BB_COLUMN_TEXT },
    { "type", BB_COLUMN_TEXT },
    { "state", BB_COLUMN_TEXT },
    { "result", BB_COLUMN_TEXT },
    { "exit_code", BB_COLUMN_INTEGER },
    { "text", BB_COLUMN_TEXT },
    { "started_at", BB_COLUMN_INTEGER },
    { "finished_at", BB_COLUMN_INTEGER },
    { "logs", BB_COLUMN_VARIANT }, /* as */
    { NULL },
  },
};

const BbTable bb_table_instances = {
  "instances",
  1,
  (const BbColumn[]){
    { "number", BB_COLUMN_INTEGER },
    { "token", BB_COLUMN_TEXT, .unique = TRUE },
    { "slave", BB_COLUMN_TEXT, .indexed = TRUE },
    { "backend", BB_COLUMN_TEXT },
    { "scope", BB_COLUMN_TEXT },
    { "state", BB_COLUMN_TEXT, .indexed = TRUE },
    { "instance_id", BB_COLUMN_TEXT },
    { "password", BB_COLUMN_TEXT }, /* of this run; emptied when the row closes */
    { "resources", BB_COLUMN_VARIANT }, /* as */
    { "hourly_cost", BB_COLUMN_REAL },  /* negative: unknown */
    { "requested_at", BB_COLUMN_INTEGER },
    { "confirmed_at", BB_COLUMN_INTEGER },
    { "stopping_at", BB_COLUMN_INTEGER },
    { "closed_at", BB_COLUMN_INTEGER },
    { "closed_month", BB_COLUMN_TEXT, .indexed = TRUE }, /* "2026-11": for the month's cost */
    { "running_since", BB_COLUMN_INTEGER }, /* 0: it is parked */
    { "spent", BB_COLUMN_REAL },            /* dollars of earlier times of running, in spent_month */
    { "spent_month", BB_COLUMN_TEXT },
    { "details", BB_COLUMN_VARIANT },       /* a{sv} */
    { "made_with", BB_COLUMN_TEXT },        /* digest of the options that a parked one was started with */
    { "why", BB_COLUMN_TEXT },
    { NULL },
  },
};

const BbTable bb_table_slaves = {
  "slaves",
  1,
  (const BbColumn[]){
    { "name", BB_COLUMN_TEXT },
    { "paused", BB_COLUMN_BOOLEAN },
    { "info", BB_COLUMN_VARIANT },      /* a{sv} */
    { "commands", BB_COLUMN_TEXT },     /* as bb_slave_commands_get() takes it */
    { "attached", BB_COLUMN_BOOLEAN },  /* at the last change */
    { "last_message_at", BB_COLUMN_INTEGER },
    { "peer_address", BB_COLUMN_TEXT },
    { "reported_missing", BB_COLUMN_BOOLEAN },
    { "missing_since", BB_COLUMN_INTEGER },
    { "command_token", BB_COLUMN_TEXT }, /* of the last connection: by it what it left running can be stopped; or empty */
    { NULL },
  },
};

const BbTable bb_table_meta = {
  "meta",
  1,
  (const BbColumn[]){
    { "key", BB_COLUMN_TEXT },
    { "value", BB_COLUMN_TEXT },
    { NULL },
  },
};

const BbTable bb_table_notices = {
  "notices",
  1,
  (const BbColumn[]){
    { "number", BB_COLUMN_INTEGER },
    { "id", BB_COLUMN_TEXT }, /* of what happened */
    { "notifier", BB_COLUMN_TEXT },
    { "any", BB_COLUMN_BOOLEAN }, /* another notifier may carry it as well */
    { "kind", BB_COLUMN_INTEGER },
    { "recipients", BB_COLUMN_VARIANT }, /* as */
    { "summary", BB_COLUMN_TEXT },
    { "details", BB_COLUMN_VARIANT }, /* a{sv} */
    { "created_at", BB_COLUMN_INTEGER },
    { NULL },
  },
};

const BbTable *const bb_tables[] = { &bb_table_builds, &bb_table_steps, &bb_table_instances, &bb_table_slaves,
                                     &bb_table_notices, &bb_table_meta, NULL };

static void
bb_store_default_init (BbStoreInterface *iface)
{
}

const BbColumn *
bb_table_find_column (const BbTable *self, const char *name)
{
  for (const BbColumn *column = self->columns; column->name != NULL; column++)
    if (g_str_equal (column->name, name))
      return column;
  return NULL;
}

const GVariantType *
bb_column_get_variant_type (const BbColumn *self)
{
  switch (self->type)
    {
    case BB_COLUMN_TEXT:
      return G_VARIANT_TYPE_STRING;
    case BB_COLUMN_INTEGER:
      return G_VARIANT_TYPE_INT64;
    case BB_COLUMN_REAL:
      return G_VARIANT_TYPE_DOUBLE;
    case BB_COLUMN_BOOLEAN:
      return G_VARIANT_TYPE_BOOLEAN;
    case BB_COLUMN_VARIANT:
    default:
      return G_VARIANT_TYPE_ANY;
    }
}

static gboolean
fits_column (const BbTable *table, const char *name, GVariant *value, gboolean alternatives)
{
  const BbColumn *column = bb_table_find_column (table, name);
  const GVariantType *type;

  if (column == NULL)
    return FALSE;
  type = bb_column_get_variant_type (column);
  if (alternatives && g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY)
      && (column->type == BB_COLUMN_TEXT || column->type == BB_COLUMN_INTEGER))
    return g_variant_type_equal (g_variant_type_element (g_variant_get_type (value)), type);
  return g_variant_is_of_type (value, type);
}

/* A row that does not fit its table is a mistake of ours: say which column it is. */
static gboolean
fits_table (const BbTable *table, GVariant *row, gboolean alternatives)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (!g_variant_is_of_type (row, G_VARIANT_TYPE_VARDICT))
    return FALSE;
  g_variant_iter_init (&iter, row);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      gboolean fits = fits_column (table, name, value, alternatives);

      if (!fits)
        g_critical ("table %s has no column %s of type %s", table->name, name, g_variant_get_type_string (value));
      g_variant_unref (value);
      if (!fits)
        return FALSE;
    }
  return TRUE;
}

static gboolean
has_key (const BbTable *table, GVariant *row, guint n_columns)
{
  for (guint i = 0; i < n_columns; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (row, table->columns[i].name, NULL);

      if (value == NULL)
        return FALSE;
    }
  return TRUE;
}

static void
operation_free (gpointer data)
{
  BbStoreOperation *operation = data;

  g_variant_unref (operation->row);
  g_free (operation);
}

static void
add_operation (BbStoreBatch *self, const BbTable *table, GVariant *row, gboolean remove)
{
  BbStoreOperation *operation = g_new0 (BbStoreOperation, 1);

  operation->table = table;
  operation->row = g_variant_ref (row);
  operation->remove = remove;
  g_ptr_array_add (self->operations, operation);
}

BbStoreBatch *
bb_store_batch_new (void)
{
  BbStoreBatch *self = g_new0 (BbStoreBatch, 1);

  self->operations = g_ptr_array_new_with_free_func (operation_free);
  return self;
}

void
bb_store_batch_free (BbStoreBatch *self)
{
  if (self == NULL)
    return;
  g_ptr_array_unref (self->operations);
  g_free (self);
}

void
bb_store_batch_put (BbStoreBatch *self, const BbTable *table, GVariant *row)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (row);

  g_return_if_fail (self != NULL && table != NULL);
  g_return_if_fail (fits_table (table, sunk, FALSE));
  g_return_if_fail (has_key (table, sunk, table->n_key));

  add_operation (self, table, sunk, FALSE);
}

void
bb_store_batch_remove (BbStoreBatch *self, const BbTable *table, GVariant *key_columns)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (key_columns);

  g_return_if_fail (self != NULL && table != NULL);
  g_return_if_fail (fits_table (table, sunk, FALSE));
  g_return_if_fail (has_key (table, sunk, 1));

  add_operation (self, table, sunk, TRUE);
}

static void
unwatched_commit_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  if (!bb_store_commit_finish (BB_STORE (source), result, &error))
    bb_log_host (G_LOG_LEVEL_WARNING, "%s", error->message);
}

void
bb_store_commit_async (BbStore *self, BbStoreBatch *batch, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_return_if_fail (BB_IS_STORE (self));
  g_return_if_fail (batch != NULL);

  BB_STORE_GET_IFACE (self)->commit_async (self, batch, cancellable, callback != NULL ? callback : unwatched_commit_cb,
                                           user_data);
}

gboolean
bb_store_commit_finish (BbStore *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_STORE (self), FALSE);

  return BB_STORE_GET_IFACE (self)->commit_finish (self, result, error);
}

void
bb_store_put_async (BbStore *self, const BbTable *table, GVariant *row, GCancellable *cancellable,
                    GAsyncReadyCallback callback, gpointer user_data)
{
  BbStoreBatch *batch = bb_store_batch_new ();

  bb_store_batch_put (batch, table, row);
  bb_store_commit_async (self, batch, cancellable, callback, user_data);
}

void
bb_store_select_async (BbStore *self, const BbTable *table, GVariant *where, const char *order_by, gint64 limit,
                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GVariant) sunk = where != NULL ? g_variant_ref_sink (where) : NULL;

  g_return_if_fail (BB_IS_STORE (self));
  g_return_if_fail (table != NULL);
  g_return_if_fail (sunk == NULL || fits_table (table, sunk, TRUE));
  g_return_if_fail (order_by == NULL || bb_table_find_column (table, order_by + (*order_by == '-')) != NULL);

  BB_STORE_GET_IFACE (self)->select_async (self, table, sunk, order_by, limit, cancellable, callback, user_data);
}

GPtrArray *
bb_store_select_finish (BbStore *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_STORE (self), NULL);

  return BB_STORE_GET_IFACE (self)->select_finish (self, result, error);
}
