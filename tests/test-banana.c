/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bb-banana.h"
#include "bb-capture.h"
#include "bb-error.h"

/* What a decoder made of some bytes: every message encoded again, and how many there were. */
typedef struct
{
  BbBananaDecoder *decoder;
  GByteArray *again;
  gboolean vocabulary;
  gboolean too_large;
  gboolean refuse;
  guint n_messages;
  guint pause_after;
} Decoded;

static gboolean
message_cb (const BbBananaMessage *message, gpointer user_data, GError **error)
{
  Decoded *decoded = user_data;

  for (guint i = 0; i < message->n_tokens; i++)
    {
      const BbBananaToken *token = &message->tokens[i];

      g_assert_cmpuint (token->next, >, i);
      g_assert_cmpuint (token->next, <=, message->n_tokens);
      switch (token->type)
        {
        case BB_BANANA_INTEGER:
          decoded->too_large |= token->too_large;
          bb_banana_put_integer (decoded->again, token->integer);
          break;
        case BB_BANANA_FLOAT:
          bb_banana_put_float (decoded->again, token->real);
          break;
        case BB_BANANA_STRING:
          bb_banana_put_string (decoded->again, message->bytes + token->offset, token->length, decoded->vocabulary);
          break;
        case BB_BANANA_LIST:
          bb_banana_put_list (decoded->again, token->length);
          break;
        case BB_BANANA_ALIAS:
          g_assert_not_reached ();
        }
    }
  g_assert_cmpuint (message->tokens[0].next, ==, message->n_tokens);
  decoded->n_messages++;
  if (decoded->n_messages == decoded->pause_after)
    bb_banana_decoder_pause (decoded->decoder);
  if (decoded->refuse)
    g_set_error_literal (error, BB_ERROR, BB_ERROR_PROTOCOL, "refused");
  return !decoded->refuse;
}

static void
decoded_init (Decoded *decoded, const BbBananaLimits *limits, gboolean vocabulary)
{
  *decoded = (Decoded){ .vocabulary = vocabulary };
  decoded->again = g_byte_array_new ();
  decoded->decoder = bb_banana_decoder_new (limits, message_cb, decoded);
  bb_banana_decoder_set_vocabulary (decoded->decoder, vocabulary);
}

static void
decoded_clear (Decoded *decoded)
{
  bb_banana_decoder_free (decoded->decoder);
  g_byte_array_unref (decoded->again);
}

/* Offers @piece bytes more at a time, as a socket would. Returns how many were taken, -1 with @error. */
static gssize
feed (Decoded *decoded, const guint8 *data, gsize length, gsize piece, GError **error)
{
  gsize taken = 0;

  for (gsize offered = 0; offered < length;)
    {
      gssize n;

      offered = MIN (offered + piece, length);
      n = bb_banana_decoder_feed (decoded->decoder, data + taken, offered - taken, error);
      if (n < 0)
        return -1;
      taken += (gsize) n;
    }
  return (gssize) taken;
}

static void
assert_bytes (const GByteArray *got, const guint8 *expected, gsize length)
{
  g_assert_cmpmem (got->data, got->len, expected, length);
}

static void
check_value (const char *dialect, const char *notation, const char *hex)
{
  gboolean vocabulary = g_str_equal (dialect, "pb");
  g_autoptr (GByteArray) wire = bb_capture_from_hex (hex);
  g_autoptr (GByteArray) encoded = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  Decoded decoded;
  const char *end;

  for (gsize piece = 1; piece <= wire->len; piece += wire->len)
    {
      decoded_init (&decoded, &bb_banana_limits_after_login, vocabulary);
      g_assert_cmpint (feed (&decoded, wire->data, wire->len, piece, &error), ==, wire->len);
      g_assert_no_error (error);
      g_assert_cmpuint (decoded.n_messages, ==, 1);
      if (!decoded.too_large)
        assert_bytes (decoded.again, wire->data, wire->len);
      decoded_clear (&decoded);
    }
  if (decoded.too_large)
    {
      g_assert_cmpuint (strlen (notation), >=, strlen ("9223372036854775808"));
      return;
    }
  bb_capture_encode (notation, vocabulary, encoded, &end);
  assert_bytes (encoded, wire->data, wire->len);
}

/* "5 6 then incomplete", "error: WHY", "incomplete", or a value. */
static void
check_tolerance (const char *dialect, const char *hex, const char *outcome)
{
  gboolean vocabulary = g_str_equal (dialect, "pb");
  g_autoptr (GByteArray) wire = bb_capture_from_hex (hex);
  g_autoptr (GByteArray) expected = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  gboolean incomplete = g_str_has_suffix (outcome, "incomplete");
  Decoded decoded;
  gssize taken;

  decoded_init (&decoded, &bb_banana_limits_after_login, vocabulary);
  taken = feed (&decoded, wire->data, wire->len, wire->len, &error);
  if (g_str_has_prefix (outcome, "error"))
    {
      g_assert_error (error, BB_ERROR, BB_ERROR_PROTOCOL);
      g_assert_cmpint (taken, ==, -1);
      decoded_clear (&decoded);
      return;
    }
  g_assert_no_error (error);
  if (incomplete)
    g_assert_true (taken < (gssize) wire->len || bb_banana_decoder_is_within_message (decoded.decoder));
  else
    g_assert_cmpint (taken, ==, wire->len);
  while (*outcome != '\0' && !g_str_has_prefix (outcome, "then ") && !g_str_equal (outcome, "incomplete"))
    {
      bb_capture_encode (outcome, vocabulary, expected, &outcome);
      outcome += strspn (outcome, " ");
    }
  if (!decoded.too_large)
    assert_bytes (decoded.again, expected->data, expected->len);
  decoded_clear (&decoded);
}

static void
test_vectors (void)
{
  g_autofree char *path = bb_capture_data_path ("vectors-banana.txt");
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;
  guint section = 0, n_checked = 0;

  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (contents, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) fields = g_strsplit (lines[i], " | ", 3);

      if (g_str_has_prefix (lines[i], "# decoder"))
        section = 1;
      else if (g_str_has_prefix (lines[i], "# login"))
        break;
      if (lines[i][0] == '#' || g_strv_length (fields) != 3)
        continue;
      g_test_message ("line %u", i + 1);
      if (section == 0)
        check_value (fields[0], fields[1], fields[2]);
      else
        check_tolerance (fields[0], fields[1], fields[2]);
      n_checked++;
    }
  g_assert_cmpuint (n_checked, >, 140);
}

static void
check_direction (const char *name, gboolean from_slave, gsize piece)
{
  g_autoptr (GPtrArray) elements = bb_capture_load (name);
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  Decoded decoded;
  guint n_elements = 0;

  for (guint i = 0; i < elements->len; i++)
    {
      BbCaptureElement *element = elements->pdata[i];

      if (element->from_slave != from_slave)
        continue;
      g_byte_array_append (wire, element->bytes->data, element->bytes->len);
      n_elements++;
    }
  decoded_init (&decoded, &bb_banana_limits_after_login, TRUE);
  g_assert_cmpint (feed (&decoded, wire->data, wire->len, piece, &error), ==, wire->len);
  g_assert_no_error (error);
  g_assert_cmpuint (decoded.n_messages, ==, n_elements);
  assert_bytes (decoded.again, wire->data, wire->len);
  g_assert_false (bb_banana_decoder_is_within_message (decoded.decoder));
  decoded_clear (&decoded);
}

/* Both directions of every recorded session, in one piece and in pieces that end anywhere. */
static void
test_captures (void)
{
  g_autoptr (GPtrArray) names = bb_capture_list ("pb");

  g_assert_cmpuint (names->len, >=, 20);
  for (guint i = 0; i < names->len; i++)
    for (guint from_slave = 0; from_slave < 2; from_slave++)
      {
        g_test_message ("%s", (char *) names->pdata[i]);
        check_direction (names->pdata[i], from_slave == 1, G_MAXSSIZE);
        check_direction (names->pdata[i], from_slave == 1, 7);
      }
}

/* A10.: each limit, at it and one past it. */
static void
check_limit (const BbBananaLimits *limits, const GByteArray *wire, const char *message)
{
  g_autoptr (GError) error = NULL;
  Decoded decoded;

  decoded_init (&decoded, limits, TRUE);
  feed (&decoded, wire->data, wire->len, wire->len, &error);
  if (message == NULL)
    g_assert_no_error (error);
  else
    {
      g_assert_error (error, BB_ERROR, BB_ERROR_PROTOCOL);
      g_assert_cmpstr (error->message, ==, message);
    }
  decoded_clear (&decoded);
}

static GByteArray *
nested (guint depth)
{
  GByteArray *wire = g_byte_array_new ();

  for (guint i = 0; i < depth; i++)
    bb_banana_put_list (wire, 1);
  bb_banana_put_integer (wire, 0);
  return wire;
}

static void
test_limits (void)
{
  const BbBananaLimits *before = &bb_banana_limits_before_login, *after = &bb_banana_limits_after_login;
  g_autoptr (GByteArray) too_deep = nested (33), deep = nested (32), deep_before = nested (7);
  g_autoptr (GByteArray) string = bb_capture_from_hex ("01002882"), list = bb_capture_from_hex ("01002880");
  g_autoptr (GByteArray) announced = bb_capture_from_hex ("7f7f2780");
  g_autoptr (GByteArray) long_name = bb_capture_from_hex ("010482"), name = bb_capture_from_hex ("000482");
  g_autoptr (GByteArray) nine = bb_capture_from_hex ("0980");
  g_autoptr (GByteArray) digits = g_byte_array_new ();

  check_limit (after, deep, NULL);
  check_limit (after, too_deep, "banana: lists nested deeper than 32, at most 32 is accepted");
  check_limit (before, deep_before, "banana: lists nested deeper than 6, at most 6 is accepted");
  check_limit (after, string, "banana: a string of 655361, at most 655360 is accepted");
  check_limit (after, list, "banana: a list of 655361, at most 655360 is accepted");
  check_limit (after, announced, NULL);
  check_limit (before, name, NULL);
  check_limit (before, long_name, "banana: a string of 513, at most 512 is accepted");
  check_limit (before, nine, "banana: a list of 9, at most 8 is accepted");
  g_byte_array_set_size (digits, 65);
  memset (digits->data, 0, digits->len);
  check_limit (after, digits, "banana: digits before a type byte: more than 64, at most 64 is accepted");
}

static void
test_many_elements (void)
{
  g_autoptr (GByteArray) wire = g_byte_array_new ();

  bb_banana_put_list (wire, 2);
  for (guint i = 0; i < 2; i++)
    {
      bb_banana_put_list (wire, 500000);
      for (guint j = 0; j < 500000; j++)
        bb_banana_put_list (wire, 0);
    }
  check_limit (&bb_banana_limits_after_login, wire,
               "banana: more elements in one message than 1000000, at most 1000000 is accepted");
}

static void
test_large_message (void)
{
  g_autoptr (GByteArray) wire = g_byte_array_new ();
  g_autofree char *block = g_malloc0 (655360);

  bb_banana_put_list (wire, 26);
  for (guint i = 0; i < 26; i++)
    bb_banana_put_string (wire, block, 655360, TRUE);
  check_limit (&bb_banana_limits_after_login, wire, "banana: a message of 17039360, at most 16777216 is accepted");
}

/* A string that only begins like a word of the vocabulary, with NUL in it, is none. */
static void
test_vocabulary_with_nul (void)
{
  static const char text[] = "list\0\0\0\0";
  g_autoptr (GByteArray) out = g_byte_array_new ();
  static const guint8 expected[] = { 8, 0x82, 'l', 'i', 's', 't', 0, 0, 0, 0 };

  bb_banana_put_string (out, text, 8, TRUE);
  assert_bytes (out, expected, sizeof expected);
}

static void
test_pause (void)
{
  g_autoptr (GByteArray) wire = bb_capture_from_hex ("058106810781");
  g_autoptr (GError) error = NULL;
  Decoded decoded;

  decoded_init (&decoded, &bb_banana_limits_after_login, TRUE);
  decoded.pause_after = 2;
  g_assert_cmpint (bb_banana_decoder_feed (decoded.decoder, wire->data, wire->len, &error), ==, 4);
  g_assert_cmpint (bb_banana_decoder_feed (decoded.decoder, wire->data + 4, 2, &error), ==, 2);
  g_assert_cmpuint (decoded.n_messages, ==, 3);
  decoded_clear (&decoded);
}

static void
test_refused_message (void)
{
  g_autoptr (GByteArray) wire = bb_capture_from_hex ("0581");
  g_autoptr (GError) error = NULL;
  Decoded decoded;

  decoded_init (&decoded, &bb_banana_limits_after_login, TRUE);
  decoded.refuse = TRUE;
  g_assert_cmpint (bb_banana_decoder_feed (decoded.decoder, wire->data, wire->len, &error), ==, -1);
  g_assert_error (error, BB_ERROR, BB_ERROR_PROTOCOL);
  decoded_clear (&decoded);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/banana/vectors", test_vectors);
  g_test_add_func ("/banana/captures", test_captures);
  g_test_add_func ("/banana/limits", test_limits);
  g_test_add_func ("/banana/limits/elements", test_many_elements);
  g_test_add_func ("/banana/limits/message", test_large_message);
  g_test_add_func ("/banana/vocabulary-with-nul", test_vocabulary_with_nul);
  g_test_add_func ("/banana/pause", test_pause);
  g_test_add_func ("/banana/refused-message", test_refused_message);
  return g_test_run ();
}
