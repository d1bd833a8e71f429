/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * bb_open_instances_print:
 *
 * Prints every open row of the ledger to standard output, one per line. A daemon may run, or may have been removed:
 * maintainer scripts of packages ask this before they take away what could still stop an instance.
 */
gboolean bb_open_instances_print (const char *state_directory, GError **error);

G_END_DECLS
