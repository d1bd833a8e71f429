/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-account.h"

G_BEGIN_DECLS

/* (transfer full): the description of an address that is made for the instance of @token */
char *bb_openstack_stop_make_description (const char *token);

/* Deletes the server, by its id or all with its token, waits until it is not found any more, and sees to its address and its
 * disks. Asks nobody when the row says that no server was asked for. */
void bb_openstack_stop_async (BbOpenstackAccount *account, BbInstance *instance, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_openstack_stop_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

G_END_DECLS
