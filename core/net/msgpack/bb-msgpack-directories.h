/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-msgpack-arguments.h"
#include "bb-msgpack-session.h"

G_BEGIN_DECLS

/* The directories of a slave's builders, of which it knows nothing: they are made, and what else there is removed where that is
 * wanted, by commands of the link itself. */

/* Starts a command that belongs to no builder; @args: (transfer full): as the slave takes them */
typedef BbRemoteCommand *(*BbMsgpackStartOwn) (gpointer link, const char *name, GVariant *args, const BbCommandEvents *events,
                                               gpointer user_data);

typedef struct
{
  BbMsgpackSession *session;
  const char *slave_name;
  const BbMsgpackPlace *place;
  gboolean remove_leftovers; /* the slave's own option delete_leftover_dirs */
  BbMsgpackStartOwn start;
} BbMsgpackDirectoriesWay;

/**
 * bb_msgpack_directories_set_up:
 * @way: valid for as long as the link is
 * @names: (transfer full): directories of all builders
 * @task: (transfer full): of the link, whose data is set; returns %TRUE, or the error
 *
 * What can't be removed is logged and stays, as slaves of Perspective Broker do it.
 */
void bb_msgpack_directories_set_up (const BbMsgpackDirectoriesWay *way, GStrv names, GTask *task);

G_END_DECLS
