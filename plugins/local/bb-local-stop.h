/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-local-slave.h"

G_BEGIN_DECLS

/* Ends all processes of an instance and removes its folder. @timeout: seconds until SIGTERM is followed by SIGKILL;
 * negative for SIGKILL at once. */
void bb_local_stop_async (BbInstance *instance, double timeout, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_local_stop_finish (GAsyncResult *result, GError **error);

G_END_DECLS
