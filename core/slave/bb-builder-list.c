/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-builder-list.h"

#include "bb-build-master.h" /* BB_RUN_BUILDER, and nothing else */

static guint
hash_list (gconstpointer data)
{
  const BbBuilderList *self = data;
  guint hash = self->n_items;

  for (guint i = 0; i < self->n_items; i++)
    hash = hash * 31 + g_str_hash (self->items[i].name) + 7 * g_str_hash (self->items[i].builddir);
  return hash;
}

static gboolean
lists_are_equal (gconstpointer a, gconstpointer b)
{
  const BbBuilderList *one = a, *other = b;

  if (one->n_items != other->n_items)
    return FALSE;
  for (guint i = 0; i < one->n_items; i++)
    if (!g_str_equal (one->items[i].name, other->items[i].name)
        || !g_str_equal (one->items[i].builddir, other->items[i].builddir))
      return FALSE;
  return TRUE;
}

GHashTable *
bb_builder_list_pool_new (void)
{
  return g_hash_table_new (hash_list, lists_are_equal);
}

static BbBuilderList *
make_list (GPtrArray *builders)
{
  BbBuilderList *self = g_new0 (BbBuilderList, 1);
  guint n_builders = builders != NULL ? builders->len : 0;

  self->ref_count = 1;
  self->n_items = n_builders + 1;
  self->items = g_new0 (BbBuilderDir, self->n_items);
  for (guint i = 0; i < n_builders; i++)
    {
      const BbBuilderConfig *builder = g_ptr_array_index (builders, i);

      self->items[i].name = g_strdup (builder->name);
      self->items[i].builddir = g_strdup (builder->builddir);
    }
  self->items[n_builders].name = g_strdup (BB_RUN_BUILDER);
  self->items[n_builders].builddir = g_strdup (BB_RUN_BUILDER);
  return self;
}

BbBuilderList *
bb_builder_list_get (GHashTable *pool, GPtrArray *builders)
{
  g_autoptr (BbBuilderList) made = make_list (builders);
  BbBuilderList *known = g_hash_table_lookup (pool, made);

  if (known != NULL)
    return bb_builder_list_ref (known);
  made->pool = pool;
  g_hash_table_add (pool, made);
  return g_steal_pointer (&made);
}

BbBuilderList *
bb_builder_list_add (const BbBuilderList *self, const char *name, const char *builddir)
{
  BbBuilderList *more = g_new0 (BbBuilderList, 1);

  more->ref_count = 1;
  more->n_items = self->n_items + 1;
  more->items = g_new0 (BbBuilderDir, more->n_items);
  for (guint i = 0; i < self->n_items; i++)
    {
      more->items[i].name = g_strdup (self->items[i].name);
      more->items[i].builddir = g_strdup (self->items[i].builddir);
    }
  more->items[self->n_items].name = g_strdup (name);
  more->items[self->n_items].builddir = g_strdup (builddir);
  return more;
}

BbBuilderList *
bb_builder_list_ref (BbBuilderList *self)
{
  self->ref_count++;
  return self;
}

void
bb_builder_list_unref (BbBuilderList *self)
{
  if (--self->ref_count > 0)
    return;
  if (self->pool != NULL)
    g_hash_table_remove (self->pool, self);
  for (guint i = 0; i < self->n_items; i++)
    {
      g_free (self->items[i].name);
      g_free (self->items[i].builddir);
    }
  g_free (self->items);
  g_free (self);
}

const BbBuilderDir *
bb_builder_list_find (const BbBuilderList *self, const char *name)
{
  for (guint i = 0; i < self->n_items; i++)
    if (g_str_equal (self->items[i].name, name))
      return &self->items[i];
  return NULL;
}
