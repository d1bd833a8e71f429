/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-types.h"

static const char *const result_names[] = {
  "success", "warnings", "failure", "skipped", "exception", "retry", "cancelled",
};
G_STATIC_ASSERT (G_N_ELEMENTS (result_names) == BB_RESULT_CANCELLED + 1);

const char *
bb_result_to_string (BbResult result)
{
  if (result < 0 || result >= (int) G_N_ELEMENTS (result_names))
    return "";
  return result_names[result];
}

BbResult
bb_result_from_string (const char *text)
{
  for (guint i = 0; text != NULL && i < G_N_ELEMENTS (result_names); i++)
    if (g_str_equal (text, result_names[i]))
      return (BbResult) i;
  return BB_RESULT_NONE;
}
