/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-plugin-registry.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bb-error.h"
#include "bb-latent-slave.h"
#include "bb-notifier.h"
#include "bb-option-struct.h"

#define ENTRY_SYMBOL "bb_plugin_query"

/* Members up to this one have been there since ABI 1. */
#define MIN_INFO_SIZE (G_STRUCT_OFFSET (BbPluginInfo, provides) + sizeof (gpointer))

typedef struct
{
  char *path;
  const BbPluginInfo *info; /* static, in a module that stays */
} LoadedPlugin;

struct _BbPluginRegistry
{
  GObject parent_instance;

  char **directories;
  GHashTable *plugins; /* name (owned) → LoadedPlugin (owned) */
  GHashTable *types;   /* type name (static) → LoadedPlugin (owned by plugins) */
};

G_DEFINE_FINAL_TYPE (BbPluginRegistry, bb_plugin_registry, G_TYPE_OBJECT)

static void
loaded_plugin_free (gpointer data)
{
  LoadedPlugin *plugin = data;

  g_free (plugin->path);
  g_free (plugin);
}

static gboolean G_GNUC_PRINTF (3, 4)
refuse (GError **error, const char *path, const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, BB_ERROR, BB_ERROR_PLUGIN, "%s: %s", path, message);
  return FALSE;
}

/* Whoever may write what we are about to run, may do what we may. */
static gboolean
check_writers (const char *path, const struct stat *status, GError **error)
{
  if (status->st_uid != 0 && status->st_uid != geteuid ())
    return refuse (error, path, "belongs to neither root nor the user that bbhostd runs as; run chown root '%s'", path);
  if ((status->st_mode & S_IWOTH) ||
      ((status->st_mode & S_IWGRP) && status->st_gid != 0 && status->st_gid != getegid ()))
    return refuse (error, path, "others may write to it; run chmod go-w '%s'", path);
  return TRUE;
}

static gboolean
check_file (const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  struct stat status;

  if (stat (folder, &status) != 0)
    return refuse (error, folder, "%s", g_strerror (errno));
  if (!check_writers (folder, &status, error))
    return FALSE;
  if (stat (path, &status) != 0)
    return refuse (error, path, "%s; reinstall the package that it came with", g_strerror (errno));
  if (!S_ISREG (status.st_mode))
    return refuse (error, path, "is not a regular file; reinstall the package that it came with");
  return check_writers (path, &status, error);
}

static gboolean
check_types (BbPluginRegistry *self, const char *path, const BbPluginInfo *info, GError **error)
{
  if (info->provides == NULL || info->provides->type_name == NULL)
    return refuse (error, path, "provides nothing; upgrade bbhost-plugin-%s", info->name);
  for (const BbPluginProvides *provides = info->provides; provides->type_name != NULL; provides++)
    {
      LoadedPlugin *other = g_hash_table_lookup (self->types, provides->type_name);

      if (other != NULL)
        return refuse (error, path, "the type \"%s\" is already provided by %s; remove one of them",
                       provides->type_name, other->path);
      if (provides->get_type == NULL || provides->options == NULL ||
          provides->config_size < bb_option_struct_get_size (provides->options))
        return refuse (error, path, "its description of the type \"%s\" is incomplete; upgrade bbhost-plugin-%s",
                       provides->type_name, info->name);
    }
  return TRUE;
}

static gboolean
check_info (BbPluginRegistry *self, const char *path, const char *name, const BbPluginInfo *info, GError **error)
{
  if (info == NULL)
    return refuse (error, path, "does not describe itself; upgrade bbhost-plugin-%s", name);
  if (info->abi != BB_PLUGIN_ABI)
    return refuse (error, path, "built for plugin ABI %u, this bbhostd has %u; upgrade %s%s", info->abi, BB_PLUGIN_ABI,
                   info->abi < BB_PLUGIN_ABI ? "bbhost-plugin-" : "bbhost", info->abi < BB_PLUGIN_ABI ? name : "");
  if (info->size < MIN_INFO_SIZE || info->name == NULL)
    return refuse (error, path, "its description is too short for plugin ABI %u; upgrade bbhost-plugin-%s",
                   BB_PLUGIN_ABI, name);
  if (!g_str_equal (info->name, name))
    return refuse (error, path, "is the plugin \"%s\"; it must be named %s.so", info->name, info->name);
  return check_types (self, path, info, error);
}

/* The module is resident by now: this registers its types. */
static gboolean
check_gtypes (const char *path, const BbPluginInfo *info, GError **error)
{
  for (const BbPluginProvides *provides = info->provides; provides->type_name != NULL; provides++)
    {
      GType type = provides->get_type ();
      gboolean good = provides->is_notifier
                        ? g_type_is_a (type, BB_TYPE_NOTIFIER)
                        : g_type_is_a (type, BB_TYPE_ABSTRACT_SLAVE) && g_type_is_a (type, BB_TYPE_LATENT_SLAVE);

      if (!good)
        return refuse (error, path, "its type \"%s\" is no %s; upgrade bbhost-plugin-%s", provides->type_name,
                       provides->is_notifier ? "notifier" : "latent slave", info->name);
    }
  return TRUE;
}

static GModule *
open_module (const char *path, const char *name, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  /* Not lazy: a missing symbol must fail at start, not at three in the morning. */
  GModule *module = g_module_open_full (path, G_MODULE_BIND_LOCAL, &local_error);
  const char *why;

  if (module != NULL)
    return module;
  why = local_error->message;
  /* The dynamic linker names the file as well. */
  if (g_str_has_prefix (why, path) && g_str_has_prefix (why + strlen (path), ": "))
    why += strlen (path) + strlen (": ");
  refuse (error, path, "cannot be loaded: %s; reinstall bbhost-plugin-%s", why, name);
  return NULL;
}

static LoadedPlugin *
load (BbPluginRegistry *self, const char *path, const char *name, GError **error)
{
  GModule *module;
  gpointer query = NULL;
  const BbPluginInfo *info;
  LoadedPlugin *plugin;

  if (!check_file (path, error))
    return NULL;
  module = open_module (path, name, error);
  if (module == NULL)
    return NULL;
  if (!g_module_symbol (module, ENTRY_SYMBOL, &query) || query == NULL)
    {
      g_module_close (module);
      refuse (error, path, "is no plugin of bbhost (it has no %s); remove it", ENTRY_SYMBOL);
      return NULL;
    }
  info = ((BbPluginQueryFunc) query) ();
  if (!check_info (self, path, name, info, error))
    {
      g_module_close (module);
      return NULL;
    }
  /* A registered GType can't be taken back, so from here on the module stays. */
  g_module_make_resident (module);
  if (!check_gtypes (path, info, error))
    return NULL;

  plugin = g_new0 (LoadedPlugin, 1);
  plugin->path = g_strdup (path);
  plugin->info = info;
  g_hash_table_insert (self->plugins, g_strdup (name), plugin);
  for (const BbPluginProvides *provides = info->provides; provides->type_name != NULL; provides++)
    g_hash_table_insert (self->types, (gpointer) provides->type_name, plugin);
  return plugin;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Names of all modules, sorted, each once; ends with NULL. */
static GPtrArray *
list_names (BbPluginRegistry *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);

  for (char **directory = self->directories; *directory != NULL; directory++)
    {
      g_autoptr (GDir) dir = g_dir_open (*directory, 0, NULL);
      const char *file;

      while (dir != NULL && (file = g_dir_read_name (dir)) != NULL)
        {
          char *name;

          if (!g_str_has_suffix (file, ".so") || strlen (file) == strlen (".so"))
            continue;
          name = g_strndup (file, strlen (file) - strlen (".so"));
          if (g_hash_table_add (seen, name))
            g_ptr_array_add (names, name);
          else
            g_free (name);
        }
    }
  g_ptr_array_sort (names, compare_names);
  g_ptr_array_add (names, NULL);
  return names;
}

static char *
find_file (BbPluginRegistry *self, const char *name)
{
  g_autofree char *file = g_strconcat (name, ".so", NULL);

  for (char **directory = self->directories; *directory != NULL; directory++)
    {
      g_autofree char *path = g_build_filename (*directory, file, NULL);

      /* A link that leads nowhere is there, and is reported as such. */
      if (g_file_test (path, G_FILE_TEST_EXISTS) || g_file_test (path, G_FILE_TEST_IS_SYMLINK))
        return g_steal_pointer (&path);
    }
  return NULL;
}

/* Plugins are named like packages, so that a type never leads out of the folder. */
static gboolean
is_plugin_name (const char *name)
{
  return *name != '\0' && strlen (name) <= 64 &&
         strspn (name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == strlen (name);
}

static void
set_not_installed (BbPluginRegistry *self, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = list_names (self);
  g_autofree char *folders = g_strjoinv (", ", self->directories);
  const char *nearest = bb_option_nearest (name, (const char *const *) names->pdata);

  if (nearest != NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_PLUGIN,
                 "there is no plugin \"%s\" in %s; did you mean \"%s\"? Otherwise install the package bbhost-plugin-%s",
                 name, folders, nearest, name);
  else
    g_set_error (error, BB_ERROR, BB_ERROR_PLUGIN,
                 "there is no plugin \"%s\" in %s; install the package bbhost-plugin-%s", name, folders, name);
}

static const BbPluginProvides *
find_type (const LoadedPlugin *plugin, const char *type_name)
{
  for (const BbPluginProvides *provides = plugin->info->provides; provides->type_name != NULL; provides++)
    if (g_str_equal (provides->type_name, type_name))
      return provides;
  return NULL;
}

const BbPluginProvides *
bb_plugin_registry_lookup (BbPluginRegistry *self, const char *type_name, GError **error)
{
  const BbPluginProvides *provides;
  LoadedPlugin *plugin;
  g_autofree char *path = NULL;

  g_return_val_if_fail (BB_IS_PLUGIN_REGISTRY (self), NULL);
  g_return_val_if_fail (type_name != NULL, NULL);

  plugin = g_hash_table_lookup (self->types, type_name);
  if (plugin != NULL)
    return find_type (plugin, type_name);
  if (!is_plugin_name (type_name))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PLUGIN,
                   "\"%s\" cannot be a plugin's name; those are of lower-case letters, digits, \"-\" and \"_\"",
                   type_name);
      return NULL;
    }
  path = find_file (self, type_name);
  if (path == NULL)
    {
      set_not_installed (self, type_name, error);
      return NULL;
    }
  plugin = g_hash_table_lookup (self->plugins, type_name);
  if (plugin == NULL)
    plugin = load (self, path, type_name, error);
  if (plugin == NULL)
    return NULL;
  provides = find_type (plugin, type_name);
  if (provides == NULL)
    refuse (error, plugin->path, "has no type \"%s\"; its first one is \"%s\"", type_name,
            plugin->info->provides->type_name);
  return provides;
}

static GVariant *
describe_flags (BbOptionFlags flags)
{
  static const char *const names[] = { "required", "secret", "live", "none", "interpolated" };
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (flags & (1u << i))
      g_variant_builder_add (&builder, "s", names[i]);
  return g_variant_builder_end (&builder);
}

static GVariant *
describe_option (const BbOption *option)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "key", "s", option->key);
  g_variant_dict_insert (&dict, "kind", "s", bb_option_type_to_string (option->type));
  if (option->fallback != NULL)
    g_variant_dict_insert (&dict, "default", "s", option->fallback);
  if (option->minimum < option->maximum)
    {
      g_variant_dict_insert (&dict, "minimum", "d", option->minimum);
      g_variant_dict_insert (&dict, "maximum", "d", option->maximum);
    }
  if (option->choices != NULL)
    g_variant_dict_insert (&dict, "choices", "^as", option->choices);
  g_variant_dict_insert (&dict, "help", "s", option->help != NULL ? option->help : "");
  g_variant_dict_insert_value (&dict, "flags", describe_flags (option->flags));
  return g_variant_dict_end (&dict);
}

static GVariant *
describe_types (const BbPluginInfo *info)
{
  GVariantBuilder types;

  g_variant_builder_init (&types, G_VARIANT_TYPE ("aa{sv}"));
  for (const BbPluginProvides *provides = info->provides; provides->type_name != NULL; provides++)
    {
      GVariantBuilder options;
      GVariantDict dict;

      g_variant_builder_init (&options, G_VARIANT_TYPE ("aa{sv}"));
      for (const BbOption *option = provides->options; option->key != NULL; option++)
        g_variant_builder_add_value (&options, describe_option (option));
      g_variant_dict_init (&dict, NULL);
      g_variant_dict_insert (&dict, "type", "s", provides->type_name);
      g_variant_dict_insert (&dict, "notifier", "b", provides->is_notifier);
      g_variant_dict_insert_value (&dict, "options", g_variant_builder_end (&options));
      g_variant_builder_add_value (&types, g_variant_dict_end (&dict));
    }
  return g_variant_builder_end (&types);
}

static GVariant *
describe_plugin (BbPluginRegistry *self, const char *name)
{
  g_autofree char *path = find_file (self, name);
  g_autoptr (GError) error = NULL;
  LoadedPlugin *plugin = g_hash_table_lookup (self->plugins, name);
  gboolean loaded = plugin != NULL;
  GVariantDict dict;

  if (plugin == NULL && path != NULL)
    plugin = load (self, path, name, &error);
  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "name", "s", name);
  g_variant_dict_insert (&dict, "path", "s", plugin != NULL ? plugin->path : path != NULL ? path : "");
  g_variant_dict_insert (&dict, "loaded", "b", loaded);
  if (plugin != NULL)
    {
      g_variant_dict_insert (&dict, "version", "s", plugin->info->version != NULL ? plugin->info->version : "");
      g_variant_dict_insert (&dict, "summary", "s", plugin->info->summary != NULL ? plugin->info->summary : "");
      g_variant_dict_insert_value (&dict, "types", describe_types (plugin->info));
    }
  else
    g_variant_dict_insert (&dict, "error", "s", error != NULL ? error->message : "");
  return g_variant_dict_end (&dict);
}

GVariant *
bb_plugin_registry_describe (BbPluginRegistry *self)
{
  g_autoptr (GPtrArray) names = NULL;
  GVariantBuilder plugins;

  g_return_val_if_fail (BB_IS_PLUGIN_REGISTRY (self), NULL);

  names = list_names (self);
  g_variant_builder_init (&plugins, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i + 1 < names->len; i++)
    g_variant_builder_add_value (&plugins, describe_plugin (self, g_ptr_array_index (names, i)));
  return g_variant_builder_end (&plugins);
}

static void
bb_plugin_registry_finalize (GObject *object)
{
  BbPluginRegistry *self = BB_PLUGIN_REGISTRY (object);

  g_strfreev (self->directories);
  g_hash_table_unref (self->types);
  g_hash_table_unref (self->plugins);
  G_OBJECT_CLASS (bb_plugin_registry_parent_class)->finalize (object);
}

static void
bb_plugin_registry_class_init (BbPluginRegistryClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_plugin_registry_finalize;
}

static void
bb_plugin_registry_init (BbPluginRegistry *self)
{
  self->plugins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, loaded_plugin_free);
  self->types = g_hash_table_new (g_str_hash, g_str_equal);
}

BbPluginRegistry *
bb_plugin_registry_new (const char *const *directories)
{
  static const char *const built_in[] = { BB_PLUGIN_DIR, NULL };
  BbPluginRegistry *self = g_object_new (BB_TYPE_PLUGIN_REGISTRY, NULL);

  self->directories = g_strdupv ((char **) (directories != NULL && *directories != NULL ? directories : built_in));
  return self;
}
