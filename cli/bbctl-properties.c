/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-properties.h"

GVariant *
bbctl_parse_property_value (const char *text)
{
  gsize length = strlen (text);
  gint64 number;

  if (g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &number, NULL))
    return g_variant_new_int64 (number);
  if (g_str_equal (text, "true") || g_str_equal (text, "false"))
    return g_variant_new_boolean (*text == 't');
  if (length >= 2 && *text == '"' && text[length - 1] == '"')
    return g_variant_new_take_string (g_strndup (text + 1, length - 2));
  return g_variant_new_string (text);
}

GVariant *
bbctl_parse_properties (char **items, const char **wrong)
{
  GVariantDict properties;

  g_variant_dict_init (&properties, NULL);
  *wrong = NULL;
  for (; items != NULL && *items != NULL; items++)
    {
      const char *equals = strchr (*items, '=');
      g_autofree char *name = NULL;

      if (equals == NULL || equals == *items || !g_utf8_validate (*items, -1, NULL))
        {
          *wrong = *items;
          g_variant_dict_clear (&properties);
          return NULL;
        }
      name = g_strndup (*items, (gsize) (equals - *items));
      g_variant_dict_insert_value (&properties, name, bbctl_parse_property_value (equals + 1));
    }
  return g_variant_dict_end (&properties);
}
