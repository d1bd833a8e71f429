/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-backoff.h"
#include "bb-instance-request.h"
#include "bb-slave-settings.h"
#include "bb-substantiation-table.h"

G_BEGIN_DECLS

/* Between the files of the executor: bb-substantiation.c decides, bb-substantiation-calls.c talks to backend and
 * ledger, bb-substantiation-clocks.c says what time it is. */
struct _BbSubstantiation
{
  GObject parent_instance;

  BbLatentSlave *slave; /* not owned */
  const char *backend;
  const BbOption *options;
  const BbSubstantiationContext *context; /* not to be looked at when abandoned */
  BbLedger *ledger;                       /* owned: what comes back later still goes into it */
  const BbSubstantiationHooks *hooks; /* NULL: abandoned */
  gpointer user_data;

  BbPhase phase;
  char *why; /* it is in its state: the event, and the error that came with it */
  GQueue waiters; /* of BbWaiter, linked by their own member */
  GQueue events;  /* of what has happened and was not looked at yet */
  BbTimer deadline; /* of the phase: missing_timeout, a call's time limit, the pause, the instance's lifetime */
  BbTimer idle;
  BbTimer check;
  gint64 since_us;      /* loop time of the request */
  gint64 idle_since_us; /* loop time; counts while the idle clock runs or could */

  /* This run: of one row. */
  BbLedgerRow *row;           /* owned; NULL also while attached unasked */
  BbInstanceRequest *request; /* owned */
  char *choice;
  guint uses;
  gint64 not_found_since_us; /* loop time: a stop by token found nothing then; 0: none has */
  BbBackoff stop_pauses;
  GError *trouble; /* why the last stop failed */

  GCancellable *call_cancellable; /* of start or stop; NULL: none is under way */
  guint call_serial;
  GCancellable *check_cancellable;
  guint check_serial;
  gint64 check_since_us;

  guint serial;   /* of the substantiated machine: what a build that ends must name to count */
  guint n_builds;
  guint round; /* of waiting: ends when all are sent away */

  guint dispatching : 1;
  guint wanted : 1;        /* by a person, not yet there */
  guint no_room : 1;
  guint retiring : 1;      /* gets no new build, and goes when the last one has ended */
  guint choice_unknown : 1; /* adopted: it was made for a build that nobody remembers */
  guint own_password : 1;  /* the row's password counts, not the settings' */
  guint look_again : 1;    /* its backend says that it has changed since the check began */
  guint gone_once : 1;     /* a check found nothing: is believed the second time */
  guint fast : 1;
  guint stop_cancelled : 1;
  guint told_overdue : 1;
  guint past_lifetime : 1;
};

BbSlaveSettings *bb_substantiation_get_settings (BbSubstantiation *self);
void bb_substantiation_post (BbSubstantiation *self, BbEvent event, const GError *error);

/* Where a build's properties and the slave's own are one a{sv}, as a start sees them. (transfer full) */
GVariant *bb_substantiation_merge_properties (BbSubstantiation *self, GVariant *properties);

const char *bb_substantiation_get_instance_name (BbSubstantiation *self); /* for people; never empty */

gboolean bb_phase_is_substantiated (BbPhase phase);
void bb_substantiation_init_clocks (BbSubstantiation *self);
void bb_substantiation_stop_clocks (BbSubstantiation *self);
/* Changes the phase, and makes exactly the clocks run that belong to it. */
void bb_substantiation_enter_phase (BbSubstantiation *self, BbPhase next);
void bb_substantiation_start_idle_clock (BbSubstantiation *self);
void bb_substantiation_check_soon (BbSubstantiation *self); /* after one interval, where it is not looked at anyway */

void bb_substantiation_call_intend (BbSubstantiation *self);
void bb_substantiation_call_start (BbSubstantiation *self);
void bb_substantiation_call_stop (BbSubstantiation *self);
void bb_substantiation_call_park (BbSubstantiation *self);
void bb_substantiation_call_unpark (BbSubstantiation *self);
char *bb_substantiation_digest_options (BbSubstantiation *self); /* of what it would be started with now */
void bb_substantiation_give_up_stop (BbSubstantiation *self); /* of a park as well: its return counts no more, unless it is a success */
void bb_substantiation_call_check (BbSubstantiation *self);
void bb_substantiation_forget_check (BbSubstantiation *self);
void bb_substantiation_close_row (BbSubstantiation *self);

G_END_DECLS
