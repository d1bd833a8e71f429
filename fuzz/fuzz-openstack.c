/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-choice.h"
#include "bb-openstack-error.h"
#include "bb-web-json.h"
#include "bb-openstack-server.h"
#include "bb-openstack-token.h"
#include "fuzz.h"

/* An answer of a cloud of OpenStack, read as that to each of our calls. */

static BbOpenstackLogin *login;

static void
check_refusal (GBytes *body)
{
  static const guint statuses[] = { 400, 403, 404, 409, 429, 500 };

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      GError *error = bb_openstack_error_new_from_answer ("Nova: POST /servers", statuses[i], body);
      g_autoptr (GError) core = bb_openstack_error_to_core (error);

      bb_fuzz_check_error (core);
    }
}

static void
check_token (GBytes *body)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbOpenstackToken) token = bb_openstack_token_parse ("token", body, &error);

  if (token == NULL)
    {
      bb_fuzz_check_error (error);
      return;
    }
  for (int service = BB_OPENSTACK_COMPUTE; service <= BB_OPENSTACK_VOLUME; service++)
    {
      g_autoptr (GError) missing = NULL;
      g_autofree char *endpoint = bb_openstack_token_find_endpoint (token, login, (BbOpenstackService) service, &missing);

      if (endpoint == NULL)
        bb_fuzz_check_error (missing);
    }
}

static void
check_server (JsonObject *server)
{
  g_autoptr (BbInstance) instance = bb_openstack_server_to_instance (server, "token");
  const char *reason = bb_instance_get_reason (instance);

  g_assert_true (g_utf8_validate (bb_instance_get_id (instance), -1, NULL));
  if (reason != NULL)
    bb_fuzz_check_line (reason);
}

static void
check_list (GPtrArray *items)
{
  g_autoptr (GError) not_found = NULL;
  g_autoptr (GError) no_match = NULL;

  for (guint i = 0; i < items->len; i++)
    check_server (items->pdata[i]);
  if (bb_openstack_choice_find (items, "flavor", "m1.small", &not_found) == NULL)
    bb_fuzz_check_error (not_found);
  if (bb_openstack_choice_match_image (items, "debian-.*", BB_OPENSTACK_IMAGE_NEWEST, &no_match) == NULL)
    bb_fuzz_check_error (no_match);
}

static void
check_lists (JsonNode *root)
{
  JsonObject *object = bb_web_json_to_object (root);
  JsonObjectIter iter;
  const char *name;

  if (object == NULL)
    return;
  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &name, NULL))
    {
      JsonArray *array = bb_web_json_get_array (object, name);
      g_autoptr (GPtrArray) items = g_ptr_array_new ();

      for (guint i = 0; array != NULL && i < json_array_get_length (array); i++)
        if (bb_web_json_get_element (array, i) != NULL)
          g_ptr_array_add (items, bb_web_json_get_element (array, i));
      check_list (items);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) body = g_bytes_new (data, size);
  g_autoptr (JsonNode) root = bb_web_json_parse (body);

  if (login == NULL)
    {
      BbOpenstackConfig config = { .os_auth_url = "https://cloud.example.org/v3", .os_auth_type = "v3token", .os_token = "token",
                                   .os_tenant_name = "project" };
      g_autoptr (GError) error = NULL;

      login = bb_openstack_login_new (&config, &error);
      g_assert_no_error (error);
    }
  check_refusal (body);
  check_token (body);
  if (root != NULL)
    check_lists (root);
  return 0;
}
