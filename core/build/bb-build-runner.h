/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-private.h"
#include "bb-loop.h"
#include "bb-slave-link.h"

G_BEGIN_DECLS

/*
 * Runs the steps of one build in order, over one link, with Buildbot's rules: a failed step counts as its
 * flunk_on_failure and warn_on_failure say, halt_on_failure ends the build but for the steps with always_run, an
 * exception ends it likewise; the worst of all is the result. A lost link makes it a retry at once, unless it was
 * cancelled.
 */
#define BB_TYPE_BUILD_RUNNER (bb_build_runner_get_type ())
G_DECLARE_FINAL_TYPE (BbBuildRunner, bb_build_runner, BB, BUILD_RUNNER, GObject)

typedef struct
{
  void (*changed) (BbBuildRunner *self, guint mask, gpointer user_data); /* of BbBuildChange */
  void (*step_finished) (BbBuildRunner *self, guint position, gpointer user_data);
  void (*log_appended) (BbBuildRunner *self, const char *step, const char *log, guint64 size, gpointer user_data);
  /* Once; the build's result and reason are set, its state is the receiver's business. May drop the last reference. */
  void (*finished) (BbBuildRunner *self, gpointer user_data);
} BbBuildRunnerEvents;

typedef struct
{
  BbLoop *loop;
  BbBuild *build;
  BbSlaveLink *link;
  const BbBuilderConfig *builder; /* of an ad-hoc command: bb_run_request_get_builder() */
  gpointer owner;                 /* what keeps @builder alive; unreferenced by @owner_free at the end */
  GDestroyNotify owner_free;
  const char *builder_name;       /* as the slave knows it */
  const char *slave_name;
  GVariant *slave_properties;     /* a{sv} (nullable) */
  GVariant *slave_info;           /* a{sv} (nullable): "basedir" and "system" are looked at */
  const char *instance_id;        /* nullable: of the slave's instance */
  const char *host_name;
  const char *directory;          /* STATE/builds/N */
} BbBuildRunnerParameters;

BbBuildRunner *bb_build_runner_new (const BbBuildRunnerParameters *parameters, const BbBuildRunnerEvents *events,
                                    gpointer user_data);
void bb_build_runner_start (BbBuildRunner *self);
BbBuild *bb_build_runner_get_build (BbBuildRunner *self);
/* How it ended as far as the slave is concerned: an exception that it has no part in is a plain failure. */
BbResult bb_build_runner_get_slave_result (BbBuildRunner *self);

/* Interrupts the step that runs; steps with always_run still run, and a second cancel interrupts those. */
void bb_build_runner_cancel (BbBuildRunner *self, const char *why);
/* Interrupts it to be taken up again as a retry; nothing else is begun. */
void bb_build_runner_stop (BbBuildRunner *self, const char *why);
/* finished() within a few turns of the loop, as a retry, whatever the slave does. */
void bb_build_runner_abandon (BbBuildRunner *self, const char *why);

/* The steps as they will run, not begun. */
void bb_build_add_steps (BbBuild *build, const BbBuilderConfig *builder);

G_END_DECLS
