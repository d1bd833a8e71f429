/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-instance-choice.h"

#include <string.h>

#include "bb-interpolate.h"

static char *
property_to_string (const char *scope, const char *name, gpointer user_data)
{
  GVariant *properties = user_data;
  g_autoptr (GVariant) value = NULL;

  /* What the slave and the host say is the same for all builds. */
  if (!g_str_equal (scope, "prop"))
    return g_strdup ("");
  value = properties != NULL ? g_variant_lookup_value (properties, name, NULL) : NULL;
  if (value == NULL)
    return NULL;
  return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (value, NULL)
                                                             : g_variant_print (value, FALSE);
}

static gboolean
depends_on_properties (const char *text)
{
  return text != NULL && strstr (text, "%(prop:") != NULL;
}

static void
append_choice (GString *choice, const BbOption *option, const char *text, GVariant *properties)
{
  g_autofree char *value = NULL;

  if (!depends_on_properties (text))
    return;
  /* A property that is missing fails the start, with the property's name; here it is a choice of its own. */
  value = bb_interpolate (text, property_to_string, properties, NULL);
  g_string_append_printf (choice, "%s=%" G_GSIZE_FORMAT ":%s;", option->key, value != NULL ? strlen (value) : 0,
                          value != NULL ? value : "?");
}

/* The texts of an option that may depend on properties; NULL when it has none. */
static const char *const *
get_texts (const BbOption *option, gconstpointer config, const char **one)
{
  gconstpointer member = (const char *) config + option->offset;

  one[0] = NULL;
  if (!(option->flags & BB_OPTION_INTERPOLATED))
    return one;
  switch (option->type)
    {
    case BB_OPTION_STRING:
    case BB_OPTION_PATH:
      one[0] = *(const char *const *) member;
      return one;
    case BB_OPTION_STRINGS:
    case BB_OPTION_PAIRS:
    case BB_OPTION_ADDRESSES:
      return *(const char *const *const *) member != NULL ? *(const char *const *const *) member : one;
    default:
      return one;
    }
}

gboolean
bb_instance_choice_exists (const BbOption *options, gconstpointer config)
{
  const char *one[2] = { NULL, NULL };

  for (const BbOption *option = options; config != NULL && option != NULL && option->key != NULL; option++)
    for (const char *const *text = get_texts (option, config, one); *text != NULL; text++)
      if (depends_on_properties (*text))
        return TRUE;
  return FALSE;
}

char *
bb_instance_choice_new (const BbOption *options, gconstpointer config, GVariant *properties)
{
  g_autoptr (GString) choice = NULL;
  const char *one[2] = { NULL, NULL };

  if (!bb_instance_choice_exists (options, config))
    return NULL;
  choice = g_string_new (NULL);
  for (const BbOption *option = options; option->key != NULL; option++)
    for (const char *const *text = get_texts (option, config, one); *text != NULL; text++)
      append_choice (choice, option, *text, properties);
  return g_string_free (g_steal_pointer (&choice), FALSE);
}
