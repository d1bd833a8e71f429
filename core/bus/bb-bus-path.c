/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-path.h"

char *
bb_bus_path_escape (const char *name)
{
  GString *escaped;

  if (*name == '\0')
    return g_strdup ("_");
  escaped = g_string_sized_new (strlen (name) + 8);
  for (const char *c = name; *c != '\0'; c++)
    {
      if (g_ascii_isalpha (*c) || (c > name && g_ascii_isdigit (*c)))
        g_string_append_c (escaped, *c);
      else
        g_string_append_printf (escaped, "_%02x", (guchar) *c);
    }
  return g_string_free (escaped, FALSE);
}

char *
bb_bus_path_unescape (const char *element)
{
  g_autoptr (GString) name = g_string_new (NULL);
  g_autofree char *canonical = NULL;

  for (const char *c = element; *c != '\0' && !g_str_equal (element, "_"); c++)
    {
      if (*c != '_')
        g_string_append_c (name, *c);
      else if (g_ascii_isxdigit (c[1]) && g_ascii_isxdigit (c[2]))
        {
          g_string_append_c (name, (char) (g_ascii_xdigit_value (c[1]) * 16 + g_ascii_xdigit_value (c[2])));
          c += 2;
        }
      else
        return NULL;
    }
  canonical = bb_bus_path_escape (name->str);
  /* An object has one path: "bot_2D1", or a letter that is escaped without need, is another one. */
  return g_str_equal (canonical, element) ? g_strdup (name->str) : NULL;
}

char *
bb_bus_path_of_slave (const char *name)
{
  g_autofree char *element = bb_bus_path_escape (name);

  return g_strconcat (BB_BUS_ROOT "/slaves/", element, NULL);
}

char *
bb_bus_path_of_build (guint64 number)
{
  return g_strdup_printf (BB_BUS_ROOT "/builds/%" G_GUINT64_FORMAT, number);
}

char *
bb_bus_path_of_instance (guint64 number)
{
  return g_strdup_printf (BB_BUS_ROOT "/instances/%" G_GUINT64_FORMAT, number);
}

gboolean
bb_bus_path_parse_number (const char *element, guint64 *number)
{
  if (*element == '0' && element[1] != '\0')
    return FALSE;
  return g_ascii_string_to_unsigned (element, 10, 0, G_MAXUINT64, number, NULL);
}
