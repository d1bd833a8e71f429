/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-row.h"

#include <string.h>

char *
bb_ec2_row_make_token (const char *row_token, guint attempt)
{
  return attempt == 0 ? g_strdup (row_token) : g_strdup_printf ("%s-%u", row_token, attempt);
}

gboolean
bb_ec2_row_parse_resources (const char *const *resources, gint64 *last_launch, gboolean *spot)
{
  gboolean is_open = FALSE;

  *last_launch = 0;
  *spot = FALSE;
  for (gsize i = 0; resources[i] != NULL; i++)
    {
      gboolean for_spot = g_str_has_prefix (resources[i], "spot-launch:");
      const char *at = strrchr (resources[i], '@');
      g_autofree char *refusal = NULL;
      g_autofree char *token = NULL;
      const char *colon;

      if ((!for_spot && !g_str_has_prefix (resources[i], "launch:")) || at == NULL)
        continue;
      colon = strchr (resources[i], ':');
      token = g_strndup (colon + 1, (gsize) (at - colon - 1));
      refusal = g_strconcat ("refused:", token, NULL);
      *last_launch = MAX (*last_launch, g_ascii_strtoll (at + 1, NULL, 10));
      if (g_strv_contains (resources, refusal))
        continue;
      is_open = TRUE;
      *spot = *spot || for_spot;
    }
  return is_open;
}
