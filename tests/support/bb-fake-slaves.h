/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-types.h"
#include "bb-slave-manager.h"

G_BEGIN_DECLS

/*
 * Stands in for the slave manager when a test is linked with bb-fake-slaves.c: what the builds ask of it, answered as
 * the test says. Places are counted as the real one does; a machine starts when the test says that it has.
 */
BbSlaveManager *bb_fake_slaves_new (void);
BbSlave *bb_fake_slaves_add (BbSlaveManager *self, const char *name, gint64 max_builds, gboolean latent);
void bb_fake_slaves_remove (BbSlaveManager *self, BbSlave *slave);

/* Attached with @link; NULL: detached, or not substantiated. Loses the link that was there. */
void bb_fake_slaves_attach (BbSlaveManager *self, BbSlave *slave, BbSlaveLink *link);
/* Not available, for that reason; NULL: as its state says. */
void bb_fake_slaves_block (BbSlaveManager *self, BbSlave *slave, const char *why);
/* Ends the acquisitions that wait for @slave: successfully, or with @error and a back-off. */
void bb_fake_slaves_answer (BbSlaveManager *self, BbSlave *slave, const GError *error);
/* The next ping before a build fails. */
void bb_fake_slaves_break_ping (BbSlaveManager *self, BbSlave *slave);

guint bb_fake_slaves_count_places (BbSlaveManager *self, BbSlave *slave); /* that are taken */
BbResult bb_fake_slaves_get_last_result (BbSlaveManager *self, BbSlave *slave); /* that a place was given back with */
guint bb_fake_slaves_count_waiting (BbSlaveManager *self, BbSlave *slave);
guint bb_fake_slaves_count_questions (BbSlaveManager *self); /* how often an availability was asked for */

G_END_DECLS
