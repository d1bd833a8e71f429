/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-libvirt-config.h"
#include "bb-libvirt-connection.h"

G_BEGIN_DECLS

/* One stop: the domain is off for certain, and then what was made for it is removed. */

/* @slave_name: whose instance it is, where that is not known */
void bb_libvirt_stop_async (BbLibvirtConnection *connection, const BbLibvirtConfig *config, BbInstance *instance,
                            const char *slave_name, gboolean fast, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data);
gboolean bb_libvirt_stop_finish (BbLibvirtConnection *connection, GAsyncResult *result, GError **error);

G_END_DECLS
