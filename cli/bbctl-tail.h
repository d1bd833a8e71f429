/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bbctl-progress.h"
#include "bbctl.h"

G_BEGIN_DECLS

/* One log on its way to one of our outputs: raw, as a terminal may see it, or as JSON lines. */
typedef struct _BbctlTail BbctlTail;

typedef enum
{
  BBCTL_TAIL_RAW,
  BBCTL_TAIL_TERMINAL,
  BBCTL_TAIL_JSON_LINES, /* {"event":"log","step":…,"log":…,"text":…} */
  BBCTL_TAIL_COLLECT,    /* kept; see bbctl_tail_get_text() */
} BbctlTailForm;

/* @out: a descriptor that stays the caller's; @progress: what must be hidden before something is written */
BbctlTail *bbctl_tail_new (const char *step, const char *log, BbctlTailForm form, int out, BbctlProgress *progress);
void bbctl_tail_free (BbctlTail *self);
gboolean bbctl_tail_is (BbctlTail *self, const char *step, const char *log);

/* Opens the log when it is not open yet. */
gboolean bbctl_tail_open (BbctlTail *self, Bbctl *ctl, const char *build_path, GError **error);

/**
 * bbctl_tail_copy:
 * @more: (out): there may be more at once; else the end was reached, for now
 *
 * Passes on a good piece of what is there. FALSE: it can't be read, or what it goes to has been closed
 * (%G_IO_ERROR_BROKEN_PIPE).
 */
gboolean bbctl_tail_copy (BbctlTail *self, gboolean *more, GError **error);
/* Nothing will come any more: passes on what was held back. */
gboolean bbctl_tail_end (BbctlTail *self, GError **error);
char *bbctl_tail_get_text (BbctlTail *self); /* of COLLECT: all, as valid UTF-8; (transfer full) */

G_END_DECLS
