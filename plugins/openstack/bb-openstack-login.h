/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-config.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

typedef enum
{
  BB_OPENSTACK_LOGIN_AUTH_TYPE,
  BB_OPENSTACK_LOGIN_AUTH_URL,
  BB_OPENSTACK_LOGIN_USERNAME,
  BB_OPENSTACK_LOGIN_USER_ID,
  BB_OPENSTACK_LOGIN_PASSWORD,
  BB_OPENSTACK_LOGIN_USER_DOMAIN,
  BB_OPENSTACK_LOGIN_USER_DOMAIN_ID,
  BB_OPENSTACK_LOGIN_PROJECT,
  BB_OPENSTACK_LOGIN_PROJECT_ID,
  BB_OPENSTACK_LOGIN_PROJECT_DOMAIN,
  BB_OPENSTACK_LOGIN_PROJECT_DOMAIN_ID,
  BB_OPENSTACK_LOGIN_APPLICATION_ID,
  BB_OPENSTACK_LOGIN_APPLICATION_NAME,
  BB_OPENSTACK_LOGIN_APPLICATION_SECRET,
  BB_OPENSTACK_LOGIN_TOKEN,
  BB_OPENSTACK_LOGIN_REGION,
  BB_OPENSTACK_LOGIN_INTERFACE,
  BB_OPENSTACK_LOGIN_CACERT,
  BB_OPENSTACK_LOGIN_CERT,
  BB_OPENSTACK_LOGIN_KEY,
  BB_OPENSTACK_LOGIN_VERIFY,
  BB_OPENSTACK_N_LOGIN_VALUES,
} BbOpenstackLoginValue;

/* Who we are, and where: of the options, clouds.yaml and the environment, in this order. A value. */
typedef struct _BbOpenstackLogin BbOpenstackLogin;

/* Reads files; fails with what is missing, "key: what is wrong". */
BbOpenstackLogin *bb_openstack_login_new (const BbOpenstackConfig *config, GError **error);
void bb_openstack_login_free (BbOpenstackLogin *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbOpenstackLogin, bb_openstack_login_free)

const char *bb_openstack_login_get (const BbOpenstackLogin *self, BbOpenstackLoginValue value); /* nullable */
gboolean bb_openstack_login_is_insecure (const BbOpenstackLogin *self);
/* The same for those that may share one login. Without secrets, but not for people. */
const char *bb_openstack_login_get_key (const BbOpenstackLogin *self);
/* For people, and what makes up a scope; without secrets. */
const char *bb_openstack_login_get_name (const BbOpenstackLogin *self);

/* (transfer full): the body of POST /auth/tokens */
JsonNode *bb_openstack_login_to_json (const BbOpenstackLogin *self);

G_END_DECLS
