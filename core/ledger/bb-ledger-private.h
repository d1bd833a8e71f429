/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-budget.h"
#include "bb-ledger-row-private.h"
#include "bb-ledger.h"

G_BEGIN_DECLS

/* Between the files of the ledger: bb-ledger.c keeps the rows, bb-ledger-limits.c says whether there may be more. */
struct _BbLedger
{
  GObject parent_instance;

  BbStore *store;        /* owned */
  BbClock *clock;        /* owned */
  BbLedgerLimits limits;
  BbBudget budget;
  guint64 last_number;
  GHashTable *rows;      /* &number (the row's) → BbLedgerRow (owned): the open ones */
  GHashTable *by_token;  /* token (the row's) → BbLedgerRow */
  GHashTable *by_slave;  /* name (owned) → GPtrArray (owned) of BbLedgerRow, the newest last */
  GHashTable *intended;  /* set of BbLedgerRow (owned) whose first write is under way; they count */
  GHashTable *unwritten; /* set of BbLedgerRow (owned): the last write of these failed */
  gint64 n_parked;       /* of rows: those that don't run, until they are unparked or closed */
  gboolean refused;      /* a limit has refused somebody since "room" was said */
  gboolean failing;      /* the last write failed, and that was said */
};

double bb_ledger_count_cost (BbLedger *self, double own_cost); /* the default when it is unknown (negative) */
void bb_ledger_count_row (BbLedger *self, BbLedgerRow *row); /* after what its price or state is made of has changed */
/* Whether one more may be made that costs @cost per hour. */
gboolean bb_ledger_check_limits (BbLedger *self, double cost, GError **error);
void bb_ledger_tell_room (BbLedger *self); /* "room", if somebody was refused and need not be any more */
void bb_ledger_note_spent (BbLedger *self, BbLedgerRow *row); /* when it stops to cost */
void bb_ledger_note_closed (BbLedger *self, BbLedgerRow *row); /* its cost is this month's from now on */
/* Reads what this month has cost so far, and ends @task (transfer full, of the ledger's) with that. */
void bb_ledger_load_budget (BbLedger *self, GTask *task);

G_END_DECLS
