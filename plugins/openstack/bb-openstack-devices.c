/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-devices.h"

#include <bbhost/bbhost.h>
#include <string.h>

#define GIB (G_GINT64_CONSTANT (1) << 30)

void
bb_openstack_device_free (BbOpenstackDevice *self)
{
  g_free (self->uuid);
  g_free (self->source_type);
  g_free (self->destination_type);
  g_free (self->device_name);
  g_free (self);
}

static gboolean
parse_number (const char *key, const char *value, gint64 least, gint64 *number, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  if (g_ascii_string_to_signed (value, 10, least, 1000000, number, &local_error))
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: %s", key, local_error->message);
  return FALSE;
}

static gboolean
parse_word (const char *key, const char *value, const char *const *words, char **member, GError **error)
{
  g_autofree char *known = g_strjoinv (", ", (char **) words);

  if (g_strv_contains (words, value))
    {
      g_free (*member);
      *member = g_strdup (value);
      return TRUE;
    }
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: \"%s\" is none of %s", key, value, known);
  return FALSE;
}

static gboolean
parse_boolean (const char *key, const char *value, gboolean *member, GError **error)
{
  *member = g_str_equal (value, "true");
  if (*member || g_str_equal (value, "false"))
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "%s: \"%s\" is neither true nor false", key, value);
  return FALSE;
}

static gboolean
parse_item (BbOpenstackDevice *self, const char *key, const char *value, GError **error)
{
  static const char *const sources[] = { "image", "snapshot", "volume", NULL };
  static const char *const destinations[] = { "volume", "local", NULL };

  if (g_str_equal (key, "source_type"))
    return parse_word (key, value, sources, &self->source_type, error);
  if (g_str_equal (key, "destination_type"))
    return parse_word (key, value, destinations, &self->destination_type, error);
  if (g_str_equal (key, "boot_index"))
    return parse_number (key, value, -1, &self->boot_index, error);
  if (g_str_equal (key, "volume_size"))
    return parse_number (key, value, 1, &self->volume_size, error);
  if (g_str_equal (key, "delete_on_termination"))
    return parse_boolean (key, value, &self->delete_on_termination, error);
  if (g_str_equal (key, "uuid") || g_str_equal (key, "device_name"))
    {
      char **member = g_str_equal (key, "uuid") ? &self->uuid : &self->device_name;

      g_free (*member);
      *member = g_strdup (value);
      return TRUE;
    }
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG,
               "\"%s\" is none of uuid, source_type, destination_type, device_name, boot_index, delete_on_termination, "
               "volume_size", key);
  return FALSE;
}

BbOpenstackDevice *
bb_openstack_device_parse (const char *text, GError **error)
{
  g_autoptr (BbOpenstackDevice) self = g_new0 (BbOpenstackDevice, 1);
  g_auto (GStrv) items = g_strsplit (text, ",", -1);

  self->source_type = g_strdup ("image");
  self->destination_type = g_strdup ("volume");
  self->device_name = g_strdup ("vda");
  self->delete_on_termination = TRUE;
  for (gsize i = 0; items[i] != NULL; i++)
    {
      char *equals = strchr (items[i], '=');

      if (equals == NULL)
        {
          g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "\"%s\" is not KEY=VALUE", items[i]);
          return NULL;
        }
      *equals = '\0';
      if (!parse_item (self, g_strstrip (items[i]), g_strstrip (equals + 1), error))
        return NULL;
    }
  if (self->uuid != NULL && *self->uuid != '\0')
    return g_steal_pointer (&self);
  g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "\"%s\" has no uuid", text);
  return NULL;
}

JsonNode *
bb_openstack_device_to_json (const BbOpenstackDevice *self)
{
  JsonObject *object = json_object_new ();
  JsonNode *node = json_node_new (JSON_NODE_OBJECT);

  json_object_set_string_member (object, "uuid", self->uuid);
  json_object_set_string_member (object, "source_type", self->source_type);
  json_object_set_string_member (object, "destination_type", self->destination_type);
  json_object_set_string_member (object, "device_name", self->device_name);
  json_object_set_int_member (object, "boot_index", self->boot_index);
  json_object_set_boolean_member (object, "delete_on_termination", self->delete_on_termination);
  if (self->volume_size > 0)
    json_object_set_int_member (object, "volume_size", self->volume_size);
  json_node_take_object (node, object);
  return node;
}

static gint64
get_number (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_INT64
           ? CLAMP (json_node_get_int (node), 0, G_MAXINT64 - GIB)
           : 0;
}

gint64
bb_openstack_device_get_least_size (JsonObject *source)
{
  gint64 bytes;

  /* An image has min_disk in GiB, and its size in bytes; everything of Cinder's has its size in GiB. */
  if (!json_object_has_member (source, "min_disk"))
    return MAX (get_number (source, "size"), 1);
  bytes = MAX (get_number (source, "size"), get_number (source, "virtual_size"));
  return MAX (MAX (get_number (source, "min_disk"), (bytes + GIB - 1) / GIB), 1);
}
