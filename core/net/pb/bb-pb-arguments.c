/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-arguments.h"

#include "bb-error.h"
#include "bb-pb-limits.h"

#define OBFUSCATED_TYPE G_VARIANT_TYPE ("(sss)")

/* Arguments that are not sent to releases before the one that knows them (worker-protocol 5.6). */
static const struct
{
  const char *key;
  guint since;
} newer_keys[] = {
  { "keepstamp", 2013 },
  { "interruptSignal", 2015 },
  { "sigtermTime", 2016 },
  { "max_lines", 3003 },
};

static gboolean
is_before (const BbPbDialect *dialect, guint version)
{
  return dialect->version != 0 && dialect->version < version;
}

static gboolean
cannot_send (GError **error, const char *what)
{
  g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "%s cannot be sent to a slave", what);
  return FALSE;
}

static gboolean
check_bytes (gsize length, GError **error)
{
  if (length <= BB_PB_MAX_STRING)
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
               "a text of %" G_GSIZE_FORMAT " bytes cannot be sent to a slave, at most %d can", length,
               BB_PB_MAX_STRING);
  return FALSE;
}

/* Whether bb_jelly_put_variant() has a form for all that is in @value, and the slave would take it. */
static gboolean
check_value (GVariant *value, GError **error)
{
  gsize n_children;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
    case G_VARIANT_CLASS_INT32:
    case G_VARIANT_CLASS_UINT32:
    case G_VARIANT_CLASS_INT64:
    case G_VARIANT_CLASS_DOUBLE:
      return TRUE;
    case G_VARIANT_CLASS_UINT64:
      return g_variant_get_uint64 (value) <= G_MAXINT64 || cannot_send (error, "a number of 2^63 or more");
    case G_VARIANT_CLASS_STRING:
      return check_bytes (g_variant_get_size (value) - 1, error);
    default:
      break;
    }
  if (!g_variant_is_container (value))
    return cannot_send (error, "a value of that type");
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    return check_bytes (g_variant_get_size (value), error);
  n_children = g_variant_n_children (value);
  if (n_children > BB_PB_MAX_LIST - 1)
    return cannot_send (error, "a list of that length");
  for (gsize i = 0; i < n_children; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (!check_value (child, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
knows_key (const BbPbDialect *dialect, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (newer_keys); i++)
    if (g_str_equal (key, newer_keys[i].key))
      return !is_before (dialect, newer_keys[i].since);
  return TRUE;
}

static const char *
translate_key (const BbPbDialect *dialect, const char *key)
{
  if (is_before (dialect, 3000) && g_str_equal (key, "workersrc"))
    return "slavesrc";
  if (is_before (dialect, 3000) && g_str_equal (key, "workerdest"))
    return "slavedest";
  return key;
}

/* (transfer full) */
static GVariant *
unbox (GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT))
    return g_variant_get_variant (value);
  return g_variant_ref (value);
}

/* Releases before 2.16 would run the whole tuple: they get what is to be run. (transfer full) */
static GVariant *
reveal (GVariant *command)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE ("av"));

  for (gsize i = 0; i < g_variant_n_children (command); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (command, i);
      g_autoptr (GVariant) element = unbox (child);
      const char *real;

      if (g_variant_is_of_type (element, OBFUSCATED_TYPE))
        {
          g_variant_get (element, "(&s&s&s)", NULL, &real, NULL);
          g_variant_builder_add (builder, "v", g_variant_new_string (real));
        }
      else
        g_variant_builder_add (builder, "v", element);
    }
  return g_variant_ref_sink (g_variant_builder_end (builder));
}

/* (transfer full) */
static GVariant *
translate_value (const BbPbDialect *dialect, const char *key, GVariant *value)
{
  /* Before 3.0 false would override how the slave is configured; nobody asked for that. */
  if (g_str_equal (key, "usePTY") && is_before (dialect, 3000)
      && (!g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) || !g_variant_get_boolean (value)))
    return g_variant_ref_sink (g_variant_new_string ("slave-config"));
  if (g_str_equal (key, "command") && is_before (dialect, 2016) && g_variant_is_of_type (value, G_VARIANT_TYPE_ARRAY))
    return reveal (value);
  return g_variant_ref (value);
}

/* Keys that must be there, be it as None. */
static void
add_missing (GVariantBuilder *builder, const char *command, GVariant *args)
{
  static const char *const upload_file[] = { "maxsize", NULL };
  static const char *const upload_directory[] = { "maxsize", "compress", NULL };
  static const char *const download_file[] = { "maxsize", "mode", NULL };
  static const char *const none[] = { NULL };
  const char *const *keys = none;

  if (g_str_equal (command, "uploadFile"))
    keys = upload_file;
  else if (g_str_equal (command, "uploadDirectory"))
    keys = upload_directory;
  else if (g_str_equal (command, "downloadFile"))
    keys = download_file;
  for (; *keys != NULL; keys++)
    {
      g_autoptr (GVariant) present = g_variant_lookup_value (args, *keys, NULL);

      if (present == NULL)
        g_variant_builder_add (builder, "{sv}", *keys, g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL));
    }
}

GVariant *
bb_pb_arguments_translate (const BbPbDialect *dialect, const char *command, GVariant *args, GError **error)
{
  g_autoptr (GVariantBuilder) builder = g_variant_builder_new (G_VARIANT_TYPE_VARDICT);
  gint64 block_size;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_return_val_if_fail (g_variant_is_of_type (args, G_VARIANT_TYPE_VARDICT), NULL);

  g_variant_iter_init (&iter, args);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) translated = NULL;

      if (!knows_key (dialect, key))
        continue;
      translated = translate_value (dialect, key, value);
      if (!check_value (translated, error))
        {
          g_prefix_error (error, "%s: %s: ", command, key);
          g_variant_unref (value);
          return NULL;
        }
      g_variant_builder_add (builder, "{sv}", translate_key (dialect, key), translated);
    }
  if (g_variant_lookup (args, "blocksize", "x", &block_size) && (block_size < 1 || block_size > BB_PB_MAX_STRING))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "%s: blocksize: %" G_GINT64_FORMAT " is not 1 to %d",
                   command, block_size, BB_PB_MAX_STRING);
      return NULL;
    }
  add_missing (builder, command, args);
  return g_variant_ref_sink (g_variant_builder_end (builder));
}

void
bb_pb_arguments_put (const BbJellyWriter *writer, GVariant *translated, BbTransferKind kind, gint64 transfer)
{
  guint n_args = (guint) g_variant_n_children (translated) + (kind != BB_NO_TRANSFER ? 1 : 0);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  bb_jelly_put_tagged (writer, "dictionary", n_args);
  g_variant_iter_init (&iter, translated);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      bb_banana_put_list (writer->out, 2);
      bb_jelly_put_text (writer, key);
      bb_jelly_put_variant (writer, value);
    }
  if (kind == BB_NO_TRANSFER)
    return;
  bb_banana_put_list (writer->out, 2);
  bb_jelly_put_text (writer, kind == BB_UPLOAD ? "writer" : "reader");
  bb_jelly_put_remote (writer, transfer);
}
