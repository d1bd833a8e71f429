/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-loop.h"
#include "bb-store.h"

G_BEGIN_DECLS

/*
 * Removes builds that finished longer ago than `log_retention`: rows, logs and uploaded files below the build's own
 * folder. In the background, a few at a time. The newest build stays whatever its age, since the next number follows
 * from it.
 */
#define BB_TYPE_BUILD_RETENTION (bb_build_retention_get_type ())
G_DECLARE_FINAL_TYPE (BbBuildRetention, bb_build_retention, BB, BUILD_RETENTION, GObject)

BbBuildRetention *bb_build_retention_new (BbLoop *loop, BbStore *store, const char *state_directory);
void bb_build_retention_set (BbBuildRetention *self, double seconds); /* 0: keep for ever */
void bb_build_retention_stop (BbBuildRetention *self);

G_END_DECLS
