/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-info.h"

#include <stdio.h>
#include <string.h>

#include "bb-link-limits.h"

struct _BbSlaveInfo
{
  GVariantDict values;
  GHashTable *commands; /* name → version, both owned; NULL while unknown */
  guint n_keys;
};

BbSlaveInfo *
bb_slave_info_new (void)
{
  BbSlaveInfo *self = g_new0 (BbSlaveInfo, 1);

  g_variant_dict_init (&self->values, NULL);
  return self;
}

void
bb_slave_info_free (BbSlaveInfo *self)
{
  g_variant_dict_clear (&self->values);
  g_clear_pointer (&self->commands, g_hash_table_unref);
  g_free (self);
}

/* At most @limit bytes, cut between characters. */
static char *
cut (char *text, gsize limit)
{
  if (strlen (text) > limit)
    *g_utf8_find_prev_char (text, text + limit + 1) = '\0';
  return text;
}

char *
bb_slave_info_take_key (BbSlaveInfo *self, char *key)
{
  if (++self->n_keys <= BB_LINK_MAX_INFO_KEYS && *key != '\0' && !g_str_equal (key, "environ")) /* can hold secrets */
    return cut (key, BB_LINK_MAX_NAME);
  g_free (key);
  return NULL;
}

void
bb_slave_info_take_text (BbSlaveInfo *self, const char *key, char *text)
{
  cut (g_strchomp (text), BB_LINK_MAX_INFO_TEXT);
  g_variant_dict_insert_value (&self->values, key, g_variant_new_take_string (text));
}

void
bb_slave_info_add_integer (BbSlaveInfo *self, const char *key, gint64 value)
{
  g_variant_dict_insert (&self->values, key, "x", value);
}

void
bb_slave_info_add_boolean (BbSlaveInfo *self, const char *key, gboolean value)
{
  g_variant_dict_insert (&self->values, key, "b", value);
}

void
bb_slave_info_begin_commands (BbSlaveInfo *self)
{
  if (self->commands == NULL)
    self->commands = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

void
bb_slave_info_take_command (BbSlaveInfo *self, char *name, char *version)
{
  g_autofree char *given = version;

  if (g_hash_table_size (self->commands) >= BB_LINK_MAX_COMMANDS)
    {
      g_free (name);
      return;
    }
  g_hash_table_insert (self->commands, cut (name, BB_LINK_MAX_NAME),
                       version != NULL ? cut (g_steal_pointer (&given), BB_LINK_MAX_NAME) : g_strdup (""));
}

gboolean
bb_slave_info_has_commands (BbSlaveInfo *self)
{
  return self->commands != NULL;
}

guint
bb_slave_info_get_command_version (BbSlaveInfo *self)
{
  const char *version = self->commands != NULL ? g_hash_table_lookup (self->commands, "shell") : NULL;
  guint major, minor;

  if (version == NULL || sscanf (version, "%3u.%3u", &major, &minor) != 2)
    return 0;
  return major * 1000 + minor;
}

char **
bb_slave_info_dup_commands (BbSlaveInfo *self)
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
bb_slave_info_end (BbSlaveInfo *self)
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
