/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Of an archive that a slave sends; it is hostile until the opposite is seen. */
#define BB_ARCHIVE_MAX_MEMBERS 1000000
#define BB_ARCHIVE_MAX_BYTES ((gint64) 16 << 30)

/**
 * bb_archive_unpack:
 * @path: a tar file (pax or GNU), plain or compressed with gzip or bzip2
 * @target: the folder that its first member stands for; made when missing, else filled beside what is there
 * @max_bytes: most that all members may take unpacked; 0: %BB_ARCHIVE_MAX_BYTES
 *
 * For a thread: blocks. The names `/`, `.`, `./` and the empty one stand for @target itself. Everything is looked at
 * before anything is written: other absolute names, `..`, links that lead out of @target, and all that is no file,
 * folder or link is refused, as is too much. Owners and the bits for set-user-id and the like are ignored.
 */
gboolean bb_archive_unpack (const char *path, const char *target, gint64 max_bytes, GCancellable *cancellable,
                            GError **error);

G_END_DECLS
