/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* How a build or a step ended, in Buildbot's words and order. */
typedef enum
{
  BB_RESULT_NONE = -1, /* has not ended */
  BB_RESULT_SUCCESS = 0,
  BB_RESULT_WARNINGS,
  BB_RESULT_FAILURE,
  BB_RESULT_SKIPPED,
  BB_RESULT_EXCEPTION,
  BB_RESULT_RETRY,
  BB_RESULT_CANCELLED,
} BbResult;

const char *bb_result_to_string (BbResult result); /* "" for BB_RESULT_NONE, else as on D-Bus */
BbResult bb_result_from_string (const char *text); /* BB_RESULT_NONE for anything unknown */

G_END_DECLS
