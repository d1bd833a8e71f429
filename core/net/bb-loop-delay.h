/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-loop.h"

G_BEGIN_DECLS

/* From here on the delays of plugins (bb_delay_async()) run on @loop's heap; until bb_loop_end_delays(), before which every delay must
 * have ended. */
void bb_loop_serve_delays (BbLoop *loop);
void bb_loop_end_delays (void);

G_END_DECLS
