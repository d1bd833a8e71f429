/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

#include "bb-bus-changes.h"
#include "bb-bus-face.h"
#include "bb-bus-path.h"
#include "bb-bus.h"
#include "bb-error.h"

G_BEGIN_DECLS

/* What bb-bus.c shares with the files that have the methods and properties of one kind of object each. */

extern const BbBusKind bb_bus_host_kind;      /* bb-bus-host.c */
extern const BbBusKind bb_bus_slave_kind;     /* bb-bus-slave.c */
extern const BbBusKind bb_bus_build_kind;     /* bb-bus-build.c */
extern const BbBusKind bb_bus_instance_kind;  /* bb-bus-instance.c */

/* The change that the counters of Host1 have: they change together. */
#define BB_BUS_HOST_CHANGED 1u

/* A call that GDBus has checked against the XML: of a method's row, or of org.freedesktop.DBus.Properties. @invocation:
 * (transfer full) */
void bb_bus_call_begin (BbBus *bus, const BbBusKind *kind, GDBusMethodInvocation *invocation);

struct _BbBusCall
{
  BbBus *bus;                          /* owned */
  GDBusMethodInvocation *invocation;   /* given away by the answer */
  const BbBusKind *kind;
  const BbBusFace *face;
  const BbBusMethod *method;
  char *element; /* which object: the path's last element */
};

/* Both end the call. @value: a floating tuple, or NULL for ().  @error: (transfer full) */
void bb_bus_call_return (BbBusCall *call, GVariant *value);
void bb_bus_call_fail (BbBusCall *call, GError *error);
void bb_bus_call_fail_new (BbBusCall *call, int code, const char *format, ...) G_GNUC_PRINTF (3, 4);
void bb_bus_call_return_path (BbBusCall *call, char *path); /* (transfer full) */
/* A list of what the list keys of @objects, which are of @kind, say; later, in portions. */
void bb_bus_call_return_listing (BbBusCall *call, const BbBusKind *kind, GPtrArray *objects);
/* For who has answered by other means. */
void bb_bus_call_free (BbBusCall *call);
void bb_bus_call_return_fds (BbBusCall *call, GVariant *value, GUnixFDList *fds);

/* The object that the call is for as it is now, after the question about the right; NULL: the call was ended. */
gpointer bb_bus_call_get_object (BbBusCall *call);
GVariant *bb_bus_call_get_parameters (BbBusCall *call);
BbHost *bb_bus_call_get_host (BbBusCall *call);
GCancellable *bb_bus_call_get_cancellable (BbBusCall *call);

BbHost *bb_bus_get_host (BbBus *self);
BbAuthority *bb_bus_get_authority (BbBus *self);
GCancellable *bb_bus_get_cancellable (BbBus *self); /* ends with the bus */

/* A property of Build1 of a finished build, from its row. (transfer full) */
GVariant *bb_bus_build_property_of_row (GVariant *row, const BbBusProperty *property);
/* Asks for the row of any build: a list of one or none. */
void bb_bus_build_find_row_async (BbBus *self, guint64 number, GAsyncReadyCallback callback, gpointer user_data);
/* NULL with NO_SUCH_BUILD or the store's error. (transfer full) */
GVariant *bb_bus_build_find_row_finish (BbBus *self, GAsyncResult *result, GError **error);

G_END_DECLS
