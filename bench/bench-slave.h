/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * One slave of the load generator: a connection that answers as a worker 3.7 does. Its code shares nothing with the one
 * that it measures, and does no more than the load needs.
 */
typedef struct _BenchSlave BenchSlave;

/* What the fleet wants to know; all are called from bench_slave_dispatch(). */
typedef struct
{
  void (*attached) (BenchSlave *slave, gpointer user_data);
  void (*kept_alive) (BenchSlave *slave, gpointer user_data);                /* a keepalive of ours was answered */
  void (*started) (BenchSlave *slave, const char *id, gpointer user_data);   /* a command begins */
  void (*completed) (BenchSlave *slave, const char *id, gpointer user_data); /* its end was taken note of */
  void (*lost) (BenchSlave *slave, gpointer user_data);
} BenchSlaveEvents;

typedef struct
{
  const char *host;
  guint16 port;
  gboolean is_msgpack; /* else PB */
  gsize output; /* bytes that a command prints when it does not say how many */
  const BenchSlaveEvents *events;
  gpointer user_data;
} BenchSlaveParameters;

/* Begins to connect; adds itself to @epoll with itself as data. */
BenchSlave *bench_slave_new (const char *name, const char *password, int epoll, const BenchSlaveParameters *parameters);
void bench_slave_free (BenchSlave *self);
void bench_slave_dispatch (BenchSlave *self, guint events);
void bench_slave_keepalive (BenchSlave *self); /* PB only */
gint64 bench_slave_get_connect_us (BenchSlave *self);

G_END_DECLS
