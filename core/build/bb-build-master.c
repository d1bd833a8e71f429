/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-master.h"

#include "bb-build-listing.h"
#include "bb-build-loader.h"
#include "bb-build-log.h"
#include "bb-build-retention.h"
#include "bb-build-runner.h"
#include "bb-distributor.h"
#include "bb-log.h"
#include "bb-properties.h"
#include "bb-run-request.h"

/* How soon the end of a build is offered again to a store that could not take it. */
#define SAVE_AGAIN_US ((gint64) 10 * G_USEC_PER_SEC)
/* How long slaves may take, after the grace of a stop, to end what was interrupted. */
#define STOP_LIMIT_US ((gint64) 5 * G_USEC_PER_SEC)

struct _BbBuildMaster
{
  GObject parent_instance;

  BbSlaveManager *slaves; /* owned */
  BbLoop *loop;           /* owned */
  BbStore *store;         /* owned */
  char *state_directory;
  BbConfig *config;       /* owned; NULL before the first apply */
  GPtrArray *no_builders; /* what there is before it */
  BbDistributor *distributor;
  BbBuildRetention *retention;

  GHashTable *builds;  /* number (a member of the build) → BbBuild (owned): all whose end is not on disk yet */
  GHashTable *runners; /* BbBuild * → BbBuildRunner (owned) */
  GHashTable *unsaved; /* BbBuild * (set): finished, but the store could not take it */
  BbTimer save_timer;
  guint64 next_number; /* 0: not loaded yet */
  guint n_unfinished;

  GTask *stopping;      /* (nullable) */
  gboolean interrupted; /* its grace is over */
  BbTimer stop_timer;
};

G_DEFINE_FINAL_TYPE (BbBuildMaster, bb_build_master, G_TYPE_OBJECT)

enum
{
  BUILD_ADDED,
  BUILD_CHANGED,
  BUILD_FINISHED,
  LOG_APPENDED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void finish_build (BbBuildMaster *self, BbBuild *build, BbResult result);

static void
emit_changed (BbBuildMaster *self, BbBuild *build, guint mask)
{
  g_signal_emit (self, signals[BUILD_CHANGED], 0, build, mask);
}

static char *
explain (BbBuild *build, gpointer user_data)
{
  BbBuildMaster *self = user_data;

  return bb_distributor_explain (self->distributor, build);
}

/* From here on it is one of ours. */
static void
take_in (BbBuildMaster *self, BbBuild *build)
{
  build->explain = explain;
  build->explain_data = self;
  g_hash_table_insert (self->builds, &build->number, g_object_ref (build));
  self->n_unfinished++;
  bb_distributor_add (self->distributor, build);
  g_signal_emit (self, signals[BUILD_ADDED], 0, build);
}

/* The end of a build. */

/* Durable together with the end itself, so that a crash in between does not keep it from the notifiers. */
static GVariant *
end_to_row (BbBuildMaster *self, BbBuild *build)
{
  g_autoptr (GVariant) row = g_variant_ref_sink (bb_build_to_row (build));
  GVariantDict dict;

  if (self->config == NULL || bb_config_get_notifiers (self->config)->len == 0 || *build->builder == '\0'
      || build->result == BB_RESULT_RETRY)
    return g_steal_pointer (&row);
  g_variant_dict_init (&dict, row);
  g_variant_dict_insert (&dict, "notice_due", "b", TRUE);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static void
add_steps_to_batch (BbStoreBatch *batch, BbBuild *build, guint end)
{
  for (; build->n_stored_steps < end; build->n_stored_steps++)
    bb_store_batch_put (batch, &bb_table_steps, bb_build_step_to_row (build, build->n_stored_steps));
}

static void
forget_build (BbBuildMaster *self, BbBuild *build)
{
  build->explain = NULL;
  g_hash_table_remove (self->unsaved, build);
  g_hash_table_remove (self->builds, &build->number);
}

typedef struct
{
  BbBuildMaster *master; /* owned */
  BbBuild *build;        /* owned */
} Saving;

static void save_end (BbBuildMaster *self, BbBuild *build, BbBuild *retry);

static void
saved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Saving *saving = user_data;
  g_autoptr (BbBuildMaster) self = saving->master;
  g_autoptr (BbBuild) build = saving->build;
  g_autoptr (GError) error = NULL;

  g_free (saving);
  if (bb_store_commit_finish (BB_STORE (source), result, &error))
    {
      forget_build (self, build);
      return;
    }
  bb_log_build (G_LOG_LEVEL_WARNING, build->number, "its end can't be stored, and will be tried again: %s",
                error->message);
  g_hash_table_add (self->unsaved, build);
  if (self->stopping == NULL && !bb_timer_is_running (&self->save_timer))
    bb_timer_start_in (&self->save_timer, SAVE_AGAIN_US);
}

static void
save_end (BbBuildMaster *self, BbBuild *build, BbBuild *retry)
{
  g_autoptr (GVariant) row = end_to_row (self, build);
  BbStoreBatch *batch = bb_store_batch_new ();
  Saving *saving = g_new0 (Saving, 1);

  saving->master = g_object_ref (self);
  saving->build = g_object_ref (build);
  bb_store_batch_put (batch, &bb_table_builds, row);
  add_steps_to_batch (batch, build, build->steps->len);
  if (retry != NULL)
    bb_store_batch_put (batch, &bb_table_builds, bb_build_to_row (retry));
  bb_store_commit_async (self->store, batch, NULL, saved_cb, saving);
}

static void
save_again_cb (BbTimer *timer, gpointer user_data)
{
  BbBuildMaster *self = user_data;
  g_autoptr (GHashTable) unsaved = g_steal_pointer (&self->unsaved);
  GHashTableIter iter;
  gpointer build;

  self->unsaved = g_hash_table_new (NULL, NULL);
  g_hash_table_iter_init (&iter, unsaved);
  while (g_hash_table_iter_next (&iter, &build, NULL))
    {
      ((BbBuild *) build)->n_stored_steps = 0;
      save_end (self, build, NULL);
    }
}

/* What is shown until a slave adds its own: the builder's, and over them the request's. */
static void
set_first_properties (BbBuildMaster *self, BbBuild *build, const BbBuilderConfig *config)
{
  g_autoptr (GVariant) requested = bb_run_request_get_properties (build->request);
  GVariant *layers[] = { config != NULL ? config->properties : NULL, requested };
  g_autoptr (GVariant) merged = bb_properties_merge (layers, G_N_ELEMENTS (layers));

  bb_build_set_properties (build, merged);
}

/* An ad-hoc command's step and logs are there from the beginning, so that they can be opened and followed at once. */
static void
add_run_steps (BbBuild *build)
{
  BbBuilderConfig *builder = bb_run_request_to_builder (build->request);

  if (builder == NULL)
    return;
  bb_build_add_steps (build, builder);
  for (guint i = 0; i < build->steps->len; i++)
    {
      BbBuildStep *step = g_ptr_array_index (build->steps, i);

      g_ptr_array_add (step->logs, g_strdup (BB_LOG_STDIO));
      g_ptr_array_add (step->logs, g_strdup (BB_LOG_STDOUT));
      g_ptr_array_add (step->logs, g_strdup (BB_LOG_STDERR));
    }
  bb_run_request_free_builder (builder);
}

static const BbBuilderConfig *
find_builder (BbBuildMaster *self, const char *name)
{
  return self->config != NULL && *name != '\0' ? bb_config_find_builder (self->config, name) : NULL;
}

static void
finish_build (BbBuildMaster *self, BbBuild *build, BbResult result)
{
  g_autoptr (BbBuild) keep = g_object_ref (build);
  g_autoptr (BbBuild) retry = NULL;

  build->state = BB_BUILD_FINISHED;
  build->result = result;
  build->finished_at_us = bb_loop_wall_us (self->loop);
  self->n_unfinished--;
  if (result == BB_RESULT_RETRY)
    {
      retry = bb_build_new_retry (build, self->next_number++, build->finished_at_us);
      set_first_properties (self, retry, find_builder (self, retry->builder));
      add_run_steps (retry);
    }
  save_end (self, build, retry);
  bb_log_build (G_LOG_LEVEL_MESSAGE, build->number, "%s%s%s", bb_result_to_string (result),
                *build->reason != '\0' ? ": " : "", build->reason);
  emit_changed (self, build, BB_BUILD_CHANGED_STATE | BB_BUILD_CHANGED_STEPS);
  g_signal_emit (self, signals[BUILD_FINISHED], 0, build);
  if (retry != NULL)
    take_in (self, retry);
}

/* Running. */

static void
runner_changed (BbBuildRunner *runner, guint mask, gpointer user_data)
{
  emit_changed (user_data, bb_build_runner_get_build (runner), mask);
}

static void
runner_step_finished (BbBuildRunner *runner, guint position, gpointer user_data)
{
  BbBuildMaster *self = user_data;
  BbStoreBatch *batch = bb_store_batch_new ();

  add_steps_to_batch (batch, bb_build_runner_get_build (runner), position + 1);
  bb_store_commit_async (self->store, batch, NULL, NULL, NULL);
}

static void
runner_log_appended (BbBuildRunner *runner, const char *step, const char *log, guint64 size, gpointer user_data)
{
  g_signal_emit (user_data, signals[LOG_APPENDED], 0, bb_build_runner_get_build (runner), step, log, size);
}

static void
return_when_stopped (BbBuildMaster *self)
{
  g_autoptr (GTask) task = NULL;

  if (self->stopping == NULL || g_hash_table_size (self->runners) > 0)
    return;
  bb_timer_stop (&self->stop_timer);
  task = g_steal_pointer (&self->stopping);
  g_task_return_boolean (task, TRUE);
}

static void
runner_finished (BbBuildRunner *runner, gpointer user_data)
{
  BbBuildMaster *self = user_data;
  g_autoptr (BbBuild) build = g_object_ref (bb_build_runner_get_build (runner));

  bb_distributor_release (self->distributor, build, bb_build_runner_get_slave_result (runner));
  g_hash_table_remove (self->runners, build);
  finish_build (self, build, build->result);
  return_when_stopped (self);
}

static const BbBuildRunnerEvents runner_events = { runner_changed, runner_step_finished, runner_log_appended,
                                                   runner_finished };

static void
fill_in_builder (BbBuildMaster *self, BbBuild *build, BbBuildRunnerParameters *parameters)
{
  if (*build->builder == '\0')
    {
      parameters->builder = bb_run_request_to_builder (build->request);
      parameters->owner = (gpointer) parameters->builder;
      parameters->owner_free = (GDestroyNotify) bb_run_request_free_builder;
      parameters->builder_name = BB_RUN_BUILDER;
      return;
    }
  parameters->builder = find_builder (self, build->builder);
  parameters->builder_name = build->builder;
  if (parameters->builder != NULL)
    {
      parameters->owner = g_object_ref (self->config);
      parameters->owner_free = g_object_unref;
    }
}

/* A reload took the builder away, or the slave went, in the moment between: as if nothing had been. */
static void
put_back (BbBuildMaster *self, BbBuild *build)
{
  bb_distributor_release (self->distributor, build, BB_RESULT_RETRY);
  build->state = BB_BUILD_PENDING;
  bb_build_set_slave (build, "");
  bb_distributor_add (self->distributor, build);
  emit_changed (self, build, BB_BUILD_CHANGED_STATE);
}

static void
build_ready (BbBuild *build, BbSlave *slave, gpointer user_data)
{
  BbBuildMaster *self = user_data;
  g_autofree char *directory = bb_build_directory (self->state_directory, build->number);
  BbBuildRunnerParameters parameters = {
    .loop = self->loop,
    .build = build,
    .link = bb_slave_get_link (slave),
    .slave_name = bb_slave_get_name (slave),
    .slave_properties = bb_slave_get_settings (slave)->properties,
    .slave_info = bb_slave_get_info (slave),
    .instance_id = bb_slave_manager_get_instance_id (self->slaves, slave),
    .host_name = self->config != NULL ? bb_config_get_host (self->config)->name : "",
    .directory = directory,
  };
  g_autoptr (BbBuildRunner) runner = NULL;

  if (parameters.link != NULL)
    fill_in_builder (self, build, &parameters);
  if (parameters.builder == NULL)
    {
      put_back (self, build);
      return;
    }
  build->state = BB_BUILD_RUNNING;
  build->started_at_us = bb_loop_wall_us (self->loop);
  bb_build_set_reason (build, "");
  set_first_properties (self, build, parameters.builder);
  runner = bb_build_runner_new (&parameters, &runner_events, self);
  g_hash_table_insert (self->runners, build, g_object_ref (runner));
  emit_changed (self, build, BB_BUILD_CHANGED_STATE);
  bb_build_runner_start (runner);
  if (build->state == BB_BUILD_RUNNING)
    bb_store_put_async (self->store, &bb_table_builds,
                        g_variant_new_parsed ("{'number': <%x>, 'state': <'running'>, 'slave': <%s>, "
                                              "'started_at': <%x>}",
                                              (gint64) build->number, build->slave, build->started_at_us),
                        NULL, NULL, NULL);
}

static void
build_waits (BbBuild *build, gpointer user_data)
{
  emit_changed (user_data, build, BB_BUILD_CHANGED_STATE);
}

static void
build_hopeless (BbBuild *build, const GError *error, gpointer user_data)
{
  bb_build_set_reason (build, error->message);
  finish_build (user_data, build, BB_RESULT_EXCEPTION);
}

static const BbDistributorEvents distributor_events = { build_ready, build_waits, build_hopeless };

/* Requests. */

static void
submitted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbBuildMaster *self = g_task_get_source_object (task);
  GPtrArray *builds = g_task_get_task_data (task);
  GError *error = NULL;

  if (!bb_store_commit_finish (BB_STORE (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < builds->len; i++)
    take_in (self, g_ptr_array_index (builds, i));
  g_task_return_pointer (task, g_ptr_array_ref (builds), (GDestroyNotify) g_ptr_array_unref);
}

/* @builders: one, or those of a build set; "" for an ad-hoc command. */
static void
submit (BbBuildMaster *self, GTask *task, const char *const *builders, const char *slave, GVariant *request)
{
  GPtrArray *builds = g_ptr_array_new_with_free_func (g_object_unref);
  BbStoreBatch *batch = bb_store_batch_new ();
  gint64 build_set = builders[1] != NULL ? (gint64) self->next_number : 0;

  for (guint i = 0; builders[i] != NULL; i++)
    {
      BbBuild *build = bb_build_new (self->next_number++, builders[i], slave, request);

      build->build_set = build_set;
      build->submitted_at_us = bb_loop_wall_us (self->loop);
      set_first_properties (self, build, find_builder (self, builders[i]));
      add_run_steps (build);
      bb_store_batch_put (batch, &bb_table_builds, bb_build_to_row (build));
      g_ptr_array_add (builds, build);
    }
  g_task_set_task_data (task, builds, (GDestroyNotify) g_ptr_array_unref);
  bb_store_commit_async (self->store, batch, NULL, submitted_cb, g_object_ref (task));
}

static gboolean
check_loaded (BbBuildMaster *self, GError **error)
{
  if (self->next_number > 0)
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "bbhostd is starting");
  return FALSE;
}

static gboolean
check_slave (BbBuildMaster *self, const BbBuilderConfig *builder, const char *slave, GError **error)
{
  g_autofree char *names = NULL;

  if (*slave == '\0')
    return TRUE;
  if (bb_slave_manager_find (self->slaves, slave) == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_SLAVE, "there is no slave \"%s\"", slave);
      return FALSE;
    }
  if (builder == NULL || builder->slavenames == NULL
      || g_strv_contains ((const char *const *) builder->slavenames, slave))
    return TRUE;
  names = g_strjoinv (", ", builder->slavenames);
  g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "slave \"%s\" does not run builder \"%s\"; these do: %.500s",
               slave, builder->name, names);
  return FALSE;
}

static const BbBuilderConfig *
check_builder (BbBuildMaster *self, const char *name, GError **error)
{
  const BbBuilderConfig *builder = find_builder (self, name);
  GPtrArray *builders = bb_build_master_get_builders (self);
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  const char *nearest;

  if (builder != NULL)
    return builder;
  for (guint i = 0; i < builders->len; i++)
    g_ptr_array_add (names, ((const BbBuilderConfig *) builders->pdata[i])->name);
  g_ptr_array_add (names, NULL);
  nearest = bb_option_nearest (name, (const char *const *) names->pdata);
  if (nearest != NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_BUILDER, "there is no builder \"%s\"; did you mean \"%s\"?", name,
                 nearest);
  else
    g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_BUILDER, "there is no builder \"%s\"", name);
  return NULL;
}

static gboolean
check_builders (BbBuildMaster *self, const char *const *builders, const char *slave, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (builders[0] == NULL)
    {
      g_set_error_literal (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "at least one builder is needed");
      return FALSE;
    }
  for (guint i = 0; builders[i] != NULL; i++)
    {
      const BbBuilderConfig *config = check_builder (self, builders[i], error);

      if (config == NULL || !check_slave (self, config, slave, error))
        return FALSE;
      if (!g_hash_table_add (seen, (gpointer) builders[i]))
        {
          g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "builder \"%s\" is named twice", builders[i]);
          return FALSE;
        }
    }
  return TRUE;
}

void
bb_build_master_submit_set_async (BbBuildMaster *self, const char *const *builders, GVariant *options,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GVariant) sunk = g_variant_ref_sink (options);
  g_autoptr (GVariant) request = NULL;
  const char *slave = "";
  GError *error = NULL;

  g_return_if_fail (BB_IS_BUILD_MASTER (self));
  g_return_if_fail (builders != NULL);

  g_task_set_source_tag (task, bb_build_master_submit_set_async);
  g_task_set_check_cancellable (task, FALSE); /* what was stored will be built */
  if (check_loaded (self, &error))
    request = bb_run_request_new (NULL, sunk, &error);
  if (request != NULL)
    g_variant_lookup (sunk, "slave", "&s", &slave);
  if (request == NULL || !check_builders (self, builders, slave, &error))
    g_task_return_error (task, error);
  else
    submit (self, task, builders, slave, request);
}

void
bb_build_master_submit_async (BbBuildMaster *self, const char *builder, GVariant *options, GCancellable *cancellable,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  const char *const builders[] = { builder, NULL };

  g_return_if_fail (builder != NULL);

  bb_build_master_submit_set_async (self, builders, options, cancellable, callback, user_data);
}

void
bb_build_master_run_async (BbBuildMaster *self, const char *slave, const char *const *argv, GVariant *options,
                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  static const char *const no_builder[] = { "", NULL };
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GVariant) sunk = g_variant_ref_sink (options);
  g_autoptr (GVariant) request = NULL;
  GError *error = NULL;

  g_return_if_fail (BB_IS_BUILD_MASTER (self));
  g_return_if_fail (slave != NULL && argv != NULL);

  g_task_set_source_tag (task, bb_build_master_run_async);
  g_task_set_check_cancellable (task, FALSE);
  if (check_loaded (self, &error) && check_slave (self, NULL, slave, &error))
    request = bb_run_request_new (argv, sunk, &error);
  if (request == NULL)
    g_task_return_error (task, error);
  else
    submit (self, task, no_builder, slave, request);
}

GPtrArray *
bb_build_master_submit_set_finish (BbBuildMaster *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

BbBuild *
bb_build_master_submit_finish (BbBuildMaster *self, GAsyncResult *result, GError **error)
{
  g_autoptr (GPtrArray) builds = bb_build_master_submit_set_finish (self, result, error);

  return builds != NULL ? g_object_ref (g_ptr_array_index (builds, 0)) : NULL;
}

gboolean
bb_build_master_cancel (BbBuildMaster *self, BbBuild *build, const char *reason, GError **error)
{
  BbBuildRunner *runner;

  g_return_val_if_fail (BB_IS_BUILD_MASTER (self), FALSE);
  g_return_val_if_fail (BB_IS_BUILD (build), FALSE);

  if (reason == NULL || *reason == '\0')
    reason = "cancelled";
  runner = g_hash_table_lookup (self->runners, build);
  if (build->state == BB_BUILD_FINISHED)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "build %" G_GUINT64_FORMAT " has ended: %s", build->number,
                   bb_result_to_string (build->result));
      return FALSE;
    }
  if (runner != NULL)
    {
      bb_build_runner_cancel (runner, reason);
      return TRUE;
    }
  bb_distributor_remove (self->distributor, build);
  bb_build_set_reason (build, reason);
  finish_build (self, build, BB_RESULT_CANCELLED);
  return TRUE;
}

/* Loading. */

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbBuildMaster *self = g_task_get_source_object (task);
  g_autoptr (GPtrArray) pending = NULL;
  guint64 next_number;
  GError *error = NULL;

  pending = bb_build_loader_load_finish (BB_STORE (source), result, &next_number, &error);
  if (pending == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self->next_number = next_number;
  for (guint i = 0; i < pending->len; i++)
    {
      BbBuild *build = g_ptr_array_index (pending, i);

      set_first_properties (self, build, find_builder (self, build->builder));
      add_run_steps (build);
      take_in (self, build);
    }
  g_task_return_boolean (task, TRUE);
}

void
bb_build_master_load_async (BbBuildMaster *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_return_if_fail (BB_IS_BUILD_MASTER (self));
  g_return_if_fail (self->next_number == 0);

  g_task_set_source_tag (task, bb_build_master_load_async);
  g_task_set_check_cancellable (task, FALSE);
  bb_build_loader_load_async (self->store, bb_loop_wall_us (self->loop), loaded_cb, g_object_ref (task));
}

gboolean
bb_build_master_load_finish (BbBuildMaster *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_build_master_apply (BbBuildMaster *self, BbConfig *config)
{
  g_return_if_fail (BB_IS_BUILD_MASTER (self));

  g_set_object (&self->config, config);
  bb_distributor_apply (self->distributor, config);
  bb_build_retention_set (self->retention, bb_config_get_host (config)->log_retention);
}

/* Questions. */

BbBuild *
bb_build_master_find (BbBuildMaster *self, guint64 number)
{
  g_return_val_if_fail (BB_IS_BUILD_MASTER (self), NULL);

  return g_hash_table_lookup (self->builds, &number);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;
  GVariant *list = bb_build_listing_finish (BB_STORE (source), result, &error);

  if (list != NULL)
    g_task_return_pointer (task, list, (GDestroyNotify) g_variant_unref);
  else
    g_task_return_error (task, error);
}

void
bb_build_master_list_async (BbBuildMaster *self, GVariant *filter, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GVariant) sunk = g_variant_ref_sink (filter);
  g_autoptr (GPtrArray) live = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer build;
  GError *error = NULL;

  g_return_if_fail (BB_IS_BUILD_MASTER (self));

  g_task_set_source_tag (task, bb_build_master_list_async);
  if (!bb_build_filter_check (sunk, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_hash_table_iter_init (&iter, self->builds);
  while (g_hash_table_iter_next (&iter, NULL, &build))
    g_ptr_array_add (live, build);
  bb_build_listing_async (self->store, live, sunk, cancellable, listed_cb, g_object_ref (task));
}

GVariant *
bb_build_master_list_finish (BbBuildMaster *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

GVariant *
bb_build_master_describe (BbBuild *build)
{
  g_return_val_if_fail (BB_IS_BUILD (build), NULL);

  return bb_build_describe (build);
}

GVariant *
bb_build_master_describe_steps (BbBuild *build)
{
  g_return_val_if_fail (BB_IS_BUILD (build), NULL);

  return bb_build_describe_steps (build);
}

/* The path of a log that @build has announced; (transfer full) (nullable). */
static char *
find_live_log (BbBuildMaster *self, BbBuild *build, const char *step, const char *log)
{
  g_autofree char *directory = bb_build_directory (self->state_directory, build->number);

  if (*log == '\0')
    log = BB_LOG_STDIO;
  for (guint i = 0; i < build->steps->len; i++)
    {
      const BbBuildStep *record = g_ptr_array_index (build->steps, i);

      if ((*step == '\0' || g_str_equal (record->name, step)) && bb_build_step_has_log (record, log))
        return bb_build_log_path (directory, i, record->name, log);
    }
  return NULL;
}

int
bb_build_master_open_log (BbBuildMaster *self, guint64 number, const char *step, const char *log, GError **error)
{
  g_autofree char *directory = NULL;
  g_autofree char *path = NULL;
  BbBuild *build;

  g_return_val_if_fail (BB_IS_BUILD_MASTER (self), -1);
  g_return_val_if_fail (step != NULL && log != NULL, -1);

  build = bb_build_master_find (self, number);
  if (build == NULL && (number == 0 || number >= self->next_number))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_BUILD, "there is no build %" G_GUINT64_FORMAT, number);
      return -1;
    }
  path = build != NULL ? find_live_log (self, build, step, log) : NULL;
  if (path != NULL)
    return bb_build_log_open_new (path, error);
  directory = bb_build_directory (self->state_directory, number);
  return bb_build_log_open (directory, step, log, error);
}

guint
bb_build_master_count_pending (BbBuildMaster *self)
{
  g_return_val_if_fail (BB_IS_BUILD_MASTER (self), 0);

  return self->n_unfinished - g_hash_table_size (self->runners);
}

guint
bb_build_master_count_running (BbBuildMaster *self)
{
  g_return_val_if_fail (BB_IS_BUILD_MASTER (self), 0);

  return g_hash_table_size (self->runners);
}

GPtrArray *
bb_build_master_get_builders (BbBuildMaster *self)
{
  g_return_val_if_fail (BB_IS_BUILD_MASTER (self), NULL);

  return self->config != NULL ? bb_config_get_builders (self->config) : self->no_builders;
}

/* Stopping. */

static void
stop_time_over_cb (BbTimer *timer, gpointer user_data)
{
  BbBuildMaster *self = user_data;
  g_autoptr (GPtrArray) runners = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer runner;

  g_hash_table_iter_init (&iter, self->runners);
  while (g_hash_table_iter_next (&iter, NULL, &runner))
    g_ptr_array_add (runners, g_object_ref (runner));
  for (guint i = 0; i < runners->len; i++)
    if (self->interrupted)
      bb_build_runner_abandon (g_ptr_array_index (runners, i), BB_BUILD_STOPPED_REASON);
    else
      bb_build_runner_stop (g_ptr_array_index (runners, i), BB_BUILD_STOPPED_REASON);
  if (!self->interrupted && g_hash_table_size (self->runners) > 0)
    bb_timer_start_in (&self->stop_timer, STOP_LIMIT_US);
  self->interrupted = TRUE;
}

void
bb_build_master_shutdown_async (BbBuildMaster *self, gint64 deadline_us, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_return_if_fail (BB_IS_BUILD_MASTER (self));
  g_return_if_fail (self->stopping == NULL);

  self->stopping = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (self->stopping, bb_build_master_shutdown_async);
  bb_build_retention_stop (self->retention);
  bb_distributor_stop (self->distributor);
  bb_timer_start_at (&self->stop_timer, deadline_us);
  return_when_stopped (self);
}

gboolean
bb_build_master_shutdown_finish (BbBuildMaster *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
bb_build_master_dispose (GObject *object)
{
  BbBuildMaster *self = BB_BUILD_MASTER (object);
  GHashTableIter iter;
  gpointer build;

  bb_timer_stop (&self->save_timer);
  bb_timer_stop (&self->stop_timer);
  if (self->builds != NULL)
    {
      g_hash_table_iter_init (&iter, self->builds);
      while (g_hash_table_iter_next (&iter, NULL, &build))
        ((BbBuild *) build)->explain = NULL;
    }
  if (self->distributor != NULL)
    bb_distributor_disconnect (self->distributor);
  g_clear_pointer (&self->runners, g_hash_table_unref);
  g_clear_pointer (&self->unsaved, g_hash_table_unref);
  g_clear_pointer (&self->builds, g_hash_table_unref);
  g_clear_object (&self->distributor);
  g_clear_object (&self->retention);
  g_clear_object (&self->config);
  g_clear_object (&self->slaves);
  g_clear_object (&self->store);
  g_clear_object (&self->loop);
  G_OBJECT_CLASS (bb_build_master_parent_class)->dispose (object);
}

static void
bb_build_master_finalize (GObject *object)
{
  BbBuildMaster *self = BB_BUILD_MASTER (object);

  g_free (self->state_directory);
  g_ptr_array_unref (self->no_builders);
  G_OBJECT_CLASS (bb_build_master_parent_class)->finalize (object);
}

static void
bb_build_master_class_init (BbBuildMasterClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GType type = G_TYPE_FROM_CLASS (klass);

  object_class->dispose = bb_build_master_dispose;
  object_class->finalize = bb_build_master_finalize;

  signals[BUILD_ADDED] = g_signal_new ("build-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                       BB_TYPE_BUILD);
  signals[BUILD_CHANGED] = g_signal_new ("build-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2,
                                         BB_TYPE_BUILD, G_TYPE_UINT);
  signals[BUILD_FINISHED] = g_signal_new ("build-finished", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                          1,
                                          BB_TYPE_BUILD);
  signals[LOG_APPENDED] = g_signal_new ("log-appended", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 4,
                                        BB_TYPE_BUILD, G_TYPE_STRING, G_TYPE_STRING, G_TYPE_UINT64);
}

static void
bb_build_master_init (BbBuildMaster *self)
{
  self->builds = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_object_unref);
  self->runners = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
  self->unsaved = g_hash_table_new (NULL, NULL);
  self->no_builders = g_ptr_array_new ();
}

BbBuildMaster *
bb_build_master_new (BbSlaveManager *slaves, BbLoop *loop, BbStore *store, const char *state_directory)
{
  BbBuildMaster *self = g_object_new (BB_TYPE_BUILD_MASTER, NULL);

  self->slaves = g_object_ref (slaves);
  self->loop = g_object_ref (loop);
  self->store = g_object_ref (store);
  self->state_directory = g_strdup (state_directory);
  self->distributor = bb_distributor_new (slaves, loop, &distributor_events, self);
  self->retention = bb_build_retention_new (loop, store, state_directory);
  bb_timer_init (&self->save_timer, loop, save_again_cb, self);
  bb_timer_init (&self->stop_timer, loop, stop_time_over_cb, self);
  return self;
}
