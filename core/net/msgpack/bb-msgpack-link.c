/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-msgpack-link.h"

#include <unistd.h>

#include "bb-error.h"
#include "bb-msgpack-arguments.h"
#include "bb-msgpack-command.h"
#include "bb-msgpack-directories.h"
#include "bb-msgpack-limits.h"
#include "bb-slave-info.h"

/* How the slave cuts and sends output. Above 4095 characters of a line releases up to 4.3 lose some (worker-protocol 5.5.1), so
 * none shall be that long for them. The expression is Python's: what becomes the end of a line. */
#define OUTPUT_BUFFER 65536
#define OUTPUT_DELAY_S 1
#define MAX_LINE 1000000
#define NEWLINE_RE "(\\r\\n|\\r(?=.)|\\033\\[u|\\033\\[[0-9]+;[0-9]+[Hf]|\\033\\[2J|\\x08+)"

typedef struct
{
  char *directory; /* absolute */
  BbRemoteCommand *command; /* runs; at most one */
} Builder;

struct _BbMsgpackLink
{
  GObject parent_instance;

  BbMsgpackSession *session;
  char *peer_address;
  char *name;
  BbMsgpackPlace place;
  BbMsgpackDirectoriesWay way; /* of the directories of its builders */
  BbSlaveCommands *commands; /* owned; that the slave has; NULL: it did not say */
  GHashTable *builders;  /* name → Builder, both owned */
  GHashTable *running;   /* id → BbRemoteCommand; the id is the command's */
  GHashTable *abandoned; /* ids of commands that the slave may still run, though they are over for us; NULL: none */
  char *token;           /* what ids begin with */
  guint n_own;           /* commands that belong to no builder */
  gboolean lost;
  gboolean left_commands; /* … while commands ran */
};

static void bb_msgpack_link_iface_init (BbSlaveLinkInterface *iface);
static BbRemoteCommand *start_own (gpointer link, const char *name, GVariant *args, const BbCommandEvents *events,
                                   gpointer user_data);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbMsgpackLink, bb_msgpack_link, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_SLAVE_LINK, bb_msgpack_link_iface_init))

/* No two commands that a slave's process runs may share an id (worker-protocol 7.4), whatever happens to us; and who has the token
 * must be able to tell it. So it is made of the token, and of the builder, which runs one command at a time: a slave forgets an id
 * before it says that the command is complete. @n tells apart what else would have the same. */
static char *
make_id (const char *token, guint n, const char *builder)
{
  return g_strdup_printf ("%s.%u.%s", token, n, builder);
}

/* (transfer full) */
static char *
make_builder_id (BbMsgpackLink *self, const char *builder)
{
  char *id = make_id (self->token, 0, builder);

  for (guint n = 1; self->abandoned != NULL && g_hash_table_contains (self->abandoned, id); n++)
    {
      g_free (id);
      id = make_id (self->token, n, builder);
    }
  return id;
}

static void
bb_msgpack_link_stop_commands (BbSlaveLink *link, const char *token)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  GHashTableIter iter;
  const char *builder;

  if (self->lost)
    return;
  g_hash_table_iter_init (&iter, self->builders);
  while (g_hash_table_iter_next (&iter, (gpointer *) &builder, NULL))
    {
      g_autofree char *id = make_id (token, 0, builder);

      bb_msgpack_command_interrupt_id (self->session, id, "its connection was lost");
    }
}

static const char *
bb_msgpack_link_get_command_token (BbSlaveLink *link)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);

  return !self->lost || self->left_commands ? self->token : NULL;
}

static void
fail_commands (BbMsgpackLink *self, const GError *reason)
{
  g_autoptr (GList) commands = g_hash_table_get_values (self->running);

  /* What one of them is told may end others, but none is freed by that: each leaves the table first. */
  while (commands != NULL)
    {
      bb_remote_command_finish (commands->data, reason);
      g_list_free (commands);
      commands = g_hash_table_get_values (self->running);
    }
}

static void
request_cb (const BbMsgpackRequest *request, gpointer user_data)
{
  BbMsgpackLink *self = user_data;
  g_autofree char *id = bb_msgpack_dup_text (bb_msgpack_lookup (request->map, "command_id"));
  BbRemoteCommand *command = id != NULL ? g_hash_table_lookup (self->running, id) : NULL;

  if (command != NULL)
    bb_msgpack_command_receive (command, request);
  else if (id != NULL)
    {
      if (self->abandoned != NULL && bb_msgpack_text_is (request->op, "complete"))
        g_hash_table_remove (self->abandoned, id);
      /* One that is over, say: races are no reason to close. */
      bb_msgpack_session_answer_exception (request->session, request->number, "no such command runs");
    }
  else
    bb_msgpack_session_answer_exception (request->session, request->number, "no such command exists");
}

static void
closed_cb (BbMsgpackSession *session, const GError *reason, gpointer user_data)
{
  BbMsgpackLink *self = user_data;
  g_autoptr (GError) lost = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, reason->message);

  self->lost = TRUE;
  self->left_commands = g_hash_table_size (self->running) > 0;
  fail_commands (self, lost);
  g_signal_emit_by_name (self, "lost", lost);
  g_object_unref (self); /* the reference that the open connection was */
}

static const BbMsgpackSessionEvents session_events = { request_cb, closed_cb };

static void
bb_msgpack_link_finalize (GObject *object)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (object);

  g_clear_pointer (&self->session, bb_msgpack_session_free);
  bb_msgpack_place_clear (&self->place);
  g_hash_table_unref (self->builders);
  g_hash_table_unref (self->running);
  g_clear_pointer (&self->abandoned, g_hash_table_unref);
  g_free (self->token);
  g_clear_pointer (&self->commands, bb_slave_commands_unref);
  g_free (self->peer_address);
  g_free (self->name);
  G_OBJECT_CLASS (bb_msgpack_link_parent_class)->finalize (object);
}

static void
bb_msgpack_link_class_init (BbMsgpackLinkClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_msgpack_link_finalize;
}

static void
builder_free (gpointer data)
{
  Builder *builder = data;

  g_free (builder->directory);
  g_free (builder);
}

static void
bb_msgpack_link_init (BbMsgpackLink *self)
{
  guint64 random = 0;

  self->builders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, builder_free);
  self->running = g_hash_table_new (g_str_hash, g_str_equal);
  if (getentropy (&random, sizeof random) != 0)
    random = (guint64) g_get_real_time ();
  self->token = g_strdup_printf ("%016" G_GINT64_MODIFIER "x", random);
}

BbMsgpackLink *
bb_msgpack_link_new (BbWebsocket *socket, const char *peer_address, const char *name)
{
  BbMsgpackLink *self = g_object_new (BB_TYPE_MSGPACK_LINK, NULL);

  self->peer_address = g_strdup (peer_address);
  self->name = g_strdup (name);
  self->session = bb_msgpack_session_new (socket, &session_events, g_object_ref (self));
  self->way = (BbMsgpackDirectoriesWay){
    .session = self->session, .slave_name = self->name, .place = &self->place, .start = start_own };
  return self;
}

static const char *
bb_msgpack_link_get_protocol (BbSlaveLink *link)
{
  return "msgpack";
}

static const char *
bb_msgpack_link_get_peer_address (BbSlaveLink *link)
{
  return BB_MSGPACK_LINK (link)->peer_address;
}

static gint64
bb_msgpack_link_get_last_message_us (BbSlaveLink *link)
{
  return bb_stream_get_last_input_us (bb_msgpack_session_get_stream (BB_MSGPACK_LINK (link)->session));
}

/* Its login is answered already. */
static void
bb_msgpack_link_accept (BbSlaveLink *link)
{
}

/* The slave comes again in two seconds, whatever it is told. */
static void
bb_msgpack_link_refuse (BbSlaveLink *link, gboolean duplicate, const char *reason)
{
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, reason);

  bb_websocket_close (bb_msgpack_session_get_socket (BB_MSGPACK_LINK (link)->session), TRUE, error);
}

static void
cancelled_cb (GCancellable *cancellable, GTask *task)
{
  bb_msgpack_session_cancel_requests (BB_MSGPACK_LINK (g_task_get_source_object (task))->session, task);
}

static GTask *
begin_task (BbMsgpackLink *self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  if (cancellable != NULL)
    g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (cancelled_cb), task, 0);
  return task;
}

/* An operation that ends because the connection has ended already, or because it is not wanted. */
static gboolean
return_early (BbMsgpackLink *self, GTask *task)
{
  if (g_task_return_error_if_cancelled (task))
    return TRUE;
  if (!self->lost)
    return FALSE;
  g_task_return_new_error (task, BB_ERROR, BB_ERROR_LOST, "the connection to the slave has ended");
  return TRUE;
}

/* Info, and how output is to be sent. */

static void
add_commands (BbSlaveInfo *info, const msgpack_object *map)
{
  if (map->type != MSGPACK_OBJECT_MAP)
    return;
  bb_slave_info_begin_commands (info);
  for (guint i = 0; i < MIN (map->via.map.size, BB_LINK_MAX_COMMANDS); i++)
    {
      char *name = bb_msgpack_dup_text (&map->via.map.ptr[i].key);

      if (name != NULL)
        bb_slave_info_take_command (info, name, bb_msgpack_dup_text (&map->via.map.ptr[i].val));
    }
}

static void
add_info (BbSlaveInfo *info, const msgpack_object_kv *pair)
{
  char *name = bb_msgpack_dup_text (&pair->key);
  const char *key = name != NULL ? bb_slave_info_take_key (info, name) : NULL;
  char *text;
  gint64 integer;

  if (key == NULL)
    return;
  if (g_str_equal (key, "worker_commands"))
    add_commands (info, &pair->val);
  else if ((text = bb_msgpack_dup_text (&pair->val)) != NULL)
    bb_slave_info_take_text (info, key, text);
  else if (pair->val.type == MSGPACK_OBJECT_BOOLEAN)
    bb_slave_info_add_boolean (info, key, pair->val.via.boolean);
  else if (bb_msgpack_get_integer (&pair->val, &integer))
    bb_slave_info_add_integer (info, key, integer);
}

static void
take_place (BbMsgpackLink *self, const msgpack_object *map)
{
  const msgpack_object *environment = bb_msgpack_lookup (map, "environ");
  const msgpack_object *removes = bb_msgpack_lookup (map, "delete_leftover_dirs");
  gint64 integer = 0;

  bb_msgpack_place_clear (&self->place);
  self->place.base = bb_msgpack_dup_text (bb_msgpack_lookup (map, "basedir"));
  self->place.windows = bb_msgpack_text_is (bb_msgpack_lookup (map, "system"), "nt");
  self->way.remove_leftovers = removes != NULL
                               && ((removes->type == MSGPACK_OBJECT_BOOLEAN && removes->via.boolean)
                                   || (bb_msgpack_get_integer (removes, &integer) && integer != 0));
  self->place.home = bb_msgpack_dup_text (bb_msgpack_lookup (environment, self->place.windows ? "USERPROFILE" : "HOME"));
}

static void
send_settings (BbMsgpackLink *self)
{
  msgpack_packer *packer = bb_msgpack_session_begin_request (self->session, "set_worker_settings", 1);

  bb_msgpack_put_text (packer, "args");
  msgpack_pack_map (packer, 4);
  bb_msgpack_put_text (packer, "buffer_size");
  msgpack_pack_int (packer, OUTPUT_BUFFER);
  bb_msgpack_put_text (packer, "buffer_timeout");
  msgpack_pack_int (packer, OUTPUT_DELAY_S);
  bb_msgpack_put_text (packer, "newline_re");
  bb_msgpack_put_text (packer, NEWLINE_RE);
  bb_msgpack_put_text (packer, "max_line_length");
  msgpack_pack_int (packer, MAX_LINE);
  bb_msgpack_session_end_request (self->session, BB_LINK_INFO_LIMIT_US, FALSE, NULL, NULL);
}

static void
info_answered (BbMsgpackSession *session, const msgpack_object *map, const GError *error, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbMsgpackLink *self = g_task_get_source_object (task);
  g_autoptr (BbSlaveInfo) info = NULL;

  if (error != NULL)
    {
      g_task_return_error (task, g_error_copy (error));
      return;
    }
  take_place (self, map);
  if (map->type != MSGPACK_OBJECT_MAP || self->place.base == NULL || *self->place.base == '\0')
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PROTOCOL, "the slave's info does not say where it works");
      return;
    }
  info = bb_slave_info_new ();
  for (guint i = 0; i < MIN (map->via.map.size, BB_LINK_MAX_INFO_KEYS); i++)
    add_info (info, &map->via.map.ptr[i]);
  g_clear_pointer (&self->commands, bb_slave_commands_unref);
  self->commands = bb_slave_info_get_commands (info);
  send_settings (self);
  g_task_return_pointer (task, g_variant_ref_sink (bb_slave_info_end (info)), (GDestroyNotify) g_variant_unref);
}

static void
bb_msgpack_link_get_info_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GTask) task = begin_task (self, bb_msgpack_link_get_info_async, cancellable, callback, user_data);

  if (return_early (self, task))
    return;
  bb_msgpack_session_begin_request (self->session, "get_worker_info", 0);
  bb_msgpack_session_end_request (self->session, BB_LINK_INFO_LIMIT_US, FALSE, info_answered, g_steal_pointer (&task));
}

static GVariant *
bb_msgpack_link_get_info_finish (BbSlaveLink *link, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, link), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static BbSlaveCommands *
bb_msgpack_link_get_commands (BbSlaveLink *link)
{
  return BB_MSGPACK_LINK (link)->commands;
}

/* Commands */

static void
abandon (BbMsgpackLink *self, BbRemoteCommand *command)
{
  if (self->abandoned == NULL)
    self->abandoned = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_hash_table_add (self->abandoned, g_strdup (bb_msgpack_command_get_id (command)));
}

static void
command_ended (BbRemoteCommand *command, gpointer user_data)
{
  BbMsgpackLink *self = user_data;
  GHashTableIter iter;
  Builder *builder;

  g_hash_table_remove (self->running, bb_msgpack_command_get_id (command));
  if (!bb_msgpack_command_is_gone (command) && !self->lost)
    abandon (self, command);
  g_hash_table_iter_init (&iter, self->builders);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &builder))
    if (builder->command == command)
      {
        builder->command = NULL;
        return;
      }
}

/* @id, @translated: (transfer full) */
static BbRemoteCommand *
start (BbMsgpackLink *self, char *id, const char *name, GVariant *args, GVariant *translated, const BbCommandEvents *events,
       gpointer user_data)
{
  g_autoptr (GVariant) taken = translated;
  g_autofree char *taken_id = id;
  BbRemoteCommand *command = bb_msgpack_command_start (self->session, id, name, args, taken, events, user_data,
                                                       command_ended, self);

  g_hash_table_insert (self->running, (gpointer) bb_msgpack_command_get_id (command), command);
  return command;
}

static BbRemoteCommand *
bb_msgpack_link_start_command (BbSlaveLink *link, const char *builder_name, const char *name, GVariant *args,
                               const BbCommandEvents *events, gpointer user_data, GError **error)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GVariant) sunk = g_variant_ref_sink (args);
  GVariant *translated = NULL;
  Builder *builder = g_hash_table_lookup (self->builders, builder_name);
  const char *sent_as = bb_msgpack_command_name (name);

  if (self->lost)
    g_set_error_literal (error, BB_ERROR, BB_ERROR_LOST, "the connection to the slave has ended");
  else if (builder == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the slave does not know builder \"%s\"", builder_name);
  else if (builder->command != NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "builder \"%s\" runs another command on that slave",
                 builder_name);
  else if (sent_as == NULL
           || (self->commands != NULL && !bb_slave_commands_have (self->commands, sent_as)))
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the slave does not have the command \"%s\"; use a newer release",
                 name);
  else
    translated = bb_msgpack_arguments_translate (&self->place, builder->directory, name, sunk, error);
  if (translated == NULL)
    return NULL;
  builder->command = start (self, make_builder_id (self, builder_name), name, sunk, translated, events, user_data);
  return builder->command;
}

static void
bb_msgpack_link_interrupt (BbSlaveLink *link, BbRemoteCommand *command, const char *why)
{
  if (!BB_MSGPACK_LINK (link)->lost)
    bb_remote_command_interrupt (command, why);
}

static void
bb_msgpack_link_give_block (BbSlaveLink *link, BbRemoteCommand *command, GBytes *block, const GError *error)
{
  bb_remote_command_give_block (command, block, error);
}

/* Builders */

/* One without a builder, for bb-msgpack-directories.h */
static BbRemoteCommand *
start_own (gpointer link, const char *name, GVariant *args, const BbCommandEvents *events, gpointer user_data)
{
  BbMsgpackLink *self = link;

  return start (self, make_id (self->token, ++self->n_own, ""), name, args, args, events, user_data);
}

/* One that is gone from the list while a command of it runs leaves that command to itself, as other slaves do. */
static void
take_builders (BbMsgpackLink *self, const BbBuilderDir *builders, gsize n_builders)
{
  g_autoptr (GHashTable) old = g_steal_pointer (&self->builders);
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "its builder was taken from the slave");
  GHashTableIter iter;
  Builder *builder;

  self->builders = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, builder_free);
  for (gsize i = 0; i < n_builders; i++)
    {
      Builder *before = g_hash_table_lookup (old, builders[i].name);

      builder = g_new0 (Builder, 1);
      builder->directory = bb_msgpack_place_join (&self->place, self->place.base, builders[i].builddir);
      builder->command = before != NULL ? g_steal_pointer (&before->command) : NULL;
      g_hash_table_insert (self->builders, g_strdup (builders[i].name), builder);
    }
  g_hash_table_iter_init (&iter, old);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &builder))
    if (builder->command != NULL)
      {
        bb_remote_command_interrupt (builder->command, error->message);
        bb_remote_command_finish (builder->command, error);
      }
}

/* (transfer full) */
static GStrv
list_directories (const BbBuilderDir *builders, gsize n_builders)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (gsize i = 0; i < n_builders; i++)
    g_strv_builder_add (names, builders[i].builddir);
  return g_strv_builder_end (names);
}

static void
bb_msgpack_link_set_builders_async (BbSlaveLink *link, const BbBuilderDir *builders, gsize n_builders,
                                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_msgpack_link_set_builders_async);
  if (return_early (self, task))
    return;
  if (self->place.base == NULL)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_WRONG_STATE, "where the slave works is not known yet");
  else if (n_builders > BB_LINK_MAX_BUILDERS)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_LIMIT,
                             "%" G_GSIZE_FORMAT " builders on one slave, at most %d are possible", n_builders,
                             BB_LINK_MAX_BUILDERS);
  else
    {
      take_builders (self, builders, n_builders);
      bb_msgpack_directories_set_up (&self->way, list_directories (builders, n_builders), g_steal_pointer (&task));
    }
}

static gboolean
finish_boolean (BbSlaveLink *link, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, link), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
ping_answered (BbMsgpackSession *session, const msgpack_object *result, const GError *error, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
bb_msgpack_link_ping_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GTask) task = begin_task (self, bb_msgpack_link_ping_async, cancellable, callback, user_data);
  msgpack_packer *packer;

  if (return_early (self, task))
    return;
  packer = bb_msgpack_session_begin_request (self->session, "print", 1);
  bb_msgpack_put_text (packer, "message");
  bb_msgpack_put_text (packer, "ping");
  bb_msgpack_session_end_request (self->session, BB_LINK_PRINT_LIMIT_US, TRUE, ping_answered, g_steal_pointer (&task));
}

static void
shutdown_answered (BbMsgpackSession *session, const msgpack_object *result, const GError *error, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  if (error == NULL || g_error_matches (error, BB_ERROR, BB_ERROR_LOST))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_error_copy (error));
}

static void
bb_msgpack_link_shutdown_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GTask) task = begin_task (self, bb_msgpack_link_shutdown_async, cancellable, callback, user_data);

  if (return_early (self, task))
    return;
  bb_msgpack_session_begin_request (self->session, "shutdown", 0);
  bb_msgpack_session_end_request (self->session, BB_LINK_PRINT_LIMIT_US, FALSE, shutdown_answered,
                                  g_steal_pointer (&task));
}

static void
bb_msgpack_link_set_reading (BbSlaveLink *link, gboolean reading)
{
  bb_stream_set_reading (bb_msgpack_session_get_stream (BB_MSGPACK_LINK (link)->session), reading);
}

/* What runs would run on: it is told to stop, if the slave still listens. */
static void
bb_msgpack_link_close (BbSlaveLink *link, const GError *reason)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  gboolean anything_runs = g_hash_table_size (self->running) > 0;
  GHashTableIter iter;
  gpointer command;

  if (self->lost)
    return;
  g_hash_table_iter_init (&iter, self->running);
  while (g_hash_table_iter_next (&iter, NULL, &command))
    bb_remote_command_interrupt (command, reason != NULL ? reason->message : "the connection is closed");
  bb_websocket_close (bb_msgpack_session_get_socket (self->session), anything_runs, reason);
}

static void
bb_msgpack_link_iface_init (BbSlaveLinkInterface *iface)
{
  iface->get_protocol = bb_msgpack_link_get_protocol;
  iface->get_peer_address = bb_msgpack_link_get_peer_address;
  iface->get_last_message_us = bb_msgpack_link_get_last_message_us;
  iface->get_command_token = bb_msgpack_link_get_command_token;
  iface->stop_commands = bb_msgpack_link_stop_commands;
  iface->accept = bb_msgpack_link_accept;
  iface->refuse = bb_msgpack_link_refuse;
  iface->get_info_async = bb_msgpack_link_get_info_async;
  iface->get_info_finish = bb_msgpack_link_get_info_finish;
  iface->get_commands = bb_msgpack_link_get_commands;
  iface->set_builders_async = bb_msgpack_link_set_builders_async;
  iface->set_builders_finish = finish_boolean;
  iface->ping_async = bb_msgpack_link_ping_async;
  iface->ping_finish = finish_boolean;
  iface->shutdown_async = bb_msgpack_link_shutdown_async;
  iface->shutdown_finish = finish_boolean;
  iface->start_command = bb_msgpack_link_start_command;
  iface->interrupt = bb_msgpack_link_interrupt;
  iface->give_block = bb_msgpack_link_give_block;
  iface->set_reading = bb_msgpack_link_set_reading;
  iface->close = bb_msgpack_link_close;
}
