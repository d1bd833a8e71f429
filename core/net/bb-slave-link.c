/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-link.h"

G_DEFINE_INTERFACE (BbSlaveLink, bb_slave_link, G_TYPE_OBJECT)

static void
bb_slave_link_default_init (BbSlaveLinkInterface *iface)
{
  g_signal_new ("lost", BB_TYPE_SLAVE_LINK, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE);
  g_signal_new ("shutdown-requested", BB_TYPE_SLAVE_LINK, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

const char *
bb_slave_link_get_protocol (BbSlaveLink *self)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), NULL);

  return BB_SLAVE_LINK_GET_IFACE (self)->get_protocol (self);
}

const char *
bb_slave_link_get_peer_address (BbSlaveLink *self)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), NULL);

  return BB_SLAVE_LINK_GET_IFACE (self)->get_peer_address (self);
}

gint64
bb_slave_link_get_last_message_us (BbSlaveLink *self)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), 0);

  return BB_SLAVE_LINK_GET_IFACE (self)->get_last_message_us (self);
}

void
bb_slave_link_accept (BbSlaveLink *self)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->accept (self);
}

void
bb_slave_link_refuse (BbSlaveLink *self, gboolean duplicate, const char *reason)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->refuse (self, duplicate, reason);
}

void
bb_slave_link_get_info_async (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->get_info_async (self, cancellable, callback, user_data);
}

GVariant *
bb_slave_link_get_info_finish (BbSlaveLink *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), NULL);

  return BB_SLAVE_LINK_GET_IFACE (self)->get_info_finish (self, result, error);
}

BbSlaveCommands *
bb_slave_link_get_commands (BbSlaveLink *self)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), NULL);

  return BB_SLAVE_LINK_GET_IFACE (self)->get_commands (self);
}

void
bb_slave_link_set_builders_async (BbSlaveLink *self, const BbBuilderDir *builders, gsize n_builders,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->set_builders_async (self, builders, n_builders, cancellable, callback, user_data);
}

gboolean
bb_slave_link_set_builders_finish (BbSlaveLink *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), FALSE);

  return BB_SLAVE_LINK_GET_IFACE (self)->set_builders_finish (self, result, error);
}

void
bb_slave_link_ping_async (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                          gpointer user_data)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->ping_async (self, cancellable, callback, user_data);
}

gboolean
bb_slave_link_ping_finish (BbSlaveLink *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), FALSE);

  return BB_SLAVE_LINK_GET_IFACE (self)->ping_finish (self, result, error);
}

void
bb_slave_link_shutdown_async (BbSlaveLink *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->shutdown_async (self, cancellable, callback, user_data);
}

gboolean
bb_slave_link_shutdown_finish (BbSlaveLink *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), FALSE);

  return BB_SLAVE_LINK_GET_IFACE (self)->shutdown_finish (self, result, error);
}

const char *
bb_slave_link_get_command_token (BbSlaveLink *self)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), NULL);

  return BB_SLAVE_LINK_GET_IFACE (self)->get_command_token != NULL
           ? BB_SLAVE_LINK_GET_IFACE (self)->get_command_token (self)
           : NULL;
}

void
bb_slave_link_stop_commands (BbSlaveLink *self, const char *token)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  if (BB_SLAVE_LINK_GET_IFACE (self)->stop_commands != NULL)
    BB_SLAVE_LINK_GET_IFACE (self)->stop_commands (self, token);
}

BbRemoteCommand *
bb_slave_link_start_command (BbSlaveLink *self, const char *builder, const char *name, GVariant *args,
                             const BbCommandEvents *events, gpointer user_data, GError **error)
{
  g_return_val_if_fail (BB_IS_SLAVE_LINK (self), NULL);

  return BB_SLAVE_LINK_GET_IFACE (self)->start_command (self, builder, name, args, events, user_data, error);
}

void
bb_slave_link_interrupt (BbSlaveLink *self, BbRemoteCommand *command, const char *why)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->interrupt (self, command, why);
}

void
bb_slave_link_give_block (BbSlaveLink *self, BbRemoteCommand *command, GBytes *block, const GError *error)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->give_block (self, command, block, error);
}

void
bb_slave_link_set_reading (BbSlaveLink *self, gboolean reading)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->set_reading (self, reading);
}

void
bb_slave_link_close (BbSlaveLink *self, const GError *reason)
{
  g_return_if_fail (BB_IS_SLAVE_LINK (self));

  BB_SLAVE_LINK_GET_IFACE (self)->close (self, reason);
}
