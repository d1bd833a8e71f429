/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-command.h"

#include "bb-pb-limits.h"
#include "bb-remote-command.h"

typedef struct
{
  BbRemoteCommand command; /* first */
  BbPbBroker *broker;
  gint64 builder;
  gint64 number;       /* our object for updates */
  gint64 transfer;     /* our reader or writer */
  gint64 read_request; /* 0: the read that is under way wants no answer */
  BbPbCommandEnded ended;
  gpointer ended_data;
} PbCommand;

static void
send_interrupt (BbRemoteCommand *command, const char *why)
{
  PbCommand *self = (PbCommand *) command;
  const BbJellyWriter *writer = bb_pb_broker_begin_call (self->broker, self->builder, "interruptCommand", 2);

  bb_jelly_put_text (writer, "0"); /* slaves don't look at it */
  bb_jelly_put_text (writer, why);
  bb_pb_broker_end_call (self->broker, BB_LINK_COMMAND_LIMIT_US, TRUE, NULL, NULL);
}

static void
send_block (BbRemoteCommand *command, const guint8 *data, gsize length)
{
  PbCommand *self = (PbCommand *) command;

  if (self->read_request == 0)
    return;
  bb_jelly_put_bytes (bb_pb_broker_begin_answer (self->broker, self->read_request),
                      length > 0 ? (const char *) data : "", length);
  bb_pb_broker_end_answer (self->broker);
}

static void
leave (BbRemoteCommand *command)
{
  PbCommand *self = (PbCommand *) command;

  bb_pb_broker_forget_calls (self->broker, self);
  bb_pb_broker_remove_object (self->broker, self->number);
  if (self->transfer != 0)
    bb_pb_broker_remove_object (self->broker, self->transfer);
  self->ended (command, self->ended_data);
}

static void
close_connection (BbRemoteCommand *command, const GError *error)
{
  bb_pb_broker_close (((PbCommand *) command)->broker, FALSE, error);
}

static const BbRemoteCommandClass command_class = { send_interrupt, send_block, leave, close_connection };

/* Updates */

static void
give_output (BbRemoteCommand *self, BbOutput stream, BbJelly value)
{
  const char *text;
  gsize length;

  /* Only slaves on Python 2 cut within a character. */
  if (bb_jelly_get_text (value, &text, &length))
    bb_remote_command_receive_output (self, stream, text, length, bb_jelly_is_bytes (value));
}

static void
give_log (BbRemoteCommand *self, BbJelly value)
{
  g_autofree char *name = NULL;
  BbJelly first;
  const char *text;
  gsize length;
  guint n;

  if (bb_jelly_get_sequence (value, &n, &first) && n == 2 && (name = bb_jelly_dup_text (first)) != NULL
      && bb_jelly_get_text (bb_jelly_next (first), &text, &length))
    bb_remote_command_receive_log (self, name, text, length);
}

/* A value in the type that bb-slave-link.h promises for its key; floating. */
static GVariant *
convert_update (BbJelly key, BbJelly value)
{
  double number;
  gint64 integer;

  if (bb_jelly_text_is (key, "elapsed"))
    return bb_jelly_get_number (value, &number) ? g_variant_new_double (number) : NULL;
  if (bb_jelly_text_is (key, "rc"))
    return bb_jelly_get_integer (value, &integer) ? g_variant_new_int64 (integer) : NULL;
  return bb_jelly_to_variant (value, BB_LINK_MAX_UPDATE_ELEMENTS);
}

static void
give_value (BbRemoteCommand *self, BbJelly key, BbJelly value)
{
  g_autofree char *name = NULL;
  const char *text;
  gsize length;

  if (!bb_jelly_get_text (key, &text, &length) || length > BB_LINK_MAX_UPDATE_KEY)
    return;
  name = bb_jelly_dup_text (key);
  bb_remote_command_receive_value (self, name, convert_update (key, value));
}

static void
give_update (BbRemoteCommand *self, BbJelly key, BbJelly value)
{
  if (bb_jelly_text_is (key, "stdout"))
    give_output (self, BB_OUTPUT_STDOUT, value);
  else if (bb_jelly_text_is (key, "stderr"))
    give_output (self, BB_OUTPUT_STDERR, value);
  else if (bb_jelly_text_is (key, "header"))
    give_output (self, BB_OUTPUT_HEADER, value);
  else if (bb_jelly_text_is (key, "log"))
    give_log (self, value);
  else
    give_value (self, key, value);
}

/* update ([[{key: value, …}, 0], …]) */
static void
receive_updates (BbRemoteCommand *self, BbJelly updates)
{
  BbJelly update, dictionary, pair, key, value;
  guint n_updates, n_members, n_pairs;

  if (!bb_jelly_get_sequence (updates, &n_updates, &update))
    return;
  for (guint i = 0; i < n_updates && !bb_remote_command_is_over (self); i++, update = bb_jelly_next (update))
    {
      if (!bb_jelly_get_sequence (update, &n_members, &dictionary) || n_members < 1
          || !bb_jelly_get_dictionary (dictionary, &n_pairs, &pair))
        continue;
      for (guint j = 0; j < n_pairs && !bb_remote_command_is_over (self); j++, pair = bb_jelly_next (pair))
        if (bb_jelly_get_pair (pair, &key, &value))
          give_update (self, key, value);
    }
}

static void
complete (BbRemoteCommand *self, BbJelly failure)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *type = NULL;
  g_autofree char *text = NULL;

  if (!bb_jelly_is_none (failure))
    {
      bb_jelly_describe_failure (failure, &type, &text);
      error = g_error_new (BB_ERROR, BB_ERROR_FAILED, "the slave failed with %s: %s",
                           *type != '\0' ? type : "an error", text);
    }
  bb_remote_command_finish (self, error);
}

static void
command_cb (const BbPbCall *call, gpointer user_data)
{
  BbRemoteCommand *self = user_data;

  bb_remote_command_enter (self);
  if (call->n_args >= 1 && bb_jelly_text_is (call->method, "update"))
    {
      receive_updates (self, call->first_arg);
      bb_pb_call_answer_integer (call, 0);
    }
  else if (call->n_args >= 1 && bb_jelly_text_is (call->method, "complete"))
    {
      bb_pb_call_answer_none (call);
      complete (self, call->first_arg);
    }
  else
    bb_pb_call_answer_no_such_method (call);
  bb_remote_command_leave (self);
}

/* Transfers */

static void
receive_block (BbRemoteCommand *self, BbJelly block)
{
  const char *data;
  gsize length;

  if (bb_jelly_get_text (block, &data, &length))
    bb_remote_command_receive_block (self, (const guint8 *) data, length);
}

static void
receive_utime (BbRemoteCommand *self, BbJelly times)
{
  BbJelly first;
  guint n;
  double access_time, modified_time;

  /* (None, None), or None, of a file that could not be read */
  if (bb_jelly_get_sequence (times, &n, &first) && n == 2 && bb_jelly_get_number (first, &access_time)
      && bb_jelly_get_number (bb_jelly_next (first), &modified_time))
    bb_remote_command_receive_utime (self, access_time, modified_time);
}

static void
receive_read (PbCommand *self, const BbPbCall *call)
{
  gint64 request = self->read_request, wanted = 0;
  g_autoptr (GError) error = NULL;

  bb_jelly_get_integer (call->first_arg, &wanted);
  self->read_request = call->wants_answer ? call->request : 0;
  if (bb_remote_command_receive_read (&self->command, wanted))
    return;
  self->read_request = request;
  error = g_error_new_literal (BB_ERROR, BB_ERROR_PROTOCOL, "pb: a second read before the first is answered");
  bb_pb_broker_close (self->broker, FALSE, error);
}

/* FALSE: the method is none of an upload's. */
static gboolean
receive_upload (BbRemoteCommand *self, const BbPbCall *call)
{
  if (call->n_args == 1 && bb_jelly_text_is (call->method, "write"))
    receive_block (self, call->first_arg);
  else if (call->n_args == 1 && bb_jelly_text_is (call->method, "utime"))
    receive_utime (self, call->first_arg);
  else if (bb_jelly_text_is (call->method, "close") || bb_jelly_text_is (call->method, "unpack"))
    bb_remote_command_receive_close (self);
  else
    return FALSE;
  bb_pb_call_answer_none (call);
  return TRUE;
}

static gboolean
receive_download (BbRemoteCommand *self, const BbPbCall *call)
{
  if (call->n_args == 1 && bb_jelly_text_is (call->method, "read"))
    {
      receive_read ((PbCommand *) self, call);
      return TRUE;
    }
  if (!bb_jelly_text_is (call->method, "close"))
    return FALSE;
  bb_remote_command_receive_close (self);
  bb_pb_call_answer_none (call);
  return TRUE;
}

static void
transfer_cb (const BbPbCall *call, gpointer user_data)
{
  BbRemoteCommand *self = user_data;

  bb_remote_command_enter (self);
  if (!(self->transfer == BB_UPLOAD ? receive_upload (self, call) : receive_download (self, call)))
    bb_pb_call_answer_no_such_method (call);
  bb_remote_command_leave (self);
}

static void
started_cb (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
            gpointer user_data)
{
  /* The end of the connection is told by the link. */
  if (error == NULL || g_error_matches (error, BB_ERROR, BB_ERROR_LOST))
    return;
  /* It may still run one day, so that nothing else can be started there. */
  if (g_error_matches (error, BB_ERROR, BB_ERROR_TIMEOUT))
    bb_pb_broker_close (broker, FALSE, error);
  else
    bb_remote_command_finish (user_data, error);
}

BbRemoteCommand *
bb_pb_command_start (BbPbBroker *broker, gint64 builder, const char *name, GVariant *args,
                     const BbCommandEvents *events, gpointer user_data, BbPbCommandEnded ended, gpointer ended_data)
{
  PbCommand *self = g_new0 (PbCommand, 1);
  g_autofree char *id = NULL;
  const BbJellyWriter *writer;

  bb_remote_command_init (&self->command, &command_class, bb_pb_broker_get_loop (broker),
                          bb_pb_broker_get_stream (broker), name, args, events, user_data);
  self->broker = broker;
  self->builder = builder;
  self->ended = ended;
  self->ended_data = ended_data;
  self->number = bb_pb_broker_add_object (broker, command_cb, self);
  if (self->command.transfer != BB_NO_TRANSFER)
    self->transfer = bb_pb_broker_add_object (broker, transfer_cb, self);
  id = g_strdup_printf ("%" G_GINT64_FORMAT, self->number);
  writer = bb_pb_broker_begin_call (broker, builder, "startCommand", 4);
  bb_jelly_put_remote (writer, self->number);
  bb_jelly_put_text (writer, id);
  bb_jelly_put_text (writer, name);
  bb_pb_arguments_put (writer, args, self->command.transfer, self->transfer);
  bb_pb_broker_end_call (broker, BB_LINK_COMMAND_LIMIT_US, TRUE, started_cb, self);
  return &self->command;
}
