/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-login-host.h"

G_DEFINE_INTERFACE (BbLoginHost, bb_login_host, G_TYPE_OBJECT)

static void
bb_login_host_default_init (BbLoginHostInterface *iface)
{
}

const char *
bb_login_host_get_password (BbLoginHost *self, const char *name)
{
  g_return_val_if_fail (BB_IS_LOGIN_HOST (self), NULL);

  return BB_LOGIN_HOST_GET_IFACE (self)->get_password (self, name);
}

void
bb_login_host_login (BbLoginHost *self, const char *name, BbSlaveLink *link)
{
  g_return_if_fail (BB_IS_LOGIN_HOST (self));

  BB_LOGIN_HOST_GET_IFACE (self)->login (self, name, link);
}

void
bb_login_host_login_failed (BbLoginHost *self, const char *name, gboolean known, const char *peer_address)
{
  g_return_if_fail (BB_IS_LOGIN_HOST (self));

  BB_LOGIN_HOST_GET_IFACE (self)->login_failed (self, name, known, peer_address);
}
