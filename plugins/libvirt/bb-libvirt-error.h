/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What the last call of libvirt in this thread has failed with. */

/* @format: what was being done */
void bb_libvirt_set_error (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Its virErrorNumber. */
int bb_libvirt_get_error_code (void);

G_END_DECLS
