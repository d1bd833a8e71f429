/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-config.h"
#include "bb-loop.h"
#include "bb-notifier.h"
#include "bb-store.h"

G_BEGIN_DECLS

/*
 * Notices on their way to people. Each is in the store from before its first attempt until it was carried or given up,
 * so that a restart neither loses nor repeats it; a server that is down makes the pauses grow, and nothing else.
 */
#define BB_TYPE_NOTICE_QUEUE (bb_notice_queue_get_type ())
G_DECLARE_FINAL_TYPE (BbNoticeQueue, bb_notice_queue, BB, NOTICE_QUEUE, GObject)

BbNoticeQueue *bb_notice_queue_new (BbStore *store, BbLoop *loop);
/* What had not been carried when the daemon stopped. Before apply. */
void bb_notice_queue_load_async (BbNoticeQueue *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data);
gboolean bb_notice_queue_load_finish (BbNoticeQueue *self, GAsyncResult *result, GError **error);

void bb_notice_queue_apply (BbNoticeQueue *self, BbConfig *config, BbPluginRegistry *plugins);

/**
 * bb_notice_queue_submit:
 * @with: (nullable) (transfer full): what is to be on disk if and only if the notice is
 *
 * A finished build goes to every notifier that wants it; everything else, once in all, to the first that can send it. What
 * nobody wants is dropped. A notice whose id waits already is the same one. After a shutdown it is kept for the next start.
 */
void bb_notice_queue_submit (BbNoticeQueue *self, BbNotice *notice, BbStoreBatch *with);
guint bb_notice_queue_count (BbNoticeQueue *self); /* waiting or under way */

/* One attempt with one notifier, without the queue: for `bbctl notify-test`. Errors name the notifiers that exist. */
void bb_notice_queue_test_async (BbNoticeQueue *self, const char *notifier, BbNotice *notice,
                                 GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_notice_queue_test_finish (BbNoticeQueue *self, GAsyncResult *result, GError **error);

/* Begins nothing any more; what is under way gets a few seconds to end, so that what was sent is known to be. */
void bb_notice_queue_shutdown_async (BbNoticeQueue *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_notice_queue_shutdown_finish (BbNoticeQueue *self, GAsyncResult *result, GError **error);

G_END_DECLS
