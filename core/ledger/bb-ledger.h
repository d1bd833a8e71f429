/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-instance.h"
#include "bb-clock.h"
#include "bb-store.h"

G_BEGIN_DECLS

typedef enum
{
  BB_ROW_INTENDED,  /* durable before the backend is called */
  BB_ROW_REQUESTED, /* the backend is being, or was, called; whether it acted is not known */
  BB_ROW_RUNNING,   /* the backend has answered with an instance id */
  BB_ROW_STOPPING,  /* is to be gone; stays so until the backend has confirmed it */
  BB_ROW_CLOSED,
} BbRowState;

const char *bb_row_state_to_string (BbRowState state);

/* One instance's row; a GObject that lives while the row is open (and as long as somebody holds it). */
#define BB_TYPE_LEDGER_ROW (bb_ledger_row_get_type ())
G_DECLARE_FINAL_TYPE (BbLedgerRow, bb_ledger_row, BB, LEDGER_ROW, GObject)

guint64 bb_ledger_row_get_number (BbLedgerRow *self);
const char *bb_ledger_row_get_token (BbLedgerRow *self);
const char *bb_ledger_row_get_slave_name (BbLedgerRow *self);
const char *bb_ledger_row_get_backend (BbLedgerRow *self); /* the slave's type */
const char *bb_ledger_row_get_scope (BbLedgerRow *self);
BbRowState bb_ledger_row_get_state (BbLedgerRow *self);
const char *bb_ledger_row_get_instance_id (BbLedgerRow *self); /* "" while unknown */
const char *bb_ledger_row_get_password (BbLedgerRow *self);    /* of this run, for adoption; never shown */
const char *const *bb_ledger_row_get_resources (BbLedgerRow *self);
double bb_ledger_row_get_hourly_cost (BbLedgerRow *self);
gint64 bb_ledger_row_get_requested_at_us (BbLedgerRow *self);  /* wall */
gint64 bb_ledger_row_get_confirmed_at_us (BbLedgerRow *self);  /* wall; 0 while the backend has not confirmed it */
BbInstance *bb_ledger_row_to_instance (BbLedgerRow *self);     /* (transfer full): for stop, check */

/*
 * The promise: every instance has an open row from before it is asked for until after it is confirmed gone.
 * Signals: "row-added", "row-changed", "row-closed" (BbLedgerRow *), "room" when a limit that refused has room again.
 */
#define BB_TYPE_LEDGER (bb_ledger_get_type ())
G_DECLARE_FINAL_TYPE (BbLedger, bb_ledger, BB, LEDGER, GObject)

typedef struct
{
  gint64 max_instances; /* 0: none; likewise below */
  double max_hourly_cost;
  double default_hourly_cost;
} BbLedgerLimits;

BbLedger *bb_ledger_new (BbStore *store, BbClock *clock);
void bb_ledger_set_limits (BbLedger *self, const BbLedgerLimits *limits);

/* Reads the open rows; before anything else is asked of it. */
void bb_ledger_load_async (BbLedger *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_ledger_load_finish (BbLedger *self, GAsyncResult *result, GError **error);

/**
 * bb_ledger_intend_async:
 * @hourly_cost: negative: unknown, counts as the default
 *
 * Makes a row, state intended, with a fresh token and number. Finishes when it is durable; only then may the backend be
 * called. Fails with %BB_ERROR_LIMIT (nothing was written; the counting includes rows whose write is under way, so two that race
 * can't exceed a limit; those refused are let in, by "room", in the order in which they came) or %BB_ERROR_STORE.
 */
void bb_ledger_intend_async (BbLedger *self, const char *slave_name, const char *backend, const char *scope,
                             const char *password, double hourly_cost, GCancellable *cancellable,
                             GAsyncReadyCallback callback, gpointer user_data);
BbLedgerRow *bb_ledger_intend_finish (BbLedger *self, GAsyncResult *result, GError **error); /* (transfer full) */

/* Each changes the row at once and writes it; the callback (nullable: a failed write is logged and tried again with
 * the next one) tells when it is durable. A closed row changes no more. */
void bb_ledger_set_requested (BbLedger *self, BbLedgerRow *row, GAsyncReadyCallback callback, gpointer user_data);
void bb_ledger_set_running (BbLedger *self, BbLedgerRow *row, BbInstance *instance, GAsyncReadyCallback callback,
                            gpointer user_data);
void bb_ledger_set_stopping (BbLedger *self, BbLedgerRow *row, GAsyncReadyCallback callback, gpointer user_data);
void bb_ledger_add_resource (BbLedger *self, BbLedgerRow *row, const char *resource, GAsyncReadyCallback callback,
                             gpointer user_data);
/* @why: "stopped", "gone", "not started", "forgotten by NAME: …"; goes into the row and the log. Only on the backend's word, or a
 * person's. */
void bb_ledger_close (BbLedger *self, BbLedgerRow *row, const char *why, GAsyncReadyCallback callback,
                      gpointer user_data);
gboolean bb_ledger_write_finish (BbLedger *self, GAsyncResult *result, GError **error); /* of all of these */
/* The backend has just been seen to agree that it is there. */
void bb_ledger_confirm (BbLedger *self, BbLedgerRow *row);

GPtrArray *bb_ledger_get_open_rows (BbLedger *self); /* (transfer container), by number */
BbLedgerRow *bb_ledger_find (BbLedger *self, guint64 number);           /* (transfer none) (nullable), open ones */
BbLedgerRow *bb_ledger_find_by_token (BbLedger *self, const char *token);
BbLedgerRow *bb_ledger_find_by_slave (BbLedger *self, const char *slave_name); /* the newest open one */
double bb_ledger_get_hourly_cost (BbLedger *self);                       /* sum over open rows */
guint bb_ledger_count_open (BbLedger *self);
guint bb_ledger_count_unconfirmed (BbLedger *self); /* not confirmed for longer than 10 minutes */

G_END_DECLS
