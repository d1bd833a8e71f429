/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-account.h"

G_BEGIN_DECLS

/* The ledger's resource for an address that a start may have made, by the token that its description holds. */
#define BB_OPENSTACK_ADDRESS_RESOURCE "floating-ip:"

/* (transfer full): the description of an address that is made for the instance of @token */
char *bb_openstack_stop_make_description (const char *token);

/* Deletes the server, by its id or all with its token, waits until it is not found any more, and frees its address. */
void bb_openstack_stop_async (BbOpenstackAccount *account, BbInstance *instance, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_openstack_stop_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

G_END_DECLS
