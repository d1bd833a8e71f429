/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <msgpack.h>

G_BEGIN_DECLS

/* Values of MessagePack as msgpack-c gives them, looked at and written. */

/* To be called before anything is unpacked: msgpack-c makes room for as many members as a peer announces. FALSE with
 * %BB_ERROR_PROTOCOL: not exactly one value, too deep, too many elements, more members than there are bytes, or an extension. */
gboolean bb_msgpack_check (const guint8 *data, gsize length, GError **error);

/* The first value of @key; %NULL: @map is none, or has no such key. */
const msgpack_object *bb_msgpack_lookup (const msgpack_object *map, const char *key);
gboolean bb_msgpack_is_nil (const msgpack_object *value); /* also when it is missing, %NULL */
/* The members of an array; FALSE: it is none. */
gboolean bb_msgpack_get_array (const msgpack_object *value, guint *n_members, const msgpack_object **members);
/* str or bin, as older packers know no difference; any bytes, not NUL-terminated. All take a missing value, %NULL. */
gboolean bb_msgpack_get_text (const msgpack_object *value, const char **text, gsize *length);
gboolean bb_msgpack_text_is (const msgpack_object *value, const char *text);
char *bb_msgpack_dup_text (const msgpack_object *value); /* valid UTF-8 without NUL; %NULL when it is no text */
gboolean bb_msgpack_get_integer (const msgpack_object *value, gint64 *integer);
gboolean bb_msgpack_get_number (const msgpack_object *value, double *number);

/* As a GVariant: text s, integer x, float d, boolean b, nil mv; an array of text only as, of integers only ax, any other
 * av; a map a{sv}; floating. %NULL for what has more than @budget elements, or no form. */
GVariant *bb_msgpack_to_variant (const msgpack_object *value, guint budget);

void bb_msgpack_put_text (msgpack_packer *packer, const char *text);
void bb_msgpack_put_bytes (msgpack_packer *packer, const guint8 *data, gsize length);
/* See bb_slave_link_start_command() for what is what. FALSE: there is no form for all that is in it. */
gboolean bb_msgpack_can_put (GVariant *value);
void bb_msgpack_put_variant (msgpack_packer *packer, GVariant *value);

G_END_DECLS
