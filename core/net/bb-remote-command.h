/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-output-text.h"
#include "bb-slave-link.h"
#include "bb-stream.h"

G_BEGIN_DECLS

/*
 * What a remote command is whichever protocol it came by: what its owner is told, in which order, what it may send, and the
 * watchdog. A protocol has a struct that begins with this one, reads messages and writes them.
 */

typedef enum
{
  BB_NO_TRANSFER,
  BB_UPLOAD,
  BB_DOWNLOAD,
} BbTransferKind;

typedef struct
{
  void (*send_interrupt) (BbRemoteCommand *self, const char *why);
  /* The answer to the read that is under way: at most as many bytes as were asked for, none at the end. */
  void (*send_block) (BbRemoteCommand *self, const guint8 *data, gsize length);
  /* The command is over: it leaves the protocol's tables. What comes of it later finds nothing. */
  void (*leave) (BbRemoteCommand *self);
  /* Ends the connection. */
  void (*close) (BbRemoteCommand *self, const GError *error);
} BbRemoteCommandClass;

struct _BbRemoteCommand
{
  /*< private >*/
  const BbRemoteCommandClass *klass;
  BbLoop *loop;
  BbStream *stream;
  const BbCommandEvents *events;
  gpointer user_data;
  guint in_event; /* freed after the event that ended it */
  gboolean over;

  GVariant *log_files;    /* that were asked for: name → …; NULL: none */
  BbTextCarry carries[2]; /* of stdout and stderr */
  BbOutput output;        /* whose text is being handed on */
  const char *output_name;

  BbTransferKind transfer;
  gint64 size_left;  /* that may still be written */
  gsize read_length; /* what the read that is under way asks for; 0: none is */
  gboolean closed;
  GError *failure; /* of our side of a transfer: the slave is told nothing of it but to stop */

  /* What the watchdog looks at; all of the loop's time, 0 when it has not happened. */
  BbTimer watchdog;
  gint64 sign_us;    /* of life */
  gint64 silence_us; /* for as long as it may give none */
  gint64 end_us;     /* when it is to be over */
  gint64 elapsed_us; /* when "elapsed" came */
  gint64 interrupted_us;
  gint64 interrupt_limit_us;
  gboolean excused; /* we did not read when the watchdog looked last */
};

BbTransferKind bb_transfer_kind_of (const char *command);

/* @self: zeroed, from g_malloc(), owned by itself from here on. @name: of the command, in the words of bb-slave-link.h;
 * @args: as bb_slave_link_start_command() takes them */
void bb_remote_command_init (BbRemoteCommand *self, const BbRemoteCommandClass *klass, BbLoop *loop, BbStream *stream,
                             const char *name, GVariant *args, const BbCommandEvents *events, gpointer user_data);
/* Around everything that a message of the slave makes happen: in between the command is not freed. */
void bb_remote_command_enter (BbRemoteCommand *self);
void bb_remote_command_leave (BbRemoteCommand *self);
gboolean bb_remote_command_is_over (BbRemoteCommand *self);

/* Text of any bytes. @cut_anywhere: its pieces may end within a character. */
void bb_remote_command_receive_output (BbRemoteCommand *self, BbOutput stream, const char *text, gsize length,
                                       gboolean cut_anywhere);
/* Of a file that was asked for: nobody else may open logs. */
void bb_remote_command_receive_log (BbRemoteCommand *self, const char *name, const char *text, gsize length);
/* @value: (nullable) (transfer floating): in the type that bb-slave-link.h promises for @key */
void bb_remote_command_receive_value (BbRemoteCommand *self, const char *key, GVariant *value);

/* Transfers. One that failed on our side is stopped, and goes on being answered (worker-protocol 5.7.6). */
void bb_remote_command_receive_block (BbRemoteCommand *self, const guint8 *data, gsize length);
void bb_remote_command_receive_utime (BbRemoteCommand *self, double access_time, double modified_time);
void bb_remote_command_receive_close (BbRemoteCommand *self);
/* FALSE: the last read is not answered yet, so that this one is against the protocol. */
gboolean bb_remote_command_receive_read (BbRemoteCommand *self, gint64 wanted);

/* The slave said that it is complete, or did not start it; or it ends from our side. Calls done(). */
void bb_remote_command_finish (BbRemoteCommand *self, const GError *error);

/* The link's: see bb-slave-link.h */
void bb_remote_command_interrupt (BbRemoteCommand *self, const char *why);
void bb_remote_command_give_block (BbRemoteCommand *self, GBytes *block, const GError *error);

G_END_DECLS
