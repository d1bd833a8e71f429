/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-latent-slave.h"
#include "bb-ledger.h"
#include "bb-loop.h"
#include "bb-notice.h"
#include "bb-option.h"
#include "bb-reaper.h"

G_BEGIN_DECLS

/* The life of one latent slave's instance: the one state machine, driven by a table (bb-substantiation-table.c). */
typedef enum
{
  BB_INSUBSTANTIATED,
  BB_SUBSTANTIATING,
  BB_SUBSTANTIATED,
  BB_INSUBSTANTIATING,
  BB_N_SUBSTANTIATION_STATES,
} BbSubstantiationState;

const char *bb_substantiation_state_to_string (BbSubstantiationState state);

/* What all slaves' machines have in common; the slave manager's. */
typedef struct
{
  BbLoop *loop;
  BbLedger *ledger;
  BbReaper *reaper; /* not owned, weak; nullable */
  char *host_name;
  char *store_id;
  char *state_directory;
  char *master_host;
  guint16 master_port;
  char *protocol;
  gboolean tls;
  gint64 adopt_until_us;   /* loop time: until then slaves may come back to instances of before the start */
  double login_grace;
  double instance_max_lifetime; /* 0: no limit */
  gboolean shutting_down;  /* nothing is started any more */
} BbSubstantiationContext;

/* Somebody who waits for the slave: a member of its owner's struct. */
typedef struct
{
  GVariant *properties; /* a{sv}, borrowed: the owner keeps it while it waits */
  gpointer owner;
  /*< private >*/
  GList link;
  guint round;
  gboolean queued;
} BbWaiter;

typedef struct
{
  /* The slave is there (@error NULL), or will not be; @waiter is not in the queue any more. */
  void (*waiter_done) (BbWaiter *waiter, const GError *error, gpointer user_data);
  /* State, row or what is under way has changed. */
  void (*changed) (gpointer user_data);
  /* An attempt has failed: the slave is to rest for a while. */
  void (*attempt_failed) (const GError *error, gpointer user_data);
  /* The slave is substantiated, or there is no limit in the way any more. */
  void (*attempt_succeeded) (gpointer user_data);
  /* A limit of [host] is in the way; bb_substantiation_room() tells when to ask again. */
  void (*no_room) (const GError *error, gpointer user_data);
  /* The row has been written: the limit leaves room for this one, perhaps for more. */
  void (*had_room) (gpointer user_data);
  /* Ends the slave's connection, if there is one, attached or not; its builds end as lost before this returns. */
  void (*drop_link) (const GError *reason, gpointer user_data);
  /* @details: (nullable) (transfer floating): what the kind has beside what the slave and @row know */
  void (*notice) (BbNoticeKind kind, const char *summary, GVariant *details, BbLedgerRow *row, gpointer user_data);
} BbSubstantiationHooks;

/*
 * Calls of the backend never overlap, but that a stop which does not return within its time limit and does not obey its
 * cancellation either is given up. Holds no reference to the slave but while a call of it is under way.
 */
#define BB_TYPE_SUBSTANTIATION (bb_substantiation_get_type ())
G_DECLARE_FINAL_TYPE (BbSubstantiation, bb_substantiation, BB, SUBSTANTIATION, GObject)

/* @backend: the slave's type, @options: its table, both static. @context: the caller's, outlives it. @slave: not
 * owned. */
BbSubstantiation *bb_substantiation_new (BbLatentSlave *slave, const char *backend, const BbOption *options,
                                         const BbSubstantiationContext *context, const BbSubstantiationHooks *hooks,
                                         gpointer user_data);
/* No more hooks, timers or calls; calls under way are cancelled, and their rows stay open. */
void bb_substantiation_abandon (BbSubstantiation *self);

BbSubstantiationState bb_substantiation_get_state (BbSubstantiation *self);
const char *bb_substantiation_get_why (BbSubstantiation *self); /* what led into the state, as in the log; "" before */
BbLedgerRow *bb_substantiation_get_row (BbSubstantiation *self); /* (transfer none) (nullable) */
/* No instance, nothing under way, nobody waits. */
gboolean bb_substantiation_is_at_rest (BbSubstantiation *self);
/* There is an instance, but it does not run. */
gboolean bb_substantiation_is_parked (BbSubstantiation *self);
/* Attached, or it may be again after a restart: what keep_on_stop is about. */
gboolean bb_substantiation_may_be_kept (BbSubstantiation *self);
/* Whether one more build would run on the instance there is, rather than wait for another. */
gboolean bb_substantiation_takes_builds (BbSubstantiation *self);
/* %TRUE after a stop failed, until it is confirmed; @error (borrowed): why. */
gboolean bb_substantiation_is_stuck (BbSubstantiation *self, const GError **error);
guint bb_substantiation_get_builds (BbSubstantiation *self); /* that run on it */

/* Whether somebody who knows the password may attach now; @why_not: static text. */
gboolean bb_substantiation_may_attach (BbSubstantiation *self, const char **why_not);
/* This run's own password; %NULL when there is none. */
const char *bb_substantiation_get_password (BbSubstantiation *self);

/* Waits from now on; waiter_done is called later, or before this returns. */
void bb_substantiation_wait (BbSubstantiation *self, BbWaiter *waiter);
void bb_substantiation_unwait (BbSubstantiation *self, BbWaiter *waiter); /* no-op when it does not wait */
void bb_substantiation_want (BbSubstantiation *self);                     /* a person's Substantiate() */
/* Number of the instance that a waiter got: to be given back when its build has ended. */
guint bb_substantiation_get_serial (BbSubstantiation *self);
void bb_substantiation_build_ended (BbSubstantiation *self, guint serial);

void bb_substantiation_attached (BbSubstantiation *self);
void bb_substantiation_setup_failed (BbSubstantiation *self, const GError *error);
/* @under_build: a build ran, which may have ended of this already. */
void bb_substantiation_lost (BbSubstantiation *self, gboolean under_build);
void bb_substantiation_died (BbSubstantiation *self, const GError *error); /* a listing says so */
void bb_substantiation_row_closed (BbSubstantiation *self);                /* somebody else has closed its row */
/* An open row of before that it can act for: to be adopted, or stopped. (transfer none) (nullable) */
BbLedgerRow *bb_substantiation_find_row (BbSubstantiation *self);
/* One that it can't: of the type, region or account that the slave had before. Nothing is started beside it, as its
 * slave would log in under the same name. */
BbLedgerRow *bb_substantiation_find_foreign_row (BbSubstantiation *self);
void bb_substantiation_found (BbSubstantiation *self, BbLedgerRow *row); /* takes it over; only at rest */
void bb_substantiation_room (BbSubstantiation *self);
/* @fast: without asking the guest, and without keeping it parked. @reason: for those who wait. */
void bb_substantiation_stop (BbSubstantiation *self, gboolean fast, const GError *reason);
/* The idle instance is to go, a busy one when its builds have ended. */
void bb_substantiation_retire (BbSubstantiation *self);
/* The same for good: the slave was removed, and nobody waits for it any more. */
void bb_substantiation_dismiss (BbSubstantiation *self);
/* Times have changed: running clocks count the new ones from when they began. */
void bb_substantiation_settings_changed (BbSubstantiation *self);

G_END_DECLS
