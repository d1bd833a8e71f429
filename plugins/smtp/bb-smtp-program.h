/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * bb_smtp_run_program_async:
 * @command: a command line; split like a shell does, no shell is started
 * @argument: (nullable): one more argument
 * @input: (nullable): for its standard input
 *
 * Finish returns: (transfer full): what it printed (at most 1 MiB, UTF-8), or %NULL when it failed, took longer than
 *   @seconds, or printed something else
 */
void bb_smtp_run_program_async (const char *command, const char *argument, const char *input, double seconds,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
char *bb_smtp_run_program_finish (GAsyncResult *result, GError **error);

G_END_DECLS
