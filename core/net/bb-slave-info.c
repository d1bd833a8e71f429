/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-info.h"

#include <string.h>

#include "bb-link-limits.h"

struct _BbSlaveInfo
{
  GVariantBuilder values;
  GHashTable *keys; /* set (owned): of those that were taken, as none may be there twice */
  GString *commands; /* as bb_slave_commands_get() takes them; NULL while unknown */
  guint n_commands;
};

BbSlaveInfo *
bb_slave_info_new (void)
{
  BbSlaveInfo *self = g_new0 (BbSlaveInfo, 1);

  g_variant_builder_init (&self->values, G_VARIANT_TYPE_VARDICT);
  self->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
bb_slave_info_free (BbSlaveInfo *self)
{
  g_variant_builder_clear (&self->values);
  g_hash_table_unref (self->keys);
  if (self->commands != NULL)
    g_string_free (self->commands, TRUE);
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

const char *
bb_slave_info_take_key (BbSlaveInfo *self, char *key)
{
  cut (key, BB_LINK_MAX_NAME);
  if (g_hash_table_size (self->keys) < BB_LINK_MAX_INFO_KEYS && *key != '\0'
      && !g_str_equal (key, "environ") /* can hold secrets */ && !g_hash_table_contains (self->keys, key))
    {
      g_hash_table_add (self->keys, key);
      return key;
    }
  g_free (key);
  return NULL;
}

static void
add (BbSlaveInfo *self, const char *key, GVariant *value)
{
  g_variant_builder_add_value (&self->values,
                               g_variant_new_dict_entry (g_variant_new_string (key), g_variant_new_variant (value)));
}

void
bb_slave_info_take_text (BbSlaveInfo *self, const char *key, char *text)
{
  cut (g_strchomp (text), BB_LINK_MAX_INFO_TEXT);
  add (self, key, g_variant_new_take_string (text));
}

void
bb_slave_info_add_integer (BbSlaveInfo *self, const char *key, gint64 value)
{
  add (self, key, g_variant_new_int64 (value));
}

void
bb_slave_info_add_boolean (BbSlaveInfo *self, const char *key, gboolean value)
{
  add (self, key, g_variant_new_boolean (value));
}

void
bb_slave_info_begin_commands (BbSlaveInfo *self)
{
  if (self->commands == NULL)
    self->commands = g_string_new (NULL);
}

static void
append_word (GString *commands, char *word, char end)
{
  g_string_append (commands, g_strdelimit (cut (word, BB_LINK_MAX_NAME), "\t\n", '?'));
  g_string_append_c (commands, end);
}

void
bb_slave_info_take_command (BbSlaveInfo *self, char *name, char *version)
{
  g_autofree char *own_name = name;
  g_autofree char *own_version = version != NULL ? version : g_strdup ("");

  if (self->n_commands >= BB_LINK_MAX_COMMANDS)
    return;
  self->n_commands++;
  append_word (self->commands, own_name, '\t');
  append_word (self->commands, own_version, '\n');
}

gboolean
bb_slave_info_has_commands (BbSlaveInfo *self)
{
  return self->commands != NULL;
}

BbSlaveCommands *
bb_slave_info_get_commands (BbSlaveInfo *self)
{
  return self->commands != NULL ? bb_slave_commands_get (self->commands->str) : NULL;
}

GVariant *
bb_slave_info_end (BbSlaveInfo *self)
{
  return g_variant_builder_end (&self->values);
}
