/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-static-slave.h"

struct _BbStaticSlave
{
  BbAbstractSlave parent_instance;
};

G_DEFINE_FINAL_TYPE (BbStaticSlave, bb_static_slave, BB_TYPE_ABSTRACT_SLAVE)

static void
bb_static_slave_class_init (BbStaticSlaveClass *klass)
{
}

static void
bb_static_slave_init (BbStaticSlave *self)
{
}
