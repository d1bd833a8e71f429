/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bb-capture.h"
#include "bb-error.h"
#include "bb-jelly.h"
#include "bb-output-text.h"
#include "bb-pb-arguments.h"

/* Decodes one message and hands it to @func. */
typedef void (*Look) (BbJelly value, gpointer user_data);

typedef struct
{
  Look func;
  gpointer user_data;
  const char *refused; /* how the error reads that is expected; NULL: none */
} Looking;

static gboolean
message_cb (const BbBananaMessage *message, gpointer user_data, GError **error)
{
  Looking *looking = user_data;
  g_autoptr (GError) refused = NULL;

  if (!bb_jelly_resolve_references (message, &refused))
    {
      g_assert_error (refused, BB_ERROR, BB_ERROR_PROTOCOL);
      g_assert_cmpstr (refused->message, ==, looking->refused);
      return TRUE;
    }
  g_assert_null (looking->refused);
  if (looking->func != NULL)
    looking->func (bb_jelly_root (message), looking->user_data);
  return TRUE;
}

static void
decode_bytes (const GByteArray *bytes, Looking *looking)
{
  g_autoptr (BbBananaDecoder) decoder = bb_banana_decoder_new (&bb_banana_limits_after_login, message_cb, looking);
  g_autoptr (GError) error = NULL;

  bb_banana_decoder_set_vocabulary (decoder, TRUE);
  g_assert_cmpint (bb_banana_decoder_feed (decoder, bytes->data, bytes->len, &error), ==, bytes->len);
  g_assert_no_error (error);
}

static void
decode (const char *notation, Look func, gpointer user_data, const char *refused)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  Looking looking = { func, user_data, refused };
  const char *end;

  bb_capture_encode (notation, TRUE, bytes, &end);
  decode_bytes (bytes, &looking);
}

static void
print_value (BbJelly value, gpointer user_data)
{
  g_autoptr (GVariant) variant = bb_jelly_to_variant (value, 1000);

  if (variant != NULL)
    *(char **) user_data = g_variant_print (g_variant_ref_sink (variant), TRUE);
}

static void
check_value (const char *notation, const char *expected)
{
  g_autofree char *text = NULL;

  decode (notation, print_value, &text, NULL);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_values (void)
{
  check_value ("5", "int64 5");
  check_value ("-1.5", "-1.5");
  check_value ("\"text\"", "'text'");
  check_value ("(\"unicode\" \"h\\xc3\\xa9\")", "'h\xc3\xa9'");
  check_value ("(\"unicode\" version)", "'version'");
  check_value ("\"caf\\xe9\"", "'caf\357\277\275'");
  check_value ("\"a\\x00b\"", "'a\357\277\275b'");
  check_value ("(None)", "@mv nothing");
  check_value ("(\"boolean\" \"true\")", "true");
  check_value ("(\"boolean\" \"false\")", "false");
  check_value ("(list \"a\" (\"unicode\" \"b\"))", "['a', 'b']");
  check_value ("(tuple 1 2)", "[int64 1, 2]");
  check_value ("(list)", "@as []");
  check_value ("(\"set\" 1 \"a\")", "[<int64 1>, <'a'>]");
  check_value ("(list (list 1) (None))", "[<[int64 1]>, <@mv nothing>]");
  check_value ("(dictionary (\"a\" 1) ((\"unicode\" \"b\") (list)))", "{'a': <int64 1>, 'b': <@as []>}");
  check_value ("(remote 5)", NULL);
  check_value ("(instance 5)", NULL);
  check_value ("(\"no.such.Class\" (dictionary))", NULL);
  check_value ("(dictionary (1 2))", NULL);
  check_value ("(dictionary 1)", NULL);
  check_value ("(dictionary (\"a\" 1 2))", NULL);
  check_value ("()", NULL);
  check_value ("(list ())", NULL);
}

static void
test_references (void)
{
  check_value ("(list (reference 1 (list \"x\")) (dereference 1))", "[<['x']>, <['x']>]");
  check_value ("(list (reference 1 \"x\") (reference 2 (dereference 1)) (dereference 2))", "['x', 'x', 'x']");
  check_value ("(list (reference 1 (reference 2 \"x\")) (dereference 2) (dereference 1))", "['x', 'x', 'x']");
  /* a dictionary's key may read like a tag */
  check_value ("(dictionary (dereference \"x\") (reference \"y\"))", "{'dereference': <'x'>, 'reference': <'y'>}");
  decode ("(list (dereference 1))", NULL, NULL, "jelly: a dereference of nothing");
  decode ("(list (dereference 1) (reference 1 5))", NULL, NULL, "jelly: a dereference of nothing");
  decode ("(reference 1 (list (dereference 1)))", NULL, NULL, "jelly: a dereference of what contains it");
  decode ("(reference 1 (dereference 1))", NULL, NULL, "jelly: a dereference of what contains it");
  decode ("(reference 1 (list (reference 2 (list (dereference 1)))))", NULL, NULL,
          "jelly: a dereference of what contains it");
  decode ("(list (reference 1 5) (reference 1 6))", NULL, NULL, "jelly: a reference that was given twice");
  decode ("(list (reference \"a\" 5))", NULL, NULL, "jelly: a reference without a number");
}

/* Each list holds the one before ten times: 10^9 elements in a message of 1 KiB. */
static void
test_billion_laughs (void)
{
  g_autoptr (GString) text = g_string_new ("(list (reference 1 (list \"lol\"))");
  g_autofree char *printed = NULL;

  for (guint i = 2; i < 11; i++)
    {
      g_string_append_printf (text, " (reference %u (list", i);
      for (guint j = 0; j < 10; j++)
        g_string_append_printf (text, " (dereference %u)", i - 1);
      g_string_append (text, "))");
    }
  g_string_append (text, ")");
  decode (text->str, print_value, &printed, NULL);
  g_assert_null (printed);
}

/* A long text many times over. */
static void
test_much_text (void)
{
  g_autofree char *long_text = g_strnfill (60000, 'x');
  g_autoptr (GString) text = g_string_new ("(list");
  g_autofree char *printed = NULL;

  g_string_append_printf (text, " (reference 1 \"%s\")", long_text);
  for (guint i = 0; i < 500; i++)
    g_string_append (text, " (dereference 1)");
  g_string_append (text, ")");
  decode (text->str, print_value, &printed, NULL);
  g_assert_null (printed);
}

/* Many references and dereferences are looked at in a time that grows with their number only. */
static void
test_many_dereferences (void)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  Looking looking = { NULL, NULL, NULL };
  gint64 began_us = g_get_monotonic_time ();

  bb_banana_put_list (bytes, 300002);
  bb_banana_put_string (bytes, "list", 4, TRUE);
  for (guint i = 0; i < 300001; i++)
    {
      bb_banana_put_list (bytes, i == 0 ? 3 : 2);
      bb_banana_put_string (bytes, i == 0 ? "reference" : "dereference", i == 0 ? 9 : 11, TRUE);
      bb_banana_put_integer (bytes, 1);
      if (i == 0)
        bb_banana_put_integer (bytes, 5);
    }
  decode_bytes (bytes, &looking);
  g_assert_cmpint (g_get_monotonic_time () - began_us, <, 10 * G_USEC_PER_SEC);
}

static void
test_too_many_references (void)
{
  g_autoptr (GString) text = g_string_new ("(list");

  for (guint i = 0; i < 1001; i++)
    g_string_append_printf (text, " (reference %u 5)", i);
  g_string_append (text, ")");
  decode (text->str, NULL, NULL, "jelly: too many references in one message");
}

static void
describe (BbJelly value, gpointer user_data)
{
  g_autofree char *type = NULL;
  g_autofree char *text = NULL;

  bb_jelly_describe_failure (value, &type, &text);
  *(char **) user_data = g_strdup_printf ("%s|%s", type, text);
}

static void
check_failure (const char *notation, const char *expected)
{
  g_autofree char *text = NULL;

  decode (notation, describe, &text, NULL);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_failures (void)
{
  check_failure ("(\"twisted.spread.pb.CopyableFailure\" (dictionary (\"type\" \"exceptions.OSError\") (\"value\" \"no\")))",
                 "OSError|no");
  check_failure ("(\"twisted.spread.pb.CopyableFailure\" (dictionary ((\"unicode\" \"type\") \"Bare\")))", "Bare|");
  check_failure ("\"a bare text\"", "|a bare text");
  check_failure ("(None)", "|");
  check_failure ("5", "|");
  check_failure ("(\"x\" 5)", "|");
}

static void
check_put (const char *variant, gboolean python2, const char *notation)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (variant));
  g_autoptr (GByteArray) got = g_byte_array_new ();
  g_autoptr (GByteArray) expected = g_byte_array_new ();
  BbJellyWriter writer = { got, TRUE, python2 };
  const char *end;

  g_test_message ("%s", variant);
  bb_jelly_put_variant (&writer, value);
  bb_capture_encode (notation, TRUE, expected, &end);
  g_assert_cmpmem (got->data, got->len, expected->data, expected->len);
}

static void
test_arguments (void)
{
  check_put ("'text'", FALSE, "(\"unicode\" \"text\")");
  check_put ("'text'", TRUE, "\"text\"");
  check_put ("b'bytes'", FALSE, "\"bytes\\x00\"");
  check_put ("@mv nothing", FALSE, "(None)");
  check_put ("@mv <'a'>", TRUE, "\"a\"");
  check_put ("true", FALSE, "(\"boolean\" \"true\")");
  check_put ("int64 -5", FALSE, "-5");
  check_put ("5", FALSE, "5");
  check_put ("1.5", FALSE, "1.5");
  check_put ("['a', 'b']", TRUE, "(list \"a\" \"b\")");
  check_put ("[<'a'>, <('obfuscated', 'r', 's')>]", TRUE, "(list \"a\" (tuple \"obfuscated\" \"r\" \"s\"))");
  check_put ("{'a': 'b'}", FALSE, "(dictionary ((\"unicode\" \"a\") (\"unicode\" \"b\")))");
  check_put ("{'a': <int64 1>}", TRUE, "(dictionary (\"a\" 1))");
}

static char *
translate (guint version, const char *command, const char *args)
{
  BbPbDialect dialect = { version };
  g_autoptr (GVariant) sunk = g_variant_ref_sink (g_variant_new_parsed (args));
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) translated = bb_pb_arguments_translate (&dialect, command, sunk, &error);

  if (translated != NULL)
    return g_variant_print (translated, FALSE);
  g_assert_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT);
  return g_strdup (error->message);
}

static void
check_translation (guint version, const char *command, const char *args, const char *expected)
{
  g_autofree char *text = translate (version, command, args);

  g_assert_cmpstr (text, ==, expected);
}

/* Command versions below 3.0, and what each of them does not know (worker-protocol 5.6 and 11.1). */
static void
test_translation (void)
{
  const char *up = "{'workersrc': <'f'>, 'maxsize': <@mv nothing>, 'keepstamp': <true>}";
  const char *shell = "{'usePTY': <false>, 'sigtermTime': <5>, 'interruptSignal': <'TERM'>, 'max_lines': <9>}";

  check_translation (3001, "uploadFile", up, "{'workersrc': <'f'>, 'maxsize': <@mv nothing>, 'keepstamp': <true>}");
  check_translation (0, "uploadFile", up, "{'workersrc': <'f'>, 'maxsize': <@mv nothing>, 'keepstamp': <true>}");
  check_translation (2016, "uploadFile", up, "{'slavesrc': <'f'>, 'maxsize': <@mv nothing>, 'keepstamp': <true>}");
  check_translation (2009, "uploadFile", up, "{'slavesrc': <'f'>, 'maxsize': <@mv nothing>}");
  check_translation (2009, "downloadFile", "{'workerdest': <'f'>}",
                     "{'slavedest': <'f'>, 'maxsize': <@mv nothing>, 'mode': <@mv nothing>}");
  check_translation (3001, "uploadDirectory", "{'workersrc': <'f'>}",
                     "{'workersrc': <'f'>, 'maxsize': <@mv nothing>, 'compress': <@mv nothing>}");
  check_translation (3003, "shell", shell,
                     "{'usePTY': <false>, 'sigtermTime': <5>, 'interruptSignal': <'TERM'>, 'max_lines': <9>}");
  check_translation (3001, "shell", shell, "{'usePTY': <false>, 'sigtermTime': <5>, 'interruptSignal': <'TERM'>}");
  check_translation (2016, "shell", shell,
                     "{'usePTY': <'slave-config'>, 'sigtermTime': <5>, 'interruptSignal': <'TERM'>}");
  check_translation (2015, "shell", shell, "{'usePTY': <'slave-config'>, 'interruptSignal': <'TERM'>}");
  check_translation (2009, "shell", shell, "{'usePTY': <'slave-config'>}");
  check_translation (2009, "shell", "{'usePTY': <true>}", "{'usePTY': <true>}");
  check_translation (2015, "shell", "{'command': <[<'a'>, <('obfuscated', 'r', 's')>]>}", "{'command': <[<'a'>, <'r'>]>}");
  check_translation (2016, "shell", "{'command': <[<'a'>, <('obfuscated', 'r', 's')>]>}",
                     "{'command': <[<'a'>, <('obfuscated', 'r', 's')>]>}");
}

static void
test_what_cannot_be_sent (void)
{
  g_autofree char *text = g_strnfill (655361, 'x');
  g_autofree char *args = g_strdup_printf ("{'command': <['a', '%s']>}", text);

  check_translation (3001, "shell", args,
                     "shell: command: a text of 655361 bytes cannot be sent to a slave, at most 655360 can");
  check_translation (3001, "shell", "{'timeout': <uint64 18446744073709551615>}",
                     "shell: timeout: a number of 2^63 or more cannot be sent to a slave");
  check_translation (3001, "shell", "{'timeout': <byte 5>}", "shell: timeout: a value of that type cannot be sent to a slave");
  check_translation (3001, "uploadFile", "{'blocksize': <int64 655361>}", "uploadFile: blocksize: 655361 is not 1 to 655360");
}

static void
collect (const char *text, gsize length, gpointer user_data)
{
  GString *collected = user_data;

  g_assert_true (g_utf8_validate_len (text, length, NULL));
  g_assert_cmpuint (length, <=, 655360);
  g_string_append_len (collected, text, (gssize) length);
}

static void
check_output (const char *const *pieces, gboolean cut_anywhere, const char *expected)
{
  g_autoptr (GString) collected = g_string_new (NULL);
  BbTextCarry carry = { 0 };

  for (; *pieces != NULL; pieces++)
    bb_output_text_give (cut_anywhere ? &carry : NULL, *pieces, strlen (*pieces), collect, collected);
  bb_output_text_end (&carry, collect, collected);
  g_assert_cmpstr (collected->str, ==, expected);
}

static void
test_output (void)
{
  static const char *const ascii[] = { "eight by", "tes, and more", "", NULL };
  static const char *const split[] = { "\xc3", "\xa9t\xe2\x82", "\xac \xf0\x9f", "\x98", "\x80", NULL };
  static const char *const latin1[] = { "caf\xe9 ", "\xe9", NULL };
  static const char *const broken[] = { "a\x80z", "\xc3", "z", NULL };

  check_output (ascii, FALSE, "eight bytes, and more");
  check_output (split, TRUE, "\xc3\xa9t\xe2\x82\xac \xf0\x9f\x98\x80");
  check_output (latin1, TRUE, "caf\357\277\275 \357\277\275");
  check_output (broken, TRUE, "a\357\277\275z\357\277\275z");
  check_output (broken, FALSE, "a\357\277\275z\357\277\275z");
}

static void
test_output_with_nul (void)
{
  g_autoptr (GString) collected = g_string_new (NULL);
  char text[] = "12345678901234567890";

  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *expected = g_strdup_printf ("%.*s\357\277\275%s", (int) i, text, text + i + 1);
      g_autofree char *with_nul = g_memdup2 (text, sizeof text);

      with_nul[i] = '\0';
      g_string_truncate (collected, 0);
      bb_output_text_give (NULL, with_nul, 20, collect, collected);
      g_assert_cmpstr (collected->str, ==, expected);
    }
}

/* The worst that can come: every byte becomes three, and no call gets more than it may. */
static void
test_output_all_invalid (void)
{
  g_autoptr (GString) collected = g_string_new (NULL);
  g_autofree char *text = g_strnfill (655360, '\xff');

  bb_output_text_give (NULL, text, 655360, collect, collected);
  g_assert_cmpuint (collected->len, ==, 3 * 655360);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/jelly/values", test_values);
  g_test_add_func ("/jelly/references", test_references);
  g_test_add_func ("/jelly/references/billion-laughs", test_billion_laughs);
  g_test_add_func ("/jelly/references/much-text", test_much_text);
  g_test_add_func ("/jelly/references/many", test_many_dereferences);
  g_test_add_func ("/jelly/references/too-many", test_too_many_references);
  g_test_add_func ("/jelly/failures", test_failures);
  g_test_add_func ("/jelly/arguments", test_arguments);
  g_test_add_func ("/jelly/translation", test_translation);
  g_test_add_func ("/jelly/cannot-be-sent", test_what_cannot_be_sent);
  g_test_add_func ("/jelly/output", test_output);
  g_test_add_func ("/jelly/output/nul", test_output_with_nul);
  g_test_add_func ("/jelly/output/all-invalid", test_output_all_invalid);
  return g_test_run ();
}
