/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-smtp-config.h"

G_BEGIN_DECLS

/**
 * bb_smtp_send_async:
 * @config: where and how; copied
 * @from: the envelope's sender, a bare address
 * @recipients: bare addresses
 * @fd: (transfer full): the mail as bytes, at its beginning
 *
 * One attempt to hand a mail to the server, on a thread of its own, within the configured time. Fails with %BB_ERROR_PERMANENT when the
 * server refused for good (5xx; TLS that was promised and is not there; a certificate that does not fit), else with
 * %BB_ERROR_LOST (all was handed over, but no answer came, so that it may have been taken), or with %BB_ERROR_QUOTA (4xx),
 * %BB_ERROR_TIMEOUT, %BB_ERROR_CREDENTIALS or %BB_ERROR_FAILED: trying again may help. The message ends with the server's
 * last lines.
 */
void bb_smtp_send_async (const BbSmtpConfig *config, const char *from, const char *const *recipients, int fd,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_smtp_send_finish (GAsyncResult *result, GError **error);

G_END_DECLS
