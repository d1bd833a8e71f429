/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-notice.h"

struct _BbNotice
{
  GObject parent_instance;

  BbNoticeKind kind;
  char **recipients;
  char *summary;
  GVariant *details;
};

G_DEFINE_FINAL_TYPE (BbNotice, bb_notice, G_TYPE_OBJECT)

static void
bb_notice_finalize (GObject *object)
{
  BbNotice *self = BB_NOTICE (object);

  g_strfreev (self->recipients);
  g_free (self->summary);
  g_clear_pointer (&self->details, g_variant_unref);
  G_OBJECT_CLASS (bb_notice_parent_class)->finalize (object);
}

static void
bb_notice_class_init (BbNoticeClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_notice_finalize;
}

static void
bb_notice_init (BbNotice *self)
{
}

/**
 * bb_notice_new:
 * @kind: what has happened
 * @recipients: (nullable): mail addresses that are named for it: notify_on_missing of the slave; the host's admin
 * @summary: one line for people
 * @details: a{sv}. Of a slave: `slave` (s), `since` (x, wall microseconds), `last_message` (x), `peer_address` (s),
 *   `admin` (s), `backend` (s), `instance_id` (s), `last_error` (s); of an instance: `instance` (t), `slave`,
 *   `backend`, `instance_id`, `last_error`; of a build: what `bbctl builds --json` shows of it. Members that are
 *   not known are missing.
 */
BbNotice *
bb_notice_new (BbNoticeKind kind, const char *const *recipients, const char *summary, GVariant *details)
{
  BbNotice *self = g_object_new (BB_TYPE_NOTICE, NULL);

  self->kind = kind;
  self->recipients = recipients != NULL ? g_strdupv ((char **) recipients) : g_new0 (char *, 1);
  self->summary = g_strdup (summary);
  self->details = g_variant_ref_sink (details);
  return self;
}

BbNoticeKind
bb_notice_get_kind (BbNotice *self)
{
  return self->kind;
}

const char *const *
bb_notice_get_recipients (BbNotice *self)
{
  return (const char *const *) self->recipients;
}

const char *
bb_notice_get_summary (BbNotice *self)
{
  return self->summary;
}

GVariant *
bb_notice_get_details (BbNotice *self)
{
  return self->details;
}
