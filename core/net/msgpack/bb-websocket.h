/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-stream.h"

G_BEGIN_DECLS

/*
 * The server's end of one WebSocket (RFC 6455): the request of HTTP, then messages. libsoup reads the request's headers and
 * wslay the frames; both are given bytes rather than sockets, so that the connection is a stream of the loop, with or without
 * TLS, and costs no source. An idle one holds nothing of either.
 */
typedef struct _BbWebsocket BbWebsocket;

typedef struct
{
  /* The peer asks for a WebSocket: bb_websocket_accept() or bb_websocket_refuse(), now or later. @authorization: what the
   * header says, %NULL unless there is exactly one. Once. */
  void (*request) (BbWebsocket *socket, const char *authorization, gpointer user_data);
  /* A binary message, whole. */
  void (*message) (BbWebsocket *socket, const guint8 *data, gsize length, gpointer user_data);
  /* The connection has ended; once, never from within a call of this interface, and nothing is called after it. */
  void (*closed) (BbWebsocket *socket, const GError *reason, gpointer user_data);
} BbWebsocketEvents;

/* Takes over @fd and @transport_data, as bb_stream_new() does. @events is static. */
BbWebsocket *bb_websocket_new (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                               const BbWebsocketEvents *events, gpointer user_data, GError **error);
void bb_websocket_set_events (BbWebsocket *self, const BbWebsocketEvents *events, gpointer user_data);
void bb_websocket_free (BbWebsocket *self); /* not from within message() */
BbStream *bb_websocket_get_stream (BbWebsocket *self);
BbLoop *bb_websocket_get_loop (BbWebsocket *self);
gboolean bb_websocket_is_at_rest (BbWebsocket *self); /* no message is under way, and no memory held for one */

void bb_websocket_accept (BbWebsocket *self);
/* Answers what was asked for with another status than it hoped for, "401 Unauthorized" say, and closes. */
void bb_websocket_refuse (BbWebsocket *self, const char *status);
void bb_websocket_send (BbWebsocket *self, const guint8 *data, gsize length);
/* @farewell: what was sent goes out first, and a close frame behind it. */
void bb_websocket_close (BbWebsocket *self, gboolean farewell, const GError *reason);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbWebsocket, bb_websocket_free)

G_END_DECLS
