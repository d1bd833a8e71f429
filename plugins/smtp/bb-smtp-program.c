/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-program.h"

#include <bbhost/bbhost.h>
#include <signal.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define OUTPUT_LIMIT (1024 * 1024)

typedef struct
{
  GSubprocess *process;
  GCancellable *limit; /* ends the wait for its time limit when it has ended */
  GCancellable *stop;  /* ends the reading: too late, too much, or the caller's wish */
  GCancellable *cancellable; /* the caller's; (nullable) */
  gulong cancelled_id;
  char *command;
  char *input;
  GString *output;
  char buffer[4096];
  gboolean late;
} Program;

static void
program_free (gpointer data)
{
  Program *program = data;

  g_cancellable_disconnect (program->cancellable, program->cancelled_id);
  g_clear_object (&program->cancellable);
  g_cancellable_cancel (program->limit);
  g_clear_object (&program->limit);
  g_clear_object (&program->stop);
  g_clear_object (&program->process);
  g_free (program->command);
  g_free (program->input);
  g_string_free (program->output, TRUE);
  g_free (program);
}

static void
time_limit_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Program *program = g_task_get_task_data (task);

  if (!bb_delay_finish (result, NULL))
    return;
  program->late = TRUE;
  /* What it has started may keep its output open. */
  g_cancellable_cancel (program->stop);
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static void
return_output (GTask *task)
{
  Program *program = g_task_get_task_data (task);

  g_cancellable_cancel (program->limit);
  if (!g_subprocess_get_successful (program->process))
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "%s: failed with status %d", program->command,
                             g_subprocess_get_status (program->process));
  else if (!g_utf8_validate_len (program->output->str, program->output->len, NULL))
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "%s: printed what is not UTF-8", program->command);
  else
    g_task_return_pointer (task, g_strdup (program->output->str), g_free);
}

/* With what it has started: it leads a process group. */
static void
kill_all (GSubprocess *process)
{
  const char *id = g_subprocess_get_identifier (process);

  if (id != NULL)
    kill (-(pid_t) g_ascii_strtoll (id, NULL, 10), SIGKILL);
}

static void
give_up (GTask *task, const GError *error)
{
  Program *program = g_task_get_task_data (task);

  g_cancellable_cancel (program->limit);
  kill_all (program->process);
  if (program->late)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_TIMEOUT, "%s: took too long and was stopped", program->command);
  else if (program->output->len > OUTPUT_LIMIT)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "%s: printed more than 1 MiB", program->command);
  else
    g_task_return_new_error (task, error->domain, error->code, "%s: %s", program->command, error->message);
}

static void
ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (g_subprocess_wait_finish (G_SUBPROCESS (source), result, &error))
    return_output (task);
  else
    give_up (task, error);
}

static void read_on (GTask *task);

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Program *program = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  gssize length = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (length > 0)
    g_string_append_len (program->output, program->buffer, length);
  if (length < 0 || program->output->len > OUTPUT_LIMIT)
    {
      give_up (task, error);
      g_object_unref (task);
    }
  else if (length > 0)
    read_on (task);
  else
    g_subprocess_wait_async (program->process, program->stop, ended_cb, task);
}

static void
read_on (GTask *task)
{
  Program *program = g_task_get_task_data (task);

  g_input_stream_read_async (g_subprocess_get_stdout_pipe (program->process), program->buffer, sizeof program->buffer,
                             G_PRIORITY_DEFAULT, program->stop, read_cb, task);
}

/* A program that does not read its input is none the worse for it. */
static void
input_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL);
  g_output_stream_close_async (G_OUTPUT_STREAM (source), G_PRIORITY_DEFAULT, NULL, NULL, NULL);
}

static void
lead_group (gpointer user_data)
{
  setpgid (0, 0);
}

static gboolean
spawn (Program *program, const char *argument, GError **error)
{
  g_auto (GStrv) argv = NULL;
  g_autoptr (GPtrArray) all = g_ptr_array_new ();
  g_autoptr (GSubprocessLauncher) launcher
    = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);

  g_subprocess_launcher_set_child_setup (launcher, lead_group, NULL, NULL);
  if (!g_shell_parse_argv (program->command, NULL, &argv, error))
    return FALSE;
  for (guint i = 0; argv[i] != NULL; i++)
    g_ptr_array_add (all, argv[i]);
  g_ptr_array_add (all, (gpointer) argument);
  g_ptr_array_add (all, NULL);
  program->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) all->pdata, error);
  return program->process != NULL;
}

void
bb_smtp_run_program_async (const char *command, const char *argument, const char *input, double seconds,
                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Program *program = g_new0 (Program, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, bb_smtp_run_program_async);
  g_task_set_task_data (task, program, program_free);
  program->limit = g_cancellable_new ();
  program->stop = g_cancellable_new ();
  program->command = g_strdup (command);
  program->input = g_strdup (input != NULL ? input : "");
  program->output = g_string_new (NULL);
  if (!spawn (program, argument, &error))
    {
      g_prefix_error (&error, "%s: ", command);
      g_task_return_error (task, error);
      return;
    }
  if (cancellable != NULL)
    {
      program->cancellable = g_object_ref (cancellable);
      program->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb),
                                                     g_object_ref (program->stop), g_object_unref);
    }
  bb_delay_async (seconds, program->limit, time_limit_cb, g_object_ref (task));
  g_output_stream_write_all_async (g_subprocess_get_stdin_pipe (program->process), program->input,
                                   strlen (program->input), G_PRIORITY_DEFAULT, program->stop, input_written_cb,
                                   g_object_ref (task));
  read_on (g_steal_pointer (&task));
}

char *
bb_smtp_run_program_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
