/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-link.h"

G_BEGIN_DECLS

/* Hears what remote commands of a link tell, and does what a test wants done meanwhile. The user data of its events. */
typedef struct
{
  BbSlaveLink *link; /* not owned; it starts commands for the builder b1 */
  GString *told;     /* "stdout=text rc=int64 0 … done=": all of it */
  guint n_done;

  gboolean close_in_output;
  gboolean pause_in_output;
  gboolean fail_transfer;
  gboolean large_blocks; /* gives as much as is asked for, not "list" */
  gboolean answer_later; /* gives none */
  gboolean restart_in_done;
} BbCommandEar;

extern const BbCommandEvents bb_command_ear_events;

void bb_command_ear_init (BbCommandEar *self);
void bb_command_ear_clear (BbCommandEar *self);
/* Until so many commands are done. */
void bb_command_ear_wait_done (BbCommandEar *self, guint n_done);

G_END_DECLS
