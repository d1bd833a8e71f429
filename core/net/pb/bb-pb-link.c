/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-link.h"

#include <string.h>

#include "bb-pb-arguments.h"
#include "bb-pb-command.h"
#include "bb-pb-info.h"
#include "bb-pb-limits.h"
#include "bb-remote-command.h"

/* Of the commands of 0.8.0, when a slave on Python 2 does not say. */
#define OLDEST_VERSION 2009

struct _BbPbLink
{
  BbLink parent_instance;

  BbPbBroker *broker;
  gint64 bot;
  gint64 perspective;     /* our object for the slave, once it is accepted */
  gint64 respond_request; /* 0: the login is answered */
  BbPbDialect dialect;
  gboolean python3; /* as its info shows */
  BbTimer refused_timer;
};

static void bb_pb_link_iface_init (BbSlaveLinkInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbPbLink, bb_pb_link, BB_TYPE_LINK,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_SLAVE_LINK, bb_pb_link_iface_init))

static void
fail_commands (BbPbLink *self, const GError *reason)
{
  g_autoptr (GPtrArray) running = g_ptr_array_new ();
  GArray *builders = bb_link_get_builders (BB_LINK (self));

  for (guint i = 0; i < builders->len; i++)
    if (bb_link_builders_get (builders, i)->command != NULL)
      g_ptr_array_add (running, bb_link_builders_get (builders, i)->command);
  for (guint i = 0; i < running->len; i++)
    bb_remote_command_finish (g_ptr_array_index (running, i), reason);
}

static void
closed_cb (BbPbBroker *broker, const GError *reason, gpointer user_data)
{
  BbPbLink *self = user_data;
  g_autoptr (GError) lost = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, reason->message);

  bb_link_set_lost (BB_LINK (self));
  bb_timer_stop (&self->refused_timer);
  fail_commands (self, lost);
  g_signal_emit_by_name (self, "lost", lost);
  g_object_unref (self); /* the reference that the open connection was */
}

static const BbPbBrokerEvents broker_events = { closed_cb };

static void
refused_stays_cb (BbTimer *timer, gpointer user_data)
{
  BbPbLink *self = user_data;

  bb_pb_broker_close (self->broker, FALSE, NULL);
}

static void
bb_pb_link_finalize (GObject *object)
{
  BbPbLink *self = BB_PB_LINK (object);

  bb_timer_stop (&self->refused_timer);
  g_clear_pointer (&self->broker, bb_pb_broker_free);
  G_OBJECT_CLASS (bb_pb_link_parent_class)->finalize (object);
}

static void
bb_pb_link_init (BbPbLink *self)
{
}

BbPbLink *
bb_pb_link_new (BbPbBroker *broker, const char *peer_address, gint64 bot, gint64 respond_request)
{
  BbPbLink *self = g_object_new (BB_TYPE_PB_LINK, NULL);

  self->broker = broker;
  bb_link_set_peer_address (BB_LINK (self), peer_address);
  self->bot = bot;
  self->respond_request = respond_request;
  bb_timer_init (&self->refused_timer, bb_pb_broker_get_loop (broker), refused_stays_cb, self);
  bb_pb_broker_set_events (broker, &broker_events, g_object_ref (self));
  bb_pb_broker_trust (broker);
  return self;
}

static const char *
bb_pb_link_get_protocol (BbSlaveLink *link)
{
  return "pb";
}

/* What the slave calls of its own accord. */
static void
perspective_cb (const BbPbCall *call, gpointer user_data)
{
  BbPbLink *self = user_data;

  if (bb_jelly_text_is (call->method, "keepalive"))
    bb_pb_call_answer_none (call);
  else if (bb_jelly_text_is (call->method, "shutdown"))
    {
      bb_pb_call_answer_none (call);
      g_signal_emit_by_name (self, "shutdown-requested");
    }
  else
    bb_pb_call_answer_no_such_method (call);
}

static void
bb_pb_link_accept (BbSlaveLink *link)
{
  BbPbLink *self = BB_PB_LINK (link);

  if (self->respond_request == 0 || bb_link_is_lost (BB_LINK (self)))
    return;
  self->perspective = bb_pb_broker_add_object (self->broker, perspective_cb, self);
  bb_jelly_put_remote (bb_pb_broker_begin_answer (self->broker, self->respond_request), self->perspective);
  bb_pb_broker_end_answer (self->broker);
  self->respond_request = 0;
}

static void
bb_pb_link_refuse (BbSlaveLink *link, gboolean duplicate, const char *reason)
{
  static const char *const parents[] = { "builtins.RuntimeError", "builtins.Exception", "builtins.BaseException", NULL };
  BbPbLink *self = BB_PB_LINK (link);
  g_autoptr (GError) error = NULL;

  if (bb_link_is_lost (BB_LINK (link)))
    return;
  if (duplicate && self->respond_request != 0)
    {
      bb_pb_broker_answer_error (self->broker, self->respond_request, parents, "rejecting duplicate worker");
      self->respond_request = 0;
      bb_pb_broker_ignore_input (self->broker);
      bb_timer_start_in (&self->refused_timer, BB_PB_REFUSED_US);
      return;
    }
  error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, reason);
  bb_pb_broker_close (self->broker, FALSE, error);
}

static const BbJellyWriter *
call_bot (BbPbLink *self, const char *method, guint n_args)
{
  return bb_pb_broker_begin_call (self->broker, self->bot, method, n_args);
}

/* Info: getWorkerInfo, or getSlaveInfo; then what older releases keep apart. The task's data is the BbSlaveInfo. */

static void
end_info (BbPbLink *self, GTask *task)
{
  BbSlaveInfo *info = g_task_get_task_data (task);
  BbSlaveCommands *commands = bb_slave_info_get_commands (info);

  self->dialect.version = commands != NULL ? bb_slave_commands_get_version (commands) : 0;
  bb_link_take_commands (BB_LINK (self), commands);
  if (self->dialect.version == 0 && !self->python3)
    self->dialect.version = OLDEST_VERSION;
  bb_pb_broker_set_python2 (self->broker, !self->python3);
  g_task_return_pointer (task, g_variant_ref_sink (bb_slave_info_end (info)), (GDestroyNotify) g_variant_unref);
  g_object_unref (task);
}

/* Neither the version nor the commands need be there, but the connection has to. */
static gboolean
end_info_early (GTask *task, const GError *error)
{
  if (error == NULL
      || (!g_error_matches (error, BB_ERROR, BB_ERROR_LOST) && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED)))
    return FALSE;
  g_task_return_error (task, g_error_copy (error));
  g_object_unref (task);
  return TRUE;
}

static void
commands_answered (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
                   gpointer user_data)
{
  GTask *task = user_data;

  if (end_info_early (task, error))
    return;
  if (answer != NULL)
    bb_pb_info_add_commands (g_task_get_task_data (task), *answer);
  end_info (g_task_get_source_object (task), task);
}

static void
version_answered (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
                  gpointer user_data)
{
  GTask *task = user_data;

  if (end_info_early (task, error))
    return;
  if (answer != NULL)
    bb_pb_info_add_version (g_task_get_task_data (task), *answer);
  call_bot (g_task_get_source_object (task), "getCommands", 0);
  bb_pb_broker_end_call (broker, BB_LINK_INFO_LIMIT_US, FALSE, commands_answered, task);
}

static void
slave_info_answered (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
                     gpointer user_data)
{
  GTask *task = user_data;
  BbPbLink *self = g_task_get_source_object (task);
  BbSlaveInfo *info = g_task_get_task_data (task);

  if (error != NULL)
    {
      /* Twisted ends the connection when it cannot send what it is asked for (worker-protocol 1.2). */
      g_task_return_error (task, g_error_matches (error, BB_ERROR, BB_ERROR_LOST)
                                   ? g_error_new (BB_ERROR, BB_ERROR_LOST, "%s while the slave was to tell its info; "
                                                  "a file of more than 640 KiB in its info directory does that",
                                                  error->message)
                                   : g_error_copy (error));
      g_object_unref (task);
      return;
    }
  if (!bb_pb_info_add (info, *answer, &self->python3))
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PROTOCOL, "the slave's info is not a dictionary");
      g_object_unref (task);
      return;
    }
  if (bb_slave_info_has_commands (info))
    {
      end_info (self, task);
      return;
    }
  call_bot (self, "getVersion", 0);
  bb_pb_broker_end_call (broker, BB_LINK_INFO_LIMIT_US, FALSE, version_answered, task);
}

static void
info_answered (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
               gpointer user_data)
{
  GTask *task = user_data;

  if (error == NULL || g_strcmp0 (failure_type, "NoSuchMethod") != 0)
    {
      slave_info_answered (broker, answer, error, failure_type, user_data);
      return;
    }
  call_bot (g_task_get_source_object (task), "getSlaveInfo", 0);
  bb_pb_broker_end_call (broker, BB_LINK_INFO_LIMIT_US, FALSE, slave_info_answered, task);
}

static void
bb_pb_link_get_info_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  BbPbLink *self = BB_PB_LINK (link);
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_pb_link_get_info_async, cancellable, callback,
                                            user_data);

  if (task == NULL)
    return;
  g_task_set_task_data (task, bb_slave_info_new (), (GDestroyNotify) bb_slave_info_free);
  call_bot (self, "getWorkerInfo", 0);
  bb_pb_broker_end_call (self->broker, BB_LINK_INFO_LIMIT_US, FALSE, info_answered, g_steal_pointer (&task));
}

/* The answer is complete and gives one reference for each builder again: the old ones are given back. A builder that is not in
 * it any more never completes its command (worker-protocol 5.3). */
static void
drop_builders (BbPbLink *self, GArray *old)
{
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "its builder was taken from the slave");
  g_autoptr (GPtrArray) orphans = g_ptr_array_new ();

  for (guint i = 0; i < old->len; i++)
    {
      BbLinkBuilder *builder = bb_link_builders_get (old, i);

      bb_pb_broker_send_decref (self->broker, builder->number);
      if (builder->command != NULL)
        g_ptr_array_add (orphans, builder->command);
    }
  for (guint i = 0; i < orphans->len; i++)
    bb_remote_command_finish (orphans->pdata[i], error);
}

/* Takes from the answer those builders that were asked for, each once. */
static GArray *
collect_builders (char **wanted, guint n_pairs, BbJelly pair)
{
  GArray *builders = bb_link_builders_new ();
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (char **name = wanted; *name != NULL; name++)
    g_hash_table_add (names, *name);
  for (guint i = 0; i < n_pairs; i++, pair = bb_jelly_next (pair))
    {
      BbJelly key, value;
      g_autofree char *name = NULL;
      gint64 number;

      if (!bb_jelly_get_pair (pair, &key, &value) || (name = bb_jelly_dup_text (key)) == NULL
          || !bb_jelly_get_remote (value, &number) || !g_hash_table_remove (names, name))
        continue;
      bb_link_builders_add (builders, name, NULL, number);
    }
  return builders;
}

static void
builders_answered (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
                   gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbPbLink *self = g_task_get_source_object (task);
  char **wanted = g_task_get_task_data (task);
  g_autoptr (GArray) old = NULL;
  GArray *builders;
  BbJelly pair;
  guint n_pairs;

  if (error != NULL)
    {
      g_task_return_error (task, g_error_copy (error));
      return;
    }
  if (!bb_jelly_get_dictionary (*answer, &n_pairs, &pair))
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PROTOCOL, "the slave's list of builders is not a dictionary");
      return;
    }
  builders = collect_builders (wanted, n_pairs, pair);
  old = bb_link_change_builders (BB_LINK (self), builders);
  drop_builders (self, old);
  if (builders->len < g_strv_length (wanted))
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_PROTOCOL, "the slave took %u of %u builders", builders->len,
                             g_strv_length (wanted));
  else
    g_task_return_boolean (task, TRUE);
}

static gboolean
check_builders (const BbBuilderDir *builders, gsize n_builders, GError **error)
{
  if (n_builders > BB_LINK_MAX_BUILDERS)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_LIMIT, "%" G_GSIZE_FORMAT " builders on one slave, at most %d are possible",
                   n_builders, BB_LINK_MAX_BUILDERS);
      return FALSE;
    }
  for (gsize i = 0; i < n_builders; i++)
    if (strlen (builders[i].name) > BB_PB_MAX_STRING || strlen (builders[i].builddir) > BB_PB_MAX_STRING)
      {
        g_set_error_literal (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "a builder's name is too long for a slave");
        return FALSE;
      }
  return TRUE;
}

static void
bb_pb_link_set_builders_async (BbSlaveLink *link, const BbBuilderDir *builders, gsize n_builders,
                               GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbPbLink *self = BB_PB_LINK (link);
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_pb_link_set_builders_async, cancellable, callback,
                                            user_data);
  const BbJellyWriter *writer;
  GError *error = NULL;
  char **names;

  if (task == NULL)
    return;
  if (!check_builders (builders, n_builders, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  names = g_new0 (char *, n_builders + 1);
  writer = call_bot (self, "setBuilderList", 1);
  bb_jelly_put_tagged (writer, "list", (guint) n_builders);
  for (gsize i = 0; i < n_builders; i++)
    {
      names[i] = g_strdup (builders[i].name);
      bb_jelly_put_tagged (writer, "tuple", 2);
      bb_jelly_put_text (writer, builders[i].name);
      bb_jelly_put_text (writer, builders[i].builddir);
    }
  g_task_set_task_data (task, names, (GDestroyNotify) g_strfreev);
  bb_pb_broker_end_call (self->broker, BB_LINK_BUILDERS_LIMIT_US, TRUE, builders_answered, g_steal_pointer (&task));
}

static void
done_answered (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
               gpointer user_data)
{
  bb_link_end (user_data, error);
}

static void
bb_pb_link_ping_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbPbLink *self = BB_PB_LINK (link);
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_pb_link_ping_async, cancellable, callback,
                                            user_data);

  if (task == NULL)
    return;
  bb_jelly_put_text (call_bot (self, "print", 1), "ping");
  bb_pb_broker_end_call (self->broker, BB_LINK_PRINT_LIMIT_US, TRUE, done_answered, g_steal_pointer (&task));
}

/* Releases before 0.8.3 have it on their builders only, and end without an answer. */
static void
shutdown_answered (BbPbBroker *broker, const BbJelly *answer, const GError *error, const char *failure_type,
                   gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GArray *builders = bb_link_get_builders (g_task_get_source_object (task));

  if (error == NULL || g_error_matches (error, BB_ERROR, BB_ERROR_LOST))
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (g_strcmp0 (failure_type, "NoSuchMethod") == 0 && builders->len > 0)
    {
      bb_pb_broker_begin_call (broker, bb_link_builders_get (builders, 0)->number, "shutdown", 0);
      bb_pb_broker_end_call (broker, BB_LINK_PRINT_LIMIT_US, FALSE, NULL, NULL);
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_task_return_error (task, g_error_copy (error));
}

static void
bb_pb_link_shutdown_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                           gpointer user_data)
{
  BbPbLink *self = BB_PB_LINK (link);
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_pb_link_shutdown_async, cancellable, callback,
                                            user_data);

  if (task == NULL)
    return;
  call_bot (self, "shutdown", 0);
  bb_pb_broker_end_call (self->broker, BB_LINK_PRINT_LIMIT_US, FALSE, shutdown_answered, g_steal_pointer (&task));
}

static void
command_ended (BbRemoteCommand *command, gpointer user_data)
{
  bb_link_command_ended (user_data, command);
}

static BbRemoteCommand *
start (BbLink *link, const BbLinkBuilder *builder, const char *name, GVariant *args, const BbCommandEvents *events,
       gpointer user_data, GError **error)
{
  BbPbLink *self = BB_PB_LINK (link);
  g_autoptr (GVariant) translated = bb_pb_arguments_translate (&self->dialect, name, args, error);

  if (translated == NULL)
    return NULL;
  return bb_pb_command_start (self->broker, builder->number, name, translated, events, user_data, command_ended, self);
}

static const char *
get_command_name (const char *name)
{
  return name;
}

static BbStream *
get_stream (BbLink *link)
{
  return bb_pb_broker_get_stream (BB_PB_LINK (link)->broker);
}

static void
cancel_calls (BbLink *link, gpointer user_data)
{
  bb_pb_broker_cancel_calls (BB_PB_LINK (link)->broker, user_data);
}

static void
bb_pb_link_close (BbSlaveLink *link, const GError *reason)
{
  bb_pb_broker_close (BB_PB_LINK (link)->broker, FALSE, reason);
}

static void
bb_pb_link_iface_init (BbSlaveLinkInterface *iface)
{
  iface->get_protocol = bb_pb_link_get_protocol;
  iface->accept = bb_pb_link_accept;
  iface->refuse = bb_pb_link_refuse;
  iface->get_info_async = bb_pb_link_get_info_async;
  iface->set_builders_async = bb_pb_link_set_builders_async;
  iface->ping_async = bb_pb_link_ping_async;
  iface->shutdown_async = bb_pb_link_shutdown_async;
  iface->close = bb_pb_link_close;
}

static void
bb_pb_link_class_init (BbPbLinkClass *klass)
{
  BbLinkClass *link = BB_LINK_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = bb_pb_link_finalize;
  link->get_stream = get_stream;
  link->cancel_calls = cancel_calls;
  link->get_command_name = get_command_name;
  link->start = start;
}
