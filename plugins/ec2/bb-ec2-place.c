/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-place.h"

#include "bb-ec2-profile.h"

#include <gio/gio.h>
#include <string.h>

#define DEFAULT_REGION "us-east-1"

BbEc2Login *
bb_ec2_login_copy (const BbEc2Login *self)
{
  BbEc2Login *copy = g_new0 (BbEc2Login, 1);

  copy->identifier = g_strdup (self->identifier);
  copy->secret_identifier = g_strdup (self->secret_identifier);
  copy->secret_identifier_file = g_strdup (self->secret_identifier_file);
  copy->aws_id_file_path = g_strdup (self->aws_id_file_path);
  copy->profile = g_strdup (self->profile);
  copy->role_arn = g_strdup (self->role_arn);
  copy->external_id = g_strdup (self->external_id);
  copy->region = g_strdup (self->region);
  copy->endpoint = g_strdup (self->endpoint);
  return copy;
}

void
bb_ec2_login_free (BbEc2Login *self)
{
  g_free (self->identifier);
  g_free (self->secret_identifier);
  g_free (self->secret_identifier_file);
  g_free (self->aws_id_file_path);
  g_free (self->profile);
  g_free (self->role_arn);
  g_free (self->external_id);
  g_free (self->region);
  g_free (self->endpoint);
  g_free (self);
}

char *
bb_ec2_login_to_key (const BbEc2Login *self)
{
  const char *const members[] = { self->identifier, self->secret_identifier, self->secret_identifier_file,
                                  self->aws_id_file_path, self->profile, self->role_arn, self->external_id,
                                  self->region, self->endpoint };
  GString *key = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (members); i++)
    g_string_append_printf (key, "%s\n", members[i] != NULL ? members[i] : "");
  return g_string_free (key, FALSE);
}

const char *
bb_ec2_place_getenv (const BbEc2Place *self, const char *name)
{
  const char *value = g_environ_getenv (self->environment, name);

  return value != NULL && *value != '\0' ? value : NULL;
}

gboolean
bb_ec2_place_is_region (const char *region)
{
  return g_regex_match_simple ("^[a-z]{2,6}(-[a-z]{2,5})?-(north|south|east|west|central)(east|west)?-[0-9]{1,2}$",
                               region, 0, 0);
}

static const char *
suffix_of_region (const char *region)
{
  if (g_str_has_prefix (region, "cn-"))
    return "amazonaws.com.cn";
  if (g_str_has_prefix (region, "eusc-"))
    return "amazonaws.eu";
  return "amazonaws.com";
}

/* As the AWS tools have it: the service's variable, the general one, the profile's section of services, the
 * profile's. */
static char *
configured_endpoint (const BbEc2Place *self, BbEc2Profile *config, const char *section, const char *service)
{
  g_autofree char *upper = g_ascii_strup (service, -1);
  g_autofree char *variable = g_strconcat ("AWS_ENDPOINT_URL_", upper, NULL);
  const char *value;

  if (g_strcmp0 (bb_ec2_place_getenv (self, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), "true") == 0)
    return NULL;
  value = bb_ec2_place_getenv (self, variable);
  if (value == NULL)
    value = bb_ec2_place_getenv (self, "AWS_ENDPOINT_URL");
  if (value == NULL && bb_ec2_profile_get (config, section, "services") != NULL)
    {
      g_autofree char *services = g_strconcat ("services ", bb_ec2_profile_get (config, section, "services"), NULL);
      g_autofree char *key = g_strconcat (service, ".endpoint_url", NULL);

      value = bb_ec2_profile_get (config, services, key);
    }
  if (value == NULL)
    value = bb_ec2_profile_get (config, section, "endpoint_url");
  return g_strdup (value);
}

static char *
choose_endpoint (const BbEc2Place *self, BbEc2Profile *config, const char *section, const char *service,
                 const char *option)
{
  char *configured = option != NULL ? g_strdup (option) : configured_endpoint (self, config, section, service);

  if (configured != NULL)
    return configured;
  return g_strdup_printf ("https://%s.%s.%s/", service, self->region, suffix_of_region (self->region));
}

static char *
choose_path (const BbEc2Place *self, const char *variable, const char *file)
{
  const char *path = bb_ec2_place_getenv (self, variable);
  const char *home = bb_ec2_place_getenv (self, "HOME");

  if (path != NULL)
    return g_strdup (path);
  return g_build_filename (home != NULL ? home : g_get_home_dir (), ".aws", file, NULL);
}

static void
choose_profile (BbEc2Place *self, const BbEc2Login *login)
{
  const char *profile = login->profile;

  self->profile_named = profile != NULL;
  if (profile == NULL)
    profile = bb_ec2_place_getenv (self, "AWS_PROFILE");
  if (profile == NULL)
    profile = bb_ec2_place_getenv (self, "AWS_DEFAULT_PROFILE");
  self->profile = g_strdup (profile != NULL ? profile : "default");
}

static void
choose_region (BbEc2Place *self, const BbEc2Login *login, BbEc2Profile *config, const char *section)
{
  const char *region = login->region;

  if (region == NULL)
    region = bb_ec2_place_getenv (self, "AWS_REGION");
  if (region == NULL)
    region = bb_ec2_place_getenv (self, "AWS_DEFAULT_REGION");
  if (region == NULL)
    region = bb_ec2_profile_get (config, section, "region");
  self->region = g_strdup (region != NULL ? region : DEFAULT_REGION);
}

static gboolean
check_endpoint (const char *endpoint, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (endpoint, G_URI_FLAGS_NONE, error);

  if (uri == NULL)
    {
      g_prefix_error (error, "endpoint %s: ", endpoint);
      return FALSE;
    }
  if ((!g_str_equal (g_uri_get_scheme (uri), "http") && !g_str_equal (g_uri_get_scheme (uri), "https"))
      || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0')
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "endpoint %s is not an address like https://ec2.example.org:8773/", endpoint);
      return FALSE;
    }
  return TRUE;
}

BbEc2Place *
bb_ec2_place_new (const BbEc2Login *login, const char *const *environment, GError **error)
{
  g_autoptr (BbEc2Place) self = g_new0 (BbEc2Place, 1);
  g_autoptr (BbEc2Profile) config = NULL;
  g_autofree char *section = NULL;

  g_atomic_ref_count_init (&self->ref_count);
  self->environment = g_strdupv ((char **) environment);
  self->credentials_path = choose_path (self, "AWS_SHARED_CREDENTIALS_FILE", "credentials");
  self->config_path = choose_path (self, "AWS_CONFIG_FILE", "config");
  choose_profile (self, login);
  config = bb_ec2_profile_load (self->config_path, error);
  if (config == NULL)
    return NULL;
  if (g_str_equal (self->profile, "default"))
    section = g_strdup ("default");
  else
    section = g_strconcat ("profile ", self->profile, NULL);
  choose_region (self, login, config, section);
  self->endpoint = choose_endpoint (self, config, section, "ec2", login->endpoint);
  self->sts_endpoint = choose_endpoint (self, config, section, "sts", NULL);
  self->ca_file = g_strdup (bb_ec2_place_getenv (self, "AWS_CA_BUNDLE"));
  if (!check_endpoint (self->endpoint, error) || !check_endpoint (self->sts_endpoint, error))
    return NULL;
  return g_steal_pointer (&self);
}

BbEc2Place *
bb_ec2_place_ref (BbEc2Place *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bb_ec2_place_unref (BbEc2Place *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_strfreev (self->environment);
  g_free (self->region);
  g_free (self->endpoint);
  g_free (self->sts_endpoint);
  g_free (self->ca_file);
  g_free (self->profile);
  g_free (self->credentials_path);
  g_free (self->config_path);
  g_free (self);
}
