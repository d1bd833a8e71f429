/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-banana.h"
#include "bb-listener.h"

G_BEGIN_DECLS

/* The other end of a PB connection, for tests: sends what it is told, in the notation of tests/data/pb, and shows what comes. */
typedef struct _BbPbPeer BbPbPeer;

BbPbPeer *bb_pb_peer_new (guint16 port);
void bb_pb_peer_free (BbPbPeer *self);
int bb_pb_peer_get_fd (BbPbPeer *self);
void bb_pb_peer_send (BbPbPeer *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
void bb_pb_peer_send_bytes (BbPbPeer *self, gconstpointer data, gsize length);
void bb_pb_peer_hang_up (BbPbPeer *self);

/* Turns the main context until a message comes; its text, borrowed until the next call. Fails when the connection ends. */
const char *bb_pb_peer_next (BbPbPeer *self);
/* A message that has come already, without turning; NULL: none. */
const char *bb_pb_peer_poll (BbPbPeer *self);
void bb_pb_peer_expect (BbPbPeer *self, const char *notation);
gboolean bb_pb_peer_is_closed (BbPbPeer *self); /* by the other side; after what came before was looked at */
void bb_pb_peer_expect_closed (BbPbPeer *self); /* turns until it is; fails when messages come first */
void bb_pb_peer_wait_closed (BbPbPeer *self);   /* whatever comes first */

/* Greeting, version and login up to the answer to the challenge; the answer to respond is request 2's and still to come. */
void bb_pb_peer_login (BbPbPeer *self, const char *name, const char *password);

char *bb_pb_peer_render (const BbBananaMessage *message, guint index);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbPbPeer, bb_pb_peer_free)

/* Who decides about logins: accepts at once unless told otherwise, and remembers. */
#define BB_TYPE_TEST_LOGIN_HOST (bb_test_login_host_get_type ())
G_DECLARE_FINAL_TYPE (BbTestLoginHost, bb_test_login_host, BB, TEST_LOGIN_HOST, GObject)

struct _BbTestLoginHost
{
  GObject parent_instance;

  GHashTable *passwords; /* name → password */
  gboolean undecided;    /* neither accepts nor refuses */
  GPtrArray *links;      /* of BbSlaveLink, that have logged in; in order */
  GString *names;        /* "w1 w2 " */
  GString *failures;     /* "unknown NAME, wrong NAME, " */
  GString *lost;         /* of links: each reason and a newline */
  guint n_lost;
  guint n_shutdowns;
};

BbTestLoginHost *bb_test_login_host_new (void); /* knows w1 with the password pw-one */

/* That what is kept of a slave's info is within its limits: the slave sent "admin", "x" and 3000 times "\303\251"; beside it 150
 * keys and 150 commands. */
void bb_test_check_info_is_cut (BbSlaveLink *link, GVariant *info);

G_END_DECLS
