/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-builder-list.h"
#include "bb-loop.h"
#include "bb-slave-link.h"

G_BEGIN_DECLS

typedef struct _BbAttachment BbAttachment;

typedef struct
{
  /* What the slave says of itself; before it is told its builders. */
  void (*informed) (BbAttachment *self, GVariant *info, gpointer user_data);
  /* (transfer full): the list that it is to have now */
  BbBuilderList *(*get_builders) (gpointer user_data);
  /* Set up and accepted: builds may run on it. */
  void (*ready) (BbAttachment *self, gpointer user_data);
  /* It can't be used any more, and will be closed by the owner: set-up or a keepalive failed. */
  void (*failed) (BbAttachment *self, const GError *error, gpointer user_data);
  /* The connection has ended. */
  void (*lost) (BbAttachment *self, const GError *reason, gpointer user_data);
  void (*shutdown_requested) (BbAttachment *self, gpointer user_data);
} BbAttachmentHooks;

/* What there is of a slave only while it is connected: its set-up, its keepalives, its list of builders. */
BbAttachment *bb_attachment_new (BbSlaveLink *link, BbLoop *loop, const BbAttachmentHooks *hooks, gpointer user_data);
/* Asks for the information, tells the builders, accepts the login; then "ready" or "failed". */
void bb_attachment_set_up (BbAttachment *self);
/* Lets go of the link without closing it. No hook is called any more. */
void bb_attachment_free (BbAttachment *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbAttachment, bb_attachment_free)

BbSlaveLink *bb_attachment_get_link (BbAttachment *self);
gboolean bb_attachment_is_ready (BbAttachment *self);
gint64 bb_attachment_get_since_us (BbAttachment *self);           /* wall: of ready; 0 before */
gint64 bb_attachment_get_last_message_at_us (BbAttachment *self); /* wall */

/* Seconds, 0: off. The first goes out one interval after "ready", or after the last one that did. */
void bb_attachment_set_keepalive (BbAttachment *self, double interval);
/* The list has changed: the slave is told, after what it is being told now. */
void bb_attachment_update_builders (BbAttachment *self);
/* The slave has answered a ping before a build since it attached. */
void bb_attachment_set_proved (BbAttachment *self);
gboolean bb_attachment_is_proved (BbAttachment *self);

G_END_DECLS
