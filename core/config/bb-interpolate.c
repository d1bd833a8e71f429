/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-interpolate.h"

#include <string.h>

#include "bb-error.h"

/* One `%(SCOPE:NAME)s` or `%(prop:NAME:-FALLBACK)s`. */
typedef struct
{
  char *scope;
  char *name;
  char *fallback; /* NULL: none */
} Reference;

static void
reference_clear (Reference *reference)
{
  g_free (reference->scope);
  g_free (reference->name);
  g_free (reference->fallback);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Reference, reference_clear)

static gboolean
check_reference (const Reference *reference, GError **error)
{
  static const char *const master_names[] = { "host", "port", "protocol", "tls", NULL };
  const char *scope = reference->scope;
  const char *name = reference->name;

  if (g_str_equal (scope, "prop") && *name != '\0')
    return TRUE;
  if (g_str_equal (scope, "slave") && (g_str_equal (name, "name") || g_str_equal (name, "password")))
    return TRUE;
  if (g_str_equal (scope, "host") && g_str_equal (name, "name"))
    return TRUE;
  if (g_str_equal (scope, "master") && g_strv_contains (master_names, name))
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG,
               "\"%%(%s%s%s)s\" is unknown; there are %%(prop:NAME)s, %%(prop:NAME:-default)s, %%(slave:name)s, "
               "%%(slave:password)s, %%(host:name)s, and %%(master:NAME)s with host, port, protocol, tls",
               scope, *scope != '\0' && *name != '\0' ? ":" : "", name);
  return FALSE;
}

/* Parses what follows `%(`; *@text is moved behind the closing `)s`. */
static gboolean
parse_reference (const char **text, Reference *reference, GError **error)
{
  const char *start = *text;
  const char *end = strstr (start, ")s");
  g_autofree char *inner = NULL;
  char *colon;
  char *fallback;

  if (end == NULL)
    {
      g_set_error_literal (error, BB_ERROR, BB_ERROR_CONFIG,
                           "a \"%(\" is not closed by \")s\"; write %% for a percent sign");
      return FALSE;
    }
  *text = end + strlen (")s");
  inner = g_strndup (start, end - start);
  colon = strchr (inner, ':');
  if (colon == NULL)
    {
      reference->scope = g_steal_pointer (&inner);
      reference->name = g_strdup ("");
      return check_reference (reference, error);
    }
  *colon = '\0';
  fallback = strstr (colon + 1, ":-");
  if (fallback != NULL)
    {
      *fallback = '\0';
      reference->fallback = g_strdup (fallback + strlen (":-"));
    }
  reference->name = g_strdup (colon + 1);
  reference->scope = g_steal_pointer (&inner);
  return check_reference (reference, error);
}

static gboolean
append_value (GString *result, const Reference *reference, BbInterpolateFunc func, gpointer user_data, GError **error)
{
  g_autofree char *value = func (reference->scope, reference->name, user_data);
  const char *text = value != NULL ? value : reference->fallback;

  if (text == NULL && g_str_equal (reference->scope, "prop"))
    g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
                 "the property \"%s\" is not set; set it, or write %%(prop:%s:-default)s", reference->name,
                 reference->name);
  else if (text == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "\"%%(%s:%s)s\" has no value here", reference->scope,
                 reference->name);
  if (text == NULL)
    return FALSE;
  g_string_append (result, text);
  return TRUE;
}

/* @func: NULL to check the syntax alone. */
static char *
expand (const char *text, BbInterpolateFunc func, gpointer user_data, GError **error)
{
  g_autoptr (GString) result = g_string_new (NULL);

  while (*text != '\0')
    {
      const char *percent = strchrnul (text, '%');

      g_string_append_len (result, text, percent - text);
      text = percent;
      if (g_str_has_prefix (text, "%%"))
        {
          g_string_append_c (result, '%');
          text += strlen ("%%");
        }
      else if (g_str_has_prefix (text, "%("))
        {
          g_auto (Reference) reference = { 0 };

          text += strlen ("%(");
          if (!parse_reference (&text, &reference, error))
            return NULL;
          if (func != NULL && !append_value (result, &reference, func, user_data, error))
            return NULL;
        }
      else if (*text == '%')
        {
          g_autofree char *rest = g_utf8_substring (text, 0, MIN (g_utf8_strlen (text, -1), 10));

          g_set_error (error, BB_ERROR, BB_ERROR_CONFIG,
                       "there is a lone %% at \"%s\"; write %%%% for a percent sign", rest);
          return NULL;
        }
    }
  return g_string_free (g_steal_pointer (&result), FALSE);
}

char *
bb_interpolate (const char *text, BbInterpolateFunc func, gpointer user_data, GError **error)
{
  g_return_val_if_fail (text != NULL, NULL);
  g_return_val_if_fail (func != NULL, NULL);

  return expand (text, func, user_data, error);
}

gboolean
bb_interpolate_check (const char *text, GError **error)
{
  g_autofree char *result = NULL;

  g_return_val_if_fail (text != NULL, FALSE);

  result = expand (text, NULL, NULL, error);
  return result != NULL;
}
