/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bench-slave.h"

G_BEGIN_DECLS

enum { BENCH_PIECE = 65536 }; /* of output in one message at most, as a worker's buffer has it */

/* What a master has asked for and the slave pretends to run. */
typedef struct
{
  char *id;       /* of the build, from the command's words; NULL: they tell none */
  char *master_id; /* msgpack: the master's name for the command */
  gint64 object;  /* PB: the master's object */
  gint64 last_request; /* that says it is over, once @is_over */
  gsize left;     /* bytes of output still to send */
  gboolean begun;
  gboolean is_over;
} BenchCommand;

/* What the two protocols do differently; all write to @out and read from @in of their slave. */
typedef struct
{
  void (*open) (BenchSlave *self);    /* what the slave says first */
  void (*receive) (BenchSlave *self); /* takes what it can of @in */
  /* @length bytes more of output, none perhaps; the last call says that the command is over, and sets @last_request. */
  void (*put_output) (BenchSlave *self, BenchCommand *command, gsize length, gboolean is_last);
  void (*put_keepalive) (BenchSlave *self); /* NULL: workers send none */
  void (*close) (BenchSlave *self);
} BenchProtocol;

struct _BenchSlave
{
  const BenchSlaveParameters *parameters;
  char *name;
  char *password;
  int fd;
  int epoll;
  guint watched;
  gboolean attached;
  gint64 connect_us;
  GPtrArray *commands;
  GByteArray *in;
  GByteArray *out;
  gsize written;
  gpointer session; /* the protocol's own */
};

extern const BenchProtocol bench_pb, bench_msgpack;

/* @words: what is to be run, where "bench ID BYTES" says how much it prints; @length: of it */
BenchCommand *bench_command_new (BenchSlave *self, const char *words, gsize length);
void bench_command_free (BenchCommand *command);
void bench_slave_start_command (BenchSlave *self, BenchCommand *command); /* (transfer full) */
void bench_slave_end_command (BenchSlave *self, gint64 last_request);     /* the master has taken note of it */
void bench_slave_set_attached (BenchSlave *self);
void bench_slave_lose (BenchSlave *self);

const char *bench_output_text (gsize length); /* that many bytes; @length is at most BENCH_PIECE */
const char *bench_header_text (void);

extern const char *const bench_info_texts[][2];
extern const char *const bench_info_commands[];
extern const guint bench_n_info_texts, bench_n_info_commands;

G_END_DECLS
