/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-abstract-slave-private.h"
#include "bb-attachment.h"
#include "bb-backoff.h"
#include "bb-missing-watch.h"
#include "bb-slave-manager.h"

G_BEGIN_DECLS

typedef struct _BbAcquisition BbAcquisition;
typedef struct _BbNewcomer BbNewcomer;

/* What the slave manager keeps of one slave; there are thousands, so it stays small and what exists only while a
 * slave is attached hangs on it. */
typedef struct
{
  BbSlaveManager *manager; /* not owned */
  BbSlave *slave;          /* owned */
  const BbPluginProvides *provides; /* NULL: static */
  BbSubstantiation *substantiation; /* owned; NULL: static */
  gpointer pending_config; /* owned: counts as soon as the instance of another account or region is gone; NULL: none */
  BbAttachment *attachment;         /* owned; set up or not */
  BbNewcomer *newcomer;             /* owned; a second login that waits for the first one's answer */
  BbBuilderList *builders;          /* owned reference; that it is to have */
  GPtrArray *acquisitions;          /* of BbAcquisition (owned): each has a place; NULL: none */
  GList room_link;                  /* in the manager's queue of those who wait for room */

  GVariant *info;     /* a{sv}; NULL: it was never attached */
  BbSlaveCommands *commands; /* owned; NULL: unknown */
  char *peer_address; /* of the last connection */
  char *last_error;
  char *loss_reason; /* of the last connection */
  char *command_token; /* of the last connection: what it may have left running; NULL: nothing */
  char *room_error;   /* why there is no room */
  gint64 last_message_at_us; /* wall; of the last connection */
  gint64 state_since_us;     /* wall */
  gint64 next_attempt_us;    /* wall; 0: no back-off is on */
  gint64 retried_us;         /* loop time: when a build ended with retry, just before the loss that made it so */

  BbBackoff attempts;
  BbTimer rest_timer;
  BbMissingWatch missing; /* static ones */

  guint n_running;    /* acquisitions that have succeeded */
  BbAvailability availability; /* as last told */
  BbSlaveState state;          /* as last told */
  GList memory_link; /* in the manager's queue of what is to be remembered; data is the record while it is in it */
  guint info_era; /* the manager's: the store has info and commands as they are */
  guint paused : 1;
  guint graceful : 1;
  guint excused : 1;  /* went because somebody wanted it: nobody is told */
  guint removed : 1;  /* the configuration does not have it any more */
  guint seen : 1;     /* in the apply under way */
  guint waits_for_room : 1;
  guint had_turn : 1;  /* was let ask for room, and has not got any yet */
} BbSlaveRecord;

BbSlaveRecord *bb_slave_record_get (BbSlave *slave);
gboolean bb_slave_record_is_attached (BbSlaveRecord *self);
BbSlaveLink *bb_slave_record_get_link (BbSlaveRecord *self); /* only when attached */
const char *bb_slave_record_get_name (BbSlaveRecord *self);
BbSlaveSettings *bb_slave_record_get_settings (BbSlaveRecord *self);

G_END_DECLS
