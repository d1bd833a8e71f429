/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-profile.h"

#include <gio/gio.h>
#include <string.h>

#define MAX_SIZE (1024 * 1024)

struct _BbEc2Profile
{
  GHashTable *values;   /* "section\nkey" (owned) → value (owned) */
  GHashTable *sections; /* names (owned) */
};

/* `[profile "a b"]` and `[profile a b]` are the same. */
static char *
parse_section (char *line)
{
  char *end = strchr (line, ']');
  g_auto (GStrv) parts = NULL;

  if (end != NULL)
    *end = '\0';
  parts = g_strsplit (g_strstrip (line + 1), "\"", -1);
  return g_strjoinv ("", parts);
}

static void
parse_line (BbEc2Profile *self, char *line, char **section, char **parent)
{
  gboolean indented = g_ascii_isspace (line[0]);
  char *equals;
  char *key;

  g_strstrip (line);
  if (line[0] == '\0' || line[0] == '#' || line[0] == ';')
    return;
  if (line[0] == '[')
    {
      g_free (*section);
      *section = parse_section (line);
      g_hash_table_add (self->sections, g_strdup (*section));
      return;
    }
  equals = strchr (line, '=');
  if (equals == NULL || *section == NULL)
    return;
  *equals = '\0';
  key = g_strstrip (line);
  if (!indented)
    {
      g_free (*parent);
      *parent = g_strdup (key);
    }
  g_hash_table_insert (self->values,
                       indented && *parent != NULL ? g_strdup_printf ("%s\n%s.%s", *section, *parent, key)
                                                   : g_strdup_printf ("%s\n%s", *section, key),
                       g_strdup (g_strstrip (equals + 1)));
}

BbEc2Profile *
bb_ec2_profile_parse (const char *text)
{
  BbEc2Profile *self = g_new0 (BbEc2Profile, 1);
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autofree char *section = NULL;
  g_autofree char *parent = NULL;

  self->values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->sections = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (gsize i = 0; lines[i] != NULL; i++)
    parse_line (self, lines[i], &section, &parent);
  return self;
}

char *
bb_ec2_profile_read_file (const char *path, GError **error)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) stream = g_file_read (file, NULL, error);
  g_autofree char *text = NULL;
  gsize length;

  if (stream == NULL)
    return NULL;
  text = g_malloc (MAX_SIZE + 1);
  if (!g_input_stream_read_all (G_INPUT_STREAM (stream), text, MAX_SIZE + 1, &length, NULL, error))
    return NULL;
  if (length > MAX_SIZE)
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s is larger than a megabyte", path);
      return NULL;
    }
  text[length] = '\0';
  return g_realloc (g_steal_pointer (&text), length + 1);
}

BbEc2Profile *
bb_ec2_profile_load (const char *path, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = bb_ec2_profile_read_file (path, &local_error);

  if (text == NULL && !g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return NULL;
    }
  return bb_ec2_profile_parse (text != NULL ? text : "");
}

void
bb_ec2_profile_free (BbEc2Profile *self)
{
  g_hash_table_unref (self->values);
  g_hash_table_unref (self->sections);
  g_free (self);
}

gboolean
bb_ec2_profile_has_section (BbEc2Profile *self, const char *section)
{
  return g_hash_table_contains (self->sections, section);
}

const char *
bb_ec2_profile_get (BbEc2Profile *self, const char *section, const char *key)
{
  g_autofree char *joined = g_strdup_printf ("%s\n%s", section, key);
  const char *value = g_hash_table_lookup (self->values, joined);

  return value != NULL && *value != '\0' ? value : NULL;
}
