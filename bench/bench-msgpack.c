/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libsoup/soup.h>
#include <msgpack.h>
#include <string.h>
#include <wslay/wslay.h>

#include "bench-slave-private.h"

/* MessagePack over WebSocket, as a worker 3.7 speaks it (msgpack_experimental_v7). */

typedef struct
{
  wslay_event_context_ptr socket; /* NULL before the master has agreed to it */
  gsize taken;                    /* of what has come */
  gint64 next_request;
  gboolean has_settings;
  gint64 directories_request; /* the end of the first mkdir, after which a master has the slave ready */
  gboolean directories;
} Session;

/* One message is written at a time. */
static msgpack_sbuffer scratch;
static msgpack_packer packer;

/* --- writing */

static void
put_bytes (const char *text, gsize length)
{
  msgpack_pack_str (&packer, length);
  msgpack_pack_str_body (&packer, text, length);
}

static void
put_text (const char *text)
{
  put_bytes (text, strlen (text));
}

static void
begin_message (const char *op, gint64 number, guint n_more)
{
  msgpack_packer_init (&packer, &scratch, msgpack_sbuffer_write);
  msgpack_pack_map (&packer, 2 + n_more);
  put_text ("op");
  put_text (op);
  put_text ("seq_number");
  msgpack_pack_int64 (&packer, number);
}

static void
end_message (BenchSlave *self)
{
  Session *session = self->session;
  const struct wslay_event_msg message = { WSLAY_BINARY_FRAME, (const guint8 *) scratch.data, scratch.size };

  if (wslay_event_queue_msg (session->socket, &message) != 0 || wslay_event_send (session->socket) != 0)
    g_error ("slave %s: a message could not be framed", self->name);
  msgpack_sbuffer_clear (&scratch);
}

static gint64
begin_request (BenchSlave *self, const char *op, BenchCommand *command)
{
  gint64 number = ((Session *) self->session)->next_request++;

  begin_message (op, number, 2);
  put_text ("command_id");
  put_text (command->master_id);
  put_text ("args");
  return number;
}

/* An answer up to its result, which the caller puts. */
static void
begin_answer (gint64 number)
{
  begin_message ("response", number, 1);
  put_text ("result");
}

static void
answer_nil (BenchSlave *self, gint64 number)
{
  begin_answer (number);
  msgpack_pack_nil (&packer);
  end_message (self);
}

/* [KEY, [TEXT, POSITIONS, TIMES]] */
static void
put_lines (const char *key, const char *text, gsize length)
{
  guint n_lines = 0;

  for (gsize i = 0; i < length; i++)
    n_lines += text[i] == '\n';
  msgpack_pack_array (&packer, 2);
  put_text (key);
  msgpack_pack_array (&packer, 3);
  put_bytes (text, length);
  msgpack_pack_array (&packer, n_lines);
  for (gsize i = 0; i < length; i++)
    if (text[i] == '\n')
      msgpack_pack_uint64 (&packer, i);
  msgpack_pack_array (&packer, n_lines);
  for (guint i = 0; i < n_lines; i++)
    msgpack_pack_double (&packer, 1795462650.5);
}

static void
put_end (BenchSlave *self, BenchCommand *command)
{
  command->last_request = begin_request (self, "complete", command);
  msgpack_pack_nil (&packer);
  end_message (self);
}

static void
put_result (void)
{
  msgpack_pack_array (&packer, 2);
  put_text ("rc");
  msgpack_pack_int (&packer, 0);
}

static void
put_elapsed (void)
{
  msgpack_pack_array (&packer, 2);
  put_text ("elapsed");
  msgpack_pack_double (&packer, 0.01);
}

/* A worker puts all that it has into one message: a short command is a single one, and its end. */
static void
put_output (BenchSlave *self, BenchCommand *command, gsize length, gboolean is_last)
{
  begin_request (self, "update", command);
  msgpack_pack_array (&packer, (command->begun ? 0 : 1) + (length > 0 ? 1 : 0) + (is_last ? 3 : 0));
  if (!command->begun)
    put_lines ("header", bench_header_text (), strlen (bench_header_text ()));
  if (length > 0)
    put_lines ("stdout", bench_output_text (length), length);
  if (is_last)
    {
      put_result ();
      put_lines ("header", "elapsedTime=0.010000\n", 21);
      put_elapsed ();
    }
  end_message (self);
  if (is_last)
    put_end (self, command);
}

/* --- reading */

static gboolean
text_is (const msgpack_object *value, const char *text)
{
  return value->type == MSGPACK_OBJECT_STR && value->via.str.size == strlen (text)
         && memcmp (value->via.str.ptr, text, value->via.str.size) == 0;
}

/* What is missing is nil. */
static const msgpack_object *
look_up (const msgpack_object *map, const char *key)
{
  static const msgpack_object nil = { .type = MSGPACK_OBJECT_NIL };

  if (map->type == MSGPACK_OBJECT_MAP)
    for (guint i = 0; i < map->via.map.size; i++)
      if (text_is (&map->via.map.ptr[i].key, key))
        return &map->via.map.ptr[i].val;
  return &nil;
}

static void
answer_info (BenchSlave *self, gint64 number)
{
  begin_answer (number);
  msgpack_pack_map (&packer, bench_n_info_texts + 4);
  for (guint i = 0; i < bench_n_info_texts; i++)
    {
      put_text (bench_info_texts[i][0]);
      put_text (bench_info_texts[i][1]);
    }
  put_text ("environ");
  msgpack_pack_map (&packer, 2);
  put_text ("PATH");
  put_text ("/usr/local/bin:/usr/bin:/bin");
  put_text ("HOME");
  put_text ("/home/bot");
  put_text ("numcpus");
  msgpack_pack_int (&packer, 2);
  put_text ("delete_leftover_dirs");
  msgpack_pack_int (&packer, 0);
  put_text ("worker_commands");
  msgpack_pack_map (&packer, bench_n_info_commands);
  for (guint i = 0; i < bench_n_info_commands; i++)
    {
      put_text (bench_info_commands[i]);
      put_text ("3.1");
    }
  end_message (self);
}

/* listdir and mkdir, with which a master begins. */
static void
run_at_once (BenchSlave *self, BenchCommand *command, gboolean is_list)
{
  begin_request (self, "update", command);
  msgpack_pack_array (&packer, is_list ? 3 : 2);
  if (is_list)
    {
      msgpack_pack_array (&packer, 2);
      put_text ("files");
      msgpack_pack_array (&packer, 0);
    }
  put_result ();
  put_elapsed ();
  end_message (self);
  put_end (self, command);
}

static void
start_command (BenchSlave *self, gint64 number, const msgpack_object *map)
{
  Session *session = self->session;
  const msgpack_object *name = look_up (map, "command_name"), *id = look_up (map, "command_id");
  const msgpack_object *words = look_up (look_up (map, "args"), "command");
  gboolean has_words = words->type == MSGPACK_OBJECT_STR;
  BenchCommand *command
    = bench_command_new (self, has_words ? words->via.str.ptr : "", has_words ? words->via.str.size : 0);

  command->master_id = id->type == MSGPACK_OBJECT_STR ? g_strndup (id->via.str.ptr, id->via.str.size) : g_strdup ("");
  answer_nil (self, number);
  if (text_is (name, "shell"))
    {
      bench_slave_start_command (self, command);
      return;
    }
  run_at_once (self, command, text_is (name, "listdir"));
  if (text_is (name, "mkdir"))
    {
      session->directories = TRUE;
      session->directories_request = command->last_request;
    }
  bench_command_free (command);
}

static void
take_response (BenchSlave *self, gint64 number)
{
  Session *session = self->session;

  if (session->directories && session->has_settings && number == session->directories_request)
    bench_slave_set_attached (self);
  else
    bench_slave_end_command (self, number);
}

static void
take_message (BenchSlave *self, const msgpack_object *map)
{
  Session *session = self->session;
  const msgpack_object *op = look_up (map, "op");
  gint64 number = look_up (map, "seq_number")->via.i64;

  if (text_is (op, "response"))
    take_response (self, number);
  else if (text_is (op, "get_worker_info"))
    answer_info (self, number);
  else if (text_is (op, "start_command"))
    start_command (self, number, map);
  else
    {
      session->has_settings |= text_is (op, "set_worker_settings");
      answer_nil (self, number);
    }
}

/* --- frames, by callbacks of wslay's */

static ssize_t
recv_cb (wslay_event_context_ptr context, uint8_t *buffer, size_t length, int flags, void *user_data)
{
  BenchSlave *self = user_data;
  Session *session = self->session;
  gsize n = MIN (length, self->in->len - session->taken);

  if (n == 0)
    {
      wslay_event_set_error (context, WSLAY_ERR_WOULDBLOCK);
      return -1;
    }
  memcpy (buffer, self->in->data + session->taken, n);
  session->taken += n;
  return n;
}

static ssize_t
send_cb (wslay_event_context_ptr context, const uint8_t *data, size_t length, int flags, void *user_data)
{
  g_byte_array_append (((BenchSlave *) user_data)->out, data, length);
  return length;
}

static int
mask_cb (wslay_event_context_ptr context, uint8_t *buffer, size_t length, void *user_data)
{
  for (gsize i = 0; i < length; i++)
    buffer[i] = g_random_int_range (0, 256);
  return 0;
}

static void
message_cb (wslay_event_context_ptr context, const struct wslay_event_on_msg_recv_arg *message, void *user_data)
{
  msgpack_unpacked unpacked;

  if (message->opcode != WSLAY_BINARY_FRAME)
    return;
  msgpack_unpacked_init (&unpacked);
  if (msgpack_unpack_next (&unpacked, (const char *) message->msg, message->msg_length, NULL) == MSGPACK_UNPACK_SUCCESS)
    take_message (user_data, &unpacked.data);
  msgpack_unpacked_destroy (&unpacked);
}

static const struct wslay_event_callbacks callbacks = {
  .recv_callback = recv_cb,
  .send_callback = send_cb,
  .genmask_callback = mask_cb,
  .on_msg_recv_callback = message_cb,
};

/* --- the connection */

/* Whether the master has answered the request; it is lost when the answer is no. */
static gboolean
take_answer (BenchSlave *self)
{
  Session *session = self->session;
  const guint8 *end = memmem (self->in->data, self->in->len, "\r\n\r\n", 4);
  SoupMessageHeaders *headers;
  guint status = 0;

  if (end == NULL)
    return FALSE;
  session->taken = end + 4 - self->in->data;
  headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  if (soup_headers_parse_response ((const char *) self->in->data, session->taken - 2, headers, NULL, &status, NULL)
      && status == SOUP_STATUS_SWITCHING_PROTOCOLS)
    wslay_event_context_client_init (&session->socket, &callbacks, self);
  else
    bench_slave_lose (self);
  soup_message_headers_unref (headers);
  return session->socket != NULL;
}

static void
receive (BenchSlave *self)
{
  Session *session = self->session;

  if (session->socket == NULL && !take_answer (self))
    return;
  if (wslay_event_recv (session->socket) != 0 || wslay_event_send (session->socket) != 0
      || !wslay_event_get_read_enabled (session->socket))
    bench_slave_lose (self);
  g_byte_array_remove_range (self->in, 0, session->taken);
  session->taken = 0;
}

static void
open_session (BenchSlave *self)
{
  g_autofree char *plain = g_strdup_printf ("%s:%s", self->name, self->password);
  g_autofree char *encoded = g_base64_encode ((const guchar *) plain, strlen (plain));
  g_autofree char *request
    = g_strdup_printf ("GET / HTTP/1.1\r\nUser-Agent: AutobahnPython/22.7.1\r\nHost: 127.0.0.1:%u\r\n"
                       "Upgrade: WebSocket\r\nConnection: Upgrade\r\nPragma: no-cache\r\nCache-Control: no-cache\r\n"
                       "Authorization: Basic %s\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Sec-WebSocket-Version: 13\r\n\r\n",
                       self->parameters->port, encoded);

  self->session = g_new0 (Session, 1);
  g_byte_array_append (self->out, (const guint8 *) request, strlen (request));
}

static void
close_session (BenchSlave *self)
{
  Session *session = self->session;

  g_clear_pointer (&session->socket, wslay_event_context_free);
  g_free (session);
}

const BenchProtocol bench_msgpack = { open_session, receive, put_output, NULL, close_session };
