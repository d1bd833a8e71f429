/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-run-request.h"

#include "bb-build-master.h"
#include "bb-properties.h"
#include "bb-step-types.h"

/* A slave takes no larger string, and the store shall not hold programs. */
#define MAX_BYTES (256 * 1024)

typedef struct
{
  const char *name;
  const char *type;
  gboolean for_run; /* of an ad-hoc command alone */
} Option;

static const Option option_table[] = {
  { "properties", "a{sv}", FALSE }, { "slave", "s", FALSE },   { "reason", "s", FALSE },  { "workdir", "s", TRUE },
  { "env", "a{ss}", TRUE },         { "timeout", "d", TRUE },  { "max_time", "d", TRUE }, { "stdin", "s", TRUE },
};

static const Option *
find_option (const char *name, gboolean is_run)
{
  for (guint i = 0; i < G_N_ELEMENTS (option_table); i++)
    if (g_str_equal (option_table[i].name, name) && (is_run || !option_table[i].for_run))
      return &option_table[i];
  return NULL;
}

/* Whole numbers of any width do for seconds. (transfer full) (nullable) */
static GVariant *
to_double (GVariant *value)
{
  double number;

  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_DOUBLE:
      number = g_variant_get_double (value);
      break;
    case G_VARIANT_CLASS_INT32:
      number = g_variant_get_int32 (value);
      break;
    case G_VARIANT_CLASS_UINT32:
      number = g_variant_get_uint32 (value);
      break;
    case G_VARIANT_CLASS_INT64:
      number = (double) g_variant_get_int64 (value);
      break;
    case G_VARIANT_CLASS_UINT64:
      number = (double) g_variant_get_uint64 (value);
      break;
    default:
      return NULL;
    }
  return number >= 0 && number <= 1e9 ? g_variant_ref_sink (g_variant_new_double (number)) : NULL;
}

static gboolean
check_option (const char *name, GVariant *value, gboolean is_run, GVariantBuilder *request, GError **error)
{
  const Option *option = find_option (name, is_run);
  g_autoptr (GVariant) checked = NULL;

  if (option == NULL)
    {
      g_autofree char *quoted = bb_error_quote (name, 64);

      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "option \"%s\" is not known here", quoted);
      return FALSE;
    }
  checked = g_str_equal (option->type, "d") ? to_double (value) : g_variant_ref (value);
  if (checked == NULL || !g_variant_is_of_type (checked, G_VARIANT_TYPE (option->type)))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "option \"%s\" has type %s, and would be right as %s",
                   name,
                   g_variant_get_type_string (value),
                   g_str_equal (option->type, "d") ? "a number of seconds from 0 to 1000000000" : option->type);
      return FALSE;
    }
  if (g_str_equal (name, "properties") && !bb_properties_check (checked, error))
    return FALSE;
  if (!g_str_equal (name, "slave"))
    g_variant_builder_add (request, "{sv}", name, checked);
  return TRUE;
}

GVariant *
bb_run_request_new (const char *const *argv, GVariant *options, GError **error)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) request = NULL;
  GVariantIter iter;
  const char *name;
  GVariant *value;

  if (argv != NULL && (argv[0] == NULL || *argv[0] == '\0'))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "there is no command to run");
      return NULL;
    }
  if (argv != NULL)
    g_variant_builder_add (&builder, "{sv}", "argv", g_variant_new_strv (argv, -1));

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      gboolean ok = check_option (name, value, argv != NULL, &builder, error);

      g_variant_unref (value);
      if (!ok)
        return NULL;
    }

  request = g_variant_ref_sink (g_variant_builder_end (&builder));
  if (g_variant_get_size (request) > MAX_BYTES + BB_PROPERTIES_MAX_BYTES)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "a request of %" G_GSIZE_FORMAT " bytes is too large",
                   g_variant_get_size (request));
      return NULL;
    }
  return g_steal_pointer (&request);
}

GVariant *
bb_run_request_get_properties (GVariant *request)
{
  g_autoptr (GVariant) given = g_variant_lookup_value (request, "properties", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) own = NULL;
  GVariant *layers[2] = { given, NULL };
  gint64 retry_of;

  if (g_variant_lookup (request, "retry_of", "x", &retry_of))
    {
      GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

      g_variant_builder_add (&builder, "{sv}", "retry_of", g_variant_new_int64 (retry_of));
      own = g_variant_ref_sink (g_variant_builder_end (&builder));
      layers[1] = own;
    }
  return bb_properties_merge (layers, G_N_ELEMENTS (layers));
}

GVariant *
bb_run_request_retry (GVariant *request, guint64 number)
{
  g_autoptr (GVariantDict) dict = g_variant_dict_new (request);

  g_variant_dict_insert (dict, "retry_of", "x", (gint64) number);
  return g_variant_ref_sink (g_variant_dict_end (dict));
}

static char **
env_to_pairs (GVariant *env)
{
  g_autoptr (GPtrArray) pairs = g_ptr_array_new ();
  GVariantIter iter;
  const char *key, *value;

  g_variant_iter_init (&iter, env);
  while (g_variant_iter_next (&iter, "{&s&s}", &key, &value))
    g_ptr_array_add (pairs, g_strconcat (key, "=", value, NULL));
  g_ptr_array_add (pairs, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&pairs), FALSE);
}

static void
step_free (BbStepConfig *step)
{
  g_free (step->name);
  g_strfreev (step->argv);
  g_free (step->workdir);
  g_strfreev (step->env);
  g_free (step->initial_stdin);
  g_free (step);
}

void
bb_run_request_free_builder (BbBuilderConfig *builder)
{
  g_free (builder->name);
  g_free (builder->builddir);
  g_ptr_array_unref (builder->steps);
  g_clear_pointer (&builder->properties, g_variant_unref);
  g_free (builder);
}

BbBuilderConfig *
bb_run_request_to_builder (GVariant *request)
{
  g_autofree const char **argv = NULL;
  g_autoptr (GVariant) env = NULL;
  BbBuilderConfig *builder;
  BbStepConfig *step;

  if (!g_variant_lookup (request, "argv", "^a&s", &argv))
    return NULL;
  step = g_new0 (BbStepConfig, 1);
  step->name = g_strdup ("run");
  step->type = BB_STEP_SHELL;
  step->argv = g_strdupv ((char **) argv);
  step->halt_on_failure = TRUE;
  step->flunk_on_failure = TRUE;
  g_variant_lookup (request, "workdir", "s", &step->workdir);
  g_variant_lookup (request, "timeout", "d", &step->timeout);
  g_variant_lookup (request, "max_time", "d", &step->max_time);
  g_variant_lookup (request, "stdin", "s", &step->initial_stdin);
  env = g_variant_lookup_value (request, "env", G_VARIANT_TYPE ("a{ss}"));
  if (env != NULL)
    step->env = env_to_pairs (env);

  builder = g_new0 (BbBuilderConfig, 1);
  builder->name = g_strdup ("");
  builder->builddir = g_strdup (BB_RUN_BUILDER);
  builder->steps = g_ptr_array_new_with_free_func ((GDestroyNotify) step_free);
  builder->next_slave = BB_NEXT_SLAVE_LEAST_LOADED;
  g_ptr_array_add (builder->steps, step);
  return builder;
}
