/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-banana.h"

G_BEGIN_DECLS

/*
 * Jelly, the typed objects on top of banana: everything but numbers and byte strings is a list that begins with a tag. What
 * has arrived is looked at in place, through views; nothing is built from it but what somebody asks for.
 */
typedef struct
{
  const BbBananaMessage *message;
  guint index;
} BbJelly;

BbJelly bb_jelly_root (const BbBananaMessage *message);

/* Makes every `reference` and `dereference` of the message an alias of what it stands for, in one pass; to be called before
 * anything is looked at. FALSE with %BB_ERROR_PROTOCOL for a number that is unknown, or whose object is not complete (a
 * cycle), or given twice, and for too many of them. */
gboolean bb_jelly_resolve_references (const BbBananaMessage *message, GError **error);

/* Members of a list as it is on the wire, tag included. */
gboolean bb_jelly_is_list (BbJelly value);
guint bb_jelly_count (BbJelly list);
BbJelly bb_jelly_first (BbJelly list);
BbJelly bb_jelly_next (BbJelly value); /* not checked against the end of its list: count */
gboolean bb_jelly_nth (BbJelly list, guint n, BbJelly *member);

/* What the value is, references resolved. */
gboolean bb_jelly_has_tag (BbJelly value, const char *tag);
gboolean bb_jelly_is_none (BbJelly value);
gboolean bb_jelly_is_bytes (BbJelly value); /* a bare string */
/* A bare string or unicode; @text is not NUL-terminated and, if bare, any bytes. */
gboolean bb_jelly_get_text (BbJelly value, const char **text, gsize *length);
gboolean bb_jelly_text_is (BbJelly value, const char *text);
char *bb_jelly_dup_text (BbJelly value); /* valid UTF-8 without NUL; %NULL when it is no text */
gboolean bb_jelly_get_integer (BbJelly value, gint64 *integer); /* also of booleans */
gboolean bb_jelly_get_number (BbJelly value, double *number);
gboolean bb_jelly_get_remote (BbJelly value, gint64 *number); /* (remote N), N from 1 to 2^53 */
/* A list, tuple or set: how many members, and the first. */
gboolean bb_jelly_get_sequence (BbJelly value, guint *n_members, BbJelly *first);
/* A dictionary: how many pairs, and the first, to be read by bb_jelly_get_pair() and bb_jelly_next(). */
gboolean bb_jelly_get_dictionary (BbJelly value, guint *n_pairs, BbJelly *first);
gboolean bb_jelly_get_pair (BbJelly pair, BbJelly *key, BbJelly *value);
gboolean bb_jelly_lookup (BbJelly dictionary, const char *key, BbJelly *value);

/* As a GVariant: text s, integer x, float d, boolean b, None mv; a sequence of text only as, of integers only ax, any
 * other av; a dictionary a{sv}; floating. %NULL for anything else, and when it would become larger than @budget, which references
 * could make it: an element costs 1, and 1 for each 64 bytes of text. */
GVariant *bb_jelly_to_variant (BbJelly value, guint budget);

/* The name of the class of a failure without its module, and its message; "" where it does not say. (transfer full) */
void bb_jelly_describe_failure (BbJelly value, char **type, char **text);

/* How values are written for one peer. */
typedef struct
{
  GByteArray *out;
  gboolean vocabulary;
  gboolean python2; /* text goes as bare strings */
} BbJellyWriter;

void bb_jelly_put_word (const BbJellyWriter *writer, const char *word); /* PB's own words: always bare */
void bb_jelly_put_bytes (const BbJellyWriter *writer, const char *bytes, gsize length);
void bb_jelly_put_text (const BbJellyWriter *writer, const char *text);
void bb_jelly_put_none (const BbJellyWriter *writer);
void bb_jelly_put_boolean (const BbJellyWriter *writer, gboolean value);
void bb_jelly_put_remote (const BbJellyWriter *writer, gint64 number);
/* The head of a tagged list; @n_members more are to follow. */
void bb_jelly_put_tagged (const BbJellyWriter *writer, const char *tag, guint n_members);
/* See bb_slave_link_start_command() for what is what. */
void bb_jelly_put_variant (const BbJellyWriter *writer, GVariant *value);
/* The failure that a peer knows how to take (worker-protocol 3.7): @type by its full name, with its parents. */
void bb_jelly_put_failure (const BbJellyWriter *writer, const char *const *parents, const char *text);

G_END_DECLS
