/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-message.h"

#include <errno.h>
#include <glib/gi18n-lib.h>
#include <string.h>
#include <unistd.h>

#include "bb-mail-address.h"

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
  self->attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_mail_attachment_free);
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
bb_mail_add_log (BbMail *self, const char *name, const char *path)
{
  g_ptr_array_add (self->attachments, bb_mail_attachment_new (name, path, FALSE));
}

void
bb_mail_add_patch (BbMail *self, const char *name, const char *path)
{
  g_ptr_array_add (self->attachments, bb_mail_attachment_new (name, path, TRUE));
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
add_address (GMimeMessage *message, GMimeAddressType type, const char *text)
{
  g_autofree char *address = bb_mail_address_extract (text);
  const char *bracket = strrchr (text, '<');
  g_autofree char *name = bracket != NULL ? g_strstrip (g_strndup (text, (gsize) (bracket - text))) : NULL;

  /* The sender may be a name of the server's own: "buildbot". */
  if (address != NULL || type == GMIME_ADDRESS_TYPE_FROM)
    g_mime_message_add_mailbox (message, type, name != NULL && *name != '\0' ? name : NULL,
                                address != NULL ? address : text);
}

static void
add_addresses (GMimeMessage *message, GMimeAddressType type, GPtrArray *addresses)
{
  sort_without_doubles (addresses);
  for (guint i = 0; i < addresses->len; i++)
    add_address (message, type, g_ptr_array_index (addresses, i));
}

/* Those that say how the parts are encoded are the mail's own, whatever they are when it is made. */
static gboolean
is_of_mime (const char *name)
{
  return g_ascii_strncasecmp (name, "Content-", strlen ("Content-")) == 0 || g_ascii_strcasecmp (name, "MIME-Version") == 0;
}

/* A header that the mail has already stays as it is. */
static void
add_extra_headers (BbMail *self, GMimeMessage *message)
{
  for (guint i = 0; self->extra_headers != NULL && self->extra_headers[i] != NULL; i++)
    {
      g_auto (GStrv) parts = g_strsplit (self->extra_headers[i], "=", 2);

      if (parts[1] == NULL || !bb_mail_is_header_name (parts[0]) || strpbrk (parts[1], "\r\n") != NULL
          || is_of_mime (parts[0]) || g_mime_object_get_header (GMIME_OBJECT (message), parts[0]) != NULL)
        continue;
      g_mime_object_append_header (GMIME_OBJECT (message), parts[0], parts[1], "UTF-8");
    }
}

/* GMimeTextPart would choose a charset by what is in the text. */
static GMimePart *
make_text_part (const char *subtype, const char *text)
{
  GMimePart *part = g_mime_part_new_with_type ("text", subtype);
  GMimeStream *stream = g_mime_stream_mem_new_with_buffer (text, strlen (text));
  GMimeDataWrapper *content = g_mime_data_wrapper_new_with_stream (stream, GMIME_CONTENT_ENCODING_DEFAULT);

  g_mime_object_set_content_type_parameter (GMIME_OBJECT (part), "charset", "UTF-8");
  g_mime_part_set_content (part, content);
  g_mime_part_set_content_encoding (part,
                                    g_mime_part_get_best_content_encoding (part, GMIME_ENCODING_CONSTRAINT_7BIT));
  g_object_unref (content);
  g_object_unref (stream);
  return part;
}

/* What could not be attached, for the end of the text; "" when all was. */
static char *
left_out_note (BbMail *self, guint n_left_out)
{
  g_autofree char *note = NULL;

  if (n_left_out == 0)
    return g_strdup ("");
  note = g_strdup_printf (ngettext ("%u attachment is left out: it can't be read, or the mail would be too large.",
                                    "%u attachments are left out: they can't be read, or the mail would be too large.",
                                    n_left_out),
                          n_left_out);
  return self->is_html ? g_strdup_printf ("\n<p>%s</p>\n", note) : g_strdup_printf ("\n%s\n", note);
}

static GMimeObject *
make_body (BbMail *self, int scratch_fd)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree char *note = NULL;
  g_autofree char *text = NULL;
  GMimePart *text_part;
  GMimeMultipart *multipart;
  gint64 size = 0;

  for (guint i = 0; i < self->attachments->len; i++)
    {
      BbMailAttachment *attachment = g_ptr_array_index (self->attachments, i);
      gint64 room = self->size_limit - size;
      GMimePart *part = bb_mail_attachment_make_part (
        attachment, scratch_fd, attachment->is_patch ? room : MIN (self->log_limit, room), &size);

      if (part != NULL)
        g_ptr_array_add (parts, part);
    }
  note = left_out_note (self, self->attachments->len - parts->len);
  text = g_strconcat (self->text, note, NULL);
  text_part = make_text_part (self->is_html ? "html" : "plain", text);
  if (parts->len == 0)
    return GMIME_OBJECT (text_part);
  multipart = g_mime_multipart_new_with_subtype ("mixed");
  g_mime_multipart_add (multipart, GMIME_OBJECT (text_part));
  g_object_unref (text_part);
  for (guint i = 0; i < parts->len; i++)
    g_mime_multipart_add (multipart, g_ptr_array_index (parts, i));
  return GMIME_OBJECT (multipart);
}

static GMimeMessage *
make_message (BbMail *self, int scratch_fd)
{
  GMimeMessage *message = g_mime_message_new (TRUE);
  g_autoptr (GDateTime) date = g_date_time_new_from_unix_utc (self->date_us / G_USEC_PER_SEC);
  g_autofree char *subject = g_strdelimit (g_strdup (self->subject), "\r\n\t", ' ');
  GMimeObject *body = make_body (self, scratch_fd);

  add_address (message, GMIME_ADDRESS_TYPE_FROM, self->from);
  add_addresses (message, GMIME_ADDRESS_TYPE_TO, self->to);
  add_addresses (message, GMIME_ADDRESS_TYPE_CC, self->cc);
  g_mime_message_set_subject (message, subject, "UTF-8");
  g_mime_message_set_date (message, date);
  g_mime_message_set_message_id (message, self->message_id);
  g_mime_object_append_header (GMIME_OBJECT (message), "Auto-Submitted", "auto-generated", NULL);
  add_extra_headers (self, message);
  g_mime_message_set_mime_part (message, body);
  g_object_unref (body);
  return message;
}

static gboolean
write_message (GMimeMessage *message, int fd)
{
  GMimeStream *stream = g_mime_stream_fs_new (fd);
  GMimeFormatOptions *format = g_mime_format_options_new ();
  gboolean written;

  g_mime_stream_fs_set_owner (GMIME_STREAM_FS (stream), FALSE);
  g_mime_format_options_set_newline_format (format, GMIME_NEWLINE_FORMAT_DOS);
  written = g_mime_object_write_to_stream (GMIME_OBJECT (message), format, stream) >= 0
            && g_mime_stream_flush (stream) == 0 && lseek (fd, 0, SEEK_SET) == 0;
  g_mime_format_options_free (format);
  g_object_unref (stream);
  return written;
}

int
bb_mail_write (BbMail *self, GError **error)
{
  int scratch_fd = bb_mail_open_scratch (error);
  int fd = scratch_fd >= 0 ? bb_mail_open_scratch (error) : -1;
  GMimeMessage *message;

  if (fd >= 0)
    {
      message = make_message (self, scratch_fd);
      if (!write_message (message, fd))
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "the mail can't be written to %s: %s", g_get_tmp_dir (),
                       g_strerror (errno));
          close (fd);
          fd = -1;
        }
      g_object_unref (message);
    }
  if (scratch_fd >= 0)
    close (scratch_fd);
  return fd;
}
