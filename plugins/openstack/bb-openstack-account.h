/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-token.h"

G_BEGIN_DECLS

/* One login at one cloud, shared by all slaves that have the same: its token, its calls, the pauses it asked for. */
#define BB_OPENSTACK_TYPE_ACCOUNT (bb_openstack_account_get_type ())
G_DECLARE_FINAL_TYPE (BbOpenstackAccount, bb_openstack_account, BB_OPENSTACK, ACCOUNT, GObject)

/* (transfer full): the one that there is, or a new one */
BbOpenstackAccount *bb_openstack_account_get (const BbOpenstackConfig *config, GError **error);
/* Of the configuration that was used last: seconds for one call, and between two looks. */
void bb_openstack_account_set_times (BbOpenstackAccount *self, double call_timeout, double poll_interval);
double bb_openstack_account_get_poll_interval (BbOpenstackAccount *self);
const char *bb_openstack_account_get_name (BbOpenstackAccount *self);
gboolean bb_openstack_account_is_insecure (BbOpenstackAccount *self);

/**
 * bb_openstack_account_call_async:
 * @path: below the service's address, with the query, escaped
 * @body: (nullable)
 * @minor: of Nova's microversion 2.N; 0 for none
 *
 * One call; logs in before it where that is due. What can be repeated without harm is, a few times. Fails with
 * #BbOpenstackError or #BbError.
 */
void bb_openstack_account_call_async (BbOpenstackAccount *self, BbOpenstackService service, const char *method,
                                      const char *path, JsonNode *body, int minor, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data);
/* (transfer full): the answer's JSON; null for none */
JsonNode *bb_openstack_account_call_finish (BbOpenstackAccount *self, GAsyncResult *result, GError **error);

/**
 * bb_openstack_account_list_async:
 * @path: without a query
 * @query: (nullable): without the question mark
 * @member: what the list is called in the answer
 *
 * All pages of a list. An incomplete one is an error.
 */
void bb_openstack_account_list_async (BbOpenstackAccount *self, BbOpenstackService service, const char *path,
                                      const char *query, const char *member, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data);
/* (transfer container) (element-type JsonObject) */
GPtrArray *bb_openstack_account_list_finish (BbOpenstackAccount *self, GAsyncResult *result, GError **error);

G_END_DECLS
