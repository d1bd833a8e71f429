/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-option-struct.h"

#include <string.h>

static gsize
member_size (BbOptionType type)
{
  switch (type)
    {
    case BB_OPTION_BOOLEAN:
      return sizeof (gboolean);
    case BB_OPTION_ENUM:
      return sizeof (int);
    case BB_OPTION_INTEGER:
      return sizeof (gint64);
    case BB_OPTION_NUMBER:
    case BB_OPTION_SECONDS:
      return sizeof (double);
    case BB_OPTION_STRING:
    case BB_OPTION_PATH:
    case BB_OPTION_STRINGS:
    case BB_OPTION_PAIRS:
    case BB_OPTION_ADDRESSES:
      return sizeof (gpointer);
    }
  g_return_val_if_reached (0);
}

static gboolean
is_text (BbOptionType type)
{
  return type == BB_OPTION_STRING || type == BB_OPTION_PATH;
}

static gboolean
is_list (BbOptionType type)
{
  return type == BB_OPTION_STRINGS || type == BB_OPTION_PAIRS || type == BB_OPTION_ADDRESSES;
}

static gboolean
lists_equal (char **a, char **b)
{
  /* Not given and given empty are two things: a notifier with `builders=` mails about no builder. */
  if (a == NULL || b == NULL)
    return a == b;
  return g_strv_equal ((const char *const *) a, (const char *const *) b);
}

gsize
bb_option_struct_get_size (const BbOption *options)
{
  gsize size = 0;

  for (const BbOption *option = options; option->key != NULL; option++)
    size = MAX (size, option->offset + member_size (option->type));
  return size;
}

void
bb_option_struct_init (const BbOption *options, gpointer config)
{
  for (const BbOption *option = options; option->key != NULL; option++)
    {
      g_autoptr (GError) error = NULL;

      if (option->fallback != NULL && !bb_option_parse (option, config, option->fallback, NULL, &error))
        g_critical ("default of option %s: %s", option->key, error->message);
    }
}

void
bb_option_struct_clear (const BbOption *options, gpointer config)
{
  for (const BbOption *option = options; option->key != NULL; option++)
    {
      gpointer member = G_STRUCT_MEMBER_P (config, option->offset);

      if (is_text (option->type))
        g_clear_pointer ((char **) member, g_free);
      else if (is_list (option->type))
        g_clear_pointer ((char ***) member, g_strfreev);
    }
}

gpointer
bb_option_struct_new_default (const BbOption *options)
{
  gpointer config = g_malloc0 (MAX (bb_option_struct_get_size (options), 1));

  bb_option_struct_init (options, config);
  return config;
}

void
bb_option_struct_free (const BbOption *options, gpointer config)
{
  if (config == NULL)
    return;
  bb_option_struct_clear (options, config);
  g_free (config);
}

void
bb_option_struct_copy_to (const BbOption *options, gconstpointer from, gpointer to)
{
  for (const BbOption *option = options; option->key != NULL; option++)
    {
      gconstpointer source = G_STRUCT_MEMBER_P (from, option->offset);
      gpointer member = G_STRUCT_MEMBER_P (to, option->offset);

      if (is_text (option->type))
        *(char **) member = g_strdup (*(char *const *) source);
      else if (is_list (option->type))
        *(char ***) member = g_strdupv (*(char **const *) source);
      else
        memcpy (member, source, member_size (option->type));
    }
}

gpointer
bb_option_struct_copy (const BbOption *options, gconstpointer config)
{
  gpointer copy = g_malloc0 (MAX (bb_option_struct_get_size (options), 1));

  bb_option_struct_copy_to (options, config, copy);
  return copy;
}

gboolean
bb_option_struct_equal (const BbOption *options, gconstpointer a, gconstpointer b, BbOptionFlags without)
{
  for (const BbOption *option = options; option->key != NULL; option++)
    {
      gconstpointer left = G_STRUCT_MEMBER_P (a, option->offset);
      gconstpointer right = G_STRUCT_MEMBER_P (b, option->offset);
      gboolean equal;

      if (option->flags & without)
        continue;
      if (is_text (option->type))
        equal = g_strcmp0 (*(char *const *) left, *(char *const *) right) == 0;
      else if (is_list (option->type))
        equal = lists_equal (*(char **const *) left, *(char **const *) right);
      else
        equal = memcmp (left, right, member_size (option->type)) == 0;
      if (!equal)
        return FALSE;
    }
  return TRUE;
}

/* NULL and "" differ, and so do ("ab") and ("a", "b"). */
static void
digest_text (GChecksum *checksum, const char *text)
{
  if (text != NULL)
    g_checksum_update (checksum, (const guchar *) text, (gssize) strlen (text));
  g_checksum_update (checksum, (const guchar *) (text != NULL ? "\0t" : "\0n"), 2);
}

char *
bb_option_struct_digest (const BbOption *options, gconstpointer config, BbOptionFlags without)
{
  g_autoptr (GChecksum) checksum = g_checksum_new (G_CHECKSUM_SHA256);

  for (const BbOption *option = options; option->key != NULL; option++)
    {
      gconstpointer member = G_STRUCT_MEMBER_P (config, option->offset);

      if (option->flags & without)
        continue;
      digest_text (checksum, option->key);
      if (is_text (option->type))
        digest_text (checksum, *(char *const *) member);
      else if (!is_list (option->type))
        g_checksum_update (checksum, member, (gssize) member_size (option->type));
      else
        {
          for (char *const *item = *(char **const *) member; item != NULL && *item != NULL; item++)
            digest_text (checksum, *item);
          digest_text (checksum, NULL);
        }
    }
  return g_strdup (g_checksum_get_string (checksum));
}
