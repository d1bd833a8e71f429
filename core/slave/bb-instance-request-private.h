/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-instance-request.h"

G_BEGIN_DECLS

typedef void (*BbRecordResourceFunc) (const char *resource, GCancellable *cancellable, GAsyncReadyCallback callback,
                                      gpointer callback_data, gpointer user_data);

typedef void (*BbReportInstanceFunc) (BbInstance *instance, GCancellable *cancellable, GAsyncReadyCallback callback,
                                      gpointer callback_data, gpointer user_data);

typedef struct
{
  const char *slave_name;
  const char *token;
  const char *password;
  const char *host_name;
  const char *store_id;
  const char *master_host;
  guint16 master_port;
  const char *protocol;
  gboolean tls;
  GVariant *properties; /* a{sv}, sunk if floating */
  const char *state_directory;
  const char *parked_id; /* nullable */
} BbInstanceRequestParameters;

BbInstanceRequest *bb_instance_request_new (const BbInstanceRequestParameters *parameters);
/* Who writes into the row: the callback is given a GTask that returns a boolean. Both functions or neither; cleared (with
 * %NULL) when the row is closed. */
void bb_instance_request_set_recorder (BbInstanceRequest *self, BbRecordResourceFunc record,
                                       BbReportInstanceFunc report, gpointer user_data, GDestroyNotify destroy);

G_END_DECLS
