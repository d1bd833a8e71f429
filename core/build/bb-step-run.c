/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-step-run.h"

#include "bb-build-log.h"
#include "bb-transfer.h"

struct _BbStepRun
{
  GObject parent_instance;

  BbLoop *loop;      /* owned */
  BbSlaveLink *link; /* owned */
  char *builder;
  char *directory;
  guint position;
  const BbStepConfig *step;
  const BbStepTypeInfo *type;
  BbBuildStep *record; /* NULL after finished() */
  gboolean split_output;
  const BbStepRunEvents *events; /* NULL after finished() */
  gpointer user_data;

  GPtrArray *commands; /* of GVariant *: arguments, made before the first is started */
  guint n_started;
  BbRemoteCommand *command; /* the one that runs; holds a reference to self */
  gboolean has_rc;
  gint64 rc;
  char *failure_reason; /* the slave's word for having killed it; (nullable) */

  GHashTable *logs; /* name → BbFileWriter (owned) */
  guint n_full;     /* writers that ask for a pause; the link is not read while there is any */
  guint n_open;     /* writers still to be closed at the end */
  BbTransfer *transfer; /* (nullable) */
  GCancellable *cancellable; /* of unpacking */

  BbResult verdict; /* BB_RESULT_NONE: as the slave says */
  char *verdict_text;
  gboolean slaves_fault;
  gboolean ending;
};

G_DEFINE_FINAL_TYPE (BbStepRun, bb_step_run, G_TYPE_OBJECT)

static void start_next_command (BbStepRun *self);
static void end (BbStepRun *self, BbResult result, const char *text);

static void
bb_step_run_finalize (GObject *object)
{
  BbStepRun *self = BB_STEP_RUN (object);

  g_clear_object (&self->loop);
  g_clear_object (&self->link);
  g_clear_object (&self->transfer);
  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->logs, g_hash_table_unref);
  g_clear_pointer (&self->commands, g_ptr_array_unref);
  g_free (self->builder);
  g_free (self->directory);
  g_free (self->failure_reason);
  g_free (self->verdict_text);
  G_OBJECT_CLASS (bb_step_run_parent_class)->finalize (object);
}

static void
bb_step_run_class_init (BbStepRunClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_step_run_finalize;
}

static void
bb_step_run_init (BbStepRun *self)
{
  self->verdict = BB_RESULT_NONE;
  self->commands = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  self->cancellable = g_cancellable_new ();
  self->logs = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
}

BbStepRun *
bb_step_run_new (const BbStepRunParameters *parameters, const BbStepRunEvents *events, gpointer user_data)
{
  BbStepRun *self = g_object_new (BB_TYPE_STEP_RUN, NULL);

  self->loop = g_object_ref (parameters->loop);
  self->link = g_object_ref (parameters->link);
  self->builder = g_strdup (parameters->builder);
  self->directory = g_strdup (parameters->directory);
  self->position = parameters->position;
  self->step = parameters->step;
  self->type = &bb_step_types[parameters->step->type];
  self->record = parameters->record;
  self->split_output = parameters->split_output;
  self->events = events;
  self->user_data = user_data;
  return self;
}

/* Reading is paused while any writer has too much to do, and goes on when none has. */
static void
backlog (BbStepRun *self, gboolean full)
{
  if (full && self->n_full++ == 0)
    bb_slave_link_set_reading (self->link, FALSE);
  else if (!full && --self->n_full == 0)
    bb_slave_link_set_reading (self->link, TRUE);
}

static void
writer_backlog (BbFileWriter *writer, gboolean full, gpointer user_data)
{
  backlog (user_data, full);
}

static void
writer_failed (BbFileWriter *writer, const GError *error, gpointer user_data)
{
  bb_step_run_interrupt (user_data, BB_RESULT_EXCEPTION, error->message);
}

static const char *
name_of_log (BbStepRun *self, BbFileWriter *writer)
{
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, self->logs);
  while (g_hash_table_iter_next (&iter, &name, &value))
    if (value == writer)
      return name;
  return NULL;
}

static void
log_written (BbFileWriter *writer, guint64 size, gpointer user_data)
{
  BbStepRun *self = user_data;
  const char *name = name_of_log (self, writer);

  if (self->events != NULL && name != NULL)
    self->events->log_appended (self, name, size, self->user_data);
}

static const BbFileWriterEvents log_events = { writer_backlog, log_written, writer_failed };
static const BbFileWriterEvents transfer_events = { writer_backlog, NULL, writer_failed };

static BbFileWriter *
add_log (BbStepRun *self, const char *name)
{
  g_autofree char *path = bb_build_log_path (self->directory, self->position, self->record->name, name);
  BbFileWriter *writer = bb_file_writer_new (self->loop, path, &log_events, self);

  g_hash_table_insert (self->logs, g_strdup (name), writer);
  if (!bb_build_step_has_log (self->record, name))
    {
      g_ptr_array_add (self->record->logs, g_strdup (name));
      self->events->changed (self, self->user_data);
    }
  return writer;
}

static gboolean
is_configured_log (BbStepRun *self, const char *name)
{
  gsize length = strlen (name);

  for (char **pair = self->step->logfiles; pair != NULL && *pair != NULL; pair++)
    if (strncmp (*pair, name, length) == 0 && (*pair)[length] == '=')
      return TRUE;
  return FALSE;
}

static void
append (BbStepRun *self, const char *name, const char *text, gsize length)
{
  BbFileWriter *writer = g_hash_table_lookup (self->logs, name);

  if (writer == NULL)
    writer = add_log (self, name);
  if (bb_file_writer_get_size (writer) + length > BB_LOG_LIMIT)
    {
      g_autofree char *why = g_strdup_printf ("log \"%s\" is larger than %" G_GUINT64_FORMAT " bytes", name,
                                              BB_LOG_LIMIT);

      bb_step_run_interrupt (self, BB_RESULT_FAILURE, why);
      return;
    }
  bb_file_writer_append (writer, text, length);
}

/* What the slave tells. */

static void
command_output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length,
                gpointer user_data)
{
  BbStepRun *self = user_data;

  if (self->ending)
    return;
  if (stream == BB_OUTPUT_LOG)
    {
      /* A peer does not choose names of files: only the configured ones. */
      if (log_name != NULL && is_configured_log (self, log_name))
        append (self, log_name, text, length);
      return;
    }
  append (self, BB_LOG_STDIO, text, length);
  if (self->split_output && stream != BB_OUTPUT_HEADER)
    append (self, stream == BB_OUTPUT_STDOUT ? BB_LOG_STDOUT : BB_LOG_STDERR, text, length);
}

static void
command_update (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data)
{
  BbStepRun *self = user_data;

  if (self->ending)
    return;
  if (g_str_equal (key, "rc") && g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    {
      self->has_rc = TRUE;
      self->rc = g_variant_get_int64 (value);
    }
  else if (g_str_equal (key, "failure_reason") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    {
      g_free (self->failure_reason);
      self->failure_reason = g_strndup (g_variant_get_string (value, NULL), 200);
    }
}

static gboolean
command_write (BbRemoteCommand *command, const guint8 *data, gsize length, gpointer user_data, GError **error)
{
  BbStepRun *self = user_data;
  g_autoptr (GError) local = NULL;

  if (self->ending)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_WRONG_STATE, "the step has ended");
      return FALSE;
    }
  if (self->transfer != NULL && bb_transfer_write (self->transfer, data, length, &local))
    return TRUE;
  if (local == NULL)
    g_set_error (&local, BB_ERROR, BB_ERROR_PROTOCOL, "the slave sent a file that nobody asked it for");
  if (self->verdict == BB_RESULT_NONE)
    {
      self->verdict = BB_RESULT_FAILURE;
      self->verdict_text = g_strdup (local->message);
    }
  g_propagate_error (error, g_steal_pointer (&local)); /* the link interrupts the command */
  return FALSE;
}

static void
command_close (BbRemoteCommand *command, gpointer user_data)
{
  /* Also sent after a failure: what was written goes into place at done, or not at all. */
}

static void
command_utime (BbRemoteCommand *command, double access_time, double modified_time, gpointer user_data)
{
  BbStepRun *self = user_data;

  if (!self->ending && self->transfer != NULL)
    bb_transfer_set_times (self->transfer, access_time, modified_time);
}

/* The answer to the slave's read; @block: (nullable) */
static void
give_block (BbStepRun *self, GBytes *block, const GError *error)
{
  if (error != NULL && self->verdict == BB_RESULT_NONE)
    {
      self->verdict = BB_RESULT_EXCEPTION;
      self->verdict_text = g_strdup (error->message);
    }
  bb_slave_link_give_block (self->link, self->command, block, error);
}

static void
block_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbStepRun) self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) block = bb_transfer_read_finish (BB_TRANSFER (source), result, &error);

  if (self->command != NULL) /* it may have ended meanwhile */
    give_block (self, block, error);
}

static void
command_read (BbRemoteCommand *command, gsize length, gpointer user_data)
{
  BbStepRun *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!self->ending && self->transfer != NULL)
    {
      bb_transfer_read_async (self->transfer, length, block_read_cb, g_object_ref (self));
      return;
    }
  error = g_error_new_literal (BB_ERROR, BB_ERROR_PROTOCOL, "the slave asked for a file that nobody sends it");
  give_block (self, NULL, error);
}

/* In words, why a command that the slave completed has failed; (transfer full). */
static char *
failure_text (BbStepRun *self)
{
  if (g_strcmp0 (self->failure_reason, "timeout_without_output") == 0)
    return g_strdup_printf ("killed after %g s without output", self->step->timeout);
  if (g_strcmp0 (self->failure_reason, "timeout") == 0)
    return g_strdup_printf ("killed after max_time=%g s", self->step->max_time);
  if (!self->has_rc)
    return g_strdup ("the slave reported no exit status");
  if (self->step->type == BB_STEP_SHELL && self->rc == -1)
    return g_strdup ("killed by a signal");
  if (self->step->type == BB_STEP_SHELL)
    return g_strdup_printf ("exit status %" G_GINT64_FORMAT, self->rc);
  return g_strdup_printf ("%s failed on the slave; its log says why", self->type->name);
}

static void
command_done (BbRemoteCommand *command, const GError *error, gpointer user_data)
{
  g_autoptr (BbStepRun) self = user_data; /* the command's reference */

  self->command = NULL;
  if (self->ending)
    return;
  if (self->step->type == BB_STEP_SHELL && self->has_rc && self->rc >= 0)
    self->record->exit_code = (gint) CLAMP (self->rc, 0, G_MAXINT);

  if (self->verdict != BB_RESULT_NONE)
    end (self, self->verdict, self->verdict_text);
  else if (error != NULL && g_error_matches (error, BB_ERROR, BB_ERROR_LOST))
    end (self, BB_RESULT_RETRY, error->message);
  else if (error != NULL)
    {
      self->slaves_fault = TRUE;
      end (self, BB_RESULT_EXCEPTION, error->message);
    }
  else if (!self->has_rc || self->rc != 0)
    {
      g_autofree char *text = failure_text (self);

      end (self, BB_RESULT_FAILURE, text);
    }
  else if (self->n_started < self->commands->len)
    start_next_command (self);
  else
    end (self, BB_RESULT_SUCCESS, "");
}

static const BbCommandEvents command_events = { command_output, command_update, command_write, command_close,
                                                command_utime,  command_read,   command_done };

static void
start_next_command (BbStepRun *self)
{
  GVariant *args = g_ptr_array_index (self->commands, self->n_started++);
  g_autoptr (GError) error = NULL;

  self->has_rc = FALSE;
  g_clear_pointer (&self->failure_reason, g_free);
  g_object_ref (self);
  self->command = bb_slave_link_start_command (self->link, self->builder, self->type->command, args, &command_events,
                                               self, &error);
  if (self->command == NULL)
    {
      end (self, g_error_matches (error, BB_ERROR, BB_ERROR_LOST) ? BB_RESULT_RETRY : BB_RESULT_EXCEPTION,
           error->message);
      g_object_unref (self);
    }
}

static void
prepared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbStepRun) self = user_data;
  g_autoptr (GError) error = NULL;

  if (self->ending)
    return; /* disconnected */
  if (!bb_transfer_prepare_finish (BB_TRANSFER (source), result, &error))
    end (self, BB_RESULT_FAILURE, error->message);
  else if (self->verdict != BB_RESULT_NONE)
    end (self, self->verdict, self->verdict_text);
  else
    start_next_command (self);
}

static gboolean
make_commands (BbStepRun *self, const BbStepContext *context, GError **error)
{
  for (guint i = 0; i < self->type->count (self->step); i++)
    {
      GVariant *args = self->type->make_args (self->step, i, context, error);

      if (args == NULL)
        return FALSE;
      g_ptr_array_add (self->commands, g_variant_ref_sink (args));
    }
  return TRUE;
}

static gboolean
make_transfer (BbStepRun *self, const BbStepContext *context, GError **error)
{
  g_autofree char *files = bb_build_files_directory (self->directory);
  g_autofree char *path = NULL;

  if (!bb_step_is_transfer (self->step))
    return TRUE;
  path = bb_transfer_resolve (self->step, context, files, error);
  if (path == NULL)
    return FALSE;
  self->transfer = bb_transfer_new (self->loop, self->step, path, &transfer_events, self);
  return TRUE;
}

void
bb_step_run_start (BbStepRun *self, const BbStepContext *context)
{
  g_autoptr (GError) error = NULL;

  g_return_if_fail (BB_IS_STEP_RUN (self));

  if (!bb_step_is_wanted (self->step, context, &error))
    end (self, error != NULL ? BB_RESULT_EXCEPTION : BB_RESULT_SKIPPED,
         error != NULL ? error->message : "skipped: do_step_if");
  else if (!make_commands (self, context, &error) || !make_transfer (self, context, &error))
    end (self, BB_RESULT_EXCEPTION, error->message);
  else if (self->commands->len == 0)
    end (self, BB_RESULT_SUCCESS, "");
  else
    {
      add_log (self, BB_LOG_STDIO);
      if (self->split_output)
        {
          add_log (self, BB_LOG_STDOUT);
          add_log (self, BB_LOG_STDERR);
        }
      if (self->transfer != NULL)
        bb_transfer_prepare_async (self->transfer, prepared_cb, g_object_ref (self));
      else
        start_next_command (self);
    }
}

/* The end. */

static void
finish (BbStepRun *self)
{
  const BbStepRunEvents *events = g_steal_pointer (&self->events);

  self->record = NULL;
  if (events != NULL)
    events->finished (self, self->user_data);
}

static void
log_closed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbStepRun) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!bb_file_writer_close_finish (BB_FILE_WRITER (source), result, &error) && self->record != NULL
      && self->record->result <= BB_RESULT_SKIPPED)
    {
      self->record->result = BB_RESULT_EXCEPTION;
      g_free (self->record->text);
      self->record->text = g_strdup (error->message);
    }
  if (--self->n_open == 0)
    finish (self);
}

static void
close_logs (BbStepRun *self)
{
  GHashTableIter iter;
  gpointer writer;

  self->n_open = 1 + g_hash_table_size (self->logs);
  g_hash_table_iter_init (&iter, self->logs);
  while (g_hash_table_iter_next (&iter, NULL, &writer))
    bb_file_writer_close_async (writer, log_closed_cb, g_object_ref (self));
  if (--self->n_open == 0)
    finish (self);
}

static void
set_outcome (BbStepRun *self, BbResult result, const char *text)
{
  if (self->record == NULL)
    return;
  self->record->result = result;
  g_free (self->record->text);
  self->record->text = g_strdup (text != NULL ? text : "");
}

static void
transfer_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbStepRun) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!bb_transfer_end_finish (BB_TRANSFER (source), result, &error) && self->record != NULL
      && self->record->result == BB_RESULT_SUCCESS)
    {
      if (self->verdict != BB_RESULT_NONE)
        set_outcome (self, self->verdict, self->verdict_text);
      else
        set_outcome (self, BB_RESULT_FAILURE, error->message);
    }
  close_logs (self);
}

static void
end (BbStepRun *self, BbResult result, const char *text)
{
  if (self->ending)
    return;
  self->ending = TRUE;
  set_outcome (self, result, text);
  if (self->transfer != NULL)
    bb_transfer_end_async (self->transfer, result == BB_RESULT_SUCCESS, self->cancellable, transfer_ended_cb,
                           g_object_ref (self));
  else
    close_logs (self);
}

void
bb_step_run_interrupt (BbStepRun *self, BbResult result, const char *why)
{
  g_return_if_fail (BB_IS_STEP_RUN (self));

  if (self->verdict != BB_RESULT_NONE)
    return;
  self->verdict = result;
  self->verdict_text = g_strdup (why);
  g_cancellable_cancel (self->cancellable);
  if (self->command != NULL && !self->ending)
    bb_slave_link_interrupt (self->link, self->command, why);
}

void
bb_step_run_abandon (BbStepRun *self, BbResult result, const char *why)
{
  g_return_if_fail (BB_IS_STEP_RUN (self));

  if (self->ending)
    return;
  if (self->command == NULL)
    {
      bb_step_run_interrupt (self, result, why); /* a transfer that is being prepared, which takes no slave */
      return;
    }
  bb_slave_link_interrupt (self->link, self->command, why);
  end (self, result, why);
}

gboolean
bb_step_run_is_slaves_fault (BbStepRun *self)
{
  g_return_val_if_fail (BB_IS_STEP_RUN (self), FALSE);

  return self->slaves_fault;
}

void
bb_step_run_disconnect (BbStepRun *self)
{
  g_return_if_fail (BB_IS_STEP_RUN (self));

  self->ending = TRUE;
  self->events = NULL;
  self->record = NULL;
}
