/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-remote-command.h"

G_BEGIN_DECLS

/* Where a slave works: over msgpack it is told whole paths (worker-protocol 7.3, 7.5). */
typedef struct
{
  char *base;       /* its base directory */
  char *home;       /* (nullable): of the user that it runs as */
  gboolean windows; /* how its paths are written */
} BbMsgpackPlace;

void bb_msgpack_place_clear (BbMsgpackPlace *self);

/* (transfer full): @path as seen from @directory; what is absolute stays */
char *bb_msgpack_place_join (const BbMsgpackPlace *self, const char *directory, const char *path);

/* What the command @name of bb_slave_link_start_command() is called here; %NULL: there is none */
const char *bb_msgpack_command_name (const char *name);

/**
 * bb_msgpack_arguments_translate:
 * @directory: the builder's, absolute
 * @args: a{sv} as bb_slave_link_start_command() takes them
 *
 * Fails with %BB_ERROR_INVALID_ARGUMENT for what can't be sent; the error names the argument.
 *
 * Returns: (transfer full) (nullable): an a{sv}
 */
GVariant *bb_msgpack_arguments_translate (const BbMsgpackPlace *place, const char *directory, const char *name,
                                          GVariant *args, GError **error);

G_END_DECLS
