/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-notice.h"

struct _BbNotice
{
  GObject parent_instance;

  char *id;
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

  g_free (self->id);
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

static char *
make_id (BbNoticeKind kind, GVariant *details)
{
  const char *slave;
  guint64 number;
  gint64 since_us;

  if (kind == BB_NOTICE_SLAVE_MISSING && g_variant_lookup (details, "slave", "&s", &slave)
      && g_variant_lookup (details, "since", "x", &since_us))
    return g_strdup_printf ("missing/%s/%" G_GINT64_FORMAT, slave, since_us);
  if (kind == BB_NOTICE_BUILD_FINISHED && g_variant_lookup (details, "number", "t", &number))
    return g_strdup_printf ("build/%" G_GUINT64_FORMAT, number);
  if (kind == BB_NOTICE_BUILD_FINISHED && g_variant_lookup (details, "build_set", "t", &number))
    return g_strdup_printf ("build-set/%" G_GUINT64_FORMAT, number);
  return g_uuid_string_random ();
}

/**
 * bb_notice_new:
 * @kind: what has happened
 * @recipients: (nullable): mail addresses that are named for it: notify_on_missing of the slave; the host's admin
 * @summary: one line for people
 * @details: a{sv}. Of a slave: `slave` (s), `since` (x, wall microseconds), `last_message` (x), `peer_address` (s),
 *   `admin` (s), `backend` (s), `instance_id` (s), `last_error` (s); of trouble with
 *   instances: which (`trouble`, s), and what bb-notice.h says of it; of a build: what `bbctl builds --json` shows of it, and `previous_result`,
 *   `previous_result_of_branch`, `category` (s), `log_files` (a(sss): step, log, path); of a whole build set:
 *   `build_set` (t) and `builds` (aa{sv}), its builds. Members that are not known are missing.
 */
BbNotice *
bb_notice_new (BbNoticeKind kind, const char *const *recipients, const char *summary, GVariant *details)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (details);
  g_autofree char *id = make_id (kind, sunk);

  return bb_notice_new_with_id (id, kind, recipients, summary, sunk);
}

BbNotice *
bb_notice_new_with_id (const char *id, BbNoticeKind kind, const char *const *recipients, const char *summary,
                       GVariant *details)
{
  BbNotice *self = g_object_new (BB_TYPE_NOTICE, NULL);

  self->id = g_strdup (id);
  self->kind = kind;
  self->recipients = recipients != NULL ? g_strdupv ((char **) recipients) : g_new0 (char *, 1);
  self->summary = g_strdup (summary);
  self->details = g_variant_ref_sink (details);
  return self;
}

const char *
bb_notice_get_id (BbNotice *self)
{
  return self->id;
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
