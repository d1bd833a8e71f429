/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-stranger.h"
#include "bb-stream.h"

G_BEGIN_DECLS

/*
 * TLS 1.2 and 1.3 as the transport of a stream, in the loop of everything else: no thread, no source per connection.
 */

/* What the connections of one listener share: certificate, key, whom they trust. A changed file takes a new context;
 * connections keep the one that they began with. */
typedef struct _BbTlsContext BbTlsContext;

BbTlsContext *bb_tls_context_new (GError **error);
BbTlsContext *bb_tls_context_ref (BbTlsContext *self);
void bb_tls_context_unref (BbTlsContext *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbTlsContext, bb_tls_context_unref)

/* Files in PEM; each error names its file. The certificate, with what is between it and its CA, goes before the key. */
gboolean bb_tls_context_load_certificate (BbTlsContext *self, const char *path, GError **error);
gboolean bb_tls_context_load_private_key (BbTlsContext *self, const char *path, GError **error);
/* From now on a peer must show a certificate that one of these has signed. */
gboolean bb_tls_context_load_client_ca (BbTlsContext *self, const char *path, GError **error);

/* The server's side of a handshake that goes on with what the stream reads and writes. @peer: for the log. */
extern const BbTransport bb_tls_transport;
gpointer bb_tls_connection_new (BbTlsContext *context, int fd, BbStranger *peer); /* NULL: no memory */

G_END_DECLS
