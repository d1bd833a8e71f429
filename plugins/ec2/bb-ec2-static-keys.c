/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-static-keys.h"

#include "bb-ec2-error.h"
#include "bb-ec2-profile.h"

#include <gio/gio.h>
#include <openssl/crypto.h>
#include <string.h>

G_GNUC_PRINTF (2, 3) static void
set_error (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_propagate_error (error, bb_ec2_error_new (BB_EC2_ERROR_CREDENTIALS, NULL, text));
}

/* The first @n lines, stripped; %NULL unless each has something in it. */
static char **
read_lines (const char *path, guint n, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  g_autofree char *text = bb_ec2_profile_read_file (path, &local_error);
  g_auto (GStrv) lines = NULL;

  if (text == NULL)
    {
      set_error (error, "keys: %s: %s", path, local_error->message);
      return NULL;
    }
  lines = g_strsplit (text, "\n", (gint) n + 1);
  OPENSSL_cleanse (text, strlen (text));
  for (guint i = 0; i < n; i++)
    if (lines[i] == NULL || *g_strstrip (lines[i]) == '\0')
      {
        set_error (error, n == 2 ? "keys: %s must have the access key in its first line, and the secret in its second"
                                 : "keys: %s has nothing in its first line", path);
        return NULL;
      }
  return g_steal_pointer (&lines);
}

static BbEc2Credentials *
from_options (const BbEc2Login *login, GError **error)
{
  g_auto (GStrv) lines = NULL;

  if (login->secret_identifier != NULL)
    return bb_ec2_credentials_new (login->identifier, login->secret_identifier, NULL, 0);
  lines = read_lines (login->secret_identifier_file, 1, error);
  return lines != NULL ? bb_ec2_credentials_new (login->identifier, lines[0], NULL, 0) : NULL;
}

static BbEc2Credentials *
from_id_file (const char *path, GError **error)
{
  g_auto (GStrv) lines = read_lines (path, 2, error);

  return lines != NULL ? bb_ec2_credentials_new (lines[0], lines[1], NULL, 0) : NULL;
}

static BbEc2Credentials *
from_environment (const BbEc2Place *place, GError **error)
{
  const char *id = bb_ec2_place_getenv (place, "AWS_ACCESS_KEY_ID");
  const char *secret = bb_ec2_place_getenv (place, "AWS_SECRET_ACCESS_KEY");

  if (secret == NULL)
    {
      set_error (error, "keys: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not");
      return NULL;
    }
  return bb_ec2_credentials_new (id, secret, bb_ec2_place_getenv (place, "AWS_SESSION_TOKEN"), 0);
}

/* What the AWS tools would do with these is not to be guessed, and to look further would find somebody else's keys. */
static const char *
find_unsupported (BbEc2Profile *profile, const char *section)
{
  static const char *const keys[] = { "role_arn", "credential_source", "source_profile", "web_identity_token_file",
                                      "sso_session", "sso_account_id", "sso_start_url", "credential_process", NULL };

  for (gsize i = 0; keys[i] != NULL; i++)
    if (bb_ec2_profile_get (profile, section, keys[i]) != NULL)
      return keys[i];
  return NULL;
}

static BbEc2Credentials *
from_profile (BbEc2Profile *profile, const char *section, const char *path, GError **error)
{
  const char *id = bb_ec2_profile_get (profile, section, "aws_access_key_id");
  const char *secret = bb_ec2_profile_get (profile, section, "aws_secret_access_key");
  const char *unsupported = find_unsupported (profile, section);

  if (unsupported != NULL)
    {
      set_error (error, "keys: %s: [%s] %s is not supported; use keys there, and the slave's options role_arn and "
                 "external_id for a role", path, section, unsupported);
      return NULL;
    }
  if (id == NULL)
    return NULL;
  if (secret == NULL)
    {
      set_error (error, "keys: %s: [%s] has aws_access_key_id, and no aws_secret_access_key", path, section);
      return NULL;
    }
  return bb_ec2_credentials_new (id, secret, bb_ec2_profile_get (profile, section, "aws_session_token"), 0);
}

static BbEc2Credentials *
from_aws_files (const BbEc2Place *place, GError **error)
{
  g_autofree char *config_section
    = g_str_equal (place->profile, "default") ? g_strdup ("default") : g_strconcat ("profile ", place->profile, NULL);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (BbEc2Profile) credentials_file = bb_ec2_profile_load (place->credentials_path, &local_error);
  g_autoptr (BbEc2Profile) config_file = NULL;
  BbEc2Credentials *credentials = NULL;

  if (credentials_file != NULL)
    config_file = bb_ec2_profile_load (place->config_path, &local_error);
  if (config_file == NULL)
    {
      set_error (error, "keys: %s", local_error->message);
      return NULL;
    }
  credentials = from_profile (credentials_file, place->profile, place->credentials_path, &local_error);
  if (credentials == NULL && local_error == NULL)
    credentials = from_profile (config_file, config_section, place->config_path, &local_error);
  if (credentials == NULL && local_error == NULL && place->profile_named)
    set_error (&local_error, "keys: neither %s nor %s has keys for the profile %s", place->credentials_path,
               place->config_path, place->profile);
  if (credentials == NULL && local_error != NULL)
    g_propagate_error (error, g_steal_pointer (&local_error));
  return credentials;
}

static char *
default_id_file (const BbEc2Place *place)
{
  const char *home = bb_ec2_place_getenv (place, "HOME");

  return g_build_filename (home != NULL ? home : g_get_home_dir (), ".ec2", "aws_id", NULL);
}

BbEc2Credentials *
bb_ec2_static_keys_find (const BbEc2Login *login, const BbEc2Place *place, GError **error)
{
  g_autofree char *id_file = default_id_file (place);

  if (login->identifier != NULL)
    return from_options (login, error);
  if (login->aws_id_file_path != NULL)
    return from_id_file (login->aws_id_file_path, error);
  if (place->profile_named)
    return from_aws_files (place, error);
  if (g_file_test (id_file, G_FILE_TEST_EXISTS))
    return from_id_file (id_file, error);
  if (bb_ec2_place_getenv (place, "AWS_ACCESS_KEY_ID") != NULL)
    return from_environment (place, error);
  return from_aws_files (place, error);
}
