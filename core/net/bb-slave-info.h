/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-commands.h"

G_BEGIN_DECLS

/* What a slave tells of itself, bounded and without its environment, as bb_slave_link_get_info_finish() gives it; and its
 * commands. */
typedef struct _BbSlaveInfo BbSlaveInfo;

BbSlaveInfo *bb_slave_info_new (void);
void bb_slave_info_free (BbSlaveInfo *self);

/* The next key (transfer full), cut to what is kept of one; %NULL: it is none that is kept, or is there, or there were too many. */
const char *bb_slave_info_take_key (BbSlaveInfo *self, char *key);
/* Once for each key that was taken. */
void bb_slave_info_take_text (BbSlaveInfo *self, const char *key, char *text); /* (transfer full): valid UTF-8 */
void bb_slave_info_add_integer (BbSlaveInfo *self, const char *key, gint64 value);
void bb_slave_info_add_boolean (BbSlaveInfo *self, const char *key, gboolean value);

/* The slave tells its commands: those that it has are added from here on. */
void bb_slave_info_begin_commands (BbSlaveInfo *self);
/* Both (transfer full), valid UTF-8; @version: (nullable) */
void bb_slave_info_take_command (BbSlaveInfo *self, char *name, char *version);
gboolean bb_slave_info_has_commands (BbSlaveInfo *self);
BbSlaveCommands *bb_slave_info_get_commands (BbSlaveInfo *self); /* (transfer full); %NULL: unknown */

GVariant *bb_slave_info_end (BbSlaveInfo *self); /* a{sv}, floating */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbSlaveInfo, bb_slave_info_free)

G_END_DECLS
