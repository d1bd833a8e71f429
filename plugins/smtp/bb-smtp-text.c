/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-text.h"

#include <glib/gi18n-lib.h>

#include "bb-mail-selection.h"

static gboolean
replace_field (const GMatchInfo *match, GString *text, gpointer user_data)
{
  g_autofree char *word = g_match_info_fetch (match, 1);
  const char *value = NULL;

  if (g_variant_lookup (user_data, word, "&s", &value))
    g_string_append (text, value);
  return FALSE;
}

char *
bb_smtp_fill_in (const char *template, GVariant *fields)
{
  g_autoptr (GRegex) regex = g_regex_new ("%\\((\\w+)\\)s", G_REGEX_DEFAULT, G_REGEX_MATCH_DEFAULT, NULL);

  return g_regex_replace_eval (regex, template, -1, 0, G_REGEX_MATCH_DEFAULT, replace_field, fields, NULL);
}

static const char *
text_of (GVariant *dictionary, const char *key)
{
  const char *value = "";

  g_variant_lookup (dictionary, key, "&s", &value);
  return value;
}

/* For reading; fields and JSON have the word itself. */
static const char *
result_words (const char *result)
{
  switch (bb_result_from_string (result))
    {
    case BB_RESULT_SUCCESS:
      return _ ("success");
    case BB_RESULT_WARNINGS:
      return _ ("warnings");
    case BB_RESULT_FAILURE:
      return _ ("failure");
    case BB_RESULT_SKIPPED:
      return _ ("skipped");
    case BB_RESULT_EXCEPTION:
      return _ ("exception");
    case BB_RESULT_RETRY:
      return _ ("retry");
    case BB_RESULT_CANCELLED:
      return _ ("cancelled");
    case BB_RESULT_NONE:
      break;
    }
  return result;
}

/* Property @name of the build as text, or "". */
static char *
property_text (GVariant *build, const char *name)
{
  g_autoptr (GVariant) properties = g_variant_lookup_value (build, "properties", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) value = properties != NULL ? g_variant_lookup_value (properties, name, NULL) : NULL;

  if (value == NULL)
    return g_strdup ("");
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  return g_variant_print (value, FALSE);
}

static char *
time_text (GVariant *dictionary, const char *key)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (dictionary, key, NULL);
  g_autoptr (GDateTime) time = NULL;
  gint64 us = 0;

  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_INT64))
    us = g_variant_get_int64 (value);
  else if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    us = (gint64) g_variant_get_uint64 (value);
  if (us <= 0)
    return g_strdup (_ ("never"));
  time = g_date_time_new_from_unix_local (us / G_USEC_PER_SEC);
  return g_date_time_format (time, "%Y-%m-%d %H:%M:%S %z");
}

GVariant *
bb_smtp_build_fields (GVariant *build, const char *host_name)
{
  static const char *const copied[] = { "result", "builder", "slave", "reason", NULL };
  static const char *const properties[] = { "branch", "revision", "project", "owner", NULL };
  g_autofree char *project = property_text (build, "project");
  guint64 number = 0;
  g_autofree char *number_text = NULL;
  g_autofree char *started = time_text (build, "started_at");
  g_autofree char *finished = time_text (build, "finished_at");
  const char *title = *project != '\0' ? project : host_name;
  GVariantBuilder fields;

  g_variant_lookup (build, "number", "t", &number);
  number_text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);
  g_variant_builder_init (&fields, G_VARIANT_TYPE ("a{ss}"));
  for (guint i = 0; copied[i] != NULL; i++)
    g_variant_builder_add (&fields, "{ss}", copied[i], text_of (build, copied[i]));
  for (guint i = 0; properties[i] != NULL; i++)
    {
      g_autofree char *value = property_text (build, properties[i]);

      g_variant_builder_add (&fields, "{ss}", properties[i], value);
    }
  g_variant_builder_add (&fields, "{ss}", "title", title);
  g_variant_builder_add (&fields, "{ss}", "projectName", title);
  g_variant_builder_add (&fields, "{ss}", "number", number_text);
  g_variant_builder_add (&fields, "{ss}", "host", host_name);
  g_variant_builder_add (&fields, "{ss}", "started_at", started);
  g_variant_builder_add (&fields, "{ss}", "finished_at", finished);
  return g_variant_ref_sink (g_variant_builder_end (&fields));
}

/* The first sentence: what has happened, and whether it is news. */
static char *
build_headline (GVariant *build, guint mode, const char *builder)
{
  BbResult result = bb_result_from_string (text_of (build, "result"));
  BbResult previous = bb_result_from_string (text_of (build, "previous_result"));
  gboolean is_news = (mode & (BB_MAIL_CHANGE | BB_MAIL_PROBLEM)) != 0 && previous != BB_RESULT_NONE
                     && previous != BB_RESULT_FAILURE;

  switch (result)
    {
    case BB_RESULT_SUCCESS:
      if ((mode & BB_MAIL_CHANGE) != 0 && previous != BB_RESULT_NONE && previous != BB_RESULT_SUCCESS)
        return g_strdup_printf (_ ("bbhost has detected a restored build on builder %s."), builder);
      return g_strdup_printf (_ ("bbhost has detected a passing build on builder %s."), builder);
    case BB_RESULT_WARNINGS:
      return g_strdup_printf (_ ("bbhost has detected a problem in the build on builder %s: it ended with warnings."),
                              builder);
    case BB_RESULT_FAILURE:
      return g_strdup_printf (is_news ? _ ("bbhost has detected a new failure on builder %s.")
                                      : _ ("bbhost has detected a failed build on builder %s."),
                              builder);
    case BB_RESULT_EXCEPTION:
      return g_strdup_printf (_ ("bbhost has detected an exception in the build on builder %s."), builder);
    case BB_RESULT_CANCELLED:
      return g_strdup_printf (_ ("A build on builder %s was cancelled."), builder);
    case BB_RESULT_NONE:
    case BB_RESULT_SKIPPED:
    case BB_RESULT_RETRY:
      break;
    }
  return g_strdup_printf (_ ("A build on builder %s has ended."), builder);
}

static void
append_line (GString *text, const char *label, const char *value)
{
  if (value != NULL && *value != '\0')
    g_string_append_printf (text, "%s %s\n", label, value);
}

static void
append_failed_steps (GString *text, GVariant *build)
{
  g_autoptr (GVariant) steps = g_variant_lookup_value (build, "steps", G_VARIANT_TYPE ("aa{sv}"));
  GVariantIter iter;
  GVariant *step;

  if (steps == NULL)
    return;
  g_variant_iter_init (&iter, steps);
  while ((step = g_variant_iter_next_value (&iter)) != NULL)
    {
      BbResult result = bb_result_from_string (text_of (step, "result"));

      if (result == BB_RESULT_FAILURE || result == BB_RESULT_EXCEPTION || result == BB_RESULT_WARNINGS)
        g_string_append_printf (text, _ ("Step %s: %s %s\n"), text_of (step, "name"),
                                result_words (text_of (step, "result")),
                                text_of (step, "text"));
      g_variant_unref (step);
    }
}

char *
bb_smtp_build_text (GVariant *build, guint mode, const char *host_name)
{
  g_autoptr (GVariant) fields = bb_smtp_build_fields (build, host_name);
  const char *builder = text_of (fields, "builder");
  g_autofree char *headline = build_headline (build, mode, builder);
  GString *text = g_string_new (headline);

  g_string_append (text, "\n\n");
  append_line (text, _ ("Project:"), text_of (fields, "title"));
  append_line (text, _ ("Build:"), text_of (fields, "number"));
  append_line (text, _ ("Slave:"), text_of (fields, "slave"));
  append_line (text, _ ("Reason:"), text_of (fields, "reason"));
  append_line (text, _ ("Branch:"), text_of (fields, "branch"));
  append_line (text, _ ("Revision:"), text_of (fields, "revision"));
  append_line (text, _ ("Owner:"), text_of (fields, "owner"));
  append_line (text, _ ("Started:"), text_of (fields, "started_at"));
  append_line (text, _ ("Finished:"), text_of (fields, "finished_at"));
  append_failed_steps (text, build);
  g_string_append_printf (text, _ ("\nResult: %s\n\nTo look at it on %s: bbctl log %s\n"), result_words (text_of (fields, "result")),
                          host_name, text_of (fields, "number"));
  return g_string_free (text, FALSE);
}

char *
bb_smtp_slave_subject (BbNotice *notice)
{
  const char *slave = text_of (bb_notice_get_details (notice), "slave");

  if (bb_notice_get_kind (notice) == BB_NOTICE_SLAVE_NEVER_CAME)
    return g_strdup_printf (_ ("Buildbot: buildslave %s never substantiated"), slave);
  return g_strdup_printf (_ ("Buildbot: buildslave %s was lost"), slave);
}

char *
bb_smtp_slave_text (BbNotice *notice, const char *host_name)
{
  GVariant *details = bb_notice_get_details (notice);
  const char *slave = text_of (details, "slave");
  g_autofree char *since = time_text (details, "since");
  g_autofree char *last_message = time_text (details, "last_message");
  GString *text = g_string_new (NULL);

  if (bb_notice_get_kind (notice) == BB_NOTICE_SLAVE_NEVER_CAME)
    g_string_append_printf (text,
                            _ ("The latent buildslave named %s of %s was asked for, but never attached.\n\n"
                               "Asked for at: %s\n"),
                            slave, host_name, since);
  else
    g_string_append_printf (text,
                            _ ("The buildslave named %s of %s went away.\n\nMissing since: %s\n"), slave, host_name,
                            since);
  append_line (text, _ ("Last message:"), last_message);
  append_line (text, _ ("Last address:"), text_of (details, "peer_address"));
  append_line (text, _ ("Its administrator:"), text_of (details, "admin"));
  append_line (text, _ ("Backend:"), text_of (details, "backend"));
  append_line (text, _ ("Instance:"), text_of (details, "instance_id"));
  append_line (text, _ ("Last error:"), text_of (details, "last_error"));
  g_string_append_printf (text, _ ("\nTo look at it on %s: bbctl slave %s\n"), host_name, slave);
  return g_string_free (text, FALSE);
}

static guint
count_of (GVariant *dictionary, const char *key)
{
  guint value = 0;

  g_variant_lookup (dictionary, key, "u", &value);
  return value;
}

static double
amount_of (GVariant *dictionary, const char *key)
{
  double value = 0;

  g_variant_lookup (dictionary, key, "d", &value);
  return value;
}

/* Its id, or the number of its row while there is none. */
static char *
instance_name (GVariant *details)
{
  const char *id = text_of (details, "instance_id");
  guint64 number = 0;

  g_variant_lookup (details, "instance", "t", &number);
  return *id != '\0' ? g_strdup (id) : g_strdup_printf ("%" G_GUINT64_FORMAT, number);
}

static char *
budget_sentence (GVariant *details)
{
  double spent = amount_of (details, "spent");
  double limit = amount_of (details, "limit");

  if (spent < limit)
    return g_strdup_printf (_ ("instances have cost $%.2f this month, of max_monthly_cost=%g"), spent, limit);
  return g_strdup_printf (_ ("instances have cost $%.2f this month: max_monthly_cost=%g is spent, none is started any more"),
                          spent, limit);
}

char *
bb_smtp_trouble_sentence (BbNotice *notice)
{
  GVariant *details = bb_notice_get_details (notice);
  const char *trouble = text_of (details, "trouble");
  const char *slave = text_of (details, "slave");
  const char *backend = text_of (details, "backend");
  const char *account = text_of (details, "account");
  g_autofree char *instance = instance_name (details);

  if (g_str_equal (trouble, BB_TROUBLE_STOP))
    return g_strdup_printf (_ ("instance %s of slave %s can't be stopped and may cost money; %u attempts failed so far, and "
                               "more follow"),
                            instance, slave, count_of (details, "attempts"));
  if (g_str_equal (trouble, BB_TROUBLE_START))
    return g_strdup_printf (_ ("the start of an instance of slave %s was given up %u s ago, but its backend %s has not "
                               "returned; the slave can't be used before that"),
                            slave, count_of (details, "seconds"), backend);
  if (g_str_equal (trouble, BB_TROUBLE_ACCOUNT))
    return g_strdup_printf (_ ("%s in %s can't be asked for its instances, of which %u are open and may cost money; %u "
                               "attempts failed so far, and more follow"),
                            backend, account, count_of (details, "open"), count_of (details, "attempts"));
  if (g_str_equal (trouble, BB_TROUBLE_ORPHANS))
    return g_strdup_printf (_ ("the store is new, but there are instances of an earlier one in %s (%s): %s; they are stopped "
                               "in %u s, but for those whose slaves log in"),
                            account, backend, text_of (details, "instances"), count_of (details, "seconds"));
  if (g_str_equal (trouble, BB_TROUBLE_BUDGET))
    return budget_sentence (details);
  if (g_str_equal (trouble, BB_TROUBLE_FORGOTTEN))
    return g_strdup_printf (_ ("instance %s of slave %s was forgotten by %s; nobody looks after it any more, and if it "
                               "exists it goes on costing money"),
                            instance, slave, text_of (details, "by"));
  if (g_str_equal (trouble, BB_TROUBLE_NONE))
    return g_strdup (_ ("this is a test: nothing has happened"));
  return g_strdup (bb_notice_get_summary (notice));
}

char *
bb_smtp_trouble_text (BbNotice *notice, const char *host_name)
{
  GVariant *details = bb_notice_get_details (notice);
  g_autofree char *sentence = bb_smtp_trouble_sentence (notice);
  GString *text = g_string_new (NULL);

  g_string_printf (text, _ ("Something about the instances of %s needs a person:\n\n%s\n\n"), host_name, sentence);
  append_line (text, _ ("Slave:"), text_of (details, "slave"));
  append_line (text, _ ("Backend:"), text_of (details, "backend"));
  append_line (text, _ ("Instance:"), text_of (details, "instance_id"));
  append_line (text, _ ("Reason:"), text_of (details, "reason"));
  append_line (text, _ ("Last error:"), text_of (details, "last_error"));
  g_string_append_printf (text, _ ("\nTo look at it on %s: bbctl instances\n"), host_name);
  return g_string_free (text, FALSE);
}
