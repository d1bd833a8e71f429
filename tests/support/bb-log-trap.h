/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Keeps what the product logs, so that tests can ask for it: g_test_expect_message() does not see structured logs. */

void bb_log_trap_install (void); /* once, after g_test_init(); warnings are not fatal from then on */
void bb_log_trap_set_quiet (gboolean is_quiet); /* nothing below a warning is shown */
/* Criticals are kept like warnings, and end nothing, while a test provokes our own bugs. */
void bb_log_trap_expect_criticals (gboolean expected);
/* What was logged as a warning since the last call, each line ended by "\n"; (transfer full) */
char *bb_log_trap_take_warnings (void);

G_END_DECLS
