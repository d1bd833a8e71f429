/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-listener.h"
#include "bb-login-throttle.h"
#include "bb-stranger.h"
#include "bb-stream.h"

G_BEGIN_DECLS

/*
 * What a listener keeps of each connection that has not logged in yet: its place among the few that are let in. The
 * protocol gives it back when the login has succeeded, or when the connection has ended.
 */
typedef struct _BbLoginTicket BbLoginTicket;

/* Called when the place is needed for somebody else, or the listener closes: the connection is to be closed. The ticket is
 * gone then. */
typedef void (*BbEvictFunc) (const char *why, gpointer user_data);

/* Who it is; it counts among the places of its host. */
BbStranger *bb_login_ticket_get_stranger (BbLoginTicket *self);
BbLoginThrottle *bb_login_ticket_get_throttle (BbLoginTicket *self); /* the listener's */
void bb_login_ticket_set_evict (BbLoginTicket *self, BbEvictFunc evict, gpointer user_data);
void bb_login_ticket_release (BbLoginTicket *self);

/* What a protocol does with a connection that was just accepted: it speaks, and owns @fd, @transport_data and
 * @ticket. It has @login_time_us from now on until the login is complete, of which a handshake of TLS is a part. */
typedef void (*BbProtocolBegin) (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                                 BbLoginTicket *ticket, BbLoginHost *login_host, gint64 login_time_us);

/* Of Perspective Broker, in core/net/pb. */
void bb_pb_login_begin (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                        BbLoginTicket *ticket, BbLoginHost *login_host, gint64 login_time_us);
/* Of msgpack over WebSocket, in core/net/msgpack. */
void bb_msgpack_login_begin (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                             BbLoginTicket *ticket, BbLoginHost *login_host, gint64 login_time_us);

G_END_DECLS
