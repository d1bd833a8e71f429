/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-config-tables.h"

#include "bb-config-private.h"

const BbOption *
bb_config_find_table (const char *name)
{
  const struct
  {
    const char *name;
    const BbOption *options;
  } tables[] = {
    { "host", bb_config_host_options },
    { "listener", bb_config_listener_options },
    { "slave", bb_static_slave_options },
    { "latent-slave", bb_latent_slave_options },
    { "builder", bb_config_builder_options },
  };

  if (g_str_has_prefix (name, "step "))
    return bb_config_get_step_options (name + strlen ("step "));
  for (guint i = 0; i < G_N_ELEMENTS (tables); i++)
    if (g_str_equal (tables[i].name, name))
      return tables[i].options;
  return NULL;
}
