/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave.h"

G_DEFINE_INTERFACE (BbSlave, bb_slave, G_TYPE_OBJECT)

static void
bb_slave_default_init (BbSlaveInterface *iface)
{
}

const char *
bb_slave_get_name (BbSlave *self)
{
  g_return_val_if_fail (BB_IS_SLAVE (self), NULL);

  return BB_SLAVE_GET_IFACE (self)->get_name (self);
}

gconstpointer
bb_slave_get_config (BbSlave *self)
{
  g_return_val_if_fail (BB_IS_SLAVE (self), NULL);

  return BB_SLAVE_GET_IFACE (self)->get_config (self);
}
