/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* What D-Bus says, as JSON: the same values under the same names in snake_case. */

extern const char *const bbctl_slave_keys[];
extern const char *const bbctl_build_keys[];
extern const char *const bbctl_instance_keys[];

char *bbctl_snake_case (const char *name); /* "InstanceId" → "instance_id" */

/* Of an a{sv} with names in either form. @keys: (nullable): just these, in this order; NULL for all. (transfer full) */
JsonObject *bbctl_json_object (GVariant *dict, const char *const *keys);
JsonArray *bbctl_json_array (GVariant *dicts, const char *const *keys); /* of an aa{sv} */
/* Adds members that @object has not got yet. */
void bbctl_json_merge (JsonObject *object, GVariant *dict);

/* One document on standard output, on one line. @object, @array: (transfer full) */
void bbctl_print_json_object (JsonObject *object);
void bbctl_print_json_array (JsonArray *array);

G_END_DECLS
