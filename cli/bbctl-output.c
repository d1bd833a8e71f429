/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-output.h"

#include <glib/gi18n.h>

struct _BbctlTable
{
  const BbctlColumn *columns;
  guint n_columns;
  GPtrArray *cells; /* of char *, row by row */
};

BbctlTable *
bbctl_table_new (const BbctlColumn *columns, guint n_columns)
{
  BbctlTable *self = g_new0 (BbctlTable, 1);

  self->columns = columns;
  self->n_columns = n_columns;
  self->cells = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
bbctl_table_free (BbctlTable *self)
{
  g_ptr_array_unref (self->cells);
  g_free (self);
}

void
bbctl_table_add (BbctlTable *self, ...)
{
  va_list args;

  va_start (args, self);
  for (guint i = 0; i < self->n_columns; i++)
    {
      g_autofree char *cell = va_arg (args, char *);

      g_ptr_array_add (self->cells, bbctl_sanitize (cell));
    }
  va_end (args);
}

/* In columns of a terminal. */
static guint
width_of (const char *text)
{
  guint width = 0;

  for (const char *c = text; *c != '\0'; c = g_utf8_next_char (c))
    {
      gunichar character = g_utf8_get_char (c);

      if (!g_unichar_iszerowidth (character))
        width += g_unichar_iswide (character) ? 2 : 1;
    }
  return width;
}

static void
append_cell (GString *text, const char *cell, const BbctlColumn *column, guint width, gboolean last, gboolean colour)
{
  g_autofree char *shown = bbctl_colour_word (cell, colour && (column->flags & BBCTL_COLUMN_STATE) != 0);
  int padding = (int) (width - MIN (width, width_of (cell)));

  if ((column->flags & BBCTL_COLUMN_RIGHT) != 0)
    g_string_append_printf (text, "%*s%s", padding, "", shown);
  else if (last)
    g_string_append (text, shown);
  else
    g_string_append_printf (text, "%s%*s", shown, padding, "");
  if (last)
    while (text->len > 0 && text->str[text->len - 1] == ' ')
      g_string_truncate (text, text->len - 1);
  g_string_append (text, last ? "\n" : "  ");
}

char *
bbctl_table_to_string (BbctlTable *self, gboolean colour)
{
  GString *text = g_string_new (NULL);
  g_autofree guint *widths = g_new0 (guint, self->n_columns);
  guint n = self->n_columns;

  for (guint i = 0; i < n; i++)
    widths[i] = width_of (_(self->columns[i].title));
  for (guint i = 0; i < self->cells->len; i++)
    widths[i % n] = MAX (widths[i % n], width_of (g_ptr_array_index (self->cells, i)));
  for (guint i = 0; i < n; i++)
    {
      const BbctlColumn title = { NULL, self->columns[i].flags & BBCTL_COLUMN_RIGHT };

      append_cell (text, _(self->columns[i].title), &title, widths[i], i == n - 1, FALSE);
    }
  for (guint i = 0; i < self->cells->len; i++)
    append_cell (text, g_ptr_array_index (self->cells, i), &self->columns[i % n], widths[i % n], i % n == n - 1,
                 colour);
  return g_string_free (text, FALSE);
}

void
bbctl_table_print (BbctlTable *self, gboolean colour, const char *empty)
{
  g_autofree char *text = bbctl_table_to_string (self, colour);

  if (self->cells->len == 0)
    g_print ("%s\n", empty);
  else
    g_print ("%s", text);
}

void
bbctl_print_fact (const char *label, char *value)
{
  g_autofree char *text = bbctl_sanitize (value);
  int padding = 16 - (int) width_of (label);

  if (*text != '\0')
    g_print ("  %s:%*s %s\n", label, MAX (padding, 0), "", text);
  g_free (value);
}

char *
bbctl_colour_word (const char *word, gboolean colour)
{
  static const struct
  {
    const char *word;
    const char *code;
  } colours[] = {
    { "attached", "32" },      { "substantiated", "32" },  { "success", "32" },        { "running", "32" },
    { "warnings", "33" },      { "paused", "33" },         { "substantiating", "33" }, { "insubstantiating", "33" },
    { "stopping", "33" },      { "retry", "33" },          { "cancelled", "33" },      { "waiting-for-slave", "33" },
    { "missing", "31" },       { "failure", "31" },        { "exception", "31" },
  };

  for (guint i = 0; colour && i < G_N_ELEMENTS (colours); i++)
    if (g_str_equal (word, colours[i].word))
      return g_strdup_printf ("\033[%sm%s\033[0m", colours[i].code, word);
  return g_strdup (word);
}

char *
bbctl_sanitize (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *clean = g_string_sized_new (strlen (valid));

  for (const char *c = valid; *c != '\0'; c = g_utf8_next_char (c))
    {
      gunichar character = g_utf8_get_char (c);

      if (character == '\n' || character == '\t')
        g_string_append_c (clean, ' ');
      else if (g_unichar_iscntrl (character))
        g_string_append_printf (clean, "\\x%02x", character);
      else
        g_string_append_unichar (clean, character);
    }
  return g_string_free (clean, FALSE);
}

char *
bbctl_format_duration (gint64 duration_us)
{
  gint64 seconds = MAX (duration_us, 0) / G_USEC_PER_SEC;
  int s = (int) (seconds % 60), min = (int) (seconds / 60 % 60), h = (int) (seconds / 3600 % 24);
  int days = (int) MIN (seconds / 86400, G_MAXINT);

  if (days > 0)
    return g_strdup_printf (ngettext ("%d day %d h", "%d days %d h", (gulong) days), days, h);
  if (h > 0)
    return g_strdup_printf (_("%d h %d min"), h, min);
  if (min > 0)
    return g_strdup_printf (_("%d min %d s"), min, s);
  return g_strdup_printf (_("%d s"), s);
}

char *
bbctl_format_when (guint64 when_us, gint64 now_us)
{
  gint64 away_us = (gint64) when_us - now_us;
  g_autofree char *duration = bbctl_format_duration (ABS (away_us));

  if (when_us == 0)
    return g_strdup ("-");
  if (ABS (away_us) < G_USEC_PER_SEC)
    return g_strdup (_("now"));
  return g_strdup_printf (away_us > 0 ? _("in %s") : _("%s ago"), duration);
}

char *
bbctl_format_number (guint64 number)
{
  return g_strdup_printf ("%" G_GUINT64_FORMAT, number);
}

char *
bbctl_format_cost (double hourly_cost)
{
  if (hourly_cost < 0)
    return g_strdup (_("unknown"));
  return g_strdup_printf (_("$%.4f/h"), hourly_cost);
}

static char *
format_texts (GVariant *texts)
{
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *key, *value;

  g_variant_iter_init (&iter, texts);
  while (g_variant_iter_loop (&iter, "{&s&s}", &key, &value))
    g_string_append_printf (text, "%s%s=%s", text->len > 0 ? ", " : "", key, value);
  return g_string_free (text, FALSE);
}

char *
bbctl_format_value (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT))
    {
      g_autoptr (GVariant) inner = g_variant_get_variant (value);

      return bbctl_format_value (inner);
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    return bbctl_format_properties (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{ss}")))
    return format_texts (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    {
      g_autofree const char **items = g_variant_get_strv (value, NULL);

      return g_strjoinv (", ", (char **) items);
    }
  return g_variant_print (value, FALSE);
}

char *
bbctl_format_properties (GVariant *properties)
{
  GString *text = g_string_new (NULL);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *shown = bbctl_format_value (value);

      g_string_append_printf (text, "%s%s=%s", text->len > 0 ? ", " : "", key, shown);
    }
  return g_string_free (text, FALSE);
}

char *
bbctl_unescape (const char *element)
{
  GString *name = g_string_new (NULL);

  for (const char *c = element; *c != '\0'; c++)
    if (*c == '_' && g_ascii_isxdigit (c[1]) && g_ascii_isxdigit (c[2]))
      {
        g_string_append_c (name, (char) (g_ascii_xdigit_value (c[1]) * 16 + g_ascii_xdigit_value (c[2])));
        c += 2;
      }
    else
      g_string_append_c (name, *c);
  return g_string_free (name, FALSE);
}

gint
bbctl_compare_names (const char *a, const char *b)
{
  g_autofree char *key_a = g_utf8_collate_key_for_filename (a, -1);
  g_autofree char *key_b = g_utf8_collate_key_for_filename (b, -1);
  gint order = strcmp (key_a, key_b);

  return order != 0 ? order : strcmp (a, b);
}
