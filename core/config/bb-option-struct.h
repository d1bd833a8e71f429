/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-option.h"

G_BEGIN_DECLS

/* What an option table makes of a plain struct. Tables are static and end with a row of zeros. */

gpointer bb_option_struct_new_default (const BbOption *options);
void bb_option_struct_free (const BbOption *options, gpointer config);
/* Members that no option fills are zero in the copy. */
gpointer bb_option_struct_copy (const BbOption *options, gconstpointer config);
/* @without: options with any of these flags are not compared. */
gboolean bb_option_struct_equal (const BbOption *options, gconstpointer a, gconstpointer b, BbOptionFlags without);

/* (transfer full): tells whether a struct of before a restart was the same; @without as above. No secret can be read
 * from it. */
char *bb_option_struct_digest (const BbOption *options, gconstpointer config, BbOptionFlags without);

/* The least size that a struct filled by this table has. */
gsize bb_option_struct_get_size (const BbOption *options);
/* @to: zeroed, at least as large */
void bb_option_struct_copy_to (const BbOption *options, gconstpointer from, gpointer to);
/* The same as new_default and free for a struct that has more members, or that lives elsewhere. @config is zeroed. */
void bb_option_struct_init (const BbOption *options, gpointer config);
void bb_option_struct_clear (const BbOption *options, gpointer config);

/**
 * bb_option_parse:
 * @option: one row of the table of @config
 * @text: the value as it is written in a key file: `\s`, `\n`, `\t`, `\r`, `\\` and, in lists, `\;` stand for themselves;
 *   blanks at both ends, and around the items of a list, do not count
 * @folder: (nullable): what a relative path counts from
 *
 * Replaces the member. The error says what is wrong and what would be right, but neither file nor key; it never
 * quotes a secret.
 */
gboolean bb_option_parse (const BbOption *option, gpointer config, const char *text, const char *folder,
                          GError **error);

/* The text alone, as for %BB_OPTION_STRING and %BB_OPTION_STRINGS. */
char *bb_option_unescape (const char *text, GError **error);
char **bb_option_unescape_list (const char *text, GError **error);

const BbOption *bb_option_find (const BbOption *options, const char *key); /* %NULL when there is none */
const char *bb_option_type_to_string (BbOptionType type);

/* The known word nearest to @word (Damerau-Levenshtein, at most a third of it), or NULL. */
const char *bb_option_nearest (const char *word, const char *const *known);

gboolean bb_option_is_mail_address (const char *text);

G_END_DECLS
