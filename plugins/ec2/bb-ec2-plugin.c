/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-config.h"
#include "bb-ec2-slave.h"

#include <bbhost/bbhost.h>
#include <glib/gi18n.h>

static const BbPluginProvides provides[] = {
  { .type_name = "ec2",
    .get_type = bb_ec2_slave_get_type,
    .options = bb_ec2_options,
    .config_size = sizeof (BbEc2Config),
    .validate = bb_ec2_config_validate },
  { 0 },
};

BB_PLUGIN_DEFINE ("ec2", N_("Slaves as instances of Amazon EC2, and of clouds that speak its language"), provides)
