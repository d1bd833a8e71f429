/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-instance-request.h"
#include "bb-instance.h"
#include "bb-slave.h"

G_BEGIN_DECLS

/**
 * BbLatentSlave:
 *
 * A slave whose machine is started when builds wait, and stopped when they are done: the face of a backend. An
 * implementation knows its own cloud and nothing else: it keeps no timer, retries nothing, remembers nothing between
 * calls; core does all that, once, for all backends. Every function is called in the main thread and must not block.
 * Core never lets start and stop of one slave overlap.
 */
#define BB_TYPE_LATENT_SLAVE (bb_latent_slave_get_type ())
G_DECLARE_INTERFACE (BbLatentSlave, bb_latent_slave, BB, LATENT_SLAVE, BbSlave)

struct _BbLatentSlaveInterface
{
  GTypeInterface parent_iface;

  void (*start_instance_async) (BbLatentSlave *self, BbInstanceRequest *request, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
  BbInstance *(*start_instance_finish) (BbLatentSlave *self, GAsyncResult *result, GError **error);

  void (*stop_instance_async) (BbLatentSlave *self, BbInstance *instance, gboolean fast, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*stop_instance_finish) (BbLatentSlave *self, GAsyncResult *result, GError **error);

  void (*check_instance_async) (BbLatentSlave *self, BbInstance *instance, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
  BbInstance *(*check_instance_finish) (BbLatentSlave *self, GAsyncResult *result, GError **error);

  void (*list_instances_async) (BbLatentSlave *self, const char *store_id, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
  GPtrArray *(*list_instances_finish) (BbLatentSlave *self, GAsyncResult *result, GError **error);

  char *(*get_scope) (BbLatentSlave *self);
  double (*get_hourly_cost) (BbLatentSlave *self); /* optional */
  double (*get_listing_delay) (BbLatentSlave *self); /* optional */

  /* Optional: whether an instance that works is to be checked, too, because its end may be announced. */
  gboolean (*announces_ends) (BbLatentSlave *self);

  /* Optional, all three or none: backends that can keep a machine which nobody needs now. */
  gboolean (*can_park) (BbLatentSlave *self);
  void (*park_instance_async) (BbLatentSlave *self, BbInstance *instance, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
  gboolean (*park_instance_finish) (BbLatentSlave *self, GAsyncResult *result, GError **error);
};

/**
 * bb_latent_slave_start_instance_async:
 * @request: what to start; referenced until the end
 *
 * Asks the backend for an instance, or for the one that it has parked (bb_instance_request_get_parked_id()) to be started
 * again. Cancelling it asks to give up; a start that has succeeded all the same must
 * return its instance, as it costs money. Set g_task_set_check_cancellable (task, FALSE).
 */
void bb_latent_slave_start_instance_async (BbLatentSlave *self, BbInstanceRequest *request, GCancellable *cancellable,
                                           GAsyncReadyCallback callback, gpointer user_data);

/**
 * bb_latent_slave_start_instance_finish:
 *
 * Ends what bb_latent_slave_start_instance_async() began. The instance exists and costs money from here on; whether
 * its slave attaches is not this function's business.
 *
 * Returns: (transfer full) (nullable): the instance, or %NULL with @error: %BB_ERROR_NOT_NOW ("not now": no failure),
 *   %BB_ERROR_QUOTA or %BB_ERROR_TIMEOUT if trying again may help, %BB_ERROR_CREDENTIALS or %BB_ERROR_PERMANENT if it
 *   can't (both end the builds for which it was made), %G_IO_ERROR_CANCELLED, %BB_ERROR_FAILED
 */
BbInstance *bb_latent_slave_start_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error);

/**
 * bb_latent_slave_stop_instance_async:
 * @instance: at least its id or, where a start's answer was lost, an empty id and its token; with the resources that
 *   its ledger row names
 * @fast: without asking the guest first
 *
 * Done means confirmed gone, with everything that was made for it, and not "asked to go". Stopping what is gone
 * succeeds; so does stopping by token when nothing is found, and core asks again before it believes that, see
 * bb_latent_slave_get_listing_delay().
 */
void bb_latent_slave_stop_instance_async (BbLatentSlave *self, BbInstance *instance, gboolean fast,
                                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_latent_slave_stop_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error);

/**
 * bb_latent_slave_announces_ends:
 *
 * Whether a check may answer %BB_INSTANCE_ENDING: then instances are checked, every check_instance_interval, for as long as
 * they are there, and not only until their slave attaches.
 */
gboolean bb_latent_slave_announces_ends (BbLatentSlave *self);

/**
 * bb_latent_slave_can_park:
 *
 * Whether this slave's instance is to be parked, rather than stopped, when it has been idle: the backend can do that, and
 * its options say so.
 */
gboolean bb_latent_slave_can_park (BbLatentSlave *self);

/**
 * bb_latent_slave_park_instance_async:
 * @instance: as for a stop; only where bb_latent_slave_can_park()
 *
 * Shuts the machine down and keeps its disks. Done means confirmed: it does not run any more, costs no more than its
 * disks, and a start whose request names it will start it again. Parking what is parked succeeds. After an error it is
 * stopped for good.
 */
void bb_latent_slave_park_instance_async (BbLatentSlave *self, BbInstance *instance, GCancellable *cancellable,
                                          GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_latent_slave_park_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error);

/* How @instance is now: a new value with state and reason (with the console's tail where there is one). An error
 * means that it could not be found out, and says nothing about the instance. */
void bb_latent_slave_check_instance_async (BbLatentSlave *self, BbInstance *instance, GCancellable *cancellable,
                                           GAsyncReadyCallback callback, gpointer user_data);
BbInstance *bb_latent_slave_check_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error);

/**
 * bb_latent_slave_instance_changed:
 *
 * For backends that are told of what becomes of their machines: says that something may have happened to this slave's
 * instance, so that it is checked at once and not at the next interval. Nobody minds when it is for nothing.
 *
 * Since: 1.0
 */
void bb_latent_slave_instance_changed (BbLatentSlave *self);

/**
 * bb_latent_slave_list_instances_async:
 * @store_id: the value of the tag `bbhost:store`
 *
 * Everything in this slave's scope that carries that mark and is not gone, whichever slave it was started for. An
 * incomplete listing is an error.
 *
 * Finish returns: (transfer container) (element-type BbInstance): with id, token, slave name, state
 */
void bb_latent_slave_list_instances_async (BbLatentSlave *self, const char *store_id, GCancellable *cancellable,
                                           GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *bb_latent_slave_list_instances_finish (BbLatentSlave *self, GAsyncResult *result, GError **error);

/* (transfer full): names the account, region, project, URI or machine that the instances live in; slaves of the same
 * type and scope share a listing. No secret in it. */
char *bb_latent_slave_get_scope (BbLatentSlave *self);

/* US dollars per hour of an instance as configured; negative when the backend can't know. The option hourly_cost
 * wins. */
double bb_latent_slave_get_hourly_cost (BbLatentSlave *self);

/**
 * bb_latent_slave_get_listing_delay:
 *
 * How long an instance that exists may be missing from listings and from look-ups by its token. An instance whose id
 * never came back is believed to be gone, or never to have been, when it was found missing twice, so far apart.
 *
 * Returns: seconds, 30 when the backend doesn't say; 0: what exists is always found
 *
 * Since: 1.0
 */
double bb_latent_slave_get_listing_delay (BbLatentSlave *self);

G_END_DECLS
