/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-reaper.h"

G_BEGIN_DECLS

/*
 * The end of one row's instance: the backend is asked to stop it, again and again with growing pauses, until it has
 * confirmed that it is gone; then the row is closed. Every call has a time limit, but its answer counts whenever it
 * comes.
 */
#define BB_TYPE_ROW_STOP (bb_row_stop_get_type ())
G_DECLARE_FINAL_TYPE (BbRowStop, bb_row_stop, BB, ROW_STOP, GObject)

#define BB_ROW_STOP_LIMIT_SECONDS 600 /* of one call: a guest may take its time to shut down */

/* @why: what the row is closed with. @hooks: borrowed until bb_row_stop_end(). */
BbRowStop *bb_row_stop_new (BbLedger *ledger, BbLoop *loop, BbLedgerRow *row, const char *why,
                            const BbReaperHooks *hooks, gpointer user_data);
void bb_row_stop_try_now (BbRowStop *self); /* ends a pause; nothing when a call is under way */
gboolean bb_row_stop_is_calling (BbRowStop *self);
void bb_row_stop_end (BbRowStop *self); /* no more calls; one that is under way is cancelled */

G_END_DECLS
