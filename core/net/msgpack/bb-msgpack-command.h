/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-msgpack-session.h"
#include "bb-remote-command.h"

G_BEGIN_DECLS

/* One remote command of a slave, which its requests name by an id. */

/* The command has ended, before done() is called. */
typedef void (*BbMsgpackCommandEnded) (BbRemoteCommand *command, gpointer user_data);

/* Sends start_command. @name: in the words of bb-slave-link.h; @args: as they were given, for the limits; @translated: from
 * bb_msgpack_arguments_translate() */
BbRemoteCommand *bb_msgpack_command_start (BbMsgpackSession *session, const char *id, const char *name, GVariant *args,
                                           GVariant *translated, const BbCommandEvents *events, gpointer user_data,
                                           BbMsgpackCommandEnded ended, gpointer ended_data);
const char *bb_msgpack_command_get_id (BbRemoteCommand *command);
/* The slave does not run it any more, or never did: whoever ended it, its id is free. */
gboolean bb_msgpack_command_is_gone (BbRemoteCommand *command);
/* A request that names it. */
void bb_msgpack_command_receive (BbRemoteCommand *command, const BbMsgpackRequest *request);

/* To stop what has this id, be it of an earlier connection. */
void bb_msgpack_command_interrupt_id (BbMsgpackSession *session, const char *id, const char *why);

G_END_DECLS
