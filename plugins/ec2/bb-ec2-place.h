/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What a slave's options say about which account to use, and where; all nullable. */
typedef struct
{
  char *identifier;
  char *secret_identifier;
  char *secret_identifier_file;
  char *aws_id_file_path;
  char *profile;
  char *role_arn;
  char *external_id;
  char *region;
  char *endpoint;
} BbEc2Login;

BbEc2Login *bb_ec2_login_copy (const BbEc2Login *self);
void bb_ec2_login_free (BbEc2Login *self);
/* The same for equal ones only. Holds secrets: never to be shown. */
char *bb_ec2_login_to_key (const BbEc2Login *self);

/* Where an account's calls go: the options, completed by the environment and the profile of the AWS configuration file.
 * Immutable, shared by reference, also between threads. */
typedef struct
{
  char **environment;
  char *region;
  char *endpoint;      /* of EC2: an absolute URL */
  char *sts_endpoint;  /* of the service that lends roles */
  char *ca_file;       /* (nullable) */
  char *profile;       /* "default" when none was named */
  gboolean profile_named;
  char *credentials_path;
  char *config_path;
  /*< private >*/
  gatomicrefcount ref_count;
} BbEc2Place;

/* Reads the configuration file of the AWS tools. @environment: like g_get_environ(). */
BbEc2Place *bb_ec2_place_new (const BbEc2Login *login, const char *const *environment, GError **error);
BbEc2Place *bb_ec2_place_ref (BbEc2Place *self);
void bb_ec2_place_unref (BbEc2Place *self);
const char *bb_ec2_place_getenv (const BbEc2Place *self, const char *name); /* (nullable), never empty */

/* Looks like a region of the service: a new one does too, a misspelt one hardly. */
gboolean bb_ec2_place_is_region (const char *region);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Login, bb_ec2_login_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Place, bb_ec2_place_unref)

G_END_DECLS
