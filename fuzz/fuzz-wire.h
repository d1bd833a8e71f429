/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-stream.h"

G_BEGIN_DECLS

/*
 * The one connection of a session, without a socket: what the peer sent and we have not received, and what the kernel would
 * tell of it. Nothing depends on the timing of a socket, and no call of the kernel costs more than the session itself.
 */
typedef struct
{
  GByteArray *bytes;
  gsize start;
  gboolean ended; /* the peer has closed its side */
  gboolean peer_reads;
} FuzzWire;

extern const BbTransport fuzz_wire_transport; /* its data is the wire */

/* Before the loop is made. */
void fuzz_wire_set_up (void);
/* A descriptor for the stream, which closes it; @self is what epoll tells of from now on. */
int fuzz_wire_open (FuzzWire *self);
void fuzz_wire_clear (FuzzWire *self);

G_END_DECLS
