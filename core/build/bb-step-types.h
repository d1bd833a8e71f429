/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-config.h"
#include "bb-properties.h"

G_BEGIN_DECLS

/* In the order of `type=` in interface and configuration; BbStepConfig.type. */
typedef enum
{
  BB_STEP_SHELL,
  BB_STEP_UPLOAD,
  BB_STEP_UPLOAD_DIRECTORY,
  BB_STEP_DOWNLOAD,
  BB_STEP_MKDIR,
  BB_STEP_RMDIR,
  BB_STEP_COPY,
  BB_N_STEP_TYPES,
} BbStepType;

/* What a step's texts may draw from. */
typedef struct
{
  BbPropertyScope scope;
  const char *const *builder_env; /* key=value; (nullable) */
} BbStepContext;

/*
 * One row per type: which remote commands it is made of. A step is `count` commands, one after the other, until one
 * fails; they differ only where a slave's command takes one directory at a time.
 */
typedef struct
{
  const char *name;           /* the value of `type=` */
  const char *command;        /* the remote command, in the words of bb_slave_link_start_command() */
  gboolean halt_on_failure;   /* defaults, as in Buildbot: the configuration is tested against them */
  gboolean flunk_on_failure;
  guint (*count) (const BbStepConfig *step);
  /* The arguments of command @index, floating; NULL with an error when a text can't be interpolated. */
  GVariant *(*make_args) (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error);
} BbStepTypeInfo;

extern const BbStepTypeInfo bb_step_types[BB_N_STEP_TYPES];

/* Whether do_step_if lets it run; FALSE with @error for a text that can't be interpolated. */
gboolean bb_step_is_wanted (const BbStepConfig *step, const BbStepContext *context, GError **error);

/* The names and files of logfiles= ("name=file"), split; FALSE when @pair has no `=`. */
gboolean bb_step_split_pair (const char *pair, char **key, char **value);

G_END_DECLS
