/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-step-types.h"

#define DEFAULT_WORKDIR "build"

/* Buildbot's for the commands that it starts through a shell on the slave. */
#define DIRECTORY_TIMEOUT 120

/* Above this a worker's own limit on strings is hit; below the least every block costs more than it carries. */
#define MIN_BLOCK_SIZE 4096
#define MAX_BLOCK_SIZE (512 * 1024)
#define DEFAULT_BLOCK_SIZE (256 * 1024)

static GVariant *
nothing (void)
{
  return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
}

/* Seconds as the slave wants them: whole numbers where they are whole, None for "off". */
static GVariant *
seconds (double value)
{
  if (value <= 0)
    return nothing ();
  if (value == (double) (gint64) value)
    return g_variant_new_int64 ((gint64) value);
  return g_variant_new_double (value);
}

static void
add (GVariantBuilder *args, const char *key, GVariant *value)
{
  g_variant_builder_add (args, "{sv}", key, value);
}

static gboolean
add_text (GVariantBuilder *args, const char *key, const char *text, const BbStepContext *context, GError **error)
{
  g_autofree char *value = bb_properties_interpolate (&context->scope, text, error);

  if (value == NULL)
    {
      g_prefix_error (error, "%s: ", key);
      return FALSE;
    }
  add (args, key, g_variant_new_string (value));
  return TRUE;
}

static gboolean
add_workdir (GVariantBuilder *args, const BbStepConfig *step, const BbStepContext *context, GError **error)
{
  return add_text (args, "workdir", step->workdir != NULL ? step->workdir : DEFAULT_WORKDIR, context, error);
}

gboolean
bb_step_split_pair (const char *pair, char **key, char **value)
{
  const char *equals = strchr (pair, '=');

  if (equals == NULL)
    return FALSE;
  *key = g_strndup (pair, (gsize) (equals - pair));
  *value = g_strdup (equals + 1);
  return TRUE;
}

/* Adds the items `key=value` of @pairs to @table, values interpolated; later ones win. */
static gboolean
collect_pairs (GHashTable *table, const char *const *pairs, const BbStepContext *context, GError **error)
{
  for (; pairs != NULL && *pairs != NULL; pairs++)
    {
      g_autofree char *key = NULL;
      g_autofree char *raw = NULL;
      char *value;

      if (!bb_step_split_pair (*pairs, &key, &raw))
        continue; /* the configuration refuses these */
      value = bb_properties_interpolate (&context->scope, raw, error);
      if (value == NULL)
        {
          g_prefix_error (error, "%s: ", key);
          return FALSE;
        }
      g_hash_table_replace (table, g_steal_pointer (&key), value);
    }
  return TRUE;
}

static GVariant *
table_to_variant (GHashTable *table)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{ss}"));
  GHashTableIter iter;
  gpointer key, value;

  g_hash_table_iter_init (&iter, table);
  while (g_hash_table_iter_next (&iter, &key, &value))
    g_variant_builder_add (&builder, "{ss}", key, value);
  return g_variant_builder_end (&builder);
}

static gboolean
add_env (GVariantBuilder *args, const BbStepConfig *step, const BbStepContext *context, GError **error)
{
  g_autoptr (GHashTable) env = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (!collect_pairs (env, context->builder_env, context, error)
      || !collect_pairs (env, (const char *const *) step->env, context, error))
    {
      g_prefix_error (error, "env: ");
      return FALSE;
    }
  add (args, "env", g_hash_table_size (env) > 0 ? table_to_variant (env) : nothing ());
  return TRUE;
}

static gboolean
add_logfiles (GVariantBuilder *args, const BbStepConfig *step, const BbStepContext *context, GError **error)
{
  g_autoptr (GHashTable) files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);

  if (!collect_pairs (files, (const char *const *) step->logfiles, context, error))
    {
      g_prefix_error (error, "logfiles: ");
      return FALSE;
    }
  add (args, "logfiles", table_to_variant (files));
  return TRUE;
}

static gboolean
add_command (GVariantBuilder *args, const BbStepConfig *step, const BbStepContext *context, GError **error)
{
  g_autoptr (GPtrArray) words = g_ptr_array_new_with_free_func (g_free);

  if (step->argv == NULL)
    return add_text (args, "command", step->command != NULL ? step->command : "", context, error);
  for (guint i = 0; step->argv[i] != NULL; i++)
    {
      char *word = bb_properties_interpolate (&context->scope, step->argv[i], error);

      if (word == NULL)
        {
          g_prefix_error (error, "argv: ");
          return FALSE;
        }
      g_ptr_array_add (words, word);
    }
  add (args, "command", g_variant_new_strv ((const char *const *) words->pdata, (gssize) words->len));
  return TRUE;
}

static GVariant *
make_shell (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error)
{
  g_auto (GVariantBuilder) args = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!add_command (&args, step, context, error) || !add_workdir (&args, step, context, error)
      || !add_env (&args, step, context, error) || !add_logfiles (&args, step, context, error))
    return NULL;
  if (step->initial_stdin == NULL)
    add (&args, "initial_stdin", nothing ());
  else if (!add_text (&args, "initial_stdin", step->initial_stdin, context, error))
    return NULL;
  add (&args, "want_stdout", g_variant_new_boolean (TRUE));
  add (&args, "want_stderr", g_variant_new_boolean (TRUE));
  add (&args, "timeout", seconds (step->timeout));
  add (&args, "maxTime", seconds (step->max_time));
  add (&args, "sigtermTime", seconds (step->sigterm_time));
  add (&args, "usePTY", g_variant_new_boolean (step->use_pty));
  add (&args, "logEnviron", g_variant_new_boolean (step->log_environ));
  return g_variant_builder_end (&args);
}

static void
add_sizes (GVariantBuilder *args, const BbStepConfig *step)
{
  gint64 block = step->block_size > 0 ? CLAMP (step->block_size, MIN_BLOCK_SIZE, MAX_BLOCK_SIZE) : DEFAULT_BLOCK_SIZE;

  /* One more than is allowed: a slave takes a file of exactly maxsize bytes for one that was cut off there. */
  add (args, "maxsize", step->max_size > 0 ? g_variant_new_int64 (step->max_size + 1) : nothing ());
  add (args, "blocksize", g_variant_new_int64 (block));
}

static gboolean
add_source (GVariantBuilder *args, const BbStepConfig *step, const BbStepContext *context, GError **error)
{
  if (!add_workdir (args, step, context, error)
      || !add_text (args, "workersrc", step->source != NULL ? step->source : "", context, error))
    return FALSE;
  add_sizes (args, step);
  return TRUE;
}

static GVariant *
make_upload (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error)
{
  g_auto (GVariantBuilder) args = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!add_source (&args, step, context, error))
    return NULL;
  add (&args, "keepstamp", g_variant_new_boolean (step->keep_stamp));
  return g_variant_builder_end (&args);
}

static GVariant *
make_upload_directory (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error)
{
  g_auto (GVariantBuilder) args = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!add_source (&args, step, context, error))
    return NULL;
  add (&args, "compress", step->compress != NULL ? g_variant_new_string (step->compress) : nothing ());
  return g_variant_builder_end (&args);
}

static GVariant *
make_download (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error)
{
  g_auto (GVariantBuilder) args = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  guint64 mode;

  if (!add_workdir (&args, step, context, error)
      || !add_text (&args, "workerdest", step->destination != NULL ? step->destination : "", context, error))
    return NULL;
  add_sizes (&args, step);
  if (step->mode != NULL && g_ascii_string_to_unsigned (step->mode, 8, 0, 07777, &mode, NULL))
    add (&args, "mode", g_variant_new_int64 ((gint64) mode));
  else
    add (&args, "mode", nothing ());
  return g_variant_builder_end (&args);
}

static guint
count_one (const BbStepConfig *step)
{
  return 1;
}

static guint
count_directories (const BbStepConfig *step)
{
  return step->directories != NULL ? g_strv_length (step->directories) : 0;
}

static GVariant *
make_mkdir (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error)
{
  g_auto (GVariantBuilder) args = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!add_text (&args, "dir", step->directories[index], context, error))
    return NULL;
  return g_variant_builder_end (&args);
}

static GVariant *
make_rmdir (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error)
{
  g_auto (GVariantBuilder) args = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!add_text (&args, "dir", step->directories[index], context, error))
    return NULL;
  add (&args, "timeout", g_variant_new_int64 (DIRECTORY_TIMEOUT));
  add (&args, "logEnviron", g_variant_new_boolean (step->log_environ));
  return g_variant_builder_end (&args);
}

static GVariant *
make_copy (const BbStepConfig *step, guint index, const BbStepContext *context, GError **error)
{
  g_auto (GVariantBuilder) args = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!add_text (&args, "fromdir", step->source != NULL ? step->source : "", context, error)
      || !add_text (&args, "todir", step->destination != NULL ? step->destination : "", context, error))
    return NULL;
  add (&args, "timeout", step->timeout > 0 ? seconds (step->timeout) : g_variant_new_int64 (DIRECTORY_TIMEOUT));
  add (&args, "maxTime", seconds (step->max_time));
  add (&args, "logEnviron", g_variant_new_boolean (step->log_environ));
  return g_variant_builder_end (&args);
}

const BbStepTypeInfo bb_step_types[BB_N_STEP_TYPES] = {
  [BB_STEP_SHELL] = { "shell", "shell", FALSE, TRUE, count_one, make_shell },
  [BB_STEP_UPLOAD] = { "upload", "uploadFile", TRUE, TRUE, count_one, make_upload },
  [BB_STEP_UPLOAD_DIRECTORY] = { "upload-directory", "uploadDirectory", TRUE, TRUE, count_one, make_upload_directory },
  [BB_STEP_DOWNLOAD] = { "download", "downloadFile", TRUE, TRUE, count_one, make_download },
  [BB_STEP_MKDIR] = { "mkdir", "mkdir", FALSE, TRUE, count_directories, make_mkdir },
  [BB_STEP_RMDIR] = { "rmdir", "rmdir", FALSE, TRUE, count_directories, make_rmdir },
  [BB_STEP_COPY] = { "copy", "cpdir", FALSE, TRUE, count_one, make_copy },
};

gboolean
bb_step_is_wanted (const BbStepConfig *step, const BbStepContext *context, GError **error)
{
  g_autofree char *value = NULL;

  if (step->do_step_if == NULL)
    return TRUE;
  value = bb_properties_interpolate (&context->scope, step->do_step_if, error);
  if (value == NULL)
    {
      g_prefix_error (error, "do_step_if: ");
      return FALSE;
    }
  return *value != '\0' && !g_str_equal (value, "false") && !g_str_equal (value, "0");
}
