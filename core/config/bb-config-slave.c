/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <glib/gstdio.h>

/* Of a password in a file of its own; also of its line end. */
#define MAX_PASSWORD_FILE 4096

/* What one [slave …] group makes, before it is one slave or many. */
typedef struct
{
  const BbConfigGroup *group;
  const BbConfigGroup *template; /* NULL: none */
  const char *type;              /* NULL: static */
  const BbPluginProvides *provides;
  gboolean usable; /* FALSE: its keys can't be told from wrong ones, as its plugin is missing */
  BbSlaveSettings *settings;
  gpointer plugin_config;
  gboolean good;
} Source;

static const char *const meta_keys[] = { "type", "template", NULL };

static const BbOption *
get_settings_options (const Source *source)
{
  return source->type != NULL ? bb_latent_slave_options : bb_static_slave_options;
}

/* One choice: a slave that makes it does not get another one from its template. */
static const char *const password_keys[] = { "password", "password_file", "password_credential", NULL };

/* Whether the slave itself says it, so that the template's word does not count. */
static gboolean
is_overridden (const Source *source, const char *key)
{
  if (!g_strv_contains (password_keys, key))
    return bb_config_group_get (source->group, key) != NULL;
  for (guint i = 0; password_keys[i] != NULL; i++)
    if (bb_config_group_get (source->group, password_keys[i]) != NULL)
      return TRUE;
  return FALSE;
}

/* The group that a key of this slave comes from. */
static const BbConfigGroup *
find_origin (const Source *source, const char *key)
{
  if (source->template != NULL && bb_config_group_get (source->template, key) != NULL && !is_overridden (source, key))
    return source->template;
  return source->group;
}

static const char *
find_value (const Source *source, const char *key)
{
  return bb_config_group_get (find_origin (source, key), key);
}

static void
unknown_key (BbConfigLoader *loader, const Source *source, const BbConfigGroup *group, const char *key)
{
  g_autoptr (GPtrArray) known = NULL;
  g_autofree char *owner = NULL;

  if (source->type == NULL && bb_option_find (bb_latent_slave_options, key) != NULL)
    {
      bb_config_error (loader, group, key, "is an option of on-demand slaves; set type=, or remove it");
      return;
    }
  known = g_ptr_array_new ();
  for (const BbOption *option = get_settings_options (source); option->key != NULL; option++)
    g_ptr_array_add (known, (gpointer) option->key);
  for (const BbOption *option = source->provides != NULL ? source->provides->options : NULL;
       option != NULL && option->key != NULL; option++)
    g_ptr_array_add (known, (gpointer) option->key);
  for (guint i = 0; meta_keys[i] != NULL; i++)
    g_ptr_array_add (known, (gpointer) meta_keys[i]);
  g_ptr_array_add (known, NULL);
  owner = source->type != NULL ? g_strdup_printf ("type \"%s\"", source->type) : g_strdup ("a static slave");
  bb_config_unknown_key (loader, group, key, owner, (const char *const *) known->pdata);
}

static gboolean
parse_entry (BbConfigLoader *loader, Source *source, const BbConfigGroup *group, const BbConfigEntry *entry)
{
  const BbOption *option = bb_option_find (get_settings_options (source), entry->key);

  if (g_str_equal (entry->key, "password") && g_str_equal (entry->value, "auto"))
    {
      source->settings->auto_password = TRUE;
      if (source->type != NULL)
        return TRUE;
      bb_config_error (loader, group, "password", "\"auto\" is for on-demand slaves only; give the slave's password");
      return FALSE;
    }
  if (option != NULL)
    return bb_config_parse_entry (loader, group, entry, option, source->settings);
  if (source->provides != NULL)
    option = bb_option_find (source->provides->options, entry->key);
  if (option != NULL)
    return bb_config_parse_entry (loader, group, entry, option, source->plugin_config);
  if (source->usable)
    unknown_key (loader, source, group, entry->key);
  return FALSE;
}

static void
parse_entries (BbConfigLoader *loader, Source *source, const BbConfigGroup *group)
{
  for (guint i = 0; i < group->entries->len; i++)
    {
      const BbConfigEntry *entry = &g_array_index (group->entries, BbConfigEntry, i);

      if (g_strv_contains (meta_keys, entry->key))
        continue;
      if (group == source->template && is_overridden (source, entry->key))
        continue;
      source->good = parse_entry (loader, source, group, entry) && source->good;
    }
}

static void
check_required (BbConfigLoader *loader, Source *source)
{
  if (source->provides == NULL)
    return;
  for (const BbOption *option = source->provides->options; option->key != NULL; option++)
    if ((option->flags & BB_OPTION_REQUIRED) && find_value (source, option->key) == NULL)
      {
        bb_config_error (loader, source->group, option->key, "is missing; type \"%s\" needs it", source->type);
        source->good = FALSE;
      }
}

/* The first line of a file; NULL when it has said what is wrong with it. */
static char *
read_password (BbConfigLoader *loader, const BbConfigGroup *group, const char *key, const char *path)
{
  char text[MAX_PASSWORD_FILE];
  gssize length;
  int fd;

  if (!bb_config_check_secret_file (loader, group, key, path))
    return NULL;
  fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  length = fd >= 0 ? read (fd, text, sizeof text - 1) : -1;
  if (length < 0)
    bb_config_error (loader, group, key, "%s: %s", path, g_strerror (errno));
  if (fd >= 0)
    close (fd);
  if (length < 0)
    return NULL;
  text[length] = '\0';
  text[strcspn (text, "\r\n")] = '\0';
  if (*text != '\0' && g_utf8_validate (text, -1, NULL))
    return g_strdup (text);
  bb_config_error (loader, group, key, "the first line of %s is not a password", path);
  return NULL;
}

/* From the folder that systemd makes for the service. */
static char *
read_credential (BbConfigLoader *loader, const BbConfigGroup *group, const char *name)
{
  const char *key = "password_credential";
  const char *folder = g_getenv ("CREDENTIALS_DIRECTORY");
  g_autofree char *path = NULL;

  if (*name == '\0' || strchr (name, '/') != NULL || g_str_equal (name, ".") || g_str_equal (name, ".."))
    {
      bb_config_error (loader, group, key, "\"%s\" is not the name of a credential", name);
      return NULL;
    }
  if (folder == NULL || *folder == '\0')
    {
      bb_config_error (loader, group, key,
                       "systemd has handed over no credentials; add LoadCredential=%s:PATH to the unit with "
                       "systemctl edit bbhost, and restart it",
                       name);
      return NULL;
    }
  path = g_build_filename (folder, name, NULL);
  if (g_access (path, F_OK) == 0)
    return read_password (loader, group, key, path);
  bb_config_error (loader, group, key,
                   "systemd has handed over no credential \"%s\"; add LoadCredential=%s:PATH to the unit with "
                   "systemctl edit bbhost, and restart it",
                   name, name);
  return NULL;
}

/* Whether at most one of the keys is there; the later ones are complained of. */
static gboolean
is_one_choice (BbConfigLoader *loader, const Source *source)
{
  const char *first = NULL;
  gboolean good = TRUE;

  for (guint i = 0; password_keys[i] != NULL; i++)
    {
      if (find_value (source, password_keys[i]) == NULL)
        continue;
      if (first != NULL)
        bb_config_error (loader, find_origin (source, password_keys[i]), password_keys[i],
                         "is given beside %s; keep one of them", first);
      good = good && first == NULL;
      first = first != NULL ? first : password_keys[i];
    }
  return good;
}

static void
check_password (BbConfigLoader *loader, Source *source)
{
  BbSlaveSettings *settings = source->settings;
  gboolean is_auto = settings->auto_password;
  gboolean any = FALSE;

  for (guint i = 0; password_keys[i] != NULL; i++)
    any = any || find_value (source, password_keys[i]) != NULL;
  if (!is_one_choice (loader, source))
    return;
  if (!any)
    bb_config_error (loader, source->group, "password",
                     "is missing; give password=, password_file= or password_credential=%s",
                     source->type != NULL ? ", or password=auto" : "");
  else if (settings->password_file != NULL)
    settings->password = read_password (loader, find_origin (source, "password_file"), "password_file",
                                        settings->password_file);
  else if (settings->password_credential != NULL)
    settings->password = read_credential (loader, find_origin (source, "password_credential"),
                                          settings->password_credential);
  else if (!is_auto && settings->password != NULL && *settings->password == '\0')
    bb_config_error (loader, find_origin (source, "password"), "password", "is empty; give the slave's password");
}

static void
find_template (BbConfigLoader *loader, Source *source)
{
  const char *name = bb_config_group_get (source->group, "template");
  g_autofree char *title = NULL;

  if (name == NULL)
    return;
  title = g_strconcat ("template ", name, NULL);
  source->template = g_hash_table_lookup (loader->titles, title);
  if (source->template == NULL)
    {
      g_autofree char *suggestion = bb_config_suggest_name (loader, name, BB_CONFIG_TEMPLATE);

      bb_config_error (loader, source->group, "template", "there is no [template %s]%s", name, suggestion);
      source->usable = FALSE; /* it may have had the type */
    }
}

/* Also makes the structs that the values go to. */
static void
find_type (BbConfigLoader *loader, Source *source)
{
  const char *type = find_value (source, "type");

  if (type != NULL && !g_str_equal (type, "static"))
    {
      source->type = type;
      source->provides = bb_config_find_type (loader, find_origin (source, "type"), type, FALSE);
      source->usable = source->usable && source->provides != NULL;
    }
  source->good = source->usable;
  source->settings = bb_slave_settings_new (source->type != NULL);
  if (source->provides == NULL)
    return;
  source->plugin_config = g_malloc0 (source->provides->config_size);
  bb_option_struct_init (source->provides->options, source->plugin_config);
}

static BbSlaveConfig *
make_slave (const Source *source, char *name)
{
  BbSlaveConfig *slave = g_new0 (BbSlaveConfig, 1);

  slave->name = name;
  slave->type = g_strdup (source->type);
  slave->origin = bb_config_origin (source->group);
  slave->settings = bb_slave_settings_ref (source->settings);
  slave->provides = source->provides;
  if (source->provides != NULL)
    {
      slave->plugin_config = g_malloc0 (source->provides->config_size);
      bb_option_struct_copy_to (source->provides->options, source->plugin_config, slave->plugin_config);
    }
  return slave;
}

static void
add_slaves (BbConfigLoader *loader, const Source *source, const BbConfigRange *range)
{
  BbConfig *config = loader->config;

  for (guint i = 0; i < bb_config_range_count (range); i++)
    {
      g_autofree char *name = bb_config_range_get (range, i);
      const BbSlaveConfig *other = g_hash_table_lookup (config->slave_names, name);
      BbSlaveConfig *slave;

      if (other != NULL)
        {
          bb_config_error (loader, source->group, NULL, "the slave \"%s\" is already defined by %s; keep one of them",
                           name, other->origin);
          continue;
        }
      if (loader->tolerant && source->type != NULL && source->provides == NULL)
        {
          g_hash_table_add (loader->left_out, g_steal_pointer (&name));
          continue;
        }
      slave = make_slave (source, g_steal_pointer (&name));
      g_ptr_array_add (config->slaves, slave);
      g_hash_table_insert (config->slave_names, slave->name, slave);
    }
}

static void
load_slave (BbConfigLoader *loader, const BbConfigGroup *group, GHashTable *used_templates)
{
  Source source = { .group = group, .usable = TRUE };
  g_auto (BbConfigRange) range = { 0 };
  g_autoptr (GError) error = NULL;

  if (!bb_config_check_name (loader, group, group->name, "slave"))
    return;
  if (!bb_config_range_parse (&range, group->name, &error))
    {
      bb_config_error (loader, group, NULL, "%s", error->message);
      return;
    }
  find_template (loader, &source);
  find_type (loader, &source);
  parse_entries (loader, &source, group);
  if (source.template != NULL)
    {
      g_hash_table_add (used_templates, (gpointer) source.template);
      parse_entries (loader, &source, source.template);
    }
  check_password (loader, &source);
  check_required (loader, &source);
  if (source.good && source.provides != NULL)
    bb_config_validate (loader, group, source.template, source.provides, source.plugin_config);
  add_slaves (loader, &source, &range);
  bb_slave_settings_unref (source.settings);
  if (source.provides != NULL)
    bb_option_struct_free (source.provides->options, source.plugin_config);
}

static GVariant *
parse_properties (BbConfigLoader *loader, const BbConfigGroup *group)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < group->entries->len; i++)
    {
      const BbConfigEntry *entry = &g_array_index (group->entries, BbConfigEntry, i);
      g_autoptr (GError) error = NULL;
      g_autofree char *text = bb_option_unescape (entry->value, &error);

      if (text == NULL)
        bb_config_error (loader, group, entry->key, "%s", error->message);
      else if (g_str_equal (entry->key, "slavename") || g_str_equal (entry->key, "workername"))
        bb_config_error (loader, group, entry->key, "is the slave's name in every build; choose another name");
      else
        g_variant_builder_add (&builder, "{sv}", entry->key, bb_config_type_property (text));
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* @stronger over @weaker. */
static GVariant *
merge_properties (GVariant *weaker, GVariant *stronger)
{
  GVariantDict dict;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  if (g_variant_n_children (weaker) == 0)
    return stronger;
  g_variant_dict_init (&dict, weaker);
  g_variant_iter_init (&iter, stronger);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_variant_dict_insert_value (&dict, key, value);
      g_variant_unref (value);
    }
  return g_variant_dict_end (&dict);
}

static void
set_properties (BbSlaveConfig *slave, GVariant *properties)
{
  BbSlaveSettings *shared = slave->settings;

  slave->settings = bb_slave_settings_copy_with (shared, merge_properties (shared->properties, properties));
  bb_slave_settings_unref (shared);
}

static void
load_properties (BbConfigLoader *loader, const BbConfigGroup *group, const BbConfigRange *range)
{
  g_autoptr (GVariant) properties = parse_properties (loader, group);

  for (guint i = 0; i < bb_config_range_count (range); i++)
    {
      g_autofree char *name = bb_config_range_get (range, i);
      BbSlaveConfig *slave = g_hash_table_lookup (loader->config->slave_names, name);

      if (slave != NULL)
        set_properties (slave, properties);
      if (slave != NULL || g_hash_table_contains (loader->left_out, name))
        continue;
      g_autofree char *suggestion = bb_config_suggest_name (loader, name, BB_CONFIG_SLAVE);

      bb_config_error (loader, group, NULL, "there is no slave \"%s\"%s", name, suggestion);
      return;
    }
}

/* @ranges: those of ranges, or those of one slave, which come later and are the stronger. */
static void
load_all_properties (BbConfigLoader *loader, gboolean ranges)
{
  const GPtrArray *groups = loader->groups[BB_CONFIG_PROPERTIES];

  for (guint i = 0; i < groups->len; i++)
    {
      const BbConfigGroup *group = g_ptr_array_index (groups, i);
      g_auto (BbConfigRange) range = { 0 };
      g_autoptr (GError) error = NULL;

      if (!bb_config_range_parse (&range, group->name, &error))
        bb_config_error (loader, group, NULL, "%s", error->message);
      else if ((range.suffix != NULL) == ranges)
        load_properties (loader, group, &range);
    }
}

static void
check_templates (BbConfigLoader *loader, GHashTable *used)
{
  const GPtrArray *groups = loader->groups[BB_CONFIG_TEMPLATE];

  for (guint i = 0; i < groups->len; i++)
    {
      const BbConfigGroup *group = g_ptr_array_index (groups, i);

      if (bb_config_group_get (group, "template") != NULL)
        bb_config_error (loader, group, "template", "a template can't have a template; write its options out");
      if (!g_hash_table_contains (used, group))
        bb_config_warning (loader, group, NULL, "no slave uses it, so that its options are not checked");
    }
}

void
bb_config_load_slaves (BbConfigLoader *loader)
{
  const GPtrArray *groups = loader->groups[BB_CONFIG_SLAVE];
  g_autoptr (GHashTable) used_templates = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < groups->len; i++)
    load_slave (loader, g_ptr_array_index (groups, i), used_templates);
  check_templates (loader, used_templates);
  load_all_properties (loader, TRUE);
  load_all_properties (loader, FALSE);
}

void
bb_slave_config_free (BbSlaveConfig *slave)
{
  if (slave->provides != NULL)
    bb_option_struct_free (slave->provides->options, slave->plugin_config);
  bb_slave_settings_unref (slave->settings);
  g_free (slave->name);
  g_free (slave->type);
  g_free (slave->origin);
  g_free (slave);
}
