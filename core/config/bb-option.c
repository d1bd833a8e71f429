/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-error.h"
#include "bb-interpolate.h"
#include "bb-option-struct.h"

#include <math.h>
#include <string.h>

/* Words longer than this are no typing mistakes; keeps the distance's table on the stack. */
#define MAX_WORD 64

/* An address longer than this can't be sent to (RFC 5321, 4.5.3.1.3). */
#define MAX_ADDRESS 254

static gboolean G_GNUC_PRINTF (2, 3)
refuse (GError **error, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error_literal (error, BB_ERROR, BB_ERROR_CONFIG, message);
  return FALSE;
}

/* The value as errors show it. */
static char *
quote (const BbOption *option, const char *text)
{
  g_autofree char *escaped = NULL;

  if (option->flags & BB_OPTION_SECRET)
    return g_strdup ("the value");
  escaped = g_strescape (text, NULL);
  /* g_strescape() also escapes what is not ASCII; people shall recognize what they wrote. */
  if (g_utf8_validate (text, -1, NULL) && strpbrk (text, "\"\\\n\r\t") == NULL)
    return g_strdup_printf ("\"%s\"", text);
  return g_strdup_printf ("\"%s\"", escaped);
}

/* One item up to @stop (0: the end of the text); *@text is moved behind it. */
static char *
unescape_item (const char **text, char stop, GError **error)
{
  GString *item = g_string_new (NULL);
  gsize keep = 0; /* blanks after this do not count */
  const char *c = *text;

  while (g_ascii_isspace (*c))
    c++;
  for (; *c != '\0' && *c != stop; c++)
    {
      static const char names[] = "sntr\\";
      static const char values[] = " \n\t\r\\";
      const char *name = NULL;

      if (*c != '\\')
        {
          g_string_append_c (item, *c);
          if (!g_ascii_isspace (*c))
            keep = item->len;
          continue;
        }
      c++;
      if (stop != '\0' && *c == stop)
        g_string_append_c (item, stop);
      else if (*c != '\0' && (name = strchr (names, *c)) != NULL)
        g_string_append_c (item, values[name - names]);
      else
        {
          g_string_free (item, TRUE);
          refuse (error, "there is a lone backslash; write \\\\ for a backslash");
          return NULL;
        }
      keep = item->len;
    }
  *text = c;
  g_string_truncate (item, keep);
  return g_string_free (item, FALSE);
}

char *
bb_option_unescape (const char *text, GError **error)
{
  return unescape_item (&text, '\0', error);
}

char **
bb_option_unescape_list (const char *text, GError **error)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func (g_free);

  while (g_ascii_isspace (*text))
    text++;
  while (*text != '\0')
    {
      char *item = unescape_item (&text, ';', error);

      if (item == NULL)
        return NULL;
      g_ptr_array_add (items, item);
      if (*text == ';')
        text++;
      /* The last item may or may not have its semicolon. */
      while (g_ascii_isspace (*text))
        text++;
    }
  g_ptr_array_add (items, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&items), FALSE);
}

static gboolean
parse_number (const char *text, double *number)
{
  char *end = NULL;

  /* g_ascii_strtod() also takes hexadecimal, "inf" and "nan", which nobody means. */
  if (*text == '\0' || strspn (text, "+-.0123456789eE") != strlen (text))
    return FALSE;
  *number = g_ascii_strtod (text, &end);
  return end != text && *end == '\0' && isfinite (*number);
}

static void
append_number (GString *text, double number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (text, g_ascii_formatd (buffer, sizeof buffer, "%.15g", number));
}

/* What would have been right, of a number. */
static char *
describe_range (const BbOption *option)
{
  /* A fraction is taken everywhere, but said only where it is of use. */
  gboolean whole = option->type == BB_OPTION_INTEGER || (option->type == BB_OPTION_SECONDS && option->minimum >= 1);
  GString *text = g_string_new (whole ? "a whole number" : "a number");

  if (option->type == BB_OPTION_SECONDS)
    g_string_append (text, " of seconds");
  if (option->minimum < option->maximum)
    {
      g_string_append (text, " from ");
      append_number (text, option->minimum);
      g_string_append (text, " to ");
      append_number (text, option->maximum);
    }
  if (option->flags & BB_OPTION_NONE_ALLOWED)
    g_string_append (text, ", or none");
  return g_string_free (text, FALSE);
}

static gboolean
parse_numeric (const BbOption *option, gpointer member, const char *text, GError **error)
{
  gboolean none_allowed = (option->flags & BB_OPTION_NONE_ALLOWED) != 0;
  gboolean good;
  double number = 0;
  gint64 integer = 0;

  if (none_allowed && g_str_equal (text, "none"))
    good = TRUE;
  else
    {
      if (option->type == BB_OPTION_INTEGER)
        {
          good = g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &integer, NULL);
          number = (double) integer;
        }
      else
        good = parse_number (text, &number);
      /* Where there may be none, 0 says the same, as it does to Buildbot. */
      if (good && option->minimum < option->maximum && !(none_allowed && number == 0))
        good = number >= option->minimum && number <= option->maximum;
    }
  if (!good)
    {
      g_autofree char *quoted = quote (option, text);
      g_autofree char *range = describe_range (option);

      return refuse (error, "%s is not %s", quoted, range);
    }
  if (option->type == BB_OPTION_INTEGER)
    *(gint64 *) member = integer;
  else
    *(double *) member = number == 0 ? 0 : number; /* no -0: equality is by bytes */
  return TRUE;
}

static gboolean
parse_boolean (const BbOption *option, gboolean *member, const char *text, GError **error)
{
  g_autofree char *quoted = NULL;

  *member = g_str_equal (text, "true");
  if (*member || g_str_equal (text, "false"))
    return TRUE;
  quoted = quote (option, text);
  return refuse (error, "%s is neither true nor false", quoted);
}

static gboolean
parse_enum (const BbOption *option, int *member, const char *text, GError **error)
{
  g_autofree char *quoted = NULL;
  g_autofree char *choices = NULL;

  for (int i = 0; option->choices[i] != NULL; i++)
    if (g_str_equal (option->choices[i], text))
      {
        *member = i;
        return TRUE;
      }
  quoted = quote (option, text);
  choices = g_strjoinv (", ", (char **) option->choices);
  return refuse (error, "%s is not one of: %s", quoted, choices);
}

static gboolean
parse_text (const BbOption *option, char **member, const char *text, const char *folder, GError **error)
{
  g_autofree char *value = bb_option_unescape (text, error);

  if (value == NULL)
    return FALSE;
  if ((option->flags & BB_OPTION_INTERPOLATED) && !bb_interpolate_check (value, error))
    return FALSE;
  if (option->type == BB_OPTION_PATH)
    {
      g_autofree char *path = NULL;

      if (*value == '\0')
        return refuse (error, "is empty; give the path of a file or folder");
      if (g_str_has_prefix (value, "~/"))
        path = g_build_filename (g_get_home_dir (), value + 2, NULL);
      else if (folder != NULL && !g_path_is_absolute (value))
        path = g_build_filename (folder, value, NULL);
      if (path != NULL)
        {
          g_free (value);
          value = g_steal_pointer (&path);
        }
    }
  g_free (*member);
  *member = g_steal_pointer (&value);
  return TRUE;
}

static gboolean
check_pair (const BbOption *option, const char *item, GHashTable *keys, GError **error)
{
  const char *equals = strchr (item, '=');
  char *key;

  if (equals == NULL || equals == item)
    {
      g_autofree char *quoted = quote (option, item);

      return refuse (error, "%s is not KEY=VALUE", quoted);
    }
  key = g_strndup (item, equals - item);
  if (!g_hash_table_add (keys, key))
    return refuse (error, "the key \"%.*s\" is given twice", (int) (equals - item), item);
  return TRUE;
}

static gboolean
check_list (const BbOption *option, char **items, GError **error)
{
  g_autoptr (GHashTable) keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (char **item = items; *item != NULL; item++)
    {
      if ((option->flags & BB_OPTION_INTERPOLATED) && !bb_interpolate_check (*item, error))
        return FALSE;
      if (option->type == BB_OPTION_PAIRS && !check_pair (option, *item, keys, error))
        return FALSE;
      if (option->type == BB_OPTION_ADDRESSES && !bb_option_is_mail_address (*item))
        {
          g_autofree char *quoted = quote (option, *item);

          return refuse (error, "%s is not a mail address like name@example.org", quoted);
        }
    }
  return TRUE;
}

static gboolean
parse_list (const BbOption *option, char ***member, const char *text, GError **error)
{
  g_auto (GStrv) items = bb_option_unescape_list (text, error);

  if (items == NULL || !check_list (option, items, error))
    return FALSE;
  g_strfreev (*member);
  *member = g_steal_pointer (&items);
  return TRUE;
}

gboolean
bb_option_parse (const BbOption *option, gpointer config, const char *text, const char *folder, GError **error)
{
  gpointer member = G_STRUCT_MEMBER_P (config, option->offset);
  g_autofree char *plain = g_strstrip (g_strdup (text));
  gboolean none = (option->flags & BB_OPTION_NONE_ALLOWED) && g_str_equal (plain, "none");

  switch (option->type)
    {
    case BB_OPTION_BOOLEAN:
      return parse_boolean (option, member, plain, error);
    case BB_OPTION_ENUM:
      return parse_enum (option, member, plain, error);
    case BB_OPTION_INTEGER:
    case BB_OPTION_NUMBER:
    case BB_OPTION_SECONDS:
      return parse_numeric (option, member, plain, error);
    case BB_OPTION_STRING:
    case BB_OPTION_PATH:
      if (none)
        g_clear_pointer ((char **) member, g_free);
      return none || parse_text (option, member, text, folder, error);
    case BB_OPTION_STRINGS:
    case BB_OPTION_PAIRS:
    case BB_OPTION_ADDRESSES:
      if (none)
        g_clear_pointer ((char ***) member, g_strfreev);
      return none || parse_list (option, member, text, error);
    }
  g_return_val_if_reached (FALSE);
}

const BbOption *
bb_option_find (const BbOption *options, const char *key)
{
  for (const BbOption *option = options; option->key != NULL; option++)
    if (g_str_equal (option->key, key))
      return option;
  return NULL;
}

const char *
bb_option_type_to_string (BbOptionType type)
{
  static const char *const names[] = { "string",  "list of strings", "boolean", "integer",           "number",
                                       "seconds", "choice",          "path",    "list of key=value", "list of addresses" };

  G_STATIC_ASSERT (G_N_ELEMENTS (names) == BB_OPTION_ADDRESSES + 1);
  g_return_val_if_fail ((guint) type < G_N_ELEMENTS (names), "");
  return names[type];
}

/* Insertions, deletions, replacements and swapped neighbours between @a and @b. */
static guint
distance (const char *a, gsize a_length, const char *b, gsize b_length)
{
  guint rows[3][MAX_WORD + 1];

  for (gsize j = 0; j <= b_length; j++)
    rows[0][j] = (guint) j;
  for (gsize i = 1; i <= a_length; i++)
    {
      guint *row = rows[i % 3];
      const guint *above = rows[(i + 2) % 3];

      row[0] = (guint) i;
      for (gsize j = 1; j <= b_length; j++)
        {
          row[j] = MIN (above[j], row[j - 1]) + 1;
          row[j] = MIN (row[j], above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
          if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            row[j] = MIN (row[j], rows[(i + 1) % 3][j - 2] + 1);
        }
    }
  return rows[a_length % 3][b_length];
}

const char *
bb_option_nearest (const char *word, const char *const *known)
{
  gsize length = strlen (word);
  const char *nearest = NULL;
  guint least;

  if (length < 2 || length > MAX_WORD)
    return NULL;
  least = MAX ((guint) length / 3, 1) + 1;
  for (; *known != NULL; known++)
    {
      gsize known_length = strlen (*known);
      guint d;

      /* Their difference in length is a lower bound, which spares most of the work among thousands of names. */
      if (known_length > MAX_WORD || known_length + least <= length || length + least <= known_length)
        continue;
      d = distance (word, length, *known, known_length);
      if (d < least)
        {
          least = d;
          nearest = *known;
        }
    }
  return nearest;
}

/* `a@b.c`, `<a@b.c>` or `Name <a@b.c>`; no blanks or controls in the address, one @, a domain of at least one label
 * (a farm's own mail server may well know "localhost"). */
gboolean
bb_option_is_mail_address (const char *text)
{
  const char *open = strchr (text, '<');
  g_autofree char *address = NULL;
  const char *at;

  for (const char *c = text; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      return FALSE;
  if (open != NULL)
    {
      const char *close = strchr (open, '>');

      if (close == NULL || close[1] != '\0')
        return FALSE;
      address = g_strndup (open + 1, close - open - 1);
    }
  else
    address = g_strdup (text);
  at = strchr (address, '@');
  if (at == NULL || at == address || at[1] == '\0' || strchr (at + 1, '@') != NULL || strlen (address) > MAX_ADDRESS)
    return FALSE;
  if (strpbrk (address, " <>,;()\"") != NULL)
    return FALSE;
  return at[1] != '.' && !g_str_has_suffix (at, ".") && strstr (at, "..") == NULL;
}
