/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-private.h"

#include <string.h>

#include "bb-error.h"

/* Twice of what one host is meant for. */
#define MAX_RANGE 100000
#define MAX_DIGITS 9

static gboolean
refuse (GError **error, const char *name, const char *why)
{
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "\"%s\": %s", name, why);
  return FALSE;
}

/* One of the two numbers, between @text and @end. */
static gboolean
parse_bound (const char *text, const char *end, guint *number)
{
  g_autofree char *digits = g_strndup (text, end - text);
  guint64 value;

  if (end - text > MAX_DIGITS || !g_ascii_string_to_unsigned (digits, 10, 0, G_MAXUINT, &value, NULL))
    return FALSE;
  *number = (guint) value;
  return TRUE;
}

gboolean
bb_config_range_parse (BbConfigRange *range, const char *name, GError **error)
{
  const char *open = strchr (name, '{');
  const char *close = open != NULL ? strchr (open, '}') : NULL;
  const char *dots = open != NULL ? strstr (open, "..") : NULL;
  gsize digits;

  memset (range, 0, sizeof *range);
  if (dots == NULL)
    {
      range->prefix = g_strdup (name);
      return TRUE;
    }
  if (close == NULL || dots > close || !parse_bound (open + 1, dots, &range->first) ||
      !parse_bound (dots + 2, close, &range->last))
    return refuse (error, name, "a range is written {FIRST..LAST}, as in bot-{001..200}");
  if (strpbrk (close + 1, "{}") != NULL)
    return refuse (error, name, "there can be only one range in a name");
  if (range->first > range->last)
    return refuse (error, name, "the range begins behind its end");
  if (range->last - range->first >= MAX_RANGE)
    return refuse (error, name, "the range has more than 100000 numbers");
  digits = dots - open - 1;
  /* {001..200} is bot-001; {1..200} is bot-1. */
  if (digits > 1 && open[1] == '0')
    range->width = (int) digits;
  range->prefix = g_strndup (name, open - name);
  range->suffix = g_strdup (close + 1);
  return TRUE;
}

guint
bb_config_range_count (const BbConfigRange *range)
{
  return range->suffix == NULL ? 1 : range->last - range->first + 1;
}

char *
bb_config_range_get (const BbConfigRange *range, guint index)
{
  if (range->suffix == NULL)
    return g_strdup (range->prefix);
  return g_strdup_printf ("%s%0*u%s", range->prefix, range->width, range->first + index, range->suffix);
}

void
bb_config_range_clear (BbConfigRange *range)
{
  g_clear_pointer (&range->prefix, g_free);
  g_clear_pointer (&range->suffix, g_free);
}
