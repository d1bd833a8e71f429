/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>

#include "bb-libvirt-config.h"
#include "bb-libvirt-slave.h"

static const BbPluginProvides provides[] = {
  { "libvirt", bb_libvirt_slave_get_type, bb_libvirt_options, sizeof (BbLibvirtConfig), bb_libvirt_config_validate,
    FALSE },
  { 0 },
};

BB_PLUGIN_DEFINE ("libvirt", N_("Slaves as virtual machines of libvirt"), provides)
