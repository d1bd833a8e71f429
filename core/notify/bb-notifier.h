/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-notice.h"

G_BEGIN_DECLS

/* Something that can carry notices to people: mail. Made with the properties "name" and "config". */
#define BB_TYPE_NOTIFIER (bb_notifier_get_type ())
G_DECLARE_INTERFACE (BbNotifier, bb_notifier, BB, NOTIFIER, GObject)

struct _BbNotifierInterface
{
  GTypeInterface parent_iface;

  /* Whether this notifier wants it, by its own options (mode, builders, …). */
  gboolean (*wants) (BbNotifier *self, BbNotice *notice);
  /* One attempt, without retries of its own. Errors: BB_ERROR_PERMANENT: it can't be sent, ever; BB_ERROR_LOST: it was
   * handed over, but the answer is not known, so that it may have been sent; anything else: not sent, try again. A
   * success stays one when @cancellable was cancelled meanwhile. */
  void (*notify_async) (BbNotifier *self, BbNotice *notice, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data);
  gboolean (*notify_finish) (BbNotifier *self, GAsyncResult *result, GError **error);
};

gboolean bb_notifier_wants (BbNotifier *self, BbNotice *notice);
void bb_notifier_notify_async (BbNotifier *self, BbNotice *notice, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_notifier_notify_finish (BbNotifier *self, GAsyncResult *result, GError **error);

G_END_DECLS
