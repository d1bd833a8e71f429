/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-memory-store.h"

#include "bb-store-private.h"

struct _BbMemoryStore
{
  GObject parent_instance;

  GHashTable *rows; /* "TABLE KEY…" (owned) → GVariant (owned) */
  GPtrArray *order; /* of those keys (owned), as they came */
  GQueue held;      /* of GTask (owned) with their batch */
  gboolean failing;
  gboolean hanging;
  guint n_commits;
};

static void bb_memory_store_iface_init (BbStoreInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbMemoryStore, bb_memory_store, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_STORE, bb_memory_store_iface_init))

static char *
make_key (const BbTable *table, GVariant *row)
{
  GString *key = g_string_new (table->name);

  for (guint i = 0; i < table->n_key; i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (row, table->columns[i].name, NULL);
      g_autofree char *text = value != NULL ? g_variant_print (value, FALSE) : NULL;

      if (text != NULL)
        g_string_append_printf (key, " %s", text);
    }
  return g_string_free (key, FALSE);
}

static void
put (BbMemoryStore *self, const BbTable *table, GVariant *row)
{
  g_autofree char *key = make_key (table, row);
  GVariant *old = g_hash_table_lookup (self->rows, key);
  GVariantDict dict;
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_dict_init (&dict, old);
  g_variant_iter_init (&iter, row);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    g_variant_dict_insert_value (&dict, name, value);
  if (old == NULL)
    g_ptr_array_add (self->order, g_strdup (key));
  g_hash_table_replace (self->rows, g_strdup (key), g_variant_ref_sink (g_variant_dict_end (&dict)));
}

static void
take_out (BbMemoryStore *self, const BbTable *table, GVariant *columns)
{
  g_autofree char *prefix = make_key (table, columns);

  for (guint i = self->order->len; i > 0; i--)
    {
      const char *key = g_ptr_array_index (self->order, i - 1);

      if (!g_str_equal (key, prefix))
        continue;
      g_hash_table_remove (self->rows, key);
      g_ptr_array_remove_index (self->order, i - 1);
    }
}

/* @task: (transfer full) */
static void
carry_out (BbMemoryStore *self, GTask *task)
{
  BbStoreBatch *batch = g_task_get_task_data (task);

  if (self->failing)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_STORE, "/state/bbhost.db: database or disk is full");
  else
    {
      self->n_commits++;
      for (guint i = 0; i < batch->operations->len; i++)
        {
          const BbStoreOperation *operation = g_ptr_array_index (batch->operations, i);

          if (operation->remove)
            take_out (self, operation->table, operation->row);
          else
            put (self, operation->table, operation->row);
        }
      g_task_return_boolean (task, TRUE);
    }
  g_object_unref (task);
}

static void
commit_async (BbStore *store, BbStoreBatch *batch, GCancellable *cancellable, GAsyncReadyCallback callback,
              gpointer user_data)
{
  BbMemoryStore *self = BB_MEMORY_STORE (store);
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_task_data (task, batch, (GDestroyNotify) bb_store_batch_free);
  if (self->hanging)
    g_queue_push_tail (&self->held, task);
  else
    carry_out (self, task);
}

static gboolean
commit_finish (BbStore *store, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* What the ledger and the slave manager ask: equality of one column. */
static gboolean
matches (GVariant *row, GVariant *where)
{
  GVariantIter iter;
  const char *name;
  GVariant *wanted;
  gboolean fits = TRUE;

  if (where == NULL)
    return TRUE;
  g_variant_iter_init (&iter, where);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &wanted))
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (row, name, NULL);
      gboolean found = FALSE;

      if (value == NULL)
        fits = FALSE;
      else if (g_variant_is_of_type (wanted, G_VARIANT_TYPE_STRING_ARRAY))
        {
          g_autofree const char **words = g_variant_get_strv (wanted, NULL);

          fits = fits && g_strv_contains (words, g_variant_get_string (value, NULL));
        }
      else
        {
          found = g_variant_equal (value, wanted);
          fits = fits && found;
        }
    }
  return fits;
}

static int
compare_rows (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const char *column = user_data;
  gboolean descending = *column == '-';
  gint64 one = 0, other = 0;

  g_variant_lookup (*(GVariant *const *) a, column + descending, "x", &one);
  g_variant_lookup (*(GVariant *const *) b, column + descending, "x", &other);
  if (one == other)
    return 0;
  return (one < other) == !descending ? -1 : 1;
}

static void
select_async (BbStore *store, const BbTable *table, GVariant *where, const char *order_by, gint64 limit,
              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbMemoryStore *self = BB_MEMORY_STORE (store);
  g_autoptr (GTask) task = g_task_new (store, NULL, callback, user_data);
  g_autoptr (GVariant) condition = where != NULL ? g_variant_ref_sink (where) : NULL;
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autofree char *prefix = g_strconcat (table->name, " ", NULL);

  for (guint i = 0; i < self->order->len; i++)
    {
      const char *key = g_ptr_array_index (self->order, i);
      GVariant *row = g_hash_table_lookup (self->rows, key);

      if (g_str_has_prefix (key, prefix) && matches (row, condition))
        g_ptr_array_add (rows, g_variant_ref (row));
    }
  if (order_by != NULL) /* only integers are asked for */
    g_ptr_array_sort_with_data (rows, compare_rows, (gpointer) order_by);
  if (limit >= 0 && rows->len > limit)
    g_ptr_array_set_size (rows, (int) limit);
  g_task_return_pointer (task, g_steal_pointer (&rows), (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
select_finish (BbStore *store, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
bb_memory_store_iface_init (BbStoreInterface *iface)
{
  iface->commit_async = commit_async;
  iface->commit_finish = commit_finish;
  iface->select_async = select_async;
  iface->select_finish = select_finish;
}

static void
bb_memory_store_finalize (GObject *object)
{
  BbMemoryStore *self = BB_MEMORY_STORE (object);

  g_assert_cmpuint (self->held.length, ==, 0);
  g_hash_table_unref (self->rows);
  g_ptr_array_unref (self->order);
  G_OBJECT_CLASS (bb_memory_store_parent_class)->finalize (object);
}

static void
bb_memory_store_class_init (BbMemoryStoreClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_memory_store_finalize;
}

static void
bb_memory_store_init (BbMemoryStore *self)
{
  self->rows = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  self->order = g_ptr_array_new_with_free_func (g_free);
}

BbMemoryStore *
bb_memory_store_new (void)
{
  return g_object_new (BB_TYPE_MEMORY_STORE, NULL);
}

void
bb_memory_store_set_failing (BbMemoryStore *self, gboolean failing)
{
  self->failing = failing;
}

void
bb_memory_store_set_hanging (BbMemoryStore *self, gboolean hanging)
{
  self->hanging = hanging;
  while (!self->hanging && !g_queue_is_empty (&self->held))
    carry_out (self, g_queue_pop_head (&self->held));
}

guint
bb_memory_store_count_commits (BbMemoryStore *self)
{
  return self->n_commits;
}

GVariant *
bb_memory_store_lookup (BbMemoryStore *self, const BbTable *table, const char *key)
{
  g_autofree char *full = g_strdup_printf ("%s '%s'", table->name, key);

  return g_hash_table_lookup (self->rows, full);
}

GVariant *
bb_memory_store_lookup_number (BbMemoryStore *self, const BbTable *table, guint64 key)
{
  g_autofree char *full = g_strdup_printf ("%s %" G_GUINT64_FORMAT, table->name, key);

  return g_hash_table_lookup (self->rows, full);
}
