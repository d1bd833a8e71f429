/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-libvirt-config.h"
#include "bb-libvirt-connection.h"

G_BEGIN_DECLS

/* One start: its files are made, and then its domain. What it has made when it fails is in the ledger, for the stop. */

#define BB_LIBVIRT_FILE_RESOURCE "file:"     /* of this machine */
#define BB_LIBVIRT_VOLUME_RESOURCE "volume:" /* of the hypervisor's */

/* @config: the caller keeps it until the end */
void bb_libvirt_start_async (BbLibvirtConnection *connection, const BbLibvirtConfig *config,
                             BbInstanceRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data);
/* @console: (out) (transfer full) (nullable): the file that its console is written to */
BbInstance *bb_libvirt_start_finish (BbLibvirtConnection *connection, GAsyncResult *result, char **console,
                                     GError **error);

/* An instance's id: the domain's UUID, and for a domain that is defined, and so has it for ever, the token as well. */
char *bb_libvirt_make_id (const char *uuid, gboolean persistent, const char *token);
char *bb_libvirt_parse_id (const char *id); /* the UUID; NULL for an empty id */

G_END_DECLS
