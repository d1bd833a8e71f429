/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-login-host.h"
#include "bb-loop.h"
#include "bb-tls.h"

G_BEGIN_DECLS

/* Limits of what a peer may do before it has logged in; all connections of one listener together. */
typedef struct
{
  guint max_unauthenticated;             /* connections that have not logged in; the oldest is closed for a new one */
  guint max_unauthenticated_per_address; /* of one peer address */
  gint64 login_time_us;                  /* from accept to the end of the challenge */
} BbListenerLimits;

extern const BbListenerLimits bb_listener_default_limits;

/* A bound TCP port. It accepts all that wait before anything else is done with them, as a PB server must speak first. */
#define BB_TYPE_LISTENER (bb_listener_get_type ())
G_DECLARE_FINAL_TYPE (BbListener, bb_listener, BB, LISTENER, GObject)

/**
 * bb_listener_new:
 * @name: the listener's name in the configuration, for messages
 * @protocol: "pb" or "msgpack"
 * @address: an IP address, `*` or %NULL for all of IPv4 and IPv6
 * @port: 0 for one that the system chooses
 *
 * Binds at once and listens with SOMAXCONN. The error names address and port and, where /proc tells, who holds it.
 */
BbListener *bb_listener_new (BbLoop *loop, const char *name, const char *protocol, const char *address, guint16 port,
                             BbLoginHost *login_host, const BbListenerLimits *limits, GError **error);
/* For connections from now on. */
void bb_listener_set_limits (BbListener *self, const BbListenerLimits *limits);
/* For the connections that come from now on; %NULL: without TLS, as in the beginning. */
void bb_listener_set_tls (BbListener *self, BbTlsContext *tls);
const char *bb_listener_get_name (BbListener *self);
guint16 bb_listener_get_port (BbListener *self);
guint bb_listener_count_unauthenticated (BbListener *self);
/* Stops listening and closes what has not logged in; attached slaves stay. */
void bb_listener_close (BbListener *self);

G_END_DECLS
