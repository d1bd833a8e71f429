/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-local-folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD_FILE "password"
#define WORKER_LOG "twistd.log"
#define TAIL_BYTES 4096
#define TAIL_LINES 5

/* The same text for all slaves: nothing that somebody chose is part of a program. Works with the worker of 0.9 to 4.x and
 * with the slave of 0.8, whose starter looks for its own word in the file. */
static const char tac[] =
  "# Made by bbhost for one run of this slave.\n"
  "import os\n"
  "from twisted.application import service\n"
  "try:\n"
  "    from buildbot_worker.bot import Worker\n"
  "except ImportError:\n"
  "    from buildslave.bot import BuildSlave as Worker  # Application('buildslave')\n"
  "\n"
  "basedir = os.environ['BBHOST_DIRECTORY']\n"
  "host, port = os.environ['BBHOST_MASTER'].rsplit(':', 1)\n"
  "with open(os.path.join(basedir, 'password')) as f:\n"
  "    password = f.read()\n"
  "more = {}\n"
  "if os.environ['BBHOST_PROTOCOL'] == 'msgpack':\n"
  "    more['protocol'] = 'msgpack_experimental_v7'\n"
  "if os.environ['BBHOST_TLS'] == 'true':\n"
  "    # It is this machine that answers, by an address that its certificate need not name.\n"
  "    from twisted.internet import endpoints, ssl\n"
  "    endpoints.optionsForClientTLS = lambda hostname, **options: ssl.CertificateOptions()\n"
  "    more['useTls'] = True\n"
  "application = service.Application('buildbot-worker')\n"
  "Worker(host.strip('[]'), int(port), os.environ['BBHOST_SLAVE'], password, basedir, 600, None,\n"
  "       maxdelay=30, **more).setServiceParent(application)\n";

char *
bb_local_folder_get_path (const char *state_directory, const char *token)
{
  /* The token is removed again as a folder's name, so it had better be one. */
  if (*token == '\0' || *token == '.' || strchr (token, '/') != NULL)
    return NULL;
  return g_build_filename (state_directory, "local", token, NULL);
}

static gboolean
write_file (const char *folder, const char *name, const char *contents, GError **error)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  return g_file_set_contents_full (path, contents, -1, G_FILE_SET_CONTENTS_NONE, 0600, error);
}

gboolean
bb_local_folder_make (const char *path, const char *slave_name, const char *password, GError **error)
{
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *info = g_build_filename (path, "info", NULL);
  g_autofree char *host = g_strdup_printf ("%s, a process of %s\n", slave_name, g_get_host_name ());

  if (g_mkdir_with_parents (parent, 0700) != 0 || g_mkdir (path, 0700) != 0 || g_mkdir (info, 0700) != 0)
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (errno), "%s: %s", path, g_strerror (errno));
      return FALSE;
    }
  return write_file (path, PASSWORD_FILE, password, error) && write_file (path, "buildbot.tac", tac, error) &&
         write_file (info, "admin", "bbhost\n", error) && write_file (info, "host", host, error);
}

typedef struct
{
  int top;
  guint n_moved;
  GError **error;
} Removal;

static gboolean
fail (Removal *removal, const char *name)
{
  g_set_error (removal->error, G_IO_ERROR, g_io_error_from_errno (errno), "%s: %s", name, g_strerror (errno));
  return FALSE;
}

static gboolean remove_entry (Removal *removal, int parent, const char *name, gboolean is_top);

/* Empties the folder @fd, which is closed. */
static gboolean
empty_folder (Removal *removal, int fd, gboolean is_top)
{
  DIR *dir = fdopendir (fd);
  struct dirent *entry;
  gboolean good = TRUE;

  if (dir == NULL)
    {
      close (fd);
      return fail (removal, "fdopendir");
    }
  while (good && (entry = readdir (dir)) != NULL)
    if (!g_str_equal (entry->d_name, ".") && !g_str_equal (entry->d_name, ".."))
      good = remove_entry (removal, fd, entry->d_name, is_top);
  closedir (dir);
  return good;
}

/*
 * Removes a file; a folder only when it is empty. Another one is emptied when its parent is the topmost folder, else
 * moved there for its turn: thus builds may have nested folders as deep as they like, and there are never more than two open.
 */
static gboolean
remove_entry (Removal *removal, int parent, const char *name, gboolean is_top)
{
  g_autofree char *moved = NULL;
  int fd;

  if (unlinkat (parent, name, 0) == 0 || errno == ENOENT)
    return TRUE;
  if (errno != EISDIR && errno != EPERM)
    return fail (removal, name);
  if (unlinkat (parent, name, AT_REMOVEDIR) == 0)
    return TRUE;
  if (errno != ENOTEMPTY && errno != EEXIST)
    return fail (removal, name);
  /* Builds make folders that they can't write to themselves, like Go's module cache. */
  if (fchmodat (parent, name, 0700, 0) != 0)
    return fail (removal, name);
  if (!is_top)
    {
      moved = g_strdup_printf (".bbhost-%u", removal->n_moved++);
      return renameat (parent, name, removal->top, moved) == 0 || fail (removal, name);
    }
  fd = openat (parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return fail (removal, name);
  return empty_folder (removal, fd, FALSE);
}

gboolean
bb_local_folder_remove (const char *path, GError **error)
{
  Removal removal = { .error = error };
  gboolean good = TRUE;

  if (g_rmdir (path) == 0 || errno == ENOENT)
    return TRUE;
  if (errno != ENOTEMPTY && errno != EEXIST)
    return fail (&removal, path);
  removal.top = open (path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (removal.top < 0)
    return fail (&removal, path);
  /* Each turn removes one level. */
  while (good && g_rmdir (path) != 0)
    {
      int fd = errno == ENOTEMPTY || errno == EEXIST ? openat (removal.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

      good = fd >= 0 ? empty_folder (&removal, fd, TRUE) : fail (&removal, path);
    }
  close (removal.top);
  return good;
}

/* The last bytes of a file, as text; NULL when there are none. */
static char *
read_tail (const char *folder, const char *name)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  char buffer[TAIL_BYTES];
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  struct stat status;
  gssize length = -1;

  if (fd < 0)
    return NULL;
  if (fstat (fd, &status) == 0 && S_ISREG (status.st_mode))
    length = pread (fd, buffer, sizeof buffer, MAX (status.st_size - (off_t) sizeof buffer, 0));
  close (fd);
  return length > 0 ? g_utf8_make_valid (buffer, length) : NULL;
}

static char *
join_last_lines (const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  g_autoptr (GPtrArray) last = g_ptr_array_new ();

  for (char **line = lines; *line != NULL; line++)
    if (*g_strstrip (*line) != '\0')
      g_ptr_array_add (last, *line);
  if (last->len > TAIL_LINES)
    g_ptr_array_remove_range (last, 0, last->len - TAIL_LINES);
  g_ptr_array_add (last, NULL);
  return g_strjoinv (" | ", (char **) last->pdata);
}

char *
bb_local_folder_get_log_tail (const char *path)
{
  g_autofree char *text = read_tail (path, WORKER_LOG);
  g_autofree char *password_path = g_build_filename (path, PASSWORD_FILE, NULL);
  g_autofree char *password = NULL;
  g_autoptr (GString) line = NULL;

  if (text == NULL)
    text = read_tail (path, BB_LOCAL_OUTPUT);
  if (text == NULL)
    return NULL;
  line = g_string_new (NULL);
  g_string_append (line, text);
  /* Some other program may print what it was told. */
  if (g_file_get_contents (password_path, &password, NULL, NULL) && *password != '\0')
    g_string_replace (line, password, "********", 0);
  return join_last_lines (line->str);
}
