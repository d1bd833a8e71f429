/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-local-stop.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "bb-local-folder.h"
#include "bb-local-target.h"

/* Between looks at processes that are to end, growing. */
#define MIN_PAUSE 0.02
#define MAX_PAUSE 0.5

/* After SIGKILL: longer only while the kernel waits for a disk or a server. */
#define KILL_TIMEOUT 20.0

/* Stopping: look, signal, wait, until a look finds nothing; then the folder. */

typedef struct
{
  BbLocalTarget target;
  GArray *fds; /* of int: what we wait for */
  int signal;
  double deadline; /* of bb_delay_get_now(), for the present signal */
  double pause;
} Stop;

static void stop_look (GTask *task);

static void
close_all (GArray *fds)
{
  for (guint i = 0; i < fds->len; i++)
    close (g_array_index (fds, int, i));
  g_array_set_size (fds, 0);
}

static void
stop_free (gpointer data)
{
  Stop *stop = data;

  bb_local_target_clear (&stop->target);
  close_all (stop->fds);
  g_array_unref (stop->fds);
  g_free (stop);
}

static void
stop_signal (Stop *stop)
{
  for (guint i = 0; i < stop->fds->len; i++)
    pidfd_send_signal (g_array_index (stop->fds, int, i), stop->signal, NULL, 0);
}

/* Forgets the processes that have ended. */
static void
stop_sort_out (Stop *stop)
{
  for (guint i = stop->fds->len; i > 0; i--)
    {
      struct pollfd entry = { g_array_index (stop->fds, int, i - 1), POLLIN, 0 };

      if (poll (&entry, 1, 0) == 0)
        continue;
      close (entry.fd);
      g_array_remove_index_fast (stop->fds, i - 1);
    }
}

static void
stop_waited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GCancellable *cancellable;
  GError *error = NULL;

  if (!bb_delay_finish (result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  stop_sort_out (stop);
  if (stop->fds->len == 0)
    {
      stop_look (g_steal_pointer (&task));
      return;
    }
  if (bb_delay_get_now () >= stop->deadline)
    {
      if (stop->signal == SIGKILL)
        {
          g_task_return_new_error (task, BB_ERROR, BB_ERROR_TIMEOUT,
                                   "%u of its processes did not end within %.0f s of SIGKILL", stop->fds->len, KILL_TIMEOUT);
          return;
        }
      stop->signal = SIGKILL;
      stop->deadline = bb_delay_get_now () + KILL_TIMEOUT;
      stop->pause = MIN_PAUSE;
      stop_signal (stop);
    }
  stop->pause = MIN (stop->pause * 2, MAX_PAUSE);
  cancellable = g_task_get_cancellable (task);
  bb_delay_async (stop->pause, cancellable, stop_waited_cb, g_steal_pointer (&task));
}

/* Twice when there is nothing: a process that was made while we read may have a number that we had passed already. */
static GPtrArray *
list_what_is_left (const BbLocalTarget *target, GError **error)
{
  GPtrArray *processes = bb_local_target_list_processes (target, error);

  if (processes == NULL || processes->len > 0)
    return processes;
  g_ptr_array_unref (processes);
  return bb_local_target_list_processes (target, error);
}

/* Finds what is left and opens it. Sets @gone when there was nothing, and by now there is no folder either. */
static gboolean
stop_look_once (Stop *stop, gboolean *gone, GError **error)
{
  g_autoptr (GPtrArray) processes = list_what_is_left (&stop->target, error);

  *gone = FALSE;
  if (processes == NULL)
    return FALSE;
  for (guint i = 0; i < processes->len; i++)
    {
      const BbLocalProcess *process = g_ptr_array_index (processes, i);
      g_autoptr (GError) local_error = NULL;
      int fd = bb_local_process_open (process, &local_error);

      if (local_error != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      if (fd >= 0)
        g_array_append_val (stop->fds, fd);
      /* A row whose start was never answered does not know it. */
      bb_local_target_set_folder (&stop->target, process->directory);
    }
  if (processes->len > 0)
    return TRUE;
  *gone = stop->target.folder == NULL || bb_local_folder_remove (stop->target.folder, error);
  return *gone;
}

static void
stop_look_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  GError *error = NULL;
  gboolean gone;

  if (stop_look_once (task_data, &gone, &error))
    g_task_return_boolean (task, gone);
  else
    g_task_return_error (task, error);
}

static void
stop_looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  gboolean gone = g_task_propagate_boolean (G_TASK (result), &error);

  if (error != NULL)
    g_task_return_error (task, error);
  else if (gone)
    g_task_return_boolean (task, TRUE);
  else
    {
      GCancellable *cancellable = g_task_get_cancellable (task);

      stop_signal (stop);
      stop->pause = MIN_PAUSE;
      bb_delay_async (stop->pause, cancellable, stop_waited_cb, g_steal_pointer (&task));
    }
}

static void
stop_look (GTask *task)
{
  g_autoptr (GTask) thread = g_task_new (NULL, NULL, stop_looked_cb, task);

  g_task_set_task_data (thread, g_task_get_task_data (task), NULL);
  g_task_run_in_thread (thread, stop_look_thread);
}

void
bb_local_stop_async (BbInstance *instance, double timeout, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Stop *stop = g_new0 (Stop, 1);

  g_task_set_source_tag (task, bb_local_stop_async);
  g_task_set_check_cancellable (task, FALSE);
  bb_local_target_init (&stop->target, instance);
  stop->fds = g_array_new (FALSE, FALSE, sizeof (int));
  stop->signal = timeout < 0 ? SIGKILL : SIGTERM;
  stop->deadline = bb_delay_get_now () + (timeout < 0 ? KILL_TIMEOUT : timeout);
  g_task_set_task_data (task, stop, stop_free);
  if (!g_task_return_error_if_cancelled (task))
    stop_look (g_steal_pointer (&task));
}

gboolean
bb_local_stop_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
