/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Banana, the byte layer of Perspective Broker: integers, floats, byte strings and lists of these. A message (one
 * top-level expression) is decoded into a flat array of tokens in the order of the wire, so that a peer which announces a
 * large list costs nothing until it sends it, and nesting costs no stack.
 */
typedef enum
{
  BB_BANANA_INTEGER,
  BB_BANANA_FLOAT,
  BB_BANANA_STRING, /* sent as a string or as a vocabulary number */
  BB_BANANA_LIST,
  BB_BANANA_ALIAS, /* never decoded: what bb_jelly_resolve_references() makes of a list that stands for another token */
} BbBananaType;

typedef struct
{
  BbBananaType type;
  gboolean too_large; /* an integer that does not fit 64 bits; its value is 0 */
  guint32 length;     /* bytes of a string, members of a list */
  guint32 next;       /* the token after this one and all that is in it */
  union
  {
    gint64 integer;
    double real;
    gsize offset; /* of a string in the message's bytes */
    guint target; /* of an alias: what it stands for, never an alias itself */
  };
} BbBananaToken;

/* One decoded expression; valid while its decoder's callback runs. */
typedef struct
{
  BbBananaToken *tokens;
  guint n_tokens;
  const char *bytes;
} BbBananaMessage;

/* What one peer may send; a breach ends its connection. */
typedef struct
{
  gsize max_string;   /* bytes */
  guint max_list;     /* members */
  guint max_depth;
  guint max_elements; /* of one message, all nesting together */
  gsize max_message;  /* bytes of all strings of one message */
} BbBananaLimits;

extern const BbBananaLimits bb_banana_limits_before_login;
extern const BbBananaLimits bb_banana_limits_after_login;

typedef struct _BbBananaDecoder BbBananaDecoder;
/* FALSE with @error: the message was not acceptable; decoding stops. */
typedef gboolean (*BbBananaFunc) (const BbBananaMessage *message, gpointer user_data, GError **error);

BbBananaDecoder *bb_banana_decoder_new (const BbBananaLimits *limits, BbBananaFunc func, gpointer user_data);
void bb_banana_decoder_free (BbBananaDecoder *self);
void bb_banana_decoder_set_limits (BbBananaDecoder *self, const BbBananaLimits *limits); /* from the next element on */
/* VOCAB is an error until the dialect "pb" was chosen. */
void bb_banana_decoder_set_vocabulary (BbBananaDecoder *self, gboolean vocabulary);

/**
 * bb_banana_decoder_feed:
 *
 * Decodes what is complete and calls the function for each message. An element that is not complete is left
 * to the caller, who offers it again with more behind it.
 *
 * Returns: how many bytes of @data were taken, or -1 with %BB_ERROR_PROTOCOL
 */
gssize bb_banana_decoder_feed (BbBananaDecoder *self, const guint8 *data, gsize length, GError **error);
gboolean bb_banana_decoder_is_within_message (BbBananaDecoder *self);
/* From within the callback: feed() returns after it, with what follows untouched. */
void bb_banana_decoder_pause (BbBananaDecoder *self);

/* Encoding appends to a byte array. @vocabulary: write a byte string that is a word of dialect "pb" as its number. */
void bb_banana_put_list (GByteArray *out, guint n_members);
void bb_banana_put_integer (GByteArray *out, gint64 value);
void bb_banana_put_float (GByteArray *out, double value);
void bb_banana_put_string (GByteArray *out, const char *bytes, gsize length, gboolean vocabulary);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbBananaDecoder, bb_banana_decoder_free)

G_END_DECLS
