/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-api.h"
#include "bb-ec2-client.h"

G_BEGIN_DECLS

/*
 * What all slaves with the same keys, region and endpoint share, so that the number of calls doesn't grow with the
 * number of slaves that wait: one client, one question about all machines at a time, and things that are found out or
 * made once.
 */
#define BB_EC2_TYPE_ACCOUNT (bb_ec2_account_get_type ())
G_DECLARE_FINAL_TYPE (BbEc2Account, bb_ec2_account, BB_EC2, ACCOUNT, GObject)

/* (transfer full): the one that others have already, or a new one */
BbEc2Account *bb_ec2_account_get (const BbEc2Login *login, GError **error);
BbEc2Client *bb_ec2_account_get_client (BbEc2Account *self); /* (transfer none) */

typedef enum
{
  BB_EC2_LOOK_BY_ID,
  BB_EC2_LOOK_BY_TOKEN, /* the tag bbhost:token: whatever was started for that row */
} BbEc2LookKind;

/**
 * bb_ec2_account_look_async:
 * @interval: seconds that lie between two such questions to the service, at least; everybody's questions of that
 *   time are asked together
 * @with_spot: also what is planned for it, if it is a spot instance
 *
 * Finish returns: (transfer container) (element-type BbEc2Machine): what the service shows of it now; empty when it shows
 *   nothing, which early or late in a machine's life doesn't prove much
 */
void bb_ec2_account_look_async (BbEc2Account *self, BbEc2LookKind kind, const char *value, double interval,
                                gboolean with_spot, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
GPtrArray *bb_ec2_account_look_finish (BbEc2Account *self, GAsyncResult *result, GError **error);

/* Finds something out; returns @task (transfer full) with a string, or an error. */
typedef void (*BbEc2FetchFunc) (BbEc2Account *self, gconstpointer data, GTask *task);

/**
 * bb_ec2_account_share_async:
 * @key: what is to be found out
 * @lifetime: seconds for which the answer is good
 * @data: for @fetch, which reads it before it returns
 *
 * Finds something out once, for all that ask at the same time or within the answer's lifetime. Errors are for those who
 * wait now, and not kept.
 */
void bb_ec2_account_share_async (BbEc2Account *self, const char *key, double lifetime, BbEc2FetchFunc fetch,
                                 gconstpointer data, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data);
char *bb_ec2_account_share_finish (BbEc2Account *self, GAsyncResult *result, GError **error);
/* It has turned out to be wrong. */
void bb_ec2_account_forget (BbEc2Account *self, const char *key);

G_END_DECLS
