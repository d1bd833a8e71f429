/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-message.h"
#include "bb-ec2-place.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Where the keys of one account come from: the slave's options, ~/.ec2/aws_id, the environment, the files of the AWS
 * tools, the container, the machine's role; the first that has any. With `role_arn` they are exchanged for that
 * role's. Keys that end are renewed before they do; however many ask, one fetch is under way at a time.
 */
#define BB_EC2_TYPE_CREDENTIAL_SOURCE (bb_ec2_credential_source_get_type ())
G_DECLARE_FINAL_TYPE (BbEc2CredentialSource, bb_ec2_credential_source, BB_EC2, CREDENTIAL_SOURCE, GObject)

BbEc2CredentialSource *bb_ec2_credential_source_new (const BbEc2Login *login, BbEc2Place *place, SoupSession *session,
                                                     SoupSession *metadata_session);

/* Finish returns: (transfer full); or %NULL with BB_EC2_ERROR_CREDENTIALS, whose text says where was looked */
void bb_ec2_credential_source_get_async (BbEc2CredentialSource *self, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data);
BbEc2Credentials *bb_ec2_credential_source_get_finish (BbEc2CredentialSource *self, GAsyncResult *result,
                                                       GError **error);

/* The service has refused what get() gave: the next get() looks everywhere again. False when that was done within the
 * last minute, and so is not done now. */
gboolean bb_ec2_credential_source_refused (BbEc2CredentialSource *self);

G_END_DECLS
