/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-smtp-config.h"

#include <glib/gi18n-lib.h>
#include <string.h>

#include "bb-mail-address.h"
#include "bb-mail-selection.h"

#define OPTION(key, kind, member, fallback, flags, help)                                                               \
  { key, BB_OPTION_##kind, G_STRUCT_OFFSET (BbSmtpConfig, member), fallback, 0, 0, flags, NULL, help }
#define NUMBER(key, kind, member, fallback, minimum, maximum, help)                                                    \
  { key, BB_OPTION_##kind, G_STRUCT_OFFSET (BbSmtpConfig, member), fallback, minimum, maximum, BB_OPTION_LIVE, NULL,    \
    help }

static const char *const previous_words[] = { "number", "branch", "none", NULL };

const BbOption bb_smtp_options[] = {
  OPTION ("fromaddr", STRING, fromaddr, NULL, BB_OPTION_REQUIRED,
          N_("The sender, as an address or as Name <address>.")),
  OPTION ("mode", STRINGS, mode, "failing;passing;warnings", 0,
          N_("Which finished builds are mailed: failing, passing, warnings, exception, change, problem, cancelled; or "
             "all alone.")),
  OPTION ("builders", STRINGS, builders, NULL, 0,
          N_("Only builds of these builders (names or globs); empty: no mail about builds at all.")),
  OPTION ("tags", STRINGS, tags, NULL, 0, N_("Only builders of one of these categories. Not together with builders.")),
  OPTION ("categories", STRINGS, categories, NULL, 0, N_("The older name of tags.")),
  OPTION ("schedulers", STRINGS, schedulers, NULL, 0, N_("Only builds whose property scheduler is one of these.")),
  OPTION ("branches", STRINGS, branches, NULL, 0, N_("Only builds whose property branch is one of these.")),
  OPTION ("watchedWorkers", STRINGS, watched_workers, NULL, 0,
          N_("Which slaves' absence this notifier may report (names or globs); all when missing.")),
  OPTION ("sendToInterestedUsers", BOOLEAN, send_to_interested_users, "true", 0,
          N_("Mail the owners of the build and those responsible for its changes.")),
  OPTION ("extraRecipients", ADDRESSES, extra_recipients, NULL, 0, N_("Addresses that get every selected mail.")),
  OPTION ("lookup", STRING, lookup, NULL, 0, N_("The mail domain of users whose name is no address.")),
  OPTION ("lookup_command", STRING, lookup_command, NULL, 0,
          N_("A program that gets a user's name as its argument and prints the address, or nothing.")),
  OPTION ("buildSetSummary", BOOLEAN, build_set_summary, "false", 0,
          N_("One mail for all builds that were requested together, when the last has finished.")),
  { "previous_build", BB_OPTION_ENUM, G_STRUCT_OFFSET (BbSmtpConfig, previous_build), "number", 0, 0, 0,
    previous_words, N_("What change and problem compare with: the build before, the one before of the same branch, or "
                       "none.") },
  OPTION ("subject", STRING, subject, "buildbot %(result)s in %(title)s on %(builder)s", 0,
          N_("The subject; %(result)s, %(builder)s, %(title)s and %(projectName)s are filled in.")),
  OPTION ("addLogs", STRINGS, add_logs, "false", 0,
          N_("Attach logs: true, false, or a list of log names or step.log names.")),
  NUMBER ("log_size_limit", INTEGER, log_size_limit, "1048576", 1, 1073741824.0,
          N_("How many bytes of each attached log are sent; what is longer is cut at its beginning, with a note.")),
  NUMBER ("mail_size_limit", INTEGER, mail_size_limit, "6291456", 0, 1073741824.0,
          N_("How many bytes all attachments of a mail may have together; those that would exceed it are left out, with a "
             "note. Most servers refuse mails of more than 10 MB, and the transfer encoding adds a third.")),
  OPTION ("addPatch", BOOLEAN, add_patch, "true", 0, N_("Attach the patches of the source stamps.")),
  OPTION ("template", PATH, template_path, NULL, 0, N_("A file with the plain text, with %(…)s fields.")),
  OPTION ("template_html", PATH, template_html_path, NULL, 0, N_("The same for an HTML mail.")),
  OPTION ("formatter_command", STRING, formatter_command, NULL, 0,
          N_("A program that gets the build as JSON on its standard input and prints the text.")),
  NUMBER ("formatter_timeout", SECONDS, formatter_timeout, "60", 1, 300,
          N_("How long that program may take; after that the built-in text is sent.")),
  OPTION ("extraHeaders", PAIRS, extra_headers, NULL, BB_OPTION_INTERPOLATED,
          N_("Further headers, Name=value; %(prop:NAME)s is filled in when the mail is about one build.")),
  OPTION ("relayhost", STRING, relayhost, "localhost", 0, N_("The SMTP server.")),
  NUMBER ("smtpPort", INTEGER, smtp_port, "25", 1, 65535, N_("Its port.")),
  OPTION ("useTls", BOOLEAN, use_tls, "false", 0, N_("STARTTLS is required: without it no mail is sent.")),
  OPTION ("useSmtps", BOOLEAN, use_smtps, "false", 0, N_("TLS from the first byte.")),
  OPTION ("smtpUser", STRING, smtp_user, NULL, 0, N_("Log in as this user; with smtpPassword.")),
  OPTION ("smtpPassword", STRING, smtp_password, NULL, BB_OPTION_SECRET, N_("The password; with smtpUser.")),
  OPTION ("smtpPassword_file", PATH, smtp_password_file, NULL, 0, N_("A file whose first line is the password.")),
  OPTION ("tls_ca_file", PATH, tls_ca_file, NULL, 0,
          N_("Certificates to trust instead of the system's, for a server with a private authority.")),
  OPTION ("allow_plain_password", BOOLEAN, allow_plain_password, "false", 0,
          N_("Send the password without TLS even to a host that is not this machine.")),
  NUMBER ("timeout", SECONDS, timeout, "60", 1, 600, N_("How long one attempt to send may take.")),
  OPTION ("dumpMailsToLog", BOOLEAN, dump_mails_to_log, "false", 0, N_("Write whole mails to the log before sending.")),
  OPTION ("customMesg", STRING, custom_mesg, NULL, 0, N_("Gone; use formatter_command.")),
  { 0 },
};

static gboolean
is_local_host (const char *host)
{
  return g_ascii_strcasecmp (host, "localhost") == 0 || g_str_equal (host, "127.0.0.1") || g_str_equal (host, "::1")
         || g_str_has_prefix (host, "/");
}

static void
add_error (GPtrArray *errors, const char *text)
{
  g_ptr_array_add (errors, g_strdup (text));
}

static void
validate_recipients (const BbSmtpConfig *config, GPtrArray *errors)
{
  g_autofree char *from = config->fromaddr != NULL ? bb_mail_address_extract (config->fromaddr) : NULL;

  if (config->fromaddr != NULL && from == NULL)
    g_ptr_array_add (errors, g_strdup_printf ("fromaddr: \"%s\" is not an address like a@b.c or Name <a@b.c>",
                                              config->fromaddr));
  for (guint i = 0; config->extra_recipients != NULL && config->extra_recipients[i] != NULL; i++)
    {
      g_autofree char *address = bb_mail_address_extract (config->extra_recipients[i]);

      if (address == NULL)
        g_ptr_array_add (errors, g_strdup_printf ("extraRecipients: \"%s\" is not an address like a@b.c or Name <a@b.c>",
                                                  config->extra_recipients[i]));
    }
  if (config->lookup != NULL && strchr (config->lookup, '@') != NULL)
    add_error (errors, "lookup: is a mail domain without \"@\", like example.org");
  if (config->lookup != NULL && config->lookup_command != NULL)
    add_error (errors, "lookup_command: not together with lookup; leave one of them out");
}

/* A name with something to fill in is looked at when it is filled in. */
static void
validate_header (const char *header, GPtrArray *errors)
{
  g_auto (GStrv) parts = g_strsplit (header, "=", 2);

  if (strpbrk (header, "\r\n") != NULL)
    add_error (errors, "extraHeaders: a value must be one line");
  else if (strstr (parts[0], "%(") == NULL && !bb_mail_is_header_name (parts[0]))
    g_ptr_array_add (errors, g_strdup_printf ("extraHeaders: \"%s\" can't be a header's name; those are of ASCII without "
                                              "spaces and colons, like X-Team",
                                              parts[0]));
}

static void
validate_message (const BbSmtpConfig *config, GPtrArray *errors)
{
  guint n_formatters = (config->template_path != NULL || config->template_html_path != NULL)
                       + (config->formatter_command != NULL);

  if (n_formatters > 1)
    add_error (errors, "formatter_command: not together with template or template_html");
  if (config->subject != NULL && strpbrk (config->subject, "\r\n") != NULL)
    add_error (errors, "subject: must be one line");
  if (config->template_path != NULL && config->template_html_path != NULL)
    add_error (errors, "template_html: not together with template; a mail is plain or HTML");
  if (config->custom_mesg != NULL)
    add_error (errors, "customMesg: is gone from Buildbot; use formatter_command (its messageFormatter)");
  for (guint i = 0; config->extra_headers != NULL && config->extra_headers[i] != NULL; i++)
    validate_header (config->extra_headers[i], errors);
}

static void
validate_sending (const BbSmtpConfig *config, GPtrArray *errors)
{
  gboolean has_password = config->smtp_password != NULL || config->smtp_password_file != NULL;

  if (config->use_tls && config->use_smtps)
    add_error (errors, "useSmtps: not together with useTls; useTls is STARTTLS, useSmtps is TLS from the first byte");
  if (config->smtp_password != NULL && config->smtp_password_file != NULL)
    add_error (errors, "smtpPassword_file: not together with smtpPassword");
  if (config->smtp_user != NULL && !has_password)
    add_error (errors, "smtpUser: needs smtpPassword or smtpPassword_file");
  if (config->smtp_user == NULL && has_password)
    add_error (errors, "smtpPassword: needs smtpUser");
  if (has_password && !config->use_tls && !config->use_smtps && !is_local_host (config->relayhost)
      && !config->allow_plain_password)
    add_error (errors, "smtpPassword: would be sent in the clear; set useTls=true or useSmtps=true (or "
                       "allow_plain_password=true)");
}

void
bb_smtp_config_validate (gconstpointer data, GPtrArray *errors)
{
  const BbSmtpConfig *config = data;
  char *error_text = NULL;
  guint mode;

  if (config->mode != NULL && !bb_mail_mode_parse ((const char *const *) config->mode, &mode, &error_text))
    g_ptr_array_add (errors, error_text);
  if (config->builders != NULL && (config->tags != NULL || config->categories != NULL))
    add_error (errors, "tags: not together with builders; leave one of them out");
  validate_recipients (config, errors);
  validate_message (config, errors);
  validate_sending (config, errors);
}
