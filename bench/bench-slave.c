/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench-slave-private.h"

enum { HIGH_WATER = 4 * BENCH_PIECE };

/* --- what every worker says of itself and of a command, without running anything */

const char *const bench_info_texts[][2] = {
  { "admin", "cap admin\n" },
  { "host", "a host of the bench\n" },
  { "os_pretty_name", "Debian GNU/Linux 12 (bookworm)" },
  { "os_name", "Debian GNU/Linux" },
  { "os_version_id", "12" },
  { "os_version_codename", "bookworm" },
  { "os_id", "debian" },
  { "os_home_url", "https://www.debian.org/" },
  { "system", "posix" },
  { "basedir", "/home/bot/worker" },
  { "version", "3.7.0" },
};
const guint bench_n_info_texts = G_N_ELEMENTS (bench_info_texts);

const char *const bench_info_commands[]
  = { "shell",        "uploadFile",    "upload_file", "uploadDirectory", "upload_directory",
      "downloadFile", "download_file", "mkdir",       "rmdir",           "cpdir",
      "stat",         "glob",          "listdir",     "rmfile" };
const guint bench_n_info_commands = G_N_ELEMENTS (bench_info_commands);

const char *
bench_output_text (gsize length)
{
  static char text[BENCH_PIECE + 1];

  if (text[0] == '\0')
    for (gsize i = 0; i < BENCH_PIECE; i++)
      text[i] = i % 64 == 63 ? '\n' : "cc -DHAVE_CONFIG_H -I. -O2 -c "[i % 30];
  return text + BENCH_PIECE - length;
}

/* As long as a real one, with the environment. */
const char *
bench_header_text (void)
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

/* --- commands */

static const BenchProtocol *
get_protocol (BenchSlave *self)
{
  return self->parameters->is_msgpack ? &bench_msgpack : &bench_pb;
}

void
bench_command_free (BenchCommand *command)
{
  g_free (command->id);
  g_free (command->master_id);
  g_free (command);
}

BenchCommand *
bench_command_new (BenchSlave *self, const char *words, gsize length)
{
  BenchCommand *command = g_new0 (BenchCommand, 1);
  g_autofree char *text = g_strndup (words, length);
  g_auto (GStrv) parts = g_strsplit (text, " ", 3);

  command->left = self->parameters->output;
  if (g_strv_length (parts) < 2 || !g_str_equal (parts[0], "bench"))
    return command;
  command->id = g_strdup (parts[1]);
  if (parts[2] != NULL)
    command->left = g_ascii_strtoull (parts[2], NULL, 10);
  return command;
}

static void
feed_command (BenchSlave *self, BenchCommand *command)
{
  while (!command->is_over && self->out->len - self->written < HIGH_WATER)
    {
      gsize length = MIN (command->left, BENCH_PIECE);

      command->left -= length;
      command->is_over = command->left == 0;
      get_protocol (self)->put_output (self, command, length, command->is_over);
      command->begun = TRUE;
    }
}

void
bench_slave_start_command (BenchSlave *self, BenchCommand *command)
{
  g_ptr_array_add (self->commands, command);
  self->parameters->events->started (self, command->id ? command->id : "", self->parameters->user_data);
  feed_command (self, command);
}

void
bench_slave_end_command (BenchSlave *self, gint64 last_request)
{
  for (guint i = 0; i < self->commands->len; i++)
    {
      BenchCommand *command = self->commands->pdata[i];

      if (command->is_over && command->last_request == last_request)
        {
          self->parameters->events->completed (self, command->id ? command->id : "", self->parameters->user_data);
          g_ptr_array_remove_index_fast (self->commands, i);
          return;
        }
    }
}

void
bench_slave_set_attached (BenchSlave *self)
{
  if (self->attached)
    return;
  self->attached = TRUE;
  self->parameters->events->attached (self, self->parameters->user_data);
}

/* --- the connection */

void
bench_slave_lose (BenchSlave *self)
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
          bench_slave_lose (self);
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
  guint8 buffer[16384];
  gssize n = read (self->fd, buffer, sizeof buffer);

  if (n < 0 && errno == EAGAIN)
    return;
  if (n <= 0)
    {
      bench_slave_lose (self);
      return;
    }
  g_byte_array_append (self->in, buffer, n);
  get_protocol (self)->receive (self);
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
  get_protocol (self)->put_keepalive (self);
  flush (self);
}

gint64
bench_slave_get_connect_us (BenchSlave *self)
{
  return self->connect_us;
}

BenchSlave *
bench_slave_new (const char *name, const char *password, int epoll, const BenchSlaveParameters *parameters)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons (parameters->port) };
  BenchSlave *self = g_new0 (BenchSlave, 1);
  struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = self };
  int one = 1;

  self->name = g_strdup (name);
  self->password = g_strdup (password);
  self->parameters = parameters;
  self->epoll = epoll;
  self->watched = EPOLLIN | EPOLLOUT; /* the first flush() is when it is connected */
  self->connect_us = g_get_monotonic_time ();
  self->commands = g_ptr_array_new_with_free_func ((GDestroyNotify) bench_command_free);
  self->in = g_byte_array_new ();
  self->out = g_byte_array_new ();
  self->fd = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  inet_pton (AF_INET, parameters->host, &address.sin_addr);
  if (self->fd < 0 || (connect (self->fd, (struct sockaddr *) &address, sizeof address) < 0 && errno != EINPROGRESS))
    g_error ("slave %s: %s", name, g_strerror (errno));
  setsockopt (self->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (epoll_ctl (epoll, EPOLL_CTL_ADD, self->fd, &event) < 0)
    g_error ("epoll: %s", g_strerror (errno));
  get_protocol (self)->open (self);
  return self;
}

void
bench_slave_free (BenchSlave *self)
{
  if (self->fd >= 0)
    close (self->fd);
  get_protocol (self)->close (self);
  g_free (self->name);
  g_free (self->password);
  g_ptr_array_unref (self->commands);
  g_byte_array_unref (self->in);
  g_byte_array_unref (self->out);
  g_free (self);
}
