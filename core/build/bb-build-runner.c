/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-runner.h"

#include "bb-build-master.h"
#include "bb-step-run.h"

struct _BbBuildRunner
{
  GObject parent_instance;

  BbLoop *loop;      /* owned */
  BbBuild *build;    /* owned */
  BbSlaveLink *link; /* owned */
  const BbBuilderConfig *builder;
  gpointer owner;
  GDestroyNotify owner_free;
  char *builder_name;
  char *slave_name;
  GVariant *slave_properties;
  GVariant *slave_info;
  char *instance_id;
  char *host_name;
  char *directory;
  const BbBuildRunnerEvents *events; /* NULL after finished() */
  gpointer user_data;

  BbStepRun *run; /* (nullable): the step at next - 1 */
  guint next;
  BbResult result;
  gboolean halted;    /* only steps with always_run from here on */
  gboolean cancelled;
  gboolean slaves_fault; /* some step's exception came from the slave */
  gboolean over;      /* nothing any more: lost or abandoned */
  char *lost;         /* why the link is gone; NULL: it is not */
  gboolean advancing; /* advance() is on the stack */
  gboolean again;     /* … and shall go on */
};

G_DEFINE_FINAL_TYPE (BbBuildRunner, bb_build_runner, G_TYPE_OBJECT)

static void advance (BbBuildRunner *self);

static void
bb_build_runner_finalize (GObject *object)
{
  BbBuildRunner *self = BB_BUILD_RUNNER (object);

  if (self->run != NULL)
    bb_step_run_disconnect (self->run);
  g_clear_object (&self->run);
  g_clear_object (&self->loop);
  g_clear_object (&self->build);
  g_clear_object (&self->link);
  g_clear_pointer (&self->slave_properties, g_variant_unref);
  g_clear_pointer (&self->slave_info, g_variant_unref);
  if (self->owner_free != NULL)
    self->owner_free (self->owner);
  g_free (self->lost);
  g_free (self->builder_name);
  g_free (self->slave_name);
  g_free (self->instance_id);
  g_free (self->host_name);
  g_free (self->directory);
  G_OBJECT_CLASS (bb_build_runner_parent_class)->finalize (object);
}

static void
bb_build_runner_class_init (BbBuildRunnerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_build_runner_finalize;
}

static void
bb_build_runner_init (BbBuildRunner *self)
{
  self->result = BB_RESULT_SUCCESS;
}

/* Between two steps no command is there to tell. */
static void
link_lost_cb (BbSlaveLink *link, const GError *reason, gpointer user_data)
{
  BbBuildRunner *self = user_data;

  if (self->lost == NULL)
    self->lost = g_strdup (reason->message);
}

BbBuildRunner *
bb_build_runner_new (const BbBuildRunnerParameters *parameters, const BbBuildRunnerEvents *events, gpointer user_data)
{
  BbBuildRunner *self = g_object_new (BB_TYPE_BUILD_RUNNER, NULL);

  self->loop = g_object_ref (parameters->loop);
  self->build = g_object_ref (parameters->build);
  self->link = g_object_ref (parameters->link);
  self->builder = parameters->builder;
  self->owner = parameters->owner;
  self->owner_free = parameters->owner_free;
  self->builder_name = g_strdup (parameters->builder_name);
  self->slave_name = g_strdup (parameters->slave_name);
  self->instance_id = g_strdup (parameters->instance_id);
  self->host_name = g_strdup (parameters->host_name);
  self->directory = g_strdup (parameters->directory);
  if (parameters->slave_properties != NULL)
    self->slave_properties = g_variant_ref_sink (parameters->slave_properties);
  if (parameters->slave_info != NULL)
    self->slave_info = g_variant_ref_sink (parameters->slave_info);
  self->events = events;
  self->user_data = user_data;
  g_signal_connect_object (self->link, "lost", G_CALLBACK (link_lost_cb), self, 0);
  return self;
}

BbBuild *
bb_build_runner_get_build (BbBuildRunner *self)
{
  g_return_val_if_fail (BB_IS_BUILD_RUNNER (self), NULL);

  return self->build;
}

BbResult
bb_build_runner_get_slave_result (BbBuildRunner *self)
{
  g_return_val_if_fail (BB_IS_BUILD_RUNNER (self), BB_RESULT_NONE);

  return self->result == BB_RESULT_EXCEPTION && !self->slaves_fault ? BB_RESULT_FAILURE : self->result;
}

void
bb_build_add_steps (BbBuild *build, const BbBuilderConfig *builder)
{
  for (guint i = 0; i < builder->steps->len; i++)
    {
      const BbStepConfig *step = g_ptr_array_index (builder->steps, i);

      g_ptr_array_add (build->steps, bb_build_step_new (step->name));
    }
}

/* What is known only now: who runs it, and where. Nobody may set these otherwise, so they come last. */
static GVariant *
make_own_properties (BbBuildRunner *self)
{
  GVariantBuilder dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const char *basedir = "", *system = "";

  if (self->slave_info != NULL)
    {
      g_variant_lookup (self->slave_info, "basedir", "&s", &basedir);
      g_variant_lookup (self->slave_info, "system", "&s", &system);
    }
  g_variant_builder_add (&dict, "{sv}", "slavename", g_variant_new_string (self->slave_name));
  g_variant_builder_add (&dict, "{sv}", "workername", g_variant_new_string (self->slave_name));
  if (self->instance_id != NULL && *self->instance_id != '\0')
    g_variant_builder_add (&dict, "{sv}", "instance", g_variant_new_string (self->instance_id));
  g_variant_builder_add (&dict, "{sv}", "buildername", g_variant_new_string (self->build->builder));
  g_variant_builder_add (&dict, "{sv}", "buildnumber", g_variant_new_int64 ((gint64) self->build->number));
  if (*basedir != '\0')
    {
      const char *separator = g_str_equal (system, "nt") ? "\\" : "/";
      g_autofree char *builddir = g_strconcat (basedir, separator, self->builder->builddir, NULL);

      g_variant_builder_add (&dict, "{sv}", "basedir", g_variant_new_string (basedir));
      g_variant_builder_add (&dict, "{sv}", "builddir", g_variant_new_string (builddir));
    }
  return g_variant_builder_end (&dict);
}

static void
set_properties (BbBuildRunner *self)
{
  g_autoptr (GVariant) own = g_variant_ref_sink (make_own_properties (self));
  /* The build's are the builder's and the request's already. */
  GVariant *layers[] = { self->build->properties, self->slave_properties, own };
  g_autoptr (GVariant) merged = bb_properties_merge (layers, G_N_ELEMENTS (layers));

  bb_build_set_properties (self->build, merged);
}

/* Buildbot's worst_status(): the later in this order wins. */
static BbResult
worse (BbResult a, BbResult b)
{
  static const int rank[] = {
    [BB_RESULT_SKIPPED] = 0, [BB_RESULT_SUCCESS] = 1,   [BB_RESULT_WARNINGS] = 2,  [BB_RESULT_FAILURE] = 3,
    [BB_RESULT_EXCEPTION] = 4, [BB_RESULT_RETRY] = 5, [BB_RESULT_CANCELLED] = 6,
  };

  return rank[b] > rank[a] ? b : a;
}

static void
count_step (BbBuildRunner *self, const BbStepConfig *step, const BbBuildStep *record)
{
  BbResult counts = record->result;

  if (record->result == BB_RESULT_FAILURE)
    {
      if (!step->flunk_on_failure)
        counts = step->warn_on_failure ? BB_RESULT_WARNINGS : BB_RESULT_SUCCESS;
      self->halted = self->halted || step->halt_on_failure;
    }
  else if (record->result >= BB_RESULT_EXCEPTION)
    self->halted = TRUE;
  if (record->result == BB_RESULT_RETRY)
    self->over = TRUE;

  if (worse (self->result, counts) != self->result && *record->text != '\0')
    {
      g_autofree char *reason = g_strdup_printf ("%s: %s", record->name, record->text);

      bb_build_set_reason (self->build, reason);
    }
  self->result = worse (self->result, counts);
}

static void
step_changed (BbStepRun *run, gpointer user_data)
{
  BbBuildRunner *self = user_data;

  self->events->changed (self, BB_BUILD_CHANGED_STEPS, self->user_data);
}

static void
step_log_appended (BbStepRun *run, const char *log, guint64 size, gpointer user_data)
{
  BbBuildRunner *self = user_data;
  const BbBuildStep *record = g_ptr_array_index (self->build->steps, self->next - 1);

  self->events->log_appended (self, record->name, log, size, self->user_data);
}

static void
step_finished (BbStepRun *run, gpointer user_data)
{
  BbBuildRunner *self = user_data;
  guint position = self->next - 1;
  BbBuildStep *record = g_ptr_array_index (self->build->steps, position);

  record->state = BB_BUILD_FINISHED;
  record->finished_at_us = bb_loop_wall_us (self->loop);
  count_step (self, g_ptr_array_index (self->builder->steps, position), record);
  self->slaves_fault = self->slaves_fault || bb_step_run_is_slaves_fault (run);
  g_clear_object (&self->run);
  if (self->next < self->build->steps->len)
    self->events->step_finished (self, position, self->user_data);
  advance (self);
}

static const BbStepRunEvents step_events = { step_changed, step_log_appended, step_finished };

static void
start_step (BbBuildRunner *self, guint position)
{
  BbBuildStep *record = g_ptr_array_index (self->build->steps, position);
  const BbStepContext context = {
    .scope = { self->build->properties, self->slave_name, self->host_name, *self->build->builder == '\0' },
    .builder_env = (const char *const *) self->builder->env,
  };
  const BbStepRunParameters parameters = {
    .loop = self->loop,
    .link = self->link,
    .builder = self->builder_name,
    .directory = self->directory,
    .position = position,
    .step = g_ptr_array_index (self->builder->steps, position),
    .record = record,
    .split_output = *self->build->builder == '\0',
  };
  g_autoptr (BbStepRun) run = bb_step_run_new (&parameters, &step_events, self);

  record->state = BB_BUILD_RUNNING;
  record->started_at_us = bb_loop_wall_us (self->loop);
  self->run = g_object_ref (run);
  bb_step_run_start (run, &context);
}

static void
leave_out (BbBuildStep *record)
{
  record->state = BB_BUILD_FINISHED;
  record->result = BB_RESULT_SKIPPED;
  g_free (record->text);
  record->text = g_strdup ("not run: the build had ended");
}

/* Nothing more is begun, and somebody else shall begin anew. */
static void
make_retry (BbBuildRunner *self, const char *why)
{
  self->over = TRUE;
  if (self->cancelled)
    return;
  self->result = BB_RESULT_RETRY;
  bb_build_set_reason (self->build, why);
}

/* The next step that is to run, or the number of steps; those before it are marked as left out. */
static guint
find_next (BbBuildRunner *self)
{
  guint i;

  for (i = self->next; i < self->build->steps->len; i++)
    {
      const BbStepConfig *step = g_ptr_array_index (self->builder->steps, i);

      if (!self->over && (!self->halted || step->always_run))
        {
          if (self->lost == NULL)
            break;
          make_retry (self, self->lost); /* a loss counts when there was something left to do */
        }
      leave_out (g_ptr_array_index (self->build->steps, i));
    }
  return i;
}

static void
finish (BbBuildRunner *self)
{
  const BbBuildRunnerEvents *events = g_steal_pointer (&self->events);

  self->build->result = self->result;
  if (self->result == BB_RESULT_SUCCESS)
    bb_build_set_reason (self->build, "");
  g_signal_handlers_disconnect_by_data (self->link, self);
  events->finished (self, self->user_data);
}

/* One step after the other without a deeper stack for each that ends at once. */
static void
advance (BbBuildRunner *self)
{
  g_autoptr (BbBuildRunner) keep = NULL;

  self->again = TRUE;
  if (self->advancing)
    return;
  keep = g_object_ref (self);
  self->advancing = TRUE;
  while (self->again)
    {
      guint position = find_next (self);

      self->again = FALSE;
      self->next = position + 1;
      if (position < self->build->steps->len)
        start_step (self, position);
      else
        finish (self);
      if (self->events != NULL)
        self->events->changed (self, BB_BUILD_CHANGED_STEPS, self->user_data);
    }
  self->advancing = FALSE;
}

void
bb_build_runner_start (BbBuildRunner *self)
{
  g_return_if_fail (BB_IS_BUILD_RUNNER (self));

  if (self->build->steps->len == 0)
    bb_build_add_steps (self->build, self->builder);
  set_properties (self);
  self->events->changed (self, BB_BUILD_CHANGED_PROPERTIES, self->user_data);
  advance (self);
}

void
bb_build_runner_cancel (BbBuildRunner *self, const char *why)
{
  g_return_if_fail (BB_IS_BUILD_RUNNER (self));

  self->cancelled = TRUE;
  self->halted = TRUE;
  self->result = BB_RESULT_CANCELLED;
  bb_build_set_reason (self->build, why);
  if (self->run != NULL)
    bb_step_run_interrupt (self->run, BB_RESULT_CANCELLED, why);
}

void
bb_build_runner_stop (BbBuildRunner *self, const char *why)
{
  g_return_if_fail (BB_IS_BUILD_RUNNER (self));

  make_retry (self, why);
  if (self->run != NULL)
    bb_step_run_interrupt (self->run, BB_RESULT_RETRY, why);
}

void
bb_build_runner_abandon (BbBuildRunner *self, const char *why)
{
  g_return_if_fail (BB_IS_BUILD_RUNNER (self));

  make_retry (self, why);
  if (self->run != NULL)
    bb_step_run_abandon (self->run, self->cancelled ? BB_RESULT_CANCELLED : BB_RESULT_RETRY, why);
}
