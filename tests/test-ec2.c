/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ec2 plugin against a little EC2 within this process: calls and their repeating, keys, every option's
 * parameter, and the start and stop of instances with all that may go wrong on the way. */
#include "bb-ec2-account.h"
#include "bb-ec2-config.h"
#include "bb-ec2-error.h"
#include "bb-ec2-launch.h"
#include "bb-ec2-slave.h"
#include "bb-instance-request-private.h"
#include "bb-log-trap.h"
#include "bb-option-struct.h"
#include "bb-test.h"
#include "bb-ec2-double.h"

#include <string.h>

typedef struct
{
  BbEc2Double *cloud;
  char *dir;
  char *id_file;
  GPtrArray *resources; /* what was recorded; of char * */
  char *reported_id;
  BbEc2Config *config;
  BbLatentSlave *slave;
  GCancellable *cancellable;
  BbInstance *instance;
  GError *error;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->cloud = bb_ec2_double_new ();
  f->dir = bb_test_make_dir ();
  f->id_file = bb_test_write_file (f->dir, "aws_id", 0600, "AKTEST\nsecret-of-test\n");
  f->resources = g_ptr_array_new_with_free_func (g_free);
  f->cancellable = g_cancellable_new ();
  g_setenv ("HOME", f->dir, TRUE);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->slave);
  bb_test_run_pending ();
  bb_option_struct_free (bb_ec2_options, f->config);
  g_clear_pointer (&f->instance, bb_instance_unref);
  g_clear_error (&f->error);
  g_object_unref (f->cancellable);
  g_ptr_array_unref (f->resources);
  g_free (f->reported_id);
  bb_ec2_double_free (f->cloud);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
  g_free (f->id_file);
}

static void
add_option (BbEc2Config *config, const char *item)
{
  g_auto (GStrv) pair = g_strsplit (item, "=", 2);
  const BbOption *option = bb_option_find (bb_ec2_options, pair[0]);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (option);
  bb_option_parse (option, config, pair[1], NULL, &error);
  g_assert_no_error (error);
}

/* @items: "key=value", separated by newlines; after those that every test needs */
static void
make_slave (Fixture *f, const char *items)
{
  g_auto (GStrv) list = g_strsplit (items, "\n", -1);
  g_autofree char *endpoint = g_strconcat ("endpoint=", bb_ec2_double_get_endpoint (f->cloud), NULL);
  g_autofree char *id_file = g_strconcat ("aws_id_file_path=", f->id_file, NULL);

  f->config = bb_option_struct_new_default (bb_ec2_options);
  add_option (f->config, "instance_type=m5.large");
  add_option (f->config, endpoint);
  add_option (f->config, id_file);
  add_option (f->config, "region=us-west-2");
  if (strstr (items, "valid_ami") == NULL)
    add_option (f->config, "ami=ami-1");
  for (gsize i = 0; list[i] != NULL; i++)
    if (*list[i] != '\0')
      add_option (f->config, list[i]);
  f->slave = g_object_new (BB_EC2_TYPE_SLAVE, "name", "bot1", "config", f->config, NULL);
}

static void
record (const char *resource, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
        gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, callback_data);

  g_ptr_array_add (f->resources, g_strdup (resource));
  g_task_return_boolean (task, TRUE);
}

static void
report (BbInstance *instance, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
        gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, callback_data);

  g_free (f->reported_id);
  f->reported_id = g_strdup (bb_instance_get_id (instance));
  g_task_return_boolean (task, TRUE);
}

static BbInstanceRequest *
make_request (Fixture *f, const char *token)
{
  GVariantDict properties;
  BbInstanceRequestParameters parameters = { .slave_name = "bot1",
                                             .token = token,
                                             .password = "p&w=d",
                                             .host_name = "host1",
                                             .store_id = "store1",
                                             .master_host = "127.0.0.1",
                                             .master_port = 9989,
                                             .protocol = "pb",
                                             .state_directory = f->dir };
  BbInstanceRequest *request;

  g_variant_dict_init (&properties, NULL);
  g_variant_dict_insert (&properties, "branch", "s", "trunk");
  parameters.properties = g_variant_dict_end (&properties);
  request = bb_instance_request_new (&parameters);
  bb_instance_request_set_recorder (request, record, report, f, NULL);
  return request;
}

static void
started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;

  f->instance = bb_latent_slave_start_instance_finish (BB_LATENT_SLAVE (source), result, &f->error);
}

static gboolean
has_result (gpointer user_data)
{
  Fixture *f = user_data;

  return f->instance != NULL || f->error != NULL;
}

static void
begin_start (Fixture *f)
{
  g_autoptr (BbInstanceRequest) request = make_request (f, "token-1");

  bb_latent_slave_start_instance_async (f->slave, request, f->cancellable, started_cb, f);
}

static void
start (Fixture *f)
{
  begin_start (f);
  bb_test_run_until_true (has_result, f);
}

static BbInstance *
instance_of_row (Fixture *f, const char *id)
{
  BbInstance *instance = bb_instance_new (id, "token-1");

  g_ptr_array_add (f->resources, NULL);
  bb_instance_set_resources (instance, (const char *const *) f->resources->pdata);
  g_ptr_array_remove_index (f->resources, f->resources->len - 1);
  return instance;
}

static gboolean
stop (Fixture *f, const char *id)
{
  g_autoptr (BbInstance) instance = instance_of_row (f, id);
  g_autoptr (GAsyncResult) result = NULL;

  g_clear_error (&f->error);
  bb_latent_slave_stop_instance_async (f->slave, instance, FALSE, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_latent_slave_stop_instance_finish (f->slave, result, &f->error);
}

static BbInstance *
check (Fixture *f, const char *id)
{
  g_autoptr (BbInstance) instance = instance_of_row (f, id);
  g_autoptr (GAsyncResult) result = NULL;

  g_clear_error (&f->error);
  bb_latent_slave_check_instance_async (f->slave, instance, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_latent_slave_check_instance_finish (f->slave, result, &f->error);
}

/* --- options: what each adds to a call */

typedef struct
{
  const char *options;
  const char *action;
  const char *parameter;
  const char *value;
} OptionCase;

static const OptionCase option_cases[] = {
  { "", "RunInstances", "InstanceType", "m5.large" },
  { "", "RunInstances", "ImageId", "ami-1" },
  { "", "RunInstances", "MinCount", "1" },
  { "", "RunInstances", "MaxCount", "1" },
  { "", "RunInstances", "ClientToken", "token-1" },
  { "", "RunInstances", "KeyName", "latent_buildbot_slave" },
  { "", "RunInstances", "SecurityGroup.1", "latent_buildbot_slave" },
  { "", "RunInstances", "InstanceInitiatedShutdownBehavior", "terminate" },
  { "", "RunInstances", "MetadataOptions.HttpTokens", "required" },
  { "", "RunInstances", "Placement.AvailabilityZone", NULL },
  { "", "RunInstances", "InstanceMarketOptions.MarketType", NULL },
  { "user_data_file=USER_DATA_FILE", "RunInstances", "UserData", "Ym90MSBmcm9tIGEgZmlsZQ==" },
  { "http_tokens=optional", "RunInstances", "MetadataOptions.HttpTokens", "optional" },
  { "instance_type=c6g.xlarge", "RunInstances", "InstanceType", "c6g.xlarge" },
  { "ami=ami-77", "RunInstances", "ImageId", "ami-77" },
  { "ami=ami-77", "DescribeImages", "ImageId.1", "ami-77" },
  { "placement=b", "RunInstances", "Placement.AvailabilityZone", "us-west-2b" },
  { "keypair_name=mine", "RunInstances", "KeyName", "mine" },
  { "keypair_name=mine", "DescribeKeyPairs", "KeyName.1", "mine" },
  { "keypair_name=none", "RunInstances", "KeyName", NULL },
  { "security_name=mine", "RunInstances", "SecurityGroup.1", "mine" },
  { "security_group_ids=sg-1;sg-2;", "RunInstances", "SecurityGroupId.2", "sg-2" },
  { "security_group_ids=sg-1;sg-2;", "RunInstances", "SecurityGroup.1", NULL },
  { "subnet_id=subnet-1", "RunInstances", "SubnetId", "subnet-1" },
  { "subnet_id=subnet-1", "RunInstances", "SecurityGroup.1", NULL },
  { "instance_profile_name=builder", "RunInstances", "IamInstanceProfile.Name", "builder" },
  { "instance_profile_name=arn:aws:iam::1:instance-profile/b", "RunInstances", "IamInstanceProfile.Arn",
    "arn:aws:iam::1:instance-profile/b" },
  /* base64 of "bot1 p&w=d" */
  { "user_data=%(slave:name)s %(slave:password)s", "RunInstances", "UserData", "Ym90MSBwJnc9ZA==" },
  { "block_device_map=DeviceName=/dev/xvda,Ebs.VolumeSize=20;", "RunInstances", "BlockDeviceMapping.1.DeviceName",
    "/dev/xvda" },
  { "block_device_map=DeviceName=/dev/xvda,Ebs.VolumeSize=20;", "RunInstances", "BlockDeviceMapping.1.Ebs.VolumeSize",
    "20" },
  { "block_device_map=DeviceName=/dev/xvda,VolumeSize=20;", "RunInstances",
    "BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true" },
  { "block_device_map=DeviceName=/dev/xvda,VolumeSize=20,DeleteOnTermination=false;", "RunInstances",
    "BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false" },
  { "block_device_map=DeviceName=/dev/xvda,NoDevice=true;", "RunInstances",
    "BlockDeviceMapping.1.Ebs.DeleteOnTermination", NULL },
  { "tags=team=ci %(prop:branch)s;os=linux;", "RunInstances", "TagSpecification.1.Tag.1.Value", "ci trunk" },
  { "tags=team=ci;os=linux;", "RunInstances", "TagSpecification.1.Tag.2.Key", "os" },
  { "tags=team=ci;", "RunInstances", "TagSpecification.2.Tag.1.Key", "team" },
  { "", "RunInstances", "TagSpecification.1.ResourceType", "instance" },
  { "", "RunInstances", "TagSpecification.2.ResourceType", "volume" },
  { "", "RunInstances", "TagSpecification.3.ResourceType", NULL },
  { "spot_instance=true", "RunInstances", "InstanceMarketOptions.MarketType", "spot" },
  { "spot_instance=true", "RunInstances", "InstanceMarketOptions.SpotOptions.MaxPrice", "0.020000" },
  { "spot_instance=true", "RunInstances", "InstanceMarketOptions.SpotOptions.SpotInstanceType", "one-time" },
  { "spot_instance=true", "RunInstances", "TagSpecification.3.ResourceType", "spot-instances-request" },
  { "spot_instance=true\ntags=team=ci;", "RunInstances", "TagSpecification.3.Tag.1.Value", "ci" },
  { "spot_instance=true\nprice_multiplier=none\nmax_spot_price=0.5", "RunInstances",
    "InstanceMarketOptions.SpotOptions.MaxPrice", "0.500000" },
  { "spot_instance=true\nprice_multiplier=none", "DescribeSpotPriceHistory", "InstanceType.1", NULL },
  { "spot_instance=true", "DescribeSpotPriceHistory", "InstanceType.1", "m5.large" },
  { "spot_instance=true", "DescribeSpotPriceHistory", "ProductDescription.1", "Linux/UNIX" },
  { "spot_instance=true\nproduct_description=Windows", "DescribeSpotPriceHistory", "ProductDescription.1", "Windows" },
  { "spot_instance=true\nplacement=c", "DescribeSpotPriceHistory", "AvailabilityZone", "us-west-2c" },
  { "volumes=vol-1:/dev/sdf;vol-2:/dev/sdg;", "AttachVolume", "VolumeId", "vol-1" },
  { "volumes=vol-1:/dev/sdf;vol-2:/dev/sdg;", "AttachVolume", "Device", "/dev/sdf" },
};

static void
test_option (Fixture *f, gconstpointer data)
{
  const OptionCase *option_case = data;
  const char *value;

  const char *file = strstr (option_case->options, "USER_DATA_FILE");
  g_autofree char *path = file != NULL ? bb_test_write_file (f->dir, "user-data", 0600, "%(slave:name)s from a file") : NULL;
  g_autofree char *options = file != NULL ? g_strconcat ("user_data_file=", path, NULL) : g_strdup (option_case->options);

  make_slave (f, options);
  start (f);
  g_assert_no_error (f->error);
  value = bb_ec2_double_get (f->cloud, option_case->action, 0, option_case->parameter);
  g_assert_cmpstr (value, ==, option_case->value);
}

static void
test_host_tags (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) tags = g_string_new (NULL);

  make_slave (f, "");
  start (f);
  for (guint i = 1; i <= 4; i++)
    {
      g_autofree char *key = g_strdup_printf ("TagSpecification.2.Tag.%u.Key", i);
      g_autofree char *value = g_strdup_printf ("TagSpecification.2.Tag.%u.Value", i);

      g_string_append_printf (tags, "%s=%s;", bb_ec2_double_get (f->cloud, "RunInstances", 0, key),
                              bb_ec2_double_get (f->cloud, "RunInstances", 0, value));
    }
  g_assert_cmpstr (tags->str, ==, "bbhost:host=host1;bbhost:store=store1;bbhost:token=token-1;bbhost:slave=bot1;");
}

/* --- start */

static void
test_start (Fixture *f, gconstpointer data)
{
  g_autofree char *story = NULL;
  const char *image;

  make_slave (f, "");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_instance_get_id (f->instance), ==, "i-00000001");
  g_assert_cmpstr (bb_instance_get_token (f->instance), ==, "token-1");
  g_assert_cmpint (bb_instance_get_state (f->instance), ==, BB_INSTANCE_ALIVE);
  g_assert_cmpstr (f->reported_id, ==, "i-00000001");
  g_assert_true (g_str_has_prefix (f->resources->pdata[0], "launch:token-1@"));
  g_assert_true (g_variant_lookup (bb_instance_get_details (f->instance), "image", "&s", &image));
  g_assert_cmpstr (image, ==, "ami-1");
  story = bb_ec2_double_get_story (f->cloud);
  g_assert_cmpstr (story, ==, "DescribeImages DescribeKeyPairs DescribeSecurityGroups RunInstances DescribeInstances");
}

/* E3, E5: filters, over pages */
static void
test_image_pages (Fixture *f, gconstpointer data)
{
  make_slave (f, "valid_ami_owners=1234-5678-9012;\nvalid_ami_location_regex=o/x-(\\\\d+)");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 200,
                        "<DescribeImagesResponse><imagesSet><item><imageId>ami-9</imageId><imageLocation>o/x-9"
                        "</imageLocation><imageState>available</imageState></item></imagesSet><nextToken>more</nextToken>"
                        "</DescribeImagesResponse>");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 200,
                        "<DescribeImagesResponse><imagesSet><item><imageId>ami-10</imageId><imageLocation>o/x-10"
                        "</imageLocation><imageState>available</imageState></item></imagesSet><nextToken></nextToken>"
                        "</DescribeImagesResponse>");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "DescribeImages", 0, "Owner.1"), ==, "123456789012");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "DescribeImages", 1, "NextToken"), ==, "more");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 0, "ImageId"), ==, "ami-10");
}

/* E4 */
static void
test_no_image (Fixture *f, gconstpointer data)
{
  make_slave (f, "valid_ami_owners=self;\nvalid_ami_location_regex=o/x");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpstr (f->error->message, ==,
                   "ec2: no image of self whose location matches \"o/x\": looked at 1, none of which is available and "
                   "fits");
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 0);
}

/* E6: made when they are missing; somebody else being faster is fine */
static void
test_make_key_and_group (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  bb_ec2_double_refuse (f->cloud, "DescribeKeyPairs", 400, "InvalidKeyPair.NotFound");
  bb_ec2_double_answer (f->cloud, "DescribeSecurityGroups", 200,
                        "<DescribeSecurityGroupsResponse><securityGroupInfo/></DescribeSecurityGroupsResponse>");
  bb_ec2_double_refuse (f->cloud, "CreateSecurityGroup", 400, "InvalidGroup.Duplicate");
  bb_ec2_double_refuse (f->cloud, "RunInstances", 400, "InvalidGroup.NotFound"); /* not visible yet */
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "CreateKeyPair", 0, "KeyName"), ==, "latent_buildbot_slave");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "CreateSecurityGroup", 0, "GroupDescription"), ==,
                   "Machines that bbhost starts");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 1, "ClientToken"), ==, "token-1");
}

static void
test_missing_permission (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  bb_ec2_double_refuse (f->cloud, "DescribeKeyPairs", 400, "InvalidKeyPair.NotFound");
  bb_ec2_double_refuse (f->cloud, "CreateKeyPair", 403, "UnauthorizedOperation");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpstr (f->error->message, ==,
                   "ec2: CreateKeyPair in us-west-2: UnauthorizedOperation: the double says UnauthorizedOperation; the "
                   "account's user needs the permission ec2:CreateKeyPair (request req-1)");
}

/* Fact: a lost answer means unknown; the same call with the same token finds out. */
static void
test_lost_answer (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  bb_ec2_double_lose (f->cloud, "RunInstances");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), >=, 2);
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, NULL), ==, 1);
}

/* E14: waited out, with growing pauses, also many times */
static void
test_throttled (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  for (guint i = 0; i < 4; i++)
    {
      bb_ec2_double_refuse (f->cloud, "RunInstances", 503, "RequestLimitExceeded");
      bb_ec2_double_refuse (f->cloud, "DescribeImages", 503, "Unavailable");
    }
  for (guint i = 0; i < 7; i++)
    bb_ec2_double_refuse (f->cloud, "DescribeInstances", 500, "InternalError");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 5);
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, NULL), ==, 1);
}

/* E16: each combination in order, with a token of its own */
static void
test_capacity (Fixture *f, gconstpointer data)
{
  make_slave (f, "instance_type=m5.large;c5.large;\nplacement=a;b;");
  for (guint i = 0; i < 3; i++)
    bb_ec2_double_refuse (f->cloud, "RunInstances", 500, "InsufficientInstanceCapacity");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 1, "Placement.AvailabilityZone"), ==, "us-west-2b");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 1, "InstanceType"), ==, "m5.large");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 2, "InstanceType"), ==, "c5.large");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 3, "ClientToken"), ==, "token-1-3");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 3, "Placement.AvailabilityZone"), ==, "us-west-2b");
  g_assert_cmpstr (f->resources->pdata[1], ==, "refused:token-1");
}

static void
test_no_capacity_at_all (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  bb_ec2_double_refuse (f->cloud, "RunInstances", 500, "InsufficientInstanceCapacity");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_QUOTA);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 1);
  /* nothing came of it, which is known: the row closes at once */
  g_assert_true (stop (f, ""));
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeInstances"), ==, 0);
}

/* A wrong option doesn't go on to the next. */
static void
test_wrong_option (Fixture *f, gconstpointer data)
{
  make_slave (f, "instance_type=m5.lrage;c5.large;");
  bb_ec2_double_refuse (f->cloud, "RunInstances", 400, "InvalidParameterValue");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_cmpstr (f->error->message, ==, "ec2: RunInstances in us-west-2: InvalidParameterValue: the double says "
                                          "InvalidParameterValue (request req-1)");
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 1);
}

static void
test_spot_fallback (Fixture *f, gconstpointer data)
{
  make_slave (f, "spot_instance=true\nspot_fallback=on-demand");
  bb_ec2_double_refuse (f->cloud, "RunInstances", 400, "SpotMaxPriceTooLow");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 0, "InstanceMarketOptions.MarketType"), ==, "spot");
  g_assert_null (bb_ec2_double_get (f->cloud, "RunInstances", 1, "InstanceMarketOptions.MarketType"));
  g_assert_true (g_str_has_prefix (f->resources->pdata[0], "spot-launch:token-1@"));
  g_assert_true (g_str_has_prefix (f->resources->pdata[2], "launch:token-1-1@"));
}

/* P6: what EC2 says of the bid is the reason, and time may help */
static void
test_spot_refused (Fixture *f, gconstpointer data)
{
  make_slave (f, "spot_instance=true");
  bb_ec2_double_refuse (f->cloud, "RunInstances", 400, "SpotMaxPriceTooLow");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_QUOTA);
  g_assert_nonnull (strstr (f->error->message, "SpotMaxPriceTooLow"));
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, NULL), ==, 0);
  g_assert_true (g_str_has_prefix (f->resources->pdata[0], "spot-launch:token-1@"));
  g_assert_cmpstr (f->resources->pdata[1], ==, "refused:token-1");
}

/* P7: the image that was chosen among several, and what is told of it */
static void
test_spot_image (Fixture *f, gconstpointer data)
{
  const char *why;

  make_slave (f, "spot_instance=true\nvalid_ami_owners=self;\nvalid_ami_location_regex=o/x-(\\\\d+)");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 200,
                        "<DescribeImagesResponse><imagesSet>"
                        "<item><imageId>ami-9</imageId><imageLocation>o/x-9</imageLocation><imageState>available</imageState>"
                        "</item><item><imageId>ami-10</imageId><imageLocation>o/x-10</imageLocation>"
                        "<imageState>available</imageState></item></imagesSet></DescribeImagesResponse>");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 0, "ImageId"), ==, "ami-10");
  g_assert_true (g_variant_lookup (bb_instance_get_details (f->instance), "image_choice", "&s", &why));
  g_assert_cmpstr (why, ==, "o/x-10, the last of 2 of 2 images of self whose location matches \"o/x-(\\d+)\"");
}

/* P1: all pages, an empty element ends the list */
static void
test_spot_price (Fixture *f, gconstpointer data)
{
  make_slave (f, "spot_instance=true\nmax_spot_price=0.25");
  bb_ec2_double_answer (f->cloud, "DescribeSpotPriceHistory", 200,
                        "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet><item><spotPrice>0.10</spotPrice></item>"
                        "</spotPriceHistorySet><nextToken>t</nextToken></DescribeSpotPriceHistoryResponse>");
  bb_ec2_double_answer (f->cloud, "DescribeSpotPriceHistory", 200,
                        "<DescribeSpotPriceHistoryResponse><spotPriceHistorySet><item><spotPrice>0.20</spotPrice></item>"
                        "</spotPriceHistorySet><nextToken/></DescribeSpotPriceHistoryResponse>");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "RunInstances", 0, "InstanceMarketOptions.SpotOptions.MaxPrice"), ==,
                   "0.180000");
  g_assert_cmpfloat_with_epsilon (bb_instance_get_hourly_cost (f->instance), 0.18, 1e-9);
}

/* The request's id is in the row as well. */
static void
test_spot_request_recorded (Fixture *f, gconstpointer data)
{
  make_slave (f, "spot_instance=true");
  bb_ec2_double_answer (f->cloud, "RunInstances", 200,
                        "<RunInstancesResponse><instancesSet><item><instanceId>i-1</instanceId><instanceState><name>pending"
                        "</name></instanceState><instanceType>m5.large</instanceType><imageId>ami-1</imageId>"
                        "<spotInstanceRequestId>sir-7</spotInstanceRequestId></item></instancesSet>"
                        "</RunInstancesResponse>");
  begin_start (f);
  while (bb_ec2_double_count (f->cloud, "DescribeInstances") < 1)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (f->cancellable);
  bb_test_run_until_true (has_result, f);
  g_assert_cmpuint (f->resources->len, ==, 2);
  g_assert_cmpstr (f->resources->pdata[1], ==, "spot-request:sir-7");
}

/* E13 */
static void
test_failed_launch (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  bb_ec2_double_set_first_state (f->cloud, "pending");
  begin_start (f);
  while (bb_ec2_double_count (f->cloud, "DescribeInstances") < 2)
    g_main_context_iteration (NULL, TRUE);
  bb_ec2_double_set_state (f->cloud, "i-00000001", "terminated", "Client.VolumeLimitExceeded");
  bb_test_run_until_true (has_result, f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_QUOTA);
  g_assert_cmpstr (f->error->message, ==, "ec2: instance i-00000001 is terminated instead of running: because of "
                                          "Client.VolumeLimitExceeded (Client.VolumeLimitExceeded)");
  g_assert_cmpstr (f->reported_id, ==, "i-00000001");
}

static void
test_cancel_before (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  g_cancellable_cancel (f->cancellable);
  start (f);
  g_assert_error (f->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, NULL), ==, 0);
}

/* What was launched is handed over, cancelled or not. */
static void
test_cancel_while_it_waits (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  bb_ec2_double_set_first_state (f->cloud, "pending");
  begin_start (f);
  while (bb_ec2_double_count (f->cloud, "DescribeInstances") < 1)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (f->cancellable);
  bb_test_run_until_true (has_result, f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_instance_get_id (f->instance), ==, "i-00000001");
}

static void
test_cancel_during_launch (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  begin_start (f);
  while (bb_ec2_double_count (f->cloud, "RunInstances") < 1)
    g_main_context_iteration (NULL, TRUE);
  g_cancellable_cancel (f->cancellable);
  bb_test_run_until_true (has_result, f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_instance_get_id (f->instance), ==, "i-00000001");
}

/* E11 */
static const char *const address_of_ours
  = "<DescribeAddressesResponse><addressesSet><item><publicIp>192.0.2.7</publicIp><allocationId>eipalloc-1</allocationId>"
    "<associationId>eipassoc-1</associationId><instanceId>i-00000001</instanceId></item></addressesSet>"
    "</DescribeAddressesResponse>";
static const char *const address_free
  = "<DescribeAddressesResponse><addressesSet><item><publicIp>192.0.2.7</publicIp><allocationId>eipalloc-1</allocationId>"
    "</item></addressesSet></DescribeAddressesResponse>";

static void
test_address (Fixture *f, gconstpointer data)
{
  make_slave (f, "elastic_ip=192.0.2.7");
  bb_ec2_double_answer (f->cloud, "DescribeAddresses", 200, address_free);
  bb_ec2_double_refuse (f->cloud, "AssociateAddress", 400, "InvalidInstanceID"); /* not quite running */
  bb_ec2_double_refuse (f->cloud, "AssociateAddress", 400, "Resource.AlreadyAssociated"); /* by the machine before */
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AssociateAddress", 2, "AllocationId"), ==, "eipalloc-1");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AssociateAddress", 2, "AllowReassociation"), ==, "false");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AssociateAddress", 2, "InstanceId"), ==, "i-00000001");
  g_assert_cmpstr (f->resources->pdata[1], ==, "address:192.0.2.7");

  bb_ec2_double_refuse (f->cloud, "DescribeAddresses", 500, "InternalFailure"); /* prevents nothing */
  bb_ec2_double_answer (f->cloud, "DescribeAddresses", 200, address_of_ours);
  bb_ec2_double_answer (f->cloud, "DescribeAddresses", 200, address_of_ours);
  g_assert_true (stop (f, "i-00000001"));
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "DisassociateAddress", 0, "AssociationId"), ==, "eipassoc-1");
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, "terminated"), ==, 1);
}

static void
test_unknown_address (Fixture *f, gconstpointer data)
{
  make_slave (f, "elastic_ip=192.0.2.7");
  bb_ec2_double_refuse (f->cloud, "DescribeAddresses", 400, "InvalidAddress.NotFound");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_nonnull (strstr (f->error->message, "elastic_ip 192.0.2.7: "));
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 0);
}

/* E12 */
static void
test_volumes (Fixture *f, gconstpointer data)
{
  static const char *const attached
    = "<DescribeVolumesResponse><volumeSet><item><attachmentSet><item><instanceId>i-00000001</instanceId><status>attached"
      "</status></item></attachmentSet></item></volumeSet></DescribeVolumesResponse>";
  g_autofree char *story = NULL;

  make_slave (f, "volumes=vol-1:/dev/sdf;vol-2:/dev/sdg;");
  bb_ec2_double_refuse (f->cloud, "AttachVolume", 400, "IncorrectState");
  start (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AttachVolume", 1, "VolumeId"), ==, "vol-1");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "AttachVolume", 2, "VolumeId"), ==, "vol-2");
  bb_ec2_double_answer (f->cloud, "DescribeVolumes", 200, attached);
  g_assert_true (stop (f, "i-00000001"));
  story = bb_ec2_double_get_story (f->cloud);
  g_assert_true (g_str_has_suffix (story, "DescribeInstances TerminateInstances DescribeInstances DescribeVolumes "
                                          "DetachVolume DescribeVolumes"));
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "DetachVolume", 0, "VolumeId"), ==, "vol-1");
}

static void
test_volume_refused (Fixture *f, gconstpointer data)
{
  make_slave (f, "volumes=vol-1:/dev/sdf;");
  bb_ec2_double_refuse (f->cloud, "AttachVolume", 400, "InvalidVolume.ZoneMismatch");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_PERMANENT);
  g_assert_nonnull (strstr (f->error->message, "InvalidVolume.ZoneMismatch"));
}

/* --- stop */

/* E20, and that a promise is not a fact */
static void
test_stop (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  start (f);
  bb_ec2_double_set_last_state (f->cloud, "running"); /* says yes, and does nothing */
  {
    g_autoptr (BbInstance) instance = instance_of_row (f, "i-00000001");
    g_autoptr (GAsyncResult) result = NULL;

    bb_latent_slave_stop_instance_async (f->slave, instance, FALSE, NULL, bb_test_store_result, &result);
    while (bb_ec2_double_count (f->cloud, "TerminateInstances") < 2)
      g_main_context_iteration (NULL, TRUE);
    bb_ec2_double_set_state (f->cloud, "i-00000001", "shutting-down", NULL);
    while (bb_ec2_double_count (f->cloud, "DescribeInstances") < 25)
      g_main_context_iteration (NULL, TRUE);
    g_assert_null (result);
    g_assert_cmpuint (bb_ec2_double_count (f->cloud, "TerminateInstances"), <=, 3);
    bb_ec2_double_set_state (f->cloud, "i-00000001", "terminated", NULL);
    bb_test_run_until_result (&result);
    g_assert_true (bb_latent_slave_stop_instance_finish (f->slave, result, NULL));
  }
}

static void
test_stop_gone (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  g_ptr_array_add (f->resources, g_strdup ("launch:token-1@1000"));
  g_assert_true (stop (f, "i-0000dead"));
  g_assert_no_error (f->error);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeInstances"), >=, 2);
}

/* Facts 3 and 7: a young one that nobody shows is looked for until it is found */
static void
test_stop_lost_launch (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  make_slave (f, "unseen_grace=86400");
  for (guint i = 0; i < 4; i++)
    bb_ec2_double_answer (f->cloud, "DescribeInstances", 200,
                          "<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>");
  begin_start (f);
  while (bb_ec2_double_count (f->cloud, "RunInstances") < 1)
    g_main_context_iteration (NULL, TRUE);
  /* the daemon was killed here: nothing is known but what was recorded */
  instance = instance_of_row (f, "");
  bb_latent_slave_stop_instance_async (f->slave, instance, FALSE, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_latent_slave_stop_instance_finish (f->slave, result, NULL));
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, "terminated"), ==, 1);
  g_cancellable_cancel (f->cancellable);
  bb_test_run_until_true (has_result, f);
}

static void
test_stop_never_launched (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  g_assert_true (stop (f, ""));
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeInstances"), ==, 0);
}

/* E19 */
static void
test_stop_protected (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  start (f);
  bb_ec2_double_refuse (f->cloud, "TerminateInstances", 400, "OperationNotPermitted");
  g_assert_false (stop (f, "i-00000001"));
  g_assert_nonnull (strstr (f->error->message, "OperationNotPermitted"));
  g_assert_true (stop (f, "i-00000001"));
}

static void
test_stop_unseen_but_known (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  start (f);
  for (guint i = 0; i < 5; i++)
    bb_ec2_double_refuse (f->cloud, "DescribeInstances", 500, "InternalError");
  g_assert_true (stop (f, "i-00000001"));
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, "terminated"), ==, 1);
}

/* P6, P10: an open request is cancelled, and what runs of it ended */
static void
test_stop_spot_request (Fixture *f, gconstpointer data)
{
  make_slave (f, "spot_instance=true");
  start (f);
  bb_ec2_double_answer (f->cloud, "DescribeSpotInstanceRequests", 200,
                        "<DescribeSpotInstanceRequestsResponse><spotInstanceRequestSet><item><spotInstanceRequestId>sir-1"
                        "</spotInstanceRequestId><state>open</state></item></spotInstanceRequestSet>"
                        "</DescribeSpotInstanceRequestsResponse>");
  g_assert_true (stop (f, "i-00000001"));
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "CancelSpotInstanceRequests", 0, "SpotInstanceRequestId.1"), ==,
                   "sir-1");
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeSpotInstanceRequests"), ==, 2);
}

/* --- park, and start again */

static gboolean
park (Fixture *f, const char *id)
{
  g_autoptr (BbInstance) instance = instance_of_row (f, id);
  g_autoptr (GAsyncResult) result = NULL;

  g_clear_error (&f->error);
  g_assert_true (bb_latent_slave_can_park (f->slave));
  bb_latent_slave_park_instance_async (f->slave, instance, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_latent_slave_park_instance_finish (f->slave, result, &f->error);
}

static void
start_parked (Fixture *f)
{
  BbInstanceRequestParameters parameters = { .slave_name = "bot1",
                                             .token = "token-1",
                                             .password = "p&w=d",
                                             .host_name = "host1",
                                             .store_id = "store1",
                                             .master_host = "127.0.0.1",
                                             .protocol = "pb",
                                             .properties = g_variant_new ("a{sv}", NULL),
                                             .state_directory = f->dir,
                                             .parked_id = "i-00000001" };
  g_autoptr (BbInstanceRequest) request = bb_instance_request_new (&parameters);

  g_clear_pointer (&f->instance, bb_instance_unref);
  bb_instance_request_set_recorder (request, record, report, f, NULL);
  bb_latent_slave_start_instance_async (f->slave, request, f->cancellable, started_cb, f);
  bb_test_run_until_true (has_result, f);
}

static void
test_park (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) parked = NULL;

  make_slave (f, "stop_mode=stop\nelastic_ip=192.0.2.7\nvolumes=vol-1:/dev/sdf;");
  bb_ec2_double_answer (f->cloud, "DescribeAddresses", 200, address_free);
  start (f);
  g_assert_no_error (f->error);
  bb_ec2_double_answer (f->cloud, "DescribeAddresses", 200, address_of_ours);
  bb_ec2_double_refuse (f->cloud, "StopInstances", 400, "IncorrectInstanceState"); /* still on its way up: passes */
  g_assert_true (park (f, "i-00000001"));
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, "stopped"), ==, 1);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "TerminateInstances"), ==, 0);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DisassociateAddress"), ==, 1);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DetachVolume"), ==, 0);
  g_assert_true (park (f, "i-00000001")); /* it is already */
  parked = check (f, "i-00000001");
  g_assert_cmpint (bb_instance_get_state (parked), ==, BB_INSTANCE_PARKED);

  bb_ec2_double_answer (f->cloud, "DescribeAddresses", 200, address_free);
  start_parked (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (bb_instance_get_id (f->instance), ==, "i-00000001");
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 1);
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "StartInstances", 0, "InstanceId.1"), ==, "i-00000001");
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "AssociateAddress"), ==, 2);
  g_assert_true (stop (f, "i-00000001"));
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, "terminated"), ==, 1);
}

static void
test_park_refused (Fixture *f, gconstpointer data)
{
  make_slave (f, "stop_mode=stop");
  start (f);
  bb_ec2_double_refuse (f->cloud, "StopInstances", 400, "UnsupportedOperation"); /* its root is no EBS volume */
  g_assert_false (park (f, "i-00000001"));
  g_assert_nonnull (strstr (f->error->message, "UnsupportedOperation"));
  bb_ec2_double_set_state (f->cloud, "i-00000001", "shutting-down", NULL);
  g_assert_false (park (f, "i-00000001"));
  g_assert_cmpstr (f->error->message, ==, "ec2: instance i-00000001 is shutting-down and can't be stopped for later");
}

static void
test_start_parked_fails (Fixture *f, gconstpointer data)
{
  make_slave (f, "stop_mode=stop");
  start (f);
  g_assert_true (park (f, "i-00000001"));
  bb_ec2_double_refuse (f->cloud, "StartInstances", 500, "InsufficientInstanceCapacity");
  start_parked (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_QUOTA);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 1);
}

static void
test_stop_mode_default (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  g_assert_false (bb_latent_slave_can_park (f->slave));
}

/* --- check, list */

static void
test_check (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) running = NULL;
  g_autoptr (BbInstance) down = NULL;
  g_autoptr (BbInstance) old = NULL;

  make_slave (f, "");
  start (f);
  running = check (f, "i-00000001");
  g_assert_cmpint (bb_instance_get_state (running), ==, BB_INSTANCE_ALIVE);
  g_assert_null (check (f, "i-0000dead")); /* young: may not be visible yet */
  g_assert_cmpstr (f->error->message, ==, "ec2: instance i-0000dead is not visible yet");
  bb_ec2_double_set_state (f->cloud, "i-00000001", "terminated", "Client.UserInitiatedShutdown");
  bb_ec2_double_answer (f->cloud, "GetConsoleOutput", 200,
                        "<GetConsoleOutputResponse><output>b25lCnR3bwp0aHJlZQpmb3VyCg==</output>"
                        "</GetConsoleOutputResponse>");
  down = check (f, "i-00000001");
  g_assert_cmpint (bb_instance_get_state (down), ==, BB_INSTANCE_GONE);
  g_assert_cmpstr (bb_instance_get_reason (down), ==,
                   "terminated: because of Client.UserInitiatedShutdown; the console's last lines: two\nthree\nfour");
  g_ptr_array_set_size (f->resources, 0);
  old = check (f, "i-0000dead");
  g_assert_cmpint (bb_instance_get_state (old), ==, BB_INSTANCE_GONE);
}

/* unseen_grace: until then one that is not shown may still appear */
static void
test_unseen_grace (Fixture *f, gconstpointer data)
{
  g_autofree char *launch
    = g_strdup_printf ("launch:token-1@%" G_GINT64_FORMAT, g_get_real_time () / G_USEC_PER_SEC - 60);
  g_autoptr (BbInstance) instance = NULL;

  g_ptr_array_add (f->resources, g_strdup (launch));
  make_slave (f, data);
  instance = check (f, "i-0000dead");
  if (strstr (data, "86400") != NULL)
    g_assert_error (f->error, BB_ERROR, BB_ERROR_QUOTA);
  else
    g_assert_cmpint (bb_instance_get_state (instance), ==, BB_INSTANCE_GONE);
}

/* poll_interval: between two looks at a machine that takes its time */
static void
test_poll_interval (Fixture *f, gconstpointer data)
{
  double began = bb_delay_get_now ();

  make_slave (f, "poll_interval=25");
  bb_ec2_double_set_first_state (f->cloud, "pending");
  begin_start (f);
  while (bb_ec2_double_count (f->cloud, "DescribeInstances") < 3)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpfloat (bb_delay_get_now () - began, >, 45);
  g_cancellable_cancel (f->cancellable);
  bb_test_run_until_true (has_result, f);
}

/* P8 */
static void
test_check_reclaimed (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) instance = NULL;

  make_slave (f, "spot_instance=true");
  start (f);
  bb_ec2_double_set_state (f->cloud, "i-00000001", "terminated", "Server.SpotInstanceTermination");
  instance = check (f, "i-00000001");
  g_assert_cmpint (bb_instance_get_state (instance), ==, BB_INSTANCE_GONE);
  g_assert_cmpstr (bb_instance_get_reason (instance), ==,
                   "terminated: EC2 has taken the spot instance back (Server.SpotInstanceTermination)");
}

/* P9 */
static void
test_check_interrupted (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) instance = NULL;

  make_slave (f, "spot_instance=true");
  g_assert_true (bb_latent_slave_announces_ends (f->slave));
  bb_ec2_double_answer (f->cloud, "RunInstances", 200,
                        "<RunInstancesResponse><instancesSet><item><instanceId>i-7</instanceId><instanceState><name>running"
                        "</name></instanceState><spotInstanceRequestId>sir-7</spotInstanceRequestId></item></instancesSet>"
                        "</RunInstancesResponse>");
  for (guint i = 0; i < 2; i++)
    bb_ec2_double_answer (f->cloud, "DescribeInstances", 200,
                          "<DescribeInstancesResponse><reservationSet><item><instancesSet><item><instanceId>i-7</instanceId>"
                          "<instanceState><name>running</name></instanceState><spotInstanceRequestId>sir-7"
                          "</spotInstanceRequestId></item></instancesSet></item></reservationSet>"
                          "</DescribeInstancesResponse>");
  start (f);
  g_assert_no_error (f->error);
  bb_ec2_double_answer (f->cloud, "DescribeSpotInstanceRequests", 200,
                        "<DescribeSpotInstanceRequestsResponse><spotInstanceRequestSet><item><spotInstanceRequestId>sir-7"
                        "</spotInstanceRequestId><state>active</state><status><code>marked-for-termination</code></status>"
                        "</item></spotInstanceRequestSet></DescribeSpotInstanceRequestsResponse>");
  instance = check (f, "i-7");
  g_assert_cmpint (bb_instance_get_state (instance), ==, BB_INSTANCE_ENDING);
  g_assert_cmpstr (bb_instance_get_reason (instance), ==,
                   "EC2 takes the spot instance back in two minutes (marked-for-termination)");
}

/* P5: a request that is not known yet says nothing of the machine; a stop asks again */
static void
test_unknown_spot_request (Fixture *f, gconstpointer data)
{
  g_autoptr (BbInstance) instance = NULL;

  make_slave (f, "spot_instance=true");
  start (f);
  bb_ec2_double_refuse (f->cloud, "DescribeSpotInstanceRequests", 400, "InvalidSpotInstanceRequestID.NotFound");
  instance = check (f, "i-00000001");
  g_assert_cmpint (bb_instance_get_state (instance), ==, BB_INSTANCE_ALIVE);
  g_clear_error (&f->error);
  while (!stop (f, "i-00000001"))
    g_assert_nonnull (strstr (f->error->message, "InvalidSpotInstanceRequestID.NotFound"));
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, "terminated"), ==, 1);
}

static void
test_list (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GPtrArray) instances = NULL;

  make_slave (f, "");
  start (f);
  bb_latent_slave_list_instances_async (f->slave, "store1", NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  instances = bb_latent_slave_list_instances_finish (f->slave, result, &f->error);
  g_assert_no_error (f->error);
  g_assert_cmpuint (instances->len, ==, 1);
  g_assert_cmpstr (bb_instance_get_token (instances->pdata[0]), ==, "token-1");
  g_assert_cmpstr (bb_instance_get_slave_name (instances->pdata[0]), ==, "bot1");
  g_assert_cmpstr (bb_ec2_double_get (f->cloud, "DescribeInstances", 1, "Filter.1.Name"), ==, "tag:bbhost:store");
}

static void
test_scope_and_cost (Fixture *f, gconstpointer data)
{
  g_autofree char *scope = NULL;
  g_autofree char *expected = NULL;

  make_slave (f, "spot_instance=true\nmax_spot_price=0.7");
  scope = bb_latent_slave_get_scope (f->slave);
  expected = g_strdup_printf ("us-west-2 %s %s", bb_ec2_double_get_endpoint (f->cloud), f->id_file);
  g_assert_cmpstr (scope, ==, expected);
  g_assert_cmpfloat_with_epsilon (bb_latent_slave_get_hourly_cost (f->slave), 0.7, 1e-9);
}

/* --- many at once: E6, E15 */

#define MANY 50

static void
count_start_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance
    = bb_latent_slave_start_instance_finish (BB_LATENT_SLAVE (source), result, &error);
  guint *count = user_data;

  g_assert_no_error (error);
  (*count)++;
}

static void
count_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbInstance) instance
    = bb_latent_slave_start_instance_finish (BB_LATENT_SLAVE (source), result, NULL);
  guint *count = user_data;

  (*count)++;
}

static gboolean
all_started (gpointer user_data)
{
  return *(guint *) user_data == MANY;
}

static void
test_many (Fixture *f, gconstpointer data)
{
  guint count = 0;

  make_slave (f, "launch_rate=1000");
  bb_ec2_double_set_first_state (f->cloud, "pending");
  bb_ec2_double_refuse (f->cloud, "DescribeKeyPairs", 400, "InvalidKeyPair.NotFound");
  for (guint i = 0; i < MANY; i++)
    {
      g_autofree char *token = g_strdup_printf ("token-%u", i);
      g_autoptr (BbInstanceRequest) request = make_request (f, token);

      bb_latent_slave_start_instance_async (f->slave, request, NULL, count_start_cb, &count);
    }
  while (bb_ec2_double_count (f->cloud, "RunInstances") < MANY)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < MANY; i++)
    bb_ec2_double_set_state (f->cloud, bb_ec2_double_get_machine_id (f->cloud, i), "running", NULL);
  bb_test_run_until_true (all_started, &count);
  g_assert_cmpuint (bb_ec2_double_count_machines (f->cloud, NULL), ==, MANY);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "CreateKeyPair"), ==, 1);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeImages"), ==, 1);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeSecurityGroups"), ==, 1);
  /* as often as the interval allows, however many wait: launching takes some intervals here */
  g_test_message ("%u DescribeInstances", bb_ec2_double_count (f->cloud, "DescribeInstances"));
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeInstances"), <, MANY);
}

#define BURST 5 /* of RunInstances */

/* launch_rate: what EC2 lets through at once goes out, the rest waits */
static void
test_launch_rate (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  guint count = 0;
  double began = bb_delay_get_now ();

  make_slave (f, "launch_rate=0.05");
  for (guint i = 0; i < 2 * BURST; i++)
    {
      g_autofree char *token = g_strdup_printf ("token-%u", i);
      g_autoptr (BbInstanceRequest) request = make_request (f, token);

      bb_latent_slave_start_instance_async (f->slave, request, cancellable, count_ended_cb, &count);
    }
  while (bb_ec2_double_count (f->cloud, "RunInstances") < BURST + 2)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpfloat (bb_delay_get_now () - began, >, 35); /* the last two: 20 s each */
  g_cancellable_cancel (cancellable);
  while (count < 2 * BURST)
    g_main_context_iteration (NULL, TRUE);
}

/* --- the client */

static void
test_clock_skew (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  make_slave (f, "");
  bb_ec2_double_set_clock (f->cloud, 3600);
  start (f);
  g_assert_no_error (f->error);
  warnings = bb_log_trap_take_warnings ();
  g_assert_nonnull (strstr (warnings, "ec2: the clock of this machine is 3600 s behind that of http://127.0.0.1:"));
  /* one refusal taught it */
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeImages"), ==, 2);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "RunInstances"), ==, 1);
}

/* The file may have new keys under a running daemon. */
static void
test_keys_changed (Fixture *f, gconstpointer data)
{
  g_autofree char *path = NULL;

  make_slave (f, "");
  start (f);
  g_clear_pointer (&f->instance, bb_instance_unref);
  bb_ec2_double_set_key (f->cloud, "AKNEW");
  path = bb_test_write_file (f->dir, "aws_id", 0600, "AKNEW\nother-secret\n");
  g_assert_true (stop (f, "i-00000001"));
}

static void
test_keys_refused (Fixture *f, gconstpointer data)
{
  guint calls;

  make_slave (f, "");
  bb_ec2_double_set_key (f->cloud, "AKOTHER");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_CREDENTIALS);
  g_assert_cmpstr (f->error->message, ==,
                   "ec2: DescribeImages in us-west-2: AuthFailure: the double says AuthFailure (request req-1)");
  g_clear_error (&f->error);
  /* and then nobody is asked for a minute */
  calls = bb_ec2_double_count (f->cloud, "DescribeImages");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_CREDENTIALS);
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeImages"), ==, calls);
}

static void
test_garbage (Fixture *f, gconstpointer data)
{
  make_slave (f, "");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 502, "<html>bad gateway</html>");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 200, "");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 200, "<DescribeImagesResponse><imagesSet>");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 200, "<OtherResponse/>");
  bb_ec2_double_answer (f->cloud, "DescribeImages", 200,
                        "<!DOCTYPE x [<!ENTITY a \"b\">]><DescribeImagesResponse>&a;</DescribeImagesResponse>");
  start (f);
  g_assert_error (f->error, BB_ERROR, BB_ERROR_QUOTA);
  g_assert_cmpstr (f->error->message, ==, "ec2: DescribeImages in us-west-2: an answer that can't be read (HTTP status "
                                          "200)");
  g_assert_cmpuint (bb_ec2_double_count (f->cloud, "DescribeImages"), ==, 5);
}

static void
test_nobody_there (Fixture *f, gconstpointer data)
{
  make_slave (f, "endpoint=http://127.0.0.1:1/");
  g_assert_false (stop (f, "i-00000001"));
  g_assert_error (f->error, BB_ERROR, BB_ERROR_QUOTA);
  g_assert_nonnull (strstr (f->error->message, "TerminateInstances in us-west-2: "));
}

static void
test_error_classes (void)
{
  g_assert_cmpint (bb_ec2_error_classify (503, "RequestLimitExceeded"), ==, BB_EC2_ERROR_THROTTLED);
  g_assert_cmpint (bb_ec2_error_classify (500, "InsufficientInstanceCapacity"), ==, BB_EC2_ERROR_CAPACITY);
  g_assert_cmpint (bb_ec2_error_classify (400, "Unsupported"), ==, BB_EC2_ERROR_CAPACITY);
  g_assert_cmpint (bb_ec2_error_classify (400, "UnsupportedOperation"), ==, BB_EC2_ERROR_REFUSED);
  g_assert_cmpint (bb_ec2_error_classify (400, "VcpuLimitExceeded"), ==, BB_EC2_ERROR_QUOTA);
  g_assert_cmpint (bb_ec2_error_classify (400, "InvalidInstanceID"), ==, BB_EC2_ERROR_NOT_YET);
  g_assert_cmpint (bb_ec2_error_classify (400, "InvalidInstanceID.NotFound"), ==, BB_EC2_ERROR_NOT_FOUND);
  g_assert_cmpint (bb_ec2_error_classify (400, "InvalidAMIID.Malformed"), ==, BB_EC2_ERROR_REFUSED);
  g_assert_cmpint (bb_ec2_error_classify (500, "SomethingNew"), ==, BB_EC2_ERROR_SERVER);
  g_assert_cmpint (bb_ec2_error_classify (429, NULL), ==, BB_EC2_ERROR_THROTTLED);
  g_assert_cmpint (bb_ec2_error_classify (500, NULL), ==, BB_EC2_ERROR_GARBAGE);
  g_assert_cmpint (bb_ec2_error_classify (400, "IdempotentParameterMismatch"), ==, BB_EC2_ERROR_TOKEN_MISMATCH);
}

int
main (int argc, char **argv)
{
#define ADD(NAME, FUNC) g_test_add ("/ec2/" NAME, Fixture, NULL, set_up, FUNC, tear_down)
  g_setenv ("AWS_EC2_METADATA_DISABLED", "true", TRUE);
  g_unsetenv ("AWS_CA_BUNDLE");
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  for (gsize i = 0; i < G_N_ELEMENTS (option_cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/ec2/option/%02u-%s-%s", (guint) i, option_cases[i].action,
                                               option_cases[i].parameter);

      g_test_add (path, Fixture, &option_cases[i], set_up, test_option, tear_down);
    }
  ADD ("E9/option/tags-of-ours", test_host_tags);
  ADD ("E1/start/plain", test_start);
  ADD ("E3-E5/start/image-pages", test_image_pages);
  ADD ("E4/start/no-image", test_no_image);
  ADD ("E6/start/key-and-group", test_make_key_and_group);
  ADD ("E6/start/permission", test_missing_permission);
  ADD ("E14/start/lost-answer", test_lost_answer);
  ADD ("E14/start/throttled", test_throttled);
  ADD ("E16/start/capacity", test_capacity);
  ADD ("E16/start/no-capacity", test_no_capacity_at_all);
  ADD ("E16-L7/start/wrong-option", test_wrong_option);
  ADD ("P6/start/spot-fallback", test_spot_fallback);
  ADD ("P6/start/spot-refused", test_spot_refused);
  ADD ("P7/start/spot-image", test_spot_image);
  ADD ("P1/start/spot-price", test_spot_price);
  ADD ("C13/start/spot-request", test_spot_request_recorded);
  ADD ("E13/start/failed", test_failed_launch);
  ADD ("L11/start/cancel-before", test_cancel_before);
  ADD ("L11/start/cancel-while-it-waits", test_cancel_while_it_waits);
  ADD ("L11/start/cancel-during-launch", test_cancel_during_launch);
  ADD ("E11/start/address", test_address);
  ADD ("E11/start/unknown-address", test_unknown_address);
  ADD ("E12/start/volumes", test_volumes);
  ADD ("E12/start/volume-refused", test_volume_refused);
  ADD ("E6-E15/start/many", test_many);
  ADD ("E20/stop/confirmed", test_stop);
  ADD ("C3/stop/gone", test_stop_gone);
  ADD ("C2/stop/lost-launch", test_stop_lost_launch);
  ADD ("C2/stop/never-launched", test_stop_never_launched);
  ADD ("E19/stop/protected", test_stop_protected);
  ADD ("C10/stop/unseen-but-known", test_stop_unseen_but_known);
  ADD ("P6-P10/stop/spot-request", test_stop_spot_request);
  ADD ("L13/park/and-start-again", test_park);
  ADD ("L24/park/refused", test_park_refused);
  ADD ("L6/park/start-fails", test_start_parked_fails);
  ADD ("stop-mode/default", test_stop_mode_default);
  ADD ("E18/check/states", test_check);
  g_test_add ("/ec2/unseen-grace/young", Fixture, "unseen_grace=86400", set_up, test_unseen_grace, tear_down);
  g_test_add ("/ec2/unseen-grace/old", Fixture, "unseen_grace=10", set_up, test_unseen_grace, tear_down);
  ADD ("E14/launch-rate", test_launch_rate);
  ADD ("E15/poll-interval", test_poll_interval);
  ADD ("P8/check/reclaimed", test_check_reclaimed);
  ADD ("P5/unknown-spot-request", test_unknown_spot_request);
  ADD ("P9/check/interrupted", test_check_interrupted);
  ADD ("C4/list", test_list);
  ADD ("scope-and-cost", test_scope_and_cost);
  ADD ("client/clock-skew", test_clock_skew);
  ADD ("E17/client/keys-changed", test_keys_changed);
  ADD ("E17/client/keys-refused", test_keys_refused);
  ADD ("client/garbage", test_garbage);
  ADD ("client/nobody-there", test_nobody_there);
  g_test_add_func ("/ec2/error/classes", test_error_classes);
  return g_test_run ();
}
