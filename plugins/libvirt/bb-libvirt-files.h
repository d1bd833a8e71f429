/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-libvirt-document.h"

G_BEGIN_DECLS

/* Files of this machine: images, and what guests are handed. */

/* By its first bytes, as qemu-img names it: "raw" for what is nothing else. NULL when it can't be read. Blocks. */
char *bb_libvirt_files_get_format (const char *path, GError **error);
/* Whether both are one file, by whatever names; FALSE when either is not there. Blocks. */
gboolean bb_libvirt_files_are_same (const char *a, const char *b);

/**
 * bb_libvirt_files_clone_async:
 * @target: is replaced when the new image is complete; a link is replaced, and not followed
 * @format: of @base
 * @overlay: a qcow2 overlay rather than a full copy
 *
 * By qemu-img. Cancelling ends it; what it has made by then is removed.
 */
void bb_libvirt_files_clone_async (const char *base, const char *target, const char *format, gboolean overlay,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_libvirt_files_clone_finish (GAsyncResult *result, GError **error);

/* A file for the guest's eyes only: mode 0600, or 0640 with @group. Blocks. */
gboolean bb_libvirt_files_write_secret (const char *path, GBytes *contents, const char *group, GError **error);
/* A disk that cloud-init takes its orders from: an ISO 9660 image labelled cidata. */
GBytes *bb_libvirt_files_make_seed (const BbLibvirtIdentity *identity, const char *instance_id, const char *user_data,
                                    GError **error);
/* Nothing there is fine. Blocks. */
gboolean bb_libvirt_files_remove (const char *path, GError **error);
/* The end of a console's output, in one line; NULL when there is nothing to show. Blocks. */
char *bb_libvirt_files_get_tail (const char *path);

G_END_DECLS
