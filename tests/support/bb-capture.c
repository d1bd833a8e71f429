/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-capture.h"

#include <string.h>

#include "bb-banana.h"

char *
bb_capture_data_path (const char *name)
{
  return g_test_build_filename (G_TEST_DIST, "data", g_str_has_prefix (name, "msgpack-") ? "msgpack" : "pb", name, NULL);
}

static void
append_hex (GByteArray *bytes, const char *hex)
{
  for (; g_ascii_isxdigit (hex[0]) && g_ascii_isxdigit (hex[1]); hex += 2)
    {
      guint8 byte = (guint8) (g_ascii_xdigit_value (hex[0]) * 16 + g_ascii_xdigit_value (hex[1]));

      g_byte_array_append (bytes, &byte, 1);
    }
}

GByteArray *
bb_capture_from_hex (const char *hex)
{
  GByteArray *bytes = g_byte_array_new ();

  append_hex (bytes, hex);
  return bytes;
}

static void
element_free (gpointer data)
{
  BbCaptureElement *element = data;

  g_byte_array_unref (element->bytes);
  g_free (element);
}

static BbCaptureElement *
parse_head (const char *line)
{
  static const char *const kinds[] = { "BANANA", "HTTP", "WS" }; /* as in BbCaptureKind */
  g_auto (GStrv) words = g_strsplit (line, " ", 5);
  BbCaptureElement *element;
  guint kind = 0;

  if (g_strv_length (words) != 5)
    return NULL;
  while (kind < G_N_ELEMENTS (kinds) && !g_str_equal (words[3], kinds[kind]))
    kind++;
  if (kind == G_N_ELEMENTS (kinds))
    return NULL;
  element = g_new0 (BbCaptureElement, 1);
  element->kind = (BbCaptureKind) kind;
  element->from_slave = g_str_equal (words[2], "W>M");
  element->bytes = g_byte_array_new ();
  return element;
}

GPtrArray *
bb_capture_load (const char *name)
{
  g_autofree char *path = bb_capture_data_path (name);
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;
  GPtrArray *elements = g_ptr_array_new_with_free_func (element_free);
  BbCaptureElement *element = NULL;

  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (contents, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (lines[i][0] == '@')
        {
          element = parse_head (lines[i]);
          if (element != NULL)
            g_ptr_array_add (elements, element);
        }
      else if (element != NULL && g_str_has_prefix (lines[i], "  "))
        append_hex (element->bytes, lines[i] + 2);
    }
  g_assert_cmpuint (elements->len, >, 0);
  return elements;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

GPtrArray *
bb_capture_list (const char *protocol)
{
  g_autofree char *folder = g_test_build_filename (G_TEST_DIST, "data", protocol, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_prefix (name, "pb-") || g_str_has_prefix (name, "msgpack-") || g_str_has_prefix (name, "synthetic-"))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  return names;
}

static void
encode_quoted (const char *text, gboolean vocabulary, GByteArray *out, const char **end)
{
  g_autoptr (GString) string = g_string_new (NULL);
  const char *p = text + 1;

  for (; *p != '"'; p++)
    {
      g_assert_cmpint (*p, !=, '\0');
      if (*p != '\\')
        g_string_append_c (string, *p);
      else if (*++p == 'x')
        {
          g_string_append_c (string, (char) (g_ascii_xdigit_value (p[1]) * 16 + g_ascii_xdigit_value (p[2])));
          p += 2;
        }
      else
        g_string_append_c (string, *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p);
    }
  bb_banana_put_string (out, string->str, string->len, vocabulary);
  *end = p + 1;
}

static void
encode_list (const char *text, gboolean vocabulary, GByteArray *out, const char **end)
{
  g_autoptr (GByteArray) members = g_byte_array_new ();
  guint n_members = 0;

  text++;
  while (text += strspn (text, " "), *text != ')')
    {
      bb_capture_encode (text, vocabulary, members, &text);
      n_members++;
    }
  bb_banana_put_list (out, n_members);
  if (members->len > 0)
    g_byte_array_append (out, members->data, members->len);
  *end = text + 1;
}

void
bb_capture_encode (const char *notation, gboolean vocabulary, GByteArray *out, const char **end)
{
  gsize length = strcspn (notation, " )");
  g_autofree char *word = g_strndup (notation, length);

  if (*notation == '(')
    encode_list (notation, vocabulary, out, end);
  else if (*notation == '"')
    encode_quoted (notation, vocabulary, out, end);
  else
    {
      g_assert_cmpuint (length, >, 0);
      *end = notation + length;
      if (strchr ("-0123456789", *word) == NULL)
        bb_banana_put_string (out, word, length, vocabulary);
      else if (strpbrk (word, ".e") != NULL)
        bb_banana_put_float (out, g_ascii_strtod (word, NULL));
      else
        bb_banana_put_integer (out, g_ascii_strtoll (word, NULL, 10));
    }
}
