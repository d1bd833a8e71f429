/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-account.h"
#include "bb-ec2-config.h"

G_BEGIN_DECLS

/* What a launch needs to know, or to be there, beforehand; found out once for all slaves of the account that need
 * the same. */
typedef enum
{
  BB_EC2_PREPARE_IMAGE,          /* its id */
  BB_EC2_PREPARE_KEY_PAIR,       /* "made" or "found" */
  BB_EC2_PREPARE_SECURITY_GROUP, /* likewise */
  BB_EC2_PREPARE_ADDRESS,        /* its allocation, or "" for one without */
} BbEc2PrepareKind;

/* Whether @config asks for that at all. */
gboolean bb_ec2_prepare_is_needed (BbEc2PrepareKind kind, const BbEc2Config *config);
void bb_ec2_prepare_async (BbEc2Account *account, BbEc2PrepareKind kind, const BbEc2Config *config,
                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
char *bb_ec2_prepare_finish (BbEc2Account *account, GAsyncResult *result, GError **error);
/* The service says that it isn't there after all. */
void bb_ec2_prepare_forget (BbEc2Account *account, BbEc2PrepareKind kind, const BbEc2Config *config);

/* The bid for @type in @zone ("" for any): the mean of the last day's prices times the multiplier, capped. @config must
 * live until it finishes. */
void bb_ec2_prepare_bid_async (BbEc2Account *account, const BbEc2Config *config, const char *slave_name,
                               const char *type, const char *zone, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
double bb_ec2_prepare_bid_finish (BbEc2Account *account, GAsyncResult *result, GError **error); /* negative: error */

/* The rule alone. @mean: negative when no price is known; @capped: (out): whether max_spot_price lowered it */
double bb_ec2_prepare_compute_bid (const BbEc2Config *config, double mean, gboolean *capped);

G_END_DECLS
