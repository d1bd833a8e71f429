/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One call of the Query API before it is signed: an action and its parameters, in the order in which they were
 * added. */
typedef struct _BbEc2Query BbEc2Query;

BbEc2Query *bb_ec2_query_new (const char *action);
BbEc2Query *bb_ec2_query_ref (BbEc2Query *self);
void bb_ec2_query_unref (BbEc2Query *self);
BbEc2Query *bb_ec2_query_copy (BbEc2Query *self);

const char *bb_ec2_query_get_action (BbEc2Query *self);
void bb_ec2_query_set_version (BbEc2Query *self, const char *version); /* of the API; EC2's is the default */

void bb_ec2_query_add (BbEc2Query *self, const char *name, const char *value);
void bb_ec2_query_add_printf (BbEc2Query *self, const char *value, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* NAME.1, NAME.2, …; @values may be NULL */
void bb_ec2_query_add_list (BbEc2Query *self, const char *name, const char *const *values);
void bb_ec2_query_add_filter (BbEc2Query *self, const char *name, const char *const *values);
/* A new value for a parameter, or a new parameter. */
void bb_ec2_query_set (BbEc2Query *self, const char *name, const char *value);
const char *bb_ec2_query_get (BbEc2Query *self, const char *name); /* (nullable) */

/* The body, form encoded as botocore does it: space as "+", all but unreserved characters as %XX. */
char *bb_ec2_query_encode (BbEc2Query *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Query, bb_ec2_query_unref)

G_END_DECLS
