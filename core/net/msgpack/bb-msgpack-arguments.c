/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-msgpack-arguments.h"

#include <string.h>

#include "bb-error.h"
#include "bb-link-limits.h"
#include "bb-msgpack-value.h"

typedef enum
{
  PATH,      /* of the builder's directory */
  HOME_PATH, /* the same, where ~ stands for the user's home */
  PATHS,     /* one or several of them, sent as a list */
} PathKind;

/* The arguments that are paths. */
typedef struct
{
  const char *key;
  const char *sent_as;
  PathKind kind;
} PathKey;

static const struct
{
  const char *name;
  const char *sent_as;
  PathKey paths[3];
  const char *required[3]; /* that must be there, be it as nil */
} commands[] = {
  { "shell", "shell", { { "workdir", "workdir", PATH } }, { NULL } },
  { "mkdir", "mkdir", { { "dir", "paths", PATHS } }, { NULL } },
  { "rmdir", "rmdir", { { "dir", "paths", PATHS } }, { NULL } },
  { "cpdir", "cpdir", { { "fromdir", "from_path", PATH }, { "todir", "to_path", PATH } }, { NULL } },
  { "stat", "stat", { { "file", "path", PATH } }, { NULL } },
  { "glob", "glob", { { "path", "path", PATH } }, { NULL } },
  { "listdir", "listdir", { { "dir", "path", PATH } }, { NULL } },
  { "rmfile", "rmfile", { { "path", "path", HOME_PATH } }, { NULL } },
  { "uploadFile", "upload_file", { { "workersrc", "path", HOME_PATH } }, { "maxsize" } },
  { "uploadDirectory", "upload_directory", { { "workersrc", "path", HOME_PATH } }, { "maxsize", "compress" } },
  { "downloadFile", "download_file", { { "workerdest", "path", HOME_PATH } }, { "maxsize", "mode" } },
};

void
bb_msgpack_place_clear (BbMsgpackPlace *self)
{
  g_clear_pointer (&self->base, g_free);
  g_clear_pointer (&self->home, g_free);
}

static gboolean
is_separator (const BbMsgpackPlace *self, char c)
{
  return c == '/' || (self->windows && c == '\\');
}

static gboolean
is_absolute (const BbMsgpackPlace *self, const char *path)
{
  return is_separator (self, *path) || (self->windows && g_ascii_isalpha (path[0]) && path[1] == ':');
}

char *
bb_msgpack_place_join (const BbMsgpackPlace *self, const char *directory, const char *path)
{
  gsize length = strlen (directory);

  if (is_absolute (self, path) || length == 0)
    return g_strdup (path);
  if (*path == '\0')
    return g_strdup (directory);
  return g_strconcat (directory, is_separator (self, directory[length - 1]) ? "" : self->windows ? "\\" : "/", path, NULL);
}

const char *
bb_msgpack_command_name (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (g_str_equal (commands[i].name, name))
      return commands[i].sent_as;
  return NULL;
}

/* (transfer full) */
static char *
resolve (const BbMsgpackPlace *place, const char *directory, PathKind kind, const char *path)
{
  if (kind == HOME_PATH && *path == '~' && place->home != NULL && path[1] == '\0')
    return g_strdup (place->home);
  if (kind == HOME_PATH && *path == '~' && place->home != NULL && is_separator (place, path[1]))
    return bb_msgpack_place_join (place, place->home, path + 2);
  return bb_msgpack_place_join (place, directory, path);
}

/* Floating; NULL: it is no path. */
static GVariant *
resolve_value (const BbMsgpackPlace *place, const char *directory, PathKind kind, GVariant *value)
{
  g_autoptr (GStrvBuilder) builder = NULL;
  g_auto (GStrv) paths = NULL;
  g_autofree const char **given = NULL;
  gboolean is_text = g_variant_is_of_type (value, G_VARIANT_TYPE_STRING);

  if (kind != PATHS)
    return is_text ? g_variant_new_take_string (resolve (place, directory, kind, g_variant_get_string (value, NULL))) : NULL;
  if (!is_text && !g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    return NULL;
  given = is_text ? g_new0 (const char *, 2) : g_variant_get_strv (value, NULL);
  if (is_text)
    given[0] = g_variant_get_string (value, NULL);
  builder = g_strv_builder_new ();
  for (const char **path = given; *path != NULL; path++)
    {
      g_autofree char *resolved = resolve (place, directory, kind, *path);

      g_strv_builder_add (builder, resolved);
    }
  paths = g_strv_builder_end (builder);
  return g_variant_new_strv ((const char *const *) paths, -1);
}

/* Slaves run the words of the tuple itself, and so show what it was to hide (worker-protocol 7.5). */
static gboolean
is_obfuscated (GVariant *value)
{
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("av")))
    return g_variant_is_of_type (value, G_VARIANT_TYPE ("(sss)")) || g_variant_is_of_type (value, G_VARIANT_TYPE ("a(sss)"));
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) box = g_variant_get_child_value (value, i);
      g_autoptr (GVariant) child = g_variant_get_variant (box);

      if (g_variant_is_of_type (child, G_VARIANT_TYPE ("(sss)")))
        return TRUE;
    }
  return FALSE;
}

static const PathKey *
find_path_key (guint command, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (commands[command].paths) && commands[command].paths[i].key != NULL; i++)
    if (g_str_equal (commands[command].paths[i].key, key))
      return &commands[command].paths[i];
  return NULL;
}

static gboolean
add_argument (GVariantBuilder *builder, guint command, const BbMsgpackPlace *place, const char *directory,
              const char *key, GVariant *value, GError **error)
{
  const PathKey *path = find_path_key (command, key);
  GVariant *resolved = path != NULL ? resolve_value (place, directory, path->kind, value) : NULL;

  if (path != NULL && resolved == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "%s: %s: is no path", commands[command].name, key);
  else if (path == NULL && is_obfuscated (value))
    g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
                 "%s: %s: slaves that speak msgpack would show what is to be hidden; use the environment",
                 commands[command].name, key);
  else if (path == NULL && !bb_msgpack_can_put (value))
    g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "%s: %s: a value of that type cannot be sent to a slave",
                 commands[command].name, key);
  else
    {
      g_variant_builder_add (builder, "{sv}", path != NULL ? path->sent_as : key, resolved != NULL ? resolved : value);
      return TRUE;
    }
  return FALSE;
}

static void
add_missing (GVariantBuilder *builder, guint command, GVariant *args)
{
  const char *const *required = commands[command].required;

  for (guint i = 0; i < G_N_ELEMENTS (commands[command].required) && required[i] != NULL; i++)
    {
      g_autoptr (GVariant) present = g_variant_lookup_value (args, required[i], NULL);

      if (present == NULL)
        g_variant_builder_add (builder, "{sv}", required[i], g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL));
    }
}

/* (transfer full): what the paths of @args are relative to */
static char *
take_workdir (const BbMsgpackPlace *place, const char *directory, GVariant *args)
{
  const char *workdir = "";

  g_variant_lookup (args, "workdir", "&s", &workdir);
  return bb_msgpack_place_join (place, directory, workdir);
}

GVariant *
bb_msgpack_arguments_translate (const BbMsgpackPlace *place, const char *directory, const char *name, GVariant *args,
                                GError **error)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  g_autofree char *workdir = take_workdir (place, directory, args);
  guint command = 0;
  gint64 block_size;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_return_val_if_fail (g_variant_is_of_type (args, G_VARIANT_TYPE_VARDICT), NULL);

  while (command < G_N_ELEMENTS (commands) && !g_str_equal (commands[command].name, name))
    command++;
  g_return_val_if_fail (command < G_N_ELEMENTS (commands), NULL);

  g_variant_iter_init (&iter, args);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      gboolean is_workdir = g_str_equal (key, "workdir");

      /* Only a shell has one; for the others it is a part of their paths. */
      if (is_workdir && !g_str_equal (name, "shell"))
        continue;
      if (!add_argument (builder, command, place, is_workdir ? directory : workdir, key, value, error))
        {
          g_variant_unref (value);
          return NULL;
        }
    }
  if (g_variant_lookup (args, "blocksize", "x", &block_size) && (block_size < 1 || block_size > BB_LINK_MAX_BLOCK))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "%s: blocksize: %" G_GINT64_FORMAT " is not 1 to %d", name,
                   block_size, BB_LINK_MAX_BLOCK);
      return NULL;
    }
  add_missing (builder, command, args);
  return g_variant_ref_sink (g_variant_builder_end (builder));
}
