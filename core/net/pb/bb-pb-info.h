/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-jelly.h"

G_BEGIN_DECLS

/* What a slave tells of itself, bounded and without its environment, as bb_slave_link_get_info_finish() gives it. */
typedef struct _BbPbInfo BbPbInfo;

BbPbInfo *bb_pb_info_new (void);
void bb_pb_info_free (BbPbInfo *self);

/* The answer to getWorkerInfo or getSlaveInfo. FALSE: it is no dictionary. */
gboolean bb_pb_info_add (BbPbInfo *self, BbJelly answer);
void bb_pb_info_add_version (BbPbInfo *self, BbJelly answer);  /* getVersion */
void bb_pb_info_add_commands (BbPbInfo *self, BbJelly answer); /* getCommands */
gboolean bb_pb_info_has_commands (BbPbInfo *self);
/* Keys are bare strings, or there are none: the slave runs on Python 2 (worker-protocol 2.2). */
gboolean bb_pb_info_is_python2 (BbPbInfo *self);
guint bb_pb_info_get_command_version (BbPbInfo *self);           /* see BbPbDialect; 0: unknown */
char **bb_pb_info_dup_commands (BbPbInfo *self);                 /* names; %NULL: unknown */
GVariant *bb_pb_info_end (BbPbInfo *self);                       /* a{sv}, floating */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbPbInfo, bb_pb_info_free)

G_END_DECLS
