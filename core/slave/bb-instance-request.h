/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-instance.h"

G_BEGIN_DECLS

/* What a backend is told when it shall start an instance. Immutable. */
#define BB_TYPE_INSTANCE_REQUEST (bb_instance_request_get_type ())
G_DECLARE_FINAL_TYPE (BbInstanceRequest, bb_instance_request, BB, INSTANCE_REQUEST, GObject)

const char *bb_instance_request_get_slave_name (BbInstanceRequest *self);
/* The ledger row's UUID: the call's idempotency token, and the tag `bbhost:token`. */
const char *bb_instance_request_get_token (BbInstanceRequest *self);
/* This run's password. Never in an argument vector, a log or a listing that others can read. */
const char *bb_instance_request_get_password (BbInstanceRequest *self);
/* Where the slave connects to: the first listener's address as configured, or the host's name. */
const char *bb_instance_request_get_master_host (BbInstanceRequest *self);
guint16 bb_instance_request_get_master_port (BbInstanceRequest *self);
const char *bb_instance_request_get_protocol (BbInstanceRequest *self); /* "pb" or "msgpack" */
gboolean bb_instance_request_get_tls (BbInstanceRequest *self);         /* the listener speaks TLS */
/* Marks to put on everything that is made, in the call that makes it: bbhost:host, bbhost:store, bbhost:token,
 * bbhost:slave. a{ss} */
GVariant *bb_instance_request_get_tags (BbInstanceRequest *self);
/* a{sv}: of the build that waits, the slave's own included. */
GVariant *bb_instance_request_get_properties (BbInstanceRequest *self);
/* (nullable): the id of the instance of this row that is parked: it is to be started, and no other made. */
const char *bb_instance_request_get_parked_id (BbInstanceRequest *self);
/* A folder of this host's for the backend's own files of this store; exists, mode 0700. */
const char *bb_instance_request_get_state_directory (BbInstanceRequest *self);

/**
 * bb_instance_request_interpolate:
 * @text: an option's value with `%(prop:…)s`, `%(slave:name)s`, `%(slave:password)s`, `%(host:name)s`,
 *   `%(master:host)s`, `%(master:port)s`, `%(master:protocol)s`, `%(master:tls)s`
 *
 * Returns: (transfer full): it, filled in, or %NULL with %BB_ERROR_PERMANENT
 */
char *bb_instance_request_interpolate (BbInstanceRequest *self, const char *text, GError **error);

/**
 * bb_instance_request_record_async:
 * @resource: `kind:id`
 *
 * Writes into the ledger row, durably, what is about to be made beside the instance. Make it only when this has succeeded.
 */
void bb_instance_request_record_async (BbInstanceRequest *self, const char *resource, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_instance_request_record_finish (BbInstanceRequest *self, GAsyncResult *result, GError **error);

/**
 * bb_instance_request_report_async:
 * @instance: with its id; its state does not matter yet
 *
 * Says, durably, that the instance exists, for a start that has more to do after that (waiting until it runs, an
 * address, volumes): from here on it is stopped by its id whatever happens. A start that only makes the instance need not
 * report it: returning it does the same.
 */
void bb_instance_request_report_async (BbInstanceRequest *self, BbInstance *instance, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_instance_request_report_finish (BbInstanceRequest *self, GAsyncResult *result, GError **error);

G_END_DECLS
