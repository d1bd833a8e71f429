/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-private.h"
#include "bb-loop.h"
#include "bb-slave-link.h"
#include "bb-step-types.h"

G_BEGIN_DECLS

/* Most that one log may hold; the command is interrupted beyond it. */
#define BB_LOG_LIMIT ((guint64) 4 << 30)

/*
 * One step of one build while it runs: its commands on the slave, its logs, its transfer. Fills in the BbBuildStep.
 */
#define BB_TYPE_STEP_RUN (bb_step_run_get_type ())
G_DECLARE_FINAL_TYPE (BbStepRun, bb_step_run, BB, STEP_RUN, GObject)

typedef struct
{
  /* A log was added to the step. */
  void (*changed) (BbStepRun *self, gpointer user_data);
  void (*log_appended) (BbStepRun *self, const char *log, guint64 size, gpointer user_data);
  /* Once, with result, exit code and text filled in and all files closed. May drop the last reference. */
  void (*finished) (BbStepRun *self, gpointer user_data);
} BbStepRunEvents;

typedef struct
{
  BbLoop *loop;
  BbSlaveLink *link;
  const char *builder;      /* as the slave knows it */
  const char *directory;    /* the build's own, on the host */
  guint position;
  const BbStepConfig *step; /* lives as long as the run */
  BbBuildStep *record;      /* likewise as long as the run */
  gboolean split_output;    /* `stdout` and `stderr` beside `stdio` */
} BbStepRunParameters;

BbStepRun *bb_step_run_new (const BbStepRunParameters *parameters, const BbStepRunEvents *events, gpointer user_data);
/* @context: until this returns */
void bb_step_run_start (BbStepRun *self, const BbStepContext *context);

/* Ends it early with @result and @why. The slave is asked, and the link sees to it that an answer comes: it closes the
 * connection of a slave that does not end what it was asked to end. The first one counts. */
void bb_step_run_interrupt (BbStepRun *self, BbResult result, const char *why);

/* The same without waiting for the slave: finished() is called at once, and what still comes is dropped. */
void bb_step_run_abandon (BbStepRun *self, BbResult result, const char *why);

/* Whether an exception came from the slave, and not from the configuration or from the host's own disk. */
gboolean bb_step_run_is_slaves_fault (BbStepRun *self);

/* No event any more: for a receiver that goes before its step has ended. */
void bb_step_run_disconnect (BbStepRun *self);

G_END_DECLS
