/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  BB_CAPTURE_BANANA, /* one expression */
  BB_CAPTURE_HEAD,   /* of HTTP, with the empty line behind it */
  BB_CAPTURE_FRAME,  /* of a WebSocket */
} BbCaptureKind;

/* Recorded sessions between slaves and masters, tests/data/{pb,msgpack}: each element is one message as it was on the wire. */
typedef struct
{
  BbCaptureKind kind;
  gboolean from_slave;
  GByteArray *bytes;
} BbCaptureElement;

GPtrArray *bb_capture_load (const char *name); /* of BbCaptureElement; fails the test if it can't */
GPtrArray *bb_capture_list (const char *protocol); /* of names (char *), of all captures of "pb" or "msgpack", sorted */
char *bb_capture_data_path (const char *name);
GByteArray *bb_capture_from_hex (const char *hex);

/* What is written as (message 1 "root" login 1 (tuple) -5 1.5): its banana is appended to @out. @end: what follows. */
void bb_capture_encode (const char *notation, gboolean vocabulary, GByteArray *out, const char **end);

G_END_DECLS
