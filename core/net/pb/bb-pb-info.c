/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-info.h"

#include <stdio.h>
#include <string.h>

#include "bb-pb-limits.h"

struct _BbPbInfo
{
  GVariantDict values;
  GHashTable *commands; /* name → version, both owned; NULL while unknown */
  gboolean python3;
};

BbPbInfo *
bb_pb_info_new (void)
{
  BbPbInfo *self = g_new0 (BbPbInfo, 1);

  g_variant_dict_init (&self->values, NULL);
  return self;
}

void
bb_pb_info_free (BbPbInfo *self)
{
  g_variant_dict_clear (&self->values);
  g_clear_pointer (&self->commands, g_hash_table_unref);
  g_free (self);
}

/* At most @limit bytes, cut between characters. */
static void
cut (char *text, gsize limit)
{
  if (strlen (text) > limit)
    *g_utf8_find_prev_char (text, text + limit + 1) = '\0';
}

static void
add_value (BbPbInfo *self, const char *key, BbJelly value)
{
  char *text = bb_jelly_dup_text (value);
  gint64 integer;

  if (text != NULL)
    {
      cut (g_strchomp (text), BB_PB_MAX_INFO_TEXT);
      g_variant_dict_insert_value (&self->values, key, g_variant_new_take_string (text));
    }
  else if (bb_jelly_has_tag (value, "boolean") && bb_jelly_get_integer (value, &integer))
    g_variant_dict_insert (&self->values, key, "b", integer != 0);
  else if (bb_jelly_get_integer (value, &integer))
    g_variant_dict_insert (&self->values, key, "x", integer);
}

gboolean
bb_pb_info_add (BbPbInfo *self, BbJelly answer)
{
  BbJelly pair, key, value;
  guint n_pairs;

  if (!bb_jelly_get_dictionary (answer, &n_pairs, &pair))
    return FALSE;
  for (guint i = 0; i < MIN (n_pairs, BB_PB_MAX_INFO_KEYS); i++, pair = bb_jelly_next (pair))
    {
      g_autofree char *name = NULL;

      if (!bb_jelly_get_pair (pair, &key, &value) || (name = bb_jelly_dup_text (key)) == NULL || *name == '\0')
        continue;
      if (!bb_jelly_is_bytes (key))
        self->python3 = TRUE;
      cut (name, BB_PB_MAX_NAME);
      if (g_str_equal (name, "worker_commands") || g_str_equal (name, "slave_commands"))
        bb_pb_info_add_commands (self, value);
      else if (!g_str_equal (name, "environ")) /* can hold secrets */
        add_value (self, name, value);
    }
  return TRUE;
}

void
bb_pb_info_add_version (BbPbInfo *self, BbJelly answer)
{
  add_value (self, "version", answer);
}

void
bb_pb_info_add_commands (BbPbInfo *self, BbJelly answer)
{
  BbJelly pair, key, value;
  guint n_pairs;

  if (!bb_jelly_get_dictionary (answer, &n_pairs, &pair))
    return;
  if (self->commands == NULL)
    self->commands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (guint i = 0; i < MIN (n_pairs, BB_PB_MAX_COMMANDS); i++, pair = bb_jelly_next (pair))
    {
      char *name, *version;

      if (!bb_jelly_get_pair (pair, &key, &value) || (name = bb_jelly_dup_text (key)) == NULL)
        continue;
      version = bb_jelly_dup_text (value);
      cut (name, BB_PB_MAX_NAME);
      if (version != NULL)
        cut (version, BB_PB_MAX_NAME);
      g_hash_table_insert (self->commands, name, version != NULL ? version : g_strdup (""));
    }
}

gboolean
bb_pb_info_has_commands (BbPbInfo *self)
{
  return self->commands != NULL;
}

gboolean
bb_pb_info_is_python2 (BbPbInfo *self)
{
  return !self->python3;
}

guint
bb_pb_info_get_command_version (BbPbInfo *self)
{
  const char *version = self->commands != NULL ? g_hash_table_lookup (self->commands, "shell") : NULL;
  guint major, minor;

  if (version == NULL || sscanf (version, "%3u.%3u", &major, &minor) != 2)
    return 0;
  return major * 1000 + minor;
}

char **
bb_pb_info_dup_commands (BbPbInfo *self)
{
  GStrvBuilder *builder;
  GHashTableIter iter;
  const char *name;
  char **names;

  if (self->commands == NULL)
    return NULL;
  builder = g_strv_builder_new ();
  g_hash_table_iter_init (&iter, self->commands);
  while (g_hash_table_iter_next (&iter, (gpointer *) &name, NULL))
    g_strv_builder_add (builder, name);
  names = g_strv_builder_end (builder);
  g_strv_builder_unref (builder);
  return names;
}

GVariant *
bb_pb_info_end (BbPbInfo *self)
{
  GVariantBuilder builder;
  GHashTableIter iter;
  const char *name, *version;

  if (self->commands != NULL)
    {
      g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
      g_hash_table_iter_init (&iter, self->commands);
      while (g_hash_table_iter_next (&iter, (gpointer *) &name, (gpointer *) &version))
        g_variant_builder_add (&builder, "{ss}", name, version);
      g_variant_dict_insert_value (&self->values, "commands", g_variant_builder_end (&builder));
    }
  return g_variant_dict_end (&self->values);
}
