/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-authority.h"

G_DEFINE_INTERFACE (BbAuthority, bb_authority, G_TYPE_OBJECT)

static void
bb_authority_default_init (BbAuthorityInterface *iface)
{
}

void
bb_authority_check_async (BbAuthority *self, GDBusConnection *connection, const char *sender, const char *action,
                          gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_return_if_fail (BB_IS_AUTHORITY (self));
  g_return_if_fail (action != NULL);

  BB_AUTHORITY_GET_IFACE (self)->check_async (self, connection, sender, action, interactive, cancellable, callback,
                                                user_data);
}

gboolean
bb_authority_check_finish (BbAuthority *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_AUTHORITY (self), FALSE);

  return BB_AUTHORITY_GET_IFACE (self)->check_finish (self, result, error);
}
