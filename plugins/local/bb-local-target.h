/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

#include "bb-local-process.h"

G_BEGIN_DECLS

/* What one instance is to this backend; a copy of its own for a thread. */
typedef struct
{
  char *id;     /* "" when a start was never answered */
  char *token;  /* NULL when unknown */
  char *folder; /* NULL when unknown, or none was made */
} BbLocalTarget;

/* The resource of the ledger's row that the folder is. */
#define BB_LOCAL_FOLDER_RESOURCE "folder:"

void bb_local_target_init (BbLocalTarget *self, BbInstance *instance);
void bb_local_target_clear (BbLocalTarget *self);
/* Takes @path (nullable) when none is known yet and this one is the instance's. */
void bb_local_target_set_folder (BbLocalTarget *self, const char *path);

/* Its living processes, of BbLocalProcess: those with its token, and all of its session while that can be told from
 * others'. Blocks like bb_local_process_list(). */
GPtrArray *bb_local_target_list_processes (const BbLocalTarget *self, GError **error);

G_END_DECLS
