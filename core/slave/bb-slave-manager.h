/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-abstract-slave-private.h"
#include "bb-config.h"
#include "bb-latent-slave.h"
#include "bb-ledger.h"
#include "bb-login-host.h"
#include "bb-loop.h"
#include "bb-reaper.h"
#include "bb-substantiation.h"
#include "bb-types.h"

G_BEGIN_DECLS

/*
 * All slaves: who may log in, who is attached, whose machine is to be started. Implements BbLoginHost.
 *
 * Signals:
 *  "slave-added" (BbSlave *), "slave-removed" (BbSlave *);
 *  "slave-changed" (BbSlave *, guint): what D-Bus shows of it may have changed, a mask of BbSlaveChange;
 *  "availability-changed" (BbSlave *): bb_slave_manager_get_availability() may answer otherwise than before;
 *  "notice" (BbNotice *): missing, never substantiated, instance trouble.
 */
#define BB_TYPE_SLAVE_MANAGER (bb_slave_manager_get_type ())
G_DECLARE_FINAL_TYPE (BbSlaveManager, bb_slave_manager, BB, SLAVE_MANAGER, GObject)

typedef enum
{
  BB_SLAVE_CHANGED_STATE = 1 << 0,          /* State, Attached, AttachedSince, PeerAddress, SubstantiationState */
  BB_SLAVE_CHANGED_RUNNING_BUILDS = 1 << 1,
  BB_SLAVE_CHANGED_INFO = 1 << 2,
  BB_SLAVE_CHANGED_SETTINGS = 1 << 3,       /* MaxBuilds, Properties, BuildWaitTimeout, … */
  BB_SLAVE_CHANGED_INSTANCE = 1 << 4,       /* InstanceId, LastError, next attempt */
} BbSlaveChange;

typedef struct
{
  BbLoop *loop;
  BbStore *store;
  BbLedger *ledger;
  const char *store_id;
  const char *state_directory;
} BbSlaveManagerParameters;

BbSlaveManager *bb_slave_manager_new (const BbSlaveManagerParameters *parameters);

/* Reads what the store remembers of slaves (paused, info, attached at the end, reported missing). After the ledger
 * was loaded. */
void bb_slave_manager_load_async (BbSlaveManager *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data);
gboolean bb_slave_manager_load_finish (BbSlaveManager *self, GAsyncResult *result, GError **error);

/**
 * bb_slave_manager_apply:
 * @config: (transfer none)
 *
 * Makes the slaves be as @config says, touching only what differs: settings that may change live take effect
 * at once; other options of a latent slave make its running instance one to be replaced; a removed slave gets no new
 * build, ends its builds and goes; a changed type is a removal and an addition. Builder lists of attached slaves are
 * brought up to date. Can't fail.
 */
void bb_slave_manager_apply (BbSlaveManager *self, BbConfig *config);

/* Where instances are told to connect to; from the first pb listener, when it is bound. */
void bb_slave_manager_set_master_address (BbSlaveManager *self, const char *host, guint16 port, const char *protocol,
                                         gboolean tls);

BbSlave *bb_slave_manager_find (BbSlaveManager *self, const char *name); /* (transfer none) (nullable) */
GPtrArray *bb_slave_manager_list (BbSlaveManager *self); /* (transfer container), in the configuration's order */
guint bb_slave_manager_count (BbSlaveManager *self);
guint bb_slave_manager_count_attached (BbSlaveManager *self);

/**
 * BbAvailability:
 *
 * How good a place a slave would be for one more build, best last; places (max_builds) are counted, whether one builder
 * runs on it already is not: that is the distributor's knowledge.
 */
typedef enum
{
  BB_UNAVAILABLE,
  BB_CAN_BE_SUBSTANTIATED, /* a latent slave that would have to be started, or is being started */
  BB_AVAILABLE_SUBSTANTIATED,
  BB_AVAILABLE_ATTACHED,
} BbAvailability;

/* @why: (out) (optional) (transfer full): for %BB_UNAVAILABLE, in words for a person: "paused", "not attached", "all
 * 2 places are taken", "next attempt in 40 s after: …". */
BbAvailability bb_slave_manager_get_availability (BbSlaveManager *self, BbSlave *slave, char **why);

/**
 * bb_slave_manager_acquire_async:
 * @builder: the builder's name as the slave was told it
 * @properties: a{sv} of the build, for the backend
 *
 * Takes a place on @slave from this call on, has its machine started if there is none, waits for the slave to attach,
 * and pings it. Cancelling gives the place up; when nobody else waits for the machine, its start is given up too.
 *
 * Finish returns: TRUE when a command may be started over bb_slave_get_link() now. Else the place is free again and
 *   @error says: %BB_ERROR_PERMANENT: this build can't be helped; %G_IO_ERROR_CANCELLED; everything else: put the
 * build back
 *   into the queue; the slave is unavailable for as long as its back-off says.
 */
void bb_slave_manager_acquire_async (BbSlaveManager *self, BbSlave *slave, const char *builder, GVariant *properties,
                                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_slave_manager_acquire_finish (BbSlaveManager *self, GAsyncResult *result, GError **error);

/* Gives back a place that was acquired. @result: how the build ended; an exception counts for the back-off. */
void bb_slave_manager_release (BbSlaveManager *self, BbSlave *slave, const char *builder, BbResult result);

/* The verbs of org.bbhost.Slave1 and LatentSlave1. Errors: WRONG_STATE with the reason. */
void bb_slave_manager_pause (BbSlaveManager *self, BbSlave *slave);
void bb_slave_manager_resume (BbSlaveManager *self, BbSlave *slave); /* also ends a back-off */
void bb_slave_manager_shutdown_slave (BbSlaveManager *self, BbSlave *slave); /* graceful; nothing when detached */
gboolean bb_slave_manager_disconnect (BbSlaveManager *self, BbSlave *slave, GError **error);
void bb_slave_manager_ping_async (BbSlaveManager *self, BbSlave *slave, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data);
gint64 bb_slave_manager_ping_finish (BbSlaveManager *self, GAsyncResult *result, GError **error); /* us, or -1 */
gboolean bb_slave_manager_substantiate (BbSlaveManager *self, BbSlave *slave, GError **error);
gboolean bb_slave_manager_insubstantiate (BbSlaveManager *self, BbSlave *slave, gboolean force, GError **error);

BbSubstantiationState bb_slave_manager_get_substantiation_state (BbSlaveManager *self, BbSlave *slave);
/* The backend's, of a latent slave's instance; NULL or "" while none is known. */
const char *bb_slave_manager_get_instance_id (BbSlaveManager *self, BbSlave *slave);
BbLedgerRow *bb_slave_manager_get_row (BbSlaveManager *self, BbSlave *slave); /* (transfer none) (nullable) */
/* What BbReaperHooks asks, with the same meaning. */
GPtrArray *bb_slave_manager_list_latent (BbSlaveManager *self); /* (transfer container) */
BbLatentSlave *bb_slave_manager_find_backend (BbSlaveManager *self, BbLedgerRow *row);
gboolean bb_slave_manager_is_row_in_use (BbSlaveManager *self, BbLedgerRow *row);
void bb_slave_manager_row_gone (BbSlaveManager *self, BbLedgerRow *row);
void bb_slave_manager_row_woken (BbSlaveManager *self, BbLedgerRow *row);
/* Who stops the rows that no slave holds; not owned. */
void bb_slave_manager_set_reaper (BbSlaveManager *self, BbReaper *reaper);
/* Stops the instance of any open row, also one whose slave is gone. */
void bb_slave_manager_terminate_row (BbSlaveManager *self, BbLedgerRow *row);

/**
 * bb_slave_manager_shutdown_async:
 *
 * No new acquisitions; every instance is stopped (but those with keep_on_stop=true) and then every connection closed.
 * Finishes when all that is done or @deadline_us (of the loop) has passed: what is left stays in the ledger. The
 * caller has already ended or given up the builds.
 */
void bb_slave_manager_shutdown_async (BbSlaveManager *self, gint64 deadline_us, GAsyncReadyCallback callback,
                                      gpointer user_data);
gboolean bb_slave_manager_shutdown_finish (BbSlaveManager *self, GAsyncResult *result, GError **error);

G_END_DECLS
