/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bbhost/bbhost.h>

/* Its type is none that bbhost can use. */
static const BbOption options[] = { { 0 } };

static const BbPluginProvides provides[] = { { "no-slave", g_cancellable_get_type, options, 0, NULL, FALSE }, { 0 } };

BB_PLUGIN_DEFINE ("no-slave", "Provides something else", provides)
