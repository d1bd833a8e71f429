/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BbOptionType:
 * @BB_OPTION_STRING: char *; %NULL when missing without a default
 * @BB_OPTION_STRINGS: char ** (GStrv); %NULL when missing, empty when given and empty
 * @BB_OPTION_BOOLEAN: gboolean
 * @BB_OPTION_INTEGER: gint64
 * @BB_OPTION_NUMBER: double
 * @BB_OPTION_SECONDS: double, may have a fraction
 * @BB_OPTION_ENUM: int, index into @choices
 * @BB_OPTION_PATH: char *, absolute; `~/` is expanded, a relative path counts from the file's folder
 * @BB_OPTION_PAIRS: char ** of `key=value` items, keys not empty and each once
 * @BB_OPTION_ADDRESSES: char ** of mail addresses
 *
 * What the member at @offset of the configuration struct is. All pointers are owned by the struct.
 */
typedef enum
{
  BB_OPTION_STRING,
  BB_OPTION_STRINGS,
  BB_OPTION_BOOLEAN,
  BB_OPTION_INTEGER,
  BB_OPTION_NUMBER,
  BB_OPTION_SECONDS,
  BB_OPTION_ENUM,
  BB_OPTION_PATH,
  BB_OPTION_PAIRS,
  BB_OPTION_ADDRESSES,
} BbOptionType;

/**
 * BbOptionFlags:
 * @BB_OPTION_REQUIRED: leaving it out is an error
 * @BB_OPTION_SECRET: never logged, never on D-Bus, not quoted in errors, and the file that it is in must be closed to
 *   others; for %BB_OPTION_PATH it is the file named that holds the secret and must be closed
 * @BB_OPTION_LIVE: may change while the slave is attached or its instance runs; a change of any other option
 *   makes the running instance one to be replaced
 * @BB_OPTION_NONE_ALLOWED: the word `none` is taken, and stored as 0 (numbers) or %NULL
 * @BB_OPTION_INTERPOLATED: `%(…)s` is filled in when it is used; syntax is checked when it is read
 */
typedef enum
{
  BB_OPTION_NO_FLAGS = 0,
  BB_OPTION_REQUIRED = 1 << 0,
  BB_OPTION_SECRET = 1 << 1,
  BB_OPTION_LIVE = 1 << 2,
  BB_OPTION_NONE_ALLOWED = 1 << 3,
  BB_OPTION_INTERPOLATED = 1 << 4,
} BbOptionFlags;

/**
 * BbOption:
 * @key: the key in the file, Buildbot's own word
 * @type: what the member is
 * @offset: of the member in the configuration struct
 * @fallback: the default as it would be written in the file, or %NULL
 * @minimum: least number, for the numeric types, when @minimum < @maximum
 * @maximum: largest number
 * @flags: see #BbOptionFlags
 * @choices: for %BB_OPTION_ENUM, the words, ends with %NULL
 * @help: one sentence for the manual, marked with N_()
 *
 * One row of the table from which parsing, defaults, ranges, the nearest key of a typo, equality, freeing, the
 * manual page, `--check-config` and `bbctl plugins` are derived. A table ends with a row of zeros.
 */
typedef struct
{
  const char *key;
  BbOptionType type;
  gsize offset;
  const char *fallback;
  double minimum;
  double maximum;
  BbOptionFlags flags;
  const char *const *choices;
  const char *help;
} BbOption;

G_END_DECLS
