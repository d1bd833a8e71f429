/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * An entry of clouds.yaml: (element-type utf8 utf8) (transfer container), with the keys of its "auth" beside its own, and
 * those of secure.yaml beside it in the same folder. @path: (nullable): instead of the usual places
 */
GHashTable *bb_openstack_clouds_read (const char *path, const char *name, GError **error);

G_END_DECLS
