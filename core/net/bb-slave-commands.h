/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The commands that a slave has, with their versions; never changed. Slaves of one release have the same ones: all of
 * them share one of these. Of the main thread alone.
 */
typedef struct _BbSlaveCommands BbSlaveCommands;

/* @text: a line for each, "NAME\tVERSION\n", of UTF-8; what is none is left out. (transfer full) */
BbSlaveCommands *bb_slave_commands_get (const char *text);
BbSlaveCommands *bb_slave_commands_ref (BbSlaveCommands *self);
void bb_slave_commands_unref (BbSlaveCommands *self);

const char *bb_slave_commands_get_text (const BbSlaveCommands *self); /* what it was made of */
GVariant *bb_slave_commands_get_variant (BbSlaveCommands *self);     /* a{ss}, (transfer none) */
gboolean bb_slave_commands_have (BbSlaveCommands *self, const char *name);
/* Of "shell", which is the slave's: major × 1000 + minor; 0: unknown */
guint bb_slave_commands_get_version (BbSlaveCommands *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbSlaveCommands, bb_slave_commands_unref)

G_END_DECLS
