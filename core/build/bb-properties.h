/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-error.h"

G_BEGIN_DECLS

/* Most that the properties of one request may take, as GVariant. */
#define BB_PROPERTIES_MAX_BYTES (256 * 1024)

/* Refuses, with INVALID_ARGUMENT, what can't be properties: empty or very long names, values that are no string,
 * number, boolean or list of strings, too much in all. */
gboolean bb_properties_check (GVariant *properties, GError **error);

/**
 * bb_properties_merge:
 * @layers: (array length=n_layers): a{sv} or %NULL each, the weakest first
 *
 * Precedence as in Buildbot: what the configuration gives a builder is weaker than what the request brings, that
 * weaker than what the slave has; types are kept.
 *
 * Returns: (transfer full): a{sv}, sorted by name
 */
GVariant *bb_properties_merge (GVariant *const *layers, gsize n_layers);

/* As it is put into a text: strings as they are, booleans as `true` and `false`, numbers in decimal. (transfer full) */
char *bb_property_to_text (GVariant *value);

/* What `%(…)s` in a step draws from. All borrowed. */
typedef struct
{
  GVariant *properties; /* a{sv} */
  const char *slave_name;
  const char *host_name;
  gboolean literal; /* leave every text as it is: an ad-hoc command's per cent signs are its own */
} BbPropertyScope;

/* %(slave:password)s has no value here: the command line is shown in the build's log. */
char *bb_properties_interpolate (const BbPropertyScope *scope, const char *text, GError **error);

G_END_DECLS
