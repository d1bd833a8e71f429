/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-broker.h"

#include <string.h>

#include "bb-call-table.h"
#include "bb-error.h"
#include "bb-pb-limits.h"

#define PB_VERSION 6

/* What is kept of the buffer that messages are written into. */
#define KEEP_SCRATCH (64 * 1024)

typedef enum
{
  GREETING, /* the dialects were offered */
  TALKING,
  DEAF,     /* what arrives is dropped */
  CLOSED,
} Phase;

typedef struct
{
  gint64 number;
  BbPbReceive receive;
  gpointer user_data;
} Object;

struct _BbPbBroker
{
  BbLoop *loop;
  BbStream *stream;
  BbBananaDecoder *decoder;
  const BbPbBrokerEvents *events;
  gpointer user_data;
  BbTimer partial_timer; /* runs while a message is incomplete */

  Phase phase;
  gboolean trusted;
  gboolean python2;
  gboolean vocabulary;
  gboolean version_seen;
  guint n_messages;

  Object root;
  GArray *objects; /* of Object, in the order of their numbers, which only grow */
  gint64 last_object;
  BbCallTable *calls;
  gint64 last_request;

  BbJellyWriter writer; /* of the message that is being written, into the scratch buffer */
};

/* One message is written at a time, so one buffer serves all connections. */
static GByteArray *scratch;

static void
begin_message (BbPbBroker *self, guint n_members)
{
  if (scratch == NULL)
    scratch = g_byte_array_new ();
  self->writer = (BbJellyWriter){ scratch, self->vocabulary, self->python2 };
  bb_banana_put_list (scratch, n_members);
}

static void
end_message (BbPbBroker *self)
{
  if (self->phase != CLOSED && self->phase != DEAF)
    bb_stream_write (self->stream, scratch->data, scratch->len);
  if (scratch->len > KEEP_SCRATCH)
    g_clear_pointer (&scratch, g_byte_array_unref);
  else
    g_byte_array_set_size (scratch, 0);
}

static void
call_failed (gpointer owner, GCallback answered, const GError *error, gpointer user_data)
{
  ((BbPbAnswered) answered) (owner, NULL, error, NULL, user_data);
}

const BbJellyWriter *
bb_pb_broker_begin_call (BbPbBroker *self, gint64 object, const char *method, guint n_args)
{
  begin_message (self, 7);
  bb_jelly_put_word (&self->writer, "message");
  bb_banana_put_integer (self->writer.out, ++self->last_request);
  bb_banana_put_integer (self->writer.out, object);
  bb_jelly_put_word (&self->writer, method);
  bb_banana_put_integer (self->writer.out, 1);
  bb_jelly_put_tagged (&self->writer, "tuple", n_args);
  return &self->writer;
}

void
bb_pb_broker_end_call (BbPbBroker *self, gint64 time_limit_us, gboolean patient, BbPbAnswered answered,
                       gpointer user_data)
{
  bb_jelly_put_tagged (&self->writer, "dictionary", 0);
  end_message (self);
  bb_call_table_add (self->calls, self->last_request, time_limit_us, patient, G_CALLBACK (answered), user_data);
}

void
bb_pb_broker_cancel_calls (BbPbBroker *self, gpointer user_data)
{
  bb_call_table_cancel (self->calls, user_data);
}

void
bb_pb_broker_forget_calls (BbPbBroker *self, gpointer user_data)
{
  bb_call_table_forget (self->calls, user_data);
}

const BbJellyWriter *
bb_pb_broker_begin_answer (BbPbBroker *self, gint64 request)
{
  begin_message (self, 3);
  bb_jelly_put_word (&self->writer, "answer");
  bb_banana_put_integer (self->writer.out, request);
  return &self->writer;
}

void
bb_pb_broker_end_answer (BbPbBroker *self)
{
  end_message (self);
}

void
bb_pb_call_answer_none (const BbPbCall *call)
{
  if (!call->wants_answer)
    return;
  bb_jelly_put_none (bb_pb_broker_begin_answer (call->broker, call->request));
  bb_pb_broker_end_answer (call->broker);
}

void
bb_pb_call_answer_integer (const BbPbCall *call, gint64 value)
{
  if (!call->wants_answer)
    return;
  bb_banana_put_integer (bb_pb_broker_begin_answer (call->broker, call->request)->out, value);
  bb_pb_broker_end_answer (call->broker);
}

void
bb_pb_broker_answer_error (BbPbBroker *self, gint64 request, const char *const *parents, const char *text)
{
  begin_message (self, 3);
  bb_jelly_put_word (&self->writer, "error");
  bb_banana_put_integer (self->writer.out, request);
  bb_jelly_put_failure (&self->writer, parents, text);
  end_message (self);
}

void
bb_pb_call_answer_no_such_method (const BbPbCall *call)
{
  static const char *const parents[]
    = { "twisted.spread.flavors.NoSuchMethod", "builtins.AttributeError", "builtins.Exception", NULL };

  if (call->wants_answer)
    bb_pb_broker_answer_error (call->broker, call->request, parents, "no such method");
}

static void
answer_no_such_object (const BbPbCall *call)
{
  static const char *const parents[] = { "twisted.spread.pb.Error", "builtins.Exception", NULL };

  if (call->wants_answer)
    bb_pb_broker_answer_error (call->broker, call->request, parents, "Invalid Object ID");
}

void
bb_pb_broker_send_decref (BbPbBroker *self, gint64 number)
{
  begin_message (self, 2);
  bb_jelly_put_word (&self->writer, "decref");
  bb_banana_put_integer (self->writer.out, number);
  end_message (self);
}

static gboolean
malformed (GError **error, const char *what)
{
  g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "pb: a malformed %s", what);
  return FALSE;
}

static gboolean
get_request (BbJelly message, gint64 *request)
{
  BbJelly member;

  return bb_jelly_nth (message, 1, &member) && bb_jelly_get_integer (member, request);
}

static int
compare_objects (gconstpointer a, gconstpointer b)
{
  const Object *one = a, *other = b;

  return one->number < other->number ? -1 : one->number > other->number;
}

static gboolean
find_object (BbPbBroker *self, gint64 number, guint *index)
{
  const Object key = { .number = number };

  return g_array_binary_search (self->objects, &key, compare_objects, index);
}

/* (message REQ OBJ METHOD WANT ARGS KWARGS) */
static gboolean
receive_call (BbPbBroker *self, BbJelly message, GError **error)
{
  BbPbCall call = { .broker = self };
  BbJelly object_name, member;
  gint64 number = 0, want;
  Object object = { 0 };
  guint index;

  if (bb_jelly_count (message) != 7 || !get_request (message, &call.request))
    return malformed (error, "message");
  bb_jelly_nth (message, 2, &object_name);
  call.method = bb_jelly_next (object_name);
  member = bb_jelly_next (call.method);
  if (!bb_jelly_get_integer (member, &want)
      || !bb_jelly_get_sequence (bb_jelly_next (member), &call.n_args, &call.first_arg))
    return malformed (error, "message");
  call.wants_answer = want != 0;
  if (bb_jelly_text_is (object_name, "root"))
    object = self->root;
  else if (bb_jelly_get_integer (object_name, &number) && find_object (self, number, &index))
    object = g_array_index (self->objects, Object, index);
  if (object.receive != NULL)
    object.receive (&call, object.user_data);
  else if (!self->trusted)
    return malformed (error, "call before login");
  else
    answer_no_such_object (&call); /* a command that is over, say: races are no reason to close */
  return TRUE;
}

static gboolean
receive_answer (BbPbBroker *self, BbJelly message, GError **error)
{
  gint64 request;
  BbJelly value;
  GCallback answered;
  gpointer user_data;

  if (bb_jelly_count (message) != 3 || !get_request (message, &request))
    return malformed (error, "answer");
  if (!bb_call_table_take (self->calls, request, &answered, &user_data))
    return TRUE;
  bb_jelly_nth (message, 2, &value);
  ((BbPbAnswered) answered) (self, &value, NULL, NULL, user_data);
  return TRUE;
}

static gboolean
receive_error (BbPbBroker *self, BbJelly message, GError **error)
{
  g_autoptr (GError) failure = NULL;
  g_autofree char *type = NULL;
  g_autofree char *text = NULL;
  gint64 request;
  BbJelly value;
  GCallback answered;
  gpointer user_data;

  if (bb_jelly_count (message) != 3 || !get_request (message, &request))
    return malformed (error, "error");
  if (!bb_call_table_take (self->calls, request, &answered, &user_data))
    return TRUE;
  bb_jelly_nth (message, 2, &value);
  bb_jelly_describe_failure (value, &type, &text);
  failure = g_error_new (BB_ERROR, BB_ERROR_FAILED, "the slave answered %s: %s", *type != '\0' ? type : "an error",
                         text);
  ((BbPbAnswered) answered) (self, NULL, failure, type, user_data);
  return TRUE;
}

static gboolean
receive_version (BbPbBroker *self, BbJelly message, GError **error)
{
  gint64 version;

  if (!get_request (message, &version) || version != PB_VERSION)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "pb: the peer does not speak version %d", PB_VERSION);
      return FALSE;
    }
  self->version_seen = TRUE;
  return TRUE;
}

static void
answer_did_not_understand (BbPbBroker *self)
{
  begin_message (self, 2);
  bb_jelly_put_word (&self->writer, "didNotUnderstand");
  bb_jelly_put_word (&self->writer, "message");
  end_message (self);
}

static gboolean
receive_message (BbPbBroker *self, const BbBananaMessage *banana, GError **error)
{
  BbJelly message = bb_jelly_root (banana);
  BbJelly word;

  if (!bb_jelly_is_list (message) || bb_jelly_count (message) == 0)
    return malformed (error, "message: not a list");
  if (!bb_jelly_resolve_references (banana, error))
    return FALSE;
  word = bb_jelly_first (message);
  if (bb_jelly_text_is (word, "version"))
    return receive_version (self, message, error);
  if (!self->version_seen)
    return malformed (error, "message: no version before it");
  if (bb_jelly_text_is (word, "message"))
    return receive_call (self, message, error);
  if (bb_jelly_text_is (word, "answer"))
    return receive_answer (self, message, error);
  if (bb_jelly_text_is (word, "error"))
    return receive_error (self, message, error);
  /* decref: an object goes when what it stands for is over, whenever the peer's garbage collector runs. Caches are not
   * used by slaves; the rest is what a peer did not understand of ours. */
  if (bb_jelly_text_is (word, "decref") || bb_jelly_text_is (word, "didNotUnderstand")
      || bb_jelly_text_is (word, "cachemessage") || bb_jelly_text_is (word, "decache")
      || bb_jelly_text_is (word, "uncache"))
    return TRUE;
  if (!self->trusted)
    return malformed (error, "message: an unknown word before login");
  answer_did_not_understand (self);
  return TRUE;
}

/* The peer has chosen one of the dialects that were offered. */
static gboolean
receive_dialect (BbPbBroker *self, const BbBananaMessage *banana, GError **error)
{
  BbJelly dialect = bb_jelly_root (banana);

  if (bb_jelly_text_is (dialect, "pb"))
    self->vocabulary = TRUE;
  else if (!bb_jelly_text_is (dialect, "none"))
    {
      g_set_error_literal (error, BB_ERROR, BB_ERROR_PROTOCOL, "pb: the peer chose a dialect that was not offered");
      return FALSE;
    }
  self->phase = TALKING;
  bb_banana_decoder_set_vocabulary (self->decoder, self->vocabulary);
  begin_message (self, 2);
  bb_jelly_put_word (&self->writer, "version");
  bb_banana_put_integer (self->writer.out, PB_VERSION);
  end_message (self);
  return TRUE;
}

static gboolean
message_cb (const BbBananaMessage *banana, gpointer user_data, GError **error)
{
  BbPbBroker *self = user_data;

  bb_timer_stop (&self->partial_timer); /* that one is complete */
  if (!self->trusted && ++self->n_messages > BB_PB_MAX_MESSAGES_BEFORE_LOGIN)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "pb: more than %d messages before login",
                   BB_PB_MAX_MESSAGES_BEFORE_LOGIN);
      return FALSE;
    }
  if (self->phase == GREETING)
    return receive_dialect (self, banana, error);
  if (self->phase == TALKING && !receive_message (self, banana, error))
    return FALSE;
  /* Reading was stopped, or the peer refused, by what this message made somebody do. */
  if (self->phase != TALKING || !bb_stream_is_reading (self->stream))
    bb_banana_decoder_pause (self->decoder);
  return TRUE;
}

/* Runs from the first byte of a message that did not come whole. */
static void
watch_partial (BbPbBroker *self)
{
  if (!bb_banana_decoder_is_within_message (self->decoder) || !bb_stream_is_reading (self->stream))
    bb_timer_stop (&self->partial_timer);
  else if (!bb_timer_is_running (&self->partial_timer))
    bb_timer_start_in (&self->partial_timer, BB_LINK_MAX_PARTIAL_US);
}

static gsize
readable_cb (BbStream *stream, const guint8 *data, gsize length, gpointer user_data)
{
  BbPbBroker *self = user_data;
  g_autoptr (GError) error = NULL;
  gssize taken;

  if (!self->trusted && bb_stream_get_bytes_in (stream) > BB_PB_MAX_BYTES_BEFORE_LOGIN)
    {
      error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "pb: more than %d bytes before login",
                           BB_PB_MAX_BYTES_BEFORE_LOGIN);
      bb_pb_broker_close (self, FALSE, error);
      return length;
    }
  if (self->phase == DEAF)
    return length;
  taken = bb_banana_decoder_feed (self->decoder, data, length, &error);
  if (taken < 0)
    bb_pb_broker_close (self, FALSE, error);
  if (self->phase == DEAF)
    return length;
  watch_partial (self);
  return (gsize) taken;
}

static void
partial_too_long_cb (BbTimer *timer, gpointer user_data)
{
  BbPbBroker *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!bb_stream_is_reading (self->stream))
    {
      bb_timer_start_in (timer, BB_LINK_MAX_PARTIAL_US);
      return;
    }
  error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "pb: one message took longer than %d s to arrive",
                       (int) (BB_LINK_MAX_PARTIAL_US / G_USEC_PER_SEC));
  bb_pb_broker_close (self, FALSE, error);
}

static void
closed_cb (BbStream *stream, const GError *reason, gpointer user_data)
{
  BbPbBroker *self = user_data;
  g_autoptr (GError) lost = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, reason->message);

  self->phase = CLOSED;
  bb_timer_stop (&self->partial_timer);
  bb_call_table_end (self->calls, lost);
  self->events->closed (self, reason, self->user_data);
}

static const BbStreamEvents stream_events = { readable_cb, closed_cb };

BbPbBroker *
bb_pb_broker_new (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                  const BbPbBrokerEvents *events, gpointer user_data, GError **error)
{
  BbPbBroker *self = g_new0 (BbPbBroker, 1);

  self->loop = g_object_ref (loop);
  self->events = events;
  self->user_data = user_data;
  self->decoder = bb_banana_decoder_new (&bb_banana_limits_before_login, message_cb, self);
  self->objects = g_array_new (FALSE, FALSE, sizeof (Object));
  bb_timer_init (&self->partial_timer, loop, partial_too_long_cb, self);
  self->stream = bb_stream_new (loop, fd, transport, transport_data, &stream_events, self, error);
  if (self->stream == NULL)
    {
      bb_pb_broker_free (self);
      return NULL;
    }
  self->calls = bb_call_table_new (loop, self->stream, call_failed, self);
  /* The server speaks first: the dialects, best first. */
  begin_message (self, 2);
  bb_jelly_put_word (&self->writer, "pb");
  bb_jelly_put_word (&self->writer, "none");
  end_message (self);
  return self;
}

void
bb_pb_broker_set_events (BbPbBroker *self, const BbPbBrokerEvents *events, gpointer user_data)
{
  self->events = events;
  self->user_data = user_data;
}

void
bb_pb_broker_free (BbPbBroker *self)
{
  bb_timer_stop (&self->partial_timer);
  g_clear_pointer (&self->calls, bb_call_table_free);
  g_clear_pointer (&self->stream, bb_stream_free);
  g_array_unref (self->objects);
  bb_banana_decoder_free (self->decoder);
  g_object_unref (self->loop);
  g_free (self);
}

BbStream *
bb_pb_broker_get_stream (BbPbBroker *self)
{
  return self->stream;
}

BbLoop *
bb_pb_broker_get_loop (BbPbBroker *self)
{
  return self->loop;
}

void
bb_pb_broker_trust (BbPbBroker *self)
{
  self->trusted = TRUE;
  bb_banana_decoder_set_limits (self->decoder, &bb_banana_limits_after_login);
}

void
bb_pb_broker_set_python2 (BbPbBroker *self, gboolean python2)
{
  self->python2 = python2;
}

void
bb_pb_broker_ignore_input (BbPbBroker *self)
{
  if (self->phase != CLOSED)
    self->phase = DEAF;
  bb_timer_stop (&self->partial_timer);
}

void
bb_pb_broker_close (BbPbBroker *self, gboolean flush, const GError *reason)
{
  if (self->phase == CLOSED)
    return;
  bb_pb_broker_ignore_input (self);
  bb_stream_close (self->stream, flush, reason);
}

gboolean
bb_pb_broker_is_closed (BbPbBroker *self)
{
  return self->phase == CLOSED;
}

void
bb_pb_broker_set_root (BbPbBroker *self, BbPbReceive receive, gpointer user_data)
{
  self->root = (Object){ 0, receive, user_data };
}

gint64
bb_pb_broker_add_object (BbPbBroker *self, BbPbReceive receive, gpointer user_data)
{
  Object object = { ++self->last_object, receive, user_data };

  g_array_append_val (self->objects, object);
  return object.number;
}

void
bb_pb_broker_remove_object (BbPbBroker *self, gint64 number)
{
  guint index;

  if (find_object (self, number, &index))
    g_array_remove_index (self->objects, index);
}
