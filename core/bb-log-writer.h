/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* From here on all log lines go to the journal with their fields when standard error is connected to it, else to
 * standard error as text; control characters, which may come from a peer, are escaped. @verbose: also INFO; DEBUG with
 * G_MESSAGES_DEBUG set. */
void bb_log_writer_install (gboolean verbose);

G_END_DECLS
