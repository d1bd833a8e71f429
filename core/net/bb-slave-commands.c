/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-commands.h"

#include <stdio.h>
#include <string.h>

struct _BbSlaveCommands
{
  guint ref_count;
  char *text;
  GHashTable *versions; /* name → version, both owned */
  GVariant *variant;    /* owned; NULL until it is asked for */
};

/* All that there are: text (its own) → BbSlaveCommands (not owned); NULL while there are none. */
static GHashTable *known;

static GHashTable *
parse (const char *text)
{
  GHashTable *versions = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  for (const char *end; (end = strchr (text, '\n')) != NULL; text = end + 1)
    {
      const char *tab = memchr (text, '\t', (gsize) (end - text));

      if (tab != NULL)
        g_hash_table_insert (versions, g_strndup (text, (gsize) (tab - text)),
                             g_strndup (tab + 1, (gsize) (end - tab - 1)));
    }
  return versions;
}

BbSlaveCommands *
bb_slave_commands_get (const char *text)
{
  BbSlaveCommands *self;

  if (known == NULL)
    known = g_hash_table_new (g_str_hash, g_str_equal);
  self = g_hash_table_lookup (known, text);
  if (self != NULL)
    return bb_slave_commands_ref (self);
  self = g_new0 (BbSlaveCommands, 1);
  self->ref_count = 1;
  self->text = g_strdup (text);
  self->versions = parse (text);
  g_hash_table_insert (known, self->text, self);
  return self;
}

BbSlaveCommands *
bb_slave_commands_ref (BbSlaveCommands *self)
{
  self->ref_count++;
  return self;
}

void
bb_slave_commands_unref (BbSlaveCommands *self)
{
  if (--self->ref_count > 0)
    return;
  g_hash_table_remove (known, self->text);
  if (g_hash_table_size (known) == 0)
    g_clear_pointer (&known, g_hash_table_unref);
  g_clear_pointer (&self->variant, g_variant_unref);
  g_hash_table_unref (self->versions);
  g_free (self->text);
  g_free (self);
}

const char *
bb_slave_commands_get_text (const BbSlaveCommands *self)
{
  return self->text;
}

GVariant *
bb_slave_commands_get_variant (BbSlaveCommands *self)
{
  GVariantBuilder builder;
  GHashTableIter iter;
  const char *name, *version;

  if (self->variant != NULL)
    return self->variant;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  g_hash_table_iter_init (&iter, self->versions);
  while (g_hash_table_iter_next (&iter, (gpointer *) &name, (gpointer *) &version))
    g_variant_builder_add (&builder, "{ss}", name, version);
  self->variant = g_variant_ref_sink (g_variant_builder_end (&builder));
  return self->variant;
}

gboolean
bb_slave_commands_have (BbSlaveCommands *self, const char *name)
{
  return g_hash_table_contains (self->versions, name);
}

guint
bb_slave_commands_get_version (BbSlaveCommands *self)
{
  const char *version = g_hash_table_lookup (self->versions, "shell");
  guint major, minor;

  if (version == NULL || sscanf (version, "%3u.%3u", &major, &minor) != 2)
    return 0;
  return major * 1000 + minor;
}
