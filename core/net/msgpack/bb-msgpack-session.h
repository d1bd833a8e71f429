/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-msgpack-value.h"
#include "bb-websocket.h"

G_BEGIN_DECLS

/*
 * Requests in both directions over one WebSocket, and their answers (worker-protocol 7.2). It knows nothing of slaves.
 */
typedef struct _BbMsgpackSession BbMsgpackSession;

/* A request that has arrived; valid while its receiver runs. */
typedef struct
{
  BbMsgpackSession *session;
  gint64 number;
  const msgpack_object *op;
  const msgpack_object *map; /* the whole of it */
} BbMsgpackRequest;

/* The end of a request of ours. @result: %NULL with @error: TIMEOUT, LOST, %G_IO_ERROR_CANCELLED, or FAILED when the peer
 * answered an exception. */
typedef void (*BbMsgpackAnswered) (BbMsgpackSession *session, const msgpack_object *result, const GError *error,
                                   gpointer user_data);

typedef struct
{
  /* Must be answered once, in here or later by its number. */
  void (*request) (const BbMsgpackRequest *request, gpointer user_data);
  /* The connection has ended; every request was answered with LOST before. Once; the owner frees the session then or later. */
  void (*closed) (BbMsgpackSession *session, const GError *reason, gpointer user_data);
} BbMsgpackSessionEvents;

/* @socket: (transfer full): accepted. @events is static. */
BbMsgpackSession *bb_msgpack_session_new (BbWebsocket *socket, const BbMsgpackSessionEvents *events, gpointer user_data);
void bb_msgpack_session_free (BbMsgpackSession *self);
BbWebsocket *bb_msgpack_session_get_socket (BbMsgpackSession *self);
BbStream *bb_msgpack_session_get_stream (BbMsgpackSession *self);
BbLoop *bb_msgpack_session_get_loop (BbMsgpackSession *self);

/* A request: begin, write @n_members keys and values, end. */
msgpack_packer *bb_msgpack_session_begin_request (BbMsgpackSession *self, const char *op, guint n_members);
/* @patient: the time limit counts from the last byte that arrived. @answered: %NULL: nobody cares. */
void bb_msgpack_session_end_request (BbMsgpackSession *self, gint64 time_limit_us, gboolean patient,
                                     BbMsgpackAnswered answered, gpointer user_data);
/* Those with @user_data are no longer wanted: they are answered with %G_IO_ERROR_CANCELLED, from the loop. */
void bb_msgpack_session_cancel_requests (BbMsgpackSession *self, gpointer user_data);
/* No answer for @user_data any more: its owner goes. */
void bb_msgpack_session_forget_requests (BbMsgpackSession *self, gpointer user_data);

void bb_msgpack_session_answer_nil (BbMsgpackSession *self, gint64 number);
void bb_msgpack_session_answer_bytes (BbMsgpackSession *self, gint64 number, const guint8 *data, gsize length);
void bb_msgpack_session_answer_exception (BbMsgpackSession *self, gint64 number, const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbMsgpackSession, bb_msgpack_session_free)

G_END_DECLS
