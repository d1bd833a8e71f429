/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-account.h"

G_BEGIN_DECLS

/* What a start will ask for, with all names looked up. */
typedef struct
{
  JsonNode *body; /* of POST /servers */
  int minor;      /* of the microversion 2.N; 0: none is needed */
  char *pool;     /* (nullable): the id of the network that gives an address */
  char *kept;     /* (nullable): when Nova makes disks: the volumes of the user's that are not among them, joined by commas */
} BbOpenstackPlan;

void bb_openstack_plan_free (BbOpenstackPlan *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbOpenstackPlan, bb_openstack_plan_free)

/* Makes nothing in the cloud. @config is not needed after the call. */
void bb_openstack_plan_new_async (BbOpenstackAccount *account, const BbOpenstackConfig *config,
                                  BbInstanceRequest *request, GCancellable *cancellable, GAsyncReadyCallback callback,
                                  gpointer user_data);
BbOpenstackPlan *bb_openstack_plan_new_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error);

G_END_DECLS
