/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-web-json.h"

#include <string.h>

/* Real answers need 8. */
#define MAX_DEPTH 64

/* The code unit of a \u escape at *i, which is left at its last digit; G_MAXUINT where there is none. */
static guint
read_code_unit (const char *data, gsize size, gsize *i)
{
  guint unit = 0;

  if (size - *i < sizeof "\\uXXXX" - 1 || data[*i] != '\\' || data[*i + 1] != 'u')
    return G_MAXUINT;
  for (gsize digit = *i + 2; digit < *i + 6; digit++)
    {
      if (!g_ascii_isxdigit (data[digit]))
        return G_MAXUINT;
      unit = unit << 4 | (guint) g_ascii_xdigit_value (data[digit]);
    }
  *i += 5;
  return unit;
}

/* From the backslash at *i to the last character of its escape. */
static gboolean
skip_escape (const char *data, gsize size, gsize *i)
{
  guint unit;

  if (size - *i < 2)
    return FALSE;
  if (data[*i + 1] != 'u')
    return strchr ("\"\\/bfnrt", data[++*i]) != NULL && data[*i] != '\0';
  unit = read_code_unit (data, size, i);
  if (unit < 0xd800 || unit > 0xdfff)
    return unit != G_MAXUINT;
  if (unit > 0xdbff)
    return FALSE;
  ++*i;
  unit = read_code_unit (data, size, i);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

/* From the quote at *i to the one that closes it. */
static gboolean
skip_string (const char *data, gsize size, gsize *i)
{
  for (++*i; *i < size && data[*i] != '"'; ++*i)
    if (data[*i] == '\\' && !skip_escape (data, size, i))
      return FALSE;
  return *i < size;
}

/* One value, no comments, not deep, no escapes but those of RFC 8259. json-glib's parser calls itself for each bracket, so
 * that a few hundred KiB of them end the process; of several values in one text it forgets all but the last, with their
 * memory; an escape that is none costs the string's memory, or becomes a byte that is not UTF-8 ("\202", "\ud800"). */
static gboolean
is_sane (const char *data, gsize size)
{
  guint depth = 0;
  gboolean over = FALSE;

  for (gsize i = 0; i < size; i++)
    {
      char c = data[i];

      if (g_ascii_isspace (c))
        continue;
      if (over || (depth == 0 && c != '{' && c != '['))
        return FALSE;
      if (c == '{' || c == '[')
        {
          if (++depth > MAX_DEPTH)
            return FALSE;
        }
      else if (c == '}' || c == ']')
        over = --depth == 0;
      else if (c == '"')
        {
          if (!skip_string (data, size, &i))
            return FALSE;
        }
      else if (!g_ascii_isalnum (c) && (c == '\0' || strchr (":,+-.", c) == NULL))
        return FALSE;
    }
  return over;
}

JsonNode *
bb_web_json_parse (GBytes *body)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  gsize size;
  const char *data = g_bytes_get_data (body, &size);

  if (!is_sane (data, size) || !json_parser_load_from_data (parser, data, (gssize) size, NULL))
    return NULL;
  return json_parser_steal_root (parser);
}

static JsonNode *
get_member (JsonObject *object, const char *name)
{
  return object != NULL ? json_object_get_member (object, name) : NULL;
}

const char *
bb_web_json_get_string (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING
           ? json_node_get_string (node)
           : NULL;
}

JsonObject *
bb_web_json_get_object (JsonObject *object, const char *name)
{
  return bb_web_json_to_object (get_member (object, name));
}

JsonArray *
bb_web_json_get_array (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

JsonObject *
bb_web_json_to_object (JsonNode *node)
{
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonObject *
bb_web_json_get_element (JsonArray *array, guint index)
{
  return bb_web_json_to_object (json_array_get_element (array, index));
}
