/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

/* A slave whose machine is a domain of libvirt. */
#define BB_LIBVIRT_TYPE_SLAVE (bb_libvirt_slave_get_type ())
G_DECLARE_FINAL_TYPE (BbLibvirtSlave, bb_libvirt_slave, BB_LIBVIRT, SLAVE, BbAbstractSlave)

G_END_DECLS
