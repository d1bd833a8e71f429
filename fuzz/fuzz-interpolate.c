/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-error.h"
#include "bb-interpolate.h"
#include "fuzz.h"

/* Property interpolation: texts of the configuration with the values that a build has. */

static char *
answer (const char *scope, const char *name, gpointer user_data)
{
  if (g_str_equal (name, "missing"))
    return NULL;
  return g_strdup (g_str_equal (scope, "prop") ? "%(prop:recursive)s %%" : name);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autofree char *result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) syntax = NULL;

  if (!g_utf8_validate (text, -1, NULL)) /* configurations and properties are */
    return 0;
  result = bb_interpolate (text, answer, NULL, &error);
  if (result != NULL)
    {
      g_assert_no_error (error);
      g_assert_true (g_utf8_validate (result, -1, NULL));
      /* What can be interpolated was found to be right when the configuration was read. */
      g_assert_true (bb_interpolate_check (text, &syntax));
    }
  else
    {
      g_assert_nonnull (error);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_true (error->domain == BB_ERROR);
    }
  return 0;
}
