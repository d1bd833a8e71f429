/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-port-holder.h"

#include <stdio.h>
#include <string.h>

#define STATE_LISTEN 0x0a

/* The socket's inode from one of the tables of /proc/net, or 0. */
static guint64
find_inode (const char *table, guint16 port)
{
  g_autofree char *contents = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (table, &contents, NULL, NULL))
    return 0;
  lines = g_strsplit (contents, "\n", -1);
  for (guint i = 1; lines[i] != NULL; i++)
    {
      unsigned int local_port, state;
      unsigned long inode;

      if (sscanf (lines[i], " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*u %*u %lu", &local_port, &state,
                  &inode)
            == 3
          && local_port == port && state == STATE_LISTEN)
        return inode;
    }
  return 0;
}

static gboolean
process_has_socket (const char *pid, const char *wanted)
{
  g_autofree char *folder = g_build_filename ("/proc", pid, "fd", NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);

      if (target != NULL && g_str_equal (target, wanted))
        return TRUE;
    }
  return FALSE;
}

char *
bb_port_holder_describe (guint16 port)
{
  guint64 inode = find_inode ("/proc/net/tcp", port);
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  g_autofree char *wanted = NULL;
  const char *pid;

  if (inode == 0)
    inode = find_inode ("/proc/net/tcp6", port);
  wanted = g_strdup_printf ("socket:[%" G_GUINT64_FORMAT "]", inode);
  while (inode != 0 && dir != NULL && (pid = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = NULL;
      g_autofree char *program = NULL;

      if (!g_ascii_isdigit (pid[0]) || !process_has_socket (pid, wanted))
        continue;
      path = g_build_filename ("/proc", pid, "comm", NULL);
      g_file_get_contents (path, &program, NULL, NULL);
      return g_strdup_printf (" (held by %s, pid %s)", program != NULL ? g_strchomp (program) : "a process", pid);
    }
  return g_strdup ("");
}
