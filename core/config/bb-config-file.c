/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gio/gio.h>

/* Far above 10,000 slaves with a page of user data each. */
#define MAX_FILE_SIZE (64 * 1024 * 1024)

/*
 * The syntax is GKeyFile's. GKeyFile itself stops at the first line that it can't read, quotes it (and it may hold
 * a password), and silently merges groups and keys that are there twice; people need to be told of all of these.
 */
typedef struct
{
  BbConfigFile *file;
  BbConfigGroup *group; /* NULL before the first one */
  GHashTable *keys;     /* of the group → line */
  BbConfigProblemFunc problem;
  gpointer user_data;
} Reader;

static void G_GNUC_PRINTF (3, 4)
complain (Reader *reader, guint line, const char *format, ...)
{
  g_autofree char *what = NULL;
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  if (reader->group != NULL)
    message = g_strdup_printf ("%s: [%s] line %u: %s", reader->file->label, reader->group->title, line, what);
  else
    message = g_strdup_printf ("%s: line %u: %s", reader->file->label, line, what);
  reader->problem (message, reader->user_data);
}

static void
group_free (gpointer data)
{
  BbConfigGroup *group = data;

  g_array_unref (group->entries);
  g_free (group);
}

static void
read_group (Reader *reader, char *text, guint line)
{
  char *end = strchr (text, ']');
  BbConfigGroup *group;
  const char *blank;

  if (end == NULL || end[1] != '\0' || end == text + 1 || memchr (text + 1, '[', end - text) != NULL)
    {
      complain (reader, line, "is no group; write [KIND NAME] and nothing behind it");
      return;
    }
  *end = '\0';
  group = g_new0 (BbConfigGroup, 1);
  group->file = reader->file;
  group->title = g_strstrip (text + 1);
  group->line = line;
  group->entries = g_array_new (FALSE, FALSE, sizeof (BbConfigEntry));
  blank = strpbrk (group->title, " \t");
  if (blank == NULL)
    group->kind = group->title;
  else
    {
      char *kind = g_strndup (group->title, blank - group->title);

      g_ptr_array_add (reader->file->names, kind);
      group->kind = kind;
      group->name = blank + strspn (blank, " \t");
    }
  g_ptr_array_add (reader->file->groups, group);
  g_hash_table_remove_all (reader->keys);
  reader->group = group;
}

static void
read_entry (Reader *reader, char *text, guint line)
{
  char *equals = strchr (text, '=');
  BbConfigEntry entry = { .line = line };
  gpointer before;

  if (equals == NULL || equals == text)
    {
      complain (reader, line, "is neither KEY=VALUE, nor a [group], nor a comment that begins with #");
      return;
    }
  if (reader->group == NULL)
    {
      complain (reader, line, "stands before the first [group]; put it below the one it belongs to");
      return;
    }
  *equals = '\0';
  entry.key = g_strchomp (text);
  entry.value = g_strchug (equals + 1);
  before = g_hash_table_lookup (reader->keys, entry.key);
  if (before != NULL)
    {
      g_autofree char *message =
        g_strdup_printf ("%s: [%s] %s: is given twice, in lines %u and %u; keep one", reader->file->label,
                         reader->group->title, entry.key, GPOINTER_TO_UINT (before), line);

      reader->problem (message, reader->user_data);
      return;
    }
  g_hash_table_insert (reader->keys, (gpointer) entry.key, GUINT_TO_POINTER (line));
  g_array_append_val (reader->group->entries, entry);
}

static void
read_lines (Reader *reader)
{
  char *rest = reader->file->text;
  guint line = 0;

  while (rest != NULL && *rest != '\0')
    {
      char *text = strsep (&rest, "\n");

      line++;
      g_strstrip (text);
      if (*text == '\0' || *text == '#')
        continue;
      if (!g_utf8_validate (text, -1, NULL))
        complain (reader, line, "is not UTF-8; convert the file");
      else if (*text == '[')
        read_group (reader, text, line);
      else
        read_entry (reader, text, line);
    }
}

static char *
read_text (const char *path, mode_t *mode, GError **error)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  g_autofree char *text = NULL;
  struct stat status;
  gsize length = 0;
  gssize n = 1;

  if (fd < 0 || fstat (fd, &status) != 0)
    {
      g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
      if (fd >= 0)
        close (fd);
      return NULL;
    }
  *mode = status.st_mode;
  if (!S_ISREG (status.st_mode) || status.st_size > MAX_FILE_SIZE)
    {
      close (fd);
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE, "is not a regular file of at most %d MiB",
                   MAX_FILE_SIZE / (1024 * 1024));
      return NULL;
    }
  text = g_malloc (status.st_size + 1);
  while (n > 0 && length < (gsize) status.st_size)
    {
      n = read (fd, text + length, status.st_size - length);
      length += MAX (n, 0);
    }
  if (n < 0)
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), g_strerror (errno));
  close (fd);
  if (n < 0)
    return NULL;
  text[length] = '\0';
  if (memchr (text, '\0', length) != NULL)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "is not a text file");
      return NULL;
    }
  return g_steal_pointer (&text);
}

BbConfigFile *
bb_config_file_load (const char *path, const char *label, BbConfigProblemFunc problem, gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  BbConfigFile *self;
  Reader reader = { .problem = problem, .user_data = user_data };
  mode_t mode = 0;
  char *text = read_text (path, &mode, &error);

  if (text == NULL)
    {
      g_autofree char *message = g_strdup_printf ("%s: %s", path, error->message);

      problem (message, user_data);
      return NULL;
    }
  self = g_new0 (BbConfigFile, 1);
  self->path = g_strdup (path);
  self->label = g_strdup (label);
  self->folder = g_path_get_dirname (path);
  self->mode = mode;
  self->text = text;
  self->groups = g_ptr_array_new_with_free_func (group_free);
  self->names = g_ptr_array_new_with_free_func (g_free);
  reader.file = self;
  reader.keys = g_hash_table_new (g_str_hash, g_str_equal);
  read_lines (&reader);
  g_hash_table_unref (reader.keys);
  return self;
}

void
bb_config_file_free (BbConfigFile *self)
{
  g_free (self->path);
  g_free (self->label);
  g_free (self->folder);
  g_ptr_array_unref (self->groups);
  g_ptr_array_unref (self->names);
  g_free (self->text);
  g_free (self);
}

const char *
bb_config_group_get (const BbConfigGroup *group, const char *key)
{
  for (guint i = 0; i < group->entries->len; i++)
    {
      const BbConfigEntry *entry = &g_array_index (group->entries, BbConfigEntry, i);

      if (g_str_equal (entry->key, key))
        return entry->value;
    }
  return NULL;
}

gboolean
bb_config_mode_is_too_open (const char *path, mode_t mode)
{
  const char *credentials = g_getenv ("CREDENTIALS_DIRECTORY");

  if (credentials != NULL && *credentials != '\0' && g_str_has_prefix (path, credentials) &&
      path[strlen (credentials)] == '/')
    mode &= ~S_IRGRP;
  return (mode & (S_IRGRP | S_IROTH)) != 0;
}
