/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-info.h"

#include "bb-pb-limits.h"

static void
add_value (BbSlaveInfo *info, const char *key, BbJelly value)
{
  char *text = bb_jelly_dup_text (value);
  gint64 integer;

  if (text != NULL)
    bb_slave_info_take_text (info, key, text);
  else if (bb_jelly_has_tag (value, "boolean") && bb_jelly_get_integer (value, &integer))
    bb_slave_info_add_boolean (info, key, integer != 0);
  else if (bb_jelly_get_integer (value, &integer))
    bb_slave_info_add_integer (info, key, integer);
}

gboolean
bb_pb_info_add (BbSlaveInfo *info, BbJelly answer, gboolean *python3)
{
  BbJelly pair, key, value;
  guint n_pairs;

  if (!bb_jelly_get_dictionary (answer, &n_pairs, &pair))
    return FALSE;
  for (guint i = 0; i < MIN (n_pairs, BB_LINK_MAX_INFO_KEYS); i++, pair = bb_jelly_next (pair))
    {
      const char *name;
      char *text;

      if (!bb_jelly_get_pair (pair, &key, &value) || (text = bb_jelly_dup_text (key)) == NULL)
        continue;
      if (!bb_jelly_is_bytes (key))
        *python3 = TRUE;
      name = bb_slave_info_take_key (info, text);
      if (g_strcmp0 (name, "worker_commands") == 0 || g_strcmp0 (name, "slave_commands") == 0)
        bb_pb_info_add_commands (info, value);
      else if (name != NULL)
        add_value (info, name, value);
    }
  return TRUE;
}

void
bb_pb_info_add_version (BbSlaveInfo *info, BbJelly answer)
{
  const char *key = bb_slave_info_take_key (info, g_strdup ("version"));

  if (key != NULL)
    add_value (info, key, answer);
}

void
bb_pb_info_add_commands (BbSlaveInfo *info, BbJelly answer)
{
  BbJelly pair, key, value;
  guint n_pairs;

  if (!bb_jelly_get_dictionary (answer, &n_pairs, &pair))
    return;
  bb_slave_info_begin_commands (info);
  for (guint i = 0; i < MIN (n_pairs, BB_LINK_MAX_COMMANDS); i++, pair = bb_jelly_next (pair))
    {
      char *name;

      if (bb_jelly_get_pair (pair, &key, &value) && (name = bb_jelly_dup_text (key)) != NULL)
        bb_slave_info_take_command (info, name, bb_jelly_dup_text (value));
    }
}
