/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* (transfer full): what an answer holds, or %NULL when that is no JSON, or none that a service would send. */
JsonNode *bb_web_json_parse (GBytes *body);

/* Reading what a peer wrote: json-glib's own getters want to be right about what is there. @object may be %NULL. */
const char *bb_web_json_get_string (JsonObject *object, const char *name); /* nullable */
JsonObject *bb_web_json_get_object (JsonObject *object, const char *name); /* nullable */
JsonArray *bb_web_json_get_array (JsonObject *object, const char *name);   /* nullable */
/* The object that @node is, or %NULL. */
JsonObject *bb_web_json_to_object (JsonNode *node);
/* The object at @index, or %NULL when it is something else. */
JsonObject *bb_web_json_get_element (JsonArray *array, guint index);

G_END_DECLS
