/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench-slave.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

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
enum { PIECE = 65536, HIGH_WATER = 4 * PIECE };

/* One element; a list is followed by its members. */
typedef struct
{
  guint8 type;
  gint64 number; /* or the length of a string, or the count of a list */
  const guint8 *bytes;
} Token;

typedef struct
{
  gint64 object; /* the master's */
  gint64 last_request; /* of complete */
  gsize left; /* bytes of output still to send */
  char *id;
} Command;

struct _BenchSlave
{
  const BenchSlaveParameters *parameters;
  char *name;
  int fd;
  int epoll;
  guint watched;
  gboolean greeted;
  gboolean answered;
  gboolean attached;
  gint64 connect_us;
  gint64 perspective;
  gint64 requests;
  gint64 keepalive_request;
  GPtrArray *builders; /* names; the index gives the number */
  GPtrArray *commands;
  GByteArray *in;
  GByteArray *out;
  gsize written;
};

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

  put (out, LIST, 7);
  put (out, VOCAB, WORD_MESSAGE);
  put (out, INT, ++self->requests);
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
  return self->requests;
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

/* --- a command: what a worker 3.7 says, without running anything */

static const char *
output_text (gsize length)
{
  static char text[PIECE + 1];

  if (text[0] == '\0')
    for (gsize i = 0; i < PIECE; i++)
      text[i] = i % 64 == 63 ? '\n' : "cc -DHAVE_CONFIG_H -I. -O2 -c "[i % 30];
  return text + PIECE - length;
}

/* A header as long as a real one, with the environment. */
static const char *
header_text (void)
{
  static char *text;

  if (text == NULL)
    {
      g_autofree char *environment = g_strnfill (1200, 'E');
      text = g_strdup_printf ("/bin/sh -c true\n in dir /home/bot/worker/b0/build (timeout 1200 secs)\n watching logfiles {}\n"
                              " argv: [b'/bin/sh', b'-c', b'true']\n environment:\n  %s\n using PTY: False\n", environment);
    }
  return text;
}

static void
command_free (Command *command)
{
  g_free (command->id);
  g_free (command);
}

static void
feed_command (BenchSlave *self, Command *command)
{
  while (command->left > 0 && self->out->len - self->written < HIGH_WATER)
    {
      gsize length = MIN (command->left, PIECE);

      put_update_text (self, command->object, "stdout", output_text (length));
      command->left -= length;
    }
  if (command->left > 0 || command->last_request != 0)
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
find_builder (BenchSlave *self, const char *name)
{
  for (guint i = 0; i < self->builders->len; i++)
    if (g_str_equal (self->builders->pdata[i], name))
      return i;
  g_ptr_array_add (self->builders, g_strdup (name));
  return self->builders->len - 1;
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
      put_remote (self->out, FIRST_BUILDER + find_builder (self, names->pdata[i]));
    }
}

static void
answer_info (BenchSlave *self, gint64 request)
{
  static const char *const texts[] = {
    "admin", "cap admin\n", "host", "a host of the bench\n", "os_pretty_name", "Debian GNU/Linux 12 (bookworm)", "os_name",
    "Debian GNU/Linux", "os_version_id", "12", "os_version_codename", "bookworm", "os_id", "debian", "os_home_url",
    "https://www.debian.org/", "system", "posix", "basedir", "/home/bot/worker",
  };
  static const char *const commands[] = { "shell", "uploadFile", "upload_file", "uploadDirectory", "upload_directory",
                                          "downloadFile", "download_file", "mkdir", "rmdir", "cpdir", "stat", "glob",
                                          "listdir", "rmfile" };
  GByteArray *out = self->out;

  put_answer (out, request);
  put (out, LIST, G_N_ELEMENTS (texts) / 2 + 5);
  put (out, VOCAB, WORD_DICTIONARY);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i += 2)
    {
      put (out, LIST, 2);
      put_text (out, texts[i]);
      put_text (out, texts[i + 1]);
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
  put_text (out, "version");
  put_text (out, "3.7.0");
  put (out, LIST, 2);
  put_text (out, "worker_commands");
  put (out, LIST, G_N_ELEMENTS (commands) + 1);
  put (out, VOCAB, WORD_DICTIONARY);
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      put (out, LIST, 2);
      put_text (out, commands[i]);
      put_text (out, "3.1");
    }
}

/* The command's object is the first reference among the arguments; an argument "bench ID BYTES" says what it is. */
static void
start_command (BenchSlave *self, gint64 request, const Token *tokens, guint n)
{
  Command *command = g_new0 (Command, 1);

  command->left = self->parameters->output;
  for (guint i = 1; i < n; i++)
    if (command->object == 0 && tokens[i].type == INT && token_is_word (&tokens[i - 1], WORD_REMOTE, "remote"))
      command->object = tokens[i].number;
    else if (tokens[i].type == STRING && tokens[i].number > 6 && memcmp (tokens[i].bytes, "bench ", 6) == 0)
      {
        g_autofree char *text = g_strndup ((const char *) tokens[i].bytes, tokens[i].number);
        g_auto (GStrv) words = g_strsplit (text, " ", 3);

        g_free (command->id);
        command->id = g_strdup (words[1]);
        if (words[2] != NULL)
          command->left = g_ascii_strtoull (words[2], NULL, 10);
      }
  put_answer (self->out, request);
  put_none (self->out);
  g_ptr_array_add (self->commands, command);
  self->parameters->events->started (self, command->id ? command->id : "", self->parameters->user_data);
  put_update_text (self, command->object, "header", header_text ());
  feed_command (self, command);
}

static void
take_call (BenchSlave *self, const Token *tokens, guint n)
{
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
  self->answered |= token_is (method, "setBuilderList");
}

static void
respond (BenchSlave *self, const Token *challenge, gint64 challenger)
{
  guint8 digest[16];
  gsize length = sizeof digest;
  g_autoptr (GChecksum) inner = g_checksum_new (G_CHECKSUM_MD5);
  g_autoptr (GChecksum) outer = g_checksum_new (G_CHECKSUM_MD5);

  g_checksum_update (inner, (const guchar *) self->parameters->password, -1);
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
  const BenchSlaveParameters *parameters = self->parameters;
  gint64 request = tokens[2].number;

  if (request == REQUEST_LOGIN && n >= 9)
    respond (self, &tokens[5], tokens[8].number);
  else if (request == REQUEST_RESPOND && n >= 6)
    self->perspective = tokens[5].number;
  else if (request == self->keepalive_request)
    parameters->events->kept_alive (self, parameters->user_data);
  else
    for (guint i = 0; i < self->commands->len; i++)
      {
        Command *command = self->commands->pdata[i];
        if (command->last_request == request)
          {
            parameters->events->completed (self, command->id ? command->id : "", parameters->user_data);
            g_ptr_array_remove_index_fast (self->commands, i);
            break;
          }
      }
}

static void
take_expression (BenchSlave *self, const Token *tokens, guint n)
{
  if (!self->greeted)
    {
      self->greeted = TRUE;
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
  if (!self->attached && self->perspective != 0 && self->answered)
    {
      self->attached = TRUE;
      self->parameters->events->attached (self, self->parameters->user_data);
    }
}

/* --- the connection */

static void
lose (BenchSlave *self)
{
  if (self->fd < 0)
    return;
  close (self->fd);
  self->fd = -1;
  self->parameters->events->lost (self, self->parameters->user_data);
}

static void
flush (BenchSlave *self)
{
  guint wanted;

  while (self->fd >= 0 && self->written < self->out->len)
    {
      gssize n = write (self->fd, self->out->data + self->written, self->out->len - self->written);

      if (n < 0 && errno == EAGAIN)
        break;
      if (n < 0)
        {
          lose (self);
          return;
        }
      self->written += n;
      if (self->written == self->out->len)
        {
          g_byte_array_set_size (self->out, 0);
          self->written = 0;
        }
      for (guint i = 0; i < self->commands->len; i++)
        if (self->written == 0)
          feed_command (self, self->commands->pdata[i]);
    }
  wanted = self->written < self->out->len ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (self->fd >= 0 && wanted != self->watched)
    {
      struct epoll_event event = { .events = wanted, .data.ptr = self };
      epoll_ctl (self->epoll, EPOLL_CTL_MOD, self->fd, &event);
      self->watched = wanted;
    }
}

static void
receive (BenchSlave *self)
{
  static GArray *tokens;
  guint8 buffer[16384];
  gsize at = 0;
  gssize n = read (self->fd, buffer, sizeof buffer);

  if (n < 0 && errno == EAGAIN)
    return;
  if (n <= 0)
    {
      lose (self);
      return;
    }
  if (tokens == NULL)
    tokens = g_array_new (FALSE, FALSE, sizeof (Token));
  g_byte_array_append (self->in, buffer, n);
  while (self->fd >= 0 && at < self->in->len && next_expression (self->in, &at, tokens))
    take_expression (self, (const Token *) (gpointer) tokens->data, tokens->len);
  g_byte_array_remove_range (self->in, 0, at);
}

void
bench_slave_dispatch (BenchSlave *self, guint events)
{
  if (self->fd >= 0 && events & (EPOLLIN | EPOLLERR | EPOLLHUP))
    receive (self);
  flush (self);
}

void
bench_slave_keepalive (BenchSlave *self)
{
  self->keepalive_request = put_call (self, self->perspective, "keepalive", 0);
  put_call_end (self);
  flush (self);
}

gint64
bench_slave_get_connect_us (BenchSlave *self)
{
  return self->connect_us;
}

BenchSlave *
bench_slave_new (const char *name, int epoll, const BenchSlaveParameters *parameters)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (parameters->port) };
  BenchSlave *self = g_new0 (BenchSlave, 1);
  struct epoll_event event = { .events = EPOLLIN, .data.ptr = self };
  int one = 1;

  self->name = g_strdup (name);
  self->parameters = parameters;
  self->epoll = epoll;
  self->watched = EPOLLIN;
  self->connect_us = g_get_monotonic_time ();
  self->builders = g_ptr_array_new_with_free_func (g_free);
  self->commands = g_ptr_array_new_with_free_func ((GDestroyNotify) command_free);
  self->in = g_byte_array_new ();
  self->out = g_byte_array_new ();
  self->fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  inet_pton (AF_INET, parameters->host, &address.sin_addr);
  if (self->fd < 0 || (connect (self->fd, (struct sockaddr *) &address, sizeof address) < 0 && errno != EINPROGRESS))
    g_error ("slave %s: %s", name, g_strerror (errno));
  setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (epoll_ctl (epoll, EPOLL_CTL_ADD, self->fd, &event) < 0)
    g_error ("epoll: %s", g_strerror (errno));
  return self;
}

void
bench_slave_free (BenchSlave *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->name);
  g_ptr_array_unref (self->builders);
  g_ptr_array_unref (self->commands);
  g_byte_array_unref (self->in);
  g_byte_array_unref (self->out);
  g_free (self);
}
