/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-store.h"

G_BEGIN_DECLS

/* A store without a disk, for tests that write thousands of rows; answers in the loop's next turn, fails when told
 * so. */
#define BB_TYPE_MEMORY_STORE (bb_memory_store_get_type ())
G_DECLARE_FINAL_TYPE (BbMemoryStore, bb_memory_store, BB, MEMORY_STORE, GObject)

BbMemoryStore *bb_memory_store_new (void);
void bb_memory_store_set_failing (BbMemoryStore *self, gboolean failing);
/* Commits wait until it ends. */
void bb_memory_store_set_hanging (BbMemoryStore *self, gboolean hanging);
guint bb_memory_store_count_commits (BbMemoryStore *self);
/* All rows of the table but the last one, as if they were older than a retention. */
void bb_memory_store_forget_old (BbMemoryStore *self, const BbTable *table);
/* Whether such a row is "on disk"; of tables whose key is one text, or one number. */
gboolean bb_memory_store_has (BbMemoryStore *self, const BbTable *table, const char *key);
gboolean bb_memory_store_has_number (BbMemoryStore *self, const BbTable *table, guint64 key);

G_END_DECLS
