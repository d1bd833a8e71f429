/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  BB_NOTICE_SLAVE_MISSING,     /* a static slave has been away for its missing_timeout */
  BB_NOTICE_SLAVE_NEVER_CAME,  /* a latent slave did not attach within its missing_timeout */
  BB_NOTICE_BUILD_FINISHED,
  BB_NOTICE_INSTANCE_TROUBLE,  /* an instance that will not stop, an account that can't be reached, a forgotten row */
} BbNoticeKind;

/*
 * What is wrong, as `trouble` says in the details of a BB_NOTICE_INSTANCE_TROUBLE, so that who carries it finds words of his
 * own for it. Where it is about one instance, or about an attempt to have one: `instance` (t), `slave`, `backend`,
 * `instance_id`, `last_error` (s).
 */
#define BB_TROUBLE_STOP "stop"       /* an instance can't be stopped: `attempts` (u) */
#define BB_TROUBLE_START "start"     /* a start that was given up does not return: `seconds` (u) since then */
#define BB_TROUBLE_ACCOUNT "account" /* no answer: `backend`, `account` (s), `open` (u) instances, `attempts` (u), `last_error` */
#define BB_TROUBLE_ORPHANS "orphans" /* of an earlier store: `backend`, `account`, `instances` (s), `seconds` (u) until they are stopped */
#define BB_TROUBLE_BUDGET "budget"   /* nearly or wholly spent this month: `spent`, `limit` (d) */
#define BB_TROUBLE_FORGOTTEN "forgotten" /* a row, `by` (s) somebody, for a `reason` (s) */
#define BB_TROUBLE_NONE "none"       /* a test */

/* Something that people should hear of. Immutable. */
#define BB_TYPE_NOTICE (bb_notice_get_type ())
G_DECLARE_FINAL_TYPE (BbNotice, bb_notice, BB, NOTICE, GObject)

/* @details: a{sv}, sunk if floating; its members depend on @kind and are listed in the implementation's docstring. */
BbNotice *bb_notice_new (BbNoticeKind kind, const char *const *recipients, const char *summary, GVariant *details);
/* The same with the id that it had before a restart. */
BbNotice *bb_notice_new_with_id (const char *id, BbNoticeKind kind, const char *const *recipients, const char *summary,
                                 GVariant *details);
/* What stays the same however often it is told, so that two copies of it can be known for one. Made from what happened
 * where that is unique (the loss of a slave at a time, the end of a build), else at random. */
const char *bb_notice_get_id (BbNotice *self);
BbNoticeKind bb_notice_get_kind (BbNotice *self);
const char *const *bb_notice_get_recipients (BbNotice *self); /* never NULL */
const char *bb_notice_get_summary (BbNotice *self);
GVariant *bb_notice_get_details (BbNotice *self);

G_END_DECLS
