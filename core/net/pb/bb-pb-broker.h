/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-jelly.h"
#include "bb-stream.h"

G_BEGIN_DECLS

/*
 * One connection's Perspective Broker: greeting, calls in both directions, and the tables of what each side has handed
 * out. It knows nothing of slaves.
 */
typedef struct _BbPbBroker BbPbBroker;

/* A call that has arrived; valid while its receiver runs. */
typedef struct
{
  BbPbBroker *broker;
  gint64 request;
  gboolean wants_answer;
  BbJelly method;
  guint n_args;
  BbJelly first_arg;
} BbPbCall;

/* Every call that wants an answer must be answered once, in the receiver or later by its number. */
typedef void (*BbPbReceive) (const BbPbCall *call, gpointer user_data);

/* The end of a call of ours. @answer: %NULL with @error: TIMEOUT, LOST, %G_IO_ERROR_CANCELLED, or FAILED with @failure_type, the class of the peer's
 * failure without its module. */
typedef void (*BbPbAnswered) (BbPbBroker *broker, const BbJelly *answer, const GError *error,
                              const char *failure_type, gpointer user_data);

typedef struct
{
  /* The connection has ended; every call was answered with LOST before. Once; the owner frees the broker then or later. */
  void (*closed) (BbPbBroker *broker, const GError *reason, gpointer user_data);
} BbPbBrokerEvents;

/* Takes over @fd and @transport_data, as bb_stream_new() does, and greets at once. Limits are those before login until bb_pb_broker_trust(). */
BbPbBroker *bb_pb_broker_new (BbLoop *loop, int fd, const BbTransport *transport, gpointer transport_data,
                              const BbPbBrokerEvents *events, gpointer user_data, GError **error);
void bb_pb_broker_set_events (BbPbBroker *self, const BbPbBrokerEvents *events, gpointer user_data);
void bb_pb_broker_free (BbPbBroker *self);
BbStream *bb_pb_broker_get_stream (BbPbBroker *self);
BbLoop *bb_pb_broker_get_loop (BbPbBroker *self);

void bb_pb_broker_trust (BbPbBroker *self);                            /* the peer has logged in */
void bb_pb_broker_set_python2 (BbPbBroker *self, gboolean python2);    /* how text is written from here on */
/* Nothing that arrives is looked at any more. */
void bb_pb_broker_ignore_input (BbPbBroker *self);
void bb_pb_broker_close (BbPbBroker *self, gboolean flush, const GError *reason);
gboolean bb_pb_broker_is_closed (BbPbBroker *self);

/* Objects that the peer may call. Numbers are never used again on this connection. */
void bb_pb_broker_set_root (BbPbBroker *self, BbPbReceive receive, gpointer user_data);
gint64 bb_pb_broker_add_object (BbPbBroker *self, BbPbReceive receive, gpointer user_data);
void bb_pb_broker_remove_object (BbPbBroker *self, gint64 number);

/* A call: begin, write exactly @n_args arguments, end. */
const BbJellyWriter *bb_pb_broker_begin_call (BbPbBroker *self, gint64 object, const char *method, guint n_args);
/* @patient: the time limit counts from the last byte that arrived. @answered: %NULL: nobody cares. */
void bb_pb_broker_end_call (BbPbBroker *self, gint64 time_limit_us, gboolean patient, BbPbAnswered answered,
                            gpointer user_data);
/* Calls with @user_data are no longer wanted: they are answered with %G_IO_ERROR_CANCELLED, from the loop. */
void bb_pb_broker_cancel_calls (BbPbBroker *self, gpointer user_data);
/* No answer for @user_data any more: its owner goes. */
void bb_pb_broker_forget_calls (BbPbBroker *self, gpointer user_data);

/* An answer: begin, write one value, end. */
const BbJellyWriter *bb_pb_broker_begin_answer (BbPbBroker *self, gint64 request);
void bb_pb_broker_end_answer (BbPbBroker *self);
void bb_pb_call_answer_none (const BbPbCall *call);
void bb_pb_call_answer_integer (const BbPbCall *call, gint64 value);
/* @parents: the exception's full name, then those of its base classes. */
void bb_pb_broker_answer_error (BbPbBroker *self, gint64 request, const char *const *parents, const char *text);
void bb_pb_call_answer_no_such_method (const BbPbCall *call);

void bb_pb_broker_send_decref (BbPbBroker *self, gint64 number);

G_END_DECLS
