/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The end of a piece of output that a slave cut within a character. */
typedef struct
{
  char bytes[4];
  guint length;
} BbTextCarry;

/* Valid UTF-8 without NUL, not NUL-terminated. */
typedef void (*BbTextFunc) (const char *text, gsize length, gpointer user_data);

/**
 * bb_output_text_give:
 * @carry: (nullable): of a stream whose pieces end anywhere
 *
 * Hands @text on as valid UTF-8, in pieces of at most %BB_LINK_MAX_BLOCK bytes: as it is, without a copy, if it is valid, otherwise with
 * U+FFFD in the place of what is not.
 */
void bb_output_text_give (BbTextCarry *carry, const char *text, gsize length, BbTextFunc func, gpointer user_data);
/* The stream has ended. */
void bb_output_text_end (BbTextCarry *carry, BbTextFunc func, gpointer user_data);

G_END_DECLS
