/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signature Version 4 over all given vectors: the official suite's, and calls of EC2 whose signatures botocore
 * computed. */
#include "bb-ec2-query.h"
#include "bb-ec2-signature.h"

#include <json-glib/json-glib.h>
#include <string.h>

static const char *
get_string (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return JSON_NODE_HOLDS_NULL (node) ? NULL : json_node_get_string (node);
}

/* Those of @vector that are to be signed. */
static GArray *
get_headers (JsonObject *vector)
{
  JsonArray *all = json_object_get_array_member (vector, "headers");
  gboolean token_counts = json_object_get_null_member (vector, "session_token_signed")
                          || json_object_get_boolean_member (vector, "session_token_signed");
  GArray *headers = g_array_new (FALSE, FALSE, sizeof (BbEc2Header));

  for (guint i = 0; i < json_array_get_length (all); i++)
    {
      JsonArray *pair = json_array_get_array_element (all, i);
      BbEc2Header header = { json_array_get_string_element (pair, 0), json_array_get_string_element (pair, 1) };

      if (token_counts || g_ascii_strcasecmp (header.name, "x-amz-security-token") != 0)
        g_array_append_val (headers, header);
    }
  return headers;
}

static void
test_vector (gconstpointer data)
{
  JsonObject *vector = (JsonObject *) data;
  g_autoptr (GArray) headers = get_headers (vector);
  const char *body = get_string (vector, "body");
  const BbEc2SigningRequest request = { .method = get_string (vector, "method"),
                                        .path = get_string (vector, "path"),
                                        .query = get_string (vector, "query"),
                                        .headers = (const BbEc2Header *) (gpointer) headers->data,
                                        .n_headers = headers->len,
                                        .body = body,
                                        .body_length = strlen (body),
                                        .timestamp = get_string (vector, "timestamp"),
                                        .region = get_string (vector, "region"),
                                        .service = get_string (vector, "service") };
  g_autofree char *canonical = bb_ec2_signature_canonical_request (&request);
  g_autofree char *to_sign = bb_ec2_signature_string_to_sign (&request);
  g_autofree char *authorization = bb_ec2_signature_authorize (&request, get_string (vector, "access_key_id"),
                                                               get_string (vector, "secret_access_key"));

  g_assert_cmpstr (canonical, ==, get_string (vector, "canonical_request"));
  g_assert_cmpstr (to_sign, ==, get_string (vector, "string_to_sign"));
  g_assert_cmpstr (authorization, ==, get_string (vector, "authorization"));
}

/* Form encoding is what botocore sends, byte for byte; the order of parameters is ours, so each is looked for. */
static void
test_form (gconstpointer data)
{
  JsonObject *vector = (JsonObject *) data;
  JsonArray *parameters = json_object_get_array_member (vector, "parameters");
  g_autoptr (BbEc2Query) query = NULL;
  g_autofree char *body = NULL;
  g_auto (GStrv) expected = g_strsplit (get_string (vector, "body"), "&", -1);
  g_auto (GStrv) sent = NULL;

  for (guint i = 0; i < json_array_get_length (parameters); i++)
    if (g_str_equal (json_array_get_string_element (json_array_get_array_element (parameters, i), 0), "Action"))
      query = bb_ec2_query_new (json_array_get_string_element (json_array_get_array_element (parameters, i), 1));
  g_assert_nonnull (query);
  for (guint i = 0; i < json_array_get_length (parameters); i++)
    {
      JsonArray *pair = json_array_get_array_element (parameters, i);
      const char *name = json_array_get_string_element (pair, 0);

      if (!g_str_equal (name, "Action") && !g_str_equal (name, "Version"))
        bb_ec2_query_add (query, name, json_array_get_string_element (pair, 1));
    }
  body = bb_ec2_query_encode (query);
  sent = g_strsplit (body, "&", -1);
  g_assert_cmpuint (g_strv_length (sent), ==, g_strv_length (expected));
  for (gsize i = 0; expected[i] != NULL; i++)
    if (!g_strv_contains ((const char *const *) sent, expected[i]))
      g_error ("%s is not in %s", expected[i], body);
}

static void
test_time (void)
{
  g_autofree char *text = bb_ec2_signature_format_time (1440938160);

  g_assert_cmpstr (text, ==, "20150830T123600Z");
}

int
main (int argc, char **argv)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  JsonArray *vectors;

  g_test_init (&argc, &argv, NULL);
  path = g_test_build_filename (G_TEST_DIST, "data", "ec2", "sigv4-vectors.json", NULL);
  json_parser_load_from_file (parser, path, &error);
  g_assert_no_error (error);
  vectors = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)), "vectors");
  g_assert_cmpuint (json_array_get_length (vectors), ==, 25);
  for (guint i = 0; i < json_array_get_length (vectors); i++)
    {
      JsonObject *vector = json_array_get_object_element (vectors, i);
      g_autofree char *name = g_strconcat ("/ec2/signature/", get_string (vector, "name"), NULL);
      g_autofree char *form_name = g_strconcat ("/ec2/form/", get_string (vector, "name"), NULL);

      g_test_add_data_func (name, vector, test_vector);
      if (json_object_has_member (vector, "parameters") && !json_object_get_null_member (vector, "parameters"))
        g_test_add_data_func (form_name, vector, test_form);
    }
  g_test_add_func ("/ec2/signature/time", test_time);
  return g_test_run ();
}
