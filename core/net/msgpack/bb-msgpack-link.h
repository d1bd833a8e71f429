/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-link.h"
#include "bb-websocket.h"

G_BEGIN_DECLS

/* A slave that has logged in over msgpack. */
#define BB_TYPE_MSGPACK_LINK (bb_msgpack_link_get_type ())
G_DECLARE_FINAL_TYPE (BbMsgpackLink, bb_msgpack_link, BB, MSGPACK_LINK, BbLink)

/**
 * bb_msgpack_link_new:
 * @socket: (transfer full): accepted
 * @name: of the slave
 *
 * The link holds a reference to itself until its connection has ended.
 */
BbMsgpackLink *bb_msgpack_link_new (BbWebsocket *socket, const char *peer_address, const char *name);

G_END_DECLS
