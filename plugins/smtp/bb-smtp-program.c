/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-program.h"

#include <bbhost/bbhost.h>
#include <string.h>

#define OUTPUT_LIMIT (1024 * 1024)

typedef struct
{
  GSubprocess *process;
  GCancellable *limit; /* ends the wait for its time limit when it has ended */
  char *command;
  gboolean late;
} Program;

static void
program_free (gpointer data)
{
  Program *program = data;

  g_cancellable_cancel (program->limit);
  g_clear_object (&program->limit);
  g_clear_object (&program->process);
  g_free (program->command);
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
  g_subprocess_force_exit (program->process);
}

static void
program_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Program *program = g_task_get_task_data (task);
  g_autofree char *output = NULL;
  GError *error = NULL;
  gboolean done = g_subprocess_communicate_utf8_finish (program->process, result, &output, NULL, &error);

  g_cancellable_cancel (program->limit);
  if (!done)
    {
      g_subprocess_force_exit (program->process);
      g_prefix_error (&error, "%s: ", program->command);
      g_task_return_error (task, error);
    }
  else if (program->late)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_TIMEOUT, "%s: took too long and was stopped", program->command);
  else if (!g_subprocess_get_successful (program->process))
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "%s: failed with status %d", program->command,
                             g_subprocess_get_status (program->process));
  else if (output == NULL || strlen (output) > OUTPUT_LIMIT)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "%s: printed more than 1 MiB", program->command);
  else
    g_task_return_pointer (task, g_steal_pointer (&output), g_free);
}

void
bb_smtp_run_program_async (const char *command, const char *argument, const char *input, double seconds,
                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Program *program = g_new0 (Program, 1);
  g_auto (GStrv) argv = NULL;
  GError *error = NULL;

  g_task_set_source_tag (task, bb_smtp_run_program_async);
  g_task_set_task_data (task, program, program_free);
  program->limit = g_cancellable_new ();
  program->command = g_strdup (command);
  if (g_shell_parse_argv (command, NULL, &argv, &error))
    {
      g_autoptr (GPtrArray) all = g_ptr_array_new ();

      for (guint i = 0; argv[i] != NULL; i++)
        g_ptr_array_add (all, argv[i]);
      g_ptr_array_add (all, (gpointer) argument);
      g_ptr_array_add (all, NULL);
      program->process = g_subprocess_newv ((const char *const *) all->pdata,
                                            G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
    }
  if (program->process == NULL)
    {
      g_prefix_error (&error, "%s: ", command);
      g_task_return_error (task, error);
      return;
    }
  bb_delay_async (seconds, program->limit, time_limit_cb, g_object_ref (task));
  g_subprocess_communicate_utf8_async (program->process, input, cancellable, program_ended_cb,
                                       g_steal_pointer (&task));
}

char *
bb_smtp_run_program_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
