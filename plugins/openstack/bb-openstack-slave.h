/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

/* A slave whose machine is a server of an OpenStack cloud. */
#define BB_OPENSTACK_TYPE_SLAVE (bb_openstack_slave_get_type ())
G_DECLARE_FINAL_TYPE (BbOpenstackSlave, bb_openstack_slave, BB_OPENSTACK, SLAVE, BbAbstractSlave)

G_END_DECLS
