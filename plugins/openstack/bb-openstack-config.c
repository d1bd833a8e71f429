/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-config.h"

#include "bb-openstack-devices.h"
#include "bb-openstack-login.h"

#include <glib/gi18n.h>
#include <string.h>

#define MAX_META 124 /* 128 of Nova's, and four are bbhost's */
#define MAX_META_LENGTH 255

#define OFFSET(MEMBER) G_STRUCT_OFFSET (BbOpenstackConfig, MEMBER)

static const char *const image_orders[] = { "newest", "oldest", NULL };

const BbOption bb_openstack_options[] = {
  { "flavor", BB_OPTION_STRING, OFFSET (flavor), NULL, 0, 0, BB_OPTION_REQUIRED | BB_OPTION_INTERPOLATED, NULL,
    N_("The flavor's id or name; looked up at each start.") },
  { "image", BB_OPTION_STRING, OFFSET (image), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("The image's id or name. At least one of this, image_regex, image_command and block_devices is needed.") },
  { "image_regex", BB_OPTION_STRING, OFFSET (image_regex), NULL, 0, 0, 0, NULL,
    N_("A regular expression that the image's whole name must match; of several images, image_order decides.") },
  { "image_order", BB_OPTION_ENUM, OFFSET (image_order), "newest", 0, 0, 0, image_orders,
    N_("Which of the images that image_regex fits is taken, by the time of their creation.") },
  { "image_command", BB_OPTION_STRING, OFFSET (image_command), NULL, 0, 0, 0, NULL,
    N_("A program and its arguments that gets the JSON list of images on standard input and prints the id of one.") },
  { "image_command_timeout", BB_OPTION_SECONDS, OFFSET (image_command_timeout), "60", 0.1, 3600, 0, NULL,
    N_("How long image_command may take.") },
  { "os_cloud", BB_OPTION_STRING, OFFSET (os_cloud), NULL, 0, 0, 0, NULL,
    N_("An entry of clouds.yaml (in $OS_CLIENT_CONFIG_FILE, the working folder, ~/.config/openstack or /etc/openstack) "
       "to take from what is not given here. Without it and without os_auth_url: the variables OS_*.") },
  { "os_auth_type", BB_OPTION_STRING, OFFSET (os_auth_type), NULL, 0, 0, 0, NULL,
    N_("How to log in: password, token or applicationcredential, each also with v3 before it. Without it: by what is given.") },
  { "os_auth_url", BB_OPTION_STRING, OFFSET (os_auth_url), NULL, 0, 0, 0, NULL,
    N_("The address of Keystone, like https://cloud.example.org:5000/v3.") },
  { "os_username", BB_OPTION_STRING, OFFSET (os_username), NULL, 0, 0, 0, NULL, N_("The user's name.") },
  { "os_password", BB_OPTION_STRING, OFFSET (os_password), NULL, 0, 0, BB_OPTION_SECRET, NULL, N_("The user's password.") },
  { "os_password_file", BB_OPTION_PATH, OFFSET (os_password_file), NULL, 0, 0, BB_OPTION_SECRET, NULL,
    N_("A file whose first line is the user's password.") },
  { "os_tenant_name", BB_OPTION_STRING, OFFSET (os_tenant_name), NULL, 0, 0, 0, NULL,
    N_("The project's name; it was called a tenant once.") },
  { "os_user_domain", BB_OPTION_STRING, OFFSET (os_user_domain), NULL, 0, 0, 0, NULL,
    N_("The name of the user's domain. Without it: the domain whose id is default.") },
  { "os_project_domain", BB_OPTION_STRING, OFFSET (os_project_domain), NULL, 0, 0, 0, NULL,
    N_("The name of the project's domain. Without it: the domain whose id is default.") },
  { "os_application_credential_id", BB_OPTION_STRING, OFFSET (os_application_credential_id), NULL, 0, 0, 0, NULL,
    N_("The application credential's id.") },
  { "os_application_credential_name", BB_OPTION_STRING, OFFSET (os_application_credential_name), NULL, 0, 0, 0, NULL,
    N_("The application credential's name, together with os_username.") },
  { "os_application_credential_secret", BB_OPTION_STRING, OFFSET (os_application_credential_secret), NULL, 0, 0,
    BB_OPTION_SECRET, NULL, N_("The application credential's secret.") },
  { "os_token", BB_OPTION_STRING, OFFSET (os_token), NULL, 0, 0, BB_OPTION_SECRET, NULL,
    N_("A token to log in with; of use only as long as it lives.") },
  { "region", BB_OPTION_STRING, OFFSET (region), NULL, 0, 0, 0, NULL,
    N_("The region. Without it: the only one, or the first of the catalogue.") },
  { "os_interface", BB_OPTION_STRING, OFFSET (os_interface), NULL, 0, 0, 0, NULL,
    N_("Which addresses of the catalogue to use: public (without it), internal or admin.") },
  { "os_cacert", BB_OPTION_PATH, OFFSET (os_cacert), NULL, 0, 0, 0, NULL,
    N_("A file of certificates to trust instead of the system's.") },
  { "os_cert", BB_OPTION_PATH, OFFSET (os_cert), NULL, 0, 0, 0, NULL,
    N_("A file with our own certificate, for clouds that ask for one.") },
  { "os_key", BB_OPTION_PATH, OFFSET (os_key), NULL, 0, 0, BB_OPTION_SECRET, NULL, N_("A file with the key of os_cert.") },
  { "insecure", BB_OPTION_BOOLEAN, OFFSET (insecure), "false", 0, 0, 0, NULL,
    N_("Whether the cloud's certificate goes unchecked. Whoever sits in between can then read the password.") },
  { "meta", BB_OPTION_PAIRS, OFFSET (meta), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("Metadata of the server. Keys that begin with bbhost: are not for users.") },
  { "block_devices", BB_OPTION_STRINGS, OFFSET (block_devices), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("Disks, each of key=value items joined by commas: uuid, source_type (image, snapshot, volume), destination_type "
       "(volume, local), device_name (vda), boot_index (0), delete_on_termination (true), volume_size in GiB.") },
  { "networks", BB_OPTION_STRINGS, OFFSET (networks), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("Networks by id or name; or the one word auto or none. Without it: the project's only one.") },
  { "security_groups", BB_OPTION_STRINGS, OFFSET (security_groups), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("Security groups by name or id. Without it: default.") },
  { "key_name", BB_OPTION_STRING, OFFSET (key_name), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("The key pair that may log in to the server.") },
  { "user_data", BB_OPTION_STRING, OFFSET (user_data), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("What the server is told at its start: a script or what cloud-init reads.") },
  { "user_data_file", BB_OPTION_PATH, OFFSET (user_data_file), NULL, 0, 0, 0, NULL,
    N_("A file with the same, in which %(slave:password)s and the like are filled in, too.") },
  { "availability_zone", BB_OPTION_STRING, OFFSET (availability_zone), NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL,
    N_("The availability zone.") },
  { "config_drive", BB_OPTION_BOOLEAN, OFFSET (config_drive), "false", 0, 0, 0, NULL,
    N_("Whether the server gets its metadata on a disk, too.") },
  { "floating_ip_pool", BB_OPTION_STRING, OFFSET (floating_ip_pool), NULL, 0, 0, 0, NULL,
    N_("An external network, by name or id, of which the server gets an address while it lives.") },
  { "client_version", BB_OPTION_STRING, OFFSET (client_version), "2", 0, 0, 0, NULL,
    N_("The version of Nova's API: 2 for whatever is needed, or 2.N for that one.") },
  { "poll_interval", BB_OPTION_SECONDS, OFFSET (poll_interval), "5", 0.02, 300, 0, NULL,
    N_("How often the servers that are started or stopped are looked at, in one call for all of an account.") },
  { "call_timeout", BB_OPTION_SECONDS, OFFSET (call_timeout), "60", 0.1, 600, 0, NULL,
    N_("How long a service may take to answer.") },
  { 0 },
};

static void complain (GPtrArray *errors, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
complain (GPtrArray *errors, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (errors, g_strdup_vprintf (format, args));
  va_end (args);
}

int
bb_openstack_config_parse_version (const char *text)
{
  guint64 minor;

  if (g_str_equal (text, "2") || g_str_equal (text, "1.1"))
    return 0;
  if (!g_str_has_prefix (text, "2.") || !g_ascii_string_to_unsigned (text + 2, 10, 1, 999, &minor, NULL))
    return -1;
  return (int) minor;
}

static gboolean
is_given (char **list)
{
  return list != NULL && list[0] != NULL;
}

static void
validate_image (const BbOpenstackConfig *config, GPtrArray *errors)
{
  guint ways = (config->image != NULL) + (config->image_regex != NULL) + (config->image_command != NULL);

  if (ways == 0 && !is_given (config->block_devices))
    complain (errors, "image: missing; give it, or image_regex, image_command or block_devices");
  if (ways > 1)
    complain (errors, "image: only one of image, image_regex and image_command");
  if (config->image_regex != NULL)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GRegex) regex = g_regex_new (config->image_regex, 0, 0, &error);

      if (regex == NULL)
        complain (errors, "image_regex: %s", error->message);
    }
  if (config->image_command != NULL)
    {
      g_autoptr (GError) error = NULL;
      g_auto (GStrv) argv = NULL;

      if (!g_shell_parse_argv (config->image_command, NULL, &argv, &error))
        complain (errors, "image_command: %s", error->message);
    }
}

static void
validate_meta (const BbOpenstackConfig *config, GPtrArray *errors)
{
  for (gsize i = 0; config->meta != NULL && config->meta[i] != NULL; i++)
    {
      gsize length = strcspn (config->meta[i], "=");

      if (g_str_has_prefix (config->meta[i], "bbhost:"))
        complain (errors, "meta: \"%.*s\" begins with bbhost:, which is not for users", (int) MIN (length, 99),
                  config->meta[i]);
      if (length > MAX_META_LENGTH)
        complain (errors, "meta: \"%.20s…\" is longer than %d characters", config->meta[i], MAX_META_LENGTH);
    }
  if (config->meta != NULL && g_strv_length (config->meta) > MAX_META)
    complain (errors, "meta: more than %d items", MAX_META);
}

static void
validate_login (const BbOpenstackConfig *config, GPtrArray *errors)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbOpenstackLogin) login = NULL;

  if (config->os_password != NULL && config->os_password_file != NULL)
    complain (errors, "os_password: not together with os_password_file");
  if ((config->os_cert == NULL) != (config->os_key == NULL))
    complain (errors, "os_cert: only together with os_key");
  login = bb_openstack_login_new (config, &error);
  if (login == NULL)
    complain (errors, "%s", error->message);
}

void
bb_openstack_config_validate (gconstpointer data, GPtrArray *errors)
{
  const BbOpenstackConfig *config = data;

  validate_image (config, errors);
  validate_login (config, errors);
  validate_meta (config, errors);
  for (gsize i = 0; config->block_devices != NULL && config->block_devices[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (BbOpenstackDevice) device = bb_openstack_device_parse (config->block_devices[i], &error);

      if (device == NULL)
        complain (errors, "block_devices: %s", error->message);
    }
  for (gsize i = 0; config->networks != NULL && config->networks[i] != NULL; i++)
    if ((g_str_equal (config->networks[i], "none") || g_str_equal (config->networks[i], "auto"))
        && g_strv_length (config->networks) > 1)
      complain (errors, "networks: \"%s\" stands alone or not at all", config->networks[i]);
  if (config->user_data != NULL && config->user_data_file != NULL)
    complain (errors, "user_data: not together with user_data_file");
  if (bb_openstack_config_parse_version (config->client_version) < 0)
    complain (errors, "client_version: \"%s\" is neither 2 nor like 2.37", config->client_version);
}
