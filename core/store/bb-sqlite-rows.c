/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-sqlite-database-private.h"

#include <sqlite3.h>

/* Statements are kept by their text or, where making that would take longer than running it, by a short name; lists of
 * alternatives make new texts, so there is a limit. */
#define MAX_STATEMENTS 200
#define MAX_STATEMENT_NAME 64

/* The values of one row, by the number of their column; a table has fewer than this. */
#define MAX_COLUMNS 32

typedef struct
{
  guint present;                 /* a bit for each column that has a value */
  GVariant *values[MAX_COLUMNS]; /* owned */
} Row;

static void
row_init (Row *row, const BbTable *table, GVariant *dictionary)
{
  guint i = 0, n_columns = 0;
  const char *name;
  GVariant *value;
  GVariantIter iter;

  while (table->columns[n_columns].name != NULL)
    n_columns++;
  row->present = 0;
  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      /* Most rows are written in the table's order. bb-store.c has seen to it that there is such a column. */
      while (!g_str_equal (table->columns[i].name, name))
        i = (i + 1) % n_columns;
      if ((row->present & (1u << i)) != 0)
        g_variant_unref (row->values[i]);
      row->present |= 1u << i;
      row->values[i] = value;
    }
}

static void
row_clear (Row *row)
{
  for (guint i = 0; i < MAX_COLUMNS; i++)
    if ((row->present & (1u << i)) != 0)
      g_variant_unref (row->values[i]);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Row, row_clear)

/* @name: what it is kept by; @sql: both (transfer full) */
static sqlite3_stmt *
make_statement (BbSqliteDatabase *self, char *name, char *sql, GError **error)
{
  g_autofree char *text = sql;
  sqlite3_stmt *statement;

  if (g_hash_table_size (self->statements) >= MAX_STATEMENTS)
    g_hash_table_remove_all (self->statements);
  if (sqlite3_prepare_v3 (self->handle, text, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
    {
      g_free (name);
      bb_sqlite_database_set_error (self, error);
      return NULL;
    }
  g_hash_table_insert (self->statements, name, statement);
  return statement;
}

/* @sql: (transfer full) */
static sqlite3_stmt *
get_statement (BbSqliteDatabase *self, char *sql, GError **error)
{
  g_autofree char *text = sql;
  sqlite3_stmt *statement = g_hash_table_lookup (self->statements, text);

  return statement != NULL ? statement : make_statement (self, g_strdup (text), g_strdup (text), error);
}

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static gboolean
run_statement (BbSqliteDatabase *self, sqlite3_stmt *statement, GError **error)
{
  gboolean done = sqlite3_step (statement) == SQLITE_DONE;

  if (!done)
    bb_sqlite_database_set_error (self, error);
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return done;
}

static gboolean
run_sql (BbSqliteDatabase *self, const char *sql, GError **error)
{
  sqlite3_stmt *statement = get_statement (self, g_strdup (sql), error);

  return statement != NULL && run_statement (self, statement, error);
}

gboolean
bb_sqlite_database_begin (BbSqliteDatabase *self, GError **error)
{
  return run_sql (self, "BEGIN IMMEDIATE", error);
}

gboolean
bb_sqlite_database_commit (BbSqliteDatabase *self, GError **error)
{
  if (run_sql (self, "COMMIT", error))
    return TRUE;
  bb_sqlite_database_roll_back (self);
  return FALSE;
}

void
bb_sqlite_database_roll_back (BbSqliteDatabase *self)
{
  /* Some errors have rolled back already. */
  if (bb_sqlite_database_in_transaction (self))
    bb_sqlite_execute (self->handle, "ROLLBACK");
}

gboolean
bb_sqlite_database_in_transaction (BbSqliteDatabase *self)
{
  return !sqlite3_get_autocommit (self->handle);
}

/* @value: must live until the statement has run */
static void
bind_value (sqlite3_stmt *statement, int position, BbColumnType type, GVariant *value)
{
  switch (type)
    {
    case BB_COLUMN_TEXT:
      sqlite3_bind_text (statement, position, g_variant_get_string (value, NULL), -1, SQLITE_STATIC);
      break;
    case BB_COLUMN_INTEGER:
      sqlite3_bind_int64 (statement, position, g_variant_get_int64 (value));
      break;
    case BB_COLUMN_REAL:
      sqlite3_bind_double (statement, position, g_variant_get_double (value));
      break;
    case BB_COLUMN_BOOLEAN:
      sqlite3_bind_int (statement, position, g_variant_get_boolean (value));
      break;
    case BB_COLUMN_VARIANT:
    default:
      sqlite3_bind_text (statement, position, g_variant_print (value, TRUE), -1, g_free);
      break;
    }
}

static GVariant *
read_value (sqlite3_stmt *statement, int position, BbColumnType type, GError **error)
{
  switch (type)
    {
    case BB_COLUMN_INTEGER:
      return g_variant_new_int64 (sqlite3_column_int64 (statement, position));
    case BB_COLUMN_REAL:
      return g_variant_new_double (sqlite3_column_double (statement, position));
    case BB_COLUMN_BOOLEAN:
      return g_variant_new_boolean (sqlite3_column_int (statement, position) != 0);
    case BB_COLUMN_VARIANT:
      return g_variant_parse (NULL, (const char *) sqlite3_column_text (statement, position), NULL, NULL, error);
    case BB_COLUMN_TEXT:
    default:
      return g_variant_new_take_string (
        g_utf8_make_valid ((const char *) sqlite3_column_text (statement, position), -1));
    }
}

static void
bind_row (sqlite3_stmt *statement, const BbTable *table, const Row *row)
{
  int position = 1;

  for (guint i = 0; i < MAX_COLUMNS; i++)
    if ((row->present & (1u << i)) != 0)
      bind_value (statement, position++, table->columns[i].type, row->values[i]);
}

/* "a", "b": those of @present from the column @first on, each in @format. */
static void
append_columns (GString *sql, const BbTable *table, guint present, guint first, const char *format,
                const char *separator)
{
  const char *before = "";

  for (guint i = first; i < MAX_COLUMNS; i++)
    if ((present & (1u << i)) != 0)
      {
        g_string_append (sql, before);
        for (const char *c = format; *c != '\0'; c++)
          if (*c == '@')
            g_string_append_printf (sql, "\"%s\"", table->columns[i].name);
          else
            g_string_append_c (sql, *c);
        before = separator;
      }
}

static char *
make_put_sql (const BbTable *table, guint present)
{
  GString *sql = g_string_new (NULL);
  guint key = (1u << table->n_key) - 1;

  g_string_append_printf (sql, "INSERT INTO \"%s\" (", table->name);
  append_columns (sql, table, present, 0, "@", ", ");
  g_string_append (sql, ") VALUES (");
  append_columns (sql, table, present, 0, "?", ", ");
  g_string_append (sql, ") ON CONFLICT (");
  append_columns (sql, table, key, 0, "@", ", ");
  g_string_append (sql, present != key ? ") DO UPDATE SET " : ") DO NOTHING");
  append_columns (sql, table, present, table->n_key, "@=excluded.@", ", ");
  return g_string_free (sql, FALSE);
}

static char *
make_remove_sql (const BbTable *table, guint present)
{
  GString *sql = g_string_new (NULL);

  g_string_append_printf (sql, "DELETE FROM \"%s\" WHERE ", table->name);
  append_columns (sql, table, present, 0, "@=?", " AND ");
  return g_string_free (sql, FALSE);
}

static gboolean
write_row (BbSqliteDatabase *self, const BbStoreOperation *operation, GError **error)
{
  const BbTable *table = operation->table;
  char name[MAX_STATEMENT_NAME];
  sqlite3_stmt *statement;
  g_auto (Row) row;

  row_init (&row, table, operation->row);
  g_snprintf (name, sizeof name, "%s %x %s", operation->remove ? "remove" : "put", row.present, table->name);
  statement = g_hash_table_lookup (self->statements, name);
  if (statement == NULL)
    statement = make_statement (self, g_strdup (name),
                                operation->remove ? make_remove_sql (table, row.present)
                                                  : make_put_sql (table, row.present),
                                error);
  if (statement == NULL)
    return FALSE;
  bind_row (statement, table, &row);
  return run_statement (self, statement, error);
}

/* Of what was to be written. What the disk refuses, it refuses to all of this transaction. */
static gboolean
is_own_fault (int code)
{
  return code == SQLITE_CONSTRAINT || code == SQLITE_MISMATCH || code == SQLITE_TOOBIG;
}

gboolean
bb_sqlite_database_write (BbSqliteDatabase *self, BbStoreBatch *batch, GError **error)
{
  if (!run_sql (self, "SAVEPOINT batch", error))
    return FALSE;
  for (guint i = 0; i < batch->operations->len; i++)
    {
      BbStoreOperation *operation = batch->operations->pdata[i];

      if (write_row (self, operation, error))
        continue;
      if (!is_own_fault (sqlite3_errcode (self->handle))
          || !bb_sqlite_execute (self->handle, "ROLLBACK TO batch; RELEASE batch"))
        bb_sqlite_database_roll_back (self);
      return FALSE;
    }
  if (run_sql (self, "RELEASE batch", error))
    return TRUE;
  bb_sqlite_database_roll_back (self);
  return FALSE;
}

static gboolean
is_list (const BbColumn *column, GVariant *value)
{
  return column->type != BB_COLUMN_VARIANT && g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY);
}

static void
append_condition (GString *sql, const BbColumn *column, GVariant *value)
{
  gsize n;

  if (!is_list (column, value))
    {
      g_string_append_printf (sql, "\"%s\"=?", column->name);
      return;
    }
  n = g_variant_n_children (value);
  g_string_append_printf (sql, "\"%s\" IN (", column->name);
  for (gsize i = 0; i < n; i++)
    g_string_append (sql, i > 0 ? ", ?" : "?");
  g_string_append_c (sql, ')');
}

static char *
make_select_sql (const BbTable *table, const Row *conditions, const char *order_by)
{
  GString *sql = g_string_new ("SELECT ");
  const char *before = " WHERE ";

  for (const BbColumn *column = table->columns; column->name != NULL; column++)
    g_string_append_printf (sql, "%s\"%s\"", column > table->columns ? ", " : "", column->name);
  g_string_append_printf (sql, " FROM \"%s\"", table->name);
  for (guint i = 0; i < MAX_COLUMNS; i++)
    if ((conditions->present & (1u << i)) != 0)
      {
        g_string_append (sql, before);
        append_condition (sql, &table->columns[i], conditions->values[i]);
        before = " AND ";
      }
  if (order_by != NULL)
    g_string_append_printf (sql, " ORDER BY \"%s\"%s", order_by + (*order_by == '-'), *order_by == '-' ? " DESC" : "");
  g_string_append (sql, " LIMIT ?");
  return g_string_free (sql, FALSE);
}

static int
bind_condition (sqlite3_stmt *statement, int position, const BbColumn *column, GVariant *value)
{
  GVariantIter iter;
  GVariant *child;

  if (!is_list (column, value))
    {
      bind_value (statement, position, column->type, value);
      return position + 1;
    }
  g_variant_iter_init (&iter, value);
  while ((child = g_variant_iter_next_value (&iter)) != NULL)
    {
      bind_value (statement, position++, column->type, child);
      g_variant_unref (child);
    }
  return position;
}

static GVariant *
read_row (BbSqliteDatabase *self, const BbTable *table, sqlite3_stmt *statement, GError **error)
{
  g_auto (GVariantBuilder) row = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GVariant *result;

  for (int i = 0; table->columns[i].name != NULL; i++)
    {
      g_autoptr (GError) reason = NULL;
      g_autoptr (GVariant) value = NULL;

      if (sqlite3_column_type (statement, i) == SQLITE_NULL)
        continue;
      value = read_value (statement, i, table->columns[i].type, &reason);
      if (value == NULL)
        {
          g_autofree char *how = g_strdup_printf ("column %s of table %s can't be read: %s", table->columns[i].name,
                                                  table->name, reason->message);

          bb_sqlite_database_set_damaged (self, how, error);
          return NULL;
        }
      value = g_variant_take_ref (value); /* what was parsed does not float */
      g_variant_builder_add (&row, "{sv}", table->columns[i].name, value);
    }
  result = g_variant_ref_sink (g_variant_builder_end (&row));
  g_variant_get_data (result); /* one block of memory instead of a tree of small ones: there may be very many */
  return result;
}

static GPtrArray *
read_rows (BbSqliteDatabase *self, const BbTable *table, sqlite3_stmt *statement, GError **error)
{
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  int status;

  while ((status = sqlite3_step (statement)) == SQLITE_ROW)
    {
      GVariant *row = read_row (self, table, statement, error);

      if (row == NULL)
        return NULL;
      g_ptr_array_add (rows, row);
    }
  if (status != SQLITE_DONE)
    {
      bb_sqlite_database_set_open_error (self, error);
      return NULL;
    }
  return g_steal_pointer (&rows);
}

GPtrArray *
bb_sqlite_database_select (BbSqliteDatabase *self, const BbTable *table, GVariant *where, const char *order_by,
                           gint64 limit, GError **error)
{
  g_auto (Row) conditions = { 0 };
  sqlite3_stmt *statement;
  GPtrArray *rows;
  int position = 1;

  if (where != NULL)
    row_init (&conditions, table, where);
  statement = get_statement (self, make_select_sql (table, &conditions, order_by), error);
  if (statement == NULL)
    return NULL;
  for (guint i = 0; i < MAX_COLUMNS; i++)
    if ((conditions.present & (1u << i)) != 0)
      position = bind_condition (statement, position, &table->columns[i], conditions.values[i]);
  sqlite3_bind_int64 (statement, position, limit);
  rows = read_rows (self, table, statement, error);
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return rows;
}
