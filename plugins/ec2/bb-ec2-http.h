/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* One HTTP call at a time, with what libsoup leaves to its users: a limit on the whole time and on the answer's
 * size. */

/* @use_proxy: whether the system's proxy settings count; never for metadata services.
 * @ca_file: (nullable): certificates to trust instead of the system's */
SoupSession *bb_ec2_http_session_new (gboolean use_proxy, const char *ca_file, GError **error);

/* Fails with %BB_EC2_ERROR_UNSENT when nothing of the request went out, with %BB_EC2_ERROR_LOST when it did and no
 * whole answer came, or with G_IO_ERROR_CANCELLED. Any status is a success. Redirects are not followed. */
void bb_ec2_http_send_async (SoupSession *session, SoupMessage *message, double time_limit, gsize max_size,
                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
GBytes *bb_ec2_http_send_finish (SoupSession *session, GAsyncResult *result, GError **error);

G_END_DECLS
