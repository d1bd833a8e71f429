/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-sqlite-database-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bb-log.h"

/* Statements are kept by their text; lists of alternatives make new texts, so there is a limit. */
#define MAX_STATEMENTS 200
/* Reading a file of this size at start-up takes well under a second; of a larger one only the ledger is checked. */
#define MAX_FULL_CHECK_BYTES (64 * 1024 * 1024)
#define STORE_ID_LENGTH 32

struct _BbSqliteDatabase
{
  char *directory;
  char *path;
  char *id;
  gboolean is_new;
  int lock_fd;
  sqlite3 *handle;
  GHashTable *statements; /* SQL (owned) → sqlite3_stmt (owned) */
};

static gboolean
set_error (BbSqliteDatabase *self, GError **error)
{
  int code = sqlite3_errcode (self->handle);

  if (code == SQLITE_FULL)
    g_set_error (error, BB_ERROR, BB_ERROR_STORE, "%s: %s; make room on its file system", self->path,
                 sqlite3_errmsg (self->handle));
  else
    g_set_error (error, BB_ERROR, BB_ERROR_STORE, "%s: %s", self->path, sqlite3_errmsg (self->handle));
  return FALSE;
}

static gboolean
set_damaged (BbSqliteDatabase *self, const char *how, GError **error)
{
  g_set_error (error, BB_ERROR, BB_ERROR_STORE,
               "%s is damaged: %s; restore it from a backup, or move it and its -wal and -shm files aside: a new one "
               "is then made, and instances that still run are found again by their tags",
               self->path, how);
  return FALSE;
}

static gboolean
set_open_error (BbSqliteDatabase *self, GError **error)
{
  int code = sqlite3_errcode (self->handle);

  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    return set_damaged (self, sqlite3_errmsg (self->handle), error);
  return set_error (self, error);
}

static gboolean
set_file_error (const char *path, int number, GError **error)
{
  g_set_error (error, BB_ERROR, BB_ERROR_STORE, "%s: %s", path, g_strerror (number));
  return FALSE;
}

static gboolean
lock_directory (BbSqliteDatabase *self, GError **error)
{
  g_autofree char *path = g_build_filename (self->directory, "lock", NULL);
  g_autofree char *pid = g_strdup_printf ("%d\n", (int) getpid ());
  char owner[32] = "";

  self->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (self->lock_fd < 0)
    return set_file_error (path, errno, error);
  if (flock (self->lock_fd, LOCK_EX | LOCK_NB) < 0)
    {
      gssize n_read = pread (self->lock_fd, owner, sizeof owner - 1, 0);

      owner[MAX (n_read, 0)] = '\0';
      g_strchomp (owner);
      g_set_error (error, BB_ERROR, BB_ERROR_STORE,
                   "state directory %s is in use by another bbhostd%s%s%s; stop that one, or give this one another "
                   "--state-dir",
                   self->directory, *owner != '\0' ? " (process " : "", owner, *owner != '\0' ? ")" : "");
      return FALSE;
    }
  /* Only for the message above: a disk too full for it does not matter. */
  if (ftruncate (self->lock_fd, 0) < 0 || pwrite (self->lock_fd, pid, strlen (pid), 0) < 0)
    g_debug ("%s: %s", path, g_strerror (errno));
  return TRUE;
}

static gboolean
sync_directory (const char *directory)
{
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean synced;

  if (fd < 0)
    return FALSE;
  synced = fsync (fd) == 0;
  close (fd);
  return synced;
}

static gboolean
is_store_id (const char *text)
{
  return strlen (text) == STORE_ID_LENGTH && strspn (text, "0123456789abcdef") == STORE_ID_LENGTH;
}

/*
 * The id is kept a second time, outside the database: should that be lost or moved aside, the new one continues with
 * the id that running instances carry in their tags.
 */
static char *
read_second_id (BbSqliteDatabase *self)
{
  g_autofree char *path = g_build_filename (self->directory, "store-id", NULL);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  g_strchomp (text);
  return is_store_id (text) ? g_steal_pointer (&text) : NULL;
}

static gboolean
write_second_id (BbSqliteDatabase *self, GError **error)
{
  g_autofree char *path = g_build_filename (self->directory, "store-id", NULL);
  g_autofree char *text = g_strconcat (self->id, "\n", NULL);
  g_autoptr (GError) reason = NULL;

  if (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                &reason))
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_STORE, "%s: %s", path, reason->message);
  return FALSE;
}

static char *
make_id (void)
{
  g_autofree char *uuid = g_uuid_string_random ();
  g_auto (GStrv) parts = g_strsplit (uuid, "-", -1);

  return g_strjoinv ("", parts);
}

static gboolean
open_handle (BbSqliteDatabase *self, const char *path, GError **error)
{
  int status = sqlite3_open_v2 (path, &self->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

  if (status != SQLITE_OK)
    return set_open_error (self, error);
  sqlite3_extended_result_codes (self->handle, 0);
  sqlite3_busy_timeout (self->handle, 5000); /* ms; a person with a sqlite3 shell */
  /* Not so that a foreign or damaged file could run code of its own in us. */
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  sqlite3_db_config (self->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
  return TRUE;
}

static gboolean
fill_new_file (BbSqliteDatabase *self)
{
  sqlite3_stmt *statement = NULL;
  int status;

  if (!bb_sqlite_execute (self->handle, "PRAGMA synchronous=FULL; BEGIN IMMEDIATE")
      || !bb_sqlite_schema_bring_up (self->handle)
      || sqlite3_prepare_v2 (self->handle, "INSERT INTO meta (key, value) VALUES ('store-id', ?)", -1, &statement, NULL)
           != SQLITE_OK)
    return FALSE;
  sqlite3_bind_text (statement, 1, self->id, -1, SQLITE_STATIC);
  status = sqlite3_step (statement);
  sqlite3_finalize (statement);
  return status == SQLITE_DONE && bb_sqlite_execute (self->handle, "COMMIT");
}

/* The file gets its name only when it is whole: one that is empty or half made is therefore always a damaged one. */
static gboolean
make_file (BbSqliteDatabase *self, GError **error)
{
  g_autofree char *path = g_strconcat (self->path, ".new", NULL);
  g_autofree char *journal = g_strconcat (path, "-journal", NULL);
  g_autofree char *log = g_strconcat (self->path, "-wal", NULL);
  gboolean filled;
  int fd;

  if (g_file_test (log, G_FILE_TEST_EXISTS))
    return set_damaged (self, "the file itself is missing, but its -wal file is there", error);

  self->id = read_second_id (self);
  if (self->id == NULL)
    self->id = make_id ();
  if (!write_second_id (self, error))
    return FALSE;

  g_unlink (path); /* of one that was killed at this point */
  g_unlink (journal);
  fd = open (path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return set_file_error (path, errno, error);
  close (fd);
  filled = open_handle (self, path, error) && (fill_new_file (self) || set_error (self, error));
  g_clear_pointer (&self->handle, sqlite3_close);
  if (!filled)
    {
      g_unlink (path);
      return FALSE;
    }
  if (g_rename (path, self->path) < 0 || !sync_directory (self->directory))
    return set_file_error (self->path, errno, error);
  self->is_new = TRUE;
  return TRUE;
}

static gboolean
check_marks (BbSqliteDatabase *self, GError **error)
{
  gint64 application_id, version;

  if (!bb_sqlite_query_int (self->handle, "PRAGMA application_id", &application_id)
      || !bb_sqlite_query_int (self->handle, "PRAGMA user_version", &version))
    return set_open_error (self, error);
  if (application_id != BB_SQLITE_APPLICATION_ID || version < 1)
    return set_damaged (self, "it is not a store of bbhost", error);
  if (version > BB_SQLITE_SCHEMA_VERSION)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_STORE,
                   "%s was written by a newer bbhost (store version %" G_GINT64_FORMAT ", this one knows %d); "
                   "upgrade bbhost, or restore the file from before that upgrade",
                   self->path, version, BB_SQLITE_SCHEMA_VERSION);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_contents (BbSqliteDatabase *self, GError **error)
{
  struct stat status;
  sqlite3_stmt *statement = NULL;
  const char *sql = "PRAGMA quick_check(1)";
  gboolean good;

  if (stat (self->path, &status) == 0 && status.st_size > MAX_FULL_CHECK_BYTES)
    sql = "PRAGMA quick_check(instances)";
  if (sqlite3_prepare_v2 (self->handle, sql, -1, &statement, NULL) != SQLITE_OK
      || sqlite3_step (statement) != SQLITE_ROW)
    good = set_open_error (self, error);
  else
    {
      const char *text = (const char *) sqlite3_column_text (statement, 0);

      good = g_strcmp0 (text, "ok") == 0 || set_damaged (self, text != NULL ? text : "unreadable", error);
    }
  sqlite3_finalize (statement);
  return good;
}

static gboolean
read_id (BbSqliteDatabase *self, GError **error)
{
  g_autoptr (GVariant) where = g_variant_ref_sink (g_variant_new_parsed ("{'key': <'store-id'>}"));
  g_autoptr (GPtrArray) rows = bb_sqlite_database_select (self, &bb_table_meta, where, NULL, 1, error);
  g_autofree char *second = read_second_id (self);
  g_autoptr (GError) reason = NULL;
  const char *id;

  if (rows == NULL)
    return FALSE;
  if (rows->len == 0 || !g_variant_lookup (rows->pdata[0], "value", "&s", &id) || !is_store_id (id))
    return set_damaged (self, "its id is missing", error);
  g_free (self->id);
  self->id = g_strdup (id);
  if (g_strcmp0 (second, self->id) != 0 && !write_second_id (self, &reason))
    bb_log_host (G_LOG_LEVEL_WARNING, "%s", reason->message);
  return TRUE;
}

static gboolean
open_file (BbSqliteDatabase *self, GError **error)
{
  struct stat status;

  if (stat (self->path, &status) < 0)
    return set_file_error (self->path, errno, error);
  if ((status.st_mode & 0077) != 0 && chmod (self->path, 0600) < 0) /* it holds passwords of running instances */
    return set_file_error (self->path, errno, error);
  if (status.st_size == 0)
    return set_damaged (self, "it is empty", error);
  if (!open_handle (self, self->path, error) || !check_marks (self, error))
    return FALSE;
  /* FULL: in WAL mode each commit is on disk when it returns, also over a loss of power. */
  if (!bb_sqlite_execute (self->handle, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                                        "PRAGMA journal_size_limit=16777216"))
    return set_open_error (self, error);
  if (!check_contents (self, error))
    return FALSE;
  if (!bb_sqlite_execute (self->handle, "BEGIN IMMEDIATE") || !bb_sqlite_schema_bring_up (self->handle)
      || !bb_sqlite_execute (self->handle, "COMMIT"))
    return set_open_error (self, error);
  return read_id (self, error);
}

BbSqliteDatabase *
bb_sqlite_database_open (const char *directory, GError **error)
{
  g_autoptr (BbSqliteDatabase) self = g_new0 (BbSqliteDatabase, 1);

  self->lock_fd = -1;
  self->directory = g_strdup (directory);
  self->path = g_build_filename (directory, "bbhost.db", NULL);
  self->statements = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) sqlite3_finalize);

  if (g_mkdir_with_parents (directory, 0700) < 0)
    {
      set_file_error (directory, errno, error);
      return NULL;
    }
  if (!lock_directory (self, error))
    return NULL;
  if (!g_file_test (self->path, G_FILE_TEST_EXISTS) && !make_file (self, error))
    return NULL;
  if (!open_file (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
bb_sqlite_database_free (BbSqliteDatabase *self)
{
  g_hash_table_unref (self->statements);
  sqlite3_close (self->handle);
  if (self->lock_fd >= 0)
    close (self->lock_fd);
  g_free (self->directory);
  g_free (self->path);
  g_free (self->id);
  g_free (self);
}

const char *
bb_sqlite_database_get_id (BbSqliteDatabase *self)
{
  return self->id;
}

gboolean
bb_sqlite_database_is_new (BbSqliteDatabase *self)
{
  return self->is_new;
}

/* @sql: (transfer full) */
static sqlite3_stmt *
get_statement (BbSqliteDatabase *self, char *sql, GError **error)
{
  sqlite3_stmt *statement = g_hash_table_lookup (self->statements, sql);

  if (statement != NULL)
    {
      g_free (sql);
      return statement;
    }
  if (g_hash_table_size (self->statements) >= MAX_STATEMENTS)
    g_hash_table_remove_all (self->statements);
  if (sqlite3_prepare_v3 (self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) != SQLITE_OK)
    {
      g_free (sql);
      set_error (self, error);
      return NULL;
    }
  g_hash_table_insert (self->statements, sql, statement);
  return statement;
}

/* Runs a statement that gives no rows, and makes it ready for the next time. */
static gboolean
run_statement (BbSqliteDatabase *self, sqlite3_stmt *statement, GError **error)
{
  gboolean done = sqlite3_step (statement) == SQLITE_DONE;

  if (!done)
    set_error (self, error);
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

static void
bind_value (sqlite3_stmt *statement, int position, BbColumnType type, GVariant *value)
{
  switch (type)
    {
    case BB_COLUMN_TEXT:
      sqlite3_bind_text (statement, position, g_variant_get_string (value, NULL), -1, SQLITE_TRANSIENT);
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

/* The columns of @row in the table's order, so that rows of one shape share a statement. */
static GPtrArray *
list_columns (const BbTable *table, GVariant *row)
{
  GPtrArray *columns = g_ptr_array_new ();

  for (const BbColumn *column = table->columns; column->name != NULL; column++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (row, column->name, NULL);

      if (value != NULL)
        g_ptr_array_add (columns, (gpointer) column);
    }
  return columns;
}

static void
bind_columns (sqlite3_stmt *statement, GPtrArray *columns, GVariant *row)
{
  for (guint i = 0; i < columns->len; i++)
    {
      const BbColumn *column = columns->pdata[i];
      g_autoptr (GVariant) value = g_variant_lookup_value (row, column->name, NULL);

      bind_value (statement, (int) i + 1, column->type, value);
    }
}

static char *
make_put_sql (const BbTable *table, GPtrArray *columns)
{
  GString *sql = g_string_new (NULL);
  const char *separator = "";

  g_string_append_printf (sql, "INSERT INTO \"%s\" (", table->name);
  for (guint i = 0; i < columns->len; i++)
    g_string_append_printf (sql, "%s\"%s\"", i > 0 ? ", " : "", ((const BbColumn *) columns->pdata[i])->name);
  g_string_append (sql, ") VALUES (");
  for (guint i = 0; i < columns->len; i++)
    g_string_append (sql, i > 0 ? ", ?" : "?");
  g_string_append (sql, ") ON CONFLICT (");
  for (guint i = 0; i < table->n_key; i++)
    g_string_append_printf (sql, "%s\"%s\"", i > 0 ? ", " : "", table->columns[i].name);
  g_string_append (sql, columns->len > table->n_key ? ") DO UPDATE SET " : ") DO NOTHING");
  for (guint i = table->n_key; i < columns->len; i++, separator = ", ")
    {
      const BbColumn *column = columns->pdata[i];

      g_string_append_printf (sql, "%s\"%s\"=excluded.\"%s\"", separator, column->name, column->name);
    }
  return g_string_free (sql, FALSE);
}

static gboolean
put_row (BbSqliteDatabase *self, const BbTable *table, GVariant *row, GError **error)
{
  g_autoptr (GPtrArray) columns = list_columns (table, row);
  sqlite3_stmt *statement = get_statement (self, make_put_sql (table, columns), error);

  if (statement == NULL)
    return FALSE;
  bind_columns (statement, columns, row);
  return run_statement (self, statement, error);
}

static gboolean
remove_rows (BbSqliteDatabase *self, const BbTable *table, GVariant *key, GError **error)
{
  g_autoptr (GPtrArray) columns = list_columns (table, key);
  g_autoptr (GString) sql = g_string_new (NULL);
  sqlite3_stmt *statement;

  g_string_append_printf (sql, "DELETE FROM \"%s\"", table->name);
  for (guint i = 0; i < columns->len; i++)
    g_string_append_printf (sql, "%s\"%s\"=?", i > 0 ? " AND " : " WHERE ",
                            ((const BbColumn *) columns->pdata[i])->name);
  statement = get_statement (self, g_strdup (sql->str), error);
  if (statement == NULL)
    return FALSE;
  bind_columns (statement, columns, key);
  return run_statement (self, statement, error);
}

gboolean
bb_sqlite_database_write (BbSqliteDatabase *self, BbStoreBatch *batch, GError **error)
{
  if (!run_sql (self, "SAVEPOINT batch", error))
    return FALSE;
  for (guint i = 0; i < batch->operations->len; i++)
    {
      BbStoreOperation *operation = batch->operations->pdata[i];
      gboolean written = operation->remove ? remove_rows (self, operation->table, operation->row, error)
                                           : put_row (self, operation->table, operation->row, error);

      if (written)
        continue;
      /* What the disk refuses, it refuses to all of this transaction. */
      if (sqlite3_errcode (self->handle) != SQLITE_CONSTRAINT
          || !bb_sqlite_execute (self->handle, "ROLLBACK TO batch; RELEASE batch"))
        bb_sqlite_database_roll_back (self);
      return FALSE;
    }
  return run_sql (self, "RELEASE batch", error);
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
make_select_sql (const BbTable *table, GPtrArray *conditions, GVariant *where, const char *order_by)
{
  GString *sql = g_string_new ("SELECT ");

  for (const BbColumn *column = table->columns; column->name != NULL; column++)
    g_string_append_printf (sql, "%s\"%s\"", column > table->columns ? ", " : "", column->name);
  g_string_append_printf (sql, " FROM \"%s\"", table->name);
  for (guint i = 0; i < conditions->len; i++)
    {
      const BbColumn *column = conditions->pdata[i];
      g_autoptr (GVariant) value = g_variant_lookup_value (where, column->name, NULL);

      g_string_append (sql, i > 0 ? " AND " : " WHERE ");
      append_condition (sql, column, value);
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

  for (int i = 0; table->columns[i].name != NULL; i++)
    {
      g_autoptr (GError) reason = NULL;
      GVariant *value;

      if (sqlite3_column_type (statement, i) == SQLITE_NULL)
        continue;
      value = read_value (statement, i, table->columns[i].type, &reason);
      if (value == NULL)
        {
          g_autofree char *how = g_strdup_printf ("column %s of table %s can't be read: %s", table->columns[i].name,
                                                  table->name, reason->message);

          set_damaged (self, how, error);
          return NULL;
        }
      g_variant_builder_add (&row, "{sv}", table->columns[i].name, value);
    }
  return g_variant_ref_sink (g_variant_builder_end (&row));
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
      set_open_error (self, error);
      return NULL;
    }
  return g_steal_pointer (&rows);
}

GPtrArray *
bb_sqlite_database_select (BbSqliteDatabase *self, const BbTable *table, GVariant *where, const char *order_by,
                           gint64 limit, GError **error)
{
  g_autoptr (GPtrArray) conditions = where != NULL ? list_columns (table, where) : g_ptr_array_new ();
  sqlite3_stmt *statement = get_statement (self, make_select_sql (table, conditions, where, order_by), error);
  GPtrArray *rows;
  int position = 1;

  if (statement == NULL)
    return NULL;
  for (guint i = 0; i < conditions->len; i++)
    {
      const BbColumn *column = conditions->pdata[i];
      g_autoptr (GVariant) value = g_variant_lookup_value (where, column->name, NULL);

      position = bind_condition (statement, position, column, value);
    }
  sqlite3_bind_int64 (statement, position, limit);
  rows = read_rows (self, table, statement, error);
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return rows;
}
