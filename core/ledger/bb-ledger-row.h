/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-instance.h"

G_BEGIN_DECLS

typedef enum
{
  BB_ROW_INTENDED,  /* durable before the backend is called */
  BB_ROW_REQUESTED, /* the backend is being, or was, called; whether it acted is not known */
  BB_ROW_RUNNING,   /* the backend has answered with an instance id */
  BB_ROW_PARKED,    /* stopped, confirmed, and kept for the next start of its slave: costs no more than its disks */
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
GVariant *bb_ledger_row_get_details (BbLedgerRow *self); /* (transfer none): a{sv}, of how it was made, for people */
/* Digest of the options that a parked one was started with. */
const char *bb_ledger_row_get_made_with (BbLedgerRow *self);
gint64 bb_ledger_row_get_requested_at_us (BbLedgerRow *self);  /* wall */
gint64 bb_ledger_row_get_born_us (BbLedgerRow *self);          /* the same, on the monotonic clock, that nobody sets */
gint64 bb_ledger_row_get_confirmed_at_us (BbLedgerRow *self);  /* wall, within a minute; 0: never */
const char *bb_ledger_row_get_why (BbLedgerRow *self);         /* it was closed; "" before */
/* From before this start of the daemon, or found by a listing. */
gboolean bb_ledger_row_is_inherited (BbLedgerRow *self);
gboolean bb_ledger_row_is_closing (BbLedgerRow *self);   /* closed but for the disk; or closed */
BbInstance *bb_ledger_row_to_instance (BbLedgerRow *self);     /* (transfer full): for stop, check */

G_END_DECLS
