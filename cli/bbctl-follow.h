/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bbctl-tail.h"
#include "bbctl.h"

G_BEGIN_DECLS

/* A build from now until its end: its logs as they come, its progress, and how it ended. */
typedef struct _BbctlFollow BbctlFollow;

typedef struct
{
  gboolean logs;          /* show them */
  gboolean split;         /* of a command: standard output and error, each to ours */
  gboolean collect;       /* keep them for the document at the end, rather than to show them */
  gboolean json_lines;    /* {"event":"build",…} for each change, {"event":"log",…} */
  gboolean progress;      /* what it waits for, on standard error */
  gboolean cancel_on_interrupt;
  const char *only_step;  /* NULL: all */
  const char *log;        /* NULL: stdio */
} BbctlFollowOptions;

/* @path: of the build */
BbctlFollow *bbctl_follow_new (Bbctl *ctl, const char *path, const BbctlFollowOptions *options);
void bbctl_follow_free (BbctlFollow *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbctlFollow, bbctl_follow_free)

/**
 * bbctl_follow_until_finished:
 * @signal_number: (out): 0, or the signal that ended it, or that had the build cancelled
 *
 * Returns: (transfer full) (nullable): the build's properties as they are at the end, or %NULL with @error, or without
 *   one when a signal ended it
 */
GVariant *bbctl_follow_until_finished (BbctlFollow *self, int *signal_number, GError **error);

char *bbctl_follow_get_collected (BbctlFollow *self, const char *log); /* of the first step; (transfer full) */

/* The status of `build --wait` for a build that has finished. */
int bbctl_follow_status (GVariant *build);
/* "build 7 of hello on bot1: success in 12 s", with the reason; (transfer full) */
char *bbctl_follow_summary (GVariant *build);

G_END_DECLS
