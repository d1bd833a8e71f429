/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-jelly.h"
#include "bb-slave-info.h"

G_BEGIN_DECLS

/* What a slave tells of itself, read from its answers. */

/* The answer to getWorkerInfo or getSlaveInfo. FALSE: it is no dictionary. *@python3: its keys are not bare strings, so
 * that the slave runs on Python 3 (worker-protocol 2.2). */
gboolean bb_pb_info_add (BbSlaveInfo *info, BbJelly answer, gboolean *python3);
void bb_pb_info_add_version (BbSlaveInfo *info, BbJelly answer);  /* getVersion */
void bb_pb_info_add_commands (BbSlaveInfo *info, BbJelly answer); /* getCommands */

G_END_DECLS
