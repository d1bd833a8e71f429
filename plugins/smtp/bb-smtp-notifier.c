/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-notifier.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>

#include "bb-mail-address.h"
#include "bb-mail-selection.h"
#include "bb-smtp-config.h"
#include "bb-smtp-message.h"
#include "bb-smtp-program.h"
#include "bb-smtp-recipients.h"
#include "bb-smtp-session.h"
#include "bb-smtp-text.h"

#define FORMATTER_SECONDS 60

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

/* A set of builds has the member `builds`; a single build is the details themselves. */
static GPtrArray *
select_builds (BbSmtpNotifier *self, BbNotice *notice)
{
  GPtrArray *selected = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  GVariant *details = bb_notice_get_details (notice);
  g_autoptr (GVariant) builds = g_variant_lookup_value (details, "builds", G_VARIANT_TYPE ("aa{sv}"));

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

/* Everything that is the same for all mails. */
static BbMail *
begin_mail (BbSmtpNotifier *self)
{
  BbMail *mail = bb_mail_new ();
  g_autofree char *id = g_uuid_string_random ();

  mail->from = g_strdup (self->config->fromaddr != NULL ? self->config->fromaddr : "buildbot");
  mail->date_us = g_get_real_time ();
  mail->message_id = g_strdup_printf ("%s@%s", id, self->host_name);
  mail->attachment_limit = self->config->log_size_limit;
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
        bb_mail_add_attachment (mail, name, path);
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

      bb_mail_add_attachment (mail, name, paths[i]);
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

static void
compose_build_mail (BbSmtpNotifier *self, GPtrArray *builds, Job *job)
{
  const BbSmtpConfig *config = self->config;
  gboolean summary = config->build_set_summary;
  g_autoptr (GString) text = g_string_new (NULL);
  GVariantDict subject_fields;
  g_autoptr (GVariant) all_fields = NULL;

  for (guint i = 0; i < builds->len; i++)
    {
      GVariant *build = g_ptr_array_index (builds, i);
      g_autoptr (GVariant) fields = bb_smtp_build_fields (build, self->host_name);
      g_autofree char *from_template = read_template (config, fields, &job->mail->is_html);
      g_autofree char *built_in = from_template == NULL
                                    ? bb_smtp_build_text (build, get_mode (config), self->host_name)
                                    : NULL;

      g_string_append (text, from_template != NULL ? from_template : built_in);
      attach_logs (self, build, summary, job->mail);
      attach_patches (self, build, job->mail);
      if (job->fields == NULL)
        job->fields = g_steal_pointer (&fields);
    }
  job->mail->text = g_strdup (text->str);
  if (summary)
    {
      g_variant_dict_init (&subject_fields, NULL);
      g_variant_dict_insert (&subject_fields, "result", "s", lookup_text (job->fields, "result"));
      g_variant_dict_insert (&subject_fields, "builder", "s", "(whole buildset)");
      g_variant_dict_insert (&subject_fields, "title", "s", lookup_text (job->fields, "title"));
      g_variant_dict_insert (&subject_fields, "projectName", "s", lookup_text (job->fields, "title"));
      all_fields = g_variant_ref_sink (g_variant_dict_end (&subject_fields));
    }
  job->mail->subject = bb_smtp_fill_in (config->subject, summary ? all_fields : job->fields);
  if (builds->len == 1 && config->extra_headers != NULL)
    {
      job->mail->extra_headers = g_new0 (char *, g_strv_length (config->extra_headers) + 1);
      for (guint i = 0; config->extra_headers[i] != NULL; i++)
        job->mail->extra_headers[i] = bb_smtp_fill_in (config->extra_headers[i], job->fields);
    }
}

static void
compose_other_mail (BbSmtpNotifier *self, Job *job)
{
  const char *const *recipients = bb_notice_get_recipients (job->notice);

  for (guint i = 0; recipients[i] != NULL; i++)
    g_ptr_array_add (job->mail->to, g_strdup (recipients[i]));
  if (bb_notice_get_kind (job->notice) == BB_NOTICE_INSTANCE_TROUBLE)
    {
      job->mail->subject = g_strdup_printf ("bbhost on %s: %s", self->host_name, bb_notice_get_summary (job->notice));
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
  g_autofree char *uuid = g_uuid_string_random ();
  g_autofree char *path = g_strdup_printf ("%s/bbhost-mail-%s", g_get_tmp_dir (), uuid);

  if (bb_mail_write (job->mail, path, &error))
    g_task_return_pointer (task, g_steal_pointer (&path), g_free);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
dump_mail (const char *path)
{
  g_autofree char *text = NULL;

  if (g_file_get_contents (path, &text, NULL, NULL))
    bb_log_host (G_LOG_LEVEL_MESSAGE, "mail:\n%s", text);
}

static void
written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  BbSmtpNotifier *self = BB_SMTP_NOTIFIER (source);
  Job *job = g_task_get_task_data (task);
  g_autofree char *path = NULL;
  g_autofree char *sender = bb_mail_address_extract (job->mail->from);
  g_auto (GStrv) envelope = bb_mail_get_envelope (job->mail);
  GCancellable *cancellable;
  GError *error = NULL;

  path = g_task_propagate_pointer (G_TASK (result), &error);
  if (path == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (self->config->dump_mails_to_log)
    dump_mail (path);
  /* Not in the call: the order in which its arguments are evaluated is the compiler's. */
  cancellable = g_task_get_cancellable (task);
  bb_smtp_send_async (self->config, sender != NULL ? sender : job->mail->from, (const char *const *) envelope, path,
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
  bb_smtp_run_program_async (self->config->formatter_command, NULL, json, FORMATTER_SECONDS,
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
  g_task_set_task_data (task, job, job_free);
  job->notice = g_object_ref (notice);
  job->mail = begin_mail (self);
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
