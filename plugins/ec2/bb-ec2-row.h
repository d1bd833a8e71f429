/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What the resources of an instance's ledger row say of its start, so that a stop after a crash knows what may exist:
 *
 *   launch:TOKEN@TIME, spot-launch:TOKEN@TIME   RunInstances was about to be called (TIME: seconds since 1970)
 *   refused:TOKEN                               and was refused: nothing came of it
 *   spot-request:ID                             the request behind the instance
 *   address:IP, volume:ID                       was about to be associated, attached
 */

/* The token of the @attempt-th launch (from 0) for a row: a token binds the parameters that it was first used with. */
char *bb_ec2_row_make_token (const char *row_token, guint attempt);
/* Of the resources of a row: whether a launch may have been carried out of which nothing is known; when the last one
 * began, seconds since 1970 (0: none); whether one was for a spot instance. */
gboolean bb_ec2_row_parse_resources (const char *const *resources, gint64 *last_launch, gboolean *spot);

G_END_DECLS
