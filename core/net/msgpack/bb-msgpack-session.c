/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-msgpack-session.h"

#include "bb-call-table.h"
#include "bb-error.h"
#include "bb-msgpack-limits.h"

/* What is kept of the buffer that messages are written into. */
#define KEEP_SCRATCH (64 * 1024)

struct _BbMsgpackSession
{
  BbWebsocket *socket;
  const BbMsgpackSessionEvents *events;
  gpointer user_data;
  BbCallTable *calls;
  gint64 last_request; /* they begin with 0 */
};

/* One message is written at a time, so one buffer serves all connections. */
static msgpack_sbuffer scratch;
static msgpack_packer packer;

static void
begin_message (guint n_members)
{
  msgpack_packer_init (&packer, &scratch, msgpack_sbuffer_write);
  msgpack_pack_map (&packer, n_members);
}

static void
end_message (BbMsgpackSession *self)
{
  bb_websocket_send (self->socket, (const guint8 *) scratch.data, scratch.size);
  if (scratch.alloc > KEEP_SCRATCH)
    free (msgpack_sbuffer_release (&scratch));
  else
    msgpack_sbuffer_clear (&scratch);
}

static void
put_head (const char *op, gint64 number)
{
  bb_msgpack_put_text (&packer, "op");
  bb_msgpack_put_text (&packer, op);
  bb_msgpack_put_text (&packer, "seq_number");
  msgpack_pack_int64 (&packer, number);
}

msgpack_packer *
bb_msgpack_session_begin_request (BbMsgpackSession *self, const char *op, guint n_members)
{
  begin_message (2 + n_members);
  put_head (op, ++self->last_request);
  return &packer;
}

void
bb_msgpack_session_end_request (BbMsgpackSession *self, gint64 time_limit_us, gboolean patient,
                                BbMsgpackAnswered answered, gpointer user_data)
{
  end_message (self);
  bb_call_table_add (self->calls, self->last_request, time_limit_us, patient, G_CALLBACK (answered), user_data);
}

void
bb_msgpack_session_cancel_requests (BbMsgpackSession *self, gpointer user_data)
{
  bb_call_table_cancel (self->calls, user_data);
}

void
bb_msgpack_session_forget_requests (BbMsgpackSession *self, gpointer user_data)
{
  bb_call_table_forget (self->calls, user_data);
}

static void
begin_answer (gint64 number, guint n_more)
{
  begin_message (3 + n_more);
  put_head ("response", number);
  bb_msgpack_put_text (&packer, "result");
}

void
bb_msgpack_session_answer_nil (BbMsgpackSession *self, gint64 number)
{
  begin_answer (number, 0);
  msgpack_pack_nil (&packer);
  end_message (self);
}

void
bb_msgpack_session_answer_bytes (BbMsgpackSession *self, gint64 number, const guint8 *data, gsize length)
{
  begin_answer (number, 0);
  bb_msgpack_put_bytes (&packer, data, length);
  end_message (self);
}

void
bb_msgpack_session_answer_exception (BbMsgpackSession *self, gint64 number, const char *text)
{
  begin_answer (number, 1);
  bb_msgpack_put_text (&packer, text);
  bb_msgpack_put_text (&packer, "is_exception");
  msgpack_pack_true (&packer);
  end_message (self);
}

static void
call_failed (gpointer owner, GCallback answered, const GError *error, gpointer user_data)
{
  ((BbMsgpackAnswered) answered) (owner, NULL, error, user_data);
}

static void
receive_response (BbMsgpackSession *self, const msgpack_object *map, gint64 number)
{
  const msgpack_object *result = bb_msgpack_lookup (map, "result");
  static const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };
  g_autoptr (GError) failure = NULL;
  g_autofree char *text = NULL;
  GCallback answered;
  gpointer user_data;

  if (!bb_call_table_take (self->calls, number, &answered, &user_data))
    return;
  /* That the key is there is what counts (worker-protocol 7.2). */
  if (bb_msgpack_lookup (map, "is_exception") != NULL)
    {
      text = bb_msgpack_dup_text (result);
      failure = g_error_new (BB_ERROR, BB_ERROR_FAILED, "the slave answered an error: %s", text != NULL ? text : "");
    }
  ((BbMsgpackAnswered) answered) (self, failure != NULL ? NULL : (result != NULL ? result : &nil), failure, user_data);
}

/* What is neither a request nor a response is ignored, as slaves do it. */
static void
receive (BbMsgpackSession *self, const msgpack_object *map)
{
  BbMsgpackRequest request = { self, 0, bb_msgpack_lookup (map, "op"), map };

  if (!bb_msgpack_get_integer (bb_msgpack_lookup (map, "seq_number"), &request.number))
    return;
  if (bb_msgpack_text_is (request.op, "response"))
    receive_response (self, map, request.number);
  else if (request.op != NULL)
    self->events->request (&request, self->user_data);
}

static void
message_cb (BbWebsocket *socket, const guint8 *data, gsize length, gpointer user_data)
{
  BbMsgpackSession *self = user_data;
  g_autoptr (GError) error = NULL;
  msgpack_unpacked unpacked;
  size_t offset = 0;

  if (!bb_msgpack_check (data, length, &error))
    {
      bb_websocket_close (socket, TRUE, error);
      return;
    }
  msgpack_unpacked_init (&unpacked);
  if (msgpack_unpack_next (&unpacked, (const char *) data, length, &offset) == MSGPACK_UNPACK_SUCCESS)
    receive (self, &unpacked.data);
  msgpack_unpacked_destroy (&unpacked);
}

static void
closed_cb (BbWebsocket *socket, const GError *reason, gpointer user_data)
{
  BbMsgpackSession *self = user_data;
  g_autoptr (GError) lost = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, reason->message);

  bb_call_table_end (self->calls, lost);
  self->events->closed (self, reason, self->user_data);
}

static const BbWebsocketEvents socket_events = { NULL, message_cb, closed_cb };

BbMsgpackSession *
bb_msgpack_session_new (BbWebsocket *socket, const BbMsgpackSessionEvents *events, gpointer user_data)
{
  BbMsgpackSession *self = g_new0 (BbMsgpackSession, 1);

  self->socket = socket;
  self->events = events;
  self->user_data = user_data;
  self->last_request = -1;
  self->calls = bb_call_table_new (bb_websocket_get_loop (socket), bb_websocket_get_stream (socket), call_failed, self);
  bb_websocket_set_events (socket, &socket_events, self);
  return self;
}

void
bb_msgpack_session_free (BbMsgpackSession *self)
{
  bb_call_table_free (self->calls);
  bb_websocket_free (self->socket);
  g_free (self);
}

BbWebsocket *
bb_msgpack_session_get_socket (BbMsgpackSession *self)
{
  return self->socket;
}

BbStream *
bb_msgpack_session_get_stream (BbMsgpackSession *self)
{
  return bb_websocket_get_stream (self->socket);
}

BbLoop *
bb_msgpack_session_get_loop (BbMsgpackSession *self)
{
  return bb_websocket_get_loop (self->socket);
}
