/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "bb-error.h"

/* Somebody who has more mistakes than these has another problem than spelling. */
#define MAX_SUGGESTIONS 100

char *
bb_config_origin (const BbConfigGroup *group)
{
  return g_strdup_printf ("%s: [%s]", group->file->label, group->title);
}

static void
add_message (BbConfigLoader *loader, GPtrArray *messages, const BbConfigGroup *group, const char *key,
             const char *what)
{
  g_autofree char *message = NULL;

  if (key != NULL)
    message = g_strdup_printf ("%s: [%s] %s: %s", group->file->label, group->title, key, what);
  else
    message = g_strdup_printf ("%s: [%s]: %s", group->file->label, group->title, what);
  if (g_hash_table_contains (loader->said, message))
    return;
  g_hash_table_add (loader->said, message);
  g_ptr_array_add (messages, g_steal_pointer (&message));
}

void
bb_config_error (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  add_message (loader, loader->errors, group, key, what);
}

void
bb_config_warning (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  add_message (loader, loader->warnings, group, key, what);
}

char *
bb_config_suggest (BbConfigLoader *loader, const char *word, const char *const *known)
{
  const char *nearest = NULL;

  if (loader->n_suggestions++ < MAX_SUGGESTIONS)
    nearest = bb_option_nearest (word, known);
  return nearest != NULL ? g_strdup_printf ("; did you mean \"%s\"?", nearest) : g_strdup ("");
}

char *
bb_config_suggest_name (BbConfigLoader *loader, const char *word, BbConfigKind kind)
{
  g_autoptr (GPtrArray) known = g_ptr_array_new ();

  if (loader->n_suggestions >= MAX_SUGGESTIONS)
    return g_strdup ("");
  for (guint i = 0; i < loader->groups[kind]->len; i++)
    {
      const BbConfigGroup *group = g_ptr_array_index (loader->groups[kind], i);

      g_ptr_array_add (known, (gpointer) group->name);
    }
  g_ptr_array_add (known, NULL);
  return bb_config_suggest (loader, word, (const char *const *) known->pdata);
}

void
bb_config_unknown_key (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *owner,
                       const char *const *known)
{
  g_autofree char *suggestion = bb_config_suggest (loader, key, known);

  bb_config_error (loader, group, key, "is not an option of %s%s", owner,
                   *suggestion != '\0' ? suggestion : "; remove it");
}

void
bb_config_note_secret (const BbConfigGroup *group, const char *key)
{
  if (group->file->secret_group != NULL)
    return;
  group->file->secret_group = group;
  group->file->secret_key = key;
}

gboolean
bb_config_check_secret_file (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *path)
{
  g_autofree char *quoted = NULL;
  struct stat status;

  if (stat (path, &status) != 0)
    {
      bb_config_error (loader, group, key, "%s: %s", path, g_strerror (errno));
      return FALSE;
    }
  if (!bb_config_mode_is_too_open (path, status.st_mode))
    return TRUE;
  quoted = g_shell_quote (path);
  bb_config_error (loader, group, key, "others can read the secret in \"%s\"; run chmod 600 %s", path, quoted);
  return FALSE;
}

gboolean
bb_config_parse_entry (BbConfigLoader *loader, const BbConfigGroup *group, const BbConfigEntry *entry,
                       const BbOption *option, gpointer config)
{
  g_autoptr (GError) error = NULL;

  if (!bb_option_parse (option, config, entry->value, group->file->folder, &error))
    {
      bb_config_error (loader, group, entry->key, "%s", error->message);
      return FALSE;
    }
  if (!(option->flags & BB_OPTION_SECRET))
    return TRUE;
  /* The path of a secret is no secret; the file behind it is. */
  if (option->type == BB_OPTION_PATH)
    return bb_config_check_secret_file (loader, group, entry->key, G_STRUCT_MEMBER (char *, config, option->offset));
  bb_config_note_secret (group, entry->key);
  return TRUE;
}

static void
unknown_key_of_table (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *owner,
                      const BbOption *options, const char *const *extra)
{
  g_autoptr (GPtrArray) known = g_ptr_array_new ();

  for (const BbOption *option = options; option->key != NULL; option++)
    g_ptr_array_add (known, (gpointer) option->key);
  for (; extra != NULL && *extra != NULL; extra++)
    g_ptr_array_add (known, (gpointer) *extra);
  g_ptr_array_add (known, NULL);
  bb_config_unknown_key (loader, group, key, owner, (const char *const *) known->pdata);
}

gboolean
bb_config_parse_group (BbConfigLoader *loader, const BbConfigGroup *group, const BbOption *options,
                       const char *const *extra, const char *owner, gpointer config)
{
  gboolean good = TRUE;

  for (guint i = 0; i < group->entries->len; i++)
    {
      const BbConfigEntry *entry = &g_array_index (group->entries, BbConfigEntry, i);
      const BbOption *option = bb_option_find (options, entry->key);

      if (option != NULL)
        good = bb_config_parse_entry (loader, group, entry, option, config) && good;
      else if (extra == NULL || !g_strv_contains (extra, entry->key))
        {
          unknown_key_of_table (loader, group, entry->key, owner, options, extra);
          good = FALSE;
        }
    }
  for (const BbOption *option = options; option->key != NULL; option++)
    if ((option->flags & BB_OPTION_REQUIRED) && bb_config_group_get (group, option->key) == NULL)
      {
        bb_config_error (loader, group, option->key, "is missing; %s needs it", owner);
        good = FALSE;
      }
  return good;
}

gboolean
bb_config_check_name (BbConfigLoader *loader, const BbConfigGroup *group, const char *name, const char *what)
{
  if (strlen (name) > BB_CONFIG_MAX_NAME)
    bb_config_error (loader, group, NULL, "a %s's name has at most %d bytes", what, BB_CONFIG_MAX_NAME);
  else if (strchr (name, '/') != NULL)
    bb_config_error (loader, group, NULL, "a %s's name can't have a \"/\"", what);
  else if (g_str_equal (name, ".") || g_str_equal (name, ".."))
    bb_config_error (loader, group, NULL, "a %s can't be named like a folder", what);
  else
    {
      for (const char *c = name; *c != '\0'; c = g_utf8_next_char (c))
        if (g_unichar_iscntrl (g_utf8_get_char (c)))
          {
            bb_config_error (loader, group, NULL, "a %s's name can't have control characters", what);
            return FALSE;
          }
      return TRUE;
    }
  return FALSE;
}

const BbPluginProvides *
bb_config_find_type (BbConfigLoader *loader, const BbConfigGroup *group, const char *type, gboolean notifier)
{
  const char *why = g_hash_table_lookup (loader->missing_types, type);
  const BbPluginProvides *provides = NULL;

  if (why == NULL)
    {
      g_autoptr (GError) error = NULL;

      provides = bb_plugin_registry_lookup (loader->plugins, type, &error);
      if (provides == NULL)
        {
          why = g_strdup (error->message);
          g_hash_table_insert (loader->missing_types, g_strdup (type), (gpointer) why);
        }
    }
  if (provides == NULL && loader->tolerant)
    bb_config_warning (loader, group, "type", "%s; until then this is left out", why);
  else if (provides == NULL)
    bb_config_error (loader, group, "type", "%s", why);
  else if (provides->is_notifier != notifier)
    {
      bb_config_error (loader, group, "type", "\"%s\" is a type of %s; it belongs into [%s NAME]", type,
                       provides->is_notifier ? "notifiers" : "slaves", provides->is_notifier ? "notifier" : "slave");
      provides = NULL;
    }
  return provides;
}

void
bb_config_validate (BbConfigLoader *loader, const BbConfigGroup *group, const BbConfigGroup *template,
                    const BbPluginProvides *provides, gconstpointer config)
{
  g_autoptr (GPtrArray) texts = g_ptr_array_new_with_free_func (g_free);

  if (provides->validate == NULL)
    return;
  provides->validate (config, texts);
  for (guint i = 0; i < texts->len; i++)
    {
      g_autofree char *key = g_strdup (g_ptr_array_index (texts, i));
      char *what = strstr (key, ": ");

      if (what == NULL)
        {
          bb_config_error (loader, group, NULL, "%s", key);
          continue;
        }
      *what = '\0';
      what += strlen (": ");
      if (template != NULL && bb_config_group_get (group, key) == NULL && bb_config_group_get (template, key) != NULL)
        bb_config_error (loader, template, key, "%s", what);
      else
        bb_config_error (loader, group, key, "%s", what);
    }
}

GVariant *
bb_config_type_property (const char *text)
{
  gsize length = strlen (text);
  const char *digits = text + (*text == '-' ? 1 : 0);
  gint64 number;

  if (g_str_equal (text, "true") || g_str_equal (text, "false"))
    return g_variant_new_boolean (*text == 't');
  if (length >= 2 && *text == '"' && strchr (text + 1, '"') == text + length - 1)
    return g_variant_new_take_string (g_strndup (text + 1, length - 2));
  /* 007 is a name that is made of digits, and would not come out as it went in. */
  if (g_ascii_isdigit (*digits) && (*digits != '0' || g_str_equal (text, "0")) &&
      g_ascii_string_to_signed (text, 10, G_MININT64, G_MAXINT64, &number, NULL))
    return g_variant_new_int64 (number);
  return g_variant_new_string (text);
}
