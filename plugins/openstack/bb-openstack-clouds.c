/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-clouds.h"

#include <bbhost/bbhost.h>
#include <string.h>
#include <yaml.h>

#define MAX_SIZE (1024 * 1024)

static char *
find_file (void)
{
  g_autofree char *own = g_build_filename (g_get_user_config_dir (), "openstack", "clouds.yaml", NULL);
  const char *const places[] = { g_getenv ("OS_CLIENT_CONFIG_FILE"), "clouds.yaml", own, "/etc/openstack/clouds.yaml" };

  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    if (places[i] != NULL && g_file_test (places[i], G_FILE_TEST_IS_REGULAR))
      return g_strdup (places[i]);
  return NULL;
}

static const char *
get_text (yaml_node_t *node)
{
  return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *) node->data.scalar.value : NULL;
}

static yaml_node_t *
get_member (yaml_document_t *document, yaml_node_t *node, const char *key)
{
  if (node == NULL || node->type != YAML_MAPPING_NODE)
    return NULL;
  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
    if (g_strcmp0 (get_text (yaml_document_get_node (document, pair->key)), key) == 0)
      return yaml_document_get_node (document, pair->value);
  return NULL;
}

static void
add_members (yaml_document_t *document, yaml_node_t *node, GHashTable *values)
{
  if (node == NULL || node->type != YAML_MAPPING_NODE)
    return;
  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
    {
      const char *key = get_text (yaml_document_get_node (document, pair->key));
      const char *value = get_text (yaml_document_get_node (document, pair->value));

      if (key != NULL && value != NULL)
        g_hash_table_insert (values, g_strdup (key), g_strdup (value));
    }
}

static gboolean
load (yaml_document_t *document, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  yaml_parser_t parser;
  gboolean loaded;
  gsize size;

  if (!g_file_get_contents (path, &text, &size, error))
    return FALSE;
  if (size > MAX_SIZE || !yaml_parser_initialize (&parser))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: too large", path);
      return FALSE;
    }
  yaml_parser_set_input_string (&parser, (const unsigned char *) text, size);
  loaded = yaml_parser_load (&parser, document) != 0;
  if (!loaded)
    g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: line %zu: %s", path, parser.problem_mark.line + 1, parser.problem);
  yaml_parser_delete (&parser);
  return loaded;
}

/* Sets @found when there is an entry of that name. */
static gboolean
read_entry (const char *path, const char *name, GHashTable *values, gboolean *found, GError **error)
{
  yaml_document_t document;
  yaml_node_t *entry;

  if (!load (&document, path, error))
    return FALSE;
  entry = get_member (&document, get_member (&document, yaml_document_get_root_node (&document), "clouds"), name);
  *found = entry != NULL;
  add_members (&document, entry, values);
  add_members (&document, get_member (&document, entry, "auth"), values);
  yaml_document_delete (&document);
  return TRUE;
}

GHashTable *
bb_openstack_clouds_read (const char *path, const char *name, GError **error)
{
  g_autoptr (GHashTable) values = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  g_autofree char *file = path != NULL ? g_strdup (path) : find_file ();
  g_autofree char *folder = NULL;
  g_autofree char *secure = NULL;
  gboolean found;
  gboolean found_secure;

  if (file == NULL)
    {
      g_set_error_literal (error, BB_ERROR, BB_ERROR_CONFIG,
                           "no clouds.yaml in the working folder, ~/.config/openstack or /etc/openstack");
      return NULL;
    }
  folder = g_path_get_dirname (file);
  secure = g_build_filename (folder, "secure.yaml", NULL);
  if (!read_entry (file, name, values, &found, error))
    return NULL;
  if (!found)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s has no cloud \"%s\"", file, name);
      return NULL;
    }
  if (g_file_test (secure, G_FILE_TEST_IS_REGULAR) && !read_entry (secure, name, values, &found_secure, error))
    return NULL;
  return g_steal_pointer (&values);
}
