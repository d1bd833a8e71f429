/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-account.h"

G_BEGIN_DECLS

/* The disks that Nova makes for a server, and is to delete with it: whether it has done so. */

/* Of the server @id; @kept: volumes of the user's, joined by commas. */
void bb_openstack_volumes_find_async (BbOpenstackAccount *account, const char *id, const char *kept,
                                      GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full) (element-type utf8): ids; none when the server is gone */
GPtrArray *bb_openstack_volumes_find_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

/* Waits until Cinder does not know @ids any more, and asks it to delete those that nobody else does. */
void bb_openstack_volumes_delete_async (BbOpenstackAccount *account, GPtrArray *ids, GCancellable *cancellable,
                                        GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_openstack_volumes_delete_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

G_END_DECLS
