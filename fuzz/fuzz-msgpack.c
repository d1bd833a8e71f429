/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fuzz-session.h"

/* Sessions of msgpack over WebSocket. */

static GByteArray *
make_login (void)
{
  static const char key[] = "GET / HTTP/1.1\r\nHost: bbhost\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
                            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n";
  static const char pair[] = BB_FUZZ_NAME ":" BB_FUZZ_PASSWORD;
  g_autofree char *encoded = g_base64_encode ((const guchar *) pair, strlen (pair));
  g_autofree char *head = g_strdup_printf ("%sAuthorization: Basic %s\r\n\r\n", key, encoded);

  return g_byte_array_append (g_byte_array_new (), (const guint8 *) head, (guint) strlen (head));
}

/* A whole binary message, RFC 6455, 5.2; a mask of zeros changes nothing. */
static void
wrap (GByteArray *piece)
{
  const guint8 frame[] = { 0x82, 0x80 | 126, (guint8) (piece->len >> 8), (guint8) piece->len, 0, 0, 0, 0 };

  if (piece->len < 126)
    {
      g_byte_array_prepend (piece, (const guint8[]){ 0x82, (guint8) (0x80 | piece->len), 0, 0, 0, 0 }, 6);
      return;
    }
  g_byte_array_prepend (piece, frame, sizeof frame);
}

static const BbFuzzProtocol protocol = { bb_msgpack_login_begin, make_login, wrap };

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  bb_fuzz_session_run (&protocol, data, size);
  return 0;
}
