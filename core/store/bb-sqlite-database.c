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

/* Reading a file of this size at start-up takes well under a second; of a larger one only the ledger is checked. */
#define MAX_FULL_CHECK_BYTES (64 * 1024 * 1024)
#define STORE_ID_LENGTH 32

gboolean
bb_sqlite_database_set_error (BbSqliteDatabase *self, GError **error)
{
  int code = sqlite3_errcode (self->handle);

  if (code == SQLITE_FULL)
    g_set_error (error, BB_ERROR, BB_ERROR_STORE, "%s: %s; make room on its file system", self->path,
                 sqlite3_errmsg (self->handle));
  else
    g_set_error (error, BB_ERROR, BB_ERROR_STORE, "%s: %s", self->path, sqlite3_errmsg (self->handle));
  return FALSE;
}

gboolean
bb_sqlite_database_set_damaged (BbSqliteDatabase *self, const char *how, GError **error)
{
  g_set_error (error, BB_ERROR, BB_ERROR_STORE,
               "%s is damaged: %s; restore it from a backup, or call bbhostd --set-store-aside: that keeps the file "
               "under another name, a new one is then made, and instances that still run are found again by their tags",
               self->path, how);
  return FALSE;
}

gboolean
bb_sqlite_database_set_open_error (BbSqliteDatabase *self, GError **error)
{
  int code = sqlite3_errcode (self->handle);

  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
    return bb_sqlite_database_set_damaged (self, sqlite3_errmsg (self->handle), error);
  return bb_sqlite_database_set_error (self, error);
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
open_handle (BbSqliteDatabase *self, const char *path, int access, GError **error)
{
  int status = sqlite3_open_v2 (path, &self->handle, access | SQLITE_OPEN_NOMUTEX, NULL);

  if (status != SQLITE_OK)
    return bb_sqlite_database_set_open_error (self, error);
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

static gboolean
has_log (BbSqliteDatabase *self)
{
  g_autofree char *log = g_strconcat (self->path, "-wal", NULL);

  return g_file_test (log, G_FILE_TEST_EXISTS);
}

/* The file gets its name only when it is whole: one that is empty or half made is therefore always a damaged one. */
static gboolean
make_file (BbSqliteDatabase *self, GError **error)
{
  g_autofree char *path = g_strconcat (self->path, ".new", NULL);
  g_autofree char *journal = g_strconcat (path, "-journal", NULL);
  gboolean filled;
  int fd;

  if (has_log (self))
    return bb_sqlite_database_set_damaged (self, "the file itself is missing, but its -wal file is there", error);

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
  filled = open_handle (self, path, SQLITE_OPEN_READWRITE, error)
           && (fill_new_file (self) || bb_sqlite_database_set_error (self, error));
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
    return bb_sqlite_database_set_open_error (self, error);
  if (application_id != BB_SQLITE_APPLICATION_ID || version < 1)
    return bb_sqlite_database_set_damaged (self, "it is not a store of bbhost", error);
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
    good = bb_sqlite_database_set_open_error (self, error);
  else
    {
      const char *text = (const char *) sqlite3_column_text (statement, 0);

      good = g_strcmp0 (text, "ok") == 0
             || bb_sqlite_database_set_damaged (self, text != NULL ? text : "unreadable", error);
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
    return bb_sqlite_database_set_damaged (self, "its id is missing", error);
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
    return bb_sqlite_database_set_damaged (self, "it is empty", error);
  if (!open_handle (self, self->path, SQLITE_OPEN_READWRITE, error) || !check_marks (self, error))
    return FALSE;
  /* FULL: in WAL mode each commit is on disk when it returns, also over a loss of power. Pages: what is read again is the
   * latest rows; the rest of a long history would only fill memory. */
  if (!bb_sqlite_execute (self->handle, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-512; "
                                        "PRAGMA journal_size_limit=16777216"))
    return bb_sqlite_database_set_open_error (self, error);
  if (!check_contents (self, error))
    return FALSE;
  if (!bb_sqlite_execute (self->handle, "BEGIN IMMEDIATE") || !bb_sqlite_schema_bring_up (self->handle)
      || !bb_sqlite_execute (self->handle, "COMMIT"))
    return bb_sqlite_database_set_open_error (self, error);
  return read_id (self, error);
}

static BbSqliteDatabase *
database_new (const char *directory)
{
  BbSqliteDatabase *self = g_new0 (BbSqliteDatabase, 1);

  self->lock_fd = -1;
  self->directory = g_strdup (directory);
  self->path = g_build_filename (directory, "bbhost.db", NULL);
  self->statements = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) sqlite3_finalize);
  return self;
}

BbSqliteDatabase *
bb_sqlite_database_open_to_read (const char *directory, GError **error)
{
  g_autoptr (BbSqliteDatabase) self = database_new (directory);

  if (!open_handle (self, self->path, SQLITE_OPEN_READONLY, error) || !check_marks (self, error))
    return NULL;
  return g_steal_pointer (&self);
}

BbSqliteDatabase *
bb_sqlite_database_open (const char *directory, GError **error)
{
  g_autoptr (BbSqliteDatabase) self = database_new (directory);

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

static gboolean
move_aside (BbSqliteDatabase *self, const char *aside, const char *suffix, GError **error)
{
  g_autofree char *from = g_strconcat (self->path, suffix, NULL);
  g_autofree char *to = g_strconcat (aside, suffix, NULL);

  return g_rename (from, to) == 0 || errno == ENOENT || set_file_error (from, errno, error);
}

char *
bb_sqlite_database_set_aside (const char *directory, GError **error)
{
  g_autoptr (BbSqliteDatabase) self = database_new (directory);
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();
  g_autofree char *when = g_date_time_format (now, "%Y%m%dT%H%M%S.%fZ");
  g_autofree char *aside = g_strconcat (self->path, ".aside-", when, NULL);

  /* Before a lock file is made, which would be of whoever calls this. */
  if (!g_file_test (self->path, G_FILE_TEST_EXISTS) && !has_log (self))
    {
      set_file_error (self->path, ENOENT, error);
      return NULL;
    }
  if (!lock_directory (self, error))
    return NULL;
  self->id = read_second_id (self);
  if (self->id == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_STORE,
                   "%s/store-id is missing or no id, and a store without it would not know the instances of this one; "
                   "restore it from a backup",
                   directory);
      return NULL;
    }
  /* The log last: as long as it is there without its file, no new store is made. */
  if (!move_aside (self, aside, "", error) || !move_aside (self, aside, "-shm", error)
      || !move_aside (self, aside, "-wal", error))
    return NULL;
  if (!sync_directory (directory))
    {
      set_file_error (directory, errno, error);
      return NULL;
    }
  return g_steal_pointer (&aside);
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
