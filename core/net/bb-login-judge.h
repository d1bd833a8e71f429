/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-login-ticket.h"

G_BEGIN_DECLS

/* What decides about every login, whichever protocol it came by. */

/* (transfer full): of a peer; valid text, and without what would make another line of a log line */
char *bb_login_dup_name (const char *bytes, gsize length);

/* Whether what the peer has shown fits @password, in a time that does not depend on either. */
typedef gboolean (*BbPasswordCheck) (const char *password, gpointer user_data);

/**
 * bb_login_judge:
 *
 * Does the same work, whether the name is unknown or the password wrong, for which the peer is to get the same answer; who has the
 * password but a certificate for another name gets it, too. Failures are told to the throttle and the login host.
 */
gboolean bb_login_judge (BbLoginTicket *ticket, BbLoginHost *login_host, BbStream *stream, const char *name,
                         BbPasswordCheck check, gpointer user_data);

G_END_DECLS
