/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What --check-config says of ec2 slaves (E1, E2, E7, E8, E10, P4), and what is made of good options. */
#include "bb-ec2-config.h"
#include "bb-ec2-image-choice.h"
#include "bb-ec2-prepare.h"
#include "bb-option-struct.h"
#include "bb-test.h"

#include <string.h>

#define GOOD "instance_type=m5.large", "ami=ami-1"

static BbEc2Config *
make_config (const char *first, ...)
{
  BbEc2Config *config = bb_option_struct_new_default (bb_ec2_options);
  va_list arguments;

  va_start (arguments, first);
  for (const char *item = first; item != NULL; item = va_arg (arguments, const char *))
    {
      g_auto (GStrv) pair = g_strsplit (item, "=", 2);
      const BbOption *option = bb_ec2_options;
      g_autoptr (GError) error = NULL;

      while (option->key != NULL && !g_str_equal (option->key, pair[0]))
        option++;
      g_assert_nonnull (option->key);
      bb_option_parse (option, config, pair[1], NULL, &error);
      g_assert_no_error (error);
    }
  va_end (arguments);
  return config;
}

/* All that is wrong with it, joined by newlines; consumes @config. */
static char *
complaints (BbEc2Config *config)
{
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);

  bb_ec2_config_validate (config, errors);
  bb_option_struct_free (bb_ec2_options, config);
  g_ptr_array_add (errors, NULL);
  return g_strjoinv ("\n", (char **) errors->pdata);
}

#define CHECK(EXPECTED, ...)                                                                                           \
  G_STMT_START                                                                                                         \
  {                                                                                                                    \
    g_autofree char *text = complaints (make_config (__VA_ARGS__, NULL));                                              \
    g_assert_cmpstr (text, ==, EXPECTED);                                                                              \
  }                                                                                                                    \
  G_STMT_END

/* E1, E2 */
static void
test_image (void)
{
  CHECK ("", GOOD);
  CHECK ("", "instance_type=m5.large", "valid_ami_owners=0123-4567-8901;123456789012;self;amazon;");
  CHECK ("", "instance_type=m5.large", "valid_ami_location_regex=x/y-(\\\\d+)");
  CHECK ("ami: not together with valid_ami_owners or valid_ami_location_regex; keep the one that is meant", GOOD,
         "valid_ami_owners=123456789012;");
  CHECK ("ami: is missing; give it, or valid_ami_owners or valid_ami_location_regex", "instance_type=m5.large");
  CHECK ("valid_ami_owners: \"1234\" is not an account of 12 digits, self, amazon or aws-marketplace",
         "instance_type=m5.large", "valid_ami_owners=1234;");
  CHECK ("valid_ami_owners: \"bob\" is not an account of 12 digits, self, amazon or aws-marketplace",
         "instance_type=m5.large", "valid_ami_owners=bob;");
  {
    g_autofree char *text = complaints (make_config ("instance_type=m5.large", "valid_ami_location_regex=a(b", NULL));

    g_assert_true (g_str_has_prefix (text, "valid_ami_location_regex: \"a(b\" is not a regular expression: "));
  }
}

static void
test_owners (void)
{
  BbEc2Config *config = make_config ("instance_type=x", "valid_ami_owners=0123-4567-8901;self;", NULL);
  g_auto (GStrv) owners = bb_ec2_config_get_owners (config);

  g_assert_cmpuint (g_strv_length (owners), ==, 2);
  g_assert_cmpstr (owners[0], ==, "012345678901");
  g_assert_cmpstr (owners[1], ==, "self");
  bb_option_struct_free (bb_ec2_options, config);
}

static void
test_login (void)
{
  CHECK ("", GOOD, "identifier=AK", "secret_identifier=s");
  CHECK ("identifier: needs secret_identifier or secret_identifier_file", GOOD, "identifier=AK");
  CHECK ("secret_identifier: needs identifier", GOOD, "secret_identifier=s");
  CHECK ("secret_identifier: not together with secret_identifier_file", GOOD, "identifier=AK", "secret_identifier=s",
         "secret_identifier_file=/s");
  CHECK ("aws_id_file_path: not together with identifier", GOOD, "identifier=AK", "secret_identifier=s",
         "aws_id_file_path=/x");
  CHECK ("profile: not together with identifier or aws_id_file_path", GOOD, "profile=p", "aws_id_file_path=/x");
  CHECK ("external_id: needs role_arn", GOOD, "external_id=x");
  CHECK ("role_arn: \"bob\" does not begin with arn:", GOOD, "role_arn=bob");
}

/* E8, and what a private cloud may be called */
static void
test_place (void)
{
  CHECK ("", GOOD, "region=us-west-2", "placement=b");
  CHECK ("", GOOD, "region=us-gov-east-1");
  CHECK ("", GOOD, "region=ap-southeast-7");
  CHECK ("", GOOD, "region=RegionOne", "endpoint=http://10.0.0.1:8773/");
  CHECK ("region: \"us-wets-2\" is not a region of EC2, like us-west-2", GOOD, "region=us-wets-2");
  CHECK ("placement: needs region", GOOD, "placement=b");
  CHECK ("placement: \"bb\" is not the letter of a zone, like b", GOOD, "region=us-west-2", "placement=a;bb;");
  CHECK ("endpoint: \"ec2.example.org\" is not an address like https://ec2.example.org:8773/", GOOD,
         "endpoint=ec2.example.org");
}

static void
test_zones (void)
{
  BbEc2Config *config = make_config (GOOD, "region=us-west-2", "placement=b;us-west-2-lax-1a;", NULL);
  BbEc2Config *without = make_config (GOOD, NULL);
  g_auto (GStrv) zones = bb_ec2_config_get_zones (config);
  g_auto (GStrv) none = bb_ec2_config_get_zones (without);

  g_assert_cmpstr (zones[0], ==, "us-west-2b");
  g_assert_cmpstr (zones[1], ==, "us-west-2-lax-1a");
  g_assert_cmpuint (g_strv_length (none), ==, 1);
  g_assert_cmpstr (none[0], ==, "");
  bb_option_struct_free (bb_ec2_options, config);
  bb_option_struct_free (bb_ec2_options, without);
}

/* E7 */
static void
test_network (void)
{
  BbEc2Config *config = make_config (GOOD, NULL);
  BbEc2Config *subnet = make_config (GOOD, "subnet_id=subnet-1", NULL);

  CHECK ("security_name: not together with subnet_id; give security_group_ids", GOOD, "security_name=x",
         "subnet_id=subnet-1");
  CHECK ("", GOOD, "subnet_id=subnet-1", "security_group_ids=sg-1;");
  CHECK ("elastic_ip: \"here\" is not an address", GOOD, "elastic_ip=here");
  g_assert_cmpstr (bb_ec2_config_get_security_name (config), ==, "latent_buildbot_slave");
  g_assert_cmpstr (config->keypair_name, ==, "latent_buildbot_slave");
  g_assert_null (bb_ec2_config_get_security_name (subnet));
  bb_option_struct_free (bb_ec2_options, config);
  bb_option_struct_free (bb_ec2_options, subnet);
}

static void
test_disks_and_tags (void)
{
  CHECK ("", GOOD, "block_device_map=DeviceName=/dev/xvda,Ebs.VolumeSize=20,VolumeType=gp3;", "volumes=vol-1:/dev/sdf;");
  CHECK ("block_device_map: \"Size\" is not one of EC2's words for a disk, like VolumeSize", GOOD,
         "block_device_map=DeviceName=/dev/xvda,Size=20;");
  CHECK ("block_device_map: \"VolumeSize=20\" has no DeviceName", GOOD, "block_device_map=VolumeSize=20;");
  CHECK ("volumes: \"vol-1\" is not VOLUME:DEVICE, like vol-1:/dev/sdf", GOOD, "volumes=vol-1;");
  CHECK ("tags: \"bbhost:x\" begins with bbhost: or aws:, which are not for users", GOOD, "tags=bbhost:x=1;");
  CHECK ("tags: \"aws:x\" begins with bbhost: or aws:, which are not for users", GOOD, "tags=aws:x=1;");
}

/* E10 */
static void
test_user_data (void)
{
  g_autofree char *long_text = g_strnfill (16 * 1024 + 1, 'x');
  g_autofree char *item = g_strconcat ("user_data=", long_text, NULL);
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *path = bb_test_write_file (dir, "data", 0600, long_text);
  g_autofree char *file_item = g_strconcat ("user_data_file=", path, NULL);

  CHECK ("user_data: longer than 16 KiB, which is all that EC2 takes", GOOD, item);
  CHECK ("user_data_file: longer than 16 KiB, which is all that EC2 takes", GOOD, file_item);
  CHECK ("user_data_file: Error opening file /nowhere: No such file or directory", GOOD, "user_data_file=/nowhere");
  CHECK ("user_data: not together with user_data_file", GOOD, "user_data=x", "user_data_file=/nowhere");
  bb_test_remove_dir (dir);
}

/* P4 */
static void
test_spot (void)
{
  CHECK ("", GOOD, "spot_instance=true", "max_spot_price=none");
  CHECK ("", GOOD, "spot_instance=true", "price_multiplier=none");
  CHECK ("max_spot_price: none, and price_multiplier none as well, leaves no bid; give one of them", GOOD,
         "spot_instance=true", "max_spot_price=none", "price_multiplier=none");
  CHECK ("stop_mode: stop is not for spot instances, whose requests end with them; leave it out", GOOD,
         "spot_instance=true", "stop_mode=stop");
  CHECK ("", GOOD, "stop_mode=stop");
  CHECK ("spot_fallback: needs spot_instance=true", GOOD, "spot_fallback=on-demand");
}

/* P1 to P4: mean, bid */
static void
test_bids (void)
{
  static const struct
  {
    const char *max;
    const char *multiplier;
    double mean;
    double bid;
    gboolean capped;
  } cases[] = {
    { "max_spot_price=1.6", "price_multiplier=1.2", 0.5, 0.6, FALSE },
    { "max_spot_price=1.6", "price_multiplier=1.2", -1, 0.02, FALSE },
    { "max_spot_price=0.01", "price_multiplier=1.2", -1, 0.01, TRUE },
    { "max_spot_price=1.6", "price_multiplier=1.2", 5, 1.6, TRUE },
    { "max_spot_price=none", "price_multiplier=1.5", 5, 7.5, FALSE },
    { "max_spot_price=0.3", "price_multiplier=none", -1, 0.3, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      BbEc2Config *config = make_config (GOOD, "spot_instance=true", cases[i].max, cases[i].multiplier, NULL);
      gboolean capped = FALSE;

      g_assert_cmpfloat_with_epsilon (bb_ec2_prepare_compute_bid (config, cases[i].mean, &capped), cases[i].bid, 1e-9);
      g_assert_cmpint (capped, ==, cases[i].capped);
      bb_option_struct_free (bb_ec2_options, config);
    }
}

/* E3: each case is a regular expression, the images' locations, and the one that wins */
static void
test_image_choice (gconstpointer data)
{
  const char *const *words = data;
  g_autoptr (GRegex) regex = *words[0] != '\0' ? bb_ec2_image_compile (words[0], NULL) : NULL;
  g_autoptr (GPtrArray) images = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_ec2_image_free);
  const BbEc2Image *image;
  guint n_candidates = 0;

  for (gsize i = 2; words[i] != NULL; i++)
    {
      BbEc2Image *one = g_new0 (BbEc2Image, 1);
      gboolean is_pending = words[i][0] == '!';

      one->id = g_strdup_printf ("ami-%u", (guint) i);
      one->location = g_strdup (words[i] + is_pending);
      one->state = g_strdup (is_pending ? "pending" : "available");
      g_ptr_array_add (images, one);
    }
  image = bb_ec2_image_choose (images, regex, &n_candidates);
  g_assert_cmpstr (image != NULL ? image->location : "none", ==, words[1]);
}

static const char *const no_group[] = { "o/", "o/b", "o/a", "o/b", "x/z", NULL };
static const char *const numbers[] = { "o/slave-(\\d+)", "o/slave-10.img", "o/slave-10.img", "o/slave-9.img", NULL };
static const char *const texts[] = { "o/slave-(\\w+)", "o/slave-9.img", "o/slave-10.img", "o/slave-9.img", "o/slave-1a.img",
                                     NULL };
static const char *const first_group[]
  = { "o/(\\d+)-(\\d+)", "o/2-1", "o/1-9", "o/2-1", NULL };
static const char *const start_only[] = { "slave", "slave/1-and-more", "o/slave", "slave/1-and-more", NULL };
static const char *const not_available[] = { "o/(\\d+)", "o/1", "o/1", "!o/2", NULL };
static const char *const optional_group[] = { "o/(x)?", "o/x", "o/a", "o/x", NULL };
static const char *const long_numbers[] = { "o/(\\d+)", "o/100000000000000000000000", "o/99999999999999999999999",
                                            "o/100000000000000000000000", NULL };
static const char *const ties[] = { "o/(\\d+)", "o/1-b", "o/1-a", "o/01-c", "o/1-b", NULL };
static const char *const nothing[] = { "x", "none", "o/a", NULL };
static const char *const no_regex[] = { "", "z/a", "o/a", "z/a", "b/z", NULL };

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ec2/E1-E2/config/image", test_image);
  g_test_add_func ("/ec2/E2/config/owners", test_owners);
  g_test_add_func ("/ec2/E17/config/login", test_login);
  g_test_add_func ("/ec2/E8/config/place", test_place);
  g_test_add_func ("/ec2/E16/config/zones", test_zones);
  g_test_add_func ("/ec2/E7-E11/config/network", test_network);
  g_test_add_func ("/ec2/E9-E12/config/disks-and-tags", test_disks_and_tags);
  g_test_add_func ("/ec2/E10/config/user-data", test_user_data);
  g_test_add_func ("/ec2/P4/config/spot", test_spot);
  g_test_add_func ("/ec2/P1-P2-P3-P4/config/bids", test_bids);
  g_test_add_data_func ("/ec2/E3/image/no-group", no_group, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/numbers", numbers, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/texts", texts, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/first-group", first_group, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/start-only", start_only, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/not-available", not_available, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/optional-group", optional_group, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/long-numbers", long_numbers, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/ties", ties, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/nothing", nothing, test_image_choice);
  g_test_add_data_func ("/ec2/E3/image/no-regex", no_regex, test_image_choice);
  return g_test_run ();
}
