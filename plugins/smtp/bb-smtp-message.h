/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A file that goes with a mail. */
typedef struct
{
  char *name; /* as the reader sees it: "compile.stdio" */
  char *path;
} BbMailAttachment;

/* A mail before it is bytes. */
typedef struct
{
  char *from;
  GPtrArray *to;  /* of char *, Name <address> or address; sorted, without doubles, when it is written */
  GPtrArray *cc;
  char *subject;
  char *text; /* UTF-8 */
  gboolean is_html;
  char **extra_headers;   /* Name=value */
  GPtrArray *attachments; /* of BbMailAttachment */
  gint64 attachment_limit; /* bytes of each */
  gint64 date_us;          /* wall */
  char *message_id;        /* left@right: the same for each attempt to send it */
} BbMail;

BbMail *bb_mail_new (void);
void bb_mail_free (BbMail *self);
void bb_mail_add_attachment (BbMail *self, const char *name, const char *path);

/* The envelope's recipients: bare addresses, each once; NULL-terminated. */
char **bb_mail_get_envelope (BbMail *self);

/**
 * bb_mail_write:
 * @path: a new file, mode 0600
 *
 * Writes the mail as bytes for SMTP (CRLF). Attachments are streamed: their tail, at most attachment_limit bytes, with
 * a note where something was cut; bytes that are not UTF-8 are replaced. Blocks: for a worker thread.
 */
gboolean bb_mail_write (BbMail *self, const char *path, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbMail, bb_mail_free)

G_END_DECLS
