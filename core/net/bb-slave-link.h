/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-error.h"
#include "bb-slave-commands.h"

G_BEGIN_DECLS

/*
 * What the rest of core sees of a connected slave, whichever protocol it speaks.
 *
 * Signals: "lost" (GError *reason) once, when the connection has ended for whatever reason, after every command's
 * done() was called; "shutdown-requested" when the slave asks to be shut down gracefully.
 */
#define BB_TYPE_SLAVE_LINK (bb_slave_link_get_type ())
G_DECLARE_INTERFACE (BbSlaveLink, bb_slave_link, BB, SLAVE_LINK, GObject)

/* A running remote command; valid from start_command until done() was called. */
typedef struct _BbRemoteCommand BbRemoteCommand;

typedef enum
{
  BB_OUTPUT_STDOUT,
  BB_OUTPUT_STDERR,
  BB_OUTPUT_HEADER,
  BB_OUTPUT_LOG, /* a watched log file, with its name */
} BbOutput;

/* What a command tells. All functions are required; none may block. */
typedef struct
{
  /* Text, always valid UTF-8, at most 640 KiB a call; not NUL-terminated. */
  void (*output) (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length,
                  gpointer user_data);
  /* "rc" (x), "elapsed" (d), "failure_reason" (s), "files" (as), "stat" (ax), unknown ones; @value is borrowed. */
  void (*update) (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data);
  /* uploadFile, uploadDirectory: a block. FALSE with @error: the command is interrupted, further blocks are dropped. */
  gboolean (*write) (BbRemoteCommand *command, const guint8 *data, gsize length, gpointer user_data, GError **error);
  void (*close) (BbRemoteCommand *command, gpointer user_data);  /* the last block was written or read */
  void (*utime) (BbRemoteCommand *command, double access_time, double modified_time, gpointer user_data);
  /* downloadFile: the slave waits for the next at most @length bytes. Each is answered once by bb_slave_link_give_block(), here
   * or later, but not after done(). */
  void (*read) (BbRemoteCommand *command, gsize length, gpointer user_data);
  /* Exactly once, last: @error is %NULL when the slave said "complete" without a failure; %BB_ERROR_LOST when the
   * connection ended. Only here is the command over: "rc" may come earlier, or never. */
  void (*done) (BbRemoteCommand *command, const GError *error, gpointer user_data);
} BbCommandEvents;

typedef struct
{
  char *name;
  char *builddir;
} BbBuilderDir;

struct _BbSlaveLinkInterface
{
  GTypeInterface parent_iface;

  const char *(*get_protocol) (BbSlaveLink *self);
  const char *(*get_peer_address) (BbSlaveLink *self);
  gint64 (*get_last_message_us) (BbSlaveLink *self);

  const char *(*get_command_token) (BbSlaveLink *self);         /* NULL: its commands end with the connection */
  void (*stop_commands) (BbSlaveLink *self, const char *token); /* NULL: likewise */

  void (*accept) (BbSlaveLink *self);
  void (*refuse) (BbSlaveLink *self, gboolean duplicate, const char *reason);

  void (*get_info_async) (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);
  GVariant *(*get_info_finish) (BbSlaveLink *self, GAsyncResult *result, GError **error);
  BbSlaveCommands *(*get_commands) (BbSlaveLink *self);
  void (*set_builders_async) (BbSlaveLink *self, const BbBuilderDir *builders, gsize n_builders,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*set_builders_finish) (BbSlaveLink *self, GAsyncResult *result, GError **error);
  void (*ping_async) (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*ping_finish) (BbSlaveLink *self, GAsyncResult *result, GError **error);
  void (*shutdown_async) (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data);
  gboolean (*shutdown_finish) (BbSlaveLink *self, GAsyncResult *result, GError **error);

  BbRemoteCommand *(*start_command) (BbSlaveLink *self, const char *builder, const char *name, GVariant *args,
                                     const BbCommandEvents *events, gpointer user_data, GError **error);
  void (*interrupt) (BbSlaveLink *self, BbRemoteCommand *command, const char *why);
  void (*give_block) (BbSlaveLink *self, BbRemoteCommand *command, GBytes *block, const GError *error);
  void (*set_reading) (BbSlaveLink *self, gboolean reading);
  void (*close) (BbSlaveLink *self, const GError *reason);
};

const char *bb_slave_link_get_protocol (BbSlaveLink *self);     /* "pb" or "msgpack" */
const char *bb_slave_link_get_peer_address (BbSlaveLink *self); /* "192.0.2.1:1234" */
/* Loop time (monotonic) of the last bytes that arrived. */
gint64 bb_slave_link_get_last_message_us (BbSlaveLink *self);

/**
 * bb_slave_link_accept:
 *
 * Ends the login that the login host was asked to decide, favourably. Called once, before or after
 * get_info/set_builders; bb_slave_link_refuse() instead ends it unfavourably and the link closes in the manner that
 * is right for its protocol. With @duplicate the slave is told that another one of its name is attached, which
 * makes a PB worker's process exit, as Buildbot means it to (worker-protocol 4.4); otherwise the connection is just
 * closed, and the slave will try again.
 */
void bb_slave_link_accept (BbSlaveLink *self);
void bb_slave_link_refuse (BbSlaveLink *self, gboolean duplicate, const char *reason);

/**
 * bb_slave_link_get_info_async:
 *
 * Asks what the slave is: getWorkerInfo, or getSlaveInfo, getVersion and getCommands for old ones. The result is an
 * a{sv} with the texts of its info files ("admin", "host", "access_uri", …), "version", "system", "basedir",
 * "numcpus", "os_…". The environment is left out: it can hold secrets and is large. What the slave did not tell is missing. Fails with %BB_ERROR_TIMEOUT (60 s), %BB_ERROR_LOST,
 * %BB_ERROR_PROTOCOL.
 */
void bb_slave_link_get_info_async (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
GVariant *bb_slave_link_get_info_finish (BbSlaveLink *self, GAsyncResult *result, GError **error);
/* (transfer none): known since its info is; %NULL: it did not tell */
BbSlaveCommands *bb_slave_link_get_commands (BbSlaveLink *self);

/**
 * bb_slave_link_set_builders_async:
 * @builders: the complete list, never an incomplete one "for now": a worker deletes directories of builders that
 *   are missing from it (worker-protocol 5.3); copied before this returns
 *
 * After get_info, as text must be sent in the form that the slave's Python takes. A builder that is gone from the
 * list while a command of it runs never completes, so core removes it after that.
 */
void bb_slave_link_set_builders_async (BbSlaveLink *self, const BbBuilderDir *builders, gsize n_builders,
                                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_slave_link_set_builders_finish (BbSlaveLink *self, GAsyncResult *result, GError **error);

/* A small call that a living slave answers at once; fails with %BB_ERROR_TIMEOUT when neither the answer nor any
 * other byte arrived for 60 s (a busy slave that sends a log is alive), %BB_ERROR_LOST. */
void bb_slave_link_ping_async (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
gboolean bb_slave_link_ping_finish (BbSlaveLink *self, GAsyncResult *result, GError **error);

/* Tells the slave's process to end. */
void bb_slave_link_shutdown_async (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
gboolean bb_slave_link_shutdown_finish (BbSlaveLink *self, GAsyncResult *result, GError **error);

/**
 * bb_slave_link_get_command_token:
 *
 * A msgpack slave lets its commands run on when the connection ends (worker-protocol 7.8). Whoever has this token, which
 * may be stored, can stop them over a later connection, be it of a later life of the daemon.
 *
 * Returns: (nullable): %NULL when nothing can be left behind: over PB, or nothing ran when the connection was lost
 */
const char *bb_slave_link_get_command_token (BbSlaveLink *self);
/**
 * bb_slave_link_stop_commands:
 * @token: of an earlier connection of the same slave
 *
 * Tells the slave to stop what that connection left running for those builders that it has now. After set_builders,
 * before the first command; what has ended already is no error.
 */
void bb_slave_link_stop_commands (BbSlaveLink *self, const char *token);

/**
 * bb_slave_link_start_command:
 * @builder: one of the list given to set_builders, without a running command: a slave runs one at a time per builder
 * @name: in Buildbot's PB words: `shell`, `uploadFile`, `uploadDirectory`, `downloadFile`, `mkdir`, `rmdir`,
 *   `cpdir`, `stat`, `glob`, `listdir`, `rmfile`
 * @args: a{sv} with the arguments of worker-protocol 5.6 as a present-day worker takes them (workersrc, workerdest,
 *   relative paths), sunk if floating. Strings are text, `ay` bytes, `mv` an absent value (None), `b`, integers,
 *   `d`, `as`/`av` lists, `a{sv}`/`a{ss}` dictionaries. A list element (sss) whose first member is "obfuscated"
 *   is an obfuscated argument. The link translates what its peer wants otherwise (slavesrc, usePTY, absolute paths)
 *   and adds the writer or reader.
 * @events: static
 *
 * Returns: the command, or %NULL with @error when there is no such builder, it is busy, or @name is not among
 *   the slave's commands; then no event is called. An error that the slave itself answers comes by done().
 */
BbRemoteCommand *bb_slave_link_start_command (BbSlaveLink *self, const char *builder, const char *name,
                                              GVariant *args, const BbCommandEvents *events, gpointer user_data,
                                              GError **error);
/* Asks the slave to stop it; done() still comes. */
void bb_slave_link_interrupt (BbSlaveLink *self, BbRemoteCommand *command, const char *why);

/* The answer to read(): empty at the end of the file. %NULL with @error: the command is interrupted; done() still comes. */
void bb_slave_link_give_block (BbSlaveLink *self, BbRemoteCommand *command, GBytes *block, const GError *error);

/* FALSE: leave what the slave sends in the socket, so that TCP slows it down. Counted: as many TRUE as FALSE. */
void bb_slave_link_set_reading (BbSlaveLink *self, gboolean reading);

/* Ends the connection now; "lost" is emitted with @reason, from the loop's next turn at the latest. */
void bb_slave_link_close (BbSlaveLink *self, const GError *reason);

G_END_DECLS
