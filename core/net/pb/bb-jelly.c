/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-jelly.h"

#include <string.h>

#include "bb-error.h"

#define LARGEST_REMOTE (G_GINT64_CONSTANT (1) << 53)
/* In one message; no slave is known to send any. */
#define MAX_REFERENCES 1000
/* Of what is made of a value; aliases nest deeper than the bytes. */
#define MAX_DEPTH 32
#define BYTES_PER_UNIT 64
/* Each dereference is looked for from the beginning of its message. */
#define MAX_TOKENS_WITH_DEREFERENCE 10000

static const BbBananaToken *
token_of (BbJelly value)
{
  return &value.message->tokens[value.index];
}

static const char *
bytes_of (BbJelly value)
{
  return value.message->bytes + token_of (value)->offset;
}

BbJelly
bb_jelly_root (const BbBananaMessage *message)
{
  return (BbJelly){ message, 0 };
}

gboolean
bb_jelly_is_list (BbJelly value)
{
  return token_of (value)->type == BB_BANANA_LIST;
}

guint
bb_jelly_count (BbJelly list)
{
  return bb_jelly_is_list (list) ? token_of (list)->length : 0;
}

BbJelly
bb_jelly_first (BbJelly list)
{
  return (BbJelly){ list.message, list.index + 1 };
}

BbJelly
bb_jelly_next (BbJelly value)
{
  return (BbJelly){ value.message, token_of (value)->next };
}

gboolean
bb_jelly_nth (BbJelly list, guint n, BbJelly *member)
{
  if (n >= bb_jelly_count (list))
    return FALSE;
  *member = bb_jelly_first (list);
  while (n-- > 0)
    *member = bb_jelly_next (*member);
  return TRUE;
}

static gboolean
is_string (BbJelly value, const char *text)
{
  const BbBananaToken *token = token_of (value);

  return token->type == BB_BANANA_STRING && token->length == strlen (text)
         && memcmp (bytes_of (value), text, token->length) == 0;
}

static gboolean
has_raw_tag (BbJelly value, const char *tag, guint n_members)
{
  return bb_jelly_count (value) == n_members && is_string (bb_jelly_first (value), tag);
}

/* What @value stands for: itself, but for aliases. */
static BbJelly
resolve (BbJelly value)
{
  if (token_of (value)->type == BB_BANANA_ALIAS)
    value.index = token_of (value)->target;
  return value;
}

static gboolean
refuse (GError **error, const char *text)
{
  g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "jelly: %s", text);
  return FALSE;
}

static void
make_alias (BbJelly value, guint target)
{
  BbBananaToken *token = &value.message->tokens[value.index];

  token->type = BB_BANANA_ALIAS;
  token->target = target;
}

/* What a reference, or a reference to a reference, or an alias is of. */
static guint
target_of (BbJelly value)
{
  while (has_raw_tag (value, "reference", 3))
    bb_jelly_nth (value, 2, &value);
  return resolve (value).index;
}

/* (reference I X) at @value. X is to come: it may hold references of its own, so it is made an alias later. */
static gboolean
add_reference (GHashTable **references, BbJelly value, GError **error)
{
  BbJelly number = bb_jelly_next (bb_jelly_first (value));

  if (*references == NULL)
    *references = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, NULL);
  if (token_of (number)->type != BB_BANANA_INTEGER)
    return refuse (error, "a reference without a number");
  if (g_hash_table_size (*references) == MAX_REFERENCES)
    return refuse (error, "too many references in one message");
  if (!g_hash_table_insert (*references, g_memdup2 (&token_of (number)->integer, sizeof (gint64)),
                            GUINT_TO_POINTER (value.index)))
    return refuse (error, "a reference that was given twice");
  return TRUE;
}

/* (dereference I) at @value: what I refers to must have ended before it, so that there is neither a cycle nor a chain. */
static gboolean
follow (GHashTable *references, BbJelly value, GError **error)
{
  BbJelly number = bb_jelly_next (bb_jelly_first (value));
  BbJelly reference = { value.message, 0 };
  gpointer found;

  if (token_of (number)->type != BB_BANANA_INTEGER)
    return TRUE; /* a pair of a dictionary: its key just reads like the tag */
  if (references == NULL || !g_hash_table_lookup_extended (references, &token_of (number)->integer, NULL, &found))
    return refuse (error, "a dereference of nothing");
  reference.index = GPOINTER_TO_UINT (found);
  if (token_of (reference)->next > value.index)
    return refuse (error, "a dereference of what contains it");
  make_alias (value, target_of (reference));
  return TRUE;
}

gboolean
bb_jelly_resolve_references (const BbBananaMessage *message, GError **error)
{
  g_autoptr (GHashTable) references = NULL;
  GHashTableIter iter;
  gpointer index;

  for (guint i = 0; i + 1 < message->n_tokens; i++)
    {
      BbJelly value = { message, i };

      if (has_raw_tag (value, "reference", 3) && !add_reference (&references, value, error))
        return FALSE;
      if (has_raw_tag (value, "dereference", 2) && !follow (references, value, error))
        return FALSE;
    }
  if (references == NULL)
    return TRUE;
  g_hash_table_iter_init (&iter, references);
  while (g_hash_table_iter_next (&iter, NULL, &index))
    {
      BbJelly value = { message, GPOINTER_TO_UINT (index) };

      make_alias (value, target_of (value));
    }
  return TRUE;
}

gboolean
bb_jelly_has_tag (BbJelly value, const char *tag)
{
  value = resolve (value);
  return bb_jelly_count (value) > 0 && is_string (bb_jelly_first (value), tag);
}

gboolean
bb_jelly_is_none (BbJelly value)
{
  return has_raw_tag (resolve (value), "None", 1);
}

gboolean
bb_jelly_is_bytes (BbJelly value)
{
  return token_of (value)->type == BB_BANANA_STRING;
}

gboolean
bb_jelly_get_text (BbJelly value, const char **text, gsize *length)
{
  value = resolve (value);
  if (has_raw_tag (value, "unicode", 2))
    value = bb_jelly_next (bb_jelly_first (value));
  if (token_of (value)->type != BB_BANANA_STRING)
    return FALSE;
  *text = bytes_of (value);
  *length = token_of (value)->length;
  return TRUE;
}

gboolean
bb_jelly_text_is (BbJelly value, const char *text)
{
  const char *bytes;
  gsize length;

  return bb_jelly_get_text (value, &bytes, &length) && length == strlen (text) && memcmp (bytes, text, length) == 0;
}

char *
bb_jelly_dup_text (BbJelly value)
{
  const char *bytes;
  gsize length;

  if (!bb_jelly_get_text (value, &bytes, &length))
    return NULL;
  return g_utf8_make_valid (bytes, (gssize) length);
}

gboolean
bb_jelly_get_integer (BbJelly value, gint64 *integer)
{
  value = resolve (value);
  if (has_raw_tag (value, "boolean", 2))
    {
      *integer = is_string (bb_jelly_next (bb_jelly_first (value)), "true");
      return TRUE;
    }
  if (token_of (value)->type != BB_BANANA_INTEGER || token_of (value)->too_large)
    return FALSE;
  *integer = token_of (value)->integer;
  return TRUE;
}

gboolean
bb_jelly_get_number (BbJelly value, double *number)
{
  gint64 integer;

  value = resolve (value);
  if (token_of (value)->type == BB_BANANA_FLOAT)
    {
      *number = token_of (value)->real;
      return TRUE;
    }
  if (!bb_jelly_get_integer (value, &integer))
    return FALSE;
  *number = (double) integer;
  return TRUE;
}

gboolean
bb_jelly_get_remote (BbJelly value, gint64 *number)
{
  value = resolve (value);
  return has_raw_tag (value, "remote", 2) && bb_jelly_get_integer (bb_jelly_next (bb_jelly_first (value)), number)
         && *number >= 1 && *number <= LARGEST_REMOTE;
}

gboolean
bb_jelly_get_sequence (BbJelly value, guint *n_members, BbJelly *first)
{
  value = resolve (value);
  if (!bb_jelly_has_tag (value, "list") && !bb_jelly_has_tag (value, "tuple") && !bb_jelly_has_tag (value, "set")
      && !bb_jelly_has_tag (value, "frozenset"))
    return FALSE;
  *n_members = bb_jelly_count (value) - 1;
  *first = bb_jelly_next (bb_jelly_first (value));
  return TRUE;
}

gboolean
bb_jelly_get_dictionary (BbJelly value, guint *n_pairs, BbJelly *first)
{
  value = resolve (value);
  if (!bb_jelly_has_tag (value, "dictionary"))
    return FALSE;
  *n_pairs = bb_jelly_count (value) - 1;
  *first = bb_jelly_next (bb_jelly_first (value));
  return TRUE;
}

gboolean
bb_jelly_get_pair (BbJelly pair, BbJelly *key, BbJelly *value)
{
  if (bb_jelly_count (pair) != 2)
    return FALSE;
  *key = bb_jelly_first (pair);
  *value = bb_jelly_next (*key);
  return TRUE;
}

gboolean
bb_jelly_lookup (BbJelly dictionary, const char *key, BbJelly *value)
{
  BbJelly pair, name, found;
  guint n_pairs;

  if (!bb_jelly_get_dictionary (dictionary, &n_pairs, &pair))
    return FALSE;
  for (guint i = 0; i < n_pairs; i++, pair = bb_jelly_next (pair))
    if (bb_jelly_get_pair (pair, &name, &found) && bb_jelly_text_is (name, key))
      {
        *value = found;
        return TRUE;
      }
  return FALSE;
}

/* What is left of a conversion's budget, and how deep it is. */
typedef struct
{
  guint left;
  guint depth;
} Budget;

static GVariant *convert (BbJelly value, Budget *budget);

static gboolean
spend (Budget *budget, gsize cost)
{
  if (cost > budget->left)
    return FALSE;
  budget->left -= (guint) cost;
  return TRUE;
}

static GVariant *
convert_text (BbJelly value, gsize length, Budget *budget)
{
  return spend (budget, length / BYTES_PER_UNIT) ? g_variant_new_take_string (bb_jelly_dup_text (value)) : NULL;
}

/* The children of an array of one type: theirs, if that is text or integers, else variants. */
static GVariant *
wrap_children (GPtrArray *children)
{
  g_autoptr (GVariantBuilder) builder = NULL;
  const GVariantType *type = children->len > 0 ? g_variant_get_type (children->pdata[0]) : G_VARIANT_TYPE_STRING;

  for (guint i = 0; i < children->len && type != NULL; i++)
    if (!g_variant_is_of_type (children->pdata[i], type))
      type = NULL;
  if (type != NULL
      && (g_variant_type_equal (type, G_VARIANT_TYPE_STRING) || g_variant_type_equal (type, G_VARIANT_TYPE_INT64)))
    return g_variant_new_array (type, (GVariant *const *) children->pdata, children->len);
  builder = g_variant_builder_new (G_VARIANT_TYPE ("av"));
  for (guint i = 0; i < children->len; i++)
    g_variant_builder_add (builder, "v", children->pdata[i]);
  return g_variant_builder_end (builder);
}

static GVariant *
convert_sequence (guint n_members, BbJelly member, Budget *budget)
{
  g_autoptr (GPtrArray) children = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (guint i = 0; i < n_members; i++, member = bb_jelly_next (member))
    {
      GVariant *converted = convert (member, budget);

      if (converted == NULL)
        return NULL;
      g_ptr_array_add (children, g_variant_ref_sink (converted));
    }
  return wrap_children (children);
}

static GVariant *
convert_dictionary (guint n_pairs, BbJelly pair, Budget *budget)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < n_pairs; i++, pair = bb_jelly_next (pair))
    {
      BbJelly key, value;
      g_autofree char *name = NULL;
      const char *text;
      gsize length;
      GVariant *converted;

      if (!bb_jelly_get_pair (pair, &key, &value) || !bb_jelly_get_text (key, &text, &length)
          || !spend (budget, length / BYTES_PER_UNIT) || (converted = convert (value, budget)) == NULL)
        return NULL;
      name = bb_jelly_dup_text (key);
      g_variant_builder_add (builder, "{sv}", name, converted);
    }
  return g_variant_builder_end (builder);
}

static GVariant *
convert_container (BbJelly value, Budget *budget)
{
  GVariant *converted = NULL;
  BbJelly first;
  guint n;

  if (++budget->depth <= MAX_DEPTH)
    {
      if (bb_jelly_get_sequence (value, &n, &first))
        converted = convert_sequence (n, first, budget);
      else if (bb_jelly_get_dictionary (value, &n, &first))
        converted = convert_dictionary (n, first, budget);
    }
  budget->depth--;
  return converted;
}

static GVariant *
convert (BbJelly value, Budget *budget)
{
  const char *text;
  gsize length;
  gint64 integer;
  double number;

  if (!spend (budget, 1))
    return NULL;
  if (bb_jelly_get_text (value, &text, &length))
    return convert_text (value, length, budget);
  if (bb_jelly_has_tag (value, "boolean") && bb_jelly_get_integer (value, &integer))
    return g_variant_new_boolean (integer != 0);
  if (bb_jelly_get_integer (value, &integer))
    return g_variant_new_int64 (integer);
  if (bb_jelly_get_number (value, &number))
    return g_variant_new_double (number);
  if (bb_jelly_is_none (value))
    return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
  return convert_container (value, budget);
}

GVariant *
bb_jelly_to_variant (BbJelly value, guint budget)
{
  Budget left = { budget, 0 };

  return convert (value, &left);
}

void
bb_jelly_describe_failure (BbJelly value, char **type, char **text)
{
  BbJelly state, member;
  g_autofree char *full_name = NULL;
  const char *dot;

  *text = NULL;
  value = resolve (value);
  if (bb_jelly_is_list (value) && bb_jelly_nth (value, 1, &state) && bb_jelly_has_tag (state, "dictionary"))
    {
      if (bb_jelly_lookup (state, "type", &member))
        full_name = bb_jelly_dup_text (member);
      if (bb_jelly_lookup (state, "value", &member))
        *text = bb_jelly_dup_text (member);
    }
  else
    *text = bb_jelly_dup_text (value);
  dot = full_name != NULL ? strrchr (full_name, '.') : NULL;
  *type = g_strdup (dot != NULL ? dot + 1 : full_name != NULL ? full_name : "");
  if (*text == NULL)
    *text = g_strdup ("");
}

void
bb_jelly_put_bytes (const BbJellyWriter *writer, const char *bytes, gsize length)
{
  bb_banana_put_string (writer->out, bytes, length, writer->vocabulary);
}

void
bb_jelly_put_word (const BbJellyWriter *writer, const char *word)
{
  bb_jelly_put_bytes (writer, word, strlen (word));
}

void
bb_jelly_put_tagged (const BbJellyWriter *writer, const char *tag, guint n_members)
{
  bb_banana_put_list (writer->out, n_members + 1);
  bb_jelly_put_word (writer, tag);
}

void
bb_jelly_put_text (const BbJellyWriter *writer, const char *text)
{
  if (!writer->python2)
    bb_jelly_put_tagged (writer, "unicode", 1);
  bb_jelly_put_word (writer, text);
}

void
bb_jelly_put_none (const BbJellyWriter *writer)
{
  bb_jelly_put_tagged (writer, "None", 0);
}

void
bb_jelly_put_boolean (const BbJellyWriter *writer, gboolean value)
{
  bb_jelly_put_tagged (writer, "boolean", 1);
  bb_jelly_put_word (writer, value ? "true" : "false");
}

void
bb_jelly_put_remote (const BbJellyWriter *writer, gint64 number)
{
  bb_jelly_put_tagged (writer, "remote", 1);
  bb_banana_put_integer (writer->out, number);
}

static void
put_entry (const BbJellyWriter *writer, GVariant *entry)
{
  g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
  g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);

  bb_banana_put_list (writer->out, 2);
  bb_jelly_put_variant (writer, key);
  bb_jelly_put_variant (writer, value);
}

static void
put_children (const BbJellyWriter *writer, GVariant *value, const char *tag)
{
  GVariantIter iter;
  GVariant *child;

  bb_jelly_put_tagged (writer, tag, (guint) g_variant_n_children (value));
  g_variant_iter_init (&iter, value);
  while ((child = g_variant_iter_next_value (&iter)) != NULL)
    {
      if (g_variant_is_of_type (child, G_VARIANT_TYPE_DICT_ENTRY))
        put_entry (writer, child);
      else
        bb_jelly_put_variant (writer, child);
      g_variant_unref (child);
    }
}

static void
put_container (const BbJellyWriter *writer, GVariant *value)
{
  g_autoptr (GVariant) inside = NULL;
  gsize length;
  gconstpointer bytes;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT))
    {
      inside = g_variant_get_variant (value);
      bb_jelly_put_variant (writer, inside);
    }
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_MAYBE))
    {
      inside = g_variant_get_maybe (value);
      if (inside != NULL)
        bb_jelly_put_variant (writer, inside);
      else
        bb_jelly_put_none (writer);
    }
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    {
      bytes = g_variant_get_fixed_array (value, &length, 1);
      bb_jelly_put_bytes (writer, bytes != NULL ? bytes : "", length);
    }
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
    put_children (writer, value, "dictionary");
  else
    put_children (writer, value, g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY) ? "list" : "tuple");
}

void
bb_jelly_put_variant (const BbJellyWriter *writer, GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_STRING:
      bb_jelly_put_text (writer, g_variant_get_string (value, NULL));
      break;
    case G_VARIANT_CLASS_BOOLEAN:
      bb_jelly_put_boolean (writer, g_variant_get_boolean (value));
      break;
    case G_VARIANT_CLASS_INT64:
      bb_banana_put_integer (writer->out, g_variant_get_int64 (value));
      break;
    case G_VARIANT_CLASS_UINT64:
      bb_banana_put_integer (writer->out, (gint64) MIN (g_variant_get_uint64 (value), G_MAXINT64));
      break;
    case G_VARIANT_CLASS_INT32:
      bb_banana_put_integer (writer->out, g_variant_get_int32 (value));
      break;
    case G_VARIANT_CLASS_UINT32:
      bb_banana_put_integer (writer->out, g_variant_get_uint32 (value));
      break;
    case G_VARIANT_CLASS_DOUBLE:
      bb_banana_put_float (writer->out, g_variant_get_double (value));
      break;
    default:
      if (g_variant_is_container (value))
        put_container (writer, value);
      else
        bb_jelly_put_none (writer);
    }
}

static void
put_key (const BbJellyWriter *writer, const char *key)
{
  bb_banana_put_list (writer->out, 2);
  bb_jelly_put_tagged (writer, "unicode", 1);
  bb_jelly_put_word (writer, key);
}

static void
put_unicode (const BbJellyWriter *writer, const char *text)
{
  bb_jelly_put_tagged (writer, "unicode", 1);
  bb_jelly_put_word (writer, text);
}

void
bb_jelly_put_failure (const BbJellyWriter *writer, const char *const *parents, const char *text)
{
  guint n_parents = g_strv_length ((char **) parents);

  bb_jelly_put_tagged (writer, "twisted.spread.pb.CopyableFailure", 1);
  bb_jelly_put_tagged (writer, "dictionary", 10);
  put_key (writer, "type");
  bb_jelly_put_word (writer, parents[0]);
  put_key (writer, "value");
  put_unicode (writer, text);
  put_key (writer, "traceback");
  put_unicode (writer, "Traceback unavailable\n");
  put_key (writer, "parents");
  bb_jelly_put_tagged (writer, "list", n_parents);
  for (guint i = 0; i < n_parents; i++)
    put_unicode (writer, parents[i]);
  put_key (writer, "frames");
  bb_jelly_put_tagged (writer, "list", 0);
  put_key (writer, "stack");
  bb_jelly_put_tagged (writer, "list", 0);
  put_key (writer, "tb");
  bb_jelly_put_none (writer);
  put_key (writer, "count");
  bb_banana_put_integer (writer->out, 0);
  put_key (writer, "pickled");
  bb_banana_put_integer (writer->out, 1);
  put_key (writer, "captureVars");
  bb_jelly_put_boolean (writer, FALSE);
}
