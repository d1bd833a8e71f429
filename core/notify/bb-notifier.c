/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-notifier.h"

G_DEFINE_INTERFACE (BbNotifier, bb_notifier, G_TYPE_OBJECT)

static void
bb_notifier_default_init (BbNotifierInterface *iface)
{
}

gboolean
bb_notifier_wants (BbNotifier *self, BbNotice *notice)
{
  g_return_val_if_fail (BB_IS_NOTIFIER (self), FALSE);

  return BB_NOTIFIER_GET_IFACE (self)->wants (self, notice);
}

void
bb_notifier_notify_async (BbNotifier *self, BbNotice *notice, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_return_if_fail (BB_IS_NOTIFIER (self));

  BB_NOTIFIER_GET_IFACE (self)->notify_async (self, notice, cancellable, callback, user_data);
}

gboolean
bb_notifier_notify_finish (BbNotifier *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_NOTIFIER (self), FALSE);

  return BB_NOTIFIER_GET_IFACE (self)->notify_finish (self, result, error);
}
