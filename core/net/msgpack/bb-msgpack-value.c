/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-msgpack-value.h"

#include <string.h>

#include "bb-error.h"
#include "bb-msgpack-limits.h"

/* What the first byte of a value says of the rest. */
typedef struct
{
  guint8 n_length; /* bytes of a length, or of a number of members */
  guint8 n_fixed;  /* bytes that follow in any case */
  gboolean is_container;
  guint8 n_values; /* for each member */
  gint32 here;     /* the length or number, when it is in the byte itself; else -1 */
} Head;

static gboolean
read_head (guint8 byte, Head *head)
{
  static const guint8 numbers[] = { 4, 8, 1, 2, 4, 8, 1, 2, 4, 8 }; /* 0xca to 0xd3 */

  *head = (Head){ .here = 0 };
  if (byte <= 0x7f || byte >= 0xe0 || byte == 0xc0 || byte == 0xc2 || byte == 0xc3)
    return TRUE; /* a small integer, nil, a boolean */
  if (byte <= 0x8f)
    *head = (Head){ .is_container = TRUE, .n_values = 2, .here = byte & 0x0f };
  else if (byte <= 0x9f)
    *head = (Head){ .is_container = TRUE, .n_values = 1, .here = byte & 0x0f };
  else if (byte <= 0xbf)
    *head = (Head){ .here = byte & 0x1f };
  else if (byte >= 0xc4 && byte <= 0xc6)
    *head = (Head){ .n_length = (guint8) (1 << (byte - 0xc4)), .here = -1 };
  else if (byte >= 0xca && byte <= 0xd3)
    head->n_fixed = numbers[byte - 0xca];
  else if (byte >= 0xd9 && byte <= 0xdb)
    *head = (Head){ .n_length = (guint8) (1 << (byte - 0xd9)), .here = -1 };
  else if (byte == 0xdc || byte == 0xdd)
    *head = (Head){ .n_length = byte == 0xdc ? 2 : 4, .is_container = TRUE, .n_values = 1, .here = -1 };
  else if (byte == 0xde || byte == 0xdf)
    *head = (Head){ .n_length = byte == 0xde ? 2 : 4, .is_container = TRUE, .n_values = 2, .here = -1 };
  else
    return FALSE; /* extensions, and the byte that is never used */
  return TRUE;
}

static gboolean
malformed (GError **error, const char *what)
{
  g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "msgpack: %s", what);
  return FALSE;
}

gboolean
bb_msgpack_check (const guint8 *data, gsize length, GError **error)
{
  gsize due[BB_MSGPACK_MAX_DEPTH + 1] = { 1 }; /* values, of each container that is open */
  guint depth = 0, n_elements = 0;
  gsize i = 0;

  while (TRUE)
    {
      Head head;
      gsize count = 0;

      while (depth > 0 && due[depth] == 0)
        depth--;
      if (due[depth] == 0)
        break;
      due[depth]--;
      if (i >= length)
        return malformed (error, "a message that is cut off");
      if (++n_elements > BB_MSGPACK_MAX_ELEMENTS)
        return malformed (error, "too many elements in one message");
      if (!read_head (data[i++], &head))
        return malformed (error, "a type that slaves don't use");
      if (length - i < head.n_length + (gsize) head.n_fixed)
        return malformed (error, "a message that is cut off");
      for (guint j = 0; j < head.n_length; j++)
        count = count << 8 | data[i + j];
      i += head.n_length + (gsize) head.n_fixed;
      if (head.here >= 0)
        count = (gsize) head.here;
      /* Every member has a byte at least. */
      if (count * (head.is_container ? head.n_values : 1) > length - i)
        return malformed (error, "a message that is cut off");
      if (!head.is_container)
        i += count;
      else if (depth == BB_MSGPACK_MAX_DEPTH - 1)
        return malformed (error, "a message that is nested too deeply");
      else
        due[++depth] = count * head.n_values;
    }
  return i == length || malformed (error, "more than one value in a message");
}

const msgpack_object *
bb_msgpack_lookup (const msgpack_object *map, const char *key)
{
  if (map == NULL || map->type != MSGPACK_OBJECT_MAP)
    return NULL;
  for (guint i = 0; i < map->via.map.size; i++)
    if (bb_msgpack_text_is (&map->via.map.ptr[i].key, key))
      return &map->via.map.ptr[i].val;
  return NULL;
}

gboolean
bb_msgpack_is_nil (const msgpack_object *value)
{
  return value == NULL || value->type == MSGPACK_OBJECT_NIL;
}

gboolean
bb_msgpack_get_array (const msgpack_object *value, guint *n_members, const msgpack_object **members)
{
  if (value == NULL || value->type != MSGPACK_OBJECT_ARRAY)
    return FALSE;
  *n_members = value->via.array.size;
  *members = value->via.array.ptr;
  return TRUE;
}

gboolean
bb_msgpack_get_text (const msgpack_object *value, const char **text, gsize *length)
{
  if (value == NULL || (value->type != MSGPACK_OBJECT_STR && value->type != MSGPACK_OBJECT_BIN))
    return FALSE;
  *text = value->type == MSGPACK_OBJECT_STR ? value->via.str.ptr : value->via.bin.ptr;
  *length = value->type == MSGPACK_OBJECT_STR ? value->via.str.size : value->via.bin.size;
  return TRUE;
}

gboolean
bb_msgpack_text_is (const msgpack_object *value, const char *text)
{
  const char *bytes;
  gsize length;

  return bb_msgpack_get_text (value, &bytes, &length) && length == strlen (text) && memcmp (bytes, text, length) == 0;
}

char *
bb_msgpack_dup_text (const msgpack_object *value)
{
  const char *bytes;
  gsize length;

  return bb_msgpack_get_text (value, &bytes, &length) ? g_utf8_make_valid (bytes, (gssize) length) : NULL;
}

gboolean
bb_msgpack_get_integer (const msgpack_object *value, gint64 *integer)
{
  if (value == NULL)
    return FALSE;
  if (value->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
    *integer = value->via.i64;
  else if (value->type == MSGPACK_OBJECT_POSITIVE_INTEGER && value->via.u64 <= G_MAXINT64)
    *integer = (gint64) value->via.u64;
  else
    return FALSE;
  return TRUE;
}

gboolean
bb_msgpack_get_number (const msgpack_object *value, double *number)
{
  gint64 integer;

  if (value != NULL && (value->type == MSGPACK_OBJECT_FLOAT32 || value->type == MSGPACK_OBJECT_FLOAT64))
    *number = value->via.f64;
  else if (bb_msgpack_get_integer (value, &integer))
    *number = (double) integer;
  else
    return FALSE;
  return TRUE;
}

/* As GVariants */

static GVariant *to_variant (const msgpack_object *value, guint *budget);

static gboolean
all_are (const msgpack_object_array *array, gboolean (*is) (const msgpack_object *))
{
  for (guint i = 0; i < array->size; i++)
    if (!is (&array->ptr[i]))
      return FALSE;
  return TRUE;
}

static gboolean
is_text (const msgpack_object *value)
{
  return value->type == MSGPACK_OBJECT_STR || value->type == MSGPACK_OBJECT_BIN;
}

static gboolean
is_integer (const msgpack_object *value)
{
  gint64 integer;

  return bb_msgpack_get_integer (value, &integer);
}

static GVariant *
array_to_variant (const msgpack_object_array *array, guint *budget)
{
  gboolean boxed = FALSE;
  GVariantBuilder builder;

  if (array->size > 0 && all_are (array, is_integer))
    g_variant_builder_init (&builder, G_VARIANT_TYPE ("ax"));
  else if (all_are (array, is_text))
    g_variant_builder_init (&builder, G_VARIANT_TYPE ("as"));
  else
    {
      boxed = TRUE;
      g_variant_builder_init (&builder, G_VARIANT_TYPE ("av"));
    }
  for (guint i = 0; i < array->size; i++)
    {
      GVariant *member = to_variant (&array->ptr[i], budget);

      if (member == NULL)
        {
          g_variant_builder_clear (&builder);
          return NULL;
        }
      g_variant_builder_add_value (&builder, boxed ? g_variant_new_variant (member) : member);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
map_to_variant (const msgpack_object_map *map, guint *budget)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < map->size; i++)
    {
      g_autofree char *key = bb_msgpack_dup_text (&map->ptr[i].key);
      GVariant *value = key != NULL ? to_variant (&map->ptr[i].val, budget) : NULL;

      if (value == NULL)
        {
          g_variant_builder_clear (&builder);
          return NULL;
        }
      g_variant_builder_add (&builder, "{sv}", key, value);
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
to_variant (const msgpack_object *value, guint *budget)
{
  gint64 integer;

  if (*budget == 0)
    return NULL;
  --*budget;
  switch (value->type)
    {
    case MSGPACK_OBJECT_NIL:
      return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
    case MSGPACK_OBJECT_BOOLEAN:
      return g_variant_new_boolean (value->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
      return bb_msgpack_get_integer (value, &integer) ? g_variant_new_int64 (integer) : NULL;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
      return g_variant_new_double (value->via.f64);
    case MSGPACK_OBJECT_STR:
    case MSGPACK_OBJECT_BIN:
      return g_variant_new_take_string (bb_msgpack_dup_text (value));
    case MSGPACK_OBJECT_ARRAY:
      return array_to_variant (&value->via.array, budget);
    case MSGPACK_OBJECT_MAP:
      return map_to_variant (&value->via.map, budget);
    default:
      return NULL;
    }
}

GVariant *
bb_msgpack_to_variant (const msgpack_object *value, guint budget)
{
  return to_variant (value, &budget);
}

/* Writing */

void
bb_msgpack_put_text (msgpack_packer *packer, const char *text)
{
  msgpack_pack_str_with_body (packer, text, strlen (text));
}

void
bb_msgpack_put_bytes (msgpack_packer *packer, const guint8 *data, gsize length)
{
  msgpack_pack_bin_with_body (packer, length > 0 ? (const void *) data : "", length);
}

gboolean
bb_msgpack_can_put (GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
    case G_VARIANT_CLASS_INT32:
    case G_VARIANT_CLASS_UINT32:
    case G_VARIANT_CLASS_INT64:
    case G_VARIANT_CLASS_UINT64:
    case G_VARIANT_CLASS_DOUBLE:
    case G_VARIANT_CLASS_STRING:
      return TRUE;
    case G_VARIANT_CLASS_ARRAY:
    case G_VARIANT_CLASS_TUPLE:
    case G_VARIANT_CLASS_DICT_ENTRY:
    case G_VARIANT_CLASS_VARIANT:
    case G_VARIANT_CLASS_MAYBE:
      break;
    default:
      return FALSE;
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    return TRUE;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY) && !g_variant_is_of_type (value, G_VARIANT_TYPE ("a{s*}")))
    return FALSE;
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (!bb_msgpack_can_put (child))
        return FALSE;
    }
  return TRUE;
}

static void
put_children (msgpack_packer *packer, GVariant *value)
{
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      bb_msgpack_put_variant (packer, child);
    }
}

static void
put_container (msgpack_packer *packer, GVariant *value)
{
  gsize n_children = g_variant_n_children (value);

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    {
      bb_msgpack_put_bytes (packer, g_variant_get_data (value), g_variant_get_size (value));
      return;
    }
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
    msgpack_pack_map (packer, n_children);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY) || g_variant_is_of_type (value, G_VARIANT_TYPE_TUPLE))
    msgpack_pack_array (packer, n_children);
  else if (n_children == 0)
    msgpack_pack_nil (packer);
  put_children (packer, value); /* also of a dictionary's entry, a variant, a value that may be absent */
}

void
bb_msgpack_put_variant (msgpack_packer *packer, GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      if (g_variant_get_boolean (value))
        msgpack_pack_true (packer);
      else
        msgpack_pack_false (packer);
      break;
    case G_VARIANT_CLASS_INT32:
      msgpack_pack_int32 (packer, g_variant_get_int32 (value));
      break;
    case G_VARIANT_CLASS_UINT32:
      msgpack_pack_uint32 (packer, g_variant_get_uint32 (value));
      break;
    case G_VARIANT_CLASS_INT64:
      msgpack_pack_int64 (packer, g_variant_get_int64 (value));
      break;
    case G_VARIANT_CLASS_UINT64:
      msgpack_pack_uint64 (packer, g_variant_get_uint64 (value));
      break;
    case G_VARIANT_CLASS_DOUBLE:
      msgpack_pack_double (packer, g_variant_get_double (value));
      break;
    case G_VARIANT_CLASS_STRING:
      bb_msgpack_put_text (packer, g_variant_get_string (value, NULL));
      break;
    default:
      put_container (packer, value);
      break;
    }
}
