/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-notices.h"

#include "bb-build-log.h"
#include "bb-log.h"

/* How far back the previous build of the same branch is looked for. */
#define LOOK_BACK 50

struct _BbBuildNotices
{
  GObject parent_instance;

  BbBuildMaster *builds;
  BbNoticeQueue *queue;
  BbStore *store;
  BbConfig *config; /* NULL before the first apply */
  char *state_directory;

  GQueue due;         /* of Finished (owned), in the order of their ends; the first is looked at */
  GHashTable *by_number; /* number → Finished */
  gboolean is_busy;
};

G_DEFINE_FINAL_TYPE (BbBuildNotices, bb_build_notices, G_TYPE_OBJECT)

/* A build whose end is to be told. */
typedef struct
{
  guint64 number;
  GVariant *build;  /* a{sv}; NULL until it is read */
  GPtrArray *told;  /* of GVariant a{sv}: it, and the others of its build set, each with what a notice has beside */
  GPtrArray *others; /* of GVariant a{sv}: those of its set that have not come to told yet; NULL: not the set's last */
} Finished;

static void
finished_free (gpointer data)
{
  Finished *finished = data;

  g_clear_pointer (&finished->build, g_variant_unref);
  g_ptr_array_unref (finished->told);
  g_clear_pointer (&finished->others, g_ptr_array_unref);
  g_free (finished);
}

static char *
dup_branch (GVariant *build)
{
  g_autoptr (GVariant) properties = g_variant_lookup_value (build, "properties", G_VARIANT_TYPE_VARDICT);
  char *branch = NULL;

  if (properties == NULL || !g_variant_lookup (properties, "branch", "s", &branch))
    return g_strdup ("");
  return branch;
}

static guint64
get_number (GVariant *build)
{
  guint64 number = 0;

  g_variant_lookup (build, "number", "t", &number);
  return number;
}

static const char *
get_text (GVariant *build, const char *key)
{
  const char *text = "";

  g_variant_lookup (build, key, "&s", &text);
  return text;
}

/* Of @all, newest first, the first before @build; @of_branch: of its branch. A retry is no end of anything. */
static const char *
find_previous (GVariant *all, GVariant *build, gboolean of_branch)
{
  g_autofree char *branch = dup_branch (build);

  for (gsize i = 0; i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) other = g_variant_get_child_value (all, i);
      g_autofree char *other_branch = dup_branch (other);
      const char *result = "";

      g_variant_lookup (other, "result", "&s", &result);
      if (get_number (other) >= get_number (build) || *result == '\0'
          || bb_result_from_string (result) == BB_RESULT_RETRY
          || (of_branch && !g_str_equal (branch, other_branch)))
        continue;
      return bb_result_to_string (bb_result_from_string (result));
    }
  return "";
}

/* a(sss): step, log, path. */
static GVariant *
list_log_files (BbBuildNotices *self, GVariant *build)
{
  g_autoptr (GVariant) steps = g_variant_lookup_value (build, "steps", G_VARIANT_TYPE ("aa{sv}"));
  g_autofree char *directory = bb_build_directory (self->state_directory, get_number (build));
  GVariantBuilder files;

  g_variant_builder_init (&files, G_VARIANT_TYPE ("a(sss)"));
  for (gsize i = 0; steps != NULL && i < g_variant_n_children (steps); i++)
    {
      g_autoptr (GVariant) step = g_variant_get_child_value (steps, i);
      g_autofree const char **logs = NULL;
      const char *name = "";

      g_variant_lookup (step, "name", "&s", &name);
      if (!g_variant_lookup (step, "logs", "^a&s", &logs))
        continue;
      for (guint j = 0; logs[j] != NULL; j++)
        {
          g_autofree char *path = bb_build_log_path (directory, (guint) i, name, logs[j]);

          g_variant_builder_add (&files, "(sss)", name, logs[j], path);
        }
    }
  return g_variant_builder_end (&files);
}

/* @build with what a notice has beside; @all: builds of its builder. */
static GVariant *
add_surroundings (BbBuildNotices *self, GVariant *build, GVariant *all)
{
  const BbBuilderConfig *builder = bb_config_find_builder (self->config, get_text (build, "builder"));
  GVariantDict details;

  g_variant_dict_init (&details, build);
  g_variant_dict_insert (&details, "previous_result", "s", find_previous (all, build, FALSE));
  g_variant_dict_insert (&details, "previous_result_of_branch", "s", find_previous (all, build, TRUE));
  g_variant_dict_insert (&details, "category", "s", builder != NULL && builder->category != NULL ? builder->category : "");
  g_variant_dict_insert_value (&details, "log_files", list_log_files (self, build));
  return g_variant_ref_sink (g_variant_dict_end (&details));
}

static BbNotice *
new_build_notice (GVariant *build)
{
  g_autofree char *summary = g_strdup_printf ("build %" G_GUINT64_FORMAT " of %s: %s", get_number (build),
                                              get_text (build, "builder"), get_text (build, "result"));

  return bb_notice_new (BB_NOTICE_BUILD_FINISHED, NULL, summary, build);
}

static BbNotice *
new_set_notice (GPtrArray *builds)
{
  g_autofree char *summary = NULL;
  guint64 build_set = 0;
  GVariantBuilder list;
  GVariantDict details;

  g_variant_lookup (g_ptr_array_index (builds, 0), "build_set", "t", &build_set);
  g_variant_builder_init (&list, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = 0; i < builds->len; i++)
    g_variant_builder_add_value (&list, g_ptr_array_index (builds, i));
  g_variant_dict_init (&details, NULL);
  g_variant_dict_insert (&details, "build_set", "t", build_set);
  g_variant_dict_insert_value (&details, "builds", g_variant_builder_end (&list));
  summary = g_strdup_printf ("build set %" G_GUINT64_FORMAT ": %u builds", build_set, builds->len);
  return bb_notice_new (BB_NOTICE_BUILD_FINISHED, NULL, summary, g_variant_dict_end (&details));
}

static void look_at_next (BbBuildNotices *self);

static void
end_first (BbBuildNotices *self)
{
  Finished *finished = g_queue_pop_head (&self->due);

  g_hash_table_remove (self->by_number, &finished->number);
  finished_free (finished);
  self->is_busy = FALSE;
  look_at_next (self);
}

static gint
compare_numbers (gconstpointer a, gconstpointer b)
{
  guint64 x = get_number (*(GVariant *const *) a), y = get_number (*(GVariant *const *) b);

  return x < y ? -1 : x > y;
}

static void
tell_first (BbBuildNotices *self)
{
  Finished *finished = g_queue_peek_head (&self->due);
  g_autoptr (BbNotice) notice = new_build_notice (g_ptr_array_index (finished->told, 0));
  BbStoreBatch *told = bb_store_batch_new ();

  bb_store_batch_put (told, &bb_table_builds,
                      g_variant_new_parsed ("{'number': <%x>, 'notice_due': <false>}", (gint64) finished->number));
  if (finished->others == NULL)
    bb_notice_queue_submit (self->queue, notice, told);
  else
    {
      g_autoptr (BbNotice) of_set = NULL;

      g_ptr_array_sort (finished->told, compare_numbers);
      of_set = new_set_notice (finished->told);
      bb_notice_queue_submit (self->queue, notice, NULL);
      bb_notice_queue_submit (self->queue, of_set, told);
    }
  end_first (self);
}

/* NULL: the first can't be told now, but perhaps after the next start. Takes the reference that the listing held. */
static GVariant *
take_listing (BbBuildNotices *self, GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;
  GVariant *all = bb_build_master_list_finish (self->builds, result, &error);

  if (all != NULL)
    return all;
  bb_log_build (G_LOG_LEVEL_WARNING, ((const Finished *) g_queue_peek_head (&self->due))->number,
                "what was built with it or before it can't be read, no notice of it: %s", error->message);
  end_first (self);
  return NULL;
}

static void
list_builds (BbBuildNotices *self, const char *filter_key, GVariant *value, guint64 limit, GAsyncReadyCallback callback)
{
  GVariantDict filter;

  g_variant_dict_init (&filter, NULL);
  g_variant_dict_insert_value (&filter, filter_key, value);
  if (g_str_equal (filter_key, "builder"))
    g_variant_dict_insert (&filter, "state", "s", bb_build_state_to_string (BB_BUILD_FINISHED));
  g_variant_dict_insert (&filter, "limit", "t", limit);
  bb_build_master_list_async (self->builds, g_variant_dict_end (&filter), NULL, callback, g_object_ref (self));
}

static void look_at_next_other (BbBuildNotices *self);

static void
other_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBuildNotices) self = user_data;
  Finished *finished = g_queue_peek_head (&self->due);
  g_autoptr (GVariant) all = take_listing (self, result);
  g_autoptr (GVariant) other = NULL;

  if (all == NULL)
    return;
  other = g_ptr_array_steal_index (finished->others, finished->others->len - 1);
  g_ptr_array_add (finished->told, add_surroundings (self, other, all));
  look_at_next_other (self);
}

static void
look_at_next_other (BbBuildNotices *self)
{
  Finished *finished = g_queue_peek_head (&self->due);
  GVariant *other;

  if (finished->others == NULL || finished->others->len == 0)
    {
      tell_first (self);
      return;
    }
  other = g_ptr_array_index (finished->others, finished->others->len - 1);
  list_builds (self, "builder", g_variant_new_string (get_text (other, "builder")), LOOK_BACK, other_listed_cb);
}

/* The others of @finished's set when all have ended and been told; else NULL. A retry is no end of anything. */
static GPtrArray *
find_others (BbBuildNotices *self, Finished *finished, GVariant *set)
{
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (gsize i = 0; i < g_variant_n_children (set); i++)
    {
      g_autoptr (GVariant) build = g_variant_get_child_value (set, i);
      guint64 number = get_number (build);

      if (bb_result_from_string (get_text (build, "result")) == BB_RESULT_RETRY || number == finished->number)
        continue;
      if (!g_str_equal (get_text (build, "state"), bb_build_state_to_string (BB_BUILD_FINISHED))
          || g_hash_table_contains (self->by_number, &number))
        return NULL;
      g_ptr_array_add (others, g_steal_pointer (&build));
    }
  return g_steal_pointer (&others);
}

static void
set_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBuildNotices) self = user_data;
  Finished *finished = g_queue_peek_head (&self->due);
  g_autoptr (GVariant) set = take_listing (self, result);

  if (set == NULL)
    return;
  finished->others = find_others (self, finished, set);
  look_at_next_other (self);
}

static void
previous_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBuildNotices) self = user_data;
  Finished *finished = g_queue_peek_head (&self->due);
  g_autoptr (GVariant) all = take_listing (self, result);
  guint64 build_set = 0;

  if (all == NULL)
    return;
  g_ptr_array_add (finished->told, add_surroundings (self, finished->build, all));
  g_variant_lookup (finished->build, "build_set", "t", &build_set);
  if (build_set == 0)
    tell_first (self);
  else
    list_builds (self, "build_set", g_variant_new_uint64 (build_set), G_MAXUINT32, set_listed_cb);
}

static void
look_at_previous (BbBuildNotices *self)
{
  Finished *finished = g_queue_peek_head (&self->due);

  list_builds (self, "builder", g_variant_new_string (get_text (finished->build, "builder")), LOOK_BACK,
               previous_listed_cb);
}

static void
build_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (BbBuildNotices) self = user_data;
  Finished *finished = g_queue_peek_head (&self->due);
  g_autoptr (GVariant) found = take_listing (self, result);

  if (found == NULL)
    return;
  if (g_variant_n_children (found) == 0)
    {
      end_first (self);
      return;
    }
  finished->build = g_variant_get_child_value (found, 0);
  look_at_previous (self);
}

static void
look_at_next (BbBuildNotices *self)
{
  Finished *finished = g_queue_peek_head (&self->due);

  if (self->is_busy || self->config == NULL || finished == NULL)
    return;
  self->is_busy = TRUE;
  if (finished->build != NULL)
    look_at_previous (self);
  else
    list_builds (self, "number", g_variant_new_uint64 (finished->number), 1, build_listed_cb);
}

static void
add_due (BbBuildNotices *self, guint64 number, GVariant *build)
{
  Finished *finished;

  if (g_hash_table_contains (self->by_number, &number))
    return;
  finished = g_new0 (Finished, 1);
  finished->number = number;
  finished->build = build != NULL ? g_variant_ref_sink (build) : NULL;
  finished->told = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_queue_push_tail (&self->due, finished);
  g_hash_table_insert (self->by_number, &finished->number, finished);
}

static void
build_finished_cb (BbBuildMaster *builds, BbBuild *build, gpointer user_data)
{
  BbBuildNotices *self = user_data;

  if (self->config == NULL || bb_config_get_notifiers (self->config)->len == 0
      || *bb_build_get_builder (build) == '\0' || bb_build_get_result (build) == BB_RESULT_RETRY)
    return;
  add_due (self, bb_build_get_number (build), bb_build_master_describe (build));
  look_at_next (self);
}

static void
loaded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbBuildNotices *self = g_task_get_source_object (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);
  gint64 number;

  if (rows == NULL)
    {
      g_prefix_error (&error, "the builds that are still to be told of can't be read: ");
      g_task_return_error (task, error);
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    if (g_variant_lookup (g_ptr_array_index (rows, i), "number", "x", &number))
      add_due (self, (guint64) number, NULL);
  g_task_return_boolean (task, TRUE);
}

void
bb_build_notices_load_async (BbBuildNotices *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, bb_build_notices_load_async);
  bb_store_select_async (self->store, &bb_table_builds, g_variant_new_parsed ("{'notice_due': <true>}"), "finished_at",
                         -1, cancellable, loaded_cb, task);
}

gboolean
bb_build_notices_load_finish (BbBuildNotices *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
bb_build_notices_finalize (GObject *object)
{
  BbBuildNotices *self = BB_BUILD_NOTICES (object);

  g_hash_table_unref (self->by_number);
  g_queue_clear_full (&self->due, finished_free);
  g_clear_object (&self->config);
  g_clear_object (&self->queue);
  g_clear_object (&self->builds);
  g_clear_object (&self->store);
  g_free (self->state_directory);
  G_OBJECT_CLASS (bb_build_notices_parent_class)->finalize (object);
}

static void
bb_build_notices_class_init (BbBuildNoticesClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_build_notices_finalize;
}

static void
bb_build_notices_init (BbBuildNotices *self)
{
  g_queue_init (&self->due);
  self->by_number = g_hash_table_new (g_int64_hash, g_int64_equal);
}

BbBuildNotices *
bb_build_notices_new (BbBuildMaster *builds, BbNoticeQueue *queue, BbStore *store, const char *state_directory)
{
  BbBuildNotices *self = g_object_new (BB_TYPE_BUILD_NOTICES, NULL);

  self->builds = g_object_ref (builds);
  self->queue = g_object_ref (queue);
  self->store = g_object_ref (store);
  self->state_directory = g_strdup (state_directory);
  g_signal_connect_object (builds, "build-finished", G_CALLBACK (build_finished_cb), self, 0);
  return self;
}

void
bb_build_notices_apply (BbBuildNotices *self, BbConfig *config)
{
  g_set_object (&self->config, config);
  look_at_next (self);
}
