/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What libFuzzer, or the replaying of its corpus by `make check`, calls. A run that ends has found nothing: whatever is
 * wrong aborts, be it found by a sanitizer, a critical message of GLib, or an assertion of the target.
 */
int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Text that goes into logs, to D-Bus and to terminals: valid UTF-8 and, as it is one line of a log, without control characters. */
void bb_fuzz_check_line (const char *text);
void bb_fuzz_check_error (const GError *error);

G_END_DECLS
