/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-file-writer.h"
#include "bb-step-types.h"

G_BEGIN_DECLS

/*
 * The host's end of an upload or download of one step.
 *
 * A relative path on the host is below STATE/builds/N/files, for uploads and downloads alike, so that one step can
 * bring what a later one takes; an absolute path is taken as the configuration says. A property can neither make a
 * relative path absolute nor lead it upwards by `..`.
 *
 * What is uploaded goes into a file beside its destination, and into place only when the slave said that all went well.
 */
#define BB_TYPE_TRANSFER (bb_transfer_get_type ())
G_DECLARE_FINAL_TYPE (BbTransfer, bb_transfer, BB, TRANSFER, GObject)

gboolean bb_step_is_transfer (const BbStepConfig *step);

/* (transfer full): where on the host @step reads or writes; NULL with @error */
char *bb_transfer_resolve (const BbStepConfig *step, const BbStepContext *context, const char *files_directory,
                           GError **error);

/* @events: backlog and failed, of an upload. @step must live as long. */
BbTransfer *bb_transfer_new (BbLoop *loop, const BbStepConfig *step, const char *host_path,
                             const BbFileWriterEvents *events, gpointer user_data);

/* Makes sure of the destination's folder, or opens the source; before the remote command is started. */
void bb_transfer_prepare_async (BbTransfer *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_transfer_prepare_finish (BbTransfer *self, GAsyncResult *result, GError **error);

gboolean bb_transfer_write (BbTransfer *self, const guint8 *data, gsize length, GError **error);
/* The next at most @length bytes, empty at the end; one after the other. What has not been read yet when the transfer ends
 * fails. */
void bb_transfer_read_async (BbTransfer *self, gsize length, GAsyncReadyCallback callback, gpointer user_data);
GBytes *bb_transfer_read_finish (BbTransfer *self, GAsyncResult *result, GError **error);
void bb_transfer_set_times (BbTransfer *self, double access_time, double modified_time);

/* @success: into place, or unpacked; else everything that was written is removed. Once, also after a failed prepare. */
void bb_transfer_end_async (BbTransfer *self, gboolean success, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data);
gboolean bb_transfer_end_finish (BbTransfer *self, GAsyncResult *result, GError **error);

G_END_DECLS
