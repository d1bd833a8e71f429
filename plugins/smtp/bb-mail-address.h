/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What Buildbot takes for an address: `a@b.c`, `<a@b.c>`, `Name <a@b.c>`; a domain of at least two labels (or
 * localhost), no white space in the local part, no line break anywhere.
 */

/* The address alone, without a name and angle brackets; NULL when @text is no address. */
char *bb_mail_address_extract (const char *text);

/**
 * bb_mail_address_of_user:
 * @user: as a version control system or a request names somebody: `joe`, `ann@x.org`, `User <a@b.c>@d.e`
 * @lookup_domain: (nullable): what is put behind a name without an `@`
 *
 * An address with more than one `@` loses its last part, which some version control systems add.
 *
 * Returns: (transfer full) (nullable): the text for a To header, or %NULL when nobody can be reached by it
 */
char *bb_mail_address_of_user (const char *user, const char *lookup_domain);

/* What RFC 5322 lets before the colon of a header. */
gboolean bb_mail_is_header_name (const char *text);

G_END_DECLS
