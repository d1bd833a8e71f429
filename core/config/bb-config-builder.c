/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-private.h"

#include <glib/gi18n.h>
#include <string.h>

/* The builder that ad-hoc commands run under (BB_RUN_BUILDER of core/build). */
#define RUN_BUILDER "bbhost-run"

/* A worker hands out about 1024 objects per connection: itself, and one for each builder. */
#define MAX_BUILDERS_PER_SLAVE 1000

#define MAX_BUILDDIR 100
#define BUILDDIR_CHARACTERS G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_.-"

/* As written, before names are looked up. */
typedef struct
{
  char **slavenames;
  char **steps;
  char **properties;
  char *category;
  char **env;
  int next_slave;
  char *builddir;
} BuilderText;

static const char *const next_slave_choices[] = { "least-loaded", "first", "random", NULL };

#define OPTION(KEY, TYPE, FALLBACK, FLAGS, CHOICES, HELP)                                                              \
  {                                                                                                                    \
    #KEY, BB_OPTION_##TYPE, G_STRUCT_OFFSET (BuilderText, KEY), FALLBACK, 0, 0, FLAGS, CHOICES, HELP                   \
  }

const BbOption bb_config_builder_options[] = {
  OPTION (slavenames, STRINGS, NULL, 0, NULL, N_("Slaves that may run its builds: names or patterns with * and ?.")),
  OPTION (steps, STRINGS, NULL, BB_OPTION_REQUIRED, NULL, N_("Its steps, in order.")),
  OPTION (properties, PAIRS, NULL, 0, NULL, N_("Properties of all its builds: NAME=VALUE.")),
  OPTION (category, STRING, NULL, 0, NULL, N_("A word to group builders by.")),
  OPTION (env, PAIRS, NULL, BB_OPTION_INTERPOLATED, NULL, N_("Environment variables of all its steps.")),
  OPTION (next_slave, ENUM, "least-loaded", 0, next_slave_choices, N_("Which of several free slaves takes a build.")),
  OPTION (builddir, STRING, NULL, 0, NULL, N_("Its folder at the slaves; default: made from its name.")),
  { 0 },
};

/* What all builders of one configuration are checked against. */
typedef struct
{
  BbConfigLoader *loader;
  GHashTable *steps;       /* name → BbStepConfig */
  GHashTable *used_steps;  /* of BbStepConfig */
  GHashTable *n_builders;  /* slave's name → how many builders it has */
  GHashTable *by_builddir; /* builddir → GPtrArray of Placed */
} Context;

typedef struct
{
  const BbConfigGroup *group;
  const BbBuilderConfig *builder;
} Placed;

static void
add_slave (GPtrArray *names, GHashTable *seen, const BbSlaveConfig *slave)
{
  if (g_hash_table_add (seen, slave->name))
    g_ptr_array_add (names, slave->name);
}

static gboolean
add_matching_slaves (BbConfigLoader *loader, const char *pattern, GPtrArray *names, GHashTable *seen)
{
  BbConfig *config = loader->config;
  g_autoptr (GPatternSpec) spec = g_pattern_spec_new (pattern);
  gboolean found = FALSE;
  GHashTableIter iter;
  gpointer name;

  for (guint i = 0; i < config->slaves->len; i++)
    {
      const BbSlaveConfig *slave = g_ptr_array_index (config->slaves, i);

      if (!g_pattern_spec_match_string (spec, slave->name))
        continue;
      add_slave (names, seen, slave);
      found = TRUE;
    }
  g_hash_table_iter_init (&iter, loader->left_out);
  while (!found && g_hash_table_iter_next (&iter, &name, NULL))
    found = g_pattern_spec_match_string (spec, name);
  return found;
}

static void
unknown_slave (BbConfigLoader *loader, const BbConfigGroup *group, const char *name)
{
  g_autoptr (GPtrArray) known = g_ptr_array_new ();
  g_autofree char *suggestion = NULL;

  for (guint i = 0; i < loader->config->slaves->len; i++)
    g_ptr_array_add (known, ((BbSlaveConfig *) g_ptr_array_index (loader->config->slaves, i))->name);
  g_ptr_array_add (known, NULL);
  suggestion = bb_config_suggest (loader, name, (const char *const *) known->pdata);
  bb_config_error (loader, group, "slavenames", "there is no slave \"%s\"%s", name, suggestion);
}

/* The names belong to the slaves; the array alone is new. In the order of the list, for next_slave=first. */
static char **
find_slaves (BbConfigLoader *loader, const BbConfigGroup *group, char **wanted)
{
  BbConfig *config = loader->config;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  GPtrArray *names = g_ptr_array_new ();

  for (; wanted != NULL && *wanted != NULL; wanted++)
    {
      const BbSlaveConfig *slave = g_hash_table_lookup (config->slave_names, *wanted);

      if (slave != NULL)
        add_slave (names, seen, slave);
      else if (g_hash_table_contains (loader->left_out, *wanted))
        continue;
      else if (strpbrk (*wanted, "*?") == NULL)
        unknown_slave (loader, group, *wanted);
      else if (!add_matching_slaves (loader, *wanted, names, seen))
        bb_config_error (loader, group, "slavenames", "no slave's name is like \"%s\"; remove it", *wanted);
    }
  if (names->len == 0)
    bb_config_warning (loader, group, "slavenames", "there is no slave, so that builds will wait for ever; name some");
  g_ptr_array_add (names, NULL);
  return (char **) g_ptr_array_free (names, FALSE);
}

static void
find_steps (Context *context, const BbConfigGroup *group, char **wanted, GPtrArray *steps)
{
  if (wanted != NULL && *wanted == NULL)
    bb_config_error (context->loader, group, "steps", "is empty; name at least one step");
  for (; wanted != NULL && *wanted != NULL; wanted++)
    {
      BbStepConfig *step = g_hash_table_lookup (context->steps, *wanted);
      g_autofree char *suggestion = NULL;

      if (step != NULL)
        {
          g_hash_table_add (context->used_steps, step);
          g_ptr_array_add (steps, step);
          continue;
        }
      suggestion = bb_config_suggest_name (context->loader, *wanted, BB_CONFIG_STEP);
      bb_config_error (context->loader, group, "steps", "there is no [step %s]%s", *wanted, suggestion);
    }
}

static GVariant *
make_properties (char **pairs)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (; pairs != NULL && *pairs != NULL; pairs++)
    {
      const char *equals = strchr (*pairs, '=');
      g_autofree char *key = g_strndup (*pairs, equals - *pairs);

      g_variant_builder_add (&builder, "{sv}", key, bb_config_type_property (equals + 1));
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* Names that mean something in a slave's base folder. */
static gboolean
is_reserved_folder (const char *name)
{
  return g_str_equal (name, RUN_BUILDER) || g_str_equal (name, "info") || g_str_equal (name, "buildbot.tac") ||
         g_str_has_prefix (name, "twistd.") || g_str_equal (name, ".") || g_str_equal (name, "..");
}

static char *
choose_builddir (BbConfigLoader *loader, const BbConfigGroup *group, const char *given)
{
  char *builddir = g_strdup (given != NULL ? given : group->name);

  if (given == NULL)
    {
      g_strcanon (builddir, BUILDDIR_CHARACTERS, '_');
      if (strlen (builddir) > MAX_BUILDDIR)
        builddir[MAX_BUILDDIR] = '\0';
    }
  else if (*builddir == '\0' || strlen (builddir) > MAX_BUILDDIR ||
           strspn (builddir, BUILDDIR_CHARACTERS) != strlen (builddir))
    bb_config_error (loader, group, "builddir",
                     "\"%s\" is not one folder's name of letters, digits, \"_\", \".\" and \"-\"", builddir);
  if (is_reserved_folder (builddir))
    bb_config_error (loader, group, "builddir", "\"%s\" is used by the slave itself; choose another name", builddir);
  return builddir;
}

static void
count_builders (Context *context, const BbConfigGroup *group, const BbBuilderConfig *builder)
{
  for (char **name = builder->slavenames; *name != NULL; name++)
    {
      guint n = GPOINTER_TO_UINT (g_hash_table_lookup (context->n_builders, *name)) + 1;

      g_hash_table_insert (context->n_builders, *name, GUINT_TO_POINTER (n));
      if (n <= MAX_BUILDERS_PER_SLAVE)
        continue;
      bb_config_error (context->loader, group, "slavenames",
                       "with it the slave \"%s\" has more than %d builders, which it could not take; spread them over "
                       "more slaves", *name, MAX_BUILDERS_PER_SLAVE);
      return;
    }
}

/* The first slave that both may use, or NULL. Those who share a builddir are few. */
static const char *
find_common_slave (const BbBuilderConfig *a, const BbBuilderConfig *b)
{
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);

  for (char **name = a->slavenames; *name != NULL; name++)
    g_hash_table_add (names, *name);
  for (char **name = b->slavenames; *name != NULL; name++)
    if (g_hash_table_contains (names, *name))
      return *name;
  return NULL;
}

static void
check_builddir (Context *context, const BbConfigGroup *group, const BbBuilderConfig *builder)
{
  GPtrArray *others = g_hash_table_lookup (context->by_builddir, builder->builddir);
  Placed *placed = g_new (Placed, 1);

  if (others == NULL)
    {
      others = g_ptr_array_new_with_free_func (g_free);
      g_hash_table_insert (context->by_builddir, builder->builddir, others);
    }
  for (guint i = 0; i < others->len; i++)
    {
      const Placed *other = g_ptr_array_index (others, i);
      const char *slave = find_common_slave (other->builder, builder);

      if (slave == NULL)
        continue;
      bb_config_error (context->loader, group, "builddir",
                       "\"%s\" is the folder of [builder %s] on the slave \"%s\" already; set another one",
                       builder->builddir, other->builder->name, slave);
      break;
    }
  *placed = (Placed){ group, builder };
  g_ptr_array_add (others, placed);
}

static void
load_builder (Context *context, const BbConfigGroup *group)
{
  BbConfigLoader *loader = context->loader;
  BuilderText text = { 0 };
  BbBuilderConfig *builder;

  if (!bb_config_check_name (loader, group, group->name, "builder"))
    return;
  if (g_str_equal (group->name, RUN_BUILDER))
    {
      bb_config_error (loader, group, NULL, "this name is for commands that people run; choose another one");
      return;
    }
  bb_option_struct_init (bb_config_builder_options, &text);
  bb_config_parse_group (loader, group, bb_config_builder_options, NULL, "a builder", &text);
  builder = g_new0 (BbBuilderConfig, 1);
  builder->name = g_strdup (group->name);
  builder->origin = bb_config_origin (group);
  builder->slavenames = find_slaves (loader, group, text.slavenames);
  builder->steps = g_ptr_array_new ();
  find_steps (context, group, text.steps, builder->steps);
  builder->properties = make_properties (text.properties);
  builder->category = g_steal_pointer (&text.category);
  builder->env = g_steal_pointer (&text.env);
  builder->next_slave = (BbNextSlave) text.next_slave;
  builder->builddir = choose_builddir (loader, group, text.builddir);
  count_builders (context, group, builder);
  check_builddir (context, group, builder);
  g_ptr_array_add (loader->config->builders, builder);
  g_hash_table_insert (loader->config->builder_names, builder->name, builder);
  bb_option_struct_clear (bb_config_builder_options, &text);
}

static void
warn_of_unused_steps (Context *context)
{
  const GPtrArray *groups = context->loader->groups[BB_CONFIG_STEP];

  for (guint i = 0; i < groups->len; i++)
    {
      const BbConfigGroup *group = g_ptr_array_index (groups, i);
      BbStepConfig *step = g_hash_table_lookup (context->steps, group->name);

      if (step != NULL && !g_hash_table_contains (context->used_steps, step))
        bb_config_warning (context->loader, group, NULL, "no builder has this step");
    }
}

void
bb_config_load_builders (BbConfigLoader *loader)
{
  const GPtrArray *groups = loader->groups[BB_CONFIG_BUILDER];
  g_autoptr (GHashTable) steps = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) used_steps = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) n_builders = g_hash_table_new (NULL, NULL);
  g_autoptr (GHashTable) by_builddir =
    g_hash_table_new_full (g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_ptr_array_unref);
  Context context = { loader, steps, used_steps, n_builders, by_builddir };

  for (guint i = 0; i < loader->config->steps->len; i++)
    {
      BbStepConfig *step = g_ptr_array_index (loader->config->steps, i);

      g_hash_table_insert (steps, step->name, step);
    }
  for (guint i = 0; i < groups->len; i++)
    load_builder (&context, g_ptr_array_index (groups, i));
  warn_of_unused_steps (&context);
}

void
bb_builder_config_free (BbBuilderConfig *builder)
{
  g_free (builder->name);
  g_free (builder->origin);
  g_free (builder->slavenames);
  g_ptr_array_unref (builder->steps);
  g_variant_unref (builder->properties);
  g_free (builder->category);
  g_strfreev (builder->env);
  g_free (builder->builddir);
  g_free (builder);
}

static gboolean
lists_equal (char **a, char **b)
{
  static char *nothing[] = { NULL };

  return g_strv_equal ((const char *const *) (a != NULL ? a : nothing),
                       (const char *const *) (b != NULL ? b : nothing));
}

gboolean
bb_builder_config_equal (const BbBuilderConfig *a, const BbBuilderConfig *b)
{
  if (!g_str_equal (a->name, b->name) || !lists_equal (a->slavenames, b->slavenames) ||
      !g_variant_equal (a->properties, b->properties) || g_strcmp0 (a->category, b->category) != 0 ||
      !lists_equal (a->env, b->env) || a->next_slave != b->next_slave || !g_str_equal (a->builddir, b->builddir) ||
      a->steps->len != b->steps->len)
    return FALSE;
  for (guint i = 0; i < a->steps->len; i++)
    if (!bb_step_config_equal (g_ptr_array_index (a->steps, i), g_ptr_array_index (b->steps, i)))
      return FALSE;
  return TRUE;
}
