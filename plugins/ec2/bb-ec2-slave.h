/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <bbhost/bbhost.h>

G_BEGIN_DECLS

/* A slave whose machine is an instance of EC2. */
#define BB_EC2_TYPE_SLAVE (bb_ec2_slave_get_type ())
G_DECLARE_FINAL_TYPE (BbEc2Slave, bb_ec2_slave, BB_EC2, SLAVE, BbAbstractSlave)

G_END_DECLS
