/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Log text on its way to a terminal: what a slave wrote must not move the cursor, change the title or answer on the
 * user's behalf. Line ends, tabs and colours pass; the rest is shown as \x1b. Text may be cut anywhere.
 */
typedef struct _BbctlTerminal BbctlTerminal;

BbctlTerminal *bbctl_terminal_new (void);
void bbctl_terminal_free (BbctlTerminal *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbctlTerminal, bbctl_terminal_free)

/* Appends what can be shown by now to @shown. */
void bbctl_terminal_feed (BbctlTerminal *self, const char *text, gsize length, GString *shown);
/* The rest, and the end of a colour. */
void bbctl_terminal_end (BbctlTerminal *self, GString *shown);

G_END_DECLS
