/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Those parts of bbctl that need no daemon: what people and programs are shown. */
#include "bbctl-json.h"
#include "bbctl-output.h"
#include "bbctl-properties.h"
#include "bbctl-terminal.h"

#define S G_USEC_PER_SEC

static void
test_durations (void)
{
  static const struct
  {
    gint64 seconds;
    const char *text;
  } cases[] = {
    { 0, "0 s" },         { 59, "59 s" },           { 185, "3 min 5 s" },
    { 7800, "2 h 10 min" }, { 90000, "1 day 1 h" }, { 3 * 86400, "3 days 0 h" }, { -5, "0 s" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = bbctl_format_duration (cases[i].seconds * S);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_times (void)
{
  const gint64 now = 1700000000 * (gint64) S;
  g_autofree char *never = bbctl_format_when (0, now);
  g_autofree char *past = bbctl_format_when ((guint64) (now - 40 * S), now);
  g_autofree char *future = bbctl_format_when ((guint64) (now + 90 * S), now);
  g_autofree char *present = bbctl_format_when ((guint64) now, now);

  g_assert_cmpstr (never, ==, "-");
  g_assert_cmpstr (past, ==, "40 s ago");
  g_assert_cmpstr (future, ==, "in 1 min 30 s");
  g_assert_cmpstr (present, ==, "now");
}

static void
test_table (void)
{
  static const BbctlColumn columns[] = { { "NAME" }, { "N", BBCTL_COLUMN_RIGHT }, { "STATE", BBCTL_COLUMN_STATE } };
  g_autoptr (BbctlTable) table = bbctl_table_new (columns, G_N_ELEMENTS (columns));
  g_autofree char *plain = NULL, *coloured = NULL;

  bbctl_table_add (table, g_strdup ("b\303\266t"), g_strdup ("7"), g_strdup ("attached"));
  /* A stranger's text must not reach the terminal as it is. */
  bbctl_table_add (table, g_strdup ("long\033[2Jname"), g_strdup ("12"), g_strdup ("odd"));
  plain = bbctl_table_to_string (table, FALSE);
  coloured = bbctl_table_to_string (table, TRUE);
  g_assert_cmpstr (plain, ==,
                   "NAME              N  STATE\n"
                   "b\303\266t               7  attached\n"
                   "long\\x1b[2Jname  12  odd\n");
  g_assert_nonnull (strstr (coloured, "  7  \033[32mattached\033[0m\n"));
  g_assert_nonnull (strstr (coloured, "  12  odd\n"));
}

/* S17 */
static void
test_natural_order (void)
{
  static const char *const sorted[] = { "alpha", "bot-1", "bot-2", "bot-10", "bot-010a", "zeta" };

  for (guint i = 0; i + 1 < G_N_ELEMENTS (sorted); i++)
    g_assert_cmpint (bbctl_compare_names (sorted[i], sorted[i + 1]), <, 0);
  g_assert_cmpint (bbctl_compare_names ("bot-1", "bot-1"), ==, 0);
  g_assert_cmpint (bbctl_compare_names ("bot-01", "bot-1"), !=, 0);
}

static void
test_unescape (void)
{
  g_autofree char *name = bbctl_unescape ("_37up_2d1");

  g_assert_cmpstr (name, ==, "7up-1");
}

/* @parts: fed one after the other, NULL at the end */
static void
assert_terminal (const char *expected, const char *const *parts)
{
  g_autoptr (BbctlTerminal) terminal = bbctl_terminal_new ();
  g_autoptr (GString) shown = g_string_new (NULL);

  for (; *parts != NULL; parts++)
    bbctl_terminal_feed (terminal, *parts, strlen (*parts), shown);
  bbctl_terminal_end (terminal, shown);
  g_assert_cmpstr (shown->str, ==, expected);
}

#define ASSERT_TERMINAL(expected, ...) assert_terminal (expected, (const char *const[]){ __VA_ARGS__, NULL })

static void
test_terminal (void)
{
  ASSERT_TERMINAL ("a\tb\n", "a\tb\n");
  ASSERT_TERMINAL ("\\x1b[2Jgone", "\033[2Jgone");
  ASSERT_TERMINAL ("\\x1b]0;title\\x07", "\033]0;title\007");
  ASSERT_TERMINAL ("\033[1;31mred\033[0m\033[0m", "\033[1;31mred\033[0m");
  /* Cut anywhere. */
  ASSERT_TERMINAL ("\033[1;31mred\033[0m", "\033", "[1;", "31mr", "ed");
  ASSERT_TERMINAL ("\\x1b[6n", "\033", "[6", "n");
  ASSERT_TERMINAL ("\303\244", "\303", "\244");
  /* An end that never came. */
  ASSERT_TERMINAL ("x\\x1b[3", "x\033[3");
  ASSERT_TERMINAL ("\\xc3", "\303");
  /* C1 controls, as UTF-8 and as bytes, are sequences too. */
  ASSERT_TERMINAL ("\\xc2\\x9b2J", "\302\2332J");
  ASSERT_TERMINAL ("\\x9b2J", "\2332J");
  ASSERT_TERMINAL ("a\nb\n", "a\r\nb\n");
  ASSERT_TERMINAL ("a\nb\n", "a\r", "\nb\n");
  ASSERT_TERMINAL ("10%\n20%\n", "10%\r20%\r");
  ASSERT_TERMINAL ("bell\\x07", "bell\a");
}

static void
test_terminal_long_sequence (void)
{
  g_autoptr (GString) text = g_string_new ("\033[");
  g_autofree char *expected = NULL;

  /* What is held back is bounded. */
  for (guint i = 0; i < 1000; i++)
    g_string_append_c (text, '1');
  expected = g_strconcat ("\\x1b", text->str + 1, NULL);
  ASSERT_TERMINAL (expected, text->str);
}

static char *
print_object (JsonObject *object)
{
  JsonNode *node = json_node_alloc ();
  char *text = json_to_string (json_node_init_object (node, object), FALSE);

  json_node_unref (node);
  json_object_unref (object);
  return text;
}

static void
test_json (void)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (g_variant_new_parsed (
    "{'Number': <uint64 7>, 'InstanceId': <'i-1'>, 'Properties': <{'Keep': <int64 1>, 'b': <true>, 's': <'1'>}>,"
    " 'Steps': <[{'exit_code': <-1>, 'logs': <['stdio']>}]>, 'HourlyCost': <0.25>}"));
  g_autofree char *all = print_object (bbctl_json_object (dict, NULL));
  const char *const keys[] = { "hourly_cost", "number", "absent", NULL };
  g_autofree char *some = print_object (bbctl_json_object (dict, keys));

  /* Names are D-Bus' own in snake_case; those of properties are their owner's. */
  g_assert_cmpstr (all, ==,
                   "{\"number\":7,\"instance_id\":\"i-1\",\"properties\":{\"Keep\":1,\"b\":true,\"s\":\"1\"},"
                   "\"steps\":[{\"exit_code\":-1,\"logs\":[\"stdio\"]}],\"hourly_cost\":0.25}");
  g_assert_cmpstr (some, ==, "{\"hourly_cost\":0.25,\"number\":7,\"absent\":null}");
}

static void
test_properties (void)
{
  char *items[] = { (char *) "n=5", (char *) "b=true", (char *) "s=\"5\"", (char *) "e=", (char *) "t=a=b", NULL };
  char *broken[] = { (char *) "n=5", (char *) "novalue", NULL };
  char *nameless[] = { (char *) "=x", NULL };
  const char *wrong;
  g_autoptr (GVariant) properties = g_variant_ref_sink (bbctl_parse_properties (items, &wrong));
  g_autofree char *text = g_variant_print (properties, FALSE);
  g_autoptr (GVariant) read_back = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
  gint64 n;
  gboolean b;
  const char *s;

  g_assert_null (wrong);
  g_assert_nonnull (read_back);
  g_assert_true (g_variant_lookup (properties, "n", "x", &n));
  g_assert_cmpint (n, ==, 5);
  g_assert_true (g_variant_lookup (properties, "b", "b", &b) && b);
  g_assert_true (g_variant_lookup (properties, "s", "&s", &s));
  g_assert_cmpstr (s, ==, "5");
  g_assert_true (g_variant_lookup (properties, "e", "&s", &s));
  g_assert_cmpstr (s, ==, "");
  g_assert_true (g_variant_lookup (properties, "t", "&s", &s));
  g_assert_cmpstr (s, ==, "a=b");
  g_assert_null (bbctl_parse_properties (broken, &wrong));
  g_assert_cmpstr (wrong, ==, "novalue");
  g_assert_null (bbctl_parse_properties (nameless, &wrong));
  g_assert_cmpstr (wrong, ==, "=x");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bbctl/durations", test_durations);
  g_test_add_func ("/bbctl/times", test_times);
  g_test_add_func ("/bbctl/table", test_table);
  g_test_add_func ("/bbctl/S17/natural-order", test_natural_order);
  g_test_add_func ("/bbctl/unescape", test_unescape);
  g_test_add_func ("/bbctl/terminal", test_terminal);
  g_test_add_func ("/bbctl/terminal/long-sequence", test_terminal_long_sequence);
  g_test_add_func ("/bbctl/D9/json", test_json);
  g_test_add_func ("/bbctl/S5/properties", test_properties);
  return g_test_run ();
}
