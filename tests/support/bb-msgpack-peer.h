/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-listener.h"
#include "bb-msgpack-value.h"

G_BEGIN_DECLS

/* The other end of a msgpack connection, for tests: sends what it is told, well-formed or not, and shows what comes. */
typedef struct _BbMsgpackPeer BbMsgpackPeer;

BbMsgpackPeer *bb_msgpack_peer_new (guint16 port);
BbMsgpackPeer *bb_msgpack_peer_new_for_fd (int fd); /* takes it over */
void bb_msgpack_peer_free (BbMsgpackPeer *self);
void bb_msgpack_peer_hang_up (BbMsgpackPeer *self);
void bb_msgpack_peer_send_bytes (BbMsgpackPeer *self, gconstpointer data, gsize length);
/* The request of a real worker, with this name and password. */
void bb_msgpack_peer_ask (BbMsgpackPeer *self, const char *name, const char *password);
/* Turns the main context until the answer has come: its first line, borrowed. */
const char *bb_msgpack_peer_next_status (BbMsgpackPeer *self);
const char *bb_msgpack_peer_next_answer (BbMsgpackPeer *self); /* the whole of it */
void bb_msgpack_peer_login (BbMsgpackPeer *self, const char *name, const char *password); /* and expects 101 */

/* A frame; @opcode with the bit for the last one, 0x82 for a whole binary message. */
void bb_msgpack_peer_send_frame (BbMsgpackPeer *self, guint8 opcode, gboolean masked, gconstpointer data, gsize length);
/* A message: a dictionary in the notation of GVariant, whose integers are int64. */
void bb_msgpack_peer_send (BbMsgpackPeer *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Turns the main context until a frame comes: "op {…}" of a message, "ping", "pong TEXT", "close STATUS" of a control frame; borrowed
 * until the next call. Fails when the connection ends. */
const char *bb_msgpack_peer_next (BbMsgpackPeer *self);
void bb_msgpack_peer_expect (BbMsgpackPeer *self, const char *text);
gboolean bb_msgpack_peer_is_closed (BbMsgpackPeer *self); /* by the other side; after what came before was looked at */
void bb_msgpack_peer_wait_closed (BbMsgpackPeer *self);   /* whatever comes first */

char *bb_msgpack_render (const guint8 *data, gsize length); /* of MessagePack, as the captures show it */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbMsgpackPeer, bb_msgpack_peer_free)

G_END_DECLS
