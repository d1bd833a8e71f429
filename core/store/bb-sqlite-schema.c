/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-sqlite-database-private.h"

#include <sqlite3.h>

static const char *
sql_type (const BbColumn *column)
{
  switch (column->type)
    {
    case BB_COLUMN_INTEGER:
    case BB_COLUMN_BOOLEAN:
      return "INTEGER";
    case BB_COLUMN_REAL:
      return "REAL";
    case BB_COLUMN_TEXT:
    case BB_COLUMN_VARIANT:
    default:
      return "TEXT";
    }
}

gboolean
bb_sqlite_execute (sqlite3 *handle, const char *sql)
{
  return sqlite3_exec (handle, sql, NULL, NULL, NULL) == SQLITE_OK;
}

gboolean
bb_sqlite_query_int (sqlite3 *handle, const char *sql, gint64 *value)
{
  sqlite3_stmt *statement = NULL;
  gboolean found = FALSE;

  if (sqlite3_prepare_v2 (handle, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step (statement) == SQLITE_ROW)
    {
      *value = sqlite3_column_int64 (statement, 0);
      found = TRUE;
    }
  sqlite3_finalize (statement);
  return found;
}

static gboolean
make_table (sqlite3 *handle, const BbTable *table)
{
  g_autoptr (GString) sql = g_string_new (NULL);

  g_string_append_printf (sql, "CREATE TABLE IF NOT EXISTS \"%s\" (", table->name);
  for (const BbColumn *column = table->columns; column->name != NULL; column++)
    g_string_append_printf (sql, "\"%s\" %s%s, ", column->name, sql_type (column),
                            column < table->columns + table->n_key ? " NOT NULL" : "");
  g_string_append (sql, "PRIMARY KEY (");
  for (guint i = 0; i < table->n_key; i++)
    g_string_append_printf (sql, "%s\"%s\"", i > 0 ? ", " : "", table->columns[i].name);
  /* A single integer is SQLite's own row id already; other keys need not have one beside them. */
  g_string_append (sql, table->n_key == 1 && table->columns[0].type == BB_COLUMN_INTEGER ? "))" : ")) WITHOUT ROWID");

  return bb_sqlite_execute (handle, sql->str);
}

static GHashTable *
read_column_names (sqlite3 *handle, const BbTable *table)
{
  g_autoptr (GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  sqlite3_stmt *statement = NULL;
  int status = sqlite3_prepare_v2 (handle, "SELECT name FROM pragma_table_info (?)", -1, &statement, NULL);

  if (status == SQLITE_OK)
    {
      sqlite3_bind_text (statement, 1, table->name, -1, SQLITE_STATIC);
      while ((status = sqlite3_step (statement)) == SQLITE_ROW)
        g_hash_table_add (names, g_strdup ((const char *) sqlite3_column_text (statement, 0)));
    }
  sqlite3_finalize (statement);
  return status == SQLITE_DONE ? g_steal_pointer (&names) : NULL;
}

static gboolean
add_missing_columns (sqlite3 *handle, const BbTable *table)
{
  g_autoptr (GHashTable) present = read_column_names (handle, table);

  if (present == NULL)
    return FALSE;
  for (const BbColumn *column = table->columns; column->name != NULL; column++)
    {
      g_autofree char *sql = NULL;

      if (g_hash_table_contains (present, column->name))
        continue;
      sql = g_strdup_printf ("ALTER TABLE \"%s\" ADD COLUMN \"%s\" %s", table->name, column->name, sql_type (column));
      if (!bb_sqlite_execute (handle, sql))
        return FALSE;
    }
  return TRUE;
}

static gboolean
make_indices (sqlite3 *handle, const BbTable *table)
{
  for (const BbColumn *column = table->columns; column->name != NULL; column++)
    {
      g_autofree char *sql = NULL;

      if (!column->indexed && !column->unique)
        continue;
      sql = g_strdup_printf ("CREATE %sINDEX IF NOT EXISTS \"%s_%s\" ON \"%s\" (\"%s\")",
                             column->unique ? "UNIQUE " : "", table->name, column->name, table->name, column->name);
      if (!bb_sqlite_execute (handle, sql))
        return FALSE;
    }
  return TRUE;
}

gboolean
bb_sqlite_schema_bring_up (sqlite3 *handle)
{
  g_autofree char *marks = g_strdup_printf ("PRAGMA application_id=%d; PRAGMA user_version=%d",
                                            BB_SQLITE_APPLICATION_ID, BB_SQLITE_SCHEMA_VERSION);

  for (guint i = 0; bb_tables[i] != NULL; i++)
    if (!make_table (handle, bb_tables[i]) || !add_missing_columns (handle, bb_tables[i])
        || !make_indices (handle, bb_tables[i]))
      return FALSE;
  return bb_sqlite_execute (handle, marks);
}
