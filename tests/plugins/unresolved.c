/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <bbhost/bbhost.h>

/* Built against a later libbbhost-1 than the one that is there. */
void bb_function_of_the_future (void);

static void
validate (gconstpointer config, GPtrArray *errors)
{
  bb_function_of_the_future ();
}

static const BbOption options[] = { { 0 } };

static const BbPluginProvides provides[] = { { "unresolved", g_object_get_type, options, 0, validate, FALSE }, { 0 } };

BB_PLUGIN_DEFINE ("unresolved", "Misses a symbol", provides)
