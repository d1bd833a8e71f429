/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-api.h"

#include <string.h>

#define PAGE_SIZE "1000"
#define DAY_SECONDS (24 * 60 * 60)
#define MAX_CONSOLE_LENGTH 400

static void
add_tags (BbEc2Query *query, guint number, const char *resource_type, const char *const *tags)
{
  bb_ec2_query_add_printf (query, resource_type, "TagSpecification.%u.ResourceType", number);
  for (guint i = 0; tags[i] != NULL && tags[i + 1] != NULL; i += 2)
    {
      bb_ec2_query_add_printf (query, tags[i], "TagSpecification.%u.Tag.%u.Key", number, i / 2 + 1);
      bb_ec2_query_add_printf (query, tags[i + 1], "TagSpecification.%u.Tag.%u.Value", number, i / 2 + 1);
    }
}

static gboolean
is_of_the_mapping (const char *name)
{
  return g_str_equal (name, "DeviceName") || g_str_equal (name, "VirtualName") || g_str_equal (name, "NoDevice");
}

/* Volumes of a map go with the machine unless the map says otherwise, as in Buildbot. */
static void
add_block_device (BbEc2Query *query, guint number, const char *device)
{
  g_auto (GStrv) items = g_strsplit (device, ",", -1);
  gboolean is_volume = FALSE;
  gboolean says_deletion = FALSE;

  for (gsize i = 0; items[i] != NULL; i++)
    {
      char *equals = strchr (items[i], '=');
      const char *name = g_strstrip (items[i]);

      if (equals == NULL)
        continue;
      *equals = '\0';
      g_strchomp (items[i]);
      if (g_str_has_prefix (name, "Ebs."))
        name += strlen ("Ebs.");
      if (is_of_the_mapping (name))
        {
          bb_ec2_query_add_printf (query, g_strstrip (equals + 1), "BlockDeviceMapping.%u.%s", number, name);
          continue;
        }
      is_volume = TRUE;
      says_deletion = says_deletion || g_str_equal (name, "DeleteOnTermination");
      bb_ec2_query_add_printf (query, g_strstrip (equals + 1), "BlockDeviceMapping.%u.Ebs.%s", number, name);
    }
  if (is_volume && !says_deletion)
    bb_ec2_query_add_printf (query, "true", "BlockDeviceMapping.%u.Ebs.DeleteOnTermination", number);
}

static void
add_market (BbEc2Query *query, double max_price)
{
  bb_ec2_query_add (query, "InstanceMarketOptions.MarketType", "spot");
  bb_ec2_query_add (query, "InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time");
  bb_ec2_query_add (query, "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "terminate");
  if (max_price > 0)
    {
      char price[G_ASCII_DTOSTR_BUF_SIZE];

      bb_ec2_query_add (query, "InstanceMarketOptions.SpotOptions.MaxPrice",
                        g_ascii_formatd (price, sizeof price, "%.6f", max_price));
    }
}

static void
add_optional (BbEc2Query *query, const char *name, const char *value)
{
  if (value != NULL)
    bb_ec2_query_add (query, name, value);
}

BbEc2Query *
bb_ec2_api_run_instances (const BbEc2LaunchParameters *parameters, const char *type, const char *zone,
                          const char *token)
{
  BbEc2Query *query = bb_ec2_query_new ("RunInstances");
  gboolean is_spot = parameters->max_spot_price >= 0;

  bb_ec2_query_add (query, "ImageId", parameters->image);
  bb_ec2_query_add (query, "InstanceType", type);
  bb_ec2_query_add (query, "MinCount", "1");
  bb_ec2_query_add (query, "MaxCount", "1");
  bb_ec2_query_add (query, "ClientToken", token);
  /* The service's default is to stop: a slave that powers itself off would then cost its disks for ever. */
  bb_ec2_query_add (query, "InstanceInitiatedShutdownBehavior", "terminate");
  add_optional (query, "MetadataOptions.HttpTokens", parameters->http_tokens);
  add_optional (query, "KeyName", parameters->key_pair);
  add_optional (query, "SecurityGroup.1", parameters->security_group);
  bb_ec2_query_add_list (query, "SecurityGroupId", parameters->security_group_ids);
  add_optional (query, "SubnetId", parameters->subnet);
  add_optional (query, "Placement.AvailabilityZone", zone);
  if (parameters->instance_profile != NULL)
    bb_ec2_query_add (query,
                      g_str_has_prefix (parameters->instance_profile, "arn:") ? "IamInstanceProfile.Arn"
                                                                              : "IamInstanceProfile.Name",
                      parameters->instance_profile);
  if (parameters->user_data != NULL)
    {
      g_autofree char *encoded
        = g_base64_encode ((const guchar *) parameters->user_data, strlen (parameters->user_data));

      bb_ec2_query_add (query, "UserData", encoded);
    }
  for (guint i = 0; parameters->block_devices != NULL && parameters->block_devices[i] != NULL; i++)
    add_block_device (query, i + 1, parameters->block_devices[i]);
  if (is_spot)
    add_market (query, parameters->max_spot_price);
  add_tags (query, 1, "instance", parameters->tags);
  add_tags (query, 2, "volume", parameters->tags);
  if (is_spot)
    add_tags (query, 3, "spot-instances-request", parameters->tags);
  return query;
}

void
bb_ec2_machine_free (BbEc2Machine *self)
{
  g_free (self->id);
  g_free (self->state);
  g_free (self->reason_code);
  g_free (self->reason_message);
  g_free (self->type);
  g_free (self->image);
  g_free (self->spot_request);
  g_free (self->spot_status);
  g_hash_table_unref (self->tags);
  g_free (self);
}

BbEc2Machine *
bb_ec2_machine_copy (const BbEc2Machine *self)
{
  BbEc2Machine *copy = g_new0 (BbEc2Machine, 1);

  copy->id = g_strdup (self->id);
  copy->state = g_strdup (self->state);
  copy->reason_code = g_strdup (self->reason_code);
  copy->reason_message = g_strdup (self->reason_message);
  copy->type = g_strdup (self->type);
  copy->image = g_strdup (self->image);
  copy->spot_request = g_strdup (self->spot_request);
  copy->spot_status = g_strdup (self->spot_status);
  copy->tags = g_hash_table_ref (self->tags);
  return copy;
}

static BbEc2Machine *
parse_machine (xmlNode *item)
{
  BbEc2Machine *machine = g_new0 (BbEc2Machine, 1);

  machine->id = bb_ec2_node_get_text (item, "instanceId");
  machine->state = bb_ec2_node_get_text (item, "instanceState/name");
  machine->reason_code = bb_ec2_node_get_text (item, "stateReason/code");
  machine->reason_message = bb_ec2_node_get_text (item, "stateReason/message");
  machine->type = bb_ec2_node_get_text (item, "instanceType");
  machine->image = bb_ec2_node_get_text (item, "imageId");
  machine->spot_request = bb_ec2_node_get_text (item, "spotInstanceRequestId");
  machine->tags = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (xmlNode *tag = bb_ec2_node_first (bb_ec2_node_find (item, "tagSet"), "item"); tag != NULL;
       tag = bb_ec2_node_next (tag))
    {
      char *key = bb_ec2_node_get_text (tag, "key");
      char *value = bb_ec2_node_get_text (tag, "value");

      if (key != NULL)
        g_hash_table_insert (machine->tags, key, value != NULL ? value : g_strdup (""));
      else
        g_free (value);
    }
  return machine;
}

static void
parse_reservation (xmlNode *reservation, GPtrArray *machines)
{
  for (xmlNode *item = bb_ec2_node_first (bb_ec2_node_find (reservation, "instancesSet"), "item"); item != NULL;
       item = bb_ec2_node_next (item))
    {
      g_autoptr (BbEc2Machine) machine = parse_machine (item);

      if (machine->id != NULL && machine->state != NULL)
        g_ptr_array_add (machines, g_steal_pointer (&machine));
    }
}

void
bb_ec2_api_parse_machines (xmlNode *root, GPtrArray *machines)
{
  parse_reservation (root, machines); /* the answer of RunInstances is one */
  for (xmlNode *reservation = bb_ec2_node_first (bb_ec2_node_find (root, "reservationSet"), "item");
       reservation != NULL; reservation = bb_ec2_node_next (reservation))
    parse_reservation (reservation, machines);
}

BbEc2Query *
bb_ec2_api_describe_instances (const char *filter, const char *const *values)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeInstances");

  bb_ec2_query_add_filter (query, filter, values);
  bb_ec2_query_add (query, "MaxResults", PAGE_SIZE);
  return query;
}

BbEc2Query *
bb_ec2_api_list_instances (const char *tag_key, const char *tag_value)
{
  static const char *const states[] = { "pending", "running", "shutting-down", "stopping", "stopped", NULL };
  g_autofree char *filter = g_strconcat ("tag:", tag_key, NULL);
  BbEc2Query *query = bb_ec2_api_describe_instances (filter, (const char *const[]) { tag_value, NULL });

  bb_ec2_query_add_filter (query, "instance-state-name", states);
  return query;
}

static BbEc2Query *
act_on_instance (const char *action, const char *id)
{
  BbEc2Query *query = bb_ec2_query_new (action);

  bb_ec2_query_add (query, "InstanceId.1", id);
  return query;
}

BbEc2Query *
bb_ec2_api_terminate_instance (const char *id)
{
  return act_on_instance ("TerminateInstances", id);
}

BbEc2Query *
bb_ec2_api_stop_instance (const char *id)
{
  return act_on_instance ("StopInstances", id);
}

BbEc2Query *
bb_ec2_api_start_instance (const char *id)
{
  return act_on_instance ("StartInstances", id);
}

BbEc2Query *
bb_ec2_api_get_console_output (const char *id)
{
  BbEc2Query *query = bb_ec2_query_new ("GetConsoleOutput");

  bb_ec2_query_add (query, "InstanceId", id);
  return query;
}

char *
bb_ec2_api_parse_console_tail (xmlNode *root, guint lines)
{
  g_autofree char *encoded = bb_ec2_node_get_text (root, "output");
  g_autofree guchar *decoded = NULL;
  g_autofree char *text = NULL;
  const char *tail;
  gsize length;

  if (encoded == NULL)
    return NULL;
  decoded = g_base64_decode (encoded, &length);
  text = g_utf8_make_valid ((const char *) decoded, (gssize) length);
  g_strchomp (text);
  tail = text + strlen (text);
  while (tail > text && (tail[-1] != '\n' || --lines > 0))
    tail--;
  if (strlen (tail) > MAX_CONSOLE_LENGTH)
    tail = g_utf8_find_next_char (tail + strlen (tail) - MAX_CONSOLE_LENGTH, NULL);
  return *tail != '\0' ? g_strdup (tail) : NULL;
}

BbEc2Query *
bb_ec2_api_describe_image (const char *id)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeImages");

  bb_ec2_query_add (query, "ImageId.1", id);
  return query;
}

BbEc2Query *
bb_ec2_api_describe_images (const char *const *owners)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeImages");

  bb_ec2_query_add_list (query, "Owner", owners);
  bb_ec2_query_add_filter (query, "state", (const char *const[]) { "available", NULL });
  bb_ec2_query_add_filter (query, "image-type", (const char *const[]) { "machine", NULL });
  bb_ec2_query_add (query, "MaxResults", PAGE_SIZE);
  return query;
}

void
bb_ec2_image_free (BbEc2Image *self)
{
  g_free (self->id);
  g_free (self->location);
  g_free (self->state);
  g_free (self);
}

void
bb_ec2_api_parse_images (xmlNode *root, GPtrArray *images)
{
  for (xmlNode *item = bb_ec2_node_first (bb_ec2_node_find (root, "imagesSet"), "item"); item != NULL;
       item = bb_ec2_node_next (item))
    {
      BbEc2Image *image = g_new0 (BbEc2Image, 1);

      image->id = bb_ec2_node_get_text (item, "imageId");
      image->location = bb_ec2_node_get_text (item, "imageLocation");
      image->state = bb_ec2_node_get_text (item, "imageState");
      if (image->id != NULL)
        g_ptr_array_add (images, image);
      else
        bb_ec2_image_free (image);
    }
}

BbEc2Query *
bb_ec2_api_describe_key_pair (const char *name)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeKeyPairs");

  bb_ec2_query_add (query, "KeyName.1", name);
  return query;
}

BbEc2Query *
bb_ec2_api_create_key_pair (const char *name)
{
  BbEc2Query *query = bb_ec2_query_new ("CreateKeyPair");

  bb_ec2_query_add (query, "KeyName", name);
  return query;
}

BbEc2Query *
bb_ec2_api_describe_security_group (const char *name)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeSecurityGroups");

  bb_ec2_query_add_filter (query, "group-name", (const char *const[]) { name, NULL });
  return query;
}

gboolean
bb_ec2_api_parse_has_security_group (xmlNode *root)
{
  return bb_ec2_node_find (root, "securityGroupInfo/item") != NULL;
}

BbEc2Query *
bb_ec2_api_create_security_group (const char *name)
{
  BbEc2Query *query = bb_ec2_query_new ("CreateSecurityGroup");

  bb_ec2_query_add (query, "GroupName", name);
  bb_ec2_query_add (query, "GroupDescription", "Machines that bbhost starts");
  return query;
}

BbEc2Query *
bb_ec2_api_describe_address (const char *public_ip)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeAddresses");

  bb_ec2_query_add (query, "PublicIp.1", public_ip);
  return query;
}

void
bb_ec2_address_free (BbEc2Address *self)
{
  g_free (self->allocation);
  g_free (self->association);
  g_free (self->instance);
  g_free (self);
}

void
bb_ec2_api_parse_addresses (xmlNode *root, GPtrArray *addresses)
{
  for (xmlNode *item = bb_ec2_node_first (bb_ec2_node_find (root, "addressesSet"), "item"); item != NULL;
       item = bb_ec2_node_next (item))
    {
      BbEc2Address *address = g_new0 (BbEc2Address, 1);

      address->allocation = bb_ec2_node_get_text (item, "allocationId");
      address->association = bb_ec2_node_get_text (item, "associationId");
      address->instance = bb_ec2_node_get_text (item, "instanceId");
      g_ptr_array_add (addresses, address);
    }
}

BbEc2Query *
bb_ec2_api_associate_address (const char *allocation, const char *public_ip, const char *instance)
{
  BbEc2Query *query = bb_ec2_query_new ("AssociateAddress");

  bb_ec2_query_add (query, "InstanceId", instance);
  if (allocation != NULL)
    {
      bb_ec2_query_add (query, "AllocationId", allocation);
      /* The option says that the address is the slave's: never take it from another machine in silence. */
      bb_ec2_query_add (query, "AllowReassociation", "false");
    }
  else
    bb_ec2_query_add (query, "PublicIp", public_ip);
  return query;
}

BbEc2Query *
bb_ec2_api_disassociate_address (const char *association, const char *public_ip)
{
  BbEc2Query *query = bb_ec2_query_new ("DisassociateAddress");

  if (association != NULL)
    bb_ec2_query_add (query, "AssociationId", association);
  else
    bb_ec2_query_add (query, "PublicIp", public_ip);
  return query;
}

BbEc2Query *
bb_ec2_api_attach_volume (const char *volume, const char *instance, const char *device)
{
  BbEc2Query *query = bb_ec2_query_new ("AttachVolume");

  bb_ec2_query_add (query, "VolumeId", volume);
  bb_ec2_query_add (query, "InstanceId", instance);
  bb_ec2_query_add (query, "Device", device);
  return query;
}

BbEc2Query *
bb_ec2_api_detach_volume (const char *volume, const char *instance)
{
  BbEc2Query *query = bb_ec2_query_new ("DetachVolume");

  bb_ec2_query_add (query, "VolumeId", volume);
  bb_ec2_query_add (query, "InstanceId", instance);
  return query;
}

BbEc2Query *
bb_ec2_api_describe_volume (const char *volume)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeVolumes");

  bb_ec2_query_add (query, "VolumeId.1", volume);
  return query;
}

void
bb_ec2_attachment_free (BbEc2Attachment *self)
{
  g_free (self->instance);
  g_free (self->state);
  g_free (self);
}

void
bb_ec2_api_parse_attachments (xmlNode *root, GPtrArray *attachments)
{
  xmlNode *volume = bb_ec2_node_find (root, "volumeSet/item");

  for (xmlNode *item = bb_ec2_node_first (bb_ec2_node_find (volume, "attachmentSet"), "item"); item != NULL;
       item = bb_ec2_node_next (item))
    {
      BbEc2Attachment *attachment = g_new0 (BbEc2Attachment, 1);

      attachment->instance = bb_ec2_node_get_text (item, "instanceId");
      attachment->state = bb_ec2_node_get_text (item, "status");
      g_ptr_array_add (attachments, attachment);
    }
}

BbEc2Query *
bb_ec2_api_describe_spot_requests (const char *filter, const char *const *values)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeSpotInstanceRequests");

  bb_ec2_query_add_filter (query, filter, values);
  return query;
}

void
bb_ec2_spot_request_free (BbEc2SpotRequest *self)
{
  g_free (self->id);
  g_free (self->state);
  g_free (self->status);
  g_free (self->instance);
  g_free (self);
}

void
bb_ec2_api_parse_spot_requests (xmlNode *root, GPtrArray *requests)
{
  for (xmlNode *item = bb_ec2_node_first (bb_ec2_node_find (root, "spotInstanceRequestSet"), "item"); item != NULL;
       item = bb_ec2_node_next (item))
    {
      BbEc2SpotRequest *request = g_new0 (BbEc2SpotRequest, 1);

      request->id = bb_ec2_node_get_text (item, "spotInstanceRequestId");
      request->state = bb_ec2_node_get_text (item, "state");
      request->status = bb_ec2_node_get_text (item, "status/code");
      request->instance = bb_ec2_node_get_text (item, "instanceId");
      if (request->id != NULL && request->state != NULL)
        g_ptr_array_add (requests, request);
      else
        bb_ec2_spot_request_free (request);
    }
}

BbEc2Query *
bb_ec2_api_cancel_spot_request (const char *id)
{
  BbEc2Query *query = bb_ec2_query_new ("CancelSpotInstanceRequests");

  bb_ec2_query_add (query, "SpotInstanceRequestId.1", id);
  return query;
}

static char *
format_time (gint64 unix_time)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (unix_time);

  return g_date_time_format (time, "%Y-%m-%dT%H:%M:%SZ");
}

BbEc2Query *
bb_ec2_api_describe_spot_prices (const char *type, const char *product, const char *zone, gint64 now)
{
  BbEc2Query *query = bb_ec2_query_new ("DescribeSpotPriceHistory");
  g_autofree char *start = format_time (now - DAY_SECONDS);
  g_autofree char *end = format_time (now);

  bb_ec2_query_add (query, "InstanceType.1", type);
  bb_ec2_query_add (query, "ProductDescription.1", product);
  bb_ec2_query_add (query, "StartTime", start);
  bb_ec2_query_add (query, "EndTime", end);
  add_optional (query, "AvailabilityZone", zone);
  return query;
}

void
bb_ec2_api_parse_spot_prices (xmlNode *root, GPtrArray *prices)
{
  for (xmlNode *item = bb_ec2_node_first (bb_ec2_node_find (root, "spotPriceHistorySet"), "item"); item != NULL;
       item = bb_ec2_node_next (item))
    {
      g_autofree char *text = bb_ec2_node_get_text (item, "spotPrice");
      char *end = NULL;
      double price = text != NULL ? g_ascii_strtod (text, &end) : 0;

      if (text != NULL && end != text && price >= 0)
        g_ptr_array_add (prices, g_memdup2 (&price, sizeof price));
    }
}
