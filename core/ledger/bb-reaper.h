/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-latent-slave.h"
#include "bb-ledger.h"
#include "bb-loop.h"

G_BEGIN_DECLS

/* What the reaper must know of the slaves, without knowing the slave manager. All are required. */
typedef struct
{
  /* All latent slaves, those included that a reload removed and that have open rows. (transfer container) */
  GPtrArray *(*list_slaves) (gpointer user_data);
  /* The type= of a slave: the backend of its rows. */
  const char *(*get_type_name) (BbLatentSlave *slave, gpointer user_data);
  /* The slave that can act for @row: the one it was started for, or another of its backend and scope. (nullable) */
  BbLatentSlave *(*find_backend) (BbLedgerRow *row, gpointer user_data);
  /* A substantiation holds the row and takes care of it. */
  gboolean (*is_in_use) (BbLedgerRow *row, gpointer user_data);
  /* Listing has seen the instance of a row that is in use to be gone, twice. */
  void (*row_gone) (BbLedgerRow *row, gpointer user_data);
  /* Listing has seen the instance of a row that is in use and parked to run, twice. */
  void (*row_woken) (BbLedgerRow *row, gpointer user_data);
  /* Something a person must hear of. @details: (transfer floating): see bb-notice.h, but for what @row (nullable) knows */
  void (*trouble) (const char *summary, GVariant *details, BbLedgerRow *row, gpointer user_data);
} BbReaperHooks;

/*
 * Compares the ledger with what the backends have, at start and every reconcile interval, and ends what nobody
 * answers for. Careful: an absence or an orphan counts only when seen twice, a listing that failed proves nothing.
 *
 * What becomes of what it finds, by each complete listing of a backend's scope:
 *  - A row with its instance: confirmed; its id is filled in if the answer to its start was lost.
 *  - A parked row whose instance is seen to run twice, as somebody has started it: told to its substantiation.
 *  - A row whose instance is absent twice: told to its substantiation, or closed; if more was made for it than the
 *    instance, the backend is first asked to stop it, so that the rest goes too.
 *  - An orphan, an instance with this store's mark and no open row, seen twice: gets its row back, or a new one, and
 *    is stopped. Until the grace after the start is over it is only shown: its slave may still log in.
 *  - A row that no substantiation holds: stopped, when the grace is over. One that was to be stopped already: at once.
 */
#define BB_TYPE_REAPER (bb_reaper_get_type ())
G_DECLARE_FINAL_TYPE (BbReaper, bb_reaper, BB, REAPER, GObject)

/* @hooks: copied */
BbReaper *bb_reaper_new (BbLedger *ledger, BbLoop *loop, const char *store_id, const BbReaperHooks *hooks,
                         gpointer user_data);
void bb_reaper_set_interval (BbReaper *self, double seconds);
/* @store_is_new: what is found then is reported as well. Rows that are not in use are stopped @login_grace seconds
 * after this: until then their slave may come back and be adopted. */
void bb_reaper_start (BbReaper *self, gboolean store_is_new, double login_grace);
void bb_reaper_reconcile_now (BbReaper *self); /* also ends the pauses before further attempts */
/* Stops the row's instance, and closes the row when that is confirmed; tried again with growing pauses. */
void bb_reaper_stop_row (BbReaper *self, BbLedgerRow *row);
gboolean bb_reaper_is_stopping (BbReaper *self, BbLedgerRow *row);
void bb_reaper_shutdown (BbReaper *self); /* no new calls; pending ones are cancelled */

G_END_DECLS
