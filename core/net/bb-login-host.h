/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-link.h"

G_BEGIN_DECLS

/*
 * Who decides about logins: the slave manager; a scripted one in tests of the protocols.
 */
#define BB_TYPE_LOGIN_HOST (bb_login_host_get_type ())
G_DECLARE_INTERFACE (BbLoginHost, bb_login_host, BB, LOGIN_HOST, GObject)

struct _BbLoginHostInterface
{
  GTypeInterface parent_iface;

  /* The password that counts now for @name, or NULL when nobody of that name may log in. Borrowed until the loop
   * turns. The protocol compares in constant time, against a made-up one for an unknown name. */
  const char *(*get_password) (BbLoginHost *self, const char *name);
  /* The password was right. The host calls accept or refuse, now or later; it takes a reference if it keeps @link. */
  void (*login) (BbLoginHost *self, const char *name, BbSlaveLink *link);
  /* It was not, or the name is unknown (@known FALSE); for the log. */
  void (*login_failed) (BbLoginHost *self, const char *name, gboolean known, const char *peer_address);
};

const char *bb_login_host_get_password (BbLoginHost *self, const char *name);
void bb_login_host_login (BbLoginHost *self, const char *name, BbSlaveLink *link);
void bb_login_host_login_failed (BbLoginHost *self, const char *name, gboolean known, const char *peer_address);

G_END_DECLS
