/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-store.h"

G_BEGIN_DECLS

/* What is in a batch, for implementations of BbStore. */
typedef struct
{
  const BbTable *table;
  GVariant *row; /* owned; a{sv}, checked against the table */
  gboolean remove;
} BbStoreOperation;

struct _BbStoreBatch
{
  GPtrArray *operations; /* of BbStoreOperation (owned), in order */
};

G_END_DECLS
