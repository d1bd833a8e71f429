/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bench-slave-private.h"

/* Perspective Broker, as a worker 3.7 speaks it. */

/* Type bytes of Banana, and the words of its vocabulary that occur. */
enum { LIST = 0x80, INT, STRING, NEG, FLOAT, LONGINT, LONGNEG, VOCAB };
enum
{
  WORD_NONE = 1, WORD_DICTIONARY = 5, WORD_LIST = 8, WORD_TUPLE = 11, WORD_REMOTE = 16, WORD_VERSION = 19,
  WORD_LOGIN = 20, WORD_MESSAGE = 26, WORD_ANSWER = 27, WORD_ERROR = 28, WORD_DECREF = 29
};

/* Our object numbers: the bot, then the builders. */
enum { BOT = 1, FIRST_BUILDER = 2 };
enum { REQUEST_LOGIN = 1, REQUEST_RESPOND = 2 };

/* One element; a list is followed by its members. */
typedef struct
{
  guint8 type;
  gint64 number; /* or the length of a string, or the count of a list */
  const guint8 *bytes;
} Token;

typedef struct
{
  gboolean greeted;
  gboolean answered; /* the builder list */
  gint64 perspective;
  gint64 requests;
  gint64 keepalive_request;
  GPtrArray *builders; /* names; the index gives the number */
} Session;

/* --- writing */

static void
put (GByteArray *out, guint8 type, guint64 number)
{
  guint8 digits[11];
  guint n = 0;

  do
    digits[n++] = number & 0x7f;
  while ((number >>= 7) != 0);
  digits[n++] = type;
  g_byte_array_append (out, digits, n);
}

static void
put_bytes (GByteArray *out, const void *bytes, gsize length)
{
  put (out, STRING, length);
  g_byte_array_append (out, bytes, length);
}

static void
put_text (GByteArray *out, const char *text)
{
  put (out, LIST, 2);
  put_bytes (out, "unicode", 7);
  put_bytes (out, text, strlen (text));
}

static void
put_remote (GByteArray *out, gint64 number)
{
  put (out, LIST, 2);
  put (out, VOCAB, WORD_REMOTE);
  put (out, INT, number);
}

static void
put_none (GByteArray *out)
{
  put (out, LIST, 1);
  put (out, VOCAB, WORD_NONE);
}

static void
put_answer (GByteArray *out, gint64 request)
{
  put (out, LIST, 3);
  put (out, VOCAB, WORD_ANSWER);
  put (out, INT, request);
}

/* Up to the arguments, of which there are @n, each an expression to follow; put_call_end() comes after them. */
static gint64
put_call (BenchSlave *self, gint64 object, const char *method, guint n)
{
  GByteArray *out = self->out;
  Session *session = self->session;

  put (out, LIST, 7);
  put (out, VOCAB, WORD_MESSAGE);
  put (out, INT, ++session->requests);
  if (object == 0)
    put_bytes (out, "root", 4);
  else
    put (out, INT, object);
  if (g_str_equal (method, "login"))
    put (out, VOCAB, WORD_LOGIN);
  else
    put_bytes (out, method, strlen (method));
  put (out, INT, 1);
  put (out, LIST, n + 1);
  put (out, VOCAB, WORD_TUPLE);
  return session->requests;
}

static void
put_call_end (BenchSlave *self)
{
  put (self->out, LIST, 1);
  put (self->out, VOCAB, WORD_DICTIONARY);
}

/* ((list (list (dictionary (KEY …)) 0))), the value being left to the caller. */
static void
put_update (BenchSlave *self, gint64 object, const char *key)
{
  GByteArray *out = self->out;

  put_call (self, object, "update", 1);
  put (out, LIST, 2);
  put (out, VOCAB, WORD_LIST);
  put (out, LIST, 3);
  put (out, VOCAB, WORD_LIST);
  put (out, LIST, 2);
  put (out, VOCAB, WORD_DICTIONARY);
  put (out, LIST, 2);
  put_text (out, key);
}

static void
put_update_end (BenchSlave *self)
{
  put (self->out, INT, 0);
  put_call_end (self);
}

static void
put_update_text (BenchSlave *self, gint64 object, const char *key, const char *text)
{
  put_update (self, object, key);
  put_text (self->out, text);
  put_update_end (self);
}

static void
put_output (BenchSlave *self, BenchCommand *command, gsize length, gboolean is_last)
{
  if (!command->begun)
    put_update_text (self, command->object, "header", bench_header_text ());
  if (length > 0)
    put_update_text (self, command->object, "stdout", bench_output_text (length));
  if (!is_last)
    return;
  put_update (self, command->object, "rc");
  put (self->out, INT, 0);
  put_update_end (self);
  put_update_text (self, command->object, "header", "program finished with exit code 0\nelapsedTime=0.010000\n");
  put_update (self, command->object, "elapsed");
  /* 0.01 as a float, which has no digits: the type byte, then 8 bytes. */
  g_byte_array_append (self->out, (const guint8 *) "\x84\x3f\x84\x7a\xe1\x47\xae\x14\x7b", 9);
  put_update_end (self);
  command->last_request = put_call (self, command->object, "complete", 1);
  put_none (self->out);
  put_call_end (self);
}

static void
put_keepalive (BenchSlave *self)
{
  Session *session = self->session;

  session->keepalive_request = put_call (self, session->perspective, "keepalive", 0);
  put_call_end (self);
}

/* --- reading */

/* Takes one element at @*at; FALSE when more bytes are needed. What a master of ours sends is well-formed. */
static gboolean
next_token (const GByteArray *in, gsize *at, Token *token)
{
  guint64 number = 0;
  guint shift = 0;
  gsize i = *at;

  for (; i < in->len && in->data[i] < 0x80; i++, shift += 7)
    number |= shift < 63 ? (guint64) in->data[i] << shift : 0;
  if (i == in->len)
    return FALSE;
  token->type = in->data[i++];
  token->number = number;
  token->bytes = NULL;
  if (token->type == STRING || token->type == FLOAT)
    {
      gsize length = token->type == FLOAT ? 8 : number;
      if (in->len - i < length)
        return FALSE;
      token->bytes = in->data + i;
      i += length;
    }
  *at = i;
  return TRUE;
}

/* One whole expression as a row of tokens. */
static gboolean
next_expression (const GByteArray *in, gsize *at, GArray *tokens)
{
  guint64 wanted = 1;
  gsize i = *at;

  g_array_set_size (tokens, 0);
  for (; wanted > 0; wanted--)
    {
      Token token;
      if (!next_token (in, &i, &token))
        return FALSE;
      g_array_append_val (tokens, token);
      if (token.type == LIST)
        wanted += token.number;
    }
  *at = i;
  return TRUE;
}

static gboolean
token_is (const Token *token, const char *text)
{
  return token->type == STRING && (gsize) token->number == strlen (text)
         && memcmp (token->bytes, text, token->number) == 0;
}

static gboolean
token_is_word (const Token *token, guint word, const char *text)
{
  return (token->type == VOCAB && token->number == word) || token_is (token, text);
}

static guint
find_builder (Session *session, const char *name)
{
  for (guint i = 0; i < session->builders->len; i++)
    if (g_str_equal (session->builders->pdata[i], name))
      return i;
  g_ptr_array_add (session->builders, g_strdup (name));
  return session->builders->len - 1;
}

/* (tuple (list (tuple NAME DIR) …)), where names are text or bare: of each pair the first string that is no tag. */
static void
answer_builders (BenchSlave *self, gint64 request, const Token *tokens, guint n)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  gboolean is_name = TRUE;

  for (guint i = 0; i < n; i++)
    if (tokens[i].type == STRING && !token_is (&tokens[i], "unicode") && !token_is (&tokens[i], "tuple")
        && !token_is (&tokens[i], "list"))
      {
        if (is_name)
          g_ptr_array_add (names, g_strndup ((const char *) tokens[i].bytes, tokens[i].number));
        is_name = !is_name;
      }

  put_answer (self->out, request);
  put (self->out, LIST, names->len + 1);
  put (self->out, VOCAB, WORD_DICTIONARY);
  for (guint i = 0; i < names->len; i++)
    {
      put (self->out, LIST, 2);
      put_text (self->out, names->pdata[i]);
      put_remote (self->out, FIRST_BUILDER + find_builder (self->session, names->pdata[i]));
    }
}

static void
answer_info (BenchSlave *self, gint64 request)
{
  GByteArray *out = self->out;

  put_answer (out, request);
  put (out, LIST, bench_n_info_texts + 5);
  put (out, VOCAB, WORD_DICTIONARY);
  for (guint i = 0; i < bench_n_info_texts; i++)
    {
      put (out, LIST, 2);
      put_text (out, bench_info_texts[i][0]);
      put_text (out, bench_info_texts[i][1]);
    }
  put (out, LIST, 2);
  put_text (out, "environ");
  put (out, LIST, 3);
  put (out, VOCAB, WORD_DICTIONARY);
  put (out, LIST, 2);
  put_text (out, "PATH");
  put_text (out, "/usr/local/bin:/usr/bin:/bin");
  put (out, LIST, 2);
  put_text (out, "HOME");
  put_text (out, "/home/bot");
  put (out, LIST, 2);
  put_text (out, "numcpus");
  put (out, INT, 2);
  put (out, LIST, 2);
  put_text (out, "delete_leftover_dirs");
  put (out, INT, 0);
  put (out, LIST, 2);
  put_text (out, "worker_commands");
  put (out, LIST, bench_n_info_commands + 1);
  put (out, VOCAB, WORD_DICTIONARY);
  for (guint i = 0; i < bench_n_info_commands; i++)
    {
      put (out, LIST, 2);
      put_text (out, bench_info_commands[i]);
      put_text (out, "3.1");
    }
}

/* The command's object is the first reference among the arguments. */
static void
start_command (BenchSlave *self, gint64 request, const Token *tokens, guint n)
{
  BenchCommand *command = NULL;
  gint64 object = 0;

  for (guint i = 1; i < n; i++)
    if (object == 0 && tokens[i].type == INT && token_is_word (&tokens[i - 1], WORD_REMOTE, "remote"))
      object = tokens[i].number;
    else if (command == NULL && tokens[i].type == STRING && tokens[i].number > 6
             && memcmp (tokens[i].bytes, "bench ", 6) == 0)
      command = bench_command_new (self, (const char *) tokens[i].bytes, tokens[i].number);
  if (command == NULL)
    command = bench_command_new (self, "", 0);
  command->object = object;
  put_answer (self->out, request);
  put_none (self->out);
  bench_slave_start_command (self, command);
}

static void
take_call (BenchSlave *self, const Token *tokens, guint n)
{
  Session *session = self->session;
  gint64 request = tokens[2].number;
  const Token *method = &tokens[4];

  if (token_is (method, "setBuilderList"))
    answer_builders (self, request, tokens + 6, n - 6);
  else if (token_is (method, "getWorkerInfo"))
    answer_info (self, request);
  else if (token_is (method, "startCommand"))
    start_command (self, request, tokens + 6, n - 6);
  else
    {
      put_answer (self->out, request);
      put_none (self->out);
    }
  session->answered |= token_is (method, "setBuilderList");
}

static void
respond (BenchSlave *self, const Token *challenge, gint64 challenger)
{
  guint8 digest[16];
  gsize length = sizeof digest;
  g_autoptr (GChecksum) inner = g_checksum_new (G_CHECKSUM_MD5);
  g_autoptr (GChecksum) outer = g_checksum_new (G_CHECKSUM_MD5);

  g_checksum_update (inner, (const guchar *) self->password, -1);
  g_checksum_get_digest (inner, digest, &length);
  g_checksum_update (outer, digest, sizeof digest);
  g_checksum_update (outer, challenge->bytes, challenge->number);
  g_checksum_get_digest (outer, digest, &length);

  put_call (self, challenger, "respond", 2);
  put_bytes (self->out, digest, sizeof digest);
  put_remote (self->out, BOT);
  put_call_end (self);
  put (self->out, LIST, 2);
  put (self->out, VOCAB, WORD_DECREF);
  put (self->out, INT, challenger);
}

static void
take_answer (BenchSlave *self, const Token *tokens, guint n)
{
  Session *session = self->session;
  gint64 request = tokens[2].number;

  if (request == REQUEST_LOGIN && n >= 9)
    respond (self, &tokens[5], tokens[8].number);
  else if (request == REQUEST_RESPOND && n >= 6)
    session->perspective = tokens[5].number;
  else if (request == session->keepalive_request)
    self->parameters->events->kept_alive (self, self->parameters->user_data);
  else
    bench_slave_end_command (self, request);
}

static void
take_expression (BenchSlave *self, const Token *tokens, guint n)
{
  Session *session = self->session;

  if (!session->greeted)
    {
      session->greeted = TRUE;
      put_bytes (self->out, "pb", 2);
      put (self->out, LIST, 2);
      put (self->out, VOCAB, WORD_VERSION);
      put (self->out, INT, 6);
      put_call (self, 0, "login", 1);
      put_bytes (self->out, self->name, strlen (self->name));
      put_call_end (self);
    }
  else if (n > 6 && token_is_word (&tokens[1], WORD_MESSAGE, "message"))
    take_call (self, tokens, n);
  else if (n > 2 && token_is_word (&tokens[1], WORD_ANSWER, "answer"))
    take_answer (self, tokens, n);
  if (session->perspective != 0 && session->answered)
    bench_slave_set_attached (self);
}

static void
receive (BenchSlave *self)
{
  static GArray *tokens;
  gsize at = 0;

  if (tokens == NULL)
    tokens = g_array_new (FALSE, FALSE, sizeof (Token));
  while (self->fd >= 0 && at < self->in->len && next_expression (self->in, &at, tokens))
    take_expression (self, (const Token *) (gpointer) tokens->data, tokens->len);
  g_byte_array_remove_range (self->in, 0, at);
}

/* The master speaks first. */
static void
open_session (BenchSlave *self)
{
  Session *session = g_new0 (Session, 1);

  session->builders = g_ptr_array_new_with_free_func (g_free);
  self->session = session;
}

static void
close_session (BenchSlave *self)
{
  Session *session = self->session;

  g_ptr_array_unref (session->builders);
  g_free (session);
}

const BenchProtocol bench_pb = { open_session, receive, put_output, put_keepalive, close_session };
