/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into the daemon: kills it before or after an fsync or fdatasync, which is where commits of the store become
 * durable, with the likelihood that TORTURE_COMMIT_KILL says, and notes it in the file TORTURE_DEATHS.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

#define BEFORE "commit call\n"
#define AFTER "commit done\n"

static void
note (const char *point, size_t size)
{
  int fd = open (getenv ("TORTURE_DEATHS"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

  if (write (fd, point, size) != (ssize_t) size)
    abort ();
}

static void
maybe_die (const char *point, size_t size)
{
  const char *share = getenv ("TORTURE_COMMIT_KILL");
  unsigned int dice;

  if (share == NULL || getrandom (&dice, sizeof dice, 0) != sizeof dice)
    return;
  if (dice / 4294967296.0 >= atof (share))
    return;
  note (point, size);
  kill (getpid (), SIGKILL);
}

static int
sync_with (const char *name, int fd)
{
  int (*real) (int) = (int (*) (int)) dlsym (RTLD_NEXT, name);
  int result;

  maybe_die (BEFORE, sizeof BEFORE - 1);
  result = real (fd);
  maybe_die (AFTER, sizeof AFTER - 1);
  return result;
}

int fsync (int fd);
int fdatasync (int fd);

int
fsync (int fd)
{
  return sync_with ("fsync", fd);
}

int
fdatasync (int fd)
{
  return sync_with ("fdatasync", fd);
}
