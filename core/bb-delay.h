/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * bb_delay_async:
 * @seconds: how long, at least 0
 *
 * Finishes after that time, or at once with %G_IO_ERROR_CANCELLED. What a plugin uses between two looks at its cloud: it
 * runs on the deadline heap of core, so that tests move the time by hand and a thousand delays cost no more than one.
 *
 * Since: 1.0
 */
void bb_delay_async (double seconds, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_delay_finish (GAsyncResult *result, GError **error);

/**
 * bb_delay_get_now:
 *
 * Returns: seconds on the same clock, for token buckets and the age of what is cached; starts anywhere
 *
 * Since: 1.0
 */
double bb_delay_get_now (void);

G_END_DECLS
