/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-file-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

/* How long little text may wait for more: short enough for somebody who watches. */
#define GATHER_US (50 * 1000)
#define GATHER_BYTES (64 * 1024)

struct _BbFileWriter
{
  GObject parent_instance;

  BbLoop *loop; /* owned */
  char *path;
  const BbFileWriterEvents *events; /* NULL: nobody listens */
  gpointer user_data;

  BbTimer timer;
  GByteArray *waiting;
  GByteArray *spare; /* an empty one, so that large buffers are not given back and asked for at every turn */
  gsize n_writing; /* bytes in the thread's hands */
  gboolean busy;   /* a job is in the thread */
  gboolean full;
  int fd; /* -1: not open yet; used by the job alone while there is one */
  guint64 appended;
  guint64 written;
  GError *error;
  GTask *closing; /* (nullable) */
};

G_DEFINE_FINAL_TYPE (BbFileWriter, bb_file_writer, G_TYPE_OBJECT)

/* What goes to the thread: nothing in it is shared while it is there. */
typedef struct
{
  char *path;
  int fd;
  GByteArray *data;
  gboolean close;
} Job;

static void
job_free (Job *job)
{
  g_free (job->path);
  g_clear_pointer (&job->data, g_byte_array_unref);
  g_free (job);
}

static void start_job (BbFileWriter *self);

static int
open_with_folder (const char *path, GError **error)
{
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW;
  int fd = open (path, flags, 0600);

  if (fd < 0 && errno == ENOENT)
    {
      g_autofree char *folder = g_path_get_dirname (path);

      if (g_mkdir_with_parents (folder, 0700) == 0)
        fd = open (path, flags, 0600);
    }
  if (fd < 0)
    {
      int code = errno;

      g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code), "can't open %s: %s", path,
                   g_strerror (code));
    }
  return fd;
}

static gboolean
write_all (int fd, const char *path, const guint8 *data, gsize length, GError **error)
{
  while (length > 0)
    {
      gssize n = write (fd, data, length);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          int code = errno;

          g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code), "can't write %s: %s", path,
                       g_strerror (code));
          return FALSE;
        }
      data += n;
      length -= (gsize) n;
    }
  return TRUE;
}

static void
job_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Job *job = task_data;
  GError *error = NULL;

  if (job->fd < 0)
    job->fd = open_with_folder (job->path, &error);
  if (job->fd >= 0)
    write_all (job->fd, job->path, job->data->data, job->data->len, &error);
  if (job->close && job->fd >= 0)
    {
      /* Network file systems tell of a full disk only here. */
      if (close (job->fd) != 0 && error == NULL)
        g_set_error (&error, G_IO_ERROR, (gint) g_io_error_from_errno (errno), "can't write %s: %s", job->path,
                     g_strerror (errno));
      job->fd = -1;
    }
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
set_full (BbFileWriter *self, gboolean full)
{
  if (self->full == full)
    return;
  self->full = full;
  if (self->events != NULL)
    self->events->backlog (self, full, self->user_data);
}

static void
fail (BbFileWriter *self, GError *error)
{
  if (self->error != NULL)
    {
      g_error_free (error);
      return;
    }
  self->error = error;
  g_byte_array_set_size (self->waiting, 0);
  if (self->events != NULL)
    self->events->failed (self, self->error, self->user_data);
}

static void
finish_close (BbFileWriter *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->closing);

  bb_file_writer_detach (self);
  if (self->error != NULL)
    g_task_return_error (task, g_error_copy (self->error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
job_done_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbFileWriter *self = BB_FILE_WRITER (source);
  Job *job = g_task_get_task_data (G_TASK (result));
  gboolean closed = job->close;
  GError *error = NULL;

  self->busy = FALSE;
  self->fd = job->fd;
  self->written += self->n_writing;
  self->n_writing = 0;
  if (!g_task_propagate_boolean (G_TASK (result), &error))
    fail (self, error);
  else if (self->events != NULL && self->events->written != NULL && job->data->len > 0)
    self->events->written (self, self->written, self->user_data);
  g_byte_array_set_size (job->data, 0);
  if (self->spare == NULL)
    self->spare = g_steal_pointer (&job->data);

  if (self->waiting->len < BB_FILE_WRITER_LOW)
    set_full (self, FALSE);
  if (closed)
    finish_close (self);
  else if (self->closing != NULL || self->waiting->len >= GATHER_BYTES)
    start_job (self);
  else if (self->waiting->len > 0 && !bb_timer_is_running (&self->timer))
    bb_timer_start_in (&self->timer, GATHER_US);
}

static void
start_job (BbFileWriter *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, job_done_cb, NULL);
  Job *job = g_new0 (Job, 1);

  bb_timer_stop (&self->timer);
  self->busy = TRUE;
  self->n_writing = self->waiting->len;
  job->path = g_strdup (self->path);
  job->fd = self->fd;
  job->data = g_steal_pointer (&self->waiting);
  job->close = self->closing != NULL;
  self->fd = -1;
  self->waiting = self->spare != NULL ? g_steal_pointer (&self->spare) : g_byte_array_new ();
  g_task_set_source_tag (task, start_job);
  g_task_set_task_data (task, job, (GDestroyNotify) job_free);
  g_task_run_in_thread (task, job_thread);
}

static void
gathered_cb (BbTimer *timer, gpointer user_data)
{
  BbFileWriter *self = user_data;

  if (!self->busy && self->waiting->len > 0)
    start_job (self);
}

static void
bb_file_writer_finalize (GObject *object)
{
  BbFileWriter *self = BB_FILE_WRITER (object);

  bb_timer_stop (&self->timer);
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_byte_array_unref (self->waiting);
  g_clear_pointer (&self->spare, g_byte_array_unref);
  g_clear_error (&self->error);
  g_clear_object (&self->loop);
  G_OBJECT_CLASS (bb_file_writer_parent_class)->finalize (object);
}

static void
bb_file_writer_class_init (BbFileWriterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_file_writer_finalize;
}

static void
bb_file_writer_init (BbFileWriter *self)
{
  self->fd = -1;
  self->waiting = g_byte_array_new ();
}

BbFileWriter *
bb_file_writer_new (BbLoop *loop, const char *path, const BbFileWriterEvents *events, gpointer user_data)
{
  BbFileWriter *self = g_object_new (BB_TYPE_FILE_WRITER, NULL);

  self->loop = g_object_ref (loop);
  self->path = g_strdup (path);
  self->events = events;
  self->user_data = user_data;
  bb_timer_init (&self->timer, loop, gathered_cb, self);
  return self;
}

void
bb_file_writer_append (BbFileWriter *self, const void *data, gsize length)
{
  g_return_if_fail (BB_IS_FILE_WRITER (self));
  g_return_if_fail (self->closing == NULL);

  if (self->error != NULL || self->events == NULL || length == 0)
    return;
  g_byte_array_append (self->waiting, data, (guint) length);
  self->appended += length;
  if (self->waiting->len + self->n_writing > BB_FILE_WRITER_HIGH)
    set_full (self, TRUE);
  if (self->busy)
    return;
  if (self->waiting->len >= GATHER_BYTES)
    start_job (self);
  else if (!bb_timer_is_running (&self->timer))
    bb_timer_start_in (&self->timer, GATHER_US);
}

guint64
bb_file_writer_get_size (BbFileWriter *self)
{
  g_return_val_if_fail (BB_IS_FILE_WRITER (self), 0);

  return self->appended;
}

const char *
bb_file_writer_get_path (BbFileWriter *self)
{
  g_return_val_if_fail (BB_IS_FILE_WRITER (self), NULL);

  return self->path;
}

void
bb_file_writer_close_async (BbFileWriter *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BB_IS_FILE_WRITER (self));
  g_return_if_fail (self->closing == NULL);

  self->closing = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (self->closing, bb_file_writer_close_async);
  if (!self->busy)
    start_job (self);
}

gboolean
bb_file_writer_close_finish (BbFileWriter *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_file_writer_detach (BbFileWriter *self)
{
  g_return_if_fail (BB_IS_FILE_WRITER (self));

  set_full (self, FALSE);
  self->events = NULL;
  g_byte_array_set_size (self->waiting, 0);
  bb_timer_stop (&self->timer);
}
