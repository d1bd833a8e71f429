/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-bus-face.h"
#include "bb-loop.h"

G_BEGIN_DECLS

/*
 * Gathers what is to be announced until the loop is idle, and tells each object's change once, with the values of that
 * moment, and only those that differ from what was told before. While the bus does not take what was sent nothing
 * more is sent, and gathering goes on: what waits is bounded by the number of objects and not by that of changes.
 */
#define BB_TYPE_BUS_CHANGES (bb_bus_changes_get_type ())
G_DECLARE_FINAL_TYPE (BbBusChanges, bb_bus_changes, BB, BUS_CHANGES, GObject)

/* @context: for the properties' getters; must live as long. */
BbBusChanges *bb_bus_changes_new (GDBusConnection *connection, BbLoop *loop, gpointer context);
/* Announces nothing any more, and lets go of all objects. */
void bb_bus_changes_close (BbBusChanges *self);

/* @announce: tell of it; else it was there from the beginning. Its properties are what a change is compared with. */
void bb_bus_changes_add (BbBusChanges *self, const BbBusKind *kind, gpointer object, gboolean announce);
/* It was there before, but what was told of it is not known: all of its next change is told. */
void bb_bus_changes_know (BbBusChanges *self, const BbBusKind *kind, gpointer object);
/* @changes: what may have changed, in the bits of the kind's properties. An object that is not known is none. */
void bb_bus_changes_touch (BbBusChanges *self, gpointer object, guint changes);
/* The last change is told before that it is gone. */
void bb_bus_changes_remove (BbBusChanges *self, gpointer object);
/* Like touch, but told a few times in a second only: for an object whose counters always change. */
void bb_bus_changes_touch_slowly (BbBusChanges *self, gpointer object, guint changes);
/* Build1.LogAppended of the build at @path: at most some hundred in a second, of all builds together. */
void bb_bus_changes_log_appended (BbBusChanges *self, const char *path, const char *interface_name, const char *step,
                                  const char *log, guint64 size);

/* Objects of @kind that are there; (transfer container). */
GPtrArray *bb_bus_changes_list (BbBusChanges *self, const BbBusKind *kind);

G_END_DECLS
