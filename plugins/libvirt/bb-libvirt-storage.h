/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

G_BEGIN_DECLS

/* Images that lie where only the hypervisor can reach them: in its storage pools, found by their folders. All of these
 * wait for its answer, and so run in threads. */

/* Whether there is a pool for the file @path; an error says how to make one. */
gboolean bb_libvirt_storage_has_pool (virConnectPtr connection, const char *path, GError **error);
/* The format of an image as its pool says; NULL with an error when there is nothing to go by. */
char *bb_libvirt_storage_get_format (virConnectPtr connection, const char *base, GError **error);
/* @format: of @base. A qcow2 overlay, or a full copy in the same format when not @overlay. */
gboolean bb_libvirt_storage_clone (virConnectPtr connection, const char *base, const char *target, const char *format,
                                   gboolean overlay, GError **error);
gboolean bb_libvirt_storage_upload (virConnectPtr connection, const char *target, GBytes *contents, GError **error);
/* Nothing there is fine. */
gboolean bb_libvirt_storage_remove (virConnectPtr connection, const char *path, GError **error);
/* (transfer full): where that volume lies, or NULL */
char *bb_libvirt_storage_get_path (virConnectPtr connection, const char *pool, const char *volume);

G_END_DECLS
