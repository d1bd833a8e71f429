/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-private.h"
#include "bb-slave-manager.h"

G_BEGIN_DECLS

/*
 * Who builds what: a queue per builder, and per builder an index of its slaves by how good a place they are. Handing
 * out a build looks at the head of a queue and at the best of an index; an event of a slave looks at the builders of
 * that slave. Nothing walks all slaves or all builds.
 *
 * An attached slave is better than a substantiated one, that better than one whose machine would have to be started;
 * among equals next_slave decides. A slave runs one build of a builder at a time. A build that waits for a machine to
 * start waits for that one, while those behind it go to slaves that become free.
 */
#define BB_TYPE_DISTRIBUTOR (bb_distributor_get_type ())
G_DECLARE_FINAL_TYPE (BbDistributor, bb_distributor, BB, DISTRIBUTOR, GObject)

typedef struct
{
  /* A place was taken on @slave; a command may be started. Until bb_distributor_release(). */
  void (*ready) (BbBuild *build, BbSlave *slave, gpointer user_data);
  /* It went from PENDING to WAITING_FOR_SLAVE, or back. */
  void (*changed) (BbBuild *build, gpointer user_data);
  /* No slave can ever take it; it is not in a queue any more. */
  void (*hopeless) (BbBuild *build, const GError *error, gpointer user_data);
} BbDistributorEvents;

BbDistributor *bb_distributor_new (BbSlaveManager *slaves, BbLoop *loop, const BbDistributorEvents *events,
                                   gpointer user_data);

/* After bb_slave_manager_apply(). Queues of builders that are gone keep their builds until the builder is back. */
void bb_distributor_apply (BbDistributor *self, BbConfig *config);

/* Queues a pending build at its position; sets its state and slave from now on until ready(). */
void bb_distributor_add (BbDistributor *self, BbBuild *build);
/* Takes it out of the queue, or gives up its acquisition; for builds that are not ready yet. */
void bb_distributor_remove (BbDistributor *self, BbBuild *build);
/* Ends what ready() began. */
void bb_distributor_release (BbDistributor *self, BbBuild *build, BbResult result);

/* Hands out nothing any more; acquisitions are given up, their builds are pending again. */
void bb_distributor_stop (BbDistributor *self);

/* The same, and no event any more: before whoever gets them goes. */
void bb_distributor_disconnect (BbDistributor *self);

/* Why a build waits, slave by slave; (transfer full). Worked out when asked. */
char *bb_distributor_explain (BbDistributor *self, BbBuild *build);

G_END_DECLS
