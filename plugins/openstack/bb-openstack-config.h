/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

/* What a slave of this type is told in the configuration. */
typedef struct
{
  char *flavor;
  char *image;
  char *image_regex;
  int image_order; /* BbOpenstackImageOrder */
  char *image_command;
  double image_command_timeout;

  char *os_cloud;
  char *os_auth_type;
  char *os_auth_url;
  char *os_username;
  char *os_password;
  char *os_password_file;
  char *os_tenant_name;
  char *os_user_domain;
  char *os_project_domain;
  char *os_application_credential_id;
  char *os_application_credential_name;
  char *os_application_credential_secret;
  char *os_token;
  char *region;
  char *os_interface;
  char *os_cacert;
  char *os_cert;
  char *os_key;
  gboolean insecure;

  char **meta;
  char **block_devices;
  char **networks;
  char **security_groups;
  char *key_name;
  char *user_data;
  char *user_data_file;
  char *availability_zone;
  gboolean config_drive;
  char *floating_ip_pool;
  char *client_version;
  double poll_interval;
  double call_timeout;
} BbOpenstackConfig;

typedef enum
{
  BB_OPENSTACK_IMAGE_NEWEST,
  BB_OPENSTACK_IMAGE_OLDEST,
} BbOpenstackImageOrder;

extern const BbOption bb_openstack_options[];

/* Of #BbPluginProvides. */
void bb_openstack_config_validate (gconstpointer config, GPtrArray *errors);

/* The N of a client_version 2.N; 0 for one to be chosen; -1 when @text is neither. */
int bb_openstack_config_parse_version (const char *text);

G_END_DECLS
