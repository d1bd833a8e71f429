/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <gmime/gmime.h>

G_BEGIN_DECLS

/* A file that goes with a mail. */
typedef struct
{
  char *name; /* as the reader sees it: "compile.stdio" */
  char *path;
  gboolean is_patch; /* of use only as a whole, and byte by byte */
} BbMailAttachment;

BbMailAttachment *bb_mail_attachment_new (const char *name, const char *path, gboolean is_patch);
void bb_mail_attachment_free (BbMailAttachment *self);

/* A file without a name, for the time of one mail; -1 with an error. */
int bb_mail_open_scratch (GError **error);

/**
 * bb_mail_attachment_make_part:
 * @scratch_fd: of a file that lives as long as the part; its end gets what is attached
 * @limit: bytes
 * @size: (inout): grows by what is attached
 *
 * A log becomes text: its tail, with a note where something was cut, and bytes that are not UTF-8 replaced. A patch is
 * attached as it is: as text when it is UTF-8, else as bytes. Copies in pieces.
 *
 * Returns: (transfer full) (nullable): %NULL when nothing of it can be attached
 */
GMimePart *bb_mail_attachment_make_part (BbMailAttachment *self, int scratch_fd, gint64 limit, gint64 *size);

G_END_DECLS
