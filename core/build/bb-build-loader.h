/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-private.h"

G_BEGIN_DECLS

/* Why a build has become a retry without its slave's doing. */
#define BB_BUILD_STOPPED_REASON "bbhostd was stopped while it ran"

/*
 * A build that lost its slave, or the daemon, ends as `retry`, and a new one of the same request takes its place in the
 * queue, at the head since it has been there before: so what happened stays to be seen. The new one says whose place it
 * takes in the property `retry_of`. (transfer full)
 */
BbBuild *bb_build_new_retry (BbBuild *build, guint64 number, gint64 now_us);

/**
 * bb_build_loader_load_async:
 * @now_us: wall
 *
 * Reads what had not finished when the daemon ended, and makes durable what follows from it: those that ran have ended
 * as retries.
 *
 * Finish returns: (transfer full) (element-type BbBuild): pending builds, retries among them, without their properties
 *   and steps; %NULL with @error. @next_number: (out): of the next new build
 */
void bb_build_loader_load_async (BbStore *store, gint64 now_us, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *bb_build_loader_load_finish (BbStore *store, GAsyncResult *result, guint64 *next_number, GError **error);

G_END_DECLS
