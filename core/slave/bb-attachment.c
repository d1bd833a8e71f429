/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-attachment.h"

#include "bb-error.h"

/* From the login to the last answer of the set-up; each answer has the link's own, shorter limit. */
#define SETUP_TIME_US (3 * 60 * G_USEC_PER_SEC)

struct _BbAttachment
{
  BbSlaveLink *link; /* owned */
  BbLoop *loop;      /* owned */
  const BbAttachmentHooks *hooks; /* NULL: let go of */
  gpointer user_data;
  GCancellable *cancellable;
  BbTimer timer; /* of the set-up, then of the keepalives */
  gulong lost_id;
  gulong shutdown_id;
  gint64 keepalive_us;
  gint64 last_keepalive_us; /* loop time; of "ready" before the first */
  gint64 wall_offset_us;    /* wall minus loop time, so that what the link says in loop time can be shown */
  gint64 since_us;
  guint ref_count; /* the owner and each call under way */
  guint ready : 1;
  guint pinging : 1;
  guint telling_builders : 1;
  guint builders_changed : 1;
  guint proved : 1;
};

static BbAttachment *
attachment_ref (BbAttachment *self)
{
  self->ref_count++;
  return self;
}

static void
attachment_unref (BbAttachment *self)
{
  if (--self->ref_count > 0)
    return;
  g_object_unref (self->cancellable);
  g_object_unref (self->link);
  g_object_unref (self->loop);
  g_free (self);
}

/* Whoever it tells may end it. */
static gboolean
is_current (const BbAttachment *self)
{
  return self->hooks != NULL;
}

static void
fail (BbAttachment *self, GError *error, const char *what)
{
  if (!is_current (self))
    return;
  g_prefix_error (&error, "%s: ", what);
  self->hooks->failed (self, error, self->user_data);
}

/* ---- keepalive ---- */

static void
start_keepalive_clock (BbAttachment *self)
{
  if (self->keepalive_us > 0)
    bb_timer_start_at (&self->timer, self->last_keepalive_us + self->keepalive_us);
  else
    bb_timer_stop (&self->timer);
}

static void
keepalive_answered_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbAttachment *self = user_data;
  g_autoptr (GError) error = NULL;

  self->pinging = FALSE;
  if (!bb_slave_link_ping_finish (BB_SLAVE_LINK (source), result, &error))
    fail (self, error, "keepalive");
  attachment_unref (self);
}

static void
send_keepalive (BbAttachment *self)
{
  self->last_keepalive_us = bb_loop_now_us (self->loop);
  start_keepalive_clock (self);
  if (self->pinging)
    return;
  self->pinging = TRUE;
  bb_slave_link_ping_async (self->link, self->cancellable, keepalive_answered_cb, attachment_ref (self));
}

/* ---- set-up ---- */

static void tell_builders (BbAttachment *self);

static void
become_ready (BbAttachment *self)
{
  self->ready = TRUE;
  self->since_us = bb_loop_wall_us (self->loop);
  self->last_keepalive_us = bb_loop_now_us (self->loop);
  start_keepalive_clock (self);
  bb_slave_link_accept (self->link);
  if (is_current (self))
    self->hooks->ready (self, self->user_data);
}

static void
builders_told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbAttachment *self = user_data;
  g_autoptr (GError) error = NULL;

  self->telling_builders = FALSE;
  if (!bb_slave_link_set_builders_finish (BB_SLAVE_LINK (source), result, &error))
    fail (self, error, "its builders could not be set up");
  else if (is_current (self) && self->builders_changed)
    tell_builders (self);
  else if (is_current (self) && !self->ready)
    become_ready (self);
  attachment_unref (self);
}

static void
tell_builders (BbAttachment *self)
{
  g_autoptr (BbBuilderList) builders = self->hooks->get_builders (self->user_data);

  self->telling_builders = TRUE;
  self->builders_changed = FALSE;
  bb_slave_link_set_builders_async (self->link, builders->items, builders->n_items, self->cancellable, builders_told_cb,
                                    attachment_ref (self));
}

static void
info_told_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  BbAttachment *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) info = bb_slave_link_get_info_finish (BB_SLAVE_LINK (source), result, &error);

  if (info == NULL)
    fail (self, error, "it did not say what it is");
  else if (is_current (self))
    {
      self->hooks->informed (self, info, self->user_data);
      if (is_current (self))
        tell_builders (self);
    }
  attachment_unref (self);
}

static void
timer_passed (BbTimer *timer, gpointer user_data)
{
  BbAttachment *self = user_data;
  g_autoptr (GError) error = NULL;

  if (self->ready)
    {
      send_keepalive (self);
      return;
    }
  error = g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "its set-up took longer than %d s",
                       (int) (SETUP_TIME_US / G_USEC_PER_SEC));
  self->hooks->failed (self, error, self->user_data);
}

/* ---- what the link tells ---- */

static void
link_lost_cb (BbSlaveLink *link, const GError *reason, gpointer user_data)
{
  BbAttachment *self = user_data;

  if (is_current (self))
    self->hooks->lost (self, reason, self->user_data);
}

static void
shutdown_requested_cb (BbSlaveLink *link, gpointer user_data)
{
  BbAttachment *self = user_data;

  if (is_current (self))
    self->hooks->shutdown_requested (self, self->user_data);
}

/* ---- for the owner ---- */

BbAttachment *
bb_attachment_new (BbSlaveLink *link, BbLoop *loop, const BbAttachmentHooks *hooks, gpointer user_data)
{
  BbAttachment *self = g_new0 (BbAttachment, 1);

  self->ref_count = 1;
  self->link = g_object_ref (link);
  self->loop = g_object_ref (loop);
  self->hooks = hooks;
  self->user_data = user_data;
  self->cancellable = g_cancellable_new ();
  self->wall_offset_us = bb_loop_wall_us (loop) - bb_loop_now_us (loop);
  self->lost_id = g_signal_connect (link, "lost", G_CALLBACK (link_lost_cb), self);
  self->shutdown_id = g_signal_connect (link, "shutdown-requested", G_CALLBACK (shutdown_requested_cb), self);
  bb_timer_init (&self->timer, loop, timer_passed, self);
  return self;
}

void
bb_attachment_set_up (BbAttachment *self)
{
  bb_timer_start_in (&self->timer, SETUP_TIME_US);
  bb_slave_link_get_info_async (self->link, self->cancellable, info_told_cb, attachment_ref (self));
}

void
bb_attachment_free (BbAttachment *self)
{
  if (!is_current (self))
    return;
  self->hooks = NULL;
  bb_timer_stop (&self->timer);
  g_clear_signal_handler (&self->lost_id, self->link);
  g_clear_signal_handler (&self->shutdown_id, self->link);
  g_cancellable_cancel (self->cancellable);
  attachment_unref (self);
}

BbSlaveLink *
bb_attachment_get_link (BbAttachment *self)
{
  return self->link;
}

gboolean
bb_attachment_is_ready (BbAttachment *self)
{
  return self->ready;
}

gint64
bb_attachment_get_since_us (BbAttachment *self)
{
  return self->since_us;
}

gint64
bb_attachment_get_last_message_at_us (BbAttachment *self)
{
  return bb_slave_link_get_last_message_us (self->link) + self->wall_offset_us;
}

void
bb_attachment_set_keepalive (BbAttachment *self, double interval)
{
  self->keepalive_us = (gint64) (interval * G_USEC_PER_SEC);
  if (self->ready)
    start_keepalive_clock (self);
}

void
bb_attachment_update_builders (BbAttachment *self)
{
  if (self->telling_builders)
    self->builders_changed = TRUE;
  else if (self->ready)
    tell_builders (self);
}

void
bb_attachment_set_proved (BbAttachment *self)
{
  self->proved = TRUE;
}

gboolean
bb_attachment_is_proved (BbAttachment *self)
{
  return self->proved;
}
