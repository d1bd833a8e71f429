/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

/* Which finished builds are mailed: the words of `mode`, as bits. */
typedef enum
{
  BB_MAIL_FAILING = 1 << 0,
  BB_MAIL_PASSING = 1 << 1,
  BB_MAIL_WARNINGS = 1 << 2,
  BB_MAIL_EXCEPTION = 1 << 3,
  BB_MAIL_CHANGE = 1 << 4,
  BB_MAIL_PROBLEM = 1 << 5,
  BB_MAIL_CANCELLED = 1 << 6,
} BbMailMode;

/**
 * bb_mail_mode_parse:
 * @words: as written. As the only word, `all` stands for failing, passing, warnings and exception, and `warnings` for
 *   failing and warnings
 * @error_text: (out) (transfer full): what is wrong, and what would be right
 */
gboolean bb_mail_mode_parse (const char *const *words, guint *mode, char **error_text);

/* @previous: how the previous build of this builder ended, BB_RESULT_NONE when there is none: then neither `change`
 * nor `problem` holds. */
gboolean bb_mail_mode_selects (guint mode, BbResult result, BbResult previous);

G_END_DECLS
