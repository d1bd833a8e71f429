/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-latent-slave.h"
#include "bb-ledger.h"
#include "bb-loop.h"

G_BEGIN_DECLS

/* What the reaper must know of the slaves, without knowing the slave manager. */
typedef struct
{
  /* All latent slaves, those included that a reload removed and that have open rows. (transfer container) */
  GPtrArray *(*list_slaves) (gpointer user_data);
  /* The slave that can act for @row: the one it was started for, or another of the same backend and scope. (nullable) */
  BbLatentSlave *(*find_backend) (BbLedgerRow *row, gpointer user_data);
  /* A substantiation holds the row and takes care of it. */
  gboolean (*is_in_use) (BbLedgerRow *row, gpointer user_data);
  /* Listing has seen the instance of a row that is in use to be gone, twice. */
  void (*row_gone) (BbLedgerRow *row, gpointer user_data);
  /* Something a person must hear of. */
  void (*trouble) (const char *summary, BbLedgerRow *row, gpointer user_data);
} BbReaperHooks;

/*
 * Compares the ledger with what the backends have, at start and every reconcile interval, and ends what nobody
 * answers for. Careful: an absence or an orphan counts only when seen twice, a listing that failed proves nothing.
 */
#define BB_TYPE_REAPER (bb_reaper_get_type ())
G_DECLARE_FINAL_TYPE (BbReaper, bb_reaper, BB, REAPER, GObject)

BbReaper *bb_reaper_new (BbLedger *ledger, BbLoop *loop, const char *store_id, const BbReaperHooks *hooks,
                         gpointer user_data);
void bb_reaper_set_interval (BbReaper *self, double seconds);
/* @store_is_new: report first, and stop what is left only after the grace. Rows that are not in use are stopped
 * after @login_grace seconds: until then their slave may come back and be adopted. */
void bb_reaper_start (BbReaper *self, gboolean store_is_new, double login_grace);
void bb_reaper_reconcile_now (BbReaper *self);
/* Stops the row's instance, and closes the row when that is confirmed; tried again with growing pauses. */
void bb_reaper_stop_row (BbReaper *self, BbLedgerRow *row);
void bb_reaper_shutdown (BbReaper *self); /* no new calls; pending ones are cancelled */

G_END_DECLS
