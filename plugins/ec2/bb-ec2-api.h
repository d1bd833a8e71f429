/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-document.h"
#include "bb-ec2-query.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * The actions that we use, one function each that makes the request, and what their answers hold. Knows nothing of
 * slaves. Calls are made by BbEc2Client.
 */

typedef struct
{
  char *id;
  char *state;          /* pending, running, shutting-down, terminated, stopping, stopped */
  char *reason_code;    /* (nullable): Client.UserInitiatedShutdown, … */
  char *reason_message; /* (nullable) */
  char *type;
  char *image;
  char *spot_request;   /* (nullable) */
  char *spot_status;    /* (nullable): of that request, where it was asked for */
  GHashTable *tags;     /* key → value */
} BbEc2Machine;

void bb_ec2_machine_free (BbEc2Machine *self);
BbEc2Machine *bb_ec2_machine_copy (const BbEc2Machine *self);

typedef struct
{
  char *id;
  char *location; /* (nullable) */
  char *state;
} BbEc2Image;

typedef struct
{
  char *allocation; /* (nullable): an address of the time before VPCs */
  char *association; /* (nullable) */
  char *instance;    /* (nullable) */
} BbEc2Address;

typedef struct
{
  char *instance;
  char *state; /* attaching, attached, detaching */
} BbEc2Attachment;

typedef struct
{
  char *id;
  char *state; /* open, active, closed, cancelled, failed */
  char *status;
  char *instance; /* (nullable) */
} BbEc2SpotRequest;

/* What is to be launched: everything that does not depend on the attempt. All nullable but image. */
typedef struct
{
  const char *image;
  const char *key_pair;
  const char *security_group; /* its name */
  const char *const *security_group_ids;
  const char *subnet;
  const char *instance_profile; /* a name or an ARN */
  const char *user_data;        /* as the machine shall see it */
  const char *const *block_devices; /* each NAME=VALUE,NAME=VALUE,… in EC2's words */
  const char *const *tags;      /* KEY, VALUE, KEY, VALUE, … */
  const char *http_tokens;      /* "required" or "optional" */
  double max_spot_price;        /* negative: on demand; 0: spot, at most the price on demand */
} BbEc2LaunchParameters;

BbEc2Query *bb_ec2_api_run_instances (const BbEc2LaunchParameters *parameters, const char *type, const char *zone,
                                      const char *token);
void bb_ec2_api_parse_machines (xmlNode *root, GPtrArray *machines); /* of RunInstances and DescribeInstances */

/* Filters, so that one id that isn't there doesn't fail the call. At most 200 values. */
BbEc2Query *bb_ec2_api_describe_instances (const char *filter, const char *const *values);
BbEc2Query *bb_ec2_api_list_instances (const char *tag_key, const char *tag_value); /* those that are not terminated */
BbEc2Query *bb_ec2_api_terminate_instance (const char *id);
BbEc2Query *bb_ec2_api_stop_instance (const char *id);  /* its disks stay */
BbEc2Query *bb_ec2_api_start_instance (const char *id); /* one that was stopped */
BbEc2Query *bb_ec2_api_get_console_output (const char *id);
/* The last @lines lines, or NULL. */
char *bb_ec2_api_parse_console_tail (xmlNode *root, guint lines);

BbEc2Query *bb_ec2_api_describe_image (const char *id);
BbEc2Query *bb_ec2_api_describe_images (const char *const *owners);
void bb_ec2_api_parse_images (xmlNode *root, GPtrArray *images);
void bb_ec2_image_free (BbEc2Image *self);

BbEc2Query *bb_ec2_api_describe_key_pair (const char *name);
BbEc2Query *bb_ec2_api_create_key_pair (const char *name);
BbEc2Query *bb_ec2_api_describe_security_group (const char *name);
BbEc2Query *bb_ec2_api_create_security_group (const char *name);
gboolean bb_ec2_api_parse_has_security_group (xmlNode *root);

BbEc2Query *bb_ec2_api_describe_address (const char *public_ip);
void bb_ec2_api_parse_addresses (xmlNode *root, GPtrArray *addresses);
void bb_ec2_address_free (BbEc2Address *self);
BbEc2Query *bb_ec2_api_associate_address (const char *allocation, const char *public_ip, const char *instance);
BbEc2Query *bb_ec2_api_disassociate_address (const char *association, const char *public_ip);

BbEc2Query *bb_ec2_api_attach_volume (const char *volume, const char *instance, const char *device);
BbEc2Query *bb_ec2_api_detach_volume (const char *volume, const char *instance);
BbEc2Query *bb_ec2_api_describe_volume (const char *volume);
void bb_ec2_api_parse_attachments (xmlNode *root, GPtrArray *attachments);
void bb_ec2_attachment_free (BbEc2Attachment *self);

BbEc2Query *bb_ec2_api_describe_spot_requests (const char *filter, const char *const *values);
void bb_ec2_api_parse_spot_requests (xmlNode *root, GPtrArray *requests);
void bb_ec2_spot_request_free (BbEc2SpotRequest *self);
BbEc2Query *bb_ec2_api_cancel_spot_request (const char *id);

/* @zone: (nullable). The prices of the last 24 hours before @now, seconds since 1970. */
BbEc2Query *bb_ec2_api_describe_spot_prices (const char *type, const char *product, const char *zone, gint64 now);
void bb_ec2_api_parse_spot_prices (xmlNode *root, GPtrArray *prices); /* of double *, for g_free() */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Machine, bb_ec2_machine_free)

G_END_DECLS
