/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-master.h"
#include "bb-notice-queue.h"

G_BEGIN_DECLS

/* Makes a notice of every finished build: what `bbctl builds --json` shows of it, how the build before it ended, and where its
 * logs are. */
#define BB_TYPE_BUILD_NOTICES (bb_build_notices_get_type ())
G_DECLARE_FINAL_TYPE (BbBuildNotices, bb_build_notices, BB, BUILD_NOTICES, GObject)

BbBuildNotices *bb_build_notices_new (BbBuildMaster *builds, BbNoticeQueue *queue, const char *state_directory);
/* Builders' categories are needed; without notifiers nothing is made. */
void bb_build_notices_apply (BbBuildNotices *self, BbConfig *config);

G_END_DECLS
