/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-private.h"

G_BEGIN_DECLS

/* How many builds an answer holds when `limit` does not say, and at most. */
#define BB_LISTING_DEFAULT 1000
#define BB_LISTING_MAX 10000

/* Is each key of @filter one of bb_build_master_list_async()'s, and of its type? */
gboolean bb_build_filter_check (GVariant *filter, GError **error);

/**
 * bb_build_listing_async:
 * @live: (element-type BbBuild): those in memory; looked at before this returns
 *
 * Finish returns: (transfer full): aa{sv}, newest first, of those in memory and those that are only in the store
 */
void bb_build_listing_async (BbStore *store, GPtrArray *live, GVariant *filter, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
GVariant *bb_build_listing_finish (BbStore *store, GAsyncResult *result, GError **error);

G_END_DECLS
