/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-store.h"

G_BEGIN_DECLS

/* A store that passes everything on to another one, and whose disk fails or hangs when told so. */
#define BB_TYPE_FRAGILE_STORE (bb_fragile_store_get_type ())
G_DECLARE_FINAL_TYPE (BbFragileStore, bb_fragile_store, BB, FRAGILE_STORE, GObject)

BbFragileStore *bb_fragile_store_new (BbStore *inner);
void bb_fragile_store_set_failing (BbFragileStore *self, gboolean failing); /* commits, with BB_ERROR_STORE */
void bb_fragile_store_set_hanging (BbFragileStore *self, gboolean hanging); /* commits wait until it ends */
/* Turns the default context until everything that was handed over has been done and answered. */
void bb_fragile_store_settle (BbFragileStore *self);

G_END_DECLS
