/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-log.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>

#define MAX_PART 100    /* bytes of an escaped name; two of them and a position fit into any file system's 255 */
#define MAX_LISTED 20   /* logs that an error names */

char *
bb_build_directory (const char *state_directory, guint64 number)
{
  return g_strdup_printf ("%s/builds/%" G_GUINT64_FORMAT, state_directory, number);
}

char *
bb_build_files_directory (const char *directory)
{
  return g_build_filename (directory, "files", NULL);
}

/* Letters, digits, `_`, `-` and, in a log's name, `.` stay: the first dot of STEP.LOG is the one between them. A long
 * name is cut and told apart by a checksum. */
static char *
escape (const char *name, gboolean dots)
{
  GString *escaped = g_string_new (NULL);

  for (const char *p = name; *p != '\0'; p++)
    if (g_ascii_isalnum (*p) || *p == '_' || *p == '-' || (*p == '.' && dots))
      g_string_append_c (escaped, *p);
    else
      g_string_append_printf (escaped, "%%%02X", (guint8) *p);

  if (escaped->len > MAX_PART)
    {
      g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);

      g_string_truncate (escaped, MAX_PART - 17);
      g_string_append_printf (escaped, "~%.16s", sum);
    }
  return g_string_free (escaped, FALSE);
}

char *
bb_build_log_path (const char *directory, guint position, const char *step, const char *log)
{
  g_autofree char *escaped_step = escape (step, FALSE);
  g_autofree char *escaped_log = escape (log, TRUE);

  return g_strdup_printf ("%s/%u-%s.%s", directory, position, escaped_step, escaped_log);
}

typedef struct
{
  guint position;
  char *rest; /* STEP.LOG, escaped */
} LogFile;

static void
log_file_free (LogFile *file)
{
  g_free (file->rest);
  g_free (file);
}

static gint
compare_positions (gconstpointer a, gconstpointer b)
{
  const LogFile *one = *(const LogFile *const *) a;
  const LogFile *other = *(const LogFile *const *) b;

  if (one->position != other->position)
    return one->position < other->position ? -1 : 1;
  return strcmp (one->rest, other->rest);
}

static GPtrArray *
list_logs (const char *directory)
{
  GPtrArray *files = g_ptr_array_new_with_free_func ((GDestroyNotify) log_file_free);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      char *end;
      guint64 position = g_ascii_strtoull (name, &end, 10);

      if (end == name || *end != '-' || position > G_MAXUINT)
        continue;
      LogFile *file = g_new0 (LogFile, 1);
      file->position = (guint) position;
      file->rest = g_strdup (end + 1);
      g_ptr_array_add (files, file);
    }
  g_ptr_array_sort (files, compare_positions);
  return files;
}

static void
set_no_such_log (GPtrArray *files, const char *step, const char *log, GError **error)
{
  g_autoptr (GString) known = g_string_new (NULL);

  for (guint i = 0; i < files->len && i < MAX_LISTED; i++)
    {
      const LogFile *file = g_ptr_array_index (files, i);
      g_autofree char *name = g_uri_unescape_string (file->rest, NULL);

      g_string_append_printf (known, "%s%s", i > 0 ? ", " : "", name != NULL ? name : file->rest);
    }
  if (known->len == 0)
    g_string_assign (known, "none");
  if (*step == '\0')
    g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_LOG, "no step has a log \"%s\"; there are: %s", log, known->str);
  else
    g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_LOG, "step \"%s\" has no log \"%s\"; there are: %s", step, log,
                 known->str);
}

/* Whether STEP.LOG in @rest is @step (escaped; "" for any) with @log (escaped). */
static gboolean
is_log (const char *rest, const char *step, const char *log)
{
  const char *dot = strchr (rest, '.');

  if (dot == NULL || !g_str_equal (dot + 1, log))
    return FALSE;
  return *step == '\0' || (strlen (step) == (gsize) (dot - rest) && strncmp (rest, step, strlen (step)) == 0);
}

int
bb_build_log_open (const char *directory, const char *step, const char *log, GError **error)
{
  g_autoptr (GPtrArray) files = list_logs (directory);
  g_autofree char *escaped_step = escape (step, FALSE);
  g_autofree char *escaped_log = escape (*log != '\0' ? log : BB_LOG_STDIO, TRUE);

  for (guint i = 0; i < files->len; i++)
    {
      const LogFile *file = g_ptr_array_index (files, i);

      if (is_log (file->rest, escaped_step, escaped_log))
        {
          g_autofree char *path = g_strdup_printf ("%s/%u-%s", directory, file->position, file->rest);
          int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
          int code = errno;

          if (fd < 0)
            g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_LOG, "can't open %s: %s", path, g_strerror (code));
          return fd;
        }
    }
  set_no_such_log (files, step, *log != '\0' ? log : BB_LOG_STDIO, error);
  return -1;
}

int
bb_build_log_open_new (const char *path, GError **error)
{
  const int flags = O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
  int fd = open (path, flags, 0600);
  int code;

  if (fd < 0 && errno == ENOENT)
    {
      g_autofree char *folder = g_path_get_dirname (path);

      g_mkdir_with_parents (folder, 0700);
      fd = open (path, flags, 0600);
    }
  code = errno;
  if (fd < 0)
    g_set_error (error, BB_ERROR, BB_ERROR_NO_SUCH_LOG, "can't open %s: %s", path, g_strerror (code));
  return fd;
}
