/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-mail-attachment.h"

G_BEGIN_DECLS

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
  gint64 log_limit;       /* bytes of each log */
  gint64 size_limit;      /* bytes of all attachments together */
  gint64 date_us;         /* wall */
  char *message_id;        /* left@right: the same for each attempt to send it */
} BbMail;

BbMail *bb_mail_new (void);
void bb_mail_free (BbMail *self);
/* A log is cut at its beginning when it is too long, with a note; a patch is left out. */
void bb_mail_add_log (BbMail *self, const char *name, const char *path);
void bb_mail_add_patch (BbMail *self, const char *name, const char *path);

/* The envelope's recipients: bare addresses, each once; NULL-terminated. */
char **bb_mail_get_envelope (BbMail *self);

/**
 * bb_mail_write:
 *
 * Writes the mail as bytes for SMTP (CRLF). Attachments are streamed, never held; what does not fit is cut or left out,
 * and the text says so. Blocks: for a worker thread.
 *
 * Returns: a descriptor at the beginning of the bytes, of a file without a name that goes with it; or -1
 */
int bb_mail_write (BbMail *self, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbMail, bb_mail_free)

G_END_DECLS
