/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-manager.h"

G_BEGIN_DECLS

/*
 * Gives memory back to the system after storms: when a thousand slaves log in at once, what each needed meanwhile is
 * free afterwards, but the C library keeps it.
 */
typedef struct _BbMemoryKeeper BbMemoryKeeper;

/* Once, before there are threads: how the C library is to hold memory. */
void bb_memory_keeper_set_up_process (void);
BbMemoryKeeper *bb_memory_keeper_new (BbLoop *loop, BbSlaveManager *slaves);
void bb_memory_keeper_free (BbMemoryKeeper *self);

G_END_DECLS
