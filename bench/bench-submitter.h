/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Where builds are asked for: bbhost's D-Bus interface, or a socket of the other master on which "submit ID BYTES" asks for
 * one and "done ID" tells that it is over (peer.cfg).
 */
typedef struct _BenchSubmitter BenchSubmitter;

typedef struct
{
  void (*replied) (gint64 taken_us, const GError *error, gpointer user_data); /* D-Bus: the request was answered */
  void (*done) (const char *id, gpointer user_data);                         /* socket: a build is over */
} BenchSubmitterEvents;

BenchSubmitter *bench_submitter_new_for_bus (const char *address, const BenchSubmitterEvents *events, gpointer user_data,
                                             GError **error);
BenchSubmitter *bench_submitter_new_for_socket (const char *path, const BenchSubmitterEvents *events, gpointer user_data,
                                                GError **error);
gboolean bench_submitter_tells_done (BenchSubmitter *self);
gsize bench_submitter_list_slaves (BenchSubmitter *self); /* D-Bus only: how many there are, once all are told */
/* @bytes: to be printed; 0: as many as slaves print by themselves */
void bench_submitter_submit (BenchSubmitter *self, const char *builder, const char *id, gsize bytes);

G_END_DECLS
