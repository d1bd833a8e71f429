/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BB_PB_CHALLENGE_SIZE 16

/* Where challenges come from: random bytes, unless a test replays a recorded session. %NULL: random again. */
typedef gboolean (*BbPbChallengeFunc) (guint8 *challenge);
void bb_pb_login_set_challenge_func (BbPbChallengeFunc func);

G_END_DECLS
