/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-banana.h"

#include <string.h>

#include "bb-error.h"
#include "bb-pb-limits.h"

enum
{
  LIST = 0x80,
  INT = 0x81,
  STRING = 0x82,
  NEG = 0x83,
  FLOAT = 0x84,
  LONGINT = 0x85,
  LONGNEG = 0x86,
  VOCAB = 0x87,
};

/* Of a message whose buffers are kept for the next one. */
#define KEEP_TOKENS 1024
#define KEEP_BYTES (64 * 1024)

const BbBananaLimits bb_banana_limits_before_login = {
  .max_string = BB_PB_LOGIN_MAX_STRING,
  .max_list = BB_PB_LOGIN_MAX_LIST,
  .max_depth = BB_PB_LOGIN_MAX_DEPTH,
  .max_elements = BB_PB_LOGIN_MAX_ELEMENTS,
  .max_message = BB_PB_LOGIN_MAX_MESSAGE,
};

const BbBananaLimits bb_banana_limits_after_login = {
  .max_string = BB_PB_MAX_STRING,
  .max_list = BB_PB_MAX_LIST,
  .max_depth = BB_PB_MAX_DEPTH,
  .max_elements = BB_PB_MAX_ELEMENTS,
  .max_message = BB_PB_MAX_MESSAGE,
};

/* Dialect "pb": the number is the index plus 1. */
static const char *const vocabulary_words[] = {
  "None",   "class",    "dereference", "reference", "dictionary",   "function",     "instance", "list",
  "module", "persistent", "tuple",     "unpersistable", "copy",     "cache",        "cached",   "remote",
  "local",  "lcache",   "version",     "login",     "password",     "challenge",    "logged_in", "not_logged_in",
  "cachemessage", "message", "answer", "error",     "decref",       "decache",      "uncache",
};

/* A message so far. */
typedef struct
{
  GArray *tokens;    /* of BbBananaToken */
  GByteArray *bytes; /* of its strings */
  GArray *open;      /* of guint: indices of lists that are not complete yet, outermost first */
  GArray *missing;   /* of guint: how many members each of them lacks */
} Partial;

struct _BbBananaDecoder
{
  BbBananaLimits limits;
  BbBananaFunc func;
  gpointer user_data;
  gboolean vocabulary;
  gboolean paused;
  Partial *partial; /* owned; NULL between messages */
};

/* Most messages come whole: the buffers of one that is complete serve the next one, of whichever connection. */
static Partial *spare;

BbBananaDecoder *
bb_banana_decoder_new (const BbBananaLimits *limits, BbBananaFunc func, gpointer user_data)
{
  BbBananaDecoder *self = g_new0 (BbBananaDecoder, 1);

  self->limits = *limits;
  self->func = func;
  self->user_data = user_data;
  return self;
}

static void
partial_free (Partial *partial)
{
  g_array_unref (partial->tokens);
  g_byte_array_unref (partial->bytes);
  g_array_unref (partial->open);
  g_array_unref (partial->missing);
  g_free (partial);
}

void
bb_banana_decoder_free (BbBananaDecoder *self)
{
  g_clear_pointer (&self->partial, partial_free);
  g_free (self);
}

void
bb_banana_decoder_set_limits (BbBananaDecoder *self, const BbBananaLimits *limits)
{
  self->limits = *limits;
}

void
bb_banana_decoder_set_vocabulary (BbBananaDecoder *self, gboolean vocabulary)
{
  self->vocabulary = vocabulary;
}

void
bb_banana_decoder_pause (BbBananaDecoder *self)
{
  self->paused = TRUE;
}

gboolean
bb_banana_decoder_is_within_message (BbBananaDecoder *self)
{
  return self->partial != NULL;
}

static Partial *
get_partial (BbBananaDecoder *self)
{
  Partial *partial = self->partial;

  if (partial != NULL)
    return partial;
  partial = g_steal_pointer (&spare);
  if (partial == NULL)
    {
      partial = g_new (Partial, 1);
      partial->tokens = g_array_new (FALSE, FALSE, sizeof (BbBananaToken));
      partial->bytes = g_byte_array_new ();
      partial->open = g_array_new (FALSE, FALSE, sizeof (guint));
      partial->missing = g_array_new (FALSE, FALSE, sizeof (guint));
    }
  self->partial = partial;
  return partial;
}

/* @partial: (transfer full) */
static void
keep_spare (Partial *partial)
{
  if (spare != NULL || partial->tokens->len > KEEP_TOKENS || partial->bytes->len > KEEP_BYTES)
    {
      partial_free (partial);
      return;
    }
  g_array_set_size (partial->tokens, 0);
  g_byte_array_set_size (partial->bytes, 0);
  spare = partial;
}

static gboolean
fail (GError **error, const char *what, guint64 value, guint64 limit)
{
  g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL,
               "banana: %s %" G_GUINT64_FORMAT ", at most %" G_GUINT64_FORMAT " is accepted", what, value, limit);
  return FALSE;
}

/* The token is complete: so may be the lists around it, and the message. */
static gboolean
close_lists (BbBananaDecoder *self, GError **error)
{
  Partial *partial = self->partial;
  BbBananaMessage message;
  gboolean accepted;

  while (partial->open->len > 0)
    {
      guint *lacks = &g_array_index (partial->missing, guint, partial->missing->len - 1);

      if (--*lacks > 0)
        return TRUE;
      g_array_index (partial->tokens, BbBananaToken, g_array_index (partial->open, guint, partial->open->len - 1)).next
        = partial->tokens->len;
      g_array_set_size (partial->open, partial->open->len - 1);
      g_array_set_size (partial->missing, partial->missing->len - 1);
    }
  message = (BbBananaMessage){ (BbBananaToken *) (gpointer) partial->tokens->data, partial->tokens->len,
                               partial->bytes->data != NULL ? (const char *) partial->bytes->data : "" };
  self->partial = NULL;
  accepted = self->func (&message, self->user_data, error);
  keep_spare (partial);
  return accepted;
}

static gboolean
add_token (BbBananaDecoder *self, BbBananaToken token, GError **error)
{
  Partial *partial = get_partial (self);

  if (partial->tokens->len >= self->limits.max_elements)
    return fail (error, "more elements in one message than", partial->tokens->len, self->limits.max_elements);
  token.next = partial->tokens->len + 1;
  g_array_append_val (partial->tokens, token);
  return TRUE;
}

static gboolean
add_list (BbBananaDecoder *self, guint64 count, GError **error)
{
  guint index, n_members = (guint) count;
  Partial *partial;

  if (count > self->limits.max_list)
    return fail (error, "a list of", count, self->limits.max_list);
  if (!add_token (self, (BbBananaToken){ .type = BB_BANANA_LIST, .length = n_members }, error))
    return FALSE;
  if (n_members == 0)
    return close_lists (self, error);
  partial = self->partial;
  if (partial->open->len >= self->limits.max_depth)
    return fail (error, "lists nested deeper than", partial->open->len, self->limits.max_depth);
  index = partial->tokens->len - 1;
  g_array_append_val (partial->open, index);
  g_array_append_val (partial->missing, n_members);
  return TRUE;
}

static gboolean
add_string (BbBananaDecoder *self, const char *bytes, gsize length, GError **error)
{
  Partial *partial = get_partial (self);

  if (partial->bytes->len + length > self->limits.max_message)
    return fail (error, "a message of", partial->bytes->len + length, self->limits.max_message);
  if (!add_token (self, (BbBananaToken){ .type = BB_BANANA_STRING, .length = (guint32) length,
                                         .offset = partial->bytes->len },
                  error))
    return FALSE;
  if (length > 0)
    g_byte_array_append (partial->bytes, (const guint8 *) bytes, (guint) length);
  return close_lists (self, error);
}

static gboolean
add_word (BbBananaDecoder *self, guint64 number, GError **error)
{
  if (!self->vocabulary || number < 1 || number > G_N_ELEMENTS (vocabulary_words))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "banana: unknown vocabulary number %" G_GUINT64_FORMAT, number);
      return FALSE;
    }
  return add_string (self, vocabulary_words[number - 1], strlen (vocabulary_words[number - 1]), error);
}

static gboolean
add_integer (BbBananaDecoder *self, guint64 magnitude, gboolean overflow, gboolean negative, GError **error)
{
  BbBananaToken token = { .type = BB_BANANA_INTEGER };
  guint64 largest = (guint64) G_MAXINT64 + (negative ? 1 : 0);

  if (overflow || magnitude > largest)
    token.too_large = TRUE;
  else
    token.integer = negative ? (gint64) (0 - magnitude) : (gint64) magnitude;
  return add_token (self, token, error) && close_lists (self, error);
}

static gboolean
add_float (BbBananaDecoder *self, const guint8 *body, GError **error)
{
  BbBananaToken token = { .type = BB_BANANA_FLOAT };
  guint64 bits;

  memcpy (&bits, body, sizeof bits);
  bits = GUINT64_FROM_BE (bits);
  memcpy (&token.real, &bits, sizeof bits);
  return add_token (self, token, error) && close_lists (self, error);
}

/* Reads the digits of one element. Returns how many there are, -1 when the type byte has not arrived yet. */
static int
read_digits (const guint8 *data, gsize length, guint64 *value, gboolean *overflow)
{
  *value = 0;
  *overflow = FALSE;
  for (guint i = 0; i < length && i <= BB_PB_MAX_DIGITS; i++)
    {
      guint64 digit = data[i];

      if (digit >= 0x80)
        return (int) i;
      if (i < 9)
        *value |= digit << (7 * i);
      else if (i == 9 && digit <= 1)
        *value |= digit << 63;
      else if (digit != 0)
        *overflow = TRUE;
    }
  return -1;
}

/* Takes one element. Returns its bytes, 0 when it is not complete, -1 with @error. */
static gssize
take_element (BbBananaDecoder *self, const guint8 *data, gsize length, GError **error)
{
  guint64 value;
  gboolean overflow, ok;
  int n_digits = read_digits (data, length, &value, &overflow);
  gsize header = (gsize) n_digits + 1, body = 0;
  guint8 type;

  if (n_digits < 0 && length > BB_PB_MAX_DIGITS)
    return fail (error, "digits before a type byte: more than", BB_PB_MAX_DIGITS, BB_PB_MAX_DIGITS) ? 0 : -1;
  if (n_digits < 0)
    return 0;
  type = data[n_digits];
  if (overflow && (type == LIST || type == STRING || type == VOCAB))
    value = G_MAXUINT64;
  if (type == STRING)
    {
      if (value > self->limits.max_string)
        return fail (error, "a string of", value, self->limits.max_string) ? 0 : -1;
      body = (gsize) value;
    }
  else if (type == FLOAT)
    body = 8;
  if (length - header < body)
    return 0;
  switch (type)
    {
    case LIST:
      ok = add_list (self, value, error);
      break;
    case STRING:
      ok = add_string (self, (const char *) data + header, body, error);
      break;
    case VOCAB:
      ok = add_word (self, value, error);
      break;
    case FLOAT:
      ok = add_float (self, data + header, error);
      break;
    case INT:
    case LONGINT:
      ok = add_integer (self, value, overflow, FALSE, error);
      break;
    case NEG:
    case LONGNEG:
      ok = add_integer (self, value, overflow, TRUE, error);
      break;
    default:
      g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "banana: unknown type byte 0x%02x", type);
      ok = FALSE;
    }
  return ok ? (gssize) (header + body) : -1;
}

gssize
bb_banana_decoder_feed (BbBananaDecoder *self, const guint8 *data, gsize length, GError **error)
{
  gsize taken = 0;

  self->paused = FALSE;
  while (taken < length && !self->paused)
    {
      gssize n = take_element (self, data + taken, length - taken, error);

      if (n < 0)
        return -1;
      if (n == 0)
        break;
      taken += (gsize) n;
    }
  return (gssize) taken;
}

static void
put_header (GByteArray *out, guint64 value, guint8 type)
{
  guint8 header[11];
  guint n = 0;

  do
    {
      header[n++] = value & 0x7f;
      value >>= 7;
    }
  while (value != 0);
  header[n++] = type;
  g_byte_array_append (out, header, n);
}

void
bb_banana_put_list (GByteArray *out, guint n_members)
{
  put_header (out, n_members, LIST);
}

void
bb_banana_put_integer (GByteArray *out, gint64 value)
{
  const gint64 limit = G_GINT64_CONSTANT (1) << 31;

  if (value >= 0)
    put_header (out, (guint64) value, value < limit ? INT : LONGINT);
  else
    put_header (out, 0 - (guint64) value, value >= -limit ? NEG : LONGNEG);
}

void
bb_banana_put_float (GByteArray *out, double value)
{
  guint8 type = FLOAT;
  guint64 bits;

  memcpy (&bits, &value, sizeof bits);
  bits = GUINT64_TO_BE (bits);
  g_byte_array_append (out, &type, 1);
  g_byte_array_append (out, (const guint8 *) &bits, sizeof bits);
}

static guint
vocabulary_number (const char *bytes, gsize length)
{
  for (guint i = 0; i < G_N_ELEMENTS (vocabulary_words); i++)
    if (strlen (vocabulary_words[i]) == length && memcmp (vocabulary_words[i], bytes, length) == 0)
      return i + 1;
  return 0;
}

void
bb_banana_put_string (GByteArray *out, const char *bytes, gsize length, gboolean vocabulary)
{
  /* The longest word has 13 bytes, the shortest 4. */
  guint number = vocabulary && length >= 4 && length <= 13 ? vocabulary_number (bytes, length) : 0;

  if (number != 0)
    {
      put_header (out, number, VOCAB);
      return;
    }
  put_header (out, length, STRING);
  if (length > 0)
    g_byte_array_append (out, (const guint8 *) bytes, (guint) length);
}
