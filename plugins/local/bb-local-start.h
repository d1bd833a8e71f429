/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-local-slave.h"

G_BEGIN_DECLS

/* Records, then makes the folder and the process. @config is not needed after the call. */
void bb_local_start_async (BbInstanceRequest *request, const BbLocalConfig *config, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);
/* @process: (out) (transfer full): for its exit status */
BbInstance *bb_local_start_finish (GAsyncResult *result, GSubprocess **process, GError **error);

G_END_DECLS
