/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bb-log.h"
#include "bb-login-ticket.h"
#include "bb-port-holder.h"

/* Accepted in one turn before anything else is done; more of them in the next. */
#define ACCEPTS_PER_TURN 4096
/* How long nothing is accepted when the process has no descriptor left. */
#define PAUSE_US (1 * G_USEC_PER_SEC)

/* A path that is dead for this long is found by the kernel; the keepalive of the application is the finer one. */
#define TCP_KEEPALIVE_IDLE_S 600

const BbListenerLimits bb_listener_default_limits = {
  .max_unauthenticated = 4096,
  .max_unauthenticated_per_address = 2048,
  .login_time_us = 30 * G_USEC_PER_SEC,
};

struct _BbListener
{
  GObject parent_instance;

  BbLoop *loop;
  char *name;
  BbProtocolBegin begin;
  BbLoginHost *login_host; /* not owned: it owns the listener's owner */
  BbListenerLimits limits;
  BbTlsContext *tls; /* NULL: none */
  BbWatch watch;
  BbTimer pause;
  int fd;
  guint16 port;

  GQueue tickets;          /* of BbLoginTicket, the oldest first */
  GHashTable *per_address; /* host of the tickets → GQueue of them, the oldest first */
  BbLoginThrottle *throttle;
  BbStrangerLog *log;
};

G_DEFINE_FINAL_TYPE (BbListener, bb_listener, G_TYPE_OBJECT)

struct _BbLoginTicket
{
  BbListener *listener; /* not owned: a listener that goes evicts first */
  BbStranger *stranger;
  GList in_all;
  GList in_address;
  BbEvictFunc evict;
  gpointer user_data;
};

BbStranger *
bb_login_ticket_get_stranger (BbLoginTicket *self)
{
  return self->stranger;
}

BbLoginThrottle *
bb_login_ticket_get_throttle (BbLoginTicket *self)
{
  return self->listener->throttle;
}

void
bb_login_ticket_set_evict (BbLoginTicket *self, BbEvictFunc evict, gpointer user_data)
{
  self->evict = evict;
  self->user_data = user_data;
}

void
bb_login_ticket_release (BbLoginTicket *self)
{
  BbListener *listener = self->listener;
  const char *host = bb_stranger_get_host (self->stranger);
  GQueue *same_address = g_hash_table_lookup (listener->per_address, host);

  g_queue_unlink (&listener->tickets, &self->in_all);
  g_queue_unlink (same_address, &self->in_address);
  if (g_queue_is_empty (same_address))
    g_hash_table_remove (listener->per_address, host);
  bb_stranger_unref (self->stranger);
  g_free (self);
}

static void
evict (BbLoginTicket *ticket, const char *why)
{
  BbEvictFunc func = ticket->evict;
  gpointer user_data = ticket->user_data;

  bb_login_ticket_release (ticket);
  if (func != NULL)
    func (why, user_data);
}

/* @host: where the peer counts; @address: the whole of it */
static BbLoginTicket *
issue_ticket (BbListener *self, const char *host, const char *address)
{
  GQueue *same_address = g_hash_table_lookup (self->per_address, host);
  BbLoginTicket *ticket;

  if (same_address != NULL && same_address->length >= self->limits.max_unauthenticated_per_address)
    evict (g_queue_peek_head (same_address), "too many connections of this address have not logged in");
  if (self->tickets.length >= self->limits.max_unauthenticated)
    evict (g_queue_peek_head (&self->tickets), "too many connections have not logged in");

  same_address = g_hash_table_lookup (self->per_address, host);
  if (same_address == NULL)
    {
      same_address = g_queue_new ();
      g_hash_table_insert (self->per_address, g_strdup (host), same_address);
    }
  ticket = g_new0 (BbLoginTicket, 1);
  ticket->listener = self;
  ticket->stranger = bb_stranger_new (self->log, host, address);
  ticket->in_all.data = ticket;
  ticket->in_address.data = ticket;
  g_queue_push_tail_link (&self->tickets, &ticket->in_all);
  g_queue_push_tail_link (same_address, &ticket->in_address);
  return ticket;
}

static BbLoginTicket *
issue_ticket_v6 (BbListener *self, const struct sockaddr_in6 *peer)
{
  struct in6_addr network = peer->sin6_addr;
  char host[INET6_ADDRSTRLEN];
  g_autofree char *address = NULL;

  if (IN6_IS_ADDR_V4MAPPED (&peer->sin6_addr))
    {
      inet_ntop (AF_INET, &peer->sin6_addr.s6_addr[12], host, sizeof host);
      address = g_strdup_printf ("%s:%u", host, ntohs (peer->sin6_port));
      return issue_ticket (self, host, address);
    }
  inet_ntop (AF_INET6, &peer->sin6_addr, host, sizeof host);
  address = g_strdup_printf ("[%s]:%u", host, ntohs (peer->sin6_port));
  /* Everybody with an IPv6 network has 2^64 addresses. */
  memset (&network.s6_addr[8], 0, 8);
  inet_ntop (AF_INET6, &network, host, sizeof host);
  return issue_ticket (self, host, address);
}

static BbLoginTicket *
issue_ticket_for (BbListener *self, const struct sockaddr_storage *peer)
{
  const struct sockaddr_in *v4 = (const struct sockaddr_in *) peer;
  char host[INET_ADDRSTRLEN];
  g_autofree char *address = NULL;

  if (peer->ss_family == AF_INET6)
    return issue_ticket_v6 (self, (const struct sockaddr_in6 *) peer);
  inet_ntop (AF_INET, &v4->sin_addr, host, sizeof host);
  address = g_strdup_printf ("%s:%u", host, ntohs (v4->sin_port));
  return issue_ticket (self, host, address);
}

/* Errors of one connection that was gone before it was accepted; accept(2) passes them on. */
static gboolean
is_passing (int error)
{
  return error == EINTR || error == ECONNABORTED || error == EPROTO || error == ENETDOWN || error == ENOPROTOOPT
         || error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH || error == EOPNOTSUPP
         || error == ENETUNREACH;
}

/* Takes over @fd. */
static void
begin (BbListener *self, int fd, const struct sockaddr_storage *peer)
{
  BbLoginTicket *ticket = issue_ticket_for (self, peer);
  gpointer tls = NULL;

  if (self->tls != NULL)
    {
      tls = bb_tls_connection_new (self->tls, fd, ticket->stranger);
      if (tls == NULL)
        {
          if (bb_stranger_may_be_logged (ticket->stranger, G_LOG_LEVEL_WARNING))
            bb_log_host (G_LOG_LEVEL_WARNING, "connection from %s: no memory for TLS",
                         bb_stranger_get_address (ticket->stranger));
          bb_login_ticket_release (ticket);
          close (fd);
          return;
        }
    }
  self->begin (self->loop, fd, tls != NULL ? &bb_tls_transport : NULL, tls, ticket, self->login_host,
               self->limits.login_time_us);
}

static void
accept_cb (BbWatch *watch, guint events, gpointer user_data)
{
  BbListener *self = user_data;

  for (guint i = 0; i < ACCEPTS_PER_TURN; i++)
    {
      struct sockaddr_storage address;
      socklen_t length = sizeof address;
      int fd = accept4 (self->fd, (struct sockaddr *) &address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

      if (fd < 0 && is_passing (errno))
        continue;
      if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
      if (fd < 0)
        {
          bb_log_host (G_LOG_LEVEL_WARNING, "listener %s: cannot accept connections: %s; trying again in 1 s",
                       self->name, g_strerror (errno));
          bb_watch_set_events (&self->watch, 0);
          bb_timer_start_in (&self->pause, PAUSE_US);
          return;
        }
      begin (self, fd, &address);
    }
}

static void
pause_over_cb (BbTimer *timer, gpointer user_data)
{
  BbListener *self = user_data;

  bb_watch_set_events (&self->watch, EPOLLIN);
}

static gboolean
make_address (const char *text, guint16 port, struct sockaddr_storage *address, socklen_t *length)
{
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *) address;
  struct sockaddr_in *v4 = (struct sockaddr_in *) address;

  memset (address, 0, sizeof *address);
  if (inet_pton (AF_INET, text, &v4->sin_addr) == 1)
    {
      v4->sin_family = AF_INET;
      v4->sin_port = htons (port);
      *length = sizeof *v4;
      return TRUE;
    }
  if (inet_pton (AF_INET6, text, &v6->sin6_addr) == 1)
    {
      v6->sin6_family = AF_INET6;
      v6->sin6_port = htons (port);
      *length = sizeof *v6;
      return TRUE;
    }
  return FALSE;
}

/* Of the socket that listens: those that it accepts inherit them. */
static void
set_socket_options (int fd)
{
  const int on = 1, idle = TCP_KEEPALIVE_IDLE_S;

  setsockopt (fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt (fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A socket that listens, or -1 with errno. */
static int
bind_socket (const struct sockaddr_storage *address, socklen_t length)
{
  const int on = 1, off = 0;
  int fd = socket (address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address->ss_family == AF_INET6)
    setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  set_socket_options (fd);
  if (bind (fd, (const struct sockaddr *) address, length) == 0 && listen (fd, SOMAXCONN) == 0)
    return fd;
  else
    {
      int saved = errno;

      close (fd);
      errno = saved;
      return -1;
    }
}

static gboolean
bind_listener (BbListener *self, const char *address, guint16 port, GError **error)
{
  gboolean any = address == NULL || g_str_equal (address, "*");
  struct sockaddr_storage bound;
  socklen_t length;

  if (!make_address (any ? "::" : address, port, &bound, &length))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "listener %s: address: \"%s\" is not an IP address", self->name,
                   address);
      return FALSE;
    }
  self->fd = bind_socket (&bound, length);
  if (self->fd < 0 && any && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
    {
      make_address ("0.0.0.0", port, &bound, &length);
      self->fd = bind_socket (&bound, length);
    }
  if (self->fd < 0)
    {
      int saved = errno;
      g_autofree char *holder = saved == EADDRINUSE ? bb_port_holder_describe (port) : g_strdup ("");

      g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "listener %s: cannot bind %s port %u: %s%s", self->name,
                   any ? "*" : address, port, g_strerror (saved), holder);
      return FALSE;
    }
  length = sizeof bound;
  getsockname (self->fd, (struct sockaddr *) &bound, &length);
  self->port = ntohs (bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &bound)->sin6_port
                                                  : ((struct sockaddr_in *) &bound)->sin_port);
  return bb_watch_start (&self->watch, self->loop, self->fd, EPOLLIN, accept_cb, self, error);
}

static BbProtocolBegin
find_protocol (const char *name)
{
  if (g_str_equal (name, "pb"))
    return bb_pb_login_begin;
  return g_str_equal (name, "msgpack") ? bb_msgpack_login_begin : NULL;
}

BbListener *
bb_listener_new (BbLoop *loop, const char *name, const char *protocol, const char *address, guint16 port,
                 BbLoginHost *login_host, const BbListenerLimits *limits, GError **error)
{
  g_autoptr (BbListener) self = g_object_new (BB_TYPE_LISTENER, NULL);

  self->loop = g_object_ref (loop);
  self->name = g_strdup (name);
  self->login_host = login_host;
  self->limits = *limits;
  self->begin = find_protocol (protocol);
  if (self->begin == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_CONFIG, "listener %s: protocol: \"%s\" is neither \"pb\" nor \"msgpack\"", name,
                   protocol);
      return NULL;
    }
  self->throttle = bb_login_throttle_new (loop);
  self->log = bb_stranger_log_new (loop, name);
  bb_timer_init (&self->pause, loop, pause_over_cb, self);
  if (!bind_listener (self, address, port, error))
    return NULL;
  return g_steal_pointer (&self);
}

void
bb_listener_set_limits (BbListener *self, const BbListenerLimits *limits)
{
  self->limits = *limits;
}

void
bb_listener_set_tls (BbListener *self, BbTlsContext *tls)
{
  BbTlsContext *old = self->tls;

  self->tls = tls != NULL ? bb_tls_context_ref (tls) : NULL;
  g_clear_pointer (&old, bb_tls_context_unref);
}

const char *
bb_listener_get_name (BbListener *self)
{
  return self->name;
}

guint16
bb_listener_get_port (BbListener *self)
{
  return self->port;
}

guint
bb_listener_count_unauthenticated (BbListener *self)
{
  return self->tickets.length;
}

void
bb_listener_close (BbListener *self)
{
  bb_timer_stop (&self->pause);
  bb_watch_stop (&self->watch);
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
  while (!g_queue_is_empty (&self->tickets))
    evict (g_queue_peek_head (&self->tickets), "the listener closes");
  if (self->log != NULL)
    bb_stranger_log_close (self->log);
}

static void
bb_listener_finalize (GObject *object)
{
  BbListener *self = BB_LISTENER (object);

  bb_listener_close (self);
  g_hash_table_unref (self->per_address);
  g_clear_pointer (&self->throttle, bb_login_throttle_free);
  g_clear_pointer (&self->log, bb_stranger_log_unref);
  g_clear_pointer (&self->tls, bb_tls_context_unref);
  g_clear_object (&self->loop);
  g_free (self->name);
  G_OBJECT_CLASS (bb_listener_parent_class)->finalize (object);
}

static void
bb_listener_class_init (BbListenerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_listener_finalize;
}

static void
free_queue (gpointer data)
{
  g_queue_free (data);
}

static void
bb_listener_init (BbListener *self)
{
  self->fd = -1;
  g_queue_init (&self->tickets);
  self->per_address = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, free_queue);
}
