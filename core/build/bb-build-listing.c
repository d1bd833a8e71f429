/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-listing.h"

static const struct
{
  const char *name;
  const char *type;
} filter_keys[] = {
  { "number", "t" }, { "builder", "s" }, { "slave", "s" }, { "state", "s" }, { "result", "s" },
  { "build_set", "t" }, { "limit", "t" },
};

/* What is known of a listing before the store has answered. */
typedef struct
{
  GVariant *filter;
  guint limit;
  GHashTable *described; /* guint64 * (owned) → GVariant * a{sv} (owned), of memory */
  GArray *numbers;       /* of guint64, of memory and store */
  GHashTable *stored;    /* the same → BbBuild (owned), of the store alone, while their steps are read */
} Listing;

static void
listing_free (Listing *listing)
{
  g_variant_unref (listing->filter);
  g_hash_table_unref (listing->described);
  g_array_unref (listing->numbers);
  g_hash_table_unref (listing->stored);
  g_free (listing);
}

gboolean
bb_build_filter_check (GVariant *filter, GError **error)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, filter);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autoptr (GVariant) owned = value;
      guint i = 0;

      while (i < G_N_ELEMENTS (filter_keys) && !g_str_equal (filter_keys[i].name, name))
        i++;
      if (i == G_N_ELEMENTS (filter_keys))
        {
          g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
                       "filter \"%.64s\" is not one of number, builder, slave, state, result, build_set, limit", name);
          return FALSE;
        }
      if (!g_variant_is_of_type (value, G_VARIANT_TYPE (filter_keys[i].type)))
        {
          g_set_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT,
                       "filter \"%s\" has type %s, and would be right as %s",
                       name, g_variant_get_type_string (value), filter_keys[i].type);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
text_matches (GVariant *filter, const char *key, const char *value)
{
  const char *wanted;

  return !g_variant_lookup (filter, key, "&s", &wanted) || g_str_equal (wanted, value);
}

static gboolean
filter_matches (GVariant *filter, BbBuild *build)
{
  guint64 number;

  if (g_variant_lookup (filter, "number", "t", &number) && number != build->number)
    return FALSE;
  if (g_variant_lookup (filter, "build_set", "t", &number) && number != (guint64) build->build_set)
    return FALSE;
  return text_matches (filter, "builder", build->builder)
         && text_matches (filter, "slave", bb_build_get_slave_name (build))
         && text_matches (filter, "state", bb_build_state_to_string (build->state))
         && text_matches (filter, "result", bb_result_to_string (build->result));
}

static gint
compare_newest_first (gconstpointer a, gconstpointer b)
{
  guint64 x = *(const guint64 *) a, y = *(const guint64 *) b;

  return x > y ? -1 : x < y;
}

static guint64 *
copy_number (guint64 number)
{
  guint64 *copy = g_new (guint64, 1);

  *copy = number;
  return copy;
}

/* Describes what is in memory, the newest and no more than asked for. */
static void
take_live (Listing *listing, GPtrArray *live)
{
  g_autoptr (GHashTable) by_number = g_hash_table_new (g_int64_hash, g_int64_equal);

  for (guint i = 0; i < live->len; i++)
    {
      BbBuild *build = g_ptr_array_index (live, i);

      if (!filter_matches (listing->filter, build))
        continue;
      g_array_append_val (listing->numbers, build->number);
      g_hash_table_insert (by_number, &build->number, build);
    }
  g_array_sort (listing->numbers, compare_newest_first);
  if (listing->numbers->len > listing->limit)
    g_array_set_size (listing->numbers, listing->limit);
  for (guint i = 0; i < listing->numbers->len; i++)
    {
      guint64 number = g_array_index (listing->numbers, guint64, i);
      BbBuild *build = g_hash_table_lookup (by_number, &number);

      g_hash_table_insert (listing->described, copy_number (number), g_variant_ref_sink (bb_build_describe (build)));
    }
}

static gint64
get_integer (GVariant *row, const char *column)
{
  gint64 value = 0;

  g_variant_lookup (row, column, "x", &value);
  return value;
}

static void
return_listing (GTask *task)
{
  Listing *listing = g_task_get_task_data (task);
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  g_array_sort (listing->numbers, compare_newest_first);
  for (guint i = 0; i < listing->numbers->len && i < listing->limit; i++)
    g_variant_builder_add_value (&list, g_hash_table_lookup (listing->described,
                                                             &g_array_index (listing->numbers, guint64, i)));
  g_task_return_pointer (task, g_variant_ref_sink (g_variant_builder_end (&list)), (GDestroyNotify) g_variant_unref);
}

static void
steps_selected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Listing *listing = g_task_get_task_data (task);
  GHashTableIter iter;
  gpointer build;
  GError *error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);

  if (rows == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    {
      GVariant *row = g_ptr_array_index (rows, i);
      guint64 number = (guint64) get_integer (row, "build");

      build = g_hash_table_lookup (listing->stored, &number);
      if (build != NULL)
        g_ptr_array_add (((BbBuild *) build)->steps, bb_build_step_new_from_row (row));
    }
  g_hash_table_iter_init (&iter, listing->stored);
  while (g_hash_table_iter_next (&iter, NULL, &build))
    g_hash_table_insert (listing->described, copy_number (((BbBuild *) build)->number),
                         g_variant_ref_sink (bb_build_describe (build)));
  return_listing (task);
}

static void
builds_selected_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Listing *listing = g_task_get_task_data (task);
  g_auto (GVariantBuilder) numbers = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("ax"));
  GError *error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);
  GVariant *where;

  if (rows == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    {
      g_autoptr (BbBuild) build = bb_build_new_from_row (g_ptr_array_index (rows, i));

      if (g_hash_table_contains (listing->described, &build->number))
        continue;
      g_array_append_val (listing->numbers, build->number);
      g_variant_builder_add (&numbers, "x", (gint64) build->number);
      g_hash_table_insert (listing->stored, &build->number, g_object_ref (build));
    }
  if (g_hash_table_size (listing->stored) == 0)
    {
      return_listing (task);
      return;
    }
  where = g_variant_new_parsed ("{'build': <%*>}", g_variant_builder_end (&numbers));
  bb_store_select_async (BB_STORE (source), &bb_table_steps, where, "position", -1, g_task_get_cancellable (task),
                         steps_selected_cb, g_object_ref (task));
}

/* Everything that is not finished is in memory, so that the store is asked for finished ones alone. */
static GVariant *
make_where (GVariant *filter)
{
  static const char *const texts[] = { "builder", "slave", "result" };
  GVariantBuilder where = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  guint64 number;
  const char *text;

  g_variant_builder_add (&where, "{sv}", "state", g_variant_new_string (bb_build_state_to_string (BB_BUILD_FINISHED)));
  if (g_variant_lookup (filter, "number", "t", &number))
    g_variant_builder_add (&where, "{sv}", "number", g_variant_new_int64 ((gint64) number));
  if (g_variant_lookup (filter, "build_set", "t", &number))
    g_variant_builder_add (&where, "{sv}", "build_set", g_variant_new_int64 ((gint64) number));
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    if (g_variant_lookup (filter, texts[i], "&s", &text))
      g_variant_builder_add (&where, "{sv}", texts[i], g_variant_new_string (text));
  return g_variant_builder_end (&where);
}

void
bb_build_listing_async (BbStore *store, GPtrArray *live, GVariant *filter, GCancellable *cancellable,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (store, cancellable, callback, user_data);
  Listing *listing = g_new0 (Listing, 1);
  guint64 limit = BB_LISTING_DEFAULT;
  const char *state;

  g_variant_lookup (filter, "limit", "t", &limit);
  listing->limit = (guint) MIN (limit, BB_LISTING_MAX);
  listing->filter = g_variant_ref_sink (filter);
  listing->described = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) g_variant_unref);
  listing->stored = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, g_object_unref);
  listing->numbers = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_task_set_source_tag (task, bb_build_listing_async);
  g_task_set_task_data (task, listing, (GDestroyNotify) listing_free);

  take_live (listing, live);
  if (g_variant_lookup (filter, "state", "&s", &state)
      && !g_str_equal (state, bb_build_state_to_string (BB_BUILD_FINISHED)))
    return_listing (task);
  else
    bb_store_select_async (store, &bb_table_builds, make_where (filter), "-number", listing->limit, cancellable,
                           builds_selected_cb, g_object_ref (task));
}

GVariant *
bb_build_listing_finish (BbStore *store, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, store), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
