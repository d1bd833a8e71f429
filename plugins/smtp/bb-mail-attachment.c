/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-mail-attachment.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n-lib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536

BbMailAttachment *
bb_mail_attachment_new (const char *name, const char *path, gboolean is_patch)
{
  BbMailAttachment *self = g_new0 (BbMailAttachment, 1);

  self->name = g_strdup (name);
  self->path = g_strdup (path);
  self->is_patch = is_patch;
  return self;
}

void
bb_mail_attachment_free (BbMailAttachment *self)
{
  g_free (self->name);
  g_free (self->path);
  g_free (self);
}

int
bb_mail_open_scratch (GError **error)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "bbhost-mail-XXXXXX", NULL);
  int fd = mkostemp (path, O_CLOEXEC);

  if (fd < 0)
    {
      int saved = errno;

      g_set_error (error, G_IO_ERROR, (int) g_io_error_from_errno (saved), "%s: %s", path, g_strerror (saved));
      return -1;
    }
  unlink (path);
  return fd;
}

static gboolean
write_all (int fd, const char *bytes, gsize length)
{
  while (length > 0)
    {
      ssize_t written = write (fd, bytes, length);

      if (written < 0 && errno == EINTR)
        continue;
      if (written <= 0)
        return FALSE;
      bytes += written;
      length -= (gsize) written;
    }
  return TRUE;
}

/* How many bytes at the end begin a character that the next piece may end. */
static gsize
count_begun (const char *bytes, gsize length)
{
  for (gsize n = 1; n <= MIN (length, 3); n++)
    {
      guchar c = (guchar) bytes[length - n];

      if ((c & 0xc0) == 0x80)
        continue;
      return c >= 0xc0 && g_utf8_get_char_validated (bytes + length - n, (gssize) n) == (gunichar) -2 ? n : 0;
    }
  return 0;
}

/* Copies what is left of @from, at most @length bytes; as valid UTF-8 unless @as_it_is. *@is_text: whether it was. */
static gboolean
copy (int from, int to, gint64 length, gboolean as_it_is, gboolean *is_text)
{
  g_autofree char *piece = g_malloc (PIECE);
  gsize begun = 0;

  *is_text = TRUE;
  while (length > 0 || begun > 0)
    {
      ssize_t got = length > 0 ? read (from, piece + begun, (gsize) MIN (length, (gint64) (PIECE - begun))) : 0;
      gsize have, next;
      g_autofree char *valid = NULL;

      if (got < 0 && errno == EINTR)
        continue;
      if (got < 0)
        return FALSE;
      have = begun + (gsize) got;
      length = got == 0 ? 0 : length - got;
      next = length > 0 ? count_begun (piece, have) : 0;
      if (!g_utf8_validate_len (piece, have - next, NULL))
        *is_text = FALSE;
      if (!as_it_is)
        valid = g_utf8_make_valid (piece, (gssize) (have - next));
      if (!write_all (to, valid != NULL ? valid : piece, valid != NULL ? strlen (valid) : have - next))
        return FALSE;
      memmove (piece, piece + have - next, next);
      begun = next;
    }
  return TRUE;
}

static GMimePart *
new_part (const char *name, gboolean is_text, int scratch_fd, gint64 start, gint64 end)
{
  GMimePart *part = is_text ? g_mime_part_new_with_type ("text", "plain")
                            : g_mime_part_new_with_type ("application", "octet-stream");
  GMimeStream *stream = g_mime_stream_fs_new_with_bounds (scratch_fd, start, end);
  GMimeDataWrapper *content;

  g_mime_stream_fs_set_owner (GMIME_STREAM_FS (stream), FALSE);
  content = g_mime_data_wrapper_new_with_stream (stream, GMIME_CONTENT_ENCODING_DEFAULT);
  if (is_text)
    g_mime_object_set_content_type_parameter (GMIME_OBJECT (part), "charset", "UTF-8");
  g_mime_part_set_content (part, content);
  g_mime_part_set_content_encoding (part,
                                    g_mime_part_get_best_content_encoding (part, GMIME_ENCODING_CONSTRAINT_7BIT));
  g_mime_object_set_disposition (GMIME_OBJECT (part), GMIME_DISPOSITION_ATTACHMENT);
  g_mime_part_set_filename (part, name);
  g_object_unref (content);
  g_object_unref (stream);
  return part;
}

static char *
cut_note (gint64 skipped)
{
  return g_strdup_printf (ngettext ("(the first %lu byte is left out)\n", "(the first %lu bytes are left out)\n",
                                    (gulong) skipped),
                          (gulong) skipped);
}

/* The bytes that are attached are at the scratch file's end. */
static gboolean
copy_file (BbMailAttachment *self, int fd, int scratch_fd, gint64 limit, gboolean *is_text)
{
  struct stat status;
  gint64 skipped;

  if (fstat (fd, &status) < 0)
    return FALSE;
  skipped = MAX (0, (gint64) status.st_size - limit);
  if (skipped > 0)
    {
      g_autofree char *note = cut_note (skipped);

      if (self->is_patch || lseek (fd, (off_t) skipped, SEEK_SET) < 0 || !write_all (scratch_fd, note, strlen (note)))
        return FALSE;
    }
  return copy (fd, scratch_fd, MIN ((gint64) status.st_size, limit), self->is_patch, is_text);
}

GMimePart *
bb_mail_attachment_make_part (BbMailAttachment *self, int scratch_fd, gint64 limit, gint64 *size)
{
  int fd = limit > 0 ? open (self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
  gint64 start = lseek (scratch_fd, 0, SEEK_END);
  gboolean is_text = TRUE, copied;
  gint64 end;

  if (fd < 0)
    return NULL;
  copied = copy_file (self, fd, scratch_fd, limit, &is_text);
  close (fd);
  end = lseek (scratch_fd, 0, SEEK_END);
  if (!copied || start < 0 || end < start)
    return NULL;
  *size += end - start;
  return new_part (self->name, is_text || !self->is_patch, scratch_fd, start, end);
}
