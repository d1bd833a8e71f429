/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into the daemon: kills it before or after an fsync or fdatasync, which is where commits of the store become
 * durable, with the likelihood that TORTURE_COMMIT_KILL says.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

static void
maybe_die (void)
{
  const char *share = getenv ("TORTURE_COMMIT_KILL");
  unsigned int dice;

  if (share == NULL || getrandom (&dice, sizeof dice, 0) != sizeof dice)
    return;
  if (dice / 4294967296.0 < atof (share))
    kill (getpid (), SIGKILL);
}

static int
sync_with (const char *name, int fd)
{
  int (*real) (int) = (int (*) (int)) dlsym (RTLD_NEXT, name);
  int result;

  maybe_die ();
  result = real (fd);
  maybe_die ();
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
