/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-master.h"
#include "bb-notice-queue.h"

G_BEGIN_DECLS

/*
 * Makes a notice of every finished build: what `bbctl builds --json` shows of it, how the build before it ended, and
 * where its logs are; and one of a whole build set when the last of its builds has been told. One build after the other, each
 * marked in the store until its notices are there, so that a crash neither loses nor repeats one.
 */
#define BB_TYPE_BUILD_NOTICES (bb_build_notices_get_type ())
G_DECLARE_FINAL_TYPE (BbBuildNotices, bb_build_notices, BB, BUILD_NOTICES, GObject)

BbBuildNotices *bb_build_notices_new (BbBuildMaster *builds, BbNoticeQueue *queue, BbStore *store,
                                      const char *state_directory);
/* Builds whose end the daemon did not get to tell before it stopped. Before apply. */
void bb_build_notices_load_async (BbBuildNotices *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data);
gboolean bb_build_notices_load_finish (BbBuildNotices *self, GAsyncResult *result, GError **error);
/* Builders' categories are needed; without notifiers nothing is made. */
void bb_build_notices_apply (BbBuildNotices *self, BbConfig *config);

G_END_DECLS
