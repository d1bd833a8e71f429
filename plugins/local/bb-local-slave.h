/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

typedef struct
{
  char *command;
  char **argv; /* NULL: the worker that command names */
  char **env;
  double stop_timeout; /* seconds */
} BbLocalConfig;

/* A worker that is a process of this machine, in a folder that is thrown away with it. */
#define BB_TYPE_LOCAL_SLAVE (bb_local_slave_get_type ())
G_DECLARE_FINAL_TYPE (BbLocalSlave, bb_local_slave, BB, LOCAL_SLAVE, BbAbstractSlave)

G_END_DECLS
