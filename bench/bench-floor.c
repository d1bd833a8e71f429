/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What this machine can do at most, without a protocol: the figures of bbhostd stand beside these.
 *
 *   bench-floor connect COUNT   accept, one 64-byte round trip, close
 *   bench-floor rtt COUNT       64-byte round trips over one connection
 *   bench-floor stream MIB      one connection, read in pieces of 64 KiB
 *
 * The server is this process, on epoll; the client is its child. One line of JSON, with the server's own CPU time.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE = 64, PIECE = 65536 };

static double
now (clockid_t clock)
{
  struct timespec t;

  clock_gettime (clock, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void
must (int succeeded, const char *what)
{
  if (succeeded)
    return;
  perror (what);
  exit (1);
}

static int
connect_to (const struct sockaddr_in *address)
{
  int fd = socket (AF_INET, SOCK_STREAM, 0), one = 1;

  must (fd >= 0 && connect (fd, (const struct sockaddr *) address, sizeof *address) == 0, "connect");
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

static void
run_client (const struct sockaddr_in *address, const char *what, long count)
{
  static char piece[PIECE];
  int fd = -1;

  for (long i = 0; i < count; i++)
    {
      if (fd < 0)
        fd = connect_to (address);
      if (strcmp (what, "stream") == 0)
        for (int k = 0; k < (1 << 20) / PIECE; k++)
          must (write (fd, piece, PIECE) == PIECE, "write");
      else
        must (write (fd, piece, MESSAGE) == MESSAGE && read (fd, piece, MESSAGE) == MESSAGE, "round trip");
      if (strcmp (what, "connect") == 0)
        {
          close (fd);
          fd = -1;
        }
    }
  if (fd >= 0)
    close (fd);
}

static void
watch (int epoll, int fd)
{
  struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

  must (epoll_ctl (epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void
serve (int listener, long connections, int echo)
{
  static char piece[PIECE];
  int epoll = epoll_create1 (0);

  watch (epoll, listener);
  while (connections > 0)
    {
      struct epoll_event events[64];
      int n = epoll_wait (epoll, events, 64, -1);

      for (int i = 0; i < n; i++)
        {
          int fd = events[i].data.fd, peer;
          ssize_t got;

          if (fd == listener)
            {
              while ((peer = accept4 (listener, NULL, NULL, SOCK_NONBLOCK)) >= 0)
                watch (epoll, peer);
              continue;
            }
          got = read (fd, piece, PIECE);
          if (got > 0 && echo)
            must (write (fd, piece, got) == got, "write");
          if (got == 0)
            {
              close (fd);
              connections--;
            }
        }
    }
}

int
main (int argc, char **argv)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t length = sizeof address;
  double cpu, wall;
  long count;
  int listener;

  if (argc != 3 || (strcmp (argv[1], "connect") && strcmp (argv[1], "rtt") && strcmp (argv[1], "stream")))
    {
      fprintf (stderr, "usage: bench-floor connect|rtt|stream COUNT\n");
      return 64;
    }
  count = atol (argv[2]);
  listener = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  must (listener >= 0 && bind (listener, (struct sockaddr *) &address, sizeof address) == 0
          && listen (listener, SOMAXCONN) == 0 && getsockname (listener, (struct sockaddr *) &address, &length) == 0,
        "listen");
  if (fork () == 0)
    {
      close (listener);
      run_client (&address, argv[1], count);
      return 0;
    }
  cpu = now (CLOCK_PROCESS_CPUTIME_ID);
  wall = now (CLOCK_MONOTONIC);
  serve (listener, strcmp (argv[1], "connect") ? 1 : count, strcmp (argv[1], "stream"));
  printf ("{\"%s\": %ld, \"cpu_s\": %.6f, \"wall_s\": %.6f}\n", argv[1], count, now (CLOCK_PROCESS_CPUTIME_ID) - cpu,
          now (CLOCK_MONOTONIC) - wall);
  wait (NULL);
  return 0;
}
