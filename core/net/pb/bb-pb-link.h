/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-link.h"
#include "bb-pb-broker.h"

G_BEGIN_DECLS

/* A slave that has logged in over Perspective Broker. */
#define BB_TYPE_PB_LINK (bb_pb_link_get_type ())
G_DECLARE_FINAL_TYPE (BbPbLink, bb_pb_link, BB, PB_LINK, BbLink)

/**
 * bb_pb_link_new:
 * @broker: (transfer full)
 * @bot: the number of the slave's own object
 * @respond_request: the call that the login ends with: answered by accept or refuse
 *
 * The link holds a reference to itself until its connection has ended.
 */
BbPbLink *bb_pb_link_new (BbPbBroker *broker, const char *peer_address, gint64 bot, gint64 respond_request);


G_END_DECLS
