/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-account.h"

G_BEGIN_DECLS

/* Makes a server and waits until it runs. A start that fails leaves nothing behind, as far as the cloud lets it. Once the
 * server exists, cancelling makes it return early, with the server. @config is not needed after the call. */
void bb_openstack_start_async (BbOpenstackAccount *account, const BbOpenstackConfig *config,
                               BbInstanceRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
BbInstance *bb_openstack_start_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

G_END_DECLS
