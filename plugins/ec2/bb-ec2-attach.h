/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-account.h"

G_BEGIN_DECLS

/*
 * Gives an instance what it is to have beside itself. What the cloud refuses since the instance is not quite there, or since
 * another one is just letting go, is tried again for two minutes.
 */

/* @allocation: (nullable): of an address in a VPC; else @address alone names it. */
void bb_ec2_attach_address_async (BbEc2Account *account, const char *address, const char *allocation,
                                  const char *instance_id, GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data);
/* An attempt whose answer was lost may have been carried out: a volume that is attached to this instance is well. */
void bb_ec2_attach_volume_async (BbEc2Account *account, const char *volume, const char *device, const char *instance_id,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_ec2_attach_finish (BbEc2Account *account, GAsyncResult *result, GError **error);

G_END_DECLS
