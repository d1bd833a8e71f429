/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-command.h"

#include <string.h>

#include "bb-pb-limits.h"

#define MAX_READ 655360

struct _BbRemoteCommand
{
  BbPbBroker *broker;
  gint64 builder;
  gint64 number;   /* our object for updates */
  gint64 transfer; /* our reader or writer; 0: none */
  const BbCommandEvents *events;
  gpointer user_data;
  BbPbCommandEnded ended;
  gpointer ended_data;
  BbTimer watchdog; /* since `elapsed` */
  GError *failure;  /* of our side of a transfer: the slave is told nothing of it but to stop */
  guint in_event;   /* freed after the event that ended it */
  gboolean over;
};

static void
command_free (BbRemoteCommand *self)
{
  bb_timer_stop (&self->watchdog);
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
finish (BbRemoteCommand *self, const GError *error)
{
  if (self->over)
    return;
  self->over = TRUE;
  enter (self);
  bb_timer_stop (&self->watchdog);
  bb_pb_broker_forget_calls (self->broker, self);
  bb_pb_broker_remove_object (self->broker, self->number);
  if (self->transfer != 0)
    bb_pb_broker_remove_object (self->broker, self->transfer);
  self->ended (self, self->ended_data);
  self->events->done (self, self->failure != NULL ? self->failure : error, self->user_data);
  leave (self);
}

void
bb_pb_command_fail (BbRemoteCommand *self, const GError *error)
{
  finish (self, error);
}

void
bb_pb_command_interrupt (BbRemoteCommand *self, const char *why)
{
  const BbJellyWriter *writer;

  if (self->over)
    return;
  writer = bb_pb_broker_begin_call (self->broker, self->builder, "interruptCommand", 2);
  bb_jelly_put_text (writer, "0");
  bb_jelly_put_text (writer, why);
  bb_pb_broker_end_call (self->broker, BB_PB_COMMAND_LIMIT_US, TRUE, NULL, NULL);
}

static void
never_completed_cb (BbTimer *timer, gpointer user_data)
{
  BbRemoteCommand *self = user_data;
  g_autoptr (GError) error = g_error_new (BB_ERROR, BB_ERROR_PROTOCOL, "the command has ended, but the slave did not say "
                                          "that it is complete within %d s",
                                          (int) (BB_PB_COMPLETE_LIMIT_US / G_USEC_PER_SEC));

  finish (self, error);
}

/* Hands text on as valid UTF-8, without a copy where it is so already. */
static void
give_output (BbRemoteCommand *self, BbOutput stream, const char *log_name, BbJelly value)
{
  const char *text;
  gsize length;

  if (!bb_jelly_get_text (value, &text, &length) || length == 0)
    return;
  if (g_utf8_validate_len (text, length, NULL))
    self->events->output (self, stream, log_name, text, length, self->user_data);
  else
    {
      g_autofree char *valid = g_utf8_make_valid (text, (gssize) length);

      self->events->output (self, stream, log_name, valid, strlen (valid), self->user_data);
    }
}

static void
give_log (BbRemoteCommand *self, BbJelly value)
{
  g_autofree char *name = NULL;
  BbJelly first;
  guint n;

  if (bb_jelly_get_sequence (value, &n, &first) && n == 2 && (name = bb_jelly_dup_text (first)) != NULL)
    give_output (self, BB_OUTPUT_LOG, name, bb_jelly_next (first));
}

static void
give_update (BbRemoteCommand *self, BbJelly key, BbJelly value)
{
  g_autoptr (GVariant) variant = NULL;
  g_autofree char *name = NULL;

  if (bb_jelly_text_is (key, "stdout"))
    give_output (self, BB_OUTPUT_STDOUT, NULL, value);
  else if (bb_jelly_text_is (key, "stderr"))
    give_output (self, BB_OUTPUT_STDERR, NULL, value);
  else if (bb_jelly_text_is (key, "header"))
    give_output (self, BB_OUTPUT_HEADER, NULL, value);
  else if (bb_jelly_text_is (key, "log"))
    give_log (self, value);
  else
    {
      if (bb_jelly_text_is (key, "elapsed"))
        bb_timer_start_in (&self->watchdog, BB_PB_COMPLETE_LIMIT_US);
      name = bb_jelly_dup_text (key);
      variant = bb_jelly_to_variant (value, BB_PB_MAX_UPDATE_ELEMENTS);
      if (name != NULL && variant != NULL)
        self->events->update (self, name, g_variant_ref_sink (variant), self->user_data);
    }
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

/* A transfer that failed on our side is stopped, and goes on being answered: an error would never complete (5.7.6). */
static void
transfer_failed (BbRemoteCommand *self, GError *error)
{
  if (self->failure != NULL)
    {
      g_error_free (error);
      return;
    }
  self->failure = error;
  bb_pb_command_interrupt (self, error->message);
}

static void
receive_block (BbRemoteCommand *self, const BbPbCall *call)
{
  GError *error = NULL;
  const char *data;
  gsize length;

  if (self->failure == NULL && bb_jelly_get_text (call->first_arg, &data, &length)
      && !self->events->write (self, (const guint8 *) data, length, self->user_data, &error))
    transfer_failed (self, error);
  bb_pb_call_answer_none (call);
}

static void
receive_utime (BbRemoteCommand *self, const BbPbCall *call)
{
  BbJelly first;
  guint n;
  double access_time, modified_time;

  if (bb_jelly_get_sequence (call->first_arg, &n, &first) && n == 2 && bb_jelly_get_number (first, &access_time)
      && bb_jelly_get_number (bb_jelly_next (first), &modified_time))
    self->events->utime (self, access_time, modified_time, self->user_data);
  bb_pb_call_answer_none (call);
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
  if (self->failure == NULL)
    {
      block = self->events->read (self, (gsize) CLAMP (wanted, 1, MAX_READ), self->user_data, &error);
      if (block == NULL)
        transfer_failed (self, error);
      else if (g_bytes_get_size (block) > 0)
        data = g_bytes_get_data (block, &length);
    }
  if (!call->wants_answer)
    return;
  bb_jelly_put_bytes (bb_pb_broker_begin_answer (self->broker, call->request), data, length);
  bb_pb_broker_end_answer (self->broker);
}

static void
transfer_cb (const BbPbCall *call, gpointer user_data)
{
  BbRemoteCommand *self = user_data;

  enter (self);
  if (call->n_args == 1 && bb_jelly_text_is (call->method, "write"))
    receive_block (self, call);
  else if (call->n_args == 1 && bb_jelly_text_is (call->method, "read"))
    send_block (self, call);
  else if (call->n_args == 1 && bb_jelly_text_is (call->method, "utime"))
    receive_utime (self, call);
  else if (bb_jelly_text_is (call->method, "close") || bb_jelly_text_is (call->method, "unpack"))
    {
      self->events->close (self, self->user_data);
      bb_pb_call_answer_none (call);
    }
  else
    bb_pb_call_answer_no_such_method (call);
  leave (self);
}

/* The name of an argument in the slave's release, or NULL when that release does not know it. */
static const char *
translate_key (const BbPbDialect *dialect, const char *key)
{
  guint version = dialect->version;

  if (version != 0 && version < 3000)
    {
      if (g_str_equal (key, "workersrc"))
        return "slavesrc";
      if (g_str_equal (key, "workerdest"))
        return "slavedest";
      if (g_str_equal (key, "sigtermTime") && version < 2016)
        return NULL;
      if (g_str_equal (key, "interruptSignal") && version < 2015)
        return NULL;
      if (g_str_equal (key, "keepstamp") && version < 2013)
        return NULL;
    }
  if (g_str_equal (key, "max_lines") && version < 3003)
    return NULL;
  return key;
}

/* Before 3.0 `false` would mean "no pty" against the slave's own setting; nobody asked for that. */
static gboolean
put_old_value (const BbJellyWriter *writer, const BbPbDialect *dialect, const char *key, GVariant *value)
{
  if (dialect->version == 0 || dialect->version >= 3000 || !g_str_equal (key, "usePTY")
      || !g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) || g_variant_get_boolean (value))
    return FALSE;
  bb_jelly_put_text (writer, "slave-config");
  return TRUE;
}

static const char *
transfer_key (const char *command)
{
  if (g_str_equal (command, "uploadFile") || g_str_equal (command, "uploadDirectory"))
    return "writer";
  return g_str_equal (command, "downloadFile") ? "reader" : NULL;
}

static void
put_args (const BbJellyWriter *writer, BbRemoteCommand *self, const BbPbDialect *dialect, const char *name,
          GVariant *args)
{
  const char *object_key = transfer_key (name);
  GVariantIter iter;
  GVariant *value;
  const char *key;
  guint n = object_key != NULL ? 1 : 0;

  g_variant_iter_init (&iter, args);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    n += translate_key (dialect, key) != NULL;
  bb_jelly_put_tagged (writer, "dictionary", n);
  g_variant_iter_init (&iter, args);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      const char *translated = translate_key (dialect, key);

      if (translated == NULL)
        continue;
      bb_banana_put_list (writer->out, 2);
      bb_jelly_put_text (writer, translated);
      if (!put_old_value (writer, dialect, key, value))
        bb_jelly_put_variant (writer, value);
    }
  if (object_key == NULL)
    return;
  bb_banana_put_list (writer->out, 2);
  bb_jelly_put_text (writer, object_key);
  bb_jelly_put_remote (writer, self->transfer);
}

static void
started_cb (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
            gpointer user_data)
{
  /* An error means that it never ran; the end of the connection is told by the link. */
  if (error != NULL && !g_error_matches (error, BB_ERROR, BB_ERROR_LOST))
    finish (user_data, error);
}

BbRemoteCommand *
bb_pb_command_start (BbPbBroker *broker, gint64 builder, const BbPbDialect *dialect, const char *name, GVariant *args,
                     const BbCommandEvents *events, gpointer user_data, BbPbCommandEnded ended, gpointer ended_data)
{
  BbRemoteCommand *self = g_new0 (BbRemoteCommand, 1);
  g_autofree char *id = NULL;
  const BbJellyWriter *writer;

  self->broker = broker;
  self->builder = builder;
  self->events = events;
  self->user_data = user_data;
  self->ended = ended;
  self->ended_data = ended_data;
  bb_timer_init (&self->watchdog, bb_pb_broker_get_loop (broker), never_completed_cb, self);
  self->number = bb_pb_broker_add_object (broker, command_cb, self);
  if (transfer_key (name) != NULL)
    self->transfer = bb_pb_broker_add_object (broker, transfer_cb, self);
  id = g_strdup_printf ("%" G_GINT64_FORMAT, self->number);
  writer = bb_pb_broker_begin_call (broker, builder, "startCommand", 4);
  bb_jelly_put_remote (writer, self->number);
  bb_jelly_put_text (writer, id);
  bb_jelly_put_text (writer, name);
  put_args (writer, self, dialect, name, args);
  bb_pb_broker_end_call (broker, BB_PB_COMMAND_LIMIT_US, TRUE, started_cb, self);
  return self;
}
