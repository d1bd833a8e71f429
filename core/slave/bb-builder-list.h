/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-config.h"
#include "bb-slave-link.h"

G_BEGIN_DECLS

/*
 * The builders that a slave is told of, "bbhost-run" included. Immutable and shared: slaves of the same builders
 * have the same list, so that ten thousand cost no more than one and a reload compares pointers.
 */
typedef struct
{
  BbBuilderDir *items; /* strings owned */
  guint n_items;
  /*< private >*/
  guint ref_count;
  GHashTable *pool; /* where it is found; not owned */
} BbBuilderList;

/* Set of BbBuilderList (not owned); outlives its lists. */
GHashTable *bb_builder_list_pool_new (void);
/* @builders: of const BbBuilderConfig *, in the configuration's order, or NULL for none. */
BbBuilderList *bb_builder_list_get (GHashTable *pool, GPtrArray *builders);
/* A list of its own: @self and one more. */
BbBuilderList *bb_builder_list_add (const BbBuilderList *self, const char *name, const char *builddir);
BbBuilderList *bb_builder_list_ref (BbBuilderList *self);
void bb_builder_list_unref (BbBuilderList *self);
const BbBuilderDir *bb_builder_list_find (const BbBuilderList *self, const char *name); /* (nullable) */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbBuilderList, bb_builder_list_unref)

G_END_DECLS
