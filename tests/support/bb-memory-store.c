/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-memory-store.h"

#include "bb-store-private.h"

typedef struct
{
  const BbTable *table;
  char *key;         /* "TABLE KEY…" */
  GVariant **values; /* by column; NULL where there is none */
} Row;

struct _BbMemoryStore
{
  GObject parent_instance;

  GHashTable *rows; /* key (the row's) → Row (owned) */
  GPtrArray *order; /* of Row, as they came */
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

static guint
count_columns (const BbTable *table)
{
  guint n = 0;

  while (table->columns[n].name != NULL)
    n++;
  return n;
}

static void
row_free (gpointer data)
{
  Row *row = data;
  guint n = count_columns (row->table);

  for (guint i = 0; i < n; i++)
    g_clear_pointer (&row->values[i], g_variant_unref);
  g_free (row->values);
  g_free (row->key);
  g_free (row);
}

/* Columns come in the order of the table, mostly. */
static guint
find_column (const BbTable *table, const char *name, guint guess)
{
  if (table->columns[guess].name != NULL && g_str_equal (table->columns[guess].name, name))
    return guess;
  return (guint) (bb_table_find_column (table, name) - table->columns);
}

static void
put (BbMemoryStore *self, const BbTable *table, GVariant *columns)
{
  g_autofree char *key = make_key (table, columns);
  Row *row = g_hash_table_lookup (self->rows, key);
  GVariantIter iter;
  const char *name;
  GVariant *value;
  guint guess = 0;

  if (row == NULL)
    {
      row = g_new0 (Row, 1);
      row->table = table;
      row->values = g_new0 (GVariant *, count_columns (table));
      row->key = g_steal_pointer (&key);
      g_hash_table_insert (self->rows, row->key, row);
      g_ptr_array_add (self->order, row);
    }
  g_variant_iter_init (&iter, columns);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      guint column = find_column (table, name, guess);

      g_clear_pointer (&row->values[column], g_variant_unref);
      row->values[column] = value;
      guess = column + 1;
    }
}

/* As it is read: (transfer full) */
static GVariant *
get_columns (Row *row)
{
  guint n = count_columns (row->table);
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  for (guint i = 0; i < n; i++)
    if (row->values[i] != NULL)
      g_variant_dict_insert_value (&dict, row->table->columns[i].name, row->values[i]);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
take_out (BbMemoryStore *self, const BbTable *table, GVariant *columns)
{
  g_autofree char *key = make_key (table, columns);
  Row *row = g_hash_table_lookup (self->rows, key);

  if (row == NULL)
    return;
  g_ptr_array_remove (self->order, row);
  g_hash_table_remove (self->rows, key);
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

static gboolean
fits (GVariant *value, GVariant *wanted)
{
  g_autofree const char **words = NULL;

  if (value == NULL)
    return FALSE;
  if (!g_variant_is_of_type (wanted, G_VARIANT_TYPE_STRING_ARRAY))
    return g_variant_equal (value, wanted);
  words = g_variant_get_strv (wanted, NULL);
  return g_strv_contains (words, g_variant_get_string (value, NULL));
}

/* What the ledger and the slave manager ask: equality of columns, or one of several words. */
static gboolean
matches (Row *row, GVariant *where)
{
  GVariantIter iter;
  const char *name;
  GVariant *wanted;
  gboolean all = TRUE;

  if (where == NULL)
    return TRUE;
  g_variant_iter_init (&iter, where);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &wanted))
    all = all && fits (row->values[find_column (row->table, name, 0)], wanted);
  return all;
}

static gint64
get_integer (Row *row, const char *column)
{
  GVariant *value = row->values[find_column (row->table, column, 0)];

  return value != NULL ? g_variant_get_int64 (value) : 0;
}

static int
compare_rows (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const char *column = user_data;
  gboolean descending = *column == '-';
  gint64 one = get_integer (*(Row *const *) a, column + descending);
  gint64 other = get_integer (*(Row *const *) b, column + descending);

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
  g_autoptr (GPtrArray) found = g_ptr_array_new ();
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (guint i = 0; i < self->order->len; i++)
    {
      Row *row = g_ptr_array_index (self->order, i);

      if (row->table == table && matches (row, condition))
        g_ptr_array_add (found, row);
    }
  if (order_by != NULL) /* only integers are asked for */
    g_ptr_array_sort_with_data (found, compare_rows, (gpointer) order_by);
  for (guint i = 0; i < found->len && (limit < 0 || i < limit); i++)
    g_ptr_array_add (rows, get_columns (g_ptr_array_index (found, i)));
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
  self->rows = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, row_free);
  self->order = g_ptr_array_new ();
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

void
bb_memory_store_forget_old (BbMemoryStore *self, const BbTable *table)
{
  Row *last = NULL;

  for (guint i = self->order->len; i > 0; i--)
    {
      Row *row = g_ptr_array_index (self->order, i - 1);

      if (row->table != table)
        continue;
      if (last != NULL)
        {
          g_ptr_array_remove_index (self->order, i - 1);
          g_hash_table_remove (self->rows, row->key);
        }
      last = row;
    }
}

gboolean
bb_memory_store_has (BbMemoryStore *self, const BbTable *table, const char *key)
{
  g_autofree char *full = g_strdup_printf ("%s '%s'", table->name, key);

  return g_hash_table_contains (self->rows, full);
}

gboolean
bb_memory_store_has_number (BbMemoryStore *self, const BbTable *table, guint64 key)
{
  g_autofree char *full = g_strdup_printf ("%s %" G_GUINT64_FORMAT, table->name, key);

  return g_hash_table_contains (self->rows, full);
}
