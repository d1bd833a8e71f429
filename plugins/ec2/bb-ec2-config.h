/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-place.h"

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

typedef enum
{
  BB_EC2_FALLBACK_NONE,
  BB_EC2_FALLBACK_ON_DEMAND,
} BbEc2Fallback;

typedef enum
{
  BB_EC2_STOP_MODE_TERMINATE,
  BB_EC2_STOP_MODE_STOP,
} BbEc2StopMode;

typedef enum
{
  BB_EC2_HTTP_TOKENS_REQUIRED,
  BB_EC2_HTTP_TOKENS_OPTIONAL,
} BbEc2HttpTokens;

/* What bb_ec2_options fills; members that a user may leave out are NULL then. */
typedef struct
{
  char **instance_type;
  char *ami;
  char **valid_ami_owners;
  char *valid_ami_location_regex;
  char *elastic_ip;
  char *identifier;
  char *secret_identifier;
  char *secret_identifier_file;
  char *aws_id_file_path;
  char *profile;
  char *role_arn;
  char *external_id;
  char *region;
  char *endpoint;
  char **placement;
  char *keypair_name;
  char *security_name;
  char **security_group_ids;
  char *subnet_id;
  char *instance_profile_name;
  char *user_data;
  char *user_data_file;
  char **block_device_map;
  char **volumes;
  char **tags;
  gboolean spot_instance;
  double max_spot_price;   /* 0: none */
  double price_multiplier; /* 0: none */
  char *product_description;
  int spot_fallback;
  int http_tokens;
  int stop_mode;
  double poll_interval;
  double unseen_grace;
  double launch_rate;
} BbEc2Config;

extern const BbOption bb_ec2_options[];

/* Checks across options; contacts nothing. */
void bb_ec2_config_validate (gconstpointer config, GPtrArray *errors);

BbEc2Login *bb_ec2_config_get_login (const BbEc2Config *self);
/* The group that is named in the launch, and made if it is missing; NULL when groups are given by id or a subnet is. */
const char *bb_ec2_config_get_security_name (const BbEc2Config *self);
/* (transfer full): the owners as the service wants them */
char **bb_ec2_config_get_owners (const BbEc2Config *self);
/* (transfer full): zones to try in order; one empty string when that is left to the service */
char **bb_ec2_config_get_zones (const BbEc2Config *self);
/* The text for the instance before it is filled in, from option or file; NULL without an error when there is none. */
char *bb_ec2_config_get_user_data (const BbEc2Config *self, GError **error);

G_END_DECLS
