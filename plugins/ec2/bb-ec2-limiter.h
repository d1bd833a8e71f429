/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The token buckets of one account and region, as EC2 keeps them itself: going slower than it counts is cheaper than being
 * refused. A refusal all the same (others use the account too) empties the bucket and halves its rate, which successes
 * bring back.
 */
typedef struct _BbEc2Limiter BbEc2Limiter;

BbEc2Limiter *bb_ec2_limiter_new (void);
void bb_ec2_limiter_free (BbEc2Limiter *self);
/* Launches a second; the other rates are fixed. */
void bb_ec2_limiter_set_launch_rate (BbEc2Limiter *self, double per_second);

/* Takes a place for one call of @action. Returns: how many seconds after @now the call may go out */
double bb_ec2_limiter_take (BbEc2Limiter *self, const char *action, double now);
void bb_ec2_limiter_throttled (BbEc2Limiter *self, const char *action, double now);
void bb_ec2_limiter_succeeded (BbEc2Limiter *self, const char *action);

G_END_DECLS
