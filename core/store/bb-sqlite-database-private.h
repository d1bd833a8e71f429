/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-store-private.h"

G_BEGIN_DECLS

struct sqlite3;

/* One open bbhost.db, its lock, and what it can be asked. Blocking; used by one thread at a time. */
typedef struct
{
  char *directory;
  char *path;
  char *id;
  gboolean is_new;
  int lock_fd;
  struct sqlite3 *handle;
  GHashTable *statements; /* SQL, or a name (owned) → sqlite3_stmt (owned) */
} BbSqliteDatabase;

/* From the handle's last error; for reading what was there before, where SQLite's complaint may mean damage. FALSE. */
gboolean bb_sqlite_database_set_error (BbSqliteDatabase *self, GError **error);
gboolean bb_sqlite_database_set_open_error (BbSqliteDatabase *self, GError **error);
gboolean bb_sqlite_database_set_damaged (BbSqliteDatabase *self, const char *how, GError **error);

BbSqliteDatabase *bb_sqlite_database_open (const char *directory, GError **error);
char *bb_sqlite_database_set_aside (const char *directory, GError **error); /* see bb_sqlite_store_set_aside() */
BbSqliteDatabase *bb_sqlite_database_open_to_read (const char *directory, GError **error); /* without the lock */
void bb_sqlite_database_free (BbSqliteDatabase *self); /* gives up the lock */
const char *bb_sqlite_database_get_id (BbSqliteDatabase *self);
gboolean bb_sqlite_database_is_new (BbSqliteDatabase *self);

/* bb-sqlite-rows.c: batches and selects. */
gboolean bb_sqlite_database_begin (BbSqliteDatabase *self, GError **error);
gboolean bb_sqlite_database_commit (BbSqliteDatabase *self, GError **error); /* rolled back when it fails */
void bb_sqlite_database_roll_back (BbSqliteDatabase *self);
/* Carries out @batch, or nothing of it. FALSE with the transaction still open: @batch alone is at fault. */
gboolean bb_sqlite_database_write (BbSqliteDatabase *self, BbStoreBatch *batch, GError **error);
gboolean bb_sqlite_database_in_transaction (BbSqliteDatabase *self);
GPtrArray *bb_sqlite_database_select (BbSqliteDatabase *self, const BbTable *table, GVariant *where,
                                      const char *order_by, gint64 limit, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbSqliteDatabase, bb_sqlite_database_free)

/* bb-sqlite-schema.c: the descriptors as SQL. */
#define BB_SQLITE_APPLICATION_ID 0x62626873 /* "bbhs", so that another program's database is not taken for ours */
#define BB_SQLITE_SCHEMA_VERSION 1          /* grows when an older bbhost could no longer work with the file */

gboolean bb_sqlite_execute (struct sqlite3 *handle, const char *sql); /* else sqlite3_errmsg() says why */
gboolean bb_sqlite_query_int (struct sqlite3 *handle, const char *sql, gint64 *value);
/* Makes what is missing: tables, columns, indices. All in the transaction that the caller began. */
gboolean bb_sqlite_schema_bring_up (struct sqlite3 *handle);

G_END_DECLS
