/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-latent-slave.h"

G_BEGIN_DECLS

/* What core counts on from every backend, whatever it is: run by bbhost-plugin-check against plugins of others, and by
 * the test programs of our own. */

/**
 * BbConformanceTarget:
 * @new_slave: (transfer full): a slave of that name whose instances start well; called again in a case, it is what a
 *   restarted bbhostd would have
 * @backend: given to @new_slave
 * @slave_name: of the slave that is started
 * @state_directory: exists, and is ours
 * @time_limit: seconds after which a call counts as one that never returns
 */
typedef struct
{
  BbLatentSlave *(*new_slave) (gpointer backend, const char *name);
  gpointer backend;
  const char *slave_name;
  const char *state_directory;
  guint time_limit;
} BbConformanceTarget;

typedef struct _BbConformance BbConformance;

typedef struct
{
  const char *name;
  const char *promise; /* one sentence */
  gboolean (*run) (BbConformance *self, GError **error);
} BbConformanceCase;

/* Ends with a row of zeros. */
const BbConformanceCase *bb_conformance_get_cases (void);

/**
 * bb_conformance_run:
 *
 * Turns the default main context until the case is over. Whatever it has started is stopped afterwards, also when it has
 * failed; what can't be is part of the error.
 *
 * Returns: %FALSE with an error that says what the backend did instead; %G_IO_ERROR_NOT_SUPPORTED when the case says
 *   nothing about this backend
 */
gboolean bb_conformance_run (const BbConformanceTarget *target, const BbConformanceCase *c, GError **error);

G_END_DECLS
