/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-link.h"
#include "bb-slave-settings.h"
#include "bb-slave.h"

G_BEGIN_DECLS

/* What core keeps of every slave; never seen by plugins. */

typedef enum
{
  BB_SLAVE_DETACHED,
  BB_SLAVE_ATTACHED,
  BB_SLAVE_MISSING,
  BB_SLAVE_PAUSED,
  BB_SLAVE_INSUBSTANTIATED,
  BB_SLAVE_SUBSTANTIATING,
  BB_SLAVE_SUBSTANTIATED,
  BB_SLAVE_INSUBSTANTIATING,
} BbSlaveState;

const char *bb_slave_state_to_string (BbSlaveState state);

BbSlaveSettings *bb_slave_get_settings (BbSlave *self); /* (transfer none) */
BbSlaveLink *bb_slave_get_link (BbSlave *self);         /* (transfer none) (nullable): attached and ready */
gboolean bb_slave_is_attached (BbSlave *self);
BbSlaveState bb_slave_get_state (BbSlave *self);
const char *bb_slave_get_type_name (BbSlave *self); /* "static", or the plugin's type */
gboolean bb_slave_is_paused (BbSlave *self);
gboolean bb_slave_is_graceful (BbSlave *self); /* shuts down when its builds have ended */
guint bb_slave_get_running_builds (BbSlave *self);
GVariant *bb_slave_get_info (BbSlave *self); /* a{sv}, never NULL; from the last attach, also over restarts */
BbSlaveCommands *bb_slave_get_commands (BbSlave *self); /* (transfer none): the same of its commands; NULL: unknown */
gint64 bb_slave_get_attached_since_us (BbSlave *self);  /* wall; 0 when not attached */
gint64 bb_slave_get_last_message_at_us (BbSlave *self); /* wall; 0 when never; kept after a loss */
const char *bb_slave_get_peer_address (BbSlave *self);  /* "" when never; kept after a loss */
const char *bb_slave_get_state_reason (BbSlave *self);  /* what led into it; "" when it needs none */
const char *bb_slave_get_last_error (BbSlave *self);    /* "" when none */
gint64 bb_slave_get_next_attempt_us (BbSlave *self);    /* wall; 0: no back-off is on */
gint64 bb_slave_get_state_since_us (BbSlave *self);     /* wall */

/* The struct of the plugin's option table, from now on the one in force. The slave frees it, but not before it goes
 * itself. */
void bb_abstract_slave_take_config (BbSlave *self, const BbOption *options, gpointer config);
/* What the slave manager keeps of it; NULL while no manager has it. */
gpointer bb_abstract_slave_get_record (BbSlave *self);
void bb_abstract_slave_set_record (BbSlave *self, gpointer record);

G_END_DECLS
