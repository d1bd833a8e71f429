/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-document.h"
#include "bb-ec2-place.h"
#include "bb-ec2-query.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Calls of one account in one region: signed anew for each attempt, kept to the rates that the service allows, repeated
 * with growing pauses where that may help. What is done about an answer is decided here, once for all actions.
 */
#define BB_EC2_TYPE_CLIENT (bb_ec2_client_get_type ())
G_DECLARE_FINAL_TYPE (BbEc2Client, bb_ec2_client, BB_EC2, CLIENT, GObject)

/**
 * BbEc2CallFlags:
 * @BB_EC2_CALL_PATIENT: throttling and the service's trouble are waited out until the call is cancelled, rather than
 *   five attempts long
 * @BB_EC2_CALL_LAUNCH: an attempt that is under way is not abandoned when the call is cancelled: its answer
 *   matters
 */
typedef enum
{
  BB_EC2_CALL_NO_FLAGS = 0,
  BB_EC2_CALL_PATIENT = 1 << 0,
  BB_EC2_CALL_LAUNCH = 1 << 1,
} BbEc2CallFlags;

BbEc2Client *bb_ec2_client_new (const BbEc2Login *login, const char *const *environment, GError **error);
const char *bb_ec2_client_get_region (BbEc2Client *self);
const char *bb_ec2_client_get_endpoint (BbEc2Client *self);
void bb_ec2_client_set_launch_rate (BbEc2Client *self, double per_second);

/* Fails with a BbEc2Error, or G_IO_ERROR_CANCELLED, which for a launch means that nothing was ever sent. */
void bb_ec2_client_call_async (BbEc2Client *self, BbEc2Query *query, BbEc2CallFlags flags, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
BbEc2Document *bb_ec2_client_call_finish (BbEc2Client *self, GAsyncResult *result, GError **error);

/* Adds what one page of an answer holds to @items. */
typedef void (*BbEc2ParseFunc) (xmlNode *root, GPtrArray *items);

/* All pages of a listing. Finish returns: (transfer container): the items, whose free function is @item_free */
void bb_ec2_client_list_async (BbEc2Client *self, BbEc2Query *query, BbEc2ParseFunc parse, GDestroyNotify item_free,
                               BbEc2CallFlags flags, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
GPtrArray *bb_ec2_client_list_finish (BbEc2Client *self, GAsyncResult *result, GError **error);

G_END_DECLS
