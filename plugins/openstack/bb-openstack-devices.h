/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* One disk of block_devices. */
typedef struct
{
  char *uuid;
  char *source_type;
  char *destination_type;
  char *device_name;
  gint64 boot_index;
  gboolean delete_on_termination;
  gint64 volume_size; /* GiB; 0: what the source needs */
} BbOpenstackDevice;

BbOpenstackDevice *bb_openstack_device_parse (const char *text, GError **error);
void bb_openstack_device_free (BbOpenstackDevice *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbOpenstackDevice, bb_openstack_device_free)

/* Its item of block_device_mapping_v2. */
JsonNode *bb_openstack_device_to_json (const BbOpenstackDevice *self);

/* The least size in GiB that an image, a snapshot or a volume, as its service describes it, fits in. */
gint64 bb_openstack_device_get_least_size (JsonObject *source);

G_END_DECLS
