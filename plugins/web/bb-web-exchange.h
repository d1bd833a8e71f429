/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* One HTTP call, with what libsoup leaves to its users: a limit on the whole time and on the answer's size. */

/**
 * bb_web_session_new:
 * @ca_file: (nullable): certificates to trust instead of the system's
 */
SoupSession *bb_web_session_new (const char *ca_file, GError **error);

/**
 * bb_web_exchange_async:
 * @time_limit: seconds from now until the last byte
 * @max_size: bytes of the answer
 *
 * Redirects are not followed, and nothing is repeated with a password that libsoup knows.
 */
void bb_web_exchange_async (SoupSession *session, SoupMessage *message, double time_limit, gsize max_size,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/**
 * bb_web_exchange_finish:
 * @sent: (out): of a failure: whether some of the request went out, so that it may have been carried out
 *
 * Any status is a success. Fails with %G_IO_ERROR_CANCELLED when @cancellable was the reason, else with what libsoup says, or
 * the limit.
 *
 * Returns: (transfer full): the answer's body
 */
GBytes *bb_web_exchange_finish (SoupSession *session, GAsyncResult *result, gboolean *sent, GError **error);
/* (transfer none): that of the exchange which has ended with @result */
SoupMessage *bb_web_exchange_get_message (GAsyncResult *result);

G_END_DECLS
