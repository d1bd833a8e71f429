/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-account.h"
#include "bb-ec2-config.h"

G_BEGIN_DECLS

/* The start of one instance, from the image to the last volume. What it leaves in its row is said in bb-ec2-row.h. */

/* @config must live until it finishes. */
void bb_ec2_launch_async (BbEc2Account *account, const BbEc2Config *config, BbInstanceRequest *request,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
BbInstance *bb_ec2_launch_finish (BbEc2Account *account, GAsyncResult *result, GError **error);

G_END_DECLS
