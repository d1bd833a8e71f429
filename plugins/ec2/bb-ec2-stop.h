/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-account.h"
#include "bb-ec2-config.h"

G_BEGIN_DECLS

typedef enum
{
  BB_EC2_STOP_TERMINATE,
  BB_EC2_STOP_PARK,
} BbEc2StopKind;

/* The end of one instance: its address is set free, it is terminated and seen to be so, and nothing of it is left:
 * no volume attached, no spot request open. @instance may have its row's token alone; then what was started for the
 * row is looked for. What can't be confirmed is an error, and tried again by core.
 *
 * Or it is parked: its address is set free, it is stopped and seen to be so; volumes stay attached. */
void bb_ec2_stop_async (BbEc2Account *account, const BbEc2Config *config, BbInstance *instance, BbEc2StopKind kind,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_ec2_stop_finish (BbEc2Account *account, GAsyncResult *result, GError **error);

G_END_DECLS
