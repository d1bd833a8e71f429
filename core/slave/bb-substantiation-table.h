/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-substantiation.h"

G_BEGIN_DECLS

/* The four states that people see, and within each of them what is under way. doc/substantiation.md is made from
 * these comments. */
typedef enum
{
  BB_PHASE_NONE,              /* insubstantiated: there is no instance */
  BB_PHASE_INTENDING,         /* substantiating: the ledger row is being written */
  BB_PHASE_STARTING,          /* substantiating: start_instance was called */
  BB_PHASE_STARTING_ATTACHED, /* substantiating: the slave was faster than start_instance */
  BB_PHASE_AWAITING,          /* substantiating: the instance is there, its slave has not attached */
  BB_PHASE_ADOPTING,          /* substantiating: an instance of the time before a restart; its slave may come back */
  BB_PHASE_UP,                /* substantiated: the slave is attached */
  BB_PHASE_UP_LOST,           /* substantiated: the connection was lost while idle, and may come back */
  BB_PHASE_DROPPING_INTENT,   /* insubstantiating: given up while the row is being written */
  BB_PHASE_DROPPING_START,    /* insubstantiating: given up, start_instance has not returned yet */
  BB_PHASE_STOPPING,          /* insubstantiating: stop_instance was called */
  BB_PHASE_STOP_PAUSE,        /* insubstantiating: a stop failed or found nothing, the next one comes after a pause */
  BB_PHASE_CLOSING,           /* insubstantiating: confirmed gone, the row's end is being written */
  BB_PHASE_PARKING,           /* insubstantiating: park_instance was called */
  BB_PHASE_PARKED,            /* insubstantiated: there is an instance that is kept, but does not run */
  BB_PHASE_UNPARKING,         /* substantiating: the row of a parked instance is being written */
  BB_PHASE_DROPPING_UNPARK,   /* insubstantiating: given up while the row of a parked instance is being written */
  BB_N_PHASES,
  BB_PHASE_SAME = BB_N_PHASES,
} BbPhase;

typedef enum
{
  BB_EVENT_WANTED,        /* a build, or a person, wants the slave */
  BB_EVENT_UNWANTED,      /* nobody waits for it any more */
  BB_EVENT_INTENDED,      /* the row is on disk */
  BB_EVENT_NO_ROOM,       /* a limit of [host] is reached; nothing was written */
  BB_EVENT_REFUSED,       /* the row can't be written */
  BB_EVENT_STARTED,       /* start_instance returned an instance */
  BB_EVENT_START_FAILED,  /* start_instance returned an error */
  BB_EVENT_ATTACHED,      /* the slave has logged in and is set up */
  BB_EVENT_SETUP_FAILED,  /* the slave has logged in, but its set-up or first ping failed */
  BB_EVENT_LOST_IDLE,     /* the connection was lost, no build ran */
  BB_EVENT_LOST_BUSY,     /* the connection was lost under a build */
  BB_EVENT_DIED,          /* the instance was seen to have failed, or to be gone */
  BB_EVENT_OVERDUE,       /* missing_timeout, or the time for a return, has passed */
  BB_EVENT_BUILDS_ENDED,  /* the last build on it has ended */
  BB_EVENT_IDLE_OVER,     /* build_wait_timeout has passed */
  BB_EVENT_RETIRE,        /* it is to be replaced, and no build runs on it */
  BB_EVENT_STOP,          /* somebody wants it stopped: a person, a removal, the shutdown */
  BB_EVENT_STOPPED,       /* stop_instance has confirmed that it is gone */
  BB_EVENT_STOP_FAILED,   /* stop_instance failed, or did not return in time */
  BB_EVENT_NOT_FOUND,     /* stop_instance found nothing of an instance whose id is not known: that may be too early */
  BB_EVENT_RETRY,         /* the pause before the next stop is over */
  BB_EVENT_CLOSED,        /* the end of the row is on disk */
  BB_EVENT_FOUND,         /* there is an open row from before */
  BB_EVENT_FOUND_STOPPING, /* there is an open row from before that has to go */
  BB_EVENT_FOUND_PARKED,   /* there is an open row from before, of a parked instance */
  BB_EVENT_PARK,           /* it is idle or to be stopped, and its backend can keep it */
  BB_EVENT_PARKED,         /* park_instance has confirmed that it does not run any more */
  BB_EVENT_PARK_FAILED,    /* park_instance failed, or did not return in time */
  BB_N_EVENTS,
} BbEvent;

typedef enum
{
  BB_ACTION_MISSING, /* a hole in the table */
  BB_ACTION_BUG,     /* can't happen */
  BB_ACTION_NOTHING,
  BB_ACTION_INTEND,       /* write the ledger row */
  BB_ACTION_CALL_START,   /* call start_instance */
  BB_ACTION_CANCEL_START, /* cancel the call; what it may have made all the same is stopped when it returns */
  BB_ACTION_ADOPT,        /* take the row over */
  BB_ACTION_DELIVER,      /* give the machine to those who wait */
  BB_ACTION_REST,         /* start the idle clock, or retire */
  BB_ACTION_LOOK,         /* ask the backend whether the instance is alive */
  BB_ACTION_DROP_LINK,    /* close the connection: nobody asked for it */
  BB_ACTION_CALL_STOP,    /* call stop_instance; a running build loses its connection first */
  BB_ACTION_PAUSE,        /* wait, longer each time; after the third failure people are told */
  BB_ACTION_LOOK_LATER,   /* wait until a second look can be believed */
  BB_ACTION_CLOSE_ROW,    /* write the end of the row */
  BB_ACTION_CALL_PARK,    /* call park_instance */
  BB_ACTION_KEEP,         /* write into the row that it is parked */
  BB_ACTION_UNPARK,       /* write into the row that it is to be started again */
  BB_N_ACTIONS,
} BbAction;

/* What becomes of those who wait for the slave. */
typedef enum
{
  BB_WAITERS_STAY,    /* they go on waiting, for a fresh start if need be */
  BB_WAITERS_REQUEUE, /* back into the queue, nobody's fault */
  BB_WAITERS_FAIL,    /* the attempt has failed: back-off, LastError; builds are requeued or, if that can't help, fail */
} BbWaitersFate;

typedef struct
{
  guint8 action;
  guint8 next;
  guint8 fate;
} BbCell;

const BbCell *bb_substantiation_table_lookup (BbPhase phase, BbEvent event);
BbSubstantiationState bb_phase_get_state (BbPhase phase);
const char *bb_phase_to_string (BbPhase phase);
const char *bb_substantiation_event_to_string (BbEvent event);

G_END_DECLS
