/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-login.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* One HTTP call at a time, with what libsoup leaves to its users: a limit on the whole time and on the answer's size. */

/* With the certificates that @login names. */
SoupSession *bb_openstack_http_session_new (const BbOpenstackLogin *login, GError **error);

/* @url: valid; @body: (nullable): JSON */
SoupMessage *bb_openstack_http_message_new (SoupSession *session, const char *method, const char *url, JsonNode *body);

/* Fails with %BB_OPENSTACK_ERROR_UNSENT when nothing of the request went out, with %BB_OPENSTACK_ERROR_LOST when it did and no whole
 * answer came, or with G_IO_ERROR_CANCELLED. Any status is a success. Redirects are not followed. */
void bb_openstack_http_send_async (SoupSession *session, SoupMessage *message, double time_limit, gsize max_size,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GBytes *bb_openstack_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error);

/* Seconds that an answer asks to be left alone for; 0 for those that do not. */
double bb_openstack_http_get_retry_after (SoupMessage *message);

G_END_DECLS
