/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-latent-slave.h"

/* Longer than clouds need until what one of their servers knows is known to all of them. */
#define DEFAULT_LISTING_DELAY 30.0

G_DEFINE_INTERFACE (BbLatentSlave, bb_latent_slave, BB_TYPE_SLAVE)

static guint instance_changed_signal;

static void
bb_latent_slave_default_init (BbLatentSlaveInterface *iface)
{
  /**
   * BbLatentSlave::instance-changed:
   *
   * Emitted by bb_latent_slave_instance_changed().
   */
  instance_changed_signal = g_signal_new ("instance-changed", BB_TYPE_LATENT_SLAVE, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                          NULL, G_TYPE_NONE, 0);
}

void
bb_latent_slave_instance_changed (BbLatentSlave *self)
{
  g_return_if_fail (BB_IS_LATENT_SLAVE (self));

  g_signal_emit (self, instance_changed_signal, 0);
}

void
bb_latent_slave_start_instance_async (BbLatentSlave *self, BbInstanceRequest *request, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BB_IS_LATENT_SLAVE (self));
  g_return_if_fail (request != NULL);

  BB_LATENT_SLAVE_GET_IFACE (self)->start_instance_async (self, request, cancellable, callback, user_data);
}

BbInstance *
bb_latent_slave_start_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), NULL);

  return BB_LATENT_SLAVE_GET_IFACE (self)->start_instance_finish (self, result, error);
}

void
bb_latent_slave_stop_instance_async (BbLatentSlave *self, BbInstance *instance, gboolean fast,
                                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BB_IS_LATENT_SLAVE (self));
  g_return_if_fail (instance != NULL);

  BB_LATENT_SLAVE_GET_IFACE (self)->stop_instance_async (self, instance, fast, cancellable, callback, user_data);
}

gboolean
bb_latent_slave_stop_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), FALSE);

  return BB_LATENT_SLAVE_GET_IFACE (self)->stop_instance_finish (self, result, error);
}

gboolean
bb_latent_slave_announces_ends (BbLatentSlave *self)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), FALSE);

  return BB_LATENT_SLAVE_GET_IFACE (self)->announces_ends != NULL
         && BB_LATENT_SLAVE_GET_IFACE (self)->announces_ends (self);
}

gboolean
bb_latent_slave_can_park (BbLatentSlave *self)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), FALSE);

  return BB_LATENT_SLAVE_GET_IFACE (self)->can_park != NULL && BB_LATENT_SLAVE_GET_IFACE (self)->can_park (self);
}

void
bb_latent_slave_park_instance_async (BbLatentSlave *self, BbInstance *instance, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BB_IS_LATENT_SLAVE (self));
  g_return_if_fail (instance != NULL);
  g_return_if_fail (BB_LATENT_SLAVE_GET_IFACE (self)->park_instance_async != NULL);

  BB_LATENT_SLAVE_GET_IFACE (self)->park_instance_async (self, instance, cancellable, callback, user_data);
}

gboolean
bb_latent_slave_park_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), FALSE);

  return BB_LATENT_SLAVE_GET_IFACE (self)->park_instance_finish (self, result, error);
}

void
bb_latent_slave_check_instance_async (BbLatentSlave *self, BbInstance *instance, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BB_IS_LATENT_SLAVE (self));
  g_return_if_fail (instance != NULL);

  BB_LATENT_SLAVE_GET_IFACE (self)->check_instance_async (self, instance, cancellable, callback, user_data);
}

BbInstance *
bb_latent_slave_check_instance_finish (BbLatentSlave *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), NULL);

  return BB_LATENT_SLAVE_GET_IFACE (self)->check_instance_finish (self, result, error);
}

void
bb_latent_slave_list_instances_async (BbLatentSlave *self, const char *store_id, GCancellable *cancellable,
                                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (BB_IS_LATENT_SLAVE (self));
  g_return_if_fail (store_id != NULL);

  BB_LATENT_SLAVE_GET_IFACE (self)->list_instances_async (self, store_id, cancellable, callback, user_data);
}

GPtrArray *
bb_latent_slave_list_instances_finish (BbLatentSlave *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), NULL);

  return BB_LATENT_SLAVE_GET_IFACE (self)->list_instances_finish (self, result, error);
}

char *
bb_latent_slave_get_scope (BbLatentSlave *self)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), NULL);

  return BB_LATENT_SLAVE_GET_IFACE (self)->get_scope (self);
}

double
bb_latent_slave_get_hourly_cost (BbLatentSlave *self)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), -1.0);

  if (BB_LATENT_SLAVE_GET_IFACE (self)->get_hourly_cost == NULL)
    return -1.0;
  return BB_LATENT_SLAVE_GET_IFACE (self)->get_hourly_cost (self);
}

double
bb_latent_slave_get_listing_delay (BbLatentSlave *self)
{
  g_return_val_if_fail (BB_IS_LATENT_SLAVE (self), DEFAULT_LISTING_DELAY);

  if (BB_LATENT_SLAVE_GET_IFACE (self)->get_listing_delay == NULL)
    return DEFAULT_LISTING_DELAY;
  return MAX (BB_LATENT_SLAVE_GET_IFACE (self)->get_listing_delay (self), 0);
}
