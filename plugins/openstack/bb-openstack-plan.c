/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-plan.h"

#include "bb-openstack-choice.h"
#include "bb-openstack-devices.h"
#include "bb-openstack-error.h"
#include "bb-web-json.h"
#include "bb-openstack-server.h"

#include <string.h>

/* The first microversion in which networks may be a word, and must be something. */
#define NETWORK_WORDS 37

/* Options filled in, and what was found for them so far. */
typedef struct
{
  JsonObject *server;
  char *flavor;
  char *image;
  char *image_regex;
  BbOpenstackImageOrder image_order;
  char *image_command;
  double image_command_timeout;
  GPtrArray *devices; /* of BbOpenstackDevice */
  guint device;       /* whose size is next */
  char **networks;
  char *pool_name;
  char *pool;
  int minor;
  gboolean is_minor_given;
} Wish;

static void choose_image (GTask *task);
static void measure_devices (GTask *task);
static void choose_networks (GTask *task);

void
bb_openstack_plan_free (BbOpenstackPlan *self)
{
  g_clear_pointer (&self->body, json_node_unref);
  g_free (self->pool);
  g_free (self->kept);
  g_free (self);
}

static void
wish_free (gpointer data)
{
  Wish *wish = data;

  json_object_unref (wish->server);
  g_free (wish->flavor);
  g_free (wish->image);
  g_free (wish->image_regex);
  g_free (wish->image_command);
  g_ptr_array_unref (wish->devices);
  g_strfreev (wish->networks);
  g_free (wish->pool_name);
  g_free (wish->pool);
  g_free (wish);
}

static gboolean
fill_in (BbInstanceRequest *request, const char *text, char **member, GError **error)
{
  *member = text != NULL ? bb_instance_request_interpolate (request, text, error) : NULL;
  return text == NULL || *member != NULL;
}

static gboolean
fill_in_all (BbInstanceRequest *request, char **texts, char ***member, GError **error)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (gsize i = 0; texts != NULL && texts[i] != NULL; i++)
    {
      g_autofree char *text = bb_instance_request_interpolate (request, texts[i], error);

      if (text == NULL)
        return FALSE;
      g_strv_builder_add (builder, text);
    }
  *member = g_strv_builder_end (builder);
  return TRUE;
}

static gboolean
set_text (JsonObject *server, const char *name, BbInstanceRequest *request, const char *text, GError **error)
{
  g_autofree char *value = NULL;

  if (!fill_in (request, text, &value, error))
    return FALSE;
  if (value != NULL && *value != '\0')
    json_object_set_string_member (server, name, value);
  return TRUE;
}

static gboolean
set_metadata (JsonObject *server, const BbOpenstackConfig *config, BbInstanceRequest *request, GError **error)
{
  JsonObject *metadata = json_object_new ();
  g_auto (GStrv) meta = NULL;
  GVariantIter iter;
  const char *key;
  const char *value;

  json_object_set_object_member (server, "metadata", metadata);
  if (!fill_in_all (request, config->meta, &meta, error))
    return FALSE;
  for (gsize i = 0; meta[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (meta[i], "=", 2);

      json_object_set_string_member (metadata, pair[0], pair[1] != NULL ? pair[1] : "");
    }
  g_variant_iter_init (&iter, bb_instance_request_get_tags (request));
  while (g_variant_iter_next (&iter, "{&s&s}", &key, &value))
    json_object_set_string_member (metadata, key, value);
  return TRUE;
}

static gboolean
set_security_groups (JsonObject *server, const BbOpenstackConfig *config, BbInstanceRequest *request, GError **error)
{
  g_auto (GStrv) groups = NULL;
  JsonArray *array;

  if (!fill_in_all (request, config->security_groups, &groups, error))
    return FALSE;
  if (groups[0] == NULL)
    return TRUE;
  array = json_array_new ();
  for (gsize i = 0; groups[i] != NULL; i++)
    {
      JsonObject *group = json_object_new ();

      json_object_set_string_member (group, "name", groups[i]);
      json_array_add_object_element (array, group);
    }
  json_object_set_array_member (server, "security_groups", array);
  return TRUE;
}

static gboolean
set_user_data (JsonObject *server, const BbOpenstackConfig *config, BbInstanceRequest *request, GError **error)
{
  g_autofree char *file = NULL;
  g_autofree char *text = NULL;
  g_autofree char *encoded = NULL;

  if (config->user_data_file != NULL && !g_file_get_contents (config->user_data_file, &file, NULL, error))
    {
      g_prefix_error (error, "user_data_file: ");
      return FALSE;
    }
  if (!fill_in (request, file != NULL ? file : config->user_data, &text, error))
    return FALSE;
  if (text == NULL)
    return TRUE;
  encoded = g_base64_encode ((const guchar *) text, strlen (text));
  json_object_set_string_member (server, "user_data", encoded);
  return TRUE;
}

static gboolean
add_devices (Wish *wish, const BbOpenstackConfig *config, BbInstanceRequest *request, GError **error)
{
  g_auto (GStrv) texts = NULL;

  if (!fill_in_all (request, config->block_devices, &texts, error))
    return FALSE;
  for (gsize i = 0; texts[i] != NULL; i++)
    {
      BbOpenstackDevice *device = bb_openstack_device_parse (texts[i], error);

      if (device == NULL)
        return FALSE;
      g_ptr_array_add (wish->devices, device);
    }
  return TRUE;
}

static gboolean
wish_fill (Wish *wish, const BbOpenstackConfig *config, BbInstanceRequest *request, GError **error)
{
  g_autofree char *name = bb_openstack_server_make_name (bb_instance_request_get_slave_name (request),
                                                         bb_instance_request_get_token (request));

  json_object_set_string_member (wish->server, "name", name);
  if (config->config_drive)
    json_object_set_boolean_member (wish->server, "config_drive", TRUE);
  wish->image_regex = g_strdup (config->image_regex);
  wish->image_order = (BbOpenstackImageOrder) config->image_order;
  wish->image_command = g_strdup (config->image_command);
  wish->image_command_timeout = config->image_command_timeout;
  wish->pool_name = g_strdup (config->floating_ip_pool);
  wish->minor = MAX (bb_openstack_config_parse_version (config->client_version), 0);
  wish->is_minor_given = wish->minor > 0;
  return fill_in (request, config->flavor, &wish->flavor, error) && fill_in (request, config->image, &wish->image, error)
         && fill_in_all (request, config->networks, &wish->networks, error)
         && set_metadata (wish->server, config, request, error)
         && set_security_groups (wish->server, config, request, error)
         && set_text (wish->server, "key_name", request, config->key_name, error)
         && set_text (wish->server, "availability_zone", request, config->availability_zone, error)
         && set_user_data (wish->server, config, request, error) && add_devices (wish, config, request, error);
}

/* Returns the error of a list that was asked for, or that nothing was found in it. */
static void
return_failure (GTask *task, GError *error)
{
  g_task_return_error (task, bb_openstack_error_to_core (error));
}

/* --- flavor */

static void
flavors_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Wish *wish = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) flavors = bb_openstack_account_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  JsonObject *flavor = flavors != NULL ? bb_openstack_choice_find (flavors, "flavor", wish->flavor, &error) : NULL;

  if (flavor == NULL)
    {
      return_failure (task, error);
      return;
    }
  json_object_set_string_member (wish->server, "flavorRef", bb_web_json_get_string (flavor, "id"));
  choose_image (g_steal_pointer (&task));
}

/* --- image */

static void
take_image (GTask *task, const char *id)
{
  Wish *wish = g_task_get_task_data (task);

  json_object_set_string_member (wish->server, "imageRef", id);
  measure_devices (task);
}

static void
program_chose_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autofree char *id = bb_openstack_choice_ask_finish (result, &error);

  if (id == NULL)
    return_failure (task, error);
  else
    take_image (g_steal_pointer (&task), id);
}

static void
images_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Wish *wish = g_task_get_task_data (task);
  GCancellable *cancellable = g_task_get_cancellable (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) images = bb_openstack_account_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  JsonObject *image = NULL;

  /* One without its bytes can't be started. */
  for (guint i = images != NULL ? images->len : 0; i > 0; i--)
    if (g_strcmp0 (bb_web_json_get_string (images->pdata[i - 1], "status"), "active") != 0)
      g_ptr_array_remove_index (images, i - 1);
  if (images != NULL && wish->image_command != NULL)
    {
      bb_openstack_choice_ask_async (images, wish->image_command, wish->image_command_timeout, cancellable,
                                     program_chose_cb, g_steal_pointer (&task));
      return;
    }
  if (images != NULL && wish->image_regex != NULL)
    image = bb_openstack_choice_match_image (images, wish->image_regex, wish->image_order, &error);
  else if (images != NULL)
    image = bb_openstack_choice_find (images, "image", wish->image, &error);
  if (image == NULL)
    return_failure (task, error);
  else
    take_image (g_steal_pointer (&task), bb_web_json_get_string (image, "id"));
}

static void
list_images (GTask *task)
{
  bb_openstack_account_list_async (g_task_get_source_object (task), BB_OPENSTACK_IMAGE, "/images", NULL, "images",
                                   g_task_get_cancellable (task), images_received_cb, task);
}

/* By its id an image is found that is in no list of ours, like another project's that it shares with everybody. */
static void
image_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  const char *id = bb_web_json_get_string (bb_web_json_to_object (root), "id");

  if (id != NULL)
    take_image (g_steal_pointer (&task), id);
  else if (root != NULL || g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_NOT_FOUND))
    {
      g_clear_error (&error);
      list_images (g_steal_pointer (&task));
    }
  else
    return_failure (task, error);
}

static void
choose_image (GTask *task)
{
  Wish *wish = g_task_get_task_data (task);

  if (wish->image == NULL && wish->image_regex == NULL && wish->image_command == NULL)
    measure_devices (task);
  else if (wish->image != NULL && g_uuid_string_is_valid (wish->image))
    {
      g_autofree char *path = g_strconcat ("/images/", wish->image, NULL);

      bb_openstack_account_call_async (g_task_get_source_object (task), BB_OPENSTACK_IMAGE, "GET", path, NULL, 0,
                                       g_task_get_cancellable (task), image_received_cb, task);
    }
  else
    list_images (task);
}

/* --- sizes of disks */

static void
source_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Wish *wish = g_task_get_task_data (task);
  BbOpenstackDevice *device = wish->devices->pdata[wish->device];
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  JsonObject *object = bb_web_json_to_object (root);

  if (root == NULL)
    {
      g_prefix_error (&error, "block_devices: %s: ", device->uuid);
      return_failure (task, error);
      return;
    }
  if (bb_web_json_get_object (object, "snapshot") != NULL)
    object = bb_web_json_get_object (object, "snapshot");
  device->volume_size = object != NULL ? bb_openstack_device_get_least_size (object) : 1;
  measure_devices (g_steal_pointer (&task));
}

static void
measure_devices (GTask *task)
{
  Wish *wish = g_task_get_task_data (task);

  for (; wish->device < wish->devices->len; wish->device++)
    {
      BbOpenstackDevice *device = wish->devices->pdata[wish->device];
      gboolean is_image = g_str_equal (device->source_type, "image");
      g_autofree char *escaped = NULL;
      g_autofree char *path = NULL;

      /* A volume has its size already. */
      if (device->volume_size > 0 || g_str_equal (device->source_type, "volume")
          || !g_str_equal (device->destination_type, "volume"))
        continue;
      escaped = g_uri_escape_string (device->uuid, NULL, FALSE);
      path = g_strconcat (is_image ? "/images/" : "/snapshots/", escaped, NULL);
      bb_openstack_account_call_async (g_task_get_source_object (task),
                                       is_image ? BB_OPENSTACK_IMAGE : BB_OPENSTACK_VOLUME, "GET", path, NULL, 0,
                                       g_task_get_cancellable (task), source_received_cb, task);
      return;
    }
  choose_networks (task);
}

/* --- networks, and the end */

/* (nullable) (transfer full): NULL when Nova makes no disk that it is to delete */
static char *
list_kept_volumes (GPtrArray *devices)
{
  g_autoptr (GString) kept = g_string_new (NULL);
  gboolean makes_disks = FALSE;

  for (guint i = 0; i < devices->len; i++)
    {
      const BbOpenstackDevice *device = devices->pdata[i];

      if (g_str_equal (device->source_type, "volume"))
        g_string_append_printf (kept, "%s%s", kept->len > 0 ? "," : "", device->uuid);
      else if (device->delete_on_termination && g_str_equal (device->destination_type, "volume"))
        makes_disks = TRUE;
    }
  return makes_disks ? g_strdup (kept->str) : NULL;
}

static void
return_plan (GTask *task)
{
  Wish *wish = g_task_get_task_data (task);
  BbOpenstackPlan *plan = g_new0 (BbOpenstackPlan, 1);
  JsonObject *root = json_object_new ();

  if (wish->devices->len > 0)
    {
      JsonArray *array = json_array_new ();

      for (guint i = 0; i < wish->devices->len; i++)
        json_array_add_element (array, bb_openstack_device_to_json (wish->devices->pdata[i]));
      json_object_set_array_member (wish->server, "block_device_mapping_v2", array);
    }
  /* From there on it is required. */
  if (wish->minor >= NETWORK_WORDS && !json_object_has_member (wish->server, "networks"))
    json_object_set_string_member (wish->server, "networks", "auto");
  json_object_set_object_member (root, "server", json_object_ref (wish->server));
  plan->body = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (plan->body, root);
  plan->minor = wish->minor;
  plan->pool = g_steal_pointer (&wish->pool);
  plan->kept = list_kept_volumes (wish->devices);
  g_task_return_pointer (task, plan, (GDestroyNotify) bb_openstack_plan_free);
  g_object_unref (task);
}

static gboolean
is_network_word (const char *text)
{
  return g_str_equal (text, "none") || g_str_equal (text, "auto");
}

static gboolean
find_networks (Wish *wish, GPtrArray *networks, GError **error)
{
  g_autoptr (JsonArray) array = json_array_new ();

  if (wish->pool_name != NULL)
    {
      JsonObject *pool = bb_openstack_choice_find (networks, "network for floating_ip_pool", wish->pool_name, error);

      if (pool == NULL)
        return FALSE;
      wish->pool = g_strdup (bb_web_json_get_string (pool, "id"));
    }
  if (wish->networks[0] == NULL || is_network_word (wish->networks[0]))
    return TRUE;
  for (gsize i = 0; wish->networks[i] != NULL; i++)
    {
      JsonObject *network = bb_openstack_choice_find (networks, "network", wish->networks[i], error);
      JsonObject *item;

      if (network == NULL)
        return FALSE;
      item = json_object_new ();
      json_object_set_string_member (item, "uuid", bb_web_json_get_string (network, "id"));
      json_array_add_object_element (array, item);
    }
  json_object_set_array_member (wish->server, "networks", g_steal_pointer (&array));
  return TRUE;
}

static void
networks_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  g_autoptr (GPtrArray) networks = bb_openstack_account_list_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);

  if (networks == NULL || !find_networks (g_task_get_task_data (task), networks, &error))
    return_failure (task, error);
  else
    return_plan (g_steal_pointer (&task));
}

static void
list_networks (GTask *task)
{
  Wish *wish = g_task_get_task_data (task);
  gboolean are_named = wish->networks[0] != NULL && !is_network_word (wish->networks[0]);

  if (are_named || wish->pool_name != NULL)
    bb_openstack_account_list_async (g_task_get_source_object (task), BB_OPENSTACK_NETWORK, "/networks", NULL, "networks",
                                     g_task_get_cancellable (task), networks_received_cb, task);
  else
    return_plan (task);
}

/* --- which microversion */

/* The N of 2.N; 0 when Nova does not say, as where its address has the project in it. */
static int
get_max_minor (JsonNode *root)
{
  JsonObject *version = bb_web_json_get_object (bb_web_json_to_object (root), "version");
  const char *text = bb_web_json_get_string (version, "version");

  return text != NULL ? MAX (bb_openstack_config_parse_version (text), 0) : 0;
}

static void
version_received_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Wish *wish = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (JsonNode) root = bb_openstack_account_call_finish (BB_OPENSTACK_ACCOUNT (source), result, &error);
  const char *word = bb_web_json_get_string (wish->server, "networks");
  int max_minor = get_max_minor (root);

  if (root == NULL && !g_error_matches (error, BB_OPENSTACK_ERROR, BB_OPENSTACK_ERROR_NOT_FOUND))
    {
      return_failure (task, error);
      return;
    }
  g_clear_error (&error);
  if (max_minor == 0 || wish->minor <= max_minor)
    list_networks (g_steal_pointer (&task));
  else if (wish->is_minor_given)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_PERMANENT,
                             "openstack: client_version=2.%d: this cloud's Nova speaks up to 2.%d", wish->minor, max_minor);
  else if (g_strcmp0 (word, "auto") == 0)
    {
      /* What it did before it knew the word. */
      json_object_remove_member (wish->server, "networks");
      wish->minor = 0;
      list_networks (g_steal_pointer (&task));
    }
  else
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_PERMANENT,
                             "openstack: networks=none: needs Nova 2.%d, and this cloud's speaks up to 2.%d", wish->minor,
                             max_minor);
}

static void
choose_networks (GTask *task)
{
  Wish *wish = g_task_get_task_data (task);
  const char *first = wish->networks[0];

  if (first != NULL && is_network_word (first))
    {
      json_object_set_string_member (wish->server, "networks", first);
      if (wish->minor == 0)
        wish->minor = NETWORK_WORDS;
    }
  if (wish->minor > 0)
    bb_openstack_account_call_async (g_task_get_source_object (task), BB_OPENSTACK_COMPUTE, "GET", "/", NULL, 0,
                                     g_task_get_cancellable (task), version_received_cb, task);
  else
    list_networks (task);
}

void
bb_openstack_plan_new_async (BbOpenstackAccount *account, const BbOpenstackConfig *config, BbInstanceRequest *request,
                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (account, cancellable, callback, user_data);
  Wish *wish = g_new0 (Wish, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, bb_openstack_plan_new_async);
  wish->server = json_object_new ();
  wish->devices = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_openstack_device_free);
  g_task_set_task_data (task, wish, wish_free);
  if (!wish_fill (wish, config, request, &error))
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PERMANENT, "openstack: %s", error->message);
      g_error_free (error);
      return;
    }
  bb_openstack_account_list_async (account, BB_OPENSTACK_COMPUTE, "/flavors", NULL, "flavors", cancellable,
                                   flavors_received_cb, g_steal_pointer (&task));
}

BbOpenstackPlan *
bb_openstack_plan_new_finish (BbOpenstackAccount *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
