/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-web-json.h"

#include <string.h>

static void
assert_json (const char *text, gboolean good)
{
  g_autoptr (GBytes) body = g_bytes_new_static (text, strlen (text));
  g_autoptr (JsonNode) root = bb_web_json_parse (body);

  g_assert_true ((root != NULL) == good);
}

/* An answer of a million brackets would end the process, one of several values would cost memory for ever, and so would
 * an escape that is none, or it would make a string that is not UTF-8. */
static void
test_json_of_strangers (void)
{
  g_autofree char *deep = g_strnfill (1000000, '[');

  assert_json (" {\"a\": [1.5e3, -2, \"]\\\"[\", null, true, {}]}\n", TRUE);
  assert_json ("[]", TRUE);
  assert_json (deep, FALSE);
  assert_json ("2 {\"a\": 1}", FALSE);
  assert_json ("{} {}", FALSE);
  assert_json ("{} /* [ */", FALSE);
  assert_json ("{\"a\": \"", FALSE);
  assert_json ("[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83d\\uDE00\"]", TRUE);
  assert_json ("[\"\\202\"]", FALSE);
  assert_json ("[\"\\x\"]", FALSE);
  assert_json ("[\"\\u12\"]", FALSE);
  assert_json ("[\"\\ud800x\"]", FALSE);
  assert_json ("[\"\\ud800\\u0041\"]", FALSE);
  assert_json ("[\"\\udc00\"]", FALSE);
  assert_json ("[\"\\", FALSE);
  assert_json ("{", FALSE);
  assert_json ("", FALSE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/web/json-of-strangers", test_json_of_strangers);
  return g_test_run ();
}
