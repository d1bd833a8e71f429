/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-message.h"
#include "bb-ec2-place.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* Temporary keys from the container's endpoint when the environment names one, else from the machine's own role (the
 * instance metadata service, version 2). @session: one without a proxy. */
void bb_ec2_metadata_get_keys_async (SoupSession *session, BbEc2Place *place, GAsyncReadyCallback callback,
                                     gpointer user_data);
BbEc2Credentials *bb_ec2_metadata_get_keys_finish (GAsyncResult *result, GError **error);

G_END_DECLS
