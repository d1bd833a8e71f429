/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-notifier.h"

#include <glib/gi18n-lib.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#include "bb-mail-address.h"
#include "bb-mail-selection.h"
#include "bb-smtp-config.h"
#include "bb-smtp-message.h"
#include "bb-smtp-program.h"
#include "bb-smtp-recipients.h"
#include "bb-smtp-session.h"
#include "bb-smtp-text.h"

/* How much of a mail goes into the log with dumpMailsToLog. */
#define DUMP_LIMIT 65536

struct _BbSmtpNotifier
{
  GObject parent_instance;

  char *name;
  const BbSmtpConfig *config; /* of the configuration in force, which outlives the notifier */
  char *host_name;
};

enum
{
  PROP_NAME = 1,
  PROP_CONFIG,
  PROP_HOST_NAME,
  N_PROPS
};
static GParamSpec *props[N_PROPS];

/* One mail on its way. */
typedef struct
{
  BbNotice *notice;
  GVariant *fields; /* a{ss} of the first build, for templates; NULL: not about builds */
  BbMail *mail;
} Job;

static void bb_smtp_notifier_iface_init (BbNotifierInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbSmtpNotifier, bb_smtp_notifier, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_NOTIFIER, bb_smtp_notifier_iface_init))

static void
job_free (gpointer data)
{
  Job *job = data;

  g_clear_object (&job->notice);
  g_clear_pointer (&job->fields, g_variant_unref);
  g_clear_pointer (&job->mail, bb_mail_free);
  g_free (job);
}

static gboolean
matches_one (char **patterns, const char *text)
{
  for (guint i = 0; patterns[i] != NULL; i++)
    if (g_pattern_match_simple (patterns[i], text))
      return TRUE;
  return FALSE;
}

static char *
dup_property (GVariant *build, const char *name)
{
  g_autoptr (GVariant) properties = g_variant_lookup_value (build, "properties", G_VARIANT_TYPE_VARDICT);
  char *text = NULL;

  if (properties != NULL && g_variant_lookup (properties, name, "s", &text))
    return text;
  return g_strdup ("");
}

static const char *
lookup_text (GVariant *dictionary, const char *key)
{
  const char *text = "";

  g_variant_lookup (dictionary, key, "&s", &text);
  return text;
}

static guint
get_mode (const BbSmtpConfig *config)
{
  g_autofree char *error_text = NULL;
  guint mode = 0;

  bb_mail_mode_parse ((const char *const *) config->mode, &mode, &error_text);
  return mode;
}

static BbResult
get_previous (const BbSmtpConfig *config, GVariant *build)
{
  switch (config->previous_build)
    {
    case BB_SMTP_PREVIOUS_NUMBER:
      return bb_result_from_string (lookup_text (build, "previous_result"));
    case BB_SMTP_PREVIOUS_BRANCH:
      return bb_result_from_string (lookup_text (build, "previous_result_of_branch"));
    default:
      return BB_RESULT_NONE;
    }
}

static gboolean
is_of_wanted_builder (const BbSmtpConfig *config, GVariant *build)
{
  char **categories = config->tags != NULL ? config->tags : config->categories;

  if (config->builders != NULL)
    return matches_one (config->builders, lookup_text (build, "builder"));
  return categories == NULL || matches_one (categories, lookup_text (build, "category"));
}

static gboolean
wants_build (BbSmtpNotifier *self, GVariant *build)
{
  const BbSmtpConfig *config = self->config;
  g_autofree char *scheduler = dup_property (build, "scheduler");
  g_autofree char *branch = dup_property (build, "branch");

  if (*lookup_text (build, "builder") == '\0' || !is_of_wanted_builder (config, build)
      || (config->schedulers != NULL && !matches_one (config->schedulers, scheduler))
      || (config->branches != NULL && !matches_one (config->branches, branch)))
    return FALSE;
  return bb_mail_mode_selects (get_mode (config), bb_result_from_string (lookup_text (build, "result")),
                               get_previous (config, build));
}

/* The notice of a build set has the member `builds`; that of a single build is the build itself. Whoever wants summaries
 * is told of a set once, and of a build alone only when it was asked for alone. */
static GPtrArray *
select_builds (BbSmtpNotifier *self, BbNotice *notice)
{
  GPtrArray *selected = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  GVariant *details = bb_notice_get_details (notice);
  g_autoptr (GVariant) builds = g_variant_lookup_value (details, "builds", G_VARIANT_TYPE ("aa{sv}"));
  guint64 build_set = 0;

  g_variant_lookup (details, "build_set", "t", &build_set);
  if (build_set != 0 && self->config->build_set_summary != (builds != NULL))
    return selected;
  if (builds == NULL && wants_build (self, details))
    g_ptr_array_add (selected, g_variant_ref (details));
  for (gsize i = 0; builds != NULL && i < g_variant_n_children (builds); i++)
    {
      g_autoptr (GVariant) build = g_variant_get_child_value (builds, i);

      if (wants_build (self, build))
        g_ptr_array_add (selected, g_steal_pointer (&build));
    }
  return selected;
}

static gboolean
bb_smtp_notifier_wants (BbNotifier *notifier, BbNotice *notice)
{
  BbSmtpNotifier *self = BB_SMTP_NOTIFIER (notifier);
  const char *slave = lookup_text (bb_notice_get_details (notice), "slave");
  g_autoptr (GPtrArray) builds = NULL;

  switch (bb_notice_get_kind (notice))
    {
    case BB_NOTICE_SLAVE_MISSING:
    case BB_NOTICE_SLAVE_NEVER_CAME:
      return bb_notice_get_recipients (notice)[0] != NULL
             && (self->config->watched_workers == NULL || matches_one (self->config->watched_workers, slave));
    case BB_NOTICE_INSTANCE_TROUBLE:
      return bb_notice_get_recipients (notice)[0] != NULL;
    case BB_NOTICE_BUILD_FINISHED:
      builds = select_builds (self, notice);
      return builds->len > 0;
    }
  return FALSE;
}

/* The same for each attempt, so that two copies of a mail can be known for one. A build's mail differs from notifier to
 * notifier; of everything else there is one in all, whoever sends it. */
static char *
make_message_id (BbSmtpNotifier *self, BbNotice *notice)
{
  gboolean is_build = bb_notice_get_kind (notice) == BB_NOTICE_BUILD_FINISHED;
  g_autofree char *text = g_strjoin ("\n", self->host_name, bb_notice_get_id (notice), is_build ? self->name : "", NULL);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
  g_autofree char *host = g_strdup (self->host_name);

  g_strcanon (host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", '-');
  return g_strdup_printf ("%.32s@%s", digest, *host != '\0' ? host : "localhost");
}

/* Everything that is the same for all mails. */
static BbMail *
begin_mail (BbSmtpNotifier *self, BbNotice *notice)
{
  BbMail *mail = bb_mail_new ();

  mail->from = g_strdup (self->config->fromaddr != NULL ? self->config->fromaddr : "buildbot");
  mail->date_us = g_get_real_time ();
  mail->message_id = make_message_id (self, notice);
  mail->log_limit = self->config->log_size_limit;
  mail->size_limit = self->config->mail_size_limit;
  return mail;
}

/* Log names are matched as in Buildbot: the name alone, or step.name. */
static gboolean
is_wanted_log (const BbSmtpConfig *config, const char *step, const char *log)
{
  g_autofree char *full = g_strconcat (step, ".", log, NULL);
  char **wanted = config->add_logs;

  if (wanted == NULL || wanted[0] == NULL || (wanted[1] == NULL && g_str_equal (wanted[0], "false")))
    return FALSE;
  if (wanted[1] == NULL && g_str_equal (wanted[0], "true"))
    return TRUE;
  return g_strv_contains ((const char *const *) wanted, log) || g_strv_contains ((const char *const *) wanted, full);
}

/* `log_files` of a build's notice: a(sss), step, log, path. */
static void
attach_logs (BbSmtpNotifier *self, GVariant *build, gboolean summary, BbMail *mail)
{
  g_autoptr (GVariant) files = g_variant_lookup_value (build, "log_files", G_VARIANT_TYPE ("a(sss)"));
  const char *step, *log, *path;
  GVariantIter iter;

  if (files == NULL)
    return;
  g_variant_iter_init (&iter, files);
  while (g_variant_iter_loop (&iter, "(&s&s&s)", &step, &log, &path))
    {
      g_autofree char *name = summary ? g_strdup_printf ("%s.%s.%s", lookup_text (build, "builder"), step, log)
                                      : g_strdup_printf ("%s.%s", step, log);

      if (is_wanted_log (self->config, step, log))
        bb_mail_add_log (mail, name, path);
    }
}

static void
attach_patches (BbSmtpNotifier *self, GVariant *build, BbMail *mail)
{
  g_autoptr (GVariant) files = g_variant_lookup_value (build, "patch_files", G_VARIANT_TYPE_STRING_ARRAY);
  g_autofree const char **paths = files != NULL ? g_variant_get_strv (files, NULL) : NULL;

  for (guint i = 0; self->config->add_patch && paths != NULL && paths[i] != NULL; i++)
    {
      g_autofree char *name = g_strdup_printf ("source patch %u", i);

      bb_mail_add_patch (mail, name, paths[i]);
    }
}

static char *
read_template (const BbSmtpConfig *config, GVariant *fields, gboolean *is_html)
{
  const char *path = config->template_html_path != NULL ? config->template_html_path : config->template_path;
  g_autofree char *template = NULL;
  g_autoptr (GError) error = NULL;

  *is_html = config->template_html_path != NULL;
  if (path == NULL)
    return NULL;
  if (!g_file_get_contents (path, &template, NULL, &error))
    {
      bb_log_host (G_LOG_LEVEL_WARNING, "mail: template: %s; the built-in text is used", error->message);
      *is_html = FALSE;
      return NULL;
    }
  return bb_smtp_fill_in (template, fields);
}

/* The subject's fields of a summary. */
static GVariant *
summary_fields (GVariant *fields, const char *result)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&builder, "{ss}", "result", result);
  g_variant_builder_add (&builder, "{ss}", "builder", "(whole buildset)");
  g_variant_builder_add (&builder, "{ss}", "title", lookup_text (fields, "title"));
  g_variant_builder_add (&builder, "{ss}", "projectName", lookup_text (fields, "title"));
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* That of the build that ended worst. */
static BbResult
worst_result (GPtrArray *builds)
{
  static const BbResult from_best[] = { BB_RESULT_SUCCESS, BB_RESULT_SKIPPED, BB_RESULT_WARNINGS,
                                        BB_RESULT_CANCELLED, BB_RESULT_FAILURE, BB_RESULT_EXCEPTION };
  guint worst = 0;

  for (guint i = 0; i < builds->len; i++)
    for (guint j = worst; j < G_N_ELEMENTS (from_best); j++)
      if (bb_result_from_string (lookup_text (g_ptr_array_index (builds, i), "result")) == from_best[j])
        worst = j;
  return from_best[worst];
}

static char *
property_of_build (const char *scope, const char *name, gpointer user_data)
{
  GVariant *build = user_data;
  g_autoptr (GVariant) properties = g_variant_lookup_value (build, "properties", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) value = NULL;

  if (g_str_equal (scope, "slave") && g_str_equal (name, "name"))
    return g_strdup (lookup_text (build, "slave"));
  if (!g_str_equal (scope, "prop") || properties == NULL)
    return NULL;
  value = g_variant_lookup_value (properties, name, NULL);
  if (value == NULL || g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return value != NULL ? g_variant_dup_string (value, NULL) : NULL;
  return g_variant_print (value, FALSE);
}

/* @build: (nullable): the one that the mail is about, when it is one; else headers that name properties are left out. */
static void
add_extra_headers (BbSmtpNotifier *self, GVariant *build, BbMail *mail)
{
  g_autoptr (GStrvBuilder) headers = g_strv_builder_new ();
  char **wanted = self->config->extra_headers;

  for (guint i = 0; wanted != NULL && wanted[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *header = NULL;

      if (build == NULL && strstr (wanted[i], "%(") != NULL)
        continue;
      header = bb_interpolate (wanted[i], property_of_build, build, &error);
      if (header != NULL)
        g_strv_builder_add (headers, header);
      else
        bb_log_host (G_LOG_LEVEL_MESSAGE, "notifier %s: extraHeaders: \"%s\" is left out: %s", self->name, wanted[i],
                     error->message);
    }
  mail->extra_headers = g_strv_builder_end (headers);
}

static void
compose_build_mail (BbSmtpNotifier *self, GPtrArray *builds, Job *job)
{
  const BbSmtpConfig *config = self->config;
  gboolean is_set = g_variant_lookup (bb_notice_get_details (job->notice), "builds", "*", NULL);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GVariant) of_set = NULL;

  for (guint i = 0; i < builds->len; i++)
    {
      GVariant *build = g_ptr_array_index (builds, i);
      g_autoptr (GVariant) fields = bb_smtp_build_fields (build, self->host_name);
      g_autofree char *from_template = read_template (config, fields, &job->mail->is_html);
      g_autofree char *built_in = from_template == NULL
                                    ? bb_smtp_build_text (build, get_mode (config), self->host_name)
                                    : NULL;

      if (i > 0)
        g_string_append (text, "\n");
      g_string_append (text, from_template != NULL ? from_template : built_in);
      attach_logs (self, build, is_set, job->mail);
      attach_patches (self, build, job->mail);
      if (job->fields == NULL)
        job->fields = g_steal_pointer (&fields);
    }
  job->mail->text = g_strdup (text->str);
  if (is_set)
    of_set = summary_fields (job->fields, bb_result_to_string (worst_result (builds)));
  job->mail->subject = bb_smtp_fill_in (config->subject, is_set ? of_set : job->fields);
  add_extra_headers (self, builds->len == 1 ? g_ptr_array_index (builds, 0) : NULL, job->mail);
}

static void
compose_other_mail (BbSmtpNotifier *self, Job *job)
{
  const char *const *recipients = bb_notice_get_recipients (job->notice);

  for (guint i = 0; recipients[i] != NULL; i++)
    g_ptr_array_add (job->mail->to, g_strdup (recipients[i]));
  if (bb_notice_get_kind (job->notice) == BB_NOTICE_INSTANCE_TROUBLE)
    {
      g_autofree char *sentence = bb_smtp_trouble_sentence (job->notice);

      job->mail->subject = g_strdup_printf (_ ("bbhost on %s: %s"), self->host_name, sentence);
      job->mail->text = bb_smtp_trouble_text (job->notice, self->host_name);
      return;
    }
  job->mail->subject = bb_smtp_slave_subject (job->notice);
  job->mail->text = bb_smtp_slave_text (job->notice, self->host_name);
}

static void
sent_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (bb_smtp_send_finish (result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
write_in_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Job *job = task_data;
  g_autoptr (GError) error = NULL;
  int fd = bb_mail_write (job->mail, &error);

  if (fd >= 0)
    g_task_return_int (task, fd);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
dump_mail (int fd)
{
  g_autofree char *bytes = g_malloc (DUMP_LIMIT);
  gssize length = pread (fd, bytes, DUMP_LIMIT, 0);
  g_autofree char *text = g_utf8_make_valid (bytes, MAX (length, 0));

  bb_log_host (G_LOG_LEVEL_MESSAGE, "mail:\n%s%s", text, length == DUMP_LIMIT ? "\n(and more)" : "");
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbSmtpNotifier *self = BB_SMTP_NOTIFIER (source);
  Job *job = g_task_get_task_data (task);
  g_autofree char *sender = bb_mail_address_extract (job->mail->from);
  g_auto (GStrv) envelope = bb_mail_get_envelope (job->mail);
  GCancellable *cancellable;
  GError *error = NULL;
  int fd = (int) g_task_propagate_int (G_TASK (result), &error);

  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (self->config->dump_mails_to_log)
    dump_mail (fd);
  /* Not in the call: the order in which its arguments are evaluated is the compiler's. */
  cancellable = g_task_get_cancellable (task);
  bb_smtp_send_async (self->config, sender != NULL ? sender : job->mail->from, (const char *const *) envelope, fd,
                      cancellable, sent_cb, g_steal_pointer (&task));
}

static void
write_and_send (GTask *task)
{
  Job *job = g_task_get_task_data (task);
  g_auto (GStrv) envelope = bb_mail_get_envelope (job->mail);
  g_autoptr (GTask) writing = NULL;

  if (envelope[0] == NULL)
    {
      bb_log_host (G_LOG_LEVEL_MESSAGE, "mail \"%s\" has no recipient and is not sent", job->mail->subject);
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
      return;
    }
  writing = g_task_new (g_task_get_source_object (task), g_task_get_cancellable (task), written_cb, task);
  g_task_set_check_cancellable (writing, FALSE); /* else the descriptor is lost */
  g_task_set_task_data (writing, job, NULL);
  g_task_run_in_thread (writing, write_in_thread);
}

/* A program's text may begin with the lines `Subject: …` and `Content-Type: text/html`, then an empty one. */
static void
take_formatted (Job *job, const char *printed)
{
  const char *rest = printed;

  while (g_str_has_prefix (rest, "Subject:") || g_str_has_prefix (rest, "Content-Type:"))
    {
      const char *end = strchr (rest, '\n');
      g_autofree char *line = end != NULL ? g_strndup (rest, (gsize) (end - rest)) : g_strdup (rest);
      const char *value = strchr (line, ':') + 1;

      if (g_str_has_prefix (line, "Subject:"))
        {
          g_free (job->mail->subject);
          job->mail->subject = g_strstrip (g_strdup (value));
        }
      else
        job->mail->is_html = strstr (value, "html") != NULL;
      if (end == NULL)
        break;
      rest = end + 1;
      if (*rest == '\n')
        {
          rest++;
          break;
        }
    }
  g_free (job->mail->text);
  job->mail->text = g_strdup (rest);
}

static void
formatted_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Job *job = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autofree char *printed = bb_smtp_run_program_finish (result, &error);

  if (printed != NULL)
    take_formatted (job, printed);
  else
    bb_log_host (G_LOG_LEVEL_WARNING, "mail: formatter_command: %s; the built-in text is used", error->message);
  write_and_send (task);
}

static void
format_and_send (GTask *task)
{
  BbSmtpNotifier *self = g_task_get_source_object (task);
  Job *job = g_task_get_task_data (task);
  g_autofree char *json = NULL;

  if (self->config->formatter_command == NULL || bb_notice_get_kind (job->notice) != BB_NOTICE_BUILD_FINISHED)
    {
      write_and_send (task);
      return;
    }
  json = json_gvariant_serialize_data (bb_notice_get_details (job->notice), NULL);
  bb_smtp_run_program_async (self->config->formatter_command, NULL, json, self->config->formatter_timeout,
                             g_task_get_cancellable (task), formatted_cb, task);
}

static void
looked_up_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  BbSmtpNotifier *self = g_task_get_source_object (task);
  Job *job = g_task_get_task_data (task);
  g_autoptr (GPtrArray) addresses = bb_smtp_look_up_finish (result, NULL);
  char **extra = self->config->extra_recipients;
  GPtrArray *extra_list;

  for (guint i = 0; addresses != NULL && i < addresses->len; i++)
    g_ptr_array_add (job->mail->to, g_strdup (g_ptr_array_index (addresses, i)));
  extra_list = job->mail->to->len > 0 ? job->mail->cc : job->mail->to;
  for (guint i = 0; extra != NULL && extra[i] != NULL; i++)
    g_ptr_array_add (extra_list, g_strdup (extra[i]));
  format_and_send (task);
}

static void
notify_build (BbSmtpNotifier *self, GTask *task)
{
  Job *job = g_task_get_task_data (task);
  g_autoptr (GPtrArray) builds = select_builds (self, job->notice);
  g_autoptr (GStrvBuilder) users = g_strv_builder_new ();
  g_auto (GStrv) all_users = NULL;

  if (builds->len == 0)
    {
      /* The configuration has changed since it was wanted. */
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
      return;
    }
  compose_build_mail (self, builds, job);
  for (guint i = 0; self->config->send_to_interested_users && i < builds->len; i++)
    {
      g_auto (GStrv) interested = bb_smtp_interested_users (g_ptr_array_index (builds, i));

      g_strv_builder_addv (users, (const char **) interested);
    }
  all_users = g_strv_builder_end (users);
  bb_smtp_look_up_async (self->config, (const char *const *) all_users, g_task_get_cancellable (task), looked_up_cb,
                         task);
}

static void
bb_smtp_notifier_notify_async (BbNotifier *notifier, BbNotice *notice, GCancellable *cancellable,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  BbSmtpNotifier *self = BB_SMTP_NOTIFIER (notifier);
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  Job *job = g_new0 (Job, 1);

  g_task_set_source_tag (task, bb_smtp_notifier_notify_async);
  g_task_set_check_cancellable (task, FALSE); /* what was sent was sent */
  g_task_set_task_data (task, job, job_free);
  job->notice = g_object_ref (notice);
  job->mail = begin_mail (self, notice);
  if (bb_notice_get_kind (notice) == BB_NOTICE_BUILD_FINISHED)
    notify_build (self, task);
  else
    {
      compose_other_mail (self, job);
      write_and_send (task);
    }
}

static gboolean
bb_smtp_notifier_notify_finish (BbNotifier *notifier, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, notifier), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
bb_smtp_notifier_iface_init (BbNotifierInterface *iface)
{
  iface->wants = bb_smtp_notifier_wants;
  iface->notify_async = bb_smtp_notifier_notify_async;
  iface->notify_finish = bb_smtp_notifier_notify_finish;
}

static void
bb_smtp_notifier_set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  BbSmtpNotifier *self = BB_SMTP_NOTIFIER (object);

  switch (id)
    {
    case PROP_NAME:
      self->name = g_value_dup_string (value);
      break;
    case PROP_CONFIG:
      self->config = g_value_get_pointer (value);
      break;
    case PROP_HOST_NAME:
      self->host_name = g_value_dup_string (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
bb_smtp_notifier_finalize (GObject *object)
{
  BbSmtpNotifier *self = BB_SMTP_NOTIFIER (object);

  g_free (self->name);
  g_free (self->host_name);
  G_OBJECT_CLASS (bb_smtp_notifier_parent_class)->finalize (object);
}

static void
bb_smtp_notifier_class_init (BbSmtpNotifierClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags fixed = G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->set_property = bb_smtp_notifier_set_property;
  object_class->finalize = bb_smtp_notifier_finalize;
  props[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, fixed);
  props[PROP_CONFIG] = g_param_spec_pointer ("config", NULL, NULL, fixed);
  props[PROP_HOST_NAME] = g_param_spec_string ("host-name", NULL, NULL, NULL, fixed);
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
bb_smtp_notifier_init (BbSmtpNotifier *self)
{
}
