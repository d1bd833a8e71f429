/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-login-judge.h"

G_BEGIN_DECLS

/*
 * A connection from accept until its login is decided, whichever protocol it speaks: its place among those that may wait, its time
 * limit, its turn when others of its name have failed, what becomes of it. A protocol has a struct that begins with this one.
 */
typedef struct _BbLogin BbLogin;

typedef struct
{
  BbStream *(*get_stream) (BbLogin *self);
  void (*close) (BbLogin *self, const GError *error); /* bb_login_end() follows */
  BbPasswordCheck is_right; /* of what the peer has shown; its data is the login */
  void (*refuse) (BbLogin *self); /* says so to the peer; it may stay until the timer passes, if that is started anew */
  BbSlaveLink *(*welcome) (BbLogin *self); /* (transfer full): it goes on with the connection */
  void (*free) (BbLogin *self); /* what is the protocol's own, and the struct */
  gboolean in_own_turn; /* is decided from the loop, not from within the call that has brought it */
} BbLoginClass;

struct _BbLogin
{
  /*< private >*/
  const BbLoginClass *klass;
  BbLoginTicket *ticket;   /* NULL: the place was needed for somebody else */
  BbLoginHost *login_host; /* not owned */
  /*< protected >*/
  BbStranger *stranger;
  BbTimer timer; /* the login must be complete; it is its turn; a refused peer must be gone */
  char *name;    /* NULL before the peer has told it */
  gboolean deciding;
  gboolean refused;
};

/* @self: zeroed, from g_malloc(); @ticket: (transfer full) */
void bb_login_init (BbLogin *self, const BbLoginClass *klass, BbLoop *loop, BbLoginTicket *ticket, BbLoginHost *login_host);
/* There is something to speak through, and from now on so much time. */
void bb_login_start (BbLogin *self, gint64 login_time_us);
/* There is nothing to speak through: frees it. */
void bb_login_fail (BbLogin *self, const GError *error);
/* The peer has said all of it, and has its name. */
void bb_login_decide (BbLogin *self);
/* The peer is told that it is not let in, without having been asked what it knows. */
void bb_login_refuse (BbLogin *self);
/* Something is wrong with it. */
void bb_login_close (BbLogin *self, const char *why);
/* The connection has ended: frees it. */
void bb_login_end (BbLogin *self, const GError *reason);

G_END_DECLS
