/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * The token buckets of one account and region, as EC2 keeps them itself: going slower than it counts is cheaper than
 * being refused. Who finds none waits in line. A refusal all the same (others use the account too) empties the bucket
 * and halves its rate, which successes bring back.
 */
#define BB_EC2_TYPE_LIMITER (bb_ec2_limiter_get_type ())
G_DECLARE_FINAL_TYPE (BbEc2Limiter, bb_ec2_limiter, BB_EC2, LIMITER, GObject)

BbEc2Limiter *bb_ec2_limiter_new (void);
/* Launches a second; the other rates are fixed. */
void bb_ec2_limiter_set_launch_rate (BbEc2Limiter *self, double per_second);

/* Finishes when a call of @action may go out; or with G_IO_ERROR_CANCELLED. */
void bb_ec2_limiter_wait_async (BbEc2Limiter *self, const char *action, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_ec2_limiter_wait_finish (BbEc2Limiter *self, GAsyncResult *result, GError **error);

void bb_ec2_limiter_throttled (BbEc2Limiter *self, const char *action);
void bb_ec2_limiter_succeeded (BbEc2Limiter *self, const char *action);

G_END_DECLS
