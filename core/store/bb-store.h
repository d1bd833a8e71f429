/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-error.h"

G_BEGIN_DECLS

/*
 * Where bbhost keeps what must outlive it: rows of a few flat tables. Narrow on purpose, so that a second
 * implementation (several hosts over one database) stays possible: whole or partial rows are put and removed, and read
 * by simple conditions; nothing above the store writes SQL.
 *
 * A row is an a{sv}; columns are TEXT (s), INTEGER (x), REAL (d), BOOLEAN (b) and VARIANT (any GVariant, kept as its
 * text form; for properties and lists). A column that is missing in a put keeps its value, or is NULL in a new row; a
 * NULL column is missing in what is read.
 */
typedef enum
{
  BB_COLUMN_TEXT,
  BB_COLUMN_INTEGER,
  BB_COLUMN_REAL,
  BB_COLUMN_BOOLEAN,
  BB_COLUMN_VARIANT,
} BbColumnType;

typedef struct
{
  const char *name;
  BbColumnType type;
  gboolean indexed;
  gboolean unique; /* no two rows share a value; implies an index */
} BbColumn;

/* The first column, or the first two of them (@n_key), are the primary key. */
typedef struct
{
  const char *name;
  guint n_key;
  const BbColumn *columns; /* ends with a row of zeros */
} BbTable;

/* All tables, in bb-store.c: the one place that says what is kept. Columns are only ever added. */
extern const BbTable bb_table_builds;    /* number, builder, slave, state, result, submitted_at, … */
extern const BbTable bb_table_steps;     /* build, position, name, state, result, exit_code, logs, … */
extern const BbTable bb_table_instances; /* number, token, slave, … : the ledger */
extern const BbTable bb_table_slaves;    /* name, paused, info, …: what is remembered of slaves */
extern const BbTable bb_table_notices;   /* number, notifier, …: what is on its way to people */
extern const BbTable bb_table_meta;      /* key, value */
extern const BbTable *const bb_tables[]; /* all of them, and NULL */

const BbColumn *bb_table_find_column (const BbTable *self, const char *name); /* (nullable) */
const GVariantType *bb_column_get_variant_type (const BbColumn *self);        /* `*` for VARIANT */

#define BB_TYPE_STORE (bb_store_get_type ())
G_DECLARE_INTERFACE (BbStore, bb_store, BB, STORE, GObject)

/* Several writes that become durable together, or not at all. */
typedef struct _BbStoreBatch BbStoreBatch;
BbStoreBatch *bb_store_batch_new (void);
/* @row: a{sv}, sunk when floating; with every column of the key, each value of its column's type. */
void bb_store_batch_put (BbStoreBatch *self, const BbTable *table, GVariant *row);
/* @key_columns: a{sv}: rows that have these values go; the whole key, or its first column for all rows under it. */
void bb_store_batch_remove (BbStoreBatch *self, const BbTable *table, GVariant *key_columns);
void bb_store_batch_free (BbStoreBatch *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbStoreBatch, bb_store_batch_free)

struct _BbStoreInterface
{
  GTypeInterface parent_iface;

  void (*commit_async) (BbStore *self, BbStoreBatch *batch, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data);
  gboolean (*commit_finish) (BbStore *self, GAsyncResult *result, GError **error);
  void (*select_async) (BbStore *self, const BbTable *table, GVariant *where, const char *order_by, gint64 limit,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  GPtrArray *(*select_finish) (BbStore *self, GAsyncResult *result, GError **error);
};

/**
 * bb_store_commit_async:
 * @batch: (transfer full)
 *
 * Writes are carried out in the order of the calls; many that wait share one commit. When it has finished without an
 * error the rows are on disk (synchronous=FULL). A write that has been handed over can't be cancelled. @callback may
 * be %NULL: then a failure is logged.
 */
void bb_store_commit_async (BbStore *self, BbStoreBatch *batch, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_store_commit_finish (BbStore *self, GAsyncResult *result, GError **error);

/* Shorthand for a batch of one put; ended by bb_store_commit_finish(). */
void bb_store_put_async (BbStore *self, const BbTable *table, GVariant *row, GCancellable *cancellable,
                         GAsyncReadyCallback callback, gpointer user_data);

/**
 * bb_store_select_async:
 * @where: (nullable): a{sv}, sunk when floating, of columns and the values that they must have; a value of type `as` or
 *   `ax`: one of these
 * @order_by: (nullable): a column; with `-` before it descending
 * @limit: negative for all
 *
 * Sees every write that was handed over before.
 *
 * Finish returns: (transfer container) (element-type GVariant): the rows
 */
void bb_store_select_async (BbStore *self, const BbTable *table, GVariant *where, const char *order_by, gint64 limit,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *bb_store_select_finish (BbStore *self, GAsyncResult *result, GError **error);

G_END_DECLS
