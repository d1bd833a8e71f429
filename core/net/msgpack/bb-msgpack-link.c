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

struct _BbMsgpackLink
{
  BbLink parent_instance;

  BbMsgpackSession *session;
  char *name;
  BbMsgpackPlace place;
  BbMsgpackDirectoriesWay way; /* of the directories of its builders */
  GHashTable *running;    /* id → BbRemoteCommand; the id is the command's */
  GHashTable *abandoned;  /* ids of commands that the slave may still run, though they are over for us; NULL: none */
  char *token;            /* what ids begin with */
  guint n_own;            /* commands that belong to no builder */
  gboolean left_commands; /* it was lost while commands ran */
};

static void bb_msgpack_link_iface_init (BbSlaveLinkInterface *iface);
static BbRemoteCommand *start_own (gpointer link, const char *name, GVariant *args, const BbCommandEvents *events,
                                   gpointer user_data);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbMsgpackLink, bb_msgpack_link, BB_TYPE_LINK,
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
  GArray *builders = bb_link_get_builders (BB_LINK (self));

  for (guint i = 0; i < builders->len && !bb_link_is_lost (BB_LINK (self)); i++)
    {
      g_autofree char *id = make_id (token, 0, bb_link_builders_get (builders, i)->name);

      bb_msgpack_command_interrupt_id (self->session, id, "its connection was lost");
    }
}

static const char *
bb_msgpack_link_get_command_token (BbSlaveLink *link)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);

  return !bb_link_is_lost (BB_LINK (self)) || self->left_commands ? self->token : NULL;
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

  bb_link_set_lost (BB_LINK (self));
  self->left_commands = g_hash_table_size (self->running) > 0 || self->abandoned != NULL;
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
  g_hash_table_unref (self->running);
  g_clear_pointer (&self->abandoned, g_hash_table_unref);
  g_free (self->token);
  g_free (self->name);
  G_OBJECT_CLASS (bb_msgpack_link_parent_class)->finalize (object);
}

static void
bb_msgpack_link_init (BbMsgpackLink *self)
{
  guint64 random = 0;

  self->running = g_hash_table_new (g_str_hash, g_str_equal);
  if (getentropy (&random, sizeof random) != 0)
    random = (guint64) g_get_real_time ();
  self->token = g_strdup_printf ("%016" G_GINT64_MODIFIER "x", random);
}

BbMsgpackLink *
bb_msgpack_link_new (BbWebsocket *socket, const char *peer_address, const char *name)
{
  BbMsgpackLink *self = g_object_new (BB_TYPE_MSGPACK_LINK, NULL);

  bb_link_set_peer_address (BB_LINK (self), peer_address);
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
  bb_link_take_commands (BB_LINK (self), bb_slave_info_get_commands (info));
  send_settings (self);
  g_task_return_pointer (task, g_variant_ref_sink (bb_slave_info_end (info)), (GDestroyNotify) g_variant_unref);
}

static void
bb_msgpack_link_get_info_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_msgpack_link_get_info_async, cancellable,
                                            callback, user_data);

  if (task == NULL)
    return;
  bb_msgpack_session_begin_request (self->session, "get_worker_info", 0);
  bb_msgpack_session_end_request (self->session, BB_LINK_INFO_LIMIT_US, FALSE, info_answered, g_steal_pointer (&task));
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

  g_hash_table_remove (self->running, bb_msgpack_command_get_id (command));
  if (!bb_msgpack_command_is_gone (command) && !bb_link_is_lost (user_data))
    abandon (self, command);
  bb_link_command_ended (user_data, command);
}

/* @id, @translated: (transfer full) */
static BbRemoteCommand *
run (BbMsgpackLink *self, char *id, const char *name, GVariant *args, GVariant *translated, const BbCommandEvents *events,
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
start (BbLink *link, const BbLinkBuilder *builder, const char *name, GVariant *args, const BbCommandEvents *events,
       gpointer user_data, GError **error)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autofree char *directory = bb_msgpack_place_join (&self->place, self->place.base, builder->directory);
  GVariant *translated = bb_msgpack_arguments_translate (&self->place, directory, name, args, error);

  if (translated == NULL)
    return NULL;
  return run (self, make_builder_id (self, builder->name), name, args, translated, events, user_data);
}

static BbStream *
get_stream (BbLink *link)
{
  return bb_msgpack_session_get_stream (BB_MSGPACK_LINK (link)->session);
}

static void
cancel_calls (BbLink *link, gpointer user_data)
{
  bb_msgpack_session_cancel_requests (BB_MSGPACK_LINK (link)->session, user_data);
}

/* Builders */

/* One without a builder, for bb-msgpack-directories.h */
static BbRemoteCommand *
start_own (gpointer link, const char *name, GVariant *args, const BbCommandEvents *events, gpointer user_data)
{
  BbMsgpackLink *self = link;

  return run (self, make_id (self->token, ++self->n_own, ""), name, args, args, events, user_data);
}

/* One that is gone from the list while a command of it runs leaves that command to itself, as other slaves do. */
static void
take_builders (BbMsgpackLink *self, const BbBuilderDir *builders, gsize n_builders)
{
  GArray *now = bb_link_builders_new ();
  g_autoptr (GArray) old = NULL;
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "its builder was taken from the slave");

  for (gsize i = 0; i < n_builders; i++)
    bb_link_builders_add (now, builders[i].name, builders[i].builddir, 0);
  old = bb_link_change_builders (BB_LINK (self), now);
  for (guint i = 0; i < old->len; i++)
    {
      BbRemoteCommand *command = bb_link_builders_get (old, i)->command;

      if (command == NULL)
        continue;
      bb_remote_command_interrupt (command, error->message);
      bb_remote_command_finish (command, error);
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
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_msgpack_link_set_builders_async, cancellable,
                                            callback, user_data);

  if (task == NULL)
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

static void
ping_answered (BbMsgpackSession *session, const msgpack_object *result, const GError *error, gpointer user_data)
{
  bb_link_end (user_data, error);
}

static void
bb_msgpack_link_ping_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_msgpack_link_ping_async, cancellable,
                                            callback, user_data);
  msgpack_packer *packer;

  if (task == NULL)
    return;
  packer = bb_msgpack_session_begin_request (self->session, "print", 1);
  bb_msgpack_put_text (packer, "message");
  bb_msgpack_put_text (packer, "ping");
  bb_msgpack_session_end_request (self->session, BB_LINK_PRINT_LIMIT_US, TRUE, ping_answered, g_steal_pointer (&task));
}

static void
shutdown_answered (BbMsgpackSession *session, const msgpack_object *result, const GError *error, gpointer user_data)
{
  bb_link_end (user_data, g_error_matches (error, BB_ERROR, BB_ERROR_LOST) ? NULL : error);
}

static void
bb_msgpack_link_shutdown_async (BbSlaveLink *link, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  g_autoptr (GTask) task = bb_link_begin (BB_LINK (self), bb_msgpack_link_shutdown_async, cancellable,
                                            callback, user_data);

  if (task == NULL)
    return;
  bb_msgpack_session_begin_request (self->session, "shutdown", 0);
  bb_msgpack_session_end_request (self->session, BB_LINK_PRINT_LIMIT_US, FALSE, shutdown_answered,
                                  g_steal_pointer (&task));
}

/* What runs would run on: it is told to stop, if the slave still listens. */
static void
bb_msgpack_link_close (BbSlaveLink *link, const GError *reason)
{
  BbMsgpackLink *self = BB_MSGPACK_LINK (link);
  gboolean anything_runs = g_hash_table_size (self->running) > 0;
  GHashTableIter iter;
  gpointer command;

  if (bb_link_is_lost (BB_LINK (self)))
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
  iface->get_command_token = bb_msgpack_link_get_command_token;
  iface->stop_commands = bb_msgpack_link_stop_commands;
  iface->accept = bb_msgpack_link_accept;
  iface->refuse = bb_msgpack_link_refuse;
  iface->get_info_async = bb_msgpack_link_get_info_async;
  iface->set_builders_async = bb_msgpack_link_set_builders_async;
  iface->ping_async = bb_msgpack_link_ping_async;
  iface->shutdown_async = bb_msgpack_link_shutdown_async;
  iface->close = bb_msgpack_link_close;
}

static void
bb_msgpack_link_class_init (BbMsgpackLinkClass *klass)
{
  BbLinkClass *link = BB_LINK_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = bb_msgpack_link_finalize;
  link->get_stream = get_stream;
  link->cancel_calls = cancel_calls;
  link->get_command_name = bb_msgpack_command_name;
  link->start = start;
}
