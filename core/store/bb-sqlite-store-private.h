/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-sqlite-store.h"

G_BEGIN_DECLS

/* For tests: what happens between the writes and the disk. */
typedef enum
{
  BB_SQLITE_STORE_BEFORE_COMMIT, /* nothing of the group is on disk */
  BB_SQLITE_STORE_AFTER_COMMIT,  /* all of it is, and nobody has been told yet */
} BbSqliteStorePoint;

typedef void (*BbSqliteStoreHook) (BbSqliteStorePoint point, gpointer user_data);

/* Before the first write. @hook is called in the store's thread and may block, or kill the process. */
void bb_sqlite_store_set_hook (BbSqliteStore *self, BbSqliteStoreHook hook, gpointer user_data);

G_END_DECLS
