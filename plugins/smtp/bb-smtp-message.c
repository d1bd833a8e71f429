/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-message.h"

#include <errno.h>
#include <fcntl.h>
#include <gmime/gmime.h>
#include <string.h>
#include <unistd.h>

#include "bb-mail-address.h"

static void
attachment_free (gpointer data)
{
  BbMailAttachment *attachment = data;

  g_free (attachment->name);
  g_free (attachment->path);
  g_free (attachment);
}

BbMail *
bb_mail_new (void)
{
  static gsize ready;
  BbMail *self = g_new0 (BbMail, 1);

  if (g_once_init_enter (&ready))
    {
      g_mime_init ();
      g_once_init_leave (&ready, 1);
    }
  self->to = g_ptr_array_new_with_free_func (g_free);
  self->cc = g_ptr_array_new_with_free_func (g_free);
  self->attachments = g_ptr_array_new_with_free_func (attachment_free);
  return self;
}

void
bb_mail_free (BbMail *self)
{
  g_free (self->from);
  g_ptr_array_unref (self->to);
  g_ptr_array_unref (self->cc);
  g_free (self->subject);
  g_free (self->text);
  g_strfreev (self->extra_headers);
  g_ptr_array_unref (self->attachments);
  g_free (self->message_id);
  g_free (self);
}

void
bb_mail_add_attachment (BbMail *self, const char *name, const char *path)
{
  BbMailAttachment *attachment = g_new0 (BbMailAttachment, 1);

  attachment->name = g_strdup (name);
  attachment->path = g_strdup (path);
  g_ptr_array_add (self->attachments, attachment);
}

static int
compare_strings (gconstpointer a, gconstpointer b)
{
  return g_strcmp0 (*(const char *const *) a, *(const char *const *) b);
}

static void
sort_without_doubles (GPtrArray *addresses)
{
  g_ptr_array_sort (addresses, compare_strings);
  for (guint i = 1; i < addresses->len;)
    {
      if (g_strcmp0 (g_ptr_array_index (addresses, i - 1), g_ptr_array_index (addresses, i)) == 0)
        g_ptr_array_remove_index (addresses, i);
      else
        i++;
    }
}

static void
collect_envelope (GPtrArray *addresses, GHashTable *seen, GPtrArray *envelope)
{
  for (guint i = 0; i < addresses->len; i++)
    {
      char *address = bb_mail_address_extract (g_ptr_array_index (addresses, i));

      if (address == NULL)
        continue;
      if (g_hash_table_add (seen, g_ascii_strdown (address, -1)))
        g_ptr_array_add (envelope, address);
      else
        g_free (address);
    }
}

char **
bb_mail_get_envelope (BbMail *self)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GPtrArray *envelope = g_ptr_array_new ();

  collect_envelope (self->to, seen, envelope);
  collect_envelope (self->cc, seen, envelope);
  g_ptr_array_add (envelope, NULL);
  return (char **) g_ptr_array_free (envelope, FALSE);
}

static void
add_addresses (GMimeMessage *message, GMimeAddressType type, GPtrArray *addresses)
{
  sort_without_doubles (addresses);
  for (guint i = 0; i < addresses->len; i++)
    {
      const char *text = g_ptr_array_index (addresses, i);
      g_autofree char *address = bb_mail_address_extract (text);
      const char *bracket = strrchr (text, '<');
      g_autofree char *name = bracket != NULL ? g_strstrip (g_strndup (text, (gsize) (bracket - text))) : NULL;

      if (address != NULL)
        g_mime_message_add_mailbox (message, type, name != NULL && *name != '\0' ? name : NULL, address);
    }
}

/* A header that the mail has already stays as it is. */
static void
add_extra_headers (BbMail *self, GMimeMessage *message)
{
  for (guint i = 0; self->extra_headers != NULL && self->extra_headers[i] != NULL; i++)
    {
      g_auto (GStrv) parts = g_strsplit (self->extra_headers[i], "=", 2);

      if (parts[1] == NULL || strpbrk (parts[1], "\r\n") != NULL
          || g_mime_object_get_header (GMIME_OBJECT (message), parts[0]) != NULL)
        continue;
      g_mime_object_append_header (GMIME_OBJECT (message), parts[0], parts[1], "UTF-8");
    }
}

static GMimePart *
make_text_part (const char *subtype, const char *text)
{
  GMimeTextPart *part = g_mime_text_part_new_with_subtype (subtype);

  g_mime_text_part_set_charset (part, "UTF-8");
  g_mime_text_part_set_text (part, text);
  g_mime_part_set_content_encoding (GMIME_PART (part),
                                    g_mime_part_get_best_content_encoding (GMIME_PART (part), GMIME_ENCODING_CONSTRAINT_7BIT));
  return GMIME_PART (part);
}

/* The tail of the file as valid UTF-8, with a note where its beginning was left out. */
static char *
read_tail (const char *path, gint64 limit)
{
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autofree char *buffer = NULL;
  g_autofree char *valid = NULL;
  gint64 size, skipped;
  gssize length;

  if (fd < 0)
    return g_strdup_printf ("(this log could not be read: %s)\n", g_strerror (errno));
  size = lseek (fd, 0, SEEK_END);
  skipped = MAX (0, size - limit);
  buffer = g_malloc ((gsize) MIN (size, limit) + 1);
  length = pread (fd, buffer, (gsize) MIN (size, limit), skipped);
  close (fd);
  valid = g_utf8_make_valid (buffer, MAX (0, length));
  if (skipped == 0)
    return g_steal_pointer (&valid);
  return g_strdup_printf ("(the first %" G_GINT64_FORMAT " bytes are left out)\n%s", skipped, valid);
}

static GMimePart *
make_attachment (BbMail *self, const BbMailAttachment *attachment)
{
  g_autofree char *text = read_tail (attachment->path, self->attachment_limit);
  GMimePart *part = make_text_part ("plain", text);

  g_mime_part_set_filename (part, attachment->name);
  g_mime_object_set_disposition (GMIME_OBJECT (part), GMIME_DISPOSITION_ATTACHMENT);
  return part;
}

static GMimeObject *
make_body (BbMail *self)
{
  GMimePart *text = make_text_part (self->is_html ? "html" : "plain", self->text);
  GMimeMultipart *multipart;

  if (self->attachments->len == 0)
    return GMIME_OBJECT (text);
  multipart = g_mime_multipart_new_with_subtype ("mixed");
  g_mime_multipart_add (multipart, GMIME_OBJECT (text));
  g_object_unref (text);
  for (guint i = 0; i < self->attachments->len; i++)
    {
      GMimePart *part = make_attachment (self, g_ptr_array_index (self->attachments, i));

      g_mime_multipart_add (multipart, GMIME_OBJECT (part));
      g_object_unref (part);
    }
  return GMIME_OBJECT (multipart);
}

static GMimeMessage *
make_message (BbMail *self)
{
  GMimeMessage *message = g_mime_message_new (TRUE);
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (self->date_us / G_USEC_PER_SEC);
  GPtrArray *from = g_ptr_array_new ();
  GMimeObject *body = make_body (self);

  g_ptr_array_add (from, self->from);
  add_addresses (message, GMIME_ADDRESS_TYPE_FROM, from);
  g_ptr_array_free (from, TRUE);
  add_addresses (message, GMIME_ADDRESS_TYPE_TO, self->to);
  add_addresses (message, GMIME_ADDRESS_TYPE_CC, self->cc);
  g_mime_message_set_subject (message, self->subject, "UTF-8");
  g_mime_message_set_date (message, date);
  g_mime_message_set_message_id (message, self->message_id);
  g_mime_object_append_header (GMIME_OBJECT (message), "Auto-Submitted", "auto-generated", NULL);
  add_extra_headers (self, message);
  g_mime_message_set_mime_part (message, body);
  g_object_unref (body);
  return message;
}

gboolean
bb_mail_write (BbMail *self, const char *path, GError **error)
{
  int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  GMimeFormatOptions *format;
  GMimeMessage *message;
  GMimeStream *stream;
  gboolean written;

  if (fd < 0)
    {
      int saved = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (saved), "cannot write the mail to %s: %s", path,
                   g_strerror (saved));
      return FALSE;
    }
  message = make_message (self);
  stream = g_mime_stream_fs_new (fd);
  format = g_mime_format_options_new ();
  g_mime_format_options_set_newline_format (format, GMIME_NEWLINE_FORMAT_DOS);
  written = g_mime_object_write_to_stream (GMIME_OBJECT (message), format, stream) >= 0
            && g_mime_stream_flush (stream) == 0;
  if (!written)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "cannot write the mail to %s: %s", path, g_strerror (errno));
  g_mime_format_options_free (format);
  g_object_unref (stream);
  g_object_unref (message);
  return written;
}
