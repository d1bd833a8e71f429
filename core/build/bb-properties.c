/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-properties.h"

#include "bb-interpolate.h"

#define MAX_NAME_LENGTH 256

static gboolean
is_property_type (GVariant *value)
{
  return g_variant_type_is_basic (g_variant_get_type (value)) || g_variant_is_of_type (value,
                                                                                       G_VARIANT_TYPE_STRING_ARRAY);
}

gboolean
bb_properties_check (GVariant *properties, GError **error)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (g_variant_get_size (properties) > BB_PROPERTIES_MAX_BYTES)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
                   "properties: %" G_GSIZE_FORMAT " bytes are more than the %d that one request may bring",
                   g_variant_get_size (properties), BB_PROPERTIES_MAX_BYTES);
      return FALSE;
    }

  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      const char *wrong = NULL;

      if (*name == '\0' || strlen (name) > MAX_NAME_LENGTH)
        wrong = "a name has 1 to 256 bytes";
      else if (!is_property_type (value))
        wrong = "a value is a string, a number, a boolean or a list of strings";
      if (wrong != NULL)
        {
          g_autofree char *quoted = bb_error_quote (name, 64);

          g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "property \"%s\": %s", quoted, wrong);
          g_variant_unref (value);
          return FALSE;
        }
    }
  return TRUE;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

GVariant *
bb_properties_merge (GVariant *const *layers, gsize n_layers)
{
  g_autoptr (GHashTable) values = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                                         (GDestroyNotify) g_variant_unref);
  g_autofree const char **names = NULL;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  guint n_names;

  for (gsize i = 0; i < n_layers; i++)
    {
      GVariantIter iter;
      const char *name;
      GVariant *value;

      if (layers[i] == NULL)
        continue;
      g_variant_iter_init (&iter, layers[i]);
      while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
        g_hash_table_insert (values, (char *) name, value); /* names live as long as their layer */
    }

  names = (const char **) g_hash_table_get_keys_as_array (values, &n_names);
  qsort (names, n_names, sizeof *names, compare_names);
  for (guint i = 0; i < n_names; i++)
    g_variant_builder_add (&builder, "{sv}", names[i], (GVariant *) g_hash_table_lookup (values, names[i]));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

char *
bb_property_to_text (GVariant *value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_strdup (g_ascii_formatd (buffer, sizeof buffer, "%.15g", g_variant_get_double (value)));
  return g_variant_print (value, FALSE);
}

static char *
lookup (const char *scope_name, const char *name, gpointer user_data)
{
  const BbPropertyScope *scope = user_data;
  g_autoptr (GVariant) value = NULL;

  if (g_str_equal (scope_name, "slave"))
    return g_str_equal (name, "name") ? g_strdup (scope->slave_name) : NULL;
  if (g_str_equal (scope_name, "host"))
    return g_str_equal (name, "name") ? g_strdup (scope->host_name) : NULL;
  if (!g_str_equal (scope_name, "prop") || scope->properties == NULL)
    return NULL;
  value = g_variant_lookup_value (scope->properties, name, NULL);
  return value != NULL ? bb_property_to_text (value) : NULL;
}

char *
bb_properties_interpolate (const BbPropertyScope *scope, const char *text, GError **error)
{
  if (scope->literal)
    return g_strdup (text);
  return bb_interpolate (text, lookup, (gpointer) scope, error);
}
