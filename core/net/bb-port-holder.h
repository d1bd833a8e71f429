/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Who listens on TCP port @port of this machine, as " (held by PROGRAM, pid N)", as far as /proc tells; else "". Walks
 * /proc: only for the message about a port that can't be had. (transfer full) */
char *bb_port_holder_describe (guint16 port);

G_END_DECLS
