/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config.h"

#include <errno.h>
#include <string.h>

#include "bb-config-private.h"
#include "bb-error.h"

G_DEFINE_FINAL_TYPE (BbConfig, bb_config, G_TYPE_OBJECT)

static const char *const kind_names[] = {
  "host", "listener", "template", "slave", "properties", "builder", "step", "notifier", NULL,
};
G_STATIC_ASSERT (G_N_ELEMENTS (kind_names) == BB_CONFIG_N_KINDS + 1);

static void
bb_config_finalize (GObject *object)
{
  BbConfig *self = BB_CONFIG (object);

  bb_host_config_clear (&self->host);
  g_hash_table_unref (self->builder_names);
  g_hash_table_unref (self->slave_names);
  /* Builders point to slaves and steps. */
  g_ptr_array_unref (self->builders);
  g_ptr_array_unref (self->steps);
  g_ptr_array_unref (self->slaves);
  g_ptr_array_unref (self->listeners);
  g_ptr_array_unref (self->notifiers);
  G_OBJECT_CLASS (bb_config_parent_class)->finalize (object);
}

static void
bb_config_class_init (BbConfigClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_config_finalize;
}

static void
bb_config_init (BbConfig *self)
{
  self->listeners = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_listener_config_free);
  self->slaves = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_slave_config_free);
  self->slave_names = g_hash_table_new (g_str_hash, g_str_equal);
  self->steps = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_step_config_free);
  self->builders = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_builder_config_free);
  self->builder_names = g_hash_table_new (g_str_hash, g_str_equal);
  self->notifiers = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_notifier_config_free);
}

static void
file_problem (const char *message, gpointer user_data)
{
  BbConfigLoader *loader = user_data;

  g_ptr_array_add (loader->errors, g_strdup (message));
}

static void
load_file (BbConfigLoader *loader, const char *path, const char *label)
{
  BbConfigFile *file = bb_config_file_load (path, label, file_problem, loader);

  if (file != NULL)
    g_ptr_array_add (loader->files, file);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
load_folder (BbConfigLoader *loader, const char *path)
{
  g_autofree char *main_file = g_build_filename (path, "bbhost.conf", NULL);
  g_autofree char *folder = g_build_filename (path, "conf.d", NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = NULL;
  const char *name;

  load_file (loader, main_file, "bbhost.conf");
  dir = g_dir_open (folder, 0, &error);
  if (dir == NULL && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    g_ptr_array_add (loader->errors, g_strdup_printf ("conf.d: %s", error->message));
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (*name != '.' && g_str_has_suffix (name, ".conf"))
      g_ptr_array_add (names, g_strdup (name));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      g_autofree char *file = g_build_filename (folder, g_ptr_array_index (names, i), NULL);
      g_autofree char *raw_label = g_build_filename ("conf.d", g_ptr_array_index (names, i), NULL);
      g_autofree char *label = g_filename_display_name (raw_label);

      load_file (loader, file, label);
    }
}

static int
find_kind (const char *word)
{
  for (int i = 0; kind_names[i] != NULL; i++)
    if (g_str_equal (kind_names[i], word))
      return i;
  return -1;
}

static void
unknown_group (BbConfigLoader *loader, const BbConfigGroup *group)
{
  const char *nearest = bb_option_nearest (group->kind, kind_names);
  g_autofree char *all = g_strjoinv (", ", (char **) kind_names);

  if (nearest != NULL)
    bb_config_error (loader, group, NULL, "there is no such group; did you mean [%s%s%s]?", nearest,
                     group->name != NULL ? " " : "", group->name != NULL ? group->name : "");
  else
    bb_config_error (loader, group, NULL, "there is no such group; there are: %s", all);
}

/* FALSE when it has said that the group can't be used. */
static gboolean
check_title (BbConfigLoader *loader, const BbConfigGroup *group, int kind)
{
  if (kind < 0)
    unknown_group (loader, group);
  else if (kind == BB_CONFIG_HOST && group->name != NULL)
    bb_config_error (loader, group, NULL, "there is only one host; write [host]");
  else if (kind != BB_CONFIG_HOST && group->name == NULL)
    bb_config_error (loader, group, NULL, "has no name; write [%s NAME]", group->kind);
  else
    return TRUE;
  return FALSE;
}

static void
sort_group (BbConfigLoader *loader, BbConfigGroup *group)
{
  int kind = find_kind (group->kind);
  g_autofree char *title = NULL;
  const BbConfigGroup *other;

  if (!check_title (loader, group, kind))
    return;
  /* With one blank, however many there are. */
  title = g_strconcat (group->kind, group->name != NULL ? " " : "", group->name, NULL);
  other = g_hash_table_lookup (loader->titles, title);
  if (other == NULL)
    {
      g_hash_table_insert (loader->titles, g_steal_pointer (&title), group);
      g_ptr_array_add (loader->groups[kind], group);
    }
  else if (other->file == group->file)
    bb_config_error (loader, group, NULL, "is there twice, in lines %u and %u; make them one", other->line,
                     group->line);
  else
    bb_config_error (loader, group, NULL, "is already defined in %s; keep one of them", other->file->label);
}

static void
sort_groups (BbConfigLoader *loader)
{
  for (guint i = 0; i < loader->files->len; i++)
    {
      const BbConfigFile *file = g_ptr_array_index (loader->files, i);

      for (guint j = 0; j < file->groups->len; j++)
        sort_group (loader, g_ptr_array_index (file->groups, j));
    }
}

static void
check_files (BbConfigLoader *loader)
{
  for (guint i = 0; i < loader->files->len; i++)
    {
      const BbConfigFile *file = g_ptr_array_index (loader->files, i);
      g_autofree char *quoted = NULL;

      if (file->secret_group == NULL || !bb_config_mode_is_too_open (file->path, file->mode))
        continue;
      quoted = g_shell_quote (file->path);
      bb_config_error (loader, file->secret_group, file->secret_key,
                       "this secret is in a file that others can read; run chmod 600 %s", quoted);
    }
}

static void
loader_init (BbConfigLoader *loader)
{
  loader->config = g_object_new (BB_TYPE_CONFIG, NULL);
  loader->said = g_hash_table_new (g_str_hash, g_str_equal);
  loader->files = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_config_file_free);
  loader->titles = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  loader->missing_types = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  loader->left_out = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (int i = 0; i < BB_CONFIG_N_KINDS; i++)
    loader->groups[i] = g_ptr_array_new ();
}

static void
loader_clear (BbConfigLoader *loader)
{
  g_clear_object (&loader->config);
  g_hash_table_unref (loader->said);
  g_hash_table_unref (loader->titles);
  g_hash_table_unref (loader->missing_types);
  g_hash_table_unref (loader->left_out);
  for (int i = 0; i < BB_CONFIG_N_KINDS; i++)
    g_ptr_array_unref (loader->groups[i]);
  g_ptr_array_unref (loader->files);
}

static BbConfig *
load (const char *path, BbPluginRegistry *plugins, gboolean tolerant, GPtrArray *errors, GPtrArray *warnings)
{
  BbConfigLoader loader = { .plugins = plugins, .tolerant = tolerant, .errors = errors, .warnings = warnings };
  /* Relative paths in the files count from the file's folder, wherever we go later. */
  g_autofree char *absolute = NULL;
  BbConfig *config = NULL;
  guint n_errors_before;

  g_return_val_if_fail (path != NULL, NULL);
  g_return_val_if_fail (BB_IS_PLUGIN_REGISTRY (plugins), NULL);
  g_return_val_if_fail (errors != NULL && warnings != NULL, NULL);

  n_errors_before = errors->len;
  absolute = g_canonicalize_filename (path, NULL);
  loader_init (&loader);
  if (g_file_test (absolute, G_FILE_TEST_IS_DIR))
    load_folder (&loader, absolute);
  else
    {
      g_autofree char *name = g_path_get_basename (absolute);
      g_autofree char *label = g_filename_display_name (name);

      load_file (&loader, absolute, label);
    }
  sort_groups (&loader);
  bb_config_load_host (&loader);
  bb_config_load_listeners (&loader);
  bb_config_load_slaves (&loader);
  bb_config_load_steps (&loader);
  bb_config_load_builders (&loader);
  bb_config_load_notifiers (&loader);
  check_files (&loader);
  if (errors->len == n_errors_before)
    config = g_object_ref (loader.config);
  loader_clear (&loader);
  return config;
}

BbConfig *
bb_config_load (const char *path, BbPluginRegistry *plugins, GPtrArray *errors, GPtrArray *warnings)
{
  return load (path, plugins, FALSE, errors, warnings);
}

BbConfig *
bb_config_load_usable (const char *path, BbPluginRegistry *plugins, GPtrArray *errors, GPtrArray *warnings)
{
  return load (path, plugins, TRUE, errors, warnings);
}

const BbHostConfig *
bb_config_get_host (BbConfig *self)
{
  return &self->host;
}

GPtrArray *
bb_config_get_listeners (BbConfig *self)
{
  return self->listeners;
}

GPtrArray *
bb_config_get_slaves (BbConfig *self)
{
  return self->slaves;
}

GPtrArray *
bb_config_get_builders (BbConfig *self)
{
  return self->builders;
}

GPtrArray *
bb_config_get_notifiers (BbConfig *self)
{
  return self->notifiers;
}

const BbSlaveConfig *
bb_config_find_slave (BbConfig *self, const char *name)
{
  return g_hash_table_lookup (self->slave_names, name);
}

const BbBuilderConfig *
bb_config_find_builder (BbConfig *self, const char *name)
{
  return g_hash_table_lookup (self->builder_names, name);
}
