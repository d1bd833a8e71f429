/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * BbInstanceState:
 * @BB_INSTANCE_STARTING: exists, does not run yet
 * @BB_INSTANCE_ALIVE: runs
 * @BB_INSTANCE_FAILED: will never run, but may still exist and must be stopped; the reason says why
 * @BB_INSTANCE_GONE: does not exist any more and costs nothing
 * @BB_INSTANCE_STOPPING: on its way to gone
 * @BB_INSTANCE_PARKED: stopped, with what is on its disks; can be started again
 * @BB_INSTANCE_ENDING: runs, and its backend has announced its end: it is given no build any more
 */
typedef enum
{
  BB_INSTANCE_STARTING,
  BB_INSTANCE_ALIVE,
  BB_INSTANCE_FAILED,
  BB_INSTANCE_GONE,
  BB_INSTANCE_STOPPING,
  BB_INSTANCE_PARKED,
  BB_INSTANCE_ENDING,
} BbInstanceState;

/* One machine, or process, as its backend knows it. A value: it does not follow what becomes of the machine. */
typedef struct _BbInstance BbInstance;

#define BB_TYPE_INSTANCE (bb_instance_get_type ())
GType bb_instance_get_type (void);

/**
 * bb_instance_new:
 * @id: the backend's id, unique in its account for ever
 * @token: (nullable): the ledger token it was started with, from its tags
 */
BbInstance *bb_instance_new (const char *id, const char *token);
BbInstance *bb_instance_ref (BbInstance *self);
void bb_instance_unref (BbInstance *self);
const char *bb_instance_get_id (BbInstance *self);
const char *bb_instance_get_token (BbInstance *self);

/* To be set before the instance is handed on. */
void bb_instance_set_state (BbInstance *self, BbInstanceState state, const char *reason);
BbInstanceState bb_instance_get_state (BbInstance *self);
const char *bb_instance_get_reason (BbInstance *self);            /* nullable; for people */
void bb_instance_set_slave_name (BbInstance *self, const char *slave_name); /* from its tags, in listings */
const char *bb_instance_get_slave_name (BbInstance *self);
void bb_instance_set_hourly_cost (BbInstance *self, double hourly_cost); /* negative: unknown (the default) */
double bb_instance_get_hourly_cost (BbInstance *self);
/**
 * bb_instance_set_details:
 * @details: a{sv}, sunk if floating: what people may want to know of how it was made (`image`: why this one, `type`); keys
 *   in snake_case, no secrets
 */
void bb_instance_set_details (BbInstance *self, GVariant *details);
GVariant *bb_instance_get_details (BbInstance *self); /* nullable */
/* What was made for it and must be gone with it, each `kind:id` (`volume:vol-1`, `file:/srv/bot1.qcow2`). */
void bb_instance_set_resources (BbInstance *self, const char *const *resources);
const char *const *bb_instance_get_resources (BbInstance *self); /* never NULL */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbInstance, bb_instance_unref)

G_END_DECLS
