/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-json.h"

static JsonNode *
get_member (JsonObject *object, const char *name)
{
  return object != NULL ? json_object_get_member (object, name) : NULL;
}

const char *
bb_openstack_json_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
           ? json_node_get_string (node)
           : NULL;
}

JsonObject *
bb_openstack_json_get_object (JsonObject *object, const char *name)
{
  return bb_openstack_json_to_object (get_member (object, name));
}

JsonArray *
bb_openstack_json_get_array (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

JsonObject *
bb_openstack_json_to_object (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonObject *
bb_openstack_json_get_element (JsonArray *array, guint index)
{
  return bb_openstack_json_to_object (json_array_get_element (array, index));
}
