/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-pb-arguments.h"
#include "bb-pb-broker.h"
#include "bb-slave-link.h"

G_BEGIN_DECLS

/* One remote command of a slave: the object that it sends its updates to and, for transfers, the one it reads from or writes to. */

/* The command has ended, before done() is called: it has left the builder. */
typedef void (*BbPbCommandEnded) (BbRemoteCommand *command, gpointer user_data);

/* Sends startCommand to @builder (the number of the slave's object). @args: from bb_pb_arguments_translate() */
BbRemoteCommand *bb_pb_command_start (BbPbBroker *broker, gint64 builder, const char *name, GVariant *args,
                                      const BbCommandEvents *events, gpointer user_data, BbPbCommandEnded ended,
                                      gpointer ended_data);

G_END_DECLS
