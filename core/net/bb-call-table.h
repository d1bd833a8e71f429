/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-stream.h"

G_BEGIN_DECLS

/* The calls to one peer that are not answered yet, each with its time limit and who waits for it. */
typedef struct _BbCallTable BbCallTable;

/* Whoever waits is told, with the type that the owner of the table knows: @answered is what was given to
 * bb_call_table_add(), never %NULL. @error: TIMEOUT, LOST, %G_IO_ERROR_CANCELLED. */
typedef void (*BbCallFailed) (gpointer owner, GCallback answered, const GError *error, gpointer user_data);

/* @stream: not owned, outlives the table's calls */
BbCallTable *bb_call_table_new (BbLoop *loop, BbStream *stream, BbCallFailed failed, gpointer owner);
void bb_call_table_free (BbCallTable *self);

/* @patient: the time limit counts from the last byte that arrived. @answered: %NULL: nobody cares. When there are too
 * many the stream is closed. */
void bb_call_table_add (BbCallTable *self, gint64 number, gint64 time_limit_us, gboolean patient, GCallback answered,
                        gpointer user_data);
/* The answer has come. FALSE: to no call of ours, or to one that is over. */
gboolean bb_call_table_take (BbCallTable *self, gint64 number, GCallback *answered, gpointer *user_data);
/* Calls with @user_data are no longer wanted: they fail with %G_IO_ERROR_CANCELLED, from the loop. */
void bb_call_table_cancel (BbCallTable *self, gpointer user_data);
/* No answer for @user_data any more: its owner goes. */
void bb_call_table_forget (BbCallTable *self, gpointer user_data);
/* The connection has ended: all fail with @reason, and later ones with LOST. */
void bb_call_table_end (BbCallTable *self, const GError *reason);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbCallTable, bb_call_table_free)

G_END_DECLS
