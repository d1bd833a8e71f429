/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-remote-command.h"

#include "bb-link-limits.h"

#define NEVER G_MAXINT64

BbTransferKind
bb_transfer_kind_of (const char *command)
{
  if (g_str_equal (command, "uploadFile") || g_str_equal (command, "uploadDirectory"))
    return BB_UPLOAD;
  return g_str_equal (command, "downloadFile") ? BB_DOWNLOAD : BB_NO_TRANSFER;
}

static void
command_free (BbRemoteCommand *self)
{
  bb_timer_stop (&self->watchdog);
  g_clear_pointer (&self->log_files, g_variant_unref);
  g_clear_error (&self->failure);
  g_free (self);
}

void
bb_remote_command_enter (BbRemoteCommand *self)
{
  self->in_event++;
}

void
bb_remote_command_leave (BbRemoteCommand *self)
{
  if (--self->in_event == 0 && self->over)
    command_free (self);
}

gboolean
bb_remote_command_is_over (BbRemoteCommand *self)
{
  return self->over;
}

static void
output_cb (const char *text, gsize length, gpointer user_data)
{
  BbRemoteCommand *self = user_data;

  if (!self->over)
    self->events->output (self, self->output, self->output_name, text, length, self->user_data);
}

void
bb_remote_command_finish (BbRemoteCommand *self, const GError *error)
{
  if (self->over)
    return;
  bb_remote_command_enter (self);
  self->output_name = NULL;
  for (guint i = 0; i < G_N_ELEMENTS (self->carries); i++)
    {
      self->output = i == 0 ? BB_OUTPUT_STDOUT : BB_OUTPUT_STDERR;
      bb_output_text_end (&self->carries[i], output_cb, self);
    }
  if (!self->over)
    {
      self->over = TRUE;
      bb_timer_stop (&self->watchdog);
      self->klass->leave (self);
      self->events->done (self, self->failure != NULL ? self->failure : error, self->user_data);
    }
  bb_remote_command_leave (self);
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
  return bb_loop_now_us (self->loop);
}

static gint64
get_deadline_us (BbRemoteCommand *self)
{
  gint64 deadline_us = self->end_us != 0 ? self->end_us : NEVER;

  if (self->elapsed_us != 0)
    return self->elapsed_us + BB_LINK_COMPLETE_LIMIT_US;
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

static void
show_life (BbRemoteCommand *self)
{
  self->sign_us = get_now_us (self);
}

void
bb_remote_command_interrupt (BbRemoteCommand *self, const char *why)
{
  if (self->over || self->interrupted_us != 0)
    return;
  self->interrupted_us = get_now_us (self);
  self->klass->send_interrupt (self, why);
  watch (self);
}

/* While we don't read nothing is known of the slave, and all of its times begin anew. */
static void
excuse (BbRemoteCommand *self)
{
  gint64 now_us = get_now_us (self);

  /* Nor is it known how long ago we began again. */
  self->excused = !bb_stream_is_reading (self->stream);
  self->sign_us = now_us;
  if (self->elapsed_us != 0)
    self->elapsed_us = now_us;
  if (self->interrupted_us != 0)
    self->interrupted_us = now_us;
  if (self->end_us != 0)
    self->end_us = MAX (self->end_us, now_us + BB_LINK_GRACE_US);
}

static void
watchdog_cb (BbTimer *timer, gpointer user_data)
{
  BbRemoteCommand *self = user_data;
  g_autoptr (GError) error = NULL;

  /* What waits for our own disk is not late either. */
  if (!bb_stream_is_reading (self->stream) || self->read_length > 0 || self->excused)
    excuse (self);
  if (get_deadline_us (self) > get_now_us (self))
    watch (self);
  else if (self->elapsed_us != 0)
    {
      error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL,
                           "the command has ended, but the slave did not say that it is complete within %d s",
                           (int) (BB_LINK_COMPLETE_LIMIT_US / G_USEC_PER_SEC));
      bb_remote_command_finish (self, error);
    }
  else if (self->interrupted_us != 0)
    {
      error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "a command did not end within %d s after it was interrupted",
                           (int) (self->interrupt_limit_us / G_USEC_PER_SEC));
      self->klass->close (self, error);
    }
  else
    bb_remote_command_interrupt (self, "the slave did not end the command in its time");
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

  show_life (self);
  self->silence_us = BB_LINK_SILENCE_LIMIT_US;
  if (has_limits)
    self->silence_us = timeout > 0 ? to_us (timeout) + BB_LINK_GRACE_US : 0;
  if (has_limits && max_time > 0)
    self->end_us = self->sign_us + to_us (max_time) + to_us (kill_time) + BB_LINK_GRACE_US;
  self->interrupt_limit_us = stoppable ? BB_LINK_INTERRUPT_LIMIT_US + to_us (kill_time)
                                       : BB_LINK_UNINTERRUPTIBLE_LIMIT_US;
  watch (self);
}

void
bb_remote_command_init (BbRemoteCommand *self, const BbRemoteCommandClass *klass, BbLoop *loop, BbStream *stream,
                        const char *name, GVariant *args, const BbCommandEvents *events, gpointer user_data)
{
  double max_size = get_number (args, "maxsize", -1);

  self->klass = klass;
  self->loop = loop;
  self->stream = stream;
  self->events = events;
  self->user_data = user_data;
  self->log_files = g_variant_lookup_value (args, "logfiles", G_VARIANT_TYPE ("a{s*}"));
  self->transfer = bb_transfer_kind_of (name);
  self->size_left = max_size >= 0 ? (gint64) MIN (max_size, 0x1p62) : G_MAXINT64;
  bb_timer_init (&self->watchdog, loop, watchdog_cb, self);
  set_times (self, name, args);
}

/* Updates */

static void
give_output (BbRemoteCommand *self, BbOutput stream, const char *log_name, BbTextCarry *carry, const char *text,
             gsize length)
{
  show_life (self);
  self->output = stream;
  self->output_name = log_name;
  bb_output_text_give (carry, text, length, output_cb, self);
}

void
bb_remote_command_receive_output (BbRemoteCommand *self, BbOutput stream, const char *text, gsize length,
                                  gboolean cut_anywhere)
{
  BbTextCarry *carry = NULL;

  if (cut_anywhere && stream == BB_OUTPUT_STDOUT)
    carry = &self->carries[0];
  else if (cut_anywhere && stream == BB_OUTPUT_STDERR)
    carry = &self->carries[1];
  give_output (self, stream, NULL, carry, text, length);
}

void
bb_remote_command_receive_log (BbRemoteCommand *self, const char *name, const char *text, gsize length)
{
  g_autoptr (GVariant) wanted = NULL;

  if (self->log_files != NULL)
    wanted = g_variant_lookup_value (self->log_files, name, NULL);
  if (wanted != NULL)
    give_output (self, BB_OUTPUT_LOG, name, NULL, text, length);
}

void
bb_remote_command_receive_value (BbRemoteCommand *self, const char *key, GVariant *value)
{
  g_autoptr (GVariant) sunk = NULL;

  show_life (self);
  if (value == NULL)
    return;
  sunk = g_variant_ref_sink (value);
  /* Each output moves the limit for silence, which the timer finds out when it runs; this one brings it forward. */
  if (g_str_equal (key, "elapsed"))
    {
      self->elapsed_us = get_now_us (self);
      watch (self);
    }
  self->events->update (self, key, sunk, self->user_data);
}

/* Transfers */

static void
transfer_failed (BbRemoteCommand *self, GError *error)
{
  self->failure = error;
  bb_remote_command_interrupt (self, error->message);
}

void
bb_remote_command_receive_block (BbRemoteCommand *self, const guint8 *data, gsize length)
{
  GError *error = NULL;

  show_life (self);
  if (self->failure != NULL || self->closed || length == 0)
    return;
  if ((gint64) length > self->size_left)
    g_set_error_literal (&error, BB_ERROR, BB_ERROR_PROTOCOL, "the slave sends more than it was asked for");
  else
    {
      self->size_left -= (gint64) length;
      self->events->write (self, data, length, self->user_data, &error);
    }
  if (error != NULL)
    transfer_failed (self, error);
}

void
bb_remote_command_receive_utime (BbRemoteCommand *self, double access_time, double modified_time)
{
  show_life (self);
  if (self->failure == NULL)
    self->events->utime (self, access_time, modified_time, self->user_data);
}

void
bb_remote_command_receive_close (BbRemoteCommand *self)
{
  show_life (self);
  if (self->closed || self->failure != NULL)
    return;
  self->closed = TRUE;
  self->events->close (self, self->user_data);
}

static void
answer_read (BbRemoteCommand *self, const guint8 *data, gsize length)
{
  gsize wanted = self->read_length;

  self->read_length = 0;
  show_life (self);
  self->klass->send_block (self, data, MIN (length, wanted));
}

gboolean
bb_remote_command_receive_read (BbRemoteCommand *self, gint64 wanted)
{
  if (self->read_length > 0)
    return FALSE;
  show_life (self);
  self->read_length = (gsize) CLAMP (wanted, 1, BB_LINK_MAX_BLOCK);
  if (self->failure != NULL || self->closed)
    answer_read (self, NULL, 0);
  else
    self->events->read (self, self->read_length, self->user_data);
  return TRUE;
}

void
bb_remote_command_give_block (BbRemoteCommand *self, GBytes *block, const GError *error)
{
  const guint8 *data = NULL;
  gsize length = 0;

  g_return_if_fail (self->read_length > 0);
  g_return_if_fail ((block == NULL) != (error == NULL));

  if (self->over)
    return;
  if (block == NULL)
    transfer_failed (self, g_error_copy (error));
  else
    data = g_bytes_get_data (block, &length);
  answer_read (self, data, length);
}
