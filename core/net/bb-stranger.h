/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-loop.h"

G_BEGIN_DECLS

/*
 * What a listener lets be logged about peers that have not logged in. They choose what they do and how often; so within a minute
 * there are no more than some lines about one address, and about all, and then one that says how many were held back.
 */
typedef struct _BbStrangerLog BbStrangerLog;

BbStrangerLog *bb_stranger_log_new (BbLoop *loop, const char *listener);
/* Nothing more is logged. */
void bb_stranger_log_close (BbStrangerLog *self);
void bb_stranger_log_unref (BbStrangerLog *self);

/* Who a peer is, for all who deal with it until it has logged in. Of the main thread. */
typedef struct _BbStranger BbStranger;

/* @host: whom it counts as: the address without the port, of IPv6 the /64 network; @address: "192.0.2.1:1234" */
BbStranger *bb_stranger_new (BbStrangerLog *log, const char *host, const char *address);
BbStranger *bb_stranger_ref (BbStranger *self);
void bb_stranger_unref (BbStranger *self);
const char *bb_stranger_get_host (BbStranger *self);
const char *bb_stranger_get_address (BbStranger *self);

/* Asked before each line about it: FALSE: the line is counted instead. @level: WARNING or INFO, each of which is counted alone,
 * as the latter is mostly not shown at all. */
gboolean bb_stranger_may_be_logged (BbStranger *self, GLogLevelFlags level);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbStrangerLog, bb_stranger_log_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbStranger, bb_stranger_unref)

G_END_DECLS
