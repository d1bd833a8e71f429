/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BB_ACTION_MANAGE_SLAVES "org.bbhost.manage-slaves"
#define BB_ACTION_RUN_BUILDS "org.bbhost.run-builds"
#define BB_ACTION_MANAGE_HOST "org.bbhost.manage-host"

/* One method call on its way through: who may, then what. Ended by one of bb_bus_call_return(), _fail(). */
typedef struct _BbBusCall BbBusCall;

/* Name, right and handler in one row, so that a method without a decision about who may call it can't exist. */
typedef struct
{
  const char *name;
  const char *action;               /* NULL: everybody may, as it only reads */
  void (*handler) (BbBusCall *call); /* ends the call, now or later */
} BbBusMethod;

typedef struct
{
  const char *name;
  const char *list_key; /* in lists; NULL: not in them */
  guint changes;        /* a change with one of these bits may have changed it; 0: is never announced */
  /* Floating, or a full reference. @context is what the owner of the tables was made with: the host. */
  GVariant *(*get) (gpointer context, gpointer object);
  gboolean large; /* is announced without its value, and not compared either: who wants it asks for it */
} BbBusProperty;

/* One interface: both tables end with a row of zeros. */
typedef struct
{
  const GDBusInterfaceInfo *info;
  const BbBusMethod *methods;
  const BbBusProperty *properties;
  gboolean (*applies) (gpointer object); /* NULL: to all objects of the kind */
} BbBusFace;

/* All objects below one path, or the one at it. */
typedef struct
{
  const char *path;
  const BbBusFace *const *faces; /* ends with NULL */
  char *(*get_path) (gpointer object);
  gpointer (*find) (gpointer context, const char *element); /* (transfer none) (nullable) */
  int missing;                                              /* the BbError when there is none */
  const char *noun;                                         /* for its message */
} BbBusKind;

gboolean bb_bus_face_applies (const BbBusFace *face, gpointer object);
const BbBusMethod *bb_bus_face_find_method (const BbBusFace *face, const char *name);
const BbBusProperty *bb_bus_face_find_property (const BbBusFace *face, const char *name);
GVariant *bb_bus_property_get (const BbBusProperty *property, gpointer context, gpointer object); /* (transfer full) */
GVariant *bb_bus_face_get_all (const BbBusFace *face, gpointer context, gpointer object); /* a{sv}, floating */

/* Adds all that have a list key, of all faces: also of those that do not apply, as lists have the same keys
 * everywhere. */
void bb_bus_kind_describe (const BbBusKind *kind, gpointer context, gpointer object, GVariantBuilder *builder);
const BbBusFace *bb_bus_kind_find_face (const BbBusKind *kind, const char *interface_name);
/* a{sa{sv}}, floating */
GVariant *bb_bus_kind_get_interfaces (const BbBusKind *kind, gpointer context, gpointer object);

G_END_DECLS
