/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-pb-login-private.h"
#include "fuzz-session.h"

/* Sessions of Perspective Broker: banana, jelly, broker. */

/* The answer to the challenge is MD5 (MD5 (password) || challenge), worker-protocol 4.1. */
static GByteArray *
make_login (void)
{
  static const guint8 login[] = "\x02\x82pb" "\x02\x80\x13\x87\x06\x81"
                                "\x07\x80\x1a\x87\x01\x81\x04\x82root\x14\x87\x01\x81\x02\x80\x0b\x87\x02\x82" BB_FUZZ_NAME
                                "\x01\x80\x05\x87"
                                "\x07\x80\x1a\x87\x02\x81\x01\x81\x07\x82respond\x01\x81\x03\x80\x0b\x87\x10\x82";
  static const guint8 bot[] = "\x02\x80\x10\x87\x01\x81\x01\x80\x05\x87";
  g_autoptr (GChecksum) inner = g_checksum_new (G_CHECKSUM_MD5);
  g_autoptr (GChecksum) outer = g_checksum_new (G_CHECKSUM_MD5);
  const guint8 challenge[BB_PB_CHALLENGE_SIZE] = { 0 }; /* see getentropy() in fuzz-session.c */
  guint8 digest[16];
  GByteArray *bytes = g_byte_array_new ();
  gsize size = sizeof digest;

  g_checksum_update (inner, (const guchar *) BB_FUZZ_PASSWORD, -1);
  g_checksum_get_digest (inner, digest, &size);
  g_checksum_update (outer, digest, (gssize) size);
  g_checksum_update (outer, challenge, sizeof challenge);
  g_checksum_get_digest (outer, digest, &size);
  g_byte_array_append (bytes, login, sizeof login - 1);
  g_byte_array_append (bytes, digest, sizeof digest);
  return g_byte_array_append (bytes, bot, sizeof bot - 1);
}

static const BbFuzzProtocol protocol = { bb_pb_login_begin, make_login, NULL };

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  bb_fuzz_session_run (&protocol, data, size);
  return 0;
}
