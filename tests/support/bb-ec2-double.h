/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A little EC2 within the test: it keeps machines, and answers what a test has written down beforehand for the next
 * call of an action. Time runs 200 times as fast as usual; delays of half a minute and more, which are limits, never
 * end.
 */
typedef struct _BbEc2Double BbEc2Double;

BbEc2Double *bb_ec2_double_new (void);
void bb_ec2_double_free (BbEc2Double *self);
const char *bb_ec2_double_get_endpoint (BbEc2Double *self);

/* The next call of @action that has no answer yet gets this one. @body: XML, or anything. */
void bb_ec2_double_answer (BbEc2Double *self, const char *action, guint status, const char *body);
/* An EC2 error document. */
void bb_ec2_double_refuse (BbEc2Double *self, const char *action, guint status, const char *code);
/* The call is carried out, and its connection closed without an answer. */
void bb_ec2_double_lose (BbEc2Double *self, const char *action);
void bb_ec2_double_set_clock (BbEc2Double *self, gint64 skew_s); /* of the header Date; calls more than 5 minutes off are refused */
void bb_ec2_double_set_key (BbEc2Double *self, const char *access_key_id); /* (nullable): others are refused */
void bb_ec2_double_set_speed (BbEc2Double *self, guint speed); /* of time */

/* How many machines there are in that state (NULL: any). */
guint bb_ec2_double_count_machines (BbEc2Double *self, const char *state);
const char *bb_ec2_double_get_machine_id (BbEc2Double *self, guint index);
void bb_ec2_double_set_state (BbEc2Double *self, const char *id, const char *state, const char *reason_code);
/* Launched machines are in this state first (default: running); terminated ones in this one (default: terminated). */
void bb_ec2_double_set_first_state (BbEc2Double *self, const char *state);
void bb_ec2_double_set_last_state (BbEc2Double *self, const char *state);

/* The calls so far. */
guint bb_ec2_double_count (BbEc2Double *self, const char *action);
/* The parameter of the @index-th call of @action, from 0; or NULL */
const char *bb_ec2_double_get (BbEc2Double *self, const char *action, guint index, const char *parameter);
const char *bb_ec2_double_get_header (BbEc2Double *self, const char *action, guint index, const char *header);
/* "ACTION ACTION …" in the order in which they came */
char *bb_ec2_double_get_story (BbEc2Double *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Double, bb_ec2_double_free)

G_END_DECLS
