/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-msgpack-directories.h"

#include <string.h>

#include "bb-error.h"
#include "bb-log.h"

/* Of a directory that is listed: each is asked about alone. What is beyond has its turn at the next login. */
#define MAX_DOUBTFUL 1000
#define MAX_SHOWN 64
#define FILE_TYPE 0170000 /* of st_mode, as Python shows it on every system */
#define IS_DIRECTORY 0040000

typedef struct _Work Work;

/* What follows when a command has ended; @rc: not 0 when it failed */
typedef void (*NextFunc) (GTask *task, Work *work, gint64 rc);

struct _Work
{
  const BbMsgpackDirectoriesWay *way;
  GStrv names;
  BbRemoteCommand *command; /* NULL: none runs */
  NextFunc next;
  gint64 rc;
  GPtrArray *doubtful;  /* names of what is there and of no builder */
  GPtrArray *leftovers; /* paths of the directories among them */
};

static void
work_free (gpointer data)
{
  Work *work = data;

  g_strfreev (work->names);
  g_ptr_array_unref (work->doubtful);
  g_ptr_array_unref (work->leftovers);
  g_free (work);
}

/* (transfer full) */
static char *
get_path (Work *work, const char *name)
{
  return bb_msgpack_place_join (work->way->place, work->way->place->base, name);
}

/* Running one command after the other. */

static void
ignore_output (BbRemoteCommand *command, BbOutput stream, const char *log_name, const char *text, gsize length,
               gpointer user_data)
{
}

static gboolean
is_same_name (Work *work, const char *a, const char *b)
{
  g_autofree char *folded_a = NULL;
  g_autofree char *folded_b = NULL;

  if (!work->way->place->windows)
    return g_str_equal (a, b);
  folded_a = g_utf8_casefold (a, -1);
  folded_b = g_utf8_casefold (b, -1);
  return g_str_equal (folded_a, folded_b);
}

/* A name of its base directory and nothing that leads elsewhere, that no builder has and not the slave itself. */
static gboolean
is_doubtful (Work *work, const char *name)
{
  if (*name == '\0' || strpbrk (name, "/\\:") != NULL || g_str_equal (name, ".") || g_str_equal (name, "..")
      || is_same_name (work, name, "info"))
    return FALSE;
  for (char **each = work->names; *each != NULL; each++)
    if (is_same_name (work, name, *each))
      return FALSE;
  return TRUE;
}

static void
take_files (Work *work, GVariant *files)
{
  GVariantIter iter;
  const char *name;

  g_variant_iter_init (&iter, files);
  while (work->doubtful->len < MAX_DOUBTFUL && g_variant_iter_next (&iter, "&s", &name))
    if (is_doubtful (work, name))
      g_ptr_array_add (work->doubtful, g_strdup (name));
}

/* Of what is the last of those that are asked about. */
static void
take_stat (Work *work, GVariant *stat)
{
  gint64 mode = 0;

  if (work->doubtful->len == 0 || g_variant_n_children (stat) == 0)
    return;
  g_variant_get_child (stat, 0, "x", &mode);
  if ((mode & FILE_TYPE) == IS_DIRECTORY)
    g_ptr_array_add (work->leftovers, get_path (work, g_ptr_array_index (work->doubtful, work->doubtful->len - 1)));
}

static void
update (BbRemoteCommand *command, const char *key, GVariant *value, gpointer user_data)
{
  Work *work = g_task_get_task_data (user_data);

  if (g_str_equal (key, "rc"))
    work->rc = g_variant_get_int64 (value);
  else if (g_str_equal (key, "files") && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    take_files (work, value);
  else if (g_str_equal (key, "stat") && g_variant_is_of_type (value, G_VARIANT_TYPE ("ax")))
    take_stat (work, value);
}

static void
done (BbRemoteCommand *command, const GError *error, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Work *work = g_task_get_task_data (task);

  work->command = NULL;
  if (g_task_return_error_if_cancelled (task))
    return;
  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    work->next (g_steal_pointer (&task), work, work->rc);
}

static const BbCommandEvents events = { .output = ignore_output, .update = update, .done = done };

static void
cancelled_cb (GCancellable *cancellable, GTask *task)
{
  Work *work = g_task_get_task_data (task);

  if (work->command != NULL)
    bb_msgpack_session_cancel_requests (work->way->session, work->command);
}

/* @task: (transfer full); @value: (transfer floating) */
static void
run (GTask *task, Work *work, const char *name, const char *key, GVariant *value, NextFunc next)
{
  GVariantDict args;

  g_variant_dict_init (&args, NULL);
  g_variant_dict_insert_value (&args, key, value);
  work->next = next;
  work->rc = 0;
  work->command = work->way->start (g_task_get_source_object (task), name, g_variant_ref_sink (g_variant_dict_end (&args)),
                                    &events, task);
}

static GVariant *
new_paths (GPtrArray *paths)
{
  return g_variant_new_strv ((const char *const *) paths->pdata, (gssize) paths->len);
}

/* The steps, each of which begins the next: @task: (transfer full). */

static void
made (GTask *task, Work *work, gint64 rc)
{
  if (rc != 0)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "the slave cannot make the directories of its builders");
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

static void
make (GTask *task, Work *work)
{
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  for (char **name = work->names; *name != NULL; name++)
    g_ptr_array_add (paths, get_path (work, *name));
  if (paths->len > 0)
    run (task, work, "mkdir", "paths", new_paths (paths), made);
  else
    made (task, work, 0);
}

static void
removed (GTask *task, Work *work, gint64 rc)
{
  if (rc != 0)
    bb_log_slave (G_LOG_LEVEL_WARNING, work->way->slave_name,
                  "could not remove all directories that belong to no builder (delete_leftover_dirs)");
  make (task, work);
}

static void
remove_leftovers (GTask *task, Work *work)
{
  for (guint i = 0; i < work->leftovers->len; i++)
    {
      g_autofree char *shown = bb_error_quote (g_ptr_array_index (work->leftovers, i), MAX_SHOWN);

      bb_log_slave (G_LOG_LEVEL_INFO, work->way->slave_name, "removes %s: it belongs to no builder", shown);
    }
  if (work->leftovers->len > 0)
    run (task, work, "rmdir", "paths", new_paths (work->leftovers), removed);
  else
    make (task, work);
}

static void ask_about_last (GTask *task, Work *work);

static void
asked (GTask *task, Work *work, gint64 rc)
{
  g_ptr_array_set_size (work->doubtful, (gint) work->doubtful->len - 1);
  ask_about_last (task, work);
}

static void
ask_about_last (GTask *task, Work *work)
{
  g_autofree char *path = NULL;

  if (work->doubtful->len == 0)
    {
      remove_leftovers (task, work);
      return;
    }
  path = get_path (work, g_ptr_array_index (work->doubtful, work->doubtful->len - 1));
  run (task, work, "stat", "path", g_variant_new_string (path), asked);
}

static void
listed (GTask *task, Work *work, gint64 rc)
{
  if (rc != 0)
    {
      bb_log_slave (G_LOG_LEVEL_WARNING, work->way->slave_name,
                    "can't list its own directory: nothing is removed there (delete_leftover_dirs)");
      g_ptr_array_set_size (work->doubtful, 0);
    }
  ask_about_last (task, work);
}

void
bb_msgpack_directories_set_up (const BbMsgpackDirectoriesWay *way, GStrv names, GTask *task)
{
  Work *work = g_new0 (Work, 1);

  work->way = way;
  work->names = names;
  work->doubtful = g_ptr_array_new_with_free_func (g_free);
  work->leftovers = g_ptr_array_new_with_free_func (g_free);
  g_task_set_task_data (task, work, work_free);
  if (g_task_get_cancellable (task) != NULL)
    g_signal_connect_object (g_task_get_cancellable (task), "cancelled", G_CALLBACK (cancelled_cb), task, 0);
  if (way->remove_leftovers)
    run (task, work, "listdir", "path", g_variant_new_string (way->place->base), listed);
  else
    make (task, work);
}
