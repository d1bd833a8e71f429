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
  BbConfig *config;
  char *state_directory;
};

G_DEFINE_FINAL_TYPE (BbBuildNotices, bb_build_notices, G_TYPE_OBJECT)

/* A build whose predecessors are being looked up. */
typedef struct
{
  BbBuildNotices *notices; /* owned */
  GVariant *build;         /* a{sv} */
} Finished;

static void
finished_free (Finished *finished)
{
  g_object_unref (finished->notices);
  g_variant_unref (finished->build);
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

static void
submit (Finished *finished, GVariant *all)
{
  BbBuildNotices *self = finished->notices;
  const char *builder_name = "", *result = "";
  const BbBuilderConfig *builder;
  g_autoptr (BbNotice) notice = NULL;
  g_autofree char *summary = NULL;
  GVariantDict details;

  g_variant_lookup (finished->build, "builder", "&s", &builder_name);
  g_variant_lookup (finished->build, "result", "&s", &result);
  builder = bb_config_find_builder (self->config, builder_name);
  g_variant_dict_init (&details, finished->build);
  g_variant_dict_insert (&details, "previous_result", "s", find_previous (all, finished->build, FALSE));
  g_variant_dict_insert (&details, "previous_result_of_branch", "s", find_previous (all, finished->build, TRUE));
  g_variant_dict_insert (&details, "category", "s", builder != NULL && builder->category != NULL ? builder->category : "");
  g_variant_dict_insert_value (&details, "log_files", list_log_files (self, finished->build));
  summary = g_strdup_printf ("build %" G_GUINT64_FORMAT " of %s: %s", get_number (finished->build), builder_name,
                             result);
  notice = bb_notice_new (BB_NOTICE_BUILD_FINISHED, NULL, summary, g_variant_dict_end (&details));
  bb_notice_queue_submit (self->queue, notice);
}

static void
listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Finished *finished = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) all = bb_build_master_list_finish (BB_BUILD_MASTER (source), result, &error);

  if (all == NULL)
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "the builds before build %" G_GUINT64_FORMAT " can't be read, no mail about it: %s",
                   get_number (finished->build), error->message);
      finished_free (finished);
      return;
    }
  submit (finished, all);
  finished_free (finished);
}

static void
build_finished_cb (BbBuildMaster *builds, BbBuild *build, gpointer user_data)
{
  BbBuildNotices *self = user_data;
  Finished *finished;
  GVariantDict filter;

  if (self->config == NULL || bb_config_get_notifiers (self->config)->len == 0
      || *bb_build_get_builder (build) == '\0' || bb_build_get_result (build) == BB_RESULT_RETRY)
    return;
  finished = g_new0 (Finished, 1);
  finished->notices = g_object_ref (self);
  finished->build = g_variant_ref_sink (bb_build_master_describe (build));
  g_variant_dict_init (&filter, NULL);
  g_variant_dict_insert (&filter, "builder", "s", bb_build_get_builder (build));
  g_variant_dict_insert (&filter, "state", "s", bb_build_state_to_string (BB_BUILD_FINISHED));
  g_variant_dict_insert (&filter, "limit", "t", (guint64) LOOK_BACK);
  bb_build_master_list_async (builds, g_variant_dict_end (&filter), NULL, listed_cb, finished);
}

static void
bb_build_notices_finalize (GObject *object)
{
  BbBuildNotices *self = BB_BUILD_NOTICES (object);

  g_clear_object (&self->config);
  g_clear_object (&self->queue);
  g_clear_object (&self->builds);
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
}

BbBuildNotices *
bb_build_notices_new (BbBuildMaster *builds, BbNoticeQueue *queue, const char *state_directory)
{
  BbBuildNotices *self = g_object_new (BB_TYPE_BUILD_NOTICES, NULL);

  self->builds = g_object_ref (builds);
  self->queue = g_object_ref (queue);
  self->state_directory = g_strdup (state_directory);
  g_signal_connect_object (builds, "build-finished", G_CALLBACK (build_finished_cb), self, 0);
  return self;
}

void
bb_build_notices_apply (BbBuildNotices *self, BbConfig *config)
{
  g_set_object (&self->config, config);
}
