/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-local-process.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fields of /proc/PID/stat behind the name, which may hold blanks and parentheses itself: proc(5). */
enum
{
  STAT_STATE = 0,
  STAT_SESSION = 3,
  STAT_FLAGS = 6,
  STAT_START = 19,
};

#define PF_KTHREAD 0x00200000u /* of the kernel's sched.h */

/* How long a program may take to begin, while it has no environment that could be read. */
#define MAX_LOOKS 200
#define LOOK_PAUSE_US 1000

static void
process_free (gpointer data)
{
  BbLocalProcess *process = data;

  g_free (process->token);
  g_free (process->store);
  g_free (process->slave);
  g_free (process->directory);
  g_free (process);
}

/* FALSE when there is no such process, nothing but its exit status is left of it, or it is the kernel's own. */
static gboolean
read_stat (pid_t pid, BbLocalProcess *process)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  const char *close;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  close = strrchr (text, ')');
  if (close == NULL || close[1] != ' ')
    return FALSE;
  fields = g_strsplit (close + 2, " ", STAT_START + 2);
  if (g_strv_length (fields) <= STAT_START)
    return FALSE;
  process->pid = pid;
  process->session = (pid_t) g_ascii_strtoll (fields[STAT_SESSION], NULL, 10);
  process->start = g_ascii_strtoull (fields[STAT_START], NULL, 10);
  if (g_ascii_strtoull (fields[STAT_FLAGS], NULL, 10) & PF_KTHREAD)
    return FALSE;
  return *fields[STAT_STATE] != 'Z' && *fields[STAT_STATE] != 'X';
}

static char *
read_file (pid_t pid, const char *name, gsize *length)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/%s", (int) pid, name);
  char *text = NULL;

  *length = 0;
  return g_file_get_contents (path, &text, length, NULL) ? text : NULL;
}

/*
 * While one program gives way to the next (execve) a process has neither environment nor arguments, and what was opened
 * before reads as empty. To take it for a stranger then would be to lose it. A process that really has no environment
 * has arguments, twice in a row.
 */
static char *
read_environment (pid_t pid, gsize *length)
{
  gboolean had_arguments = FALSE;

  for (guint looks = 0; looks < MAX_LOOKS; looks++)
    {
      g_autofree char *text = read_file (pid, "environ", length);
      g_autofree char *arguments = NULL;
      gsize arguments_length;

      if (text == NULL || *length > 0)
        return g_steal_pointer (&text);
      arguments = read_file (pid, "cmdline", &arguments_length);
      if (arguments == NULL || (arguments_length > 0 && had_arguments))
        return NULL;
      had_arguments = arguments_length > 0;
      g_usleep (LOOK_PAUSE_US);
    }
  return NULL;
}

static void
read_marks (BbLocalProcess *process)
{
  const struct
  {
    const char *name;
    char **value;
  } marks[] = {
    { BB_LOCAL_ENV_TOKEN "=", &process->token },
    { BB_LOCAL_ENV_STORE "=", &process->store },
    { BB_LOCAL_ENV_SLAVE "=", &process->slave },
    { BB_LOCAL_ENV_DIRECTORY "=", &process->directory },
  };
  gsize length;
  g_autofree char *text = read_environment (process->pid, &length);

  if (text == NULL)
    return;
  for (const char *item = text; item < text + length; item += strlen (item) + 1)
    for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
      if (*marks[i].value == NULL && g_str_has_prefix (item, marks[i].name))
        *marks[i].value = g_strdup (item + strlen (marks[i].name));
}

static gboolean
is_ours (const char *name)
{
  g_autofree char *path = g_build_filename ("/proc", name, NULL);
  struct stat status;

  return stat (path, &status) == 0 && status.st_uid == geteuid ();
}

GPtrArray *
bb_local_process_list (GError **error)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, error);
  GPtrArray *processes;
  const char *name;

  if (dir == NULL)
    return NULL;
  processes = g_ptr_array_new_with_free_func (process_free);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      pid_t pid = (pid_t) g_ascii_strtoll (name, NULL, 10);
      BbLocalProcess *process;

      if (pid <= 0 || pid == getpid () || !is_ours (name))
        continue;
      process = g_new0 (BbLocalProcess, 1);
      if (read_stat (pid, process))
        {
          read_marks (process);
          g_ptr_array_add (processes, process);
        }
      else
        process_free (process);
    }
  return processes;
}

static char *
get_boot_id (GError **error)
{
  g_autofree char *text = NULL;

  if (!g_file_get_contents ("/proc/sys/kernel/random/boot_id", &text, NULL, error))
    return NULL;
  return g_strdup (g_strchomp (text));
}

char *
bb_local_process_make_id (pid_t pid, guint64 start, GError **error)
{
  g_autofree char *boot = get_boot_id (error);

  if (boot == NULL)
    return NULL;
  return g_strdup_printf ("%d-%" G_GUINT64_FORMAT "-%s", (int) pid, start, boot);
}

gboolean
bb_local_process_parse_id (const char *id, pid_t *pid, guint64 *start)
{
  g_auto (GStrv) parts = g_strsplit (id, "-", 3);
  g_autofree char *boot = get_boot_id (NULL);

  if (g_strv_length (parts) != 3 || boot == NULL || !g_str_equal (parts[2], boot))
    return FALSE;
  *pid = (pid_t) g_ascii_strtoll (parts[0], NULL, 10);
  *start = g_ascii_strtoull (parts[1], NULL, 10);
  return *pid > 0;
}

gboolean
bb_local_process_get_start (pid_t pid, guint64 *start)
{
  BbLocalProcess process = { 0 };
  gboolean alive = read_stat (pid, &process);

  *start = process.start;
  return alive;
}

gboolean
bb_local_process_is_alive (const char *id)
{
  pid_t pid;
  guint64 start, start_now;

  return bb_local_process_parse_id (id, &pid, &start) && bb_local_process_get_start (pid, &start_now) &&
         start == start_now;
}

int
bb_local_process_open (const BbLocalProcess *process, GError **error)
{
  int fd = pidfd_open (process->pid, 0);
  guint64 start;

  if (fd < 0 && errno != ESRCH)
    g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "pidfd_open: %s", g_strerror (errno));
  if (fd < 0)
    return -1;
  /* Another process may have got the number between the listing and now; from here on it can't. */
  if (bb_local_process_get_start (process->pid, &start) && start == process->start)
    return fd;
  close (fd);
  return -1;
}
