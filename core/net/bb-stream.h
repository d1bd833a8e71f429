/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-loop.h"

G_BEGIN_DECLS

/*
 * A connected, non-blocking socket: bytes in both directions, bounded in both. What lies above sees no difference
 * between plain TCP and TLS: a transport says how bytes get in and out.
 */
typedef struct _BbStream BbStream;

typedef struct
{
  /* Bytes have arrived: @data is everything that was not taken before. Returns how much of it was taken; the rest is offered again
   * when more has come. May close the stream. */
  gsize (*readable) (BbStream *stream, const guint8 *data, gsize length, gpointer user_data);
  /* The connection has ended; once, never from within a call of this interface, and nothing is called after it. */
  void (*closed) (BbStream *stream, const GError *reason, gpointer user_data);
} BbStreamEvents;

/* TLS has another one than plain sockets. Both functions are like recv and send; -1 with errno EAGAIN: wait for what
 * *@wait says (EPOLLIN or EPOLLOUT), which for TLS may be the other direction. */
typedef struct
{
  gssize (*receive) (gpointer transport, int fd, guint8 *data, gsize length, guint *wait);
  gssize (*send) (gpointer transport, int fd, const guint8 *data, gsize length, guint *wait);
  void (*free) (gpointer transport);
  /* Whether the peer may call itself @name; NULL: nothing is known of it, so it may. */
  gboolean (*fits_name) (gpointer transport, const char *name);
} BbTransport;

/* Takes over @fd. @events is static. @transport_data: of @transport, owned; %NULL with %NULL for a plain socket. */
BbStream *bb_stream_new (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                         const BbStreamEvents *events, gpointer user_data, GError **error);
/* Another owner: from the login to the link. */
void bb_stream_set_events (BbStream *self, const BbStreamEvents *events, gpointer user_data);
/* Closes without calling closed(). */
void bb_stream_free (BbStream *self);

/* Appends to what goes out; sent at the end of this turn, together with whatever else is written in it. While more than 1 MiB
 * waits for the peer nothing is read from it, so that it can't ask for more; when it takes none of that for 300 s, or
 * when there is more than @max_pending, the stream is closed. */
void bb_stream_write (BbStream *self, const guint8 *data, gsize length);
gsize bb_stream_get_pending (BbStream *self);
void bb_stream_set_max_pending (BbStream *self, gsize max_pending); /* default 4 MiB */

/* Counted: as many TRUE as FALSE. While it is not reading TCP slows the peer down. */
void bb_stream_set_reading (BbStream *self, gboolean reading);
gboolean bb_stream_is_reading (BbStream *self);
/* Closes when what was written has gone out, or at once with @flush FALSE; closed() is called with @reason. */
void bb_stream_close (BbStream *self, gboolean flush, const GError *reason);

gint64 bb_stream_get_last_input_us (BbStream *self); /* loop time; the start of the connection before any byte came */
guint64 bb_stream_get_bytes_in (BbStream *self);
/* FALSE: the certificate that the peer has shown is for somebody else. */
gboolean bb_stream_fits_name (BbStream *self, const char *name);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbStream, bb_stream_free)

G_END_DECLS
