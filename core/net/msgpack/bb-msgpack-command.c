/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-msgpack-command.h"

#include "bb-error.h"
#include "bb-msgpack-arguments.h"
#include "bb-msgpack-limits.h"

typedef struct
{
  BbRemoteCommand command; /* first */
  BbMsgpackSession *session;
  char *id;
  gint64 read_number; /* of the request for the block that is under way */
  BbMsgpackCommandEnded ended;
  gpointer ended_data;
  gboolean is_gone; /* the slave does not have it any more, or never had */
} MsgpackCommand;

void
bb_msgpack_command_interrupt_id (BbMsgpackSession *session, const char *id, const char *why)
{
  msgpack_packer *packer = bb_msgpack_session_begin_request (session, "interrupt_command", 2);

  bb_msgpack_put_text (packer, "command_id");
  bb_msgpack_put_text (packer, id);
  bb_msgpack_put_text (packer, "why");
  bb_msgpack_put_text (packer, why);
  bb_msgpack_session_end_request (session, BB_LINK_COMMAND_LIMIT_US, TRUE, NULL, NULL);
}

static void
send_interrupt (BbRemoteCommand *command, const char *why)
{
  MsgpackCommand *self = (MsgpackCommand *) command;

  bb_msgpack_command_interrupt_id (self->session, self->id, why);
}

static void
send_block (BbRemoteCommand *command, const guint8 *data, gsize length)
{
  MsgpackCommand *self = (MsgpackCommand *) command;

  bb_msgpack_session_answer_bytes (self->session, self->read_number, data, length);
}

static void
leave (BbRemoteCommand *command)
{
  MsgpackCommand *self = (MsgpackCommand *) command;

  bb_msgpack_session_forget_requests (self->session, self);
  self->ended (command, self->ended_data);
  g_clear_pointer (&self->id, g_free);
}

static void
close_connection (BbRemoteCommand *command, const GError *error)
{
  bb_websocket_close (bb_msgpack_session_get_socket (((MsgpackCommand *) command)->session), FALSE, error);
}

static const BbRemoteCommandClass command_class = { send_interrupt, send_block, leave, close_connection };

const char *
bb_msgpack_command_get_id (BbRemoteCommand *command)
{
  return ((MsgpackCommand *) command)->id;
}

gboolean
bb_msgpack_command_is_gone (BbRemoteCommand *command)
{
  return ((MsgpackCommand *) command)->is_gone;
}

/* [TEXT, POSITIONS, TIMES]: where its lines end is seen in the text itself. */
static gboolean
get_lines (const msgpack_object *value, const char **text, gsize *length)
{
  const msgpack_object *members;
  guint n;

  return bb_msgpack_get_array (value, &n, &members) && n >= 1 && bb_msgpack_get_text (members, text, length);
}

static void
receive_output (BbRemoteCommand *self, BbOutput stream, const msgpack_object *value)
{
  const char *text;
  gsize length;

  if (get_lines (value, &text, &length))
    bb_remote_command_receive_output (self, stream, text, length, FALSE);
}

/* [NAME, [TEXT, POSITIONS, TIMES]] */
static void
receive_log (BbRemoteCommand *self, const msgpack_object *value)
{
  g_autofree char *name = NULL;
  const msgpack_object *members;
  const char *text;
  gsize length;
  guint n;

  if (bb_msgpack_get_array (value, &n, &members) && n == 2 && (name = bb_msgpack_dup_text (&members[0])) != NULL
      && get_lines (&members[1], &text, &length))
    bb_remote_command_receive_log (self, name, text, length);
}

/* A value in the type that bb-slave-link.h promises for its key; floating. */
static GVariant *
convert_value (const msgpack_object *key, const msgpack_object *value)
{
  double number;
  gint64 integer;

  if (bb_msgpack_text_is (key, "elapsed"))
    return bb_msgpack_get_number (value, &number) ? g_variant_new_double (number) : NULL;
  if (bb_msgpack_text_is (key, "rc"))
    return bb_msgpack_get_integer (value, &integer) ? g_variant_new_int64 (integer) : NULL;
  return bb_msgpack_to_variant (value, BB_LINK_MAX_UPDATE_ELEMENTS);
}

static void
receive_value (BbRemoteCommand *self, const msgpack_object *key, const msgpack_object *value)
{
  g_autofree char *name = NULL;
  const char *text;
  gsize length;

  if (!bb_msgpack_get_text (key, &text, &length) || length > BB_LINK_MAX_UPDATE_KEY)
    return;
  name = bb_msgpack_dup_text (key);
  bb_remote_command_receive_value (self, name, convert_value (key, value));
}

static void
receive_update (BbRemoteCommand *self, const msgpack_object *key, const msgpack_object *value)
{
  if (bb_msgpack_text_is (key, "stdout"))
    receive_output (self, BB_OUTPUT_STDOUT, value);
  else if (bb_msgpack_text_is (key, "stderr"))
    receive_output (self, BB_OUTPUT_STDERR, value);
  else if (bb_msgpack_text_is (key, "header"))
    receive_output (self, BB_OUTPUT_HEADER, value);
  else if (bb_msgpack_text_is (key, "log"))
    receive_log (self, value);
  else
    receive_value (self, key, value);
}

/* [[KEY, VALUE], …] */
static void
receive_updates (BbRemoteCommand *self, const msgpack_object *updates)
{
  const msgpack_object *update, *members;
  guint n_updates, n;

  if (!bb_msgpack_get_array (updates, &n_updates, &update))
    return;
  for (guint i = 0; i < n_updates && !bb_remote_command_is_over (self); i++, update++)
    if (bb_msgpack_get_array (update, &n, &members) && n == 2)
      receive_update (self, &members[0], &members[1]);
}

static void
complete (BbRemoteCommand *self, const msgpack_object *failure)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  ((MsgpackCommand *) self)->is_gone = TRUE;
  if (!bb_msgpack_is_nil (failure))
    {
      text = bb_msgpack_dup_text (failure);
      error = g_error_new (BB_ERROR, BB_ERROR_FAILED, "the slave failed with %s", text != NULL ? text : "an error");
    }
  bb_remote_command_finish (self, error);
}

static void
receive_block (BbRemoteCommand *self, const msgpack_object *block)
{
  const char *data;
  gsize length;

  if (bb_msgpack_get_text (block, &data, &length))
    bb_remote_command_receive_block (self, (const guint8 *) data, length);
}

static void
receive_utime (BbRemoteCommand *self, const msgpack_object *map)
{
  double access_time, modified_time;

  /* nil, of a file that could not be read */
  if (bb_msgpack_get_number (bb_msgpack_lookup (map, "access_time"), &access_time)
      && bb_msgpack_get_number (bb_msgpack_lookup (map, "modified_time"), &modified_time))
    bb_remote_command_receive_utime (self, access_time, modified_time);
}

static void
receive_read (MsgpackCommand *self, const BbMsgpackRequest *request)
{
  gint64 number = self->read_number, wanted = 0;
  g_autoptr (GError) error = NULL;

  bb_msgpack_get_integer (bb_msgpack_lookup (request->map, "length"), &wanted);
  self->read_number = request->number;
  if (bb_remote_command_receive_read (&self->command, wanted))
    return;
  self->read_number = number;
  error = g_error_new_literal (BB_ERROR, BB_ERROR_PROTOCOL, "msgpack: a second read before the first is answered");
  close_connection (&self->command, error);
}

/* FALSE: it is none of those that this command may be asked. */
static gboolean
receive_request (BbRemoteCommand *self, const msgpack_object *op, const msgpack_object *map)
{
  const msgpack_object *args = bb_msgpack_lookup (map, "args");

  if (bb_msgpack_text_is (op, "update"))
    receive_updates (self, args);
  else if (bb_msgpack_text_is (op, "complete"))
    complete (self, args);
  else if (self->transfer == BB_UPLOAD
           && (bb_msgpack_text_is (op, "update_upload_file_write")
               || bb_msgpack_text_is (op, "update_upload_directory_write")))
    receive_block (self, args);
  else if (self->transfer == BB_UPLOAD && bb_msgpack_text_is (op, "update_upload_file_utime"))
    receive_utime (self, map);
  else if ((self->transfer == BB_UPLOAD
            && (bb_msgpack_text_is (op, "update_upload_file_close")
                || bb_msgpack_text_is (op, "update_upload_directory_unpack")))
           || (self->transfer == BB_DOWNLOAD && bb_msgpack_text_is (op, "update_read_file_close")))
    bb_remote_command_receive_close (self);
  else
    return FALSE;
  return TRUE;
}

void
bb_msgpack_command_receive (BbRemoteCommand *command, const BbMsgpackRequest *request)
{
  bb_remote_command_enter (command);
  if (command->transfer == BB_DOWNLOAD && bb_msgpack_text_is (request->op, "update_read_file"))
    receive_read ((MsgpackCommand *) command, request);
  else if (receive_request (command, request->op, request->map))
    bb_msgpack_session_answer_nil (request->session, request->number);
  else
    bb_msgpack_session_answer_exception (request->session, request->number, "this command does not take that");
  bb_remote_command_leave (command);
}

static void
started_cb (BbMsgpackSession *session, const msgpack_object *result, const GError *error, gpointer user_data)
{
  /* The end of the connection is told by the link. */
  if (error == NULL || g_error_matches (error, BB_ERROR, BB_ERROR_LOST))
    return;
  /* It may still run one day, so that nothing else can be started there. */
  if (g_error_matches (error, BB_ERROR, BB_ERROR_TIMEOUT))
    {
      close_connection (user_data, error);
      return;
    }
  ((MsgpackCommand *) user_data)->is_gone = g_error_matches (error, BB_ERROR, BB_ERROR_FAILED);
  bb_remote_command_finish (user_data, error);
}

BbRemoteCommand *
bb_msgpack_command_start (BbMsgpackSession *session, const char *id, const char *name, GVariant *args,
                          GVariant *translated, const BbCommandEvents *events, gpointer user_data,
                          BbMsgpackCommandEnded ended, gpointer ended_data)
{
  MsgpackCommand *self = g_new0 (MsgpackCommand, 1);
  msgpack_packer *packer;

  bb_remote_command_init (&self->command, &command_class, bb_msgpack_session_get_loop (session),
                          bb_msgpack_session_get_stream (session), name, args, events, user_data);
  self->session = session;
  self->id = g_strdup (id);
  self->ended = ended;
  self->ended_data = ended_data;
  packer = bb_msgpack_session_begin_request (session, "start_command", 3);
  bb_msgpack_put_text (packer, "command_id");
  bb_msgpack_put_text (packer, id);
  bb_msgpack_put_text (packer, "command_name");
  bb_msgpack_put_text (packer, bb_msgpack_command_name (name));
  bb_msgpack_put_text (packer, "args");
  bb_msgpack_put_variant (packer, translated);
  bb_msgpack_session_end_request (session, BB_LINK_COMMAND_LIMIT_US, TRUE, started_cb, self);
  return &self->command;
}
