/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-login.h"

#include "bb-openstack-clouds.h"

#include <string.h>

#define OFFSET(MEMBER) G_STRUCT_OFFSET (BbOpenstackConfig, MEMBER)
#define NO_OPTION (-1)

struct _BbOpenstackLogin
{
  char *values[BB_OPENSTACK_N_LOGIN_VALUES];
  gboolean insecure;
  char *key;
  char *name;
};

/* Where each value comes from; of two names in files and environment the first counts. */
static const struct
{
  glong option;
  const char *names[2];
  const char *variables[2];
} sources[BB_OPENSTACK_N_LOGIN_VALUES] = {
  [BB_OPENSTACK_LOGIN_AUTH_TYPE] = { OFFSET (os_auth_type), { "auth_type" }, { "OS_AUTH_TYPE" } },
  [BB_OPENSTACK_LOGIN_AUTH_URL] = { OFFSET (os_auth_url), { "auth_url" }, { "OS_AUTH_URL" } },
  [BB_OPENSTACK_LOGIN_USERNAME] = { OFFSET (os_username), { "username" }, { "OS_USERNAME" } },
  [BB_OPENSTACK_LOGIN_USER_ID] = { NO_OPTION, { "user_id" }, { "OS_USER_ID" } },
  [BB_OPENSTACK_LOGIN_PASSWORD] = { OFFSET (os_password), { "password" }, { "OS_PASSWORD" } },
  [BB_OPENSTACK_LOGIN_USER_DOMAIN] = { OFFSET (os_user_domain), { "user_domain_name" }, { "OS_USER_DOMAIN_NAME" } },
  [BB_OPENSTACK_LOGIN_USER_DOMAIN_ID] = { NO_OPTION, { "user_domain_id" }, { "OS_USER_DOMAIN_ID" } },
  [BB_OPENSTACK_LOGIN_PROJECT]
  = { OFFSET (os_tenant_name), { "project_name", "tenant_name" }, { "OS_PROJECT_NAME", "OS_TENANT_NAME" } },
  [BB_OPENSTACK_LOGIN_PROJECT_ID]
  = { NO_OPTION, { "project_id", "tenant_id" }, { "OS_PROJECT_ID", "OS_TENANT_ID" } },
  [BB_OPENSTACK_LOGIN_PROJECT_DOMAIN]
  = { OFFSET (os_project_domain), { "project_domain_name" }, { "OS_PROJECT_DOMAIN_NAME" } },
  [BB_OPENSTACK_LOGIN_PROJECT_DOMAIN_ID] = { NO_OPTION, { "project_domain_id" }, { "OS_PROJECT_DOMAIN_ID" } },
  [BB_OPENSTACK_LOGIN_APPLICATION_ID]
  = { OFFSET (os_application_credential_id), { "application_credential_id" }, { "OS_APPLICATION_CREDENTIAL_ID" } },
  [BB_OPENSTACK_LOGIN_APPLICATION_NAME]
  = { OFFSET (os_application_credential_name), { "application_credential_name" }, { "OS_APPLICATION_CREDENTIAL_NAME" } },
  [BB_OPENSTACK_LOGIN_APPLICATION_SECRET]
  = { OFFSET (os_application_credential_secret), { "application_credential_secret" },
      { "OS_APPLICATION_CREDENTIAL_SECRET" } },
  [BB_OPENSTACK_LOGIN_TOKEN] = { OFFSET (os_token), { "token" }, { "OS_TOKEN" } },
  [BB_OPENSTACK_LOGIN_REGION] = { OFFSET (region), { "region_name" }, { "OS_REGION_NAME" } },
  [BB_OPENSTACK_LOGIN_INTERFACE] = { OFFSET (os_interface), { "interface" }, { "OS_INTERFACE" } },
  [BB_OPENSTACK_LOGIN_CACERT] = { OFFSET (os_cacert), { "cacert" }, { "OS_CACERT" } },
  [BB_OPENSTACK_LOGIN_CERT] = { OFFSET (os_cert), { "cert" }, { "OS_CERT" } },
  [BB_OPENSTACK_LOGIN_KEY] = { OFFSET (os_key), { "key" }, { "OS_KEY" } },
  [BB_OPENSTACK_LOGIN_VERIFY] = { NO_OPTION, { "verify" }, { NULL } },
};

void
bb_openstack_login_free (BbOpenstackLogin *self)
{
  for (gsize i = 0; i < BB_OPENSTACK_N_LOGIN_VALUES; i++)
    g_free (self->values[i]);
  g_free (self->key);
  g_free (self->name);
  g_free (self);
}

static const char *
find_value (const BbOpenstackConfig *config, GHashTable *cloud, gboolean use_environment, gsize i)
{
  const char *value = NULL;

  if (sources[i].option != NO_OPTION)
    value = G_STRUCT_MEMBER (char *, config, sources[i].option);
  for (gsize j = 0; value == NULL && cloud != NULL && j < 2 && sources[i].names[j] != NULL; j++)
    value = g_hash_table_lookup (cloud, sources[i].names[j]);
  for (gsize j = 0; value == NULL && use_environment && j < 2 && sources[i].variables[j] != NULL; j++)
    value = g_getenv (sources[i].variables[j]);
  return value != NULL && *value != '\0' ? value : NULL;
}

static gboolean
read_password (BbOpenstackLogin *self, const char *path, GError **error)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, error))
    {
      g_prefix_error (error, "os_password_file: ");
      return FALSE;
    }
  text[strcspn (text, "\r\n")] = '\0';
  g_free (self->values[BB_OPENSTACK_LOGIN_PASSWORD]);
  self->values[BB_OPENSTACK_LOGIN_PASSWORD] = g_steal_pointer (&text);
  return TRUE;
}

/* The bare method: what the tools write as v3password is password. */
static void
settle_type (BbOpenstackLogin *self)
{
  char **type = &self->values[BB_OPENSTACK_LOGIN_AUTH_TYPE];
  const char *method = *type;

  if (method != NULL && (g_str_has_prefix (method, "v3") || g_str_has_prefix (method, "v2")))
    method += 2;
  if (method == NULL)
    method = self->values[BB_OPENSTACK_LOGIN_APPLICATION_SECRET] != NULL ? "applicationcredential"
             : self->values[BB_OPENSTACK_LOGIN_TOKEN] != NULL          ? "token"
                                                                         : "password";
  method = g_intern_string (g_str_equal (method, "application_credential") ? "applicationcredential" : method);
  g_free (*type);
  *type = g_strdup (method);
}

static gboolean
check (const BbOpenstackLogin *self, GError **error)
{
  char *const *v = self->values;
  const char *type = v[BB_OPENSTACK_LOGIN_AUTH_TYPE];
  const char *wrong = NULL;
  gboolean has_user = v[BB_OPENSTACK_LOGIN_USERNAME] != NULL || v[BB_OPENSTACK_LOGIN_USER_ID] != NULL;

  if (v[BB_OPENSTACK_LOGIN_AUTH_URL] == NULL)
    wrong = "os_auth_url: missing; give it, or os_cloud, or the variable OS_AUTH_URL";
  else if (!g_str_has_prefix (v[BB_OPENSTACK_LOGIN_AUTH_URL], "http://")
           && !g_str_has_prefix (v[BB_OPENSTACK_LOGIN_AUTH_URL], "https://"))
    wrong = "os_auth_url: not an address like https://cloud.example.org:5000/v3";
  else if (!g_uri_is_valid (v[BB_OPENSTACK_LOGIN_AUTH_URL], G_URI_FLAGS_NONE, NULL))
    wrong = "os_auth_url: not a valid address";
  else if (g_str_equal (type, "password"))
    {
      if (!has_user)
        wrong = "os_username: missing";
      else if (v[BB_OPENSTACK_LOGIN_PASSWORD] == NULL)
        wrong = "os_password: missing; give it or os_password_file";
      else if (v[BB_OPENSTACK_LOGIN_PROJECT] == NULL && v[BB_OPENSTACK_LOGIN_PROJECT_ID] == NULL)
        wrong = "os_tenant_name: missing";
    }
  else if (g_str_equal (type, "applicationcredential"))
    {
      if (v[BB_OPENSTACK_LOGIN_APPLICATION_SECRET] == NULL)
        wrong = "os_application_credential_secret: missing";
      else if (v[BB_OPENSTACK_LOGIN_APPLICATION_ID] == NULL
               && (v[BB_OPENSTACK_LOGIN_APPLICATION_NAME] == NULL || !has_user))
        wrong = "os_application_credential_id: missing; or give os_application_credential_name and os_username";
    }
  else if (!g_str_equal (type, "token"))
    wrong = "os_auth_type: is none of password, token, applicationcredential";
  else if (v[BB_OPENSTACK_LOGIN_TOKEN] == NULL)
    wrong = "os_token: missing";
  if (wrong == NULL)
    return TRUE;
  g_set_error_literal (error, BB_ERROR, BB_ERROR_CONFIG, wrong);
  return FALSE;
}

static void
make_names (BbOpenstackLogin *self)
{
  static const BbOpenstackLoginValue shown[]
    = { BB_OPENSTACK_LOGIN_AUTH_URL,      BB_OPENSTACK_LOGIN_REGION,     BB_OPENSTACK_LOGIN_PROJECT,
        BB_OPENSTACK_LOGIN_PROJECT_ID,    BB_OPENSTACK_LOGIN_PROJECT_DOMAIN, BB_OPENSTACK_LOGIN_USERNAME,
        BB_OPENSTACK_LOGIN_APPLICATION_ID };
  g_autoptr (GString) name = g_string_new (NULL);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  for (gsize i = 0; i < G_N_ELEMENTS (shown); i++)
    if (self->values[shown[i]] != NULL)
      g_string_append_printf (name, "%s%s", name->len > 0 ? " " : "", self->values[shown[i]]);
  for (gsize i = 0; i < BB_OPENSTACK_N_LOGIN_VALUES; i++)
    {
      const char *value = self->values[i] != NULL ? self->values[i] : "";

      g_checksum_update (sum, (const guchar *) value, (gssize) strlen (value) + 1);
    }
  g_checksum_update (sum, (const guchar *) (self->insecure ? "1" : "0"), 1);
  self->key = g_strdup (g_checksum_get_string (sum));
  self->name = g_strdup (name->str);
}

BbOpenstackLogin *
bb_openstack_login_new (const BbOpenstackConfig *config, GError **error)
{
  g_autoptr (BbOpenstackLogin) self = g_new0 (BbOpenstackLogin, 1);
  g_autoptr (GHashTable) cloud = NULL;
  const char *cloud_name = config->os_cloud;

  /* What is all here is not mixed with what somebody's shell happens to hold. */
  if (cloud_name == NULL && config->os_auth_url == NULL)
    cloud_name = g_getenv ("OS_CLOUD");
  if (cloud_name != NULL)
    {
      cloud = bb_openstack_clouds_read (NULL, cloud_name, error);
      if (cloud == NULL)
        {
          g_prefix_error (error, "os_cloud: ");
          return NULL;
        }
    }
  for (gsize i = 0; i < BB_OPENSTACK_N_LOGIN_VALUES; i++)
    self->values[i] = g_strdup (find_value (config, cloud, cloud == NULL && config->os_auth_url == NULL, i));
  if (config->os_password_file != NULL && !read_password (self, config->os_password_file, error))
    return NULL;
  settle_type (self);
  if (!check (self, error))
    return NULL;
  self->insecure = config->insecure
                   || (self->values[BB_OPENSTACK_LOGIN_VERIFY] != NULL
                       && g_ascii_strcasecmp (self->values[BB_OPENSTACK_LOGIN_VERIFY], "false") == 0);
  make_names (self);
  return g_steal_pointer (&self);
}

const char *
bb_openstack_login_get (const BbOpenstackLogin *self, BbOpenstackLoginValue value)
{
  return self->values[value];
}

gboolean
bb_openstack_login_is_insecure (const BbOpenstackLogin *self)
{
  return self->insecure;
}

const char *
bb_openstack_login_get_key (const BbOpenstackLogin *self)
{
  return self->key;
}

const char *
bb_openstack_login_get_name (const BbOpenstackLogin *self)
{
  return self->name;
}

/* --- the request */

static void
set_member (JsonBuilder *builder, const char *name, const char *value)
{
  json_builder_set_member_name (builder, name);
  json_builder_add_string_value (builder, value);
}

static void
add_domain (const BbOpenstackLogin *self, JsonBuilder *builder, BbOpenstackLoginValue name, BbOpenstackLoginValue id)
{
  json_builder_set_member_name (builder, "domain");
  json_builder_begin_object (builder);
  if (self->values[name] != NULL)
    set_member (builder, "name", self->values[name]);
  else
    set_member (builder, "id", self->values[id] != NULL ? self->values[id] : "default");
  json_builder_end_object (builder);
}

static void
add_user (const BbOpenstackLogin *self, JsonBuilder *builder, gboolean with_password)
{
  json_builder_set_member_name (builder, "user");
  json_builder_begin_object (builder);
  if (self->values[BB_OPENSTACK_LOGIN_USER_ID] != NULL)
    set_member (builder, "id", self->values[BB_OPENSTACK_LOGIN_USER_ID]);
  else
    {
      set_member (builder, "name", self->values[BB_OPENSTACK_LOGIN_USERNAME]);
      add_domain (self, builder, BB_OPENSTACK_LOGIN_USER_DOMAIN, BB_OPENSTACK_LOGIN_USER_DOMAIN_ID);
    }
  if (with_password)
    set_member (builder, "password", self->values[BB_OPENSTACK_LOGIN_PASSWORD]);
  json_builder_end_object (builder);
}

static void
add_application (const BbOpenstackLogin *self, JsonBuilder *builder)
{
  if (self->values[BB_OPENSTACK_LOGIN_APPLICATION_ID] != NULL)
    set_member (builder, "id", self->values[BB_OPENSTACK_LOGIN_APPLICATION_ID]);
  else
    {
      set_member (builder, "name", self->values[BB_OPENSTACK_LOGIN_APPLICATION_NAME]);
      add_user (self, builder, FALSE);
    }
  set_member (builder, "secret", self->values[BB_OPENSTACK_LOGIN_APPLICATION_SECRET]);
}

static void
add_scope (const BbOpenstackLogin *self, JsonBuilder *builder)
{
  json_builder_set_member_name (builder, "scope");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "project");
  json_builder_begin_object (builder);
  if (self->values[BB_OPENSTACK_LOGIN_PROJECT_ID] != NULL)
    set_member (builder, "id", self->values[BB_OPENSTACK_LOGIN_PROJECT_ID]);
  else
    {
      set_member (builder, "name", self->values[BB_OPENSTACK_LOGIN_PROJECT]);
      add_domain (self, builder, BB_OPENSTACK_LOGIN_PROJECT_DOMAIN, BB_OPENSTACK_LOGIN_PROJECT_DOMAIN_ID);
    }
  json_builder_end_object (builder);
  json_builder_end_object (builder);
}

JsonNode *
bb_openstack_login_to_json (const BbOpenstackLogin *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  const char *type = self->values[BB_OPENSTACK_LOGIN_AUTH_TYPE];
  gboolean is_application = g_str_equal (type, "applicationcredential");
  const char *method = is_application ? "application_credential" : type;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "auth");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "identity");
  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "methods");
  json_builder_begin_array (builder);
  json_builder_add_string_value (builder, method);
  json_builder_end_array (builder);
  json_builder_set_member_name (builder, method);
  json_builder_begin_object (builder);
  if (is_application)
    add_application (self, builder);
  else if (g_str_equal (type, "token"))
    set_member (builder, "id", self->values[BB_OPENSTACK_LOGIN_TOKEN]);
  else
    add_user (self, builder, TRUE);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  /* An application credential has its project within; a scope beside it is refused. */
  if (!is_application && (self->values[BB_OPENSTACK_LOGIN_PROJECT] != NULL
                          || self->values[BB_OPENSTACK_LOGIN_PROJECT_ID] != NULL))
    add_scope (self, builder);
  json_builder_end_object (builder);
  json_builder_end_object (builder);
  return json_builder_get_root (builder);
}
