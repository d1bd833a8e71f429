/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-account.h"
#include "bb-ec2-config.h"

G_BEGIN_DECLS

/*
 * The start of one instance, from the image to the last volume. What the ledger row's resources say of it, so that a stop
 * after a crash knows what may exist:
 *
 *   launch:TOKEN@TIME, spot-launch:TOKEN@TIME   RunInstances was about to be called (TIME: seconds since 1970)
 *   refused:TOKEN                               and was refused: nothing came of it
 *   address:IP, volume:ID                       was about to be associated, attached
 */

/* @config must live until it finishes. */
void bb_ec2_launch_async (BbEc2Account *account, const BbEc2Config *config, BbInstanceRequest *request,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
BbInstance *bb_ec2_launch_finish (BbEc2Account *account, GAsyncResult *result, GError **error);

/* The token of the @attempt-th launch (from 0) for a row: a token binds the parameters that it was first used with. */
char *bb_ec2_launch_make_token (const char *row_token, guint attempt);
/* Of the resources of a row: whether a launch may have been carried out of which nothing is known; when the last one
 * began, seconds since 1970 (0: none); whether one was for a spot instance. */
gboolean bb_ec2_launch_parse_resources (const char *const *resources, gint64 *last_launch, gboolean *spot);

/* How @machine is, as core sees it; with the reason in words for all but running ones. (transfer full) */
BbInstance *bb_ec2_launch_to_instance (const BbEc2Machine *machine, const char *token);

G_END_DECLS
