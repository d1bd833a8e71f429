/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* As in [properties NAME] of the configuration: an integer, true or false, or a text; in quotes always a text.
 * Floating. */
GVariant *bbctl_parse_property_value (const char *text);
/* a{sv} of NAME=VALUE items, floating; NULL with the item that is *@wrong. */
GVariant *bbctl_parse_properties (char **items, const char **wrong);

G_END_DECLS
