/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-account.h"

G_BEGIN_DECLS

/* Servers as Nova shows them, and finding them. */

/* (transfer full): its name, of the slave's and the token */
char *bb_openstack_server_make_name (const char *slave_name, const char *token);
/* Of a member of its metadata; nullable. */
const char *bb_openstack_server_get_mark (JsonObject *server, const char *key);
const char *bb_openstack_server_get_status (JsonObject *server); /* never NULL */
gboolean bb_openstack_server_is_gone (JsonObject *server);
/* (transfer full): "ERROR: No valid host was found" */
char *bb_openstack_server_describe (JsonObject *server);
BbInstance *bb_openstack_server_to_instance (JsonObject *server, const char *token);

/* All servers that carry a mark of ours: Nova can't filter by it. */
void bb_openstack_server_list_async (BbOpenstackAccount *account, const char *key, const char *value,
                                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *bb_openstack_server_list_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

/* How one server is, a poll interval later: one list serves all who ask. %BB_OPENSTACK_ERROR_NOT_FOUND when it is in
 * no list, and not known by its id either. A cancelled look ends with its interval. */
void bb_openstack_server_look_async (BbOpenstackAccount *account, const char *id, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
JsonObject *bb_openstack_server_look_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

G_END_DECLS
