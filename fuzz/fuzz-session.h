/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-login-ticket.h"
#include "fuzz.h"

G_BEGIN_DECLS

/* Who may log in. */
#define BB_FUZZ_NAME "w1"
#define BB_FUZZ_PASSWORD "pw-one"

/* Puts what is there into a frame. */
typedef void (*BbFuzzWrap) (GByteArray *piece);

typedef struct
{
  BbProtocolBegin begin;
  GByteArray *(*make_login) (void); /* (transfer full): all that a slave sends until it is logged in */
  BbFuzzWrap wrap;                  /* NULL: there are no frames */
} BbFuzzProtocol;

/* One whole session of a protocol with a slave: login, link and commands, from accept to the end of the connection. */
void bb_fuzz_session_run (const BbFuzzProtocol *protocol, const guint8 *data, gsize size);

G_END_DECLS
