/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-loop.h"

G_BEGIN_DECLS

/* With more than this waiting for the disk, whoever sends is asked to stop; below the other, to go on. */
#define BB_FILE_WRITER_HIGH (512 * 1024)
#define BB_FILE_WRITER_LOW (128 * 1024)

/*
 * Appends to one file from a thread, in order. What is small is gathered for a moment, so that a chatty log costs a
 * write now and then and not one a line; what is large goes at once. Nothing but the two buffers (the one that fills
 * and the one that is being written) is held in memory, if the sender heeds `backlog`.
 *
 * The file is made, with its folder, at the first write or at close. After an error nothing more is written.
 */
#define BB_TYPE_FILE_WRITER (bb_file_writer_get_type ())
G_DECLARE_FINAL_TYPE (BbFileWriter, bb_file_writer, BB, FILE_WRITER, GObject)

typedef struct
{
  /* In turn TRUE, FALSE, TRUE, … */
  void (*backlog) (BbFileWriter *self, gboolean full, gpointer user_data);
  /* The file's new size; (nullable) */
  void (*written) (BbFileWriter *self, guint64 size, gpointer user_data);
  /* Once. */
  void (*failed) (BbFileWriter *self, const GError *error, gpointer user_data);
} BbFileWriterEvents;

/* @events, @user_data: until the writer is closed or bb_file_writer_detach() */
BbFileWriter *bb_file_writer_new (BbLoop *loop, const char *path, const BbFileWriterEvents *events,
                                  gpointer user_data);
void bb_file_writer_append (BbFileWriter *self, const void *data, gsize length);
guint64 bb_file_writer_get_size (BbFileWriter *self); /* what was appended, written or not */
const char *bb_file_writer_get_path (BbFileWriter *self);

/* Writes what waits and closes the file. Once. Fails with the first error of all. */
void bb_file_writer_close_async (BbFileWriter *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_file_writer_close_finish (BbFileWriter *self, GAsyncResult *result, GError **error);

/* No event any more; what waits is dropped, a write in progress ends by itself. */
void bb_file_writer_detach (BbFileWriter *self);

G_END_DECLS
