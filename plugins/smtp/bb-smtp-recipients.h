/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-smtp-config.h"

G_BEGIN_DECLS

/* The people responsible for a build, as it names them: its properties `owner` (s), `owners` and `blamelist` (as). */
char **bb_smtp_interested_users (GVariant *build);

/**
 * bb_smtp_look_up_async:
 * @users: names, as bb_smtp_interested_users() gives them
 *
 * Turns them into addresses: by the lookup domain, or by running lookup_command once for each, with a time limit. Who can't be
 * reached is left out, with a log line.
 *
 * Finish returns: (transfer full): addresses
 */
void bb_smtp_look_up_async (const BbSmtpConfig *config, const char *const *users, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *bb_smtp_look_up_finish (GAsyncResult *result, GError **error);

G_END_DECLS
