/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-bus-path.h"

static void
test_round_trip (void)
{
  static const struct
  {
    const char *name;
    const char *element;
  } cases[] = {
    { "bot-linux", "bot_2dlinux" }, { "bot1", "bot1" },     { "1bot", "_31bot" },  { "", "_" },
    { "_", "_5f" },                 { "a b/c", "a_20b_2fc" }, { "\303\244", "_c3_a4" }, { "7", "_37" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *element = bb_bus_path_escape (cases[i].name);
      g_autofree char *name = bb_bus_path_unescape (element);
      g_autofree char *path = bb_bus_path_of_slave (cases[i].name);

      g_assert_cmpstr (element, ==, cases[i].element);
      g_assert_cmpstr (name, ==, cases[i].name);
      g_assert_true (g_variant_is_object_path (path));
    }
}

/* Each object has one path. */
static void
test_not_canonical (void)
{
  static const char *const wrong[] = { "bot_2Dlinux", "bot_", "bot_2", "bot_xx", "_62ot", "1bot", "a_00b", "__" };

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    g_assert_null (bb_bus_path_unescape (wrong[i]));
}

static void
test_numbers (void)
{
  guint64 number;

  g_assert_true (bb_bus_path_parse_number ("18446744073709551615", &number));
  g_assert_cmpuint (number, ==, G_MAXUINT64);
  g_assert_true (bb_bus_path_parse_number ("0", &number));
  g_assert_false (bb_bus_path_parse_number ("01", &number));
  g_assert_false (bb_bus_path_parse_number ("1x", &number));
  g_assert_false (bb_bus_path_parse_number ("", &number));
  g_assert_false (bb_bus_path_parse_number ("18446744073709551616", &number));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/path/A8/round-trip", test_round_trip);
  g_test_add_func ("/bus/path/not-canonical", test_not_canonical);
  g_test_add_func ("/bus/path/numbers", test_numbers);
  return g_test_run ();
}
