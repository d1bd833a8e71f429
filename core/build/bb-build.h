/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-config.h"
#include "bb-slave.h"
#include "bb-types.h"

G_BEGIN_DECLS

typedef enum
{
  BB_BUILD_PENDING,
  BB_BUILD_WAITING_FOR_SLAVE,
  BB_BUILD_RUNNING,
  BB_BUILD_FINISHED,
} BbBuildState;

const char *bb_build_state_to_string (BbBuildState state);

/* Of one step of one build. */
typedef struct
{
  char *name;
  BbBuildState state; /* PENDING, RUNNING, FINISHED */
  BbResult result;
  gint exit_code; /* -1: none, or killed */
  gint64 started_at_us;
  gint64 finished_at_us;
  char *text;      /* why it failed, in words; "" */
  GPtrArray *logs; /* of char *: names; the file is STATE/builds/N/POSITION-STEP.LOG */
} BbBuildStep;

/*
 * One request to build, and the build that it becomes. While it is alive (not finished) it is an object; finished ones
 * are rows of the store, read when asked for.
 */
#define BB_TYPE_BUILD (bb_build_get_type ())
G_DECLARE_FINAL_TYPE (BbBuild, bb_build, BB, BUILD, GObject)

guint64 bb_build_get_number (BbBuild *self);
const char *bb_build_get_builder (BbBuild *self);    /* "" for an ad-hoc command */
const char *bb_build_get_slave_name (BbBuild *self); /* "" until one is chosen, or the one asked for */
BbBuildState bb_build_get_state (BbBuild *self);
BbResult bb_build_get_result (BbBuild *self);
GVariant *bb_build_get_properties (BbBuild *self); /* a{sv}, floating-free; what D-Bus shows */
GPtrArray *bb_build_get_steps (BbBuild *self);     /* (transfer none), of BbBuildStep */
gint64 bb_build_get_submitted_at_us (BbBuild *self);
gint64 bb_build_get_started_at_us (BbBuild *self);
gint64 bb_build_get_finished_at_us (BbBuild *self);
guint64 bb_build_get_build_set (BbBuild *self); /* number of the first of those asked for together; 0: alone */
const char *bb_build_get_reason (BbBuild *self); /* why it waits, or why it ended as it did; "" */

G_END_DECLS
