/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-config.h"

#include "bb-ec2-image-choice.h"
#include "bb-ec2-profile.h"

#include <glib/gi18n.h>
#include <string.h>

#define DEFAULT_SECURITY_NAME "latent_buildbot_slave"
#define MAX_USER_DATA (16 * 1024)
#define MAX_TAGS 46 /* 50, and four are bbhost's */

#define OFFSET(MEMBER) G_STRUCT_OFFSET (BbEc2Config, MEMBER)

static const char *const fallbacks[] = { "none", "on-demand", NULL };
static const char *const stop_modes[] = { "terminate", "stop", NULL };
static const char *const http_tokens[] = { "required", "optional", NULL };

const BbOption bb_ec2_options[] = {
  { "instance_type", BB_OPTION_STRINGS, OFFSET (instance_type), NULL, 0, 0, BB_OPTION_REQUIRED, NULL,
    N_("The type of machine, as EC2 names it; of several, the next is tried when there is no room for one.") },
  { "ami", BB_OPTION_STRING, OFFSET (ami), NULL, 0, 0, 0, NULL,
    N_("The image's id. Either this, or at least one of valid_ami_owners and valid_ami_location_regex.") },
  { "valid_ami_owners", BB_OPTION_STRINGS, OFFSET (valid_ami_owners), NULL, 0, 0, 0, NULL,
    N_("Accounts whose images may be used: 12 digits with or without hyphens, self, amazon or aws-marketplace.") },
  { "valid_ami_location_regex", BB_OPTION_STRING, OFFSET (valid_ami_location_regex), NULL, 0, 0, 0, NULL,
    N_("A regular expression that the start of the image's location must match. Of all images that fit, the last by "
       "the first group is taken, as a number if all are numbers, else by location.") },
  { "elastic_ip", BB_OPTION_STRING, OFFSET (elastic_ip), NULL, 0, 0, 0, NULL,
    N_("A public address of the account, which the machine has while it runs.") },
  { "identifier", BB_OPTION_STRING, OFFSET (identifier), NULL, 0, 0, 0, NULL,
    N_("The access key's id, together with secret_identifier or secret_identifier_file.") },
  { "secret_identifier", BB_OPTION_STRING, OFFSET (secret_identifier), NULL, 0, 0, BB_OPTION_SECRET, NULL,
    N_("The access key's secret.") },
  { "secret_identifier_file", BB_OPTION_PATH, OFFSET (secret_identifier_file), NULL, 0, 0, 0, NULL,
    N_("A file whose first line is the access key's secret.") },
  { "aws_id_file_path", BB_OPTION_PATH, OFFSET (aws_id_file_path), NULL, 0, 0, 0, NULL,
    N_("A file with the access key's id in its first line and the secret in its second. Without it and without "
       "identifier: ~/.ec2/aws_id if there is one, then environment, files and role as in the AWS tools.") },
  { "profile", BB_OPTION_STRING, OFFSET (profile), NULL, 0, 0, 0, NULL,
    N_("The profile in ~/.aws/credentials and ~/.aws/config to take keys and region from.") },
  { "role_arn", BB_OPTION_STRING, OFFSET (role_arn), NULL, 0, 0, 0, NULL,
    N_("A role to take on with the keys that were found.") },
  { "external_id", BB_OPTION_STRING, OFFSET (external_id), NULL, 0, 0, 0, NULL,
    N_("What the owner of the role gave us to name when we take it on.") },
  { "region", BB_OPTION_STRING, OFFSET (region), NULL, 0, 0, 0, NULL,
    N_("The region. Without it: as in the AWS tools, else us-east-1.") },
  { "endpoint", BB_OPTION_STRING, OFFSET (endpoint), NULL, 0, 0, 0, NULL,
    N_("The service's address, for clouds that speak EC2's language. Without it: as in the AWS tools.") },
  { "placement", BB_OPTION_STRINGS, OFFSET (placement), NULL, 0, 0, 0, NULL,
    N_("The letter of the availability zone; of several, the next is tried when there is no room in one. Needs "
       "region.") },
  { "keypair_name", BB_OPTION_STRING, OFFSET (keypair_name), "latent_buildbot_slave", 0, 0, BB_OPTION_NONE_ALLOWED,
    NULL,
    N_("The key pair that may log in to the machine; made if it is missing, and its private half thrown away. none: "
       "no key pair.") },
  { "security_name", BB_OPTION_STRING, OFFSET (security_name), NULL, 0, 0, 0, NULL,
    N_("The security group by name, in the default VPC; made without rules if it is missing. Default: "
       "latent_buildbot_slave, unless subnet_id or security_group_ids is given.") },
  { "security_group_ids", BB_OPTION_STRINGS, OFFSET (security_group_ids), NULL, 0, 0, 0, NULL,
    N_("Security groups by id, as a subnet needs them.") },
  { "subnet_id", BB_OPTION_STRING, OFFSET (subnet_id), NULL, 0, 0, 0, NULL, N_("The subnet.") },
  { "instance_profile_name", BB_OPTION_STRING, OFFSET (instance_profile_name), NULL, 0, 0, 0, NULL,
    N_("The instance profile, by name or ARN, whose role the machine has.") },
  { "user_data", BB_OPTION_STRING, OFFSET (user_data), NULL, 0, 0, BB_OPTION_INTERPOLATED | BB_OPTION_SECRET, NULL,
    N_("What is handed to the machine, at most 16 KiB, filled in.") },
  { "user_data_file", BB_OPTION_PATH, OFFSET (user_data_file), NULL, 0, 0, 0, NULL,
    N_("A file whose contents are used as user_data.") },
  { "block_device_map", BB_OPTION_STRINGS, OFFSET (block_device_map), NULL, 0, 0, 0, NULL,
    N_("Disks in EC2's words, each item like DeviceName=/dev/xvda,VolumeSize=20,VolumeType=gp3. They are deleted with "
       "the machine unless an item says DeleteOnTermination=false.") },
  { "volumes", BB_OPTION_STRINGS, OFFSET (volumes), NULL, 0, 0, 0, NULL,
    N_("Volumes of yours to attach in this order, each VOLUME:DEVICE. They are detached with the machine, and never "
       "deleted.") },
  { "tags", BB_OPTION_PAIRS, OFFSET (tags), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("Tags of the machine, its volumes and its spot request.") },
  { "spot_instance", BB_OPTION_BOOLEAN, OFFSET (spot_instance), "false", 0, 0, 0, NULL,
    N_("Whether to use spot instances.") },
  { "max_spot_price", BB_OPTION_NUMBER, OFFSET (max_spot_price), "1.6", 0, 1000, BB_OPTION_NONE_ALLOWED, NULL,
    N_("The highest bid, US dollars per hour.") },
  { "price_multiplier", BB_OPTION_NUMBER, OFFSET (price_multiplier), "1.2", 0, 1000, BB_OPTION_NONE_ALLOWED, NULL,
    N_("The bid is the mean of the last 24 hours' prices times this. none: the bid is max_spot_price.") },
  { "product_description", BB_OPTION_STRING, OFFSET (product_description), "Linux/UNIX", 0, 0, 0, NULL,
    N_("Whose prices count for the mean.") },
  { "spot_fallback", BB_OPTION_ENUM, OFFSET (spot_fallback), "none", 0, 0, 0, fallbacks,
    N_("What to start when no spot instance is to be had.") },
  { "http_tokens", BB_OPTION_ENUM, OFFSET (http_tokens), "required", 0, 0, 0, http_tokens,
    N_("Whether the machine's metadata service, which shows user_data, insists on version 2 of its protocol.") },
  { "stop_mode", BB_OPTION_ENUM, OFFSET (stop_mode), "terminate", 0, 0, 0, stop_modes,
    N_("What becomes of an idle machine: terminate ends it; stop shuts it down and keeps its disks, for which EC2 charges, and the "
       "next build starts it again. Needs an image whose root is an EBS volume.") },
  { "poll_interval", BB_OPTION_SECONDS, OFFSET (poll_interval), "5", 0.1, 300, BB_OPTION_LIVE, NULL,
    N_("The pause between two questions about the machines, which are asked for all of an account together.") },
  { "unseen_grace", BB_OPTION_SECONDS, OFFSET (unseen_grace), "600", 1, 86400, BB_OPTION_LIVE, NULL,
    N_("For how long after a launch a machine that the service doesn't show may still appear.") },
  { "launch_rate", BB_OPTION_NUMBER, OFFSET (launch_rate), "2", 0.01, 1000, BB_OPTION_LIVE, NULL,
    N_("Launches per second in an account and region, as EC2 allows it.") },
  { 0 }
};

G_GNUC_PRINTF (2, 3) static void
complain (GPtrArray *errors, const char *format, ...)
{
  va_list arguments;

  va_start (arguments, format);
  g_ptr_array_add (errors, g_strdup_vprintf (format, arguments));
  va_end (arguments);
}

static gboolean
is_given (char **list)
{
  return list != NULL && list[0] != NULL;
}

/* "1234-5678-9012" as the service wants it; NULL for what can't be an account. */
static char *
normalize_owner (const char *owner)
{
  g_auto (GStrv) parts = g_strsplit (owner, "-", -1);
  char *digits;

  if (g_str_equal (owner, "self") || g_str_equal (owner, "amazon") || g_str_equal (owner, "aws-marketplace"))
    return g_strdup (owner);
  digits = g_strjoinv ("", parts);
  if (strlen (digits) == 12 && strspn (digits, "0123456789") == 12)
    return digits;
  g_free (digits);
  return NULL;
}

static void
validate_image (const BbEc2Config *config, GPtrArray *errors)
{
  gboolean filtered = is_given (config->valid_ami_owners) || config->valid_ami_location_regex != NULL;
  g_autoptr (GRegex) regex = NULL;
  g_autoptr (GError) error = NULL;

  if (config->ami != NULL && filtered)
    complain (errors,
              "ami: not together with valid_ami_owners or valid_ami_location_regex; keep the one that is meant");
  if (config->ami == NULL && !filtered)
    complain (errors, "ami: is missing; give it, or valid_ami_owners or valid_ami_location_regex");
  for (gsize i = 0; config->valid_ami_owners != NULL && config->valid_ami_owners[i] != NULL; i++)
    {
      g_autofree char *owner = normalize_owner (config->valid_ami_owners[i]);

      if (owner == NULL)
        complain (errors, "valid_ami_owners: \"%s\" is not an account of 12 digits, self, amazon or aws-marketplace",
                  config->valid_ami_owners[i]);
    }
  if (config->valid_ami_location_regex != NULL)
    regex = bb_ec2_image_compile (config->valid_ami_location_regex, &error);
  if (error != NULL)
    complain (errors, "valid_ami_location_regex: \"%s\" is not a regular expression: %s",
              config->valid_ami_location_regex, error->message);
}

static void
validate_login (const BbEc2Config *config, GPtrArray *errors)
{
  gboolean has_secret = config->secret_identifier != NULL || config->secret_identifier_file != NULL;

  if (config->identifier != NULL && !has_secret)
    complain (errors, "identifier: needs secret_identifier or secret_identifier_file");
  if (config->identifier == NULL && has_secret)
    complain (errors, "%s: needs identifier",
              config->secret_identifier != NULL ? "secret_identifier" : "secret_identifier_file");
  if (config->secret_identifier != NULL && config->secret_identifier_file != NULL)
    complain (errors, "secret_identifier: not together with secret_identifier_file");
  if (config->aws_id_file_path != NULL && config->identifier != NULL)
    complain (errors, "aws_id_file_path: not together with identifier");
  if (config->profile != NULL && (config->identifier != NULL || config->aws_id_file_path != NULL))
    complain (errors, "profile: not together with identifier or aws_id_file_path");
  if (config->external_id != NULL && config->role_arn == NULL)
    complain (errors, "external_id: needs role_arn");
  if (config->role_arn != NULL && !g_str_has_prefix (config->role_arn, "arn:"))
    complain (errors, "role_arn: \"%s\" does not begin with arn:", config->role_arn);
}

/* One letter, or the whole name of a zone of that region: local zones have longer ones. */
static gboolean
is_placement (const char *placement, const char *region)
{
  if (g_ascii_islower (placement[0]) && placement[1] == '\0')
    return TRUE;
  return region != NULL && g_str_has_prefix (placement, region) && strlen (placement) > strlen (region);
}

static void
validate_place (const BbEc2Config *config, GPtrArray *errors)
{
  g_autoptr (GUri) uri = config->endpoint != NULL ? g_uri_parse (config->endpoint, G_URI_FLAGS_NONE, NULL) : NULL;

  if (config->region != NULL && config->endpoint == NULL && !bb_ec2_place_is_region (config->region))
    complain (errors, "region: \"%s\" is not a region of EC2, like us-west-2", config->region);
  if (config->region != NULL && !g_regex_match_simple ("^[A-Za-z0-9._-]+$", config->region, 0, 0))
    complain (errors, "region: \"%s\" has characters that no region's name has", config->region);
  if (is_given (config->placement) && config->region == NULL)
    complain (errors, "placement: needs region");
  for (gsize i = 0; config->placement != NULL && config->placement[i] != NULL; i++)
    if (!is_placement (config->placement[i], config->region))
      complain (errors, "placement: \"%s\" is not the letter of a zone, like b", config->placement[i]);
  if (config->endpoint != NULL
      && (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0'
          || (!g_str_equal (g_uri_get_scheme (uri), "https") && !g_str_equal (g_uri_get_scheme (uri), "http"))))
    complain (errors, "endpoint: \"%s\" is not an address like https://ec2.example.org:8773/", config->endpoint);
}

static void
validate_network (const BbEc2Config *config, GPtrArray *errors)
{
  if (config->security_name != NULL && config->subnet_id != NULL)
    complain (errors, "security_name: not together with subnet_id; give security_group_ids");
  if (config->elastic_ip != NULL)
    {
      g_autoptr (GInetAddress) address = g_inet_address_new_from_string (config->elastic_ip);

      if (address == NULL)
        complain (errors, "elastic_ip: \"%s\" is not an address", config->elastic_ip);
    }
}

static void
validate_block_device (const char *device, GPtrArray *errors)
{
  static const char *const names[] = { "DeviceName", "VirtualName", "NoDevice", "VolumeSize", "VolumeType",
                                       "SnapshotId", "Iops", "Throughput", "Encrypted", "KmsKeyId", "DeleteOnTermination", NULL };
  g_auto (GStrv) items = g_strsplit (device, ",", -1);
  gboolean has_name = FALSE;

  for (gsize i = 0; items[i] != NULL; i++)
    {
      char *equals = strchr (items[i], '=');
      const char *name = items[i];

      if (equals == NULL)
        {
          complain (errors, "block_device_map: \"%s\" is not NAME=VALUE", items[i]);
          continue;
        }
      *equals = '\0';
      g_strstrip (items[i]);
      if (g_str_has_prefix (name, "Ebs."))
        name += strlen ("Ebs.");
      has_name = has_name || g_str_equal (name, "DeviceName");
      if (!g_strv_contains (names, name))
        complain (errors, "block_device_map: \"%s\" is not one of EC2's words for a disk, like VolumeSize", name);
    }
  if (!has_name)
    complain (errors, "block_device_map: \"%s\" has no DeviceName", device);
}

static void
validate_disks (const BbEc2Config *config, GPtrArray *errors)
{
  for (gsize i = 0; config->block_device_map != NULL && config->block_device_map[i] != NULL; i++)
    validate_block_device (config->block_device_map[i], errors);
  for (gsize i = 0; config->volumes != NULL && config->volumes[i] != NULL; i++)
    {
      const char *colon = strchr (config->volumes[i], ':');

      if (colon == NULL || colon == config->volumes[i] || colon[1] == '\0')
        complain (errors, "volumes: \"%s\" is not VOLUME:DEVICE, like vol-1:/dev/sdf", config->volumes[i]);
    }
}

static void
validate_tags (const BbEc2Config *config, GPtrArray *errors)
{
  for (gsize i = 0; config->tags != NULL && config->tags[i] != NULL; i++)
    {
      gsize length = strcspn (config->tags[i], "=");

      if (g_str_has_prefix (config->tags[i], "bbhost:") || g_str_has_prefix (config->tags[i], "aws:"))
        complain (errors, "tags: \"%.*s\" begins with bbhost: or aws:, which are not for users", (int) length,
                  config->tags[i]);
      if (length > 127)
        {
          g_autofree char *quoted = bb_error_quote (config->tags[i], 20);

          complain (errors, "tags: \"%s…\" is longer than 127 characters", quoted);
        }
    }
  if (config->tags != NULL && g_strv_length (config->tags) > MAX_TAGS)
    complain (errors, "tags: more than %d", MAX_TAGS);
}

static void
validate_user_data (const BbEc2Config *config, GPtrArray *errors)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (config->user_data != NULL && config->user_data_file != NULL)
    complain (errors, "user_data: not together with user_data_file");
  text = bb_ec2_config_get_user_data (config, &error);
  if (error != NULL)
    complain (errors, "user_data_file: %s", error->message);
  if (text != NULL && strlen (text) > MAX_USER_DATA)
    complain (errors, "%s: longer than 16 KiB, which is all that EC2 takes",
              config->user_data != NULL ? "user_data" : "user_data_file");
}

void
bb_ec2_config_validate (gconstpointer data, GPtrArray *errors)
{
  const BbEc2Config *config = data;

  if (config->instance_type != NULL && config->instance_type[0] == NULL)
    complain (errors, "instance_type: is empty; name at least one type, like m5.large");
  validate_image (config, errors);
  validate_login (config, errors);
  validate_place (config, errors);
  validate_network (config, errors);
  validate_disks (config, errors);
  validate_tags (config, errors);
  validate_user_data (config, errors);
  if (config->spot_instance && config->max_spot_price == 0 && config->price_multiplier == 0)
    complain (errors, "max_spot_price: none, and price_multiplier none as well, leaves no bid; give one of them");
  if (config->spot_instance && config->stop_mode == BB_EC2_STOP_MODE_STOP)
    complain (errors, "stop_mode: stop is not for spot instances, whose requests end with them; leave it out");
  if (!config->spot_instance && config->spot_fallback != BB_EC2_FALLBACK_NONE)
    complain (errors, "spot_fallback: needs spot_instance=true");
}

BbEc2Login *
bb_ec2_config_get_login (const BbEc2Config *self)
{
  const BbEc2Login login = { .identifier = self->identifier,
                             .secret_identifier = self->secret_identifier,
                             .secret_identifier_file = self->secret_identifier_file,
                             .aws_id_file_path = self->aws_id_file_path,
                             .profile = self->profile,
                             .role_arn = self->role_arn,
                             .external_id = self->external_id,
                             .region = self->region,
                             .endpoint = self->endpoint };

  return bb_ec2_login_copy (&login);
}

const char *
bb_ec2_config_get_security_name (const BbEc2Config *self)
{
  if (self->security_name != NULL)
    return self->security_name;
  return self->subnet_id == NULL && !is_given (self->security_group_ids) ? DEFAULT_SECURITY_NAME : NULL;
}

char **
bb_ec2_config_get_owners (const BbEc2Config *self)
{
  g_autoptr (GStrvBuilder) owners = g_strv_builder_new ();

  for (gsize i = 0; self->valid_ami_owners != NULL && self->valid_ami_owners[i] != NULL; i++)
    {
      g_autofree char *owner = normalize_owner (self->valid_ami_owners[i]);

      if (owner != NULL)
        g_strv_builder_add (owners, owner);
    }
  return g_strv_builder_end (owners);
}

char **
bb_ec2_config_get_zones (const BbEc2Config *self)
{
  g_autoptr (GStrvBuilder) zones = g_strv_builder_new ();

  if (!is_given (self->placement))
    g_strv_builder_add (zones, "");
  for (gsize i = 0; self->placement != NULL && self->placement[i] != NULL; i++)
    {
      gboolean is_letter = self->placement[i][1] == '\0';
      g_autofree char *zone = g_strconcat (is_letter ? self->region : "", self->placement[i], NULL);

      g_strv_builder_add (zones, zone);
    }
  return g_strv_builder_end (zones);
}

char *
bb_ec2_config_get_user_data (const BbEc2Config *self, GError **error)
{
  if (self->user_data != NULL)
    return g_strdup (self->user_data);
  return self->user_data_file != NULL ? bb_ec2_profile_read_file (self->user_data_file, error) : NULL;
}
