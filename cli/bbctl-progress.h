/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What takes long, on standard error: a line that is written over on a terminal, else a line for each change. */
typedef struct
{
  gboolean quiet;
  gboolean terminal;
  char *text;     /* what was shown last, without the time */
  gboolean shown; /* the terminal's line has it now */
} BbctlProgress;

/* @since_us: since when; 0: no time is shown */
void bbctl_progress_set (BbctlProgress *self, const char *text, gint64 since_us);
/* Before anything else is written to the terminal. */
void bbctl_progress_hide (BbctlProgress *self);
/* A line that stays. */
void bbctl_progress_note (BbctlProgress *self, const char *text);
void bbctl_progress_clear (BbctlProgress *self);

G_END_DECLS
