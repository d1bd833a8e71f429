/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build.h"
#include "bb-store.h"

G_BEGIN_DECLS

/* Says why @build waits, in words; (transfer full). */
typedef char *(*BbBuildExplainFunc) (BbBuild *build, gpointer user_data);

/* The folder sees its own object whole; everybody else uses bb-build.h. */
struct _BbBuild
{
  GObject parent_instance;

  guint64 number;
  char *builder;      /* "" for an ad-hoc command */
  char *slave;        /* the one that it was given to; "" */
  char *wanted_slave; /* the only one that it may be given to; "" */
  BbBuildState state;
  BbResult result;
  char *reason;
  GVariant *request;    /* a{sv}: what was asked for, and what a retry is made from; see bb-run-request.h */
  GVariant *properties; /* a{sv} */
  GPtrArray *steps;     /* of BbBuildStep *, owned */
  gint64 submitted_at_us; /* wall */
  gint64 started_at_us;
  gint64 finished_at_us;
  gint64 position; /* in its builder's queue, smallest first: its number, or the number of the build that it retries */
  gint64 build_set; /* number of the first build of those that were asked for together; 0: asked for alone */
  gint64 attempts; /* how often the request was begun before */
  guint n_stored_steps; /* from the first on, whose rows were handed to the store as they are */

  BbBuildExplainFunc explain;
  gpointer explain_data; /* not owned; the build master outlives what it explains, or clears it */
};

BbBuild *bb_build_new (guint64 number, const char *builder, const char *wanted_slave, GVariant *request);
void bb_build_set_reason (BbBuild *self, const char *reason);
void bb_build_set_properties (BbBuild *self, GVariant *properties);
void bb_build_set_slave (BbBuild *self, const char *slave);

BbBuildStep *bb_build_step_new (const char *name);
void bb_build_step_free (BbBuildStep *self);
gboolean bb_build_step_has_log (const BbBuildStep *self, const char *log);

/* Rows of the tables `builds` and `steps`, floating. */
GVariant *bb_build_to_row (BbBuild *self);
GVariant *bb_build_step_to_row (BbBuild *self, guint position);
BbBuild *bb_build_new_from_row (GVariant *row); /* without its steps */
BbBuildStep *bb_build_step_new_from_row (GVariant *row);

/* What D-Bus and `bbctl builds --json` show; floating a{sv}, and its steps alone, floating aa{sv}. */
GVariant *bb_build_describe (BbBuild *self);
GVariant *bb_build_describe_steps (BbBuild *self);

G_END_DECLS
