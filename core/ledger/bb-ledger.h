/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-clock.h"
#include "bb-ledger-row.h"
#include "bb-store.h"

G_BEGIN_DECLS

/*
 * The promise: every instance has an open row from before it is asked for until after it is confirmed gone.
 *
 * How it is kept, at whatever moment the daemon is killed or the disk refuses:
 *  - A row is on disk, as intended, before anybody may call a backend.
 *  - What happens later changes memory at once and is written as a whole row. A write that fails changes nothing of
 *    that: what is on disk is then an older state of the same row, which is still open; it is written again with the
 *    next write, and by bb_ledger_retry_writes(). So the worst that a crash leaves is an open row that knows less
 *    than it could (no instance id, say): the reaper finds its instance by the token.
 *  - A row leaves memory, and stops counting, only when its closing is on disk. A crash before that leaves an open row
 *    of an instance that is gone, which the reaper closes; never a closed row of one that is not.
 *
 * Signals: "row-added", "row-changed", "row-closed" (BbLedgerRow *); "room": a limit that has refused somebody may have
 * room again. Who waits for it, and in which order, is known to the slave manager.
 */
#define BB_TYPE_LEDGER (bb_ledger_get_type ())
G_DECLARE_FINAL_TYPE (BbLedger, bb_ledger, BB, LEDGER, GObject)

typedef struct
{
  gint64 max_instances; /* 0: none; likewise below */
  double max_hourly_cost;
  double max_monthly_cost;
  double default_hourly_cost;
} BbLedgerLimits;

BbLedger *bb_ledger_new (BbStore *store, BbClock *clock);
void bb_ledger_set_limits (BbLedger *self, const BbLedgerLimits *limits);

/* Which rows of bb_table_instances are open. (transfer floating) */
GVariant *bb_ledger_open_condition (void);

/* Reads the open rows; before anything else is asked of it. */
void bb_ledger_load_async (BbLedger *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_ledger_load_finish (BbLedger *self, GAsyncResult *result, GError **error);

/**
 * bb_ledger_intend_async:
 * @hourly_cost: negative: unknown, counts as the default
 *
 * Makes a row, state intended, with a fresh token and number. Finishes when it is durable; only then may the backend
 * be called. Fails with %BB_ERROR_LIMIT (nothing was written; the counting includes rows whose write is under way, so
 * two that race can't exceed a limit; "room" tells when to try again) or %BB_ERROR_STORE.
 */
void bb_ledger_intend_async (BbLedger *self, const char *slave_name, const char *backend, const char *scope,
                             const char *password, double hourly_cost, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
BbLedgerRow *bb_ledger_intend_finish (BbLedger *self, GAsyncResult *result, GError **error); /* (transfer full) */

/* The same for a row that is parked, and shall be requested once more. */
void bb_ledger_unpark_async (BbLedger *self, BbLedgerRow *row, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
gboolean bb_ledger_unpark_finish (BbLedger *self, GAsyncResult *result, GError **error);

/* Each changes the row at once and writes it; the callback (nullable: a failed write is logged and tried again with
 * the next one) tells when it is durable. A closed row changes no more. */
void bb_ledger_set_requested (BbLedger *self, BbLedgerRow *row, GAsyncReadyCallback callback, gpointer user_data);
void bb_ledger_set_running (BbLedger *self, BbLedgerRow *row, BbInstance *instance, GAsyncReadyCallback callback,
                            gpointer user_data);
/* It does not run any more, and can be started again: counts for no limit meanwhile. @made_with: digest of its options */
void bb_ledger_set_parked (BbLedger *self, BbLedgerRow *row, const char *made_with, GAsyncReadyCallback callback,
                           gpointer user_data);
void bb_ledger_set_stopping (BbLedger *self, BbLedgerRow *row, GAsyncReadyCallback callback, gpointer user_data);
void bb_ledger_add_resource (BbLedger *self, BbLedgerRow *row, const char *resource, GAsyncReadyCallback callback,
                             gpointer user_data);
/* @why: "stopped", "gone", "not started", "forgotten by NAME: …"; goes into the row and the log. Only on the
 * backend's word, or a person's. The row is closed when the callback, or "row-closed", says so. */
void bb_ledger_close (BbLedger *self, BbLedgerRow *row, const char *why, GAsyncReadyCallback callback,
                      gpointer user_data);
gboolean bb_ledger_write_finish (BbLedger *self, GAsyncResult *result, GError **error); /* of all of these */
void bb_ledger_retry_writes (BbLedger *self); /* those that have failed; after a while without any other */

/**
 * bb_ledger_adopt_async:
 * @instance: carries our mark, and no open row has its token or id
 * @state: %BB_ROW_RUNNING, or %BB_ROW_STOPPING when it is to go
 *
 * Gives an instance that was found a row: its own, opened again, or a new one. That does not wait for the disk to
 * take it, since until then it can be found once more. Limits don't refuse what exists already.
 */
void bb_ledger_adopt_async (BbLedger *self, const char *slave_name, const char *backend, const char *scope,
                            BbInstance *instance, BbRowState state, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
BbLedgerRow *bb_ledger_adopt_finish (BbLedger *self, GAsyncResult *result, GError **error); /* (transfer full) */

/* The backend has just been seen to agree that it is there. */
void bb_ledger_confirm (BbLedger *self, BbLedgerRow *row);

GPtrArray *bb_ledger_get_open_rows (BbLedger *self); /* (transfer container), by number */
BbLedgerRow *bb_ledger_find (BbLedger *self, guint64 number);           /* (transfer none) (nullable), open ones */
BbLedgerRow *bb_ledger_find_by_token (BbLedger *self, const char *token);
/* The newest open one that is not stopping, else the newest. */
BbLedgerRow *bb_ledger_find_by_slave (BbLedger *self, const char *slave_name);
gboolean bb_ledger_has_room (BbLedger *self); /* no limit is reached, but one more may cost too much */
double bb_ledger_get_hourly_cost (BbLedger *self);                       /* sum over open rows */
/* Dollars of this calendar month (UTC): of instances that are gone, and of the open ones until now. */
double bb_ledger_get_monthly_cost (BbLedger *self);
/* To be called now and then: emits "budget" when 80 % and when all of max_monthly_cost is spent, each once a month and kept
 * over restarts, and "room" when a new month has begun. */
void bb_ledger_look_at_budget (BbLedger *self);
guint bb_ledger_count_open (BbLedger *self);
guint bb_ledger_count_unconfirmed (BbLedger *self); /* not parked, and not confirmed for longer than 10 minutes */

G_END_DECLS
