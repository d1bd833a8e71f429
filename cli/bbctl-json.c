/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-json.h"

#include <stdio.h>

const char *const bbctl_slave_keys[] = { "name",           "type",         "state",       "attached",
                                         "max_builds",     "running_builds", "properties", "peer_address",
                                         "instance_id",    "substantiation_state", "last_error", "next_attempt_at",
                                         NULL };
const char *const bbctl_build_keys[] = { "number",     "builder",     "slave",      "state",      "result", "reason",
                                         "submitted_at", "started_at", "finished_at", "build_set", "properties", "steps",
                                         NULL };
const char *const bbctl_instance_keys[] = { "number",       "slave",        "backend",     "instance_id", "state",
                                            "requested_at", "confirmed_at", "hourly_cost", NULL };

char *
bbctl_snake_case (const char *name)
{
  GString *snake = g_string_new (NULL);

  for (const char *c = name; *c != '\0'; c++)
    {
      if (g_ascii_isupper (*c) && c > name)
        g_string_append_c (snake, '_');
      g_string_append_c (snake, g_ascii_tolower (*c));
    }
  return g_string_free (snake, FALSE);
}

void
bbctl_json_merge (JsonObject *object, GVariant *dict)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, dict);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *key = bbctl_snake_case (name);

      if (!json_object_has_member (object, key))
        json_object_set_member (object, key, json_gvariant_serialize (value));
    }
}

JsonObject *
bbctl_json_object (GVariant *dict, const char *const *keys)
{
  JsonObject *all = json_object_new (), *chosen;

  bbctl_json_merge (all, dict);
  if (keys == NULL)
    return all;
  chosen = json_object_new ();
  for (; *keys != NULL; keys++)
    if (json_object_has_member (all, *keys))
      json_object_set_member (chosen, *keys, json_object_dup_member (all, *keys));
    else
      json_object_set_null_member (chosen, *keys);
  json_object_unref (all);
  return chosen;
}

JsonArray *
bbctl_json_array (GVariant *dicts, const char *const *keys)
{
  JsonArray *array = json_array_new ();
  GVariantIter iter;
  GVariant *dict;

  g_variant_iter_init (&iter, dicts);
  while (g_variant_iter_loop (&iter, "@a{sv}", &dict))
    json_array_add_object_element (array, bbctl_json_object (dict, keys));
  return array;
}

static void
print_node (JsonNode *node)
{
  g_autofree char *text = json_to_string (node, FALSE);

  fputs (text, stdout);
  fputc ('\n', stdout);
  fflush (stdout);
  json_node_unref (node);
}

void
bbctl_print_json_object (JsonObject *object)
{
  JsonNode *node = json_node_alloc ();

  print_node (json_node_init_object (node, object));
  json_object_unref (object);
}

void
bbctl_print_json_array (JsonArray *array)
{
  JsonNode *node = json_node_alloc ();

  print_node (json_node_init_array (node, array));
  json_array_unref (array);
}
