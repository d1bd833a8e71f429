/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-login.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef enum
{
  BB_OPENSTACK_COMPUTE,
  BB_OPENSTACK_IMAGE,
  BB_OPENSTACK_NETWORK,
  BB_OPENSTACK_VOLUME,
} BbOpenstackService;

const char *bb_openstack_service_get_name (BbOpenstackService service);

/* What Keystone gives for a login: a token, and where the services are. A value. */
typedef struct _BbOpenstackToken BbOpenstackToken;

void bb_openstack_token_free (BbOpenstackToken *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbOpenstackToken, bb_openstack_token_free)

const char *bb_openstack_token_get_id (const BbOpenstackToken *self);
/* On the clock of bb_delay_get_now(): from when on another one is wanted. */
double bb_openstack_token_get_end (const BbOpenstackToken *self);
/* (transfer full): the service's address, with its version and no slash at the end. Fails with what there is instead. */
char *bb_openstack_token_find_endpoint (const BbOpenstackToken *self, const BbOpenstackLogin *login,
                                        BbOpenstackService service, GError **error);

/* Of Keystone's answer to a login: @id of its head (nullable), the rest of its body. */
BbOpenstackToken *bb_openstack_token_parse (const char *id, GBytes *body, GError **error);

/* Finds Identity v3, and logs in there. @login must live until the end. */
void bb_openstack_token_new_async (SoupSession *session, const BbOpenstackLogin *login, double time_limit,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* @retry_after: (out): how long Keystone wants to be left alone */
BbOpenstackToken *bb_openstack_token_new_finish (GAsyncResult *result, double *retry_after, GError **error);

G_END_DECLS
