/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-config.h"
#include "bb-openstack-slave.h"

#include <glib/gi18n.h>

static const BbPluginProvides provides[] = {
  { .type_name = "openstack",
    .get_type = bb_openstack_slave_get_type,
    .options = bb_openstack_options,
    .config_size = sizeof (BbOpenstackConfig),
    .validate = bb_openstack_config_validate },
  { 0 },
};

BB_PLUGIN_DEFINE ("openstack", N_("Slaves as servers of OpenStack clouds"), provides)
