/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Something that runs builds: a name, settings, and now and then a connection. */
#define BB_TYPE_SLAVE (bb_slave_get_type ())
G_DECLARE_INTERFACE (BbSlave, bb_slave, BB, SLAVE, GObject)

struct _BbSlaveInterface
{
  GTypeInterface parent_iface;

  const char *(*get_name) (BbSlave *self);
  /* The plugin's own configuration struct that is in force, or NULL for static slaves. */
  gconstpointer (*get_config) (BbSlave *self);
};

const char *bb_slave_get_name (BbSlave *self);
gconstpointer bb_slave_get_config (BbSlave *self);

/*
 * What a plugin's slave types derive from: it keeps what all slaves have, so that a plugin holds nothing but its
 * own cloud. Properties "name" (construct only), "settings" and "config" are set by core.
 */
#define BB_TYPE_ABSTRACT_SLAVE (bb_abstract_slave_get_type ())
G_DECLARE_DERIVABLE_TYPE (BbAbstractSlave, bb_abstract_slave, BB, ABSTRACT_SLAVE, GObject)

struct _BbAbstractSlaveClass
{
  GObjectClass parent_class;
};

G_END_DECLS
