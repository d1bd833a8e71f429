/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bb-archive.h"

/* What a download holds ahead of the slave, and below what it reads on: several of the largest blocks. */
#define AHEAD_BYTES (4 * 1024 * 1024)
#define AHEAD_LOW (2 * 1024 * 1024)

struct _BbTransfer
{
  GObject parent_instance;

  BbLoop *loop; /* owned */
  const BbStepConfig *step;
  char *host_path;
  const BbFileWriterEvents *events;
  gpointer user_data;

  /* uploads */
  BbFileWriter *writer; /* of the temporary file; NULL before prepare */
  char *temporary;
  gboolean has_times;
  double access_time;
  double modified_time;

  /* downloads */
  int fd;
  GByteArray *ahead;
  gsize ahead_offset; /* what of it was handed out */
  gboolean at_end;
  gboolean reading; /* in a thread */
  GError *read_error;
  GTask *waiting; /* for what is being read; NULL: nobody does */
  gsize wanted;   /* by it */
};

G_DEFINE_FINAL_TYPE (BbTransfer, bb_transfer, G_TYPE_OBJECT)

static gboolean
set_errno_error (GError **error, const char *what, const char *path)
{
  int code = errno;

  g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code), "can't %s %s: %s", what, path,
               g_strerror (code));
  return FALSE;
}

gboolean
bb_step_is_transfer (const BbStepConfig *step)
{
  return step->type == BB_STEP_UPLOAD || step->type == BB_STEP_UPLOAD_DIRECTORY || step->type == BB_STEP_DOWNLOAD;
}

static gboolean
leads_upwards (const char *path)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);

  return g_strv_contains ((const char *const *) parts, "..");
}

char *
bb_transfer_resolve (const BbStepConfig *step, const BbStepContext *context, const char *files_directory,
                     GError **error)
{
  const char *key = step->type == BB_STEP_DOWNLOAD ? "source" : "destination";
  const char *raw = step->type == BB_STEP_DOWNLOAD ? step->source : step->destination;
  g_autofree char *path = bb_properties_interpolate (&context->scope, raw != NULL ? raw : "", error);

  if (path == NULL)
    {
      g_prefix_error (error, "%s: ", key);
      return NULL;
    }
  if (*path == '\0' || (leads_upwards (path) && !leads_upwards (raw)) || (*path == '/' && *raw != '/'))
    {
      g_autofree char *quoted_path = bb_error_quote (path, 200);
      g_autofree char *quoted_raw = bb_error_quote (raw != NULL ? raw : "", 200);

      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
                   "%s: \"%s\" is not a path that properties may make of \"%s\"", key, quoted_path, quoted_raw);
      return NULL;
    }
  if (g_path_is_absolute (path))
    return g_steal_pointer (&path);
  return g_build_filename (files_directory, path, NULL);
}

BbTransfer *
bb_transfer_new (BbLoop *loop, const BbStepConfig *step, const char *host_path, const BbFileWriterEvents *events,
                 gpointer user_data)
{
  BbTransfer *self = g_object_new (BB_TYPE_TRANSFER, NULL);

  self->loop = g_object_ref (loop);
  self->step = step;
  self->host_path = g_strdup (host_path);
  self->events = events;
  self->user_data = user_data;
  return self;
}

static void
bb_transfer_finalize (GObject *object)
{
  BbTransfer *self = BB_TRANSFER (object);

  if (self->fd >= 0)
    close (self->fd);
  if (self->writer != NULL)
    bb_file_writer_detach (self->writer);
  g_clear_object (&self->writer);
  g_clear_object (&self->loop);
  g_free (self->host_path);
  g_free (self->temporary);
  g_clear_pointer (&self->ahead, g_byte_array_unref);
  g_clear_error (&self->read_error);
  G_OBJECT_CLASS (bb_transfer_parent_class)->finalize (object);
}

static void
bb_transfer_class_init (BbTransferClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_transfer_finalize;
}

static void
bb_transfer_init (BbTransfer *self)
{
  self->fd = -1;
}

/* Preparing, in a thread. */

typedef struct
{
  gboolean upload;
  gboolean directory;
  gint64 max_size;
  char *host_path;
  /* results */
  char *temporary;
  int fd;
  GByteArray *ahead;
  gboolean at_end;
} Preparation;

static void
preparation_free (Preparation *preparation)
{
  g_free (preparation->host_path);
  g_free (preparation->temporary);
  if (preparation->fd >= 0)
    close (preparation->fd);
  g_clear_pointer (&preparation->ahead, g_byte_array_unref);
  g_free (preparation);
}

/* At most @length bytes to the end of @bytes; sets *at_end at the end of the file. */
static gboolean
read_more (int fd, GByteArray *bytes, gsize length, gboolean *at_end, GError **error)
{
  guint start = bytes->len;
  gsize done = 0;

  g_byte_array_set_size (bytes, start + (guint) length);
  while (done < length)
    {
      gssize n = read (fd, bytes->data + start + done, length - done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          int code = errno;

          g_byte_array_set_size (bytes, start + (guint) done);
          g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code), "can't read the file: %s",
                       g_strerror (code));
          return FALSE;
        }
      if (n == 0)
        {
          *at_end = TRUE;
          break;
        }
      done += (gsize) n;
    }
  g_byte_array_set_size (bytes, start + (guint) done);
  return TRUE;
}

static gboolean
prepare_upload (Preparation *preparation, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (preparation->host_path);
  int fd;

  if (g_mkdir_with_parents (folder, 0755) != 0)
    return set_errno_error (error, "make the folder", folder);
  if (!preparation->directory && g_file_test (preparation->host_path, G_FILE_TEST_IS_DIR))
    {
      errno = EISDIR;
      return set_errno_error (error, "write", preparation->host_path);
    }
  preparation->temporary = g_strconcat (preparation->host_path, ".XXXXXX", NULL);
  fd = g_mkstemp_full (preparation->temporary, O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0)
    {
      set_errno_error (error, "write in the folder", folder);
      g_clear_pointer (&preparation->temporary, g_free);
      return FALSE;
    }
  close (fd);
  return TRUE;
}

static gboolean
prepare_download (Preparation *preparation, GError **error)
{
  struct stat info;

  preparation->fd = open (preparation->host_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (preparation->fd < 0 || fstat (preparation->fd, &info) != 0)
    return set_errno_error (error, "read", preparation->host_path);
  if (!S_ISREG (info.st_mode))
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT, "can't read %s: it is not a plain file",
                   preparation->host_path);
      return FALSE;
    }
  if (preparation->max_size > 0 && info.st_size > preparation->max_size)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
                   "%s has %" G_GINT64_FORMAT " bytes, more than max_size=%" G_GINT64_FORMAT, preparation->host_path,
                   (gint64) info.st_size, preparation->max_size);
      return FALSE;
    }
  preparation->ahead = g_byte_array_new ();
  return read_more (preparation->fd, preparation->ahead, (gsize) MIN (info.st_size + 1, AHEAD_BYTES),
                    &preparation->at_end, error);
}

static void
prepare_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Preparation *preparation = task_data;
  GError *error = NULL;
  gboolean ok = preparation->upload ? prepare_upload (preparation, &error) : prepare_download (preparation, &error);

  if (ok)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

void
bb_transfer_prepare_async (BbTransfer *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Preparation *preparation = g_new0 (Preparation, 1);

  preparation->upload = self->step->type != BB_STEP_DOWNLOAD;
  preparation->directory = self->step->type == BB_STEP_UPLOAD_DIRECTORY;
  preparation->max_size = self->step->max_size;
  preparation->host_path = g_strdup (self->host_path);
  preparation->fd = -1;
  g_task_set_source_tag (task, bb_transfer_prepare_async);
  g_task_set_task_data (task, preparation, (GDestroyNotify) preparation_free);
  g_task_run_in_thread (task, prepare_thread);
}

gboolean
bb_transfer_prepare_finish (BbTransfer *self, GAsyncResult *result, GError **error)
{
  Preparation *preparation;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return FALSE;
  preparation = g_task_get_task_data (G_TASK (result));
  self->temporary = g_steal_pointer (&preparation->temporary);
  self->ahead = g_steal_pointer (&preparation->ahead);
  self->at_end = preparation->at_end;
  self->fd = preparation->fd;
  preparation->fd = -1;
  if (self->temporary != NULL)
    self->writer = bb_file_writer_new (self->loop, self->temporary, self->events, self->user_data);
  return TRUE;
}

gboolean
bb_transfer_write (BbTransfer *self, const guint8 *data, gsize length, GError **error)
{
  g_return_val_if_fail (BB_IS_TRANSFER (self), FALSE);

  if (self->writer == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PROTOCOL, "the slave sent a file that nobody asked it for");
      return FALSE;
    }
  if (self->step->max_size > 0
      && bb_file_writer_get_size (self->writer) + length > (guint64) self->step->max_size)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_LIMIT, "%s is larger than max_size=%" G_GINT64_FORMAT " bytes",
                   self->step->source, self->step->max_size);
      return FALSE;
    }
  bb_file_writer_append (self->writer, data, length);
  return TRUE;
}

void
bb_transfer_set_times (BbTransfer *self, double access_time, double modified_time)
{
  g_return_if_fail (BB_IS_TRANSFER (self));

  self->has_times = access_time >= 0 && modified_time >= 0 && access_time < 1e11 && modified_time < 1e11;
  self->access_time = access_time;
  self->modified_time = modified_time;
}

/* Reading ahead. */

typedef struct
{
  int fd;
  GByteArray *bytes;
  gboolean at_end;
} Reading;

static void
reading_free (Reading *reading)
{
  g_byte_array_unref (reading->bytes);
  g_free (reading);
}

static void
read_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Reading *reading = task_data;
  GError *error = NULL;

  if (read_more (reading->fd, reading->bytes, AHEAD_LOW, &reading->at_end, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void give_block (BbTransfer *self);

static void
read_ahead_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbTransfer *self = BB_TRANSFER (source);
  Reading *reading = g_task_get_task_data (G_TASK (result));

  self->reading = FALSE;
  g_task_propagate_boolean (G_TASK (result), &self->read_error);
  g_byte_array_remove_range (self->ahead, 0, (guint) self->ahead_offset);
  self->ahead_offset = 0;
  g_byte_array_append (self->ahead, reading->bytes->data, reading->bytes->len);
  self->at_end = reading->at_end;
  if (self->waiting != NULL)
    give_block (self);
}

static void
read_ahead (BbTransfer *self)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, read_ahead_cb, NULL); /* keeps self, and so the descriptor */
  Reading *reading = g_new0 (Reading, 1);

  reading->fd = self->fd;
  reading->bytes = g_byte_array_new ();
  self->reading = TRUE;
  g_task_set_source_tag (task, read_ahead);
  g_task_set_task_data (task, reading, (GDestroyNotify) reading_free);
  g_task_run_in_thread (task, read_thread);
}

/* To who waits for it, now that there is something, or the end, or an error. */
static void
give_block (BbTransfer *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->waiting);
  gsize left = self->ahead->len - self->ahead_offset;
  gsize length = MIN (self->wanted, left);

  if (left == 0 && self->read_error != NULL)
    {
      g_task_return_error (task, g_error_copy (self->read_error));
      return;
    }
  g_task_return_pointer (task, g_bytes_new (self->ahead->data + self->ahead_offset, length),
                         (GDestroyNotify) g_bytes_unref);
  self->ahead_offset += length;
  if (left - length < AHEAD_LOW && !self->at_end && !self->reading && self->read_error == NULL)
    read_ahead (self);
}

void
bb_transfer_read_async (BbTransfer *self, gsize length, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (BB_IS_TRANSFER (self));
  g_return_if_fail (self->waiting == NULL);

  task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (task, bb_transfer_read_async);
  if (self->ahead == NULL)
    {
      g_task_return_new_error (task, BB_ERROR, BB_ERROR_PROTOCOL, "the slave asked for a file that nobody sends it");
      return;
    }
  self->waiting = g_steal_pointer (&task);
  self->wanted = length;
  if (self->ahead->len > self->ahead_offset || !self->reading)
    give_block (self);
}

GBytes *
bb_transfer_read_finish (BbTransfer *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* The end. */

typedef struct
{
  gboolean directory;
  gboolean success;
  char *temporary;
  char *host_path;
  mode_t mode;
  gint64 max_size;
  gboolean has_times;
  struct timespec times[2];
} Ending;

static void
ending_free (Ending *ending)
{
  g_free (ending->temporary);
  g_free (ending->host_path);
  g_free (ending);
}

static gboolean
move_into_place (const Ending *ending, GError **error)
{
  if (ending->has_times && utimensat (AT_FDCWD, ending->temporary, ending->times, AT_SYMLINK_NOFOLLOW) != 0)
    return set_errno_error (error, "set the times of", ending->temporary);
  if (chmod (ending->temporary, ending->mode) != 0)
    return set_errno_error (error, "set the permissions of", ending->temporary);
  if (rename (ending->temporary, ending->host_path) != 0)
    return set_errno_error (error, "write", ending->host_path);
  return TRUE;
}

static void
end_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Ending *ending = task_data;
  GError *error = NULL;

  if (ending->success && ending->directory)
    bb_archive_unpack (ending->temporary, ending->host_path, ending->max_size, cancellable, &error);
  else if (ending->success)
    move_into_place (ending, &error);
  if (!ending->success || ending->directory || error != NULL)
    g_unlink (ending->temporary);

  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static void
writer_closed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Ending *ending = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;

  if (!bb_file_writer_close_finish (BB_FILE_WRITER (source), result, &error) && ending->success)
    {
      g_unlink (ending->temporary);
      g_task_return_error (task, g_steal_pointer (&error));
    }
  else
    g_task_run_in_thread (task, end_thread);
}

static struct timespec
to_timespec (double seconds)
{
  return (struct timespec){ .tv_sec = (time_t) seconds,
                           .tv_nsec = (long) ((seconds - (double) (time_t) seconds) * 1e9) };
}

void
bb_transfer_end_async (BbTransfer *self, gboolean success, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  Ending *ending = g_new0 (Ending, 1);
  guint64 mode;

  if (self->waiting != NULL)
    {
      g_autoptr (GTask) waiting = g_steal_pointer (&self->waiting);

      g_task_return_new_error (waiting, BB_ERROR, BB_ERROR_WRONG_STATE, "the transfer has ended");
    }
  g_task_set_source_tag (task, bb_transfer_end_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, ending, (GDestroyNotify) ending_free);
  if (self->writer == NULL)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  ending->directory = self->step->type == BB_STEP_UPLOAD_DIRECTORY;
  ending->success = success;
  ending->temporary = g_strdup (self->temporary);
  ending->host_path = g_strdup (self->host_path);
  ending->max_size = self->step->max_size;
  ending->mode = 0644;
  if (self->step->mode != NULL && g_ascii_string_to_unsigned (self->step->mode, 8, 0, 0777, &mode, NULL))
    ending->mode = (mode_t) mode;
  ending->has_times = self->has_times;
  ending->times[0] = to_timespec (self->access_time);
  ending->times[1] = to_timespec (self->modified_time);
  bb_file_writer_close_async (self->writer, writer_closed_cb, g_steal_pointer (&task));
}

gboolean
bb_transfer_end_finish (BbTransfer *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
