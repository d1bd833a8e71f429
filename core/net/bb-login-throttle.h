/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-loop.h"

G_BEGIN_DECLS

/*
 * Growing delays for failed logins, per peer address and name: who guesses a password gets one try in half a minute,
 * however many connections he opens, and a slave with a wrong password, which tries again every two seconds
 * for ever, costs next to nothing. Other slaves behind the same address do not notice.
 */
typedef struct _BbLoginThrottle BbLoginThrottle;

BbLoginThrottle *bb_login_throttle_new (BbLoop *loop);
void bb_login_throttle_free (BbLoginThrottle *self);

/* How long this attempt has to wait until it is decided, 0 for nearly all; attempts wait one behind another.
 * -1: so many wait already that it is not decided at all. */
gint64 bb_login_throttle_reserve_us (BbLoginThrottle *self, const char *host, const char *name);
void bb_login_throttle_failed (BbLoginThrottle *self, const char *host, const char *name);
void bb_login_throttle_succeeded (BbLoginThrottle *self, const char *host, const char *name);
guint bb_login_throttle_count (BbLoginThrottle *self); /* of pairs that it remembers; bounded */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbLoginThrottle, bb_login_throttle_free)

G_END_DECLS
