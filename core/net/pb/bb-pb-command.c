/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-command.h"

#include <string.h>

#include "bb-pb-limits.h"
#include "bb-pb-output.h"

#define NEVER G_MAXINT64

struct _BbRemoteCommand
{
  BbPbBroker *broker;
  gint64 builder;
  gint64 number; /* our object for updates */
  const BbCommandEvents *events;
  gpointer user_data;
  BbPbCommandEnded ended;
  gpointer ended_data;
  guint in_event; /* freed after the event that ended it */
  gboolean over;

  GVariant *log_files;  /* that were asked for: name → …; NULL: none */
  BbPbCarry carries[2]; /* of stdout and stderr */
  BbOutput output;      /* whose text is being handed on */
  const char *output_name;

  BbPbTransfer transfer_kind;
  gint64 transfer;   /* our reader or writer */
  gint64 size_left;  /* that may still be written */
  gboolean closed;
  GError *failure;   /* of our side of a transfer: the slave is told nothing of it but to stop */

  /* What the watchdog looks at; all of the loop's time, 0 when it has not happened. */
  BbTimer watchdog;
  gint64 sign_us;        /* of life */
  gint64 silence_us;     /* for as long as it may give none */
  gint64 end_us;         /* when it is to be over */
  gint64 elapsed_us;     /* when "elapsed" came */
  gint64 interrupted_us;
  gint64 interrupt_limit_us;
  gboolean excused;      /* we did not read when the watchdog looked last */
};

static void
command_free (BbRemoteCommand *self)
{
  bb_timer_stop (&self->watchdog);
  g_clear_pointer (&self->log_files, g_variant_unref);
  g_clear_error (&self->failure);
  g_free (self);
}

static void
enter (BbRemoteCommand *self)
{
  self->in_event++;
}

static void
leave (BbRemoteCommand *self)
{
  if (--self->in_event == 0 && self->over)
    command_free (self);
}

static void
output_cb (const char *text, gsize length, gpointer user_data)
{
  BbRemoteCommand *self = user_data;

  if (!self->over)
    self->events->output (self, self->output, self->output_name, text, length, self->user_data);
}

static void
finish (BbRemoteCommand *self, const GError *error)
{
  if (self->over)
    return;
  enter (self);
  self->output_name = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (self->carries); i++)
    {
      self->output = i == 0 ? BB_OUTPUT_STDOUT : BB_OUTPUT_STDERR;
      bb_pb_output_end (&self->carries[i], output_cb, self);
    }
  if (!self->over)
    {
      self->over = TRUE;
      bb_timer_stop (&self->watchdog);
      bb_pb_broker_forget_calls (self->broker, self);
      bb_pb_broker_remove_object (self->broker, self->number);
      if (self->transfer != 0)
        bb_pb_broker_remove_object (self->broker, self->transfer);
      self->ended (self, self->ended_data);
      self->events->done (self, self->failure != NULL ? self->failure : error, self->user_data);
    }
  leave (self);
}

void
bb_pb_command_fail (BbRemoteCommand *self, const GError *error)
{
  finish (self, error);
}

/*
 * The watchdog. A slave keeps the time limits of its commands itself and says when they are complete; some releases have
 * defects by which they never do (worker-protocol 5.5.2), and a hostile one need not. Past its time a command is
 * interrupted; when that does not help the connection is closed, because a builder whose command may still run can't be
 * given another one.
 */
static gint64
get_now_us (BbRemoteCommand *self)
{
  return bb_loop_now_us (bb_pb_broker_get_loop (self->broker));
}

static gint64
get_deadline_us (BbRemoteCommand *self)
{
  gint64 deadline_us = self->end_us != 0 ? self->end_us : NEVER;

  if (self->elapsed_us != 0)
    return self->elapsed_us + BB_PB_COMPLETE_LIMIT_US;
  if (self->interrupted_us != 0)
    return self->interrupted_us + self->interrupt_limit_us;
  if (self->silence_us != 0)
    deadline_us = MIN (deadline_us, self->sign_us + self->silence_us);
  return deadline_us;
}

static void
watch (BbRemoteCommand *self)
{
  gint64 deadline_us = get_deadline_us (self);

  if (self->over || deadline_us == NEVER)
    bb_timer_stop (&self->watchdog);
  else
    bb_timer_start_at (&self->watchdog, deadline_us);
}

void
bb_pb_command_interrupt (BbRemoteCommand *self, const char *why)
{
  const BbJellyWriter *writer;

  if (self->over || self->interrupted_us != 0)
    return;
  self->interrupted_us = get_now_us (self);
  writer = bb_pb_broker_begin_call (self->broker, self->builder, "interruptCommand", 2);
  bb_jelly_put_text (writer, "0"); /* slaves don't look at it */
  bb_jelly_put_text (writer, why);
  bb_pb_broker_end_call (self->broker, BB_PB_COMMAND_LIMIT_US, TRUE, NULL, NULL);
  watch (self);
}

/* While we don't read nothing is known of the slave, and all of its times begin anew. */
static void
excuse (BbRemoteCommand *self)
{
  gint64 now_us = get_now_us (self);

  /* Nor is it known how long ago we began again. */
  self->excused = !bb_stream_is_reading (bb_pb_broker_get_stream (self->broker));
  self->sign_us = now_us;
  if (self->elapsed_us != 0)
    self->elapsed_us = now_us;
  if (self->interrupted_us != 0)
    self->interrupted_us = now_us;
  if (self->end_us != 0)
    self->end_us = MAX (self->end_us, now_us + BB_PB_GRACE_US);
}

static void
watchdog_cb (BbTimer *timer, gpointer user_data)
{
  BbRemoteCommand *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!bb_stream_is_reading (bb_pb_broker_get_stream (self->broker)) || self->excused)
    excuse (self);
  if (get_deadline_us (self) > get_now_us (self))
    watch (self);
  else if (self->elapsed_us != 0)
    {
      error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL,
                           "the command has ended, but the slave did not say that it is complete within %d s",
                           (int) (BB_PB_COMPLETE_LIMIT_US / G_USEC_PER_SEC));
      finish (self, error);
    }
  else if (self->interrupted_us != 0)
    {
      error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "a command did not end within %d s after it was interrupted",
                           (int) (self->interrupt_limit_us / G_USEC_PER_SEC));
      bb_pb_broker_close (self->broker, FALSE, error);
    }
  else
    bb_pb_command_interrupt (self, "the slave did not end the command in its time");
}

/* The number of an argument, or @otherwise when it is missing or None. */
static double
get_number (GVariant *args, const char *key, double otherwise)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (args, key, NULL);

  while (value != NULL
         && (g_variant_is_of_type (value, G_VARIANT_TYPE_MAYBE) || g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT)))
    {
      g_autoptr (GVariant) outer = g_steal_pointer (&value);

      value = g_variant_is_of_type (outer, G_VARIANT_TYPE_MAYBE) ? g_variant_get_maybe (outer)
                                                                 : g_variant_get_variant (outer);
    }
  if (value == NULL)
    return otherwise;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    return (double) g_variant_get_int64 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_INT32))
    return g_variant_get_int32 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_DOUBLE))
    return g_variant_get_double (value);
  return otherwise;
}

/* Seconds, within what the loop's time can hold. */
static gint64
to_us (double seconds)
{
  return (gint64) (CLAMP (seconds, 0, 1e9) * G_USEC_PER_SEC);
}

static void
set_times (BbRemoteCommand *self, const char *name, GVariant *args)
{
  gboolean has_limits = g_str_equal (name, "shell") || g_str_equal (name, "rmdir") || g_str_equal (name, "cpdir");
  gboolean stoppable = !g_str_equal (name, "rmdir") && !g_str_equal (name, "cpdir");
  double timeout = get_number (args, "timeout", stoppable ? -1 : 120);
  double max_time = get_number (args, "maxTime", -1);
  double kill_time = get_number (args, "sigtermTime", 0);

  self->sign_us = get_now_us (self);
  self->silence_us = BB_PB_SILENCE_LIMIT_US;
  if (has_limits)
    self->silence_us = timeout > 0 ? to_us (timeout) + BB_PB_GRACE_US : 0;
  if (has_limits && max_time > 0)
    self->end_us = self->sign_us + to_us (max_time) + to_us (kill_time) + BB_PB_GRACE_US;
  self->interrupt_limit_us = stoppable ? BB_PB_INTERRUPT_LIMIT_US + to_us (kill_time) : BB_PB_UNINTERRUPTIBLE_LIMIT_US;
  watch (self);
}

/* Updates */

static void
give_output (BbRemoteCommand *self, BbOutput stream, const char *log_name, BbJelly value)
{
  BbPbCarry *carry = NULL;
  const char *text;
  gsize length;

  if (!bb_jelly_get_text (value, &text, &length))
    return;
  self->output = stream;
  self->output_name = log_name;
  /* Only slaves on Python 2 cut within a character. */
  if (bb_jelly_is_bytes (value) && stream == BB_OUTPUT_STDOUT)
    carry = &self->carries[0];
  else if (bb_jelly_is_bytes (value) && stream == BB_OUTPUT_STDERR)
    carry = &self->carries[1];
  bb_pb_output_give (carry, text, length, output_cb, self);
}

/* Of a file that was asked for: nobody else may open logs. */
static void
give_log (BbRemoteCommand *self, BbJelly value)
{
  g_autofree char *name = NULL;
  g_autoptr (GVariant) wanted = NULL;
  BbJelly first;
  guint n;

  if (self->log_files == NULL || !bb_jelly_get_sequence (value, &n, &first) || n != 2
      || (name = bb_jelly_dup_text (first)) == NULL)
    return;
  wanted = g_variant_lookup_value (self->log_files, name, NULL);
  if (wanted != NULL)
    give_output (self, BB_OUTPUT_LOG, name, bb_jelly_next (first));
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
  return bb_jelly_to_variant (value, BB_PB_MAX_UPDATE_ELEMENTS);
}

static void
give_value (BbRemoteCommand *self, BbJelly key, BbJelly value)
{
  g_autoptr (GVariant) variant = NULL;
  g_autofree char *name = NULL;
  const char *text;
  gsize length;

  if (!bb_jelly_get_text (key, &text, &length) || length > BB_PB_MAX_UPDATE_KEY)
    return;
  variant = convert_update (key, value);
  if (variant == NULL)
    return;
  g_variant_ref_sink (variant);
  name = bb_jelly_dup_text (key);
  if (g_str_equal (name, "elapsed"))
    self->elapsed_us = get_now_us (self);
  self->events->update (self, name, variant, self->user_data);
}

static void
give_update (BbRemoteCommand *self, BbJelly key, BbJelly value)
{
  if (bb_jelly_text_is (key, "stdout"))
    give_output (self, BB_OUTPUT_STDOUT, NULL, value);
  else if (bb_jelly_text_is (key, "stderr"))
    give_output (self, BB_OUTPUT_STDERR, NULL, value);
  else if (bb_jelly_text_is (key, "header"))
    give_output (self, BB_OUTPUT_HEADER, NULL, value);
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
  for (guint i = 0; i < n_updates && !self->over; i++, update = bb_jelly_next (update))
    {
      if (!bb_jelly_get_sequence (update, &n_members, &dictionary) || n_members < 1
          || !bb_jelly_get_dictionary (dictionary, &n_pairs, &pair))
        continue;
      for (guint j = 0; j < n_pairs && !self->over; j++, pair = bb_jelly_next (pair))
        if (bb_jelly_get_pair (pair, &key, &value))
          give_update (self, key, value);
    }
  /* Each output moves the limit for silence; the timer finds that out when it runs. */
  if (self->elapsed_us != 0)
    watch (self);
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
  finish (self, error);
}

static void
command_cb (const BbPbCall *call, gpointer user_data)
{
  BbRemoteCommand *self = user_data;

  enter (self);
  self->sign_us = get_now_us (self);
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
  leave (self);
}

/* Transfers. One that failed on our side is stopped, and goes on being answered: an error would never complete (5.7.6). */

static void
transfer_failed (BbRemoteCommand *self, GError *error)
{
  self->failure = error;
  bb_pb_command_interrupt (self, error->message);
}

static void
receive_block (BbRemoteCommand *self, BbJelly block)
{
  GError *error = NULL;
  const char *data;
  gsize length;

  if (self->failure != NULL || self->closed || !bb_jelly_get_text (block, &data, &length) || length == 0)
    return;
  if ((gint64) length > self->size_left)
    g_set_error_literal (&error, BB_ERROR, BB_ERROR_PROTOCOL, "the slave sends more than it was asked for");
  else
    {
      self->size_left -= (gint64) length;
      self->events->write (self, (const guint8 *) data, length, self->user_data, &error);
    }
  if (error != NULL)
    transfer_failed (self, error);
}

static void
receive_utime (BbRemoteCommand *self, BbJelly times)
{
  BbJelly first;
  guint n;
  double access_time, modified_time;

  /* (None, None), or None, of a file that could not be read */
  if (self->failure == NULL && bb_jelly_get_sequence (times, &n, &first) && n == 2
      && bb_jelly_get_number (first, &access_time) && bb_jelly_get_number (bb_jelly_next (first), &modified_time))
    self->events->utime (self, access_time, modified_time, self->user_data);
}

static void
receive_close (BbRemoteCommand *self)
{
  if (self->closed || self->failure != NULL)
    return;
  self->closed = TRUE;
  self->events->close (self, self->user_data);
}

static void
send_block (BbRemoteCommand *self, const BbPbCall *call)
{
  g_autoptr (GBytes) block = NULL;
  GError *error = NULL;
  gint64 wanted = 0;
  gsize length = 0;
  const char *data = "";

  bb_jelly_get_integer (call->first_arg, &wanted);
  wanted = CLAMP (wanted, 1, BB_PB_MAX_STRING);
  if (self->failure == NULL && !self->closed)
    {
      block = self->events->read (self, (gsize) wanted, self->user_data, &error);
      if (block == NULL)
        transfer_failed (self, error);
      else if (g_bytes_get_size (block) > 0)
        data = g_bytes_get_data (block, &length);
    }
  if (!call->wants_answer)
    return;
  bb_jelly_put_bytes (bb_pb_broker_begin_answer (self->broker, call->request), data, MIN (length, (gsize) wanted));
  bb_pb_broker_end_answer (self->broker);
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
    receive_close (self);
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
      send_block (self, call);
      return TRUE;
    }
  if (!bb_jelly_text_is (call->method, "close"))
    return FALSE;
  receive_close (self);
  bb_pb_call_answer_none (call);
  return TRUE;
}

static void
transfer_cb (const BbPbCall *call, gpointer user_data)
{
  BbRemoteCommand *self = user_data;
  gboolean known;

  enter (self);
  self->sign_us = get_now_us (self);
  known = self->transfer_kind == BB_PB_UPLOAD ? receive_upload (self, call) : receive_download (self, call);
  if (!known)
    bb_pb_call_answer_no_such_method (call);
  leave (self);
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
    finish (user_data, error);
}

BbRemoteCommand *
bb_pb_command_start (BbPbBroker *broker, gint64 builder, const char *name, GVariant *args,
                     const BbCommandEvents *events, gpointer user_data, BbPbCommandEnded ended, gpointer ended_data)
{
  BbRemoteCommand *self = g_new0 (BbRemoteCommand, 1);
  double max_size = get_number (args, "maxsize", -1);
  g_autofree char *id = NULL;
  const BbJellyWriter *writer;

  self->broker = broker;
  self->builder = builder;
  self->events = events;
  self->user_data = user_data;
  self->ended = ended;
  self->ended_data = ended_data;
  self->log_files = g_variant_lookup_value (args, "logfiles", G_VARIANT_TYPE ("a{s*}"));
  self->transfer_kind = bb_pb_transfer_of (name);
  self->size_left = max_size >= 0 ? (gint64) MIN (max_size, 0x1p62) : G_MAXINT64;
  bb_timer_init (&self->watchdog, bb_pb_broker_get_loop (broker), watchdog_cb, self);
  self->number = bb_pb_broker_add_object (broker, command_cb, self);
  if (self->transfer_kind != BB_PB_NO_TRANSFER)
    self->transfer = bb_pb_broker_add_object (broker, transfer_cb, self);
  id = g_strdup_printf ("%" G_GINT64_FORMAT, self->number);
  writer = bb_pb_broker_begin_call (broker, builder, "startCommand", 4);
  bb_jelly_put_remote (writer, self->number);
  bb_jelly_put_text (writer, id);
  bb_jelly_put_text (writer, name);
  bb_pb_arguments_put (writer, args, self->transfer_kind, self->transfer);
  bb_pb_broker_end_call (broker, BB_PB_COMMAND_LIMIT_US, TRUE, started_cb, self);
  set_times (self, name, args);
  return self;
}
