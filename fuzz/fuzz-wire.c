/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz-wire.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>

static FuzzWire *wire;             /* that is open */
static struct epoll_event watched; /* what BbLoop waits for on it; 0: nothing */
static int epoll_fd;               /* that waits for it */
static int nothing_fd;

static guint32
get_ready (void)
{
  guint32 ready = 0;

  if (wire == NULL)
    return 0;
  if (wire->start < wire->bytes->len || wire->ended)
    ready |= EPOLLIN;
  if (wire->peer_reads)
    ready |= EPOLLOUT;
  return ready & watched.events;
}

/* In place of the C library's: of the one loop and the one descriptor that there are. */

int
epoll_ctl (int fd, int operation, int watched_fd, struct epoll_event *event)
{
  epoll_fd = fd;
  if (operation == EPOLL_CTL_DEL)
    watched.events = 0;
  else
    watched = *event;
  return 0;
}

int
epoll_wait (int fd, struct epoll_event *events, int max_events, int timeout_ms)
{
  if (get_ready () == 0)
    return 0;
  events[0] = (struct epoll_event){ .events = get_ready (), .data = watched.data };
  return 1;
}

/* In place of poll(): nothing but epoll is waited for, and never blocking. */
static int
poll_wire (GPollFD *fds, guint n_fds, int timeout_ms)
{
  gboolean ready = get_ready () != 0;

  g_assert_cmpint (timeout_ms, ==, 0);
  for (guint i = 0; i < n_fds; i++)
    fds[i].revents = ready && fds[i].fd == epoll_fd ? fds[i].events : 0;
  return ready ? 1 : 0;
}

static gssize
wire_receive (gpointer transport, int fd, guint8 *data, gsize length, guint *wait)
{
  FuzzWire *self = transport;
  gsize n = MIN (length, self->bytes->len - self->start);

  *wait = EPOLLIN;
  if (n > 0)
    {
      memcpy (data, self->bytes->data + self->start, n);
      self->start += n;
      return (gssize) n;
    }
  if (self->ended)
    return 0;
  errno = EAGAIN;
  return -1;
}

static gssize
wire_send (gpointer transport, int fd, const guint8 *data, gsize length, guint *wait)
{
  *wait = EPOLLOUT;
  if (((FuzzWire *) transport)->peer_reads)
    return (gssize) length;
  errno = EAGAIN;
  return -1;
}

const BbTransport fuzz_wire_transport = { wire_receive, wire_send, NULL, NULL };

void
fuzz_wire_set_up (void)
{
  nothing_fd = open ("/dev/null", O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (nothing_fd, >=, 0);
  g_main_context_set_poll_func (NULL, poll_wire);
}

int
fuzz_wire_open (FuzzWire *self)
{
  int fd = fcntl (nothing_fd, F_DUPFD_CLOEXEC, 0);

  g_assert_cmpint (fd, >=, 0);
  *self = (FuzzWire){ .bytes = g_byte_array_new (), .peer_reads = TRUE };
  wire = self;
  return fd;
}

void
fuzz_wire_clear (FuzzWire *self)
{
  g_assert_cmpuint (watched.events, ==, 0);
  g_byte_array_unref (self->bytes);
  wire = NULL;
}
