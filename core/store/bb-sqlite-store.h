/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-store.h"

G_BEGIN_DECLS

/* BbStore in one SQLite file, on a thread of its own, WAL and synchronous=FULL, one commit for all that waits. */
#define BB_TYPE_SQLITE_STORE (bb_sqlite_store_get_type ())
G_DECLARE_FINAL_TYPE (BbSqliteStore, bb_sqlite_store, BB, SQLITE_STORE, GObject)

/**
 * bb_sqlite_store_open:
 * @directory: the state directory; made with mode 0700 when missing. The file is bbhost.db, mode 0600
 *
 * Opens, or makes, the store at start-up, before the loop runs (so it may block). Takes a lock that another daemon on
 * the same directory would need; refuses, with what to do, a store that is damaged or from a newer version: never
 * starts over empty. The store's random id is made with it, and kept in the file store-id as well: a new store in the
 * place of one that was moved aside has the same id, and so finds the instances of that one.
 */
BbSqliteStore *bb_sqlite_store_open (const char *directory, GError **error);

/**
 * bb_sqlite_store_peek:
 * @where: (transfer floating): as for bb_store_select_async()
 *
 * Reads rows of a store that a daemon may have open at the same time, and changes nothing. Blocks: for programs that only look.
 *
 * Returns: (transfer container) (element-type GVariant): the rows; none when there is no store
 */
GPtrArray *bb_sqlite_store_peek (const char *directory, const BbTable *table, GVariant *where, const char *order_by,
                                 GError **error);

/**
 * bb_sqlite_store_set_aside:
 *
 * Gives the store another name, with all that belongs to it, so that the next open makes a new one with the same id. For a
 * person who has read that it is damaged: a daemon never does that by itself. Blocks. Refused while a daemon has the store
 * open, and when the file store-id is gone, as running instances would not be found again then.
 *
 * Returns: (transfer full): where it is now
 */
char *bb_sqlite_store_set_aside (const char *directory, GError **error);

const char *bb_sqlite_store_get_id (BbSqliteStore *self);  /* 32 hexadecimal digits */
gboolean bb_sqlite_store_is_new (BbSqliteStore *self);     /* was made by this open */
void bb_sqlite_store_close (BbSqliteStore *self);          /* waits for all writes; at the end of main() */

G_END_DECLS
