/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-jelly.h"
#include "bb-remote-command.h"

G_BEGIN_DECLS

/* How the slave's release wants the arguments of its commands. */
typedef struct
{
  guint version; /* major × 1000 + minor of its commands: 2.16 is 2016, 3.1 is 3001; 0: unknown, taken for a present one */
} BbPbDialect;

/**
 * bb_pb_arguments_translate:
 * @args: a{sv} as bb_slave_link_start_command() takes them
 *
 * Renames, leaves out and adds what the slave's release wants so. Fails with %BB_ERROR_INVALID_ARGUMENT for what can't be
 * sent; the error names the argument.
 *
 * Returns: (transfer full) (nullable): an a{sv}
 */
GVariant *bb_pb_arguments_translate (const BbPbDialect *dialect, const char *command, GVariant *args, GError **error);

/* Writes the dictionary; @transfer is the number of the writer or reader that is added to it. */
void bb_pb_arguments_put (const BbJellyWriter *writer, GVariant *translated, BbTransferKind kind, gint64 transfer);

G_END_DECLS
