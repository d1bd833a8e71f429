/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-openstack-row.h"

#include <string.h>

const char *
bb_openstack_row_find (const char *const *resources, const char *kind)
{
  for (; *resources != NULL; resources++)
    if (g_str_has_prefix (*resources, kind))
      return *resources + strlen (kind);
  return NULL;
}
