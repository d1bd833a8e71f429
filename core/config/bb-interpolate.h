/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Answers the value of `%(SCOPE:NAME)s` (SCOPE "prop", "slave", "host") as a new string, or NULL when there is none. */
typedef char *(*BbInterpolateFunc) (const char *scope, const char *name, gpointer user_data);

/**
 * bb_interpolate:
 * @text: with `%(prop:NAME)s`, `%(prop:NAME:-default)s`, `%(slave:name)s`, `%(slave:password)s`, `%(host:name)s`,
 *   `%(master:host)s`, `%(master:port)s`, `%(master:protocol)s`, `%(master:tls)s`, `%%`
 *
 * A missing property without a default is an error that names it, as in Buildbot's WithProperties.
 *
 * Returns: (transfer full): the text, or %NULL with %BB_ERROR_CONFIG or %BB_ERROR_INVALID_ARGUMENT
 */
char *bb_interpolate (const char *text, BbInterpolateFunc func, gpointer user_data, GError **error);

/* Checks the syntax alone: unclosed parentheses, unknown scopes, a lone `%`. */
gboolean bb_interpolate_check (const char *text, GError **error);

G_END_DECLS
