/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "bb-mail-address.h"
#include "bb-mail-selection.h"
#include "bb-option-struct.h"
#include "bb-smtp-config.h"
#include "bb-smtp-message.h"
#include "bb-smtp-recipients.h"
#include "bb-smtp-text.h"
#include "bb-test.h"

/* N5 */
static void
test_addresses (void)
{
  static const struct
  {
    const char *text;
    const char *address;
  } cases[] = {
    { "a@b.c", "a@b.c" },
    { "<a@b.c>", "a@b.c" },
    { "Name Of Her <a.b+c@b-d.example.org>", "a.b+c@b-d.example.org" },
    { "buildbot@localhost", "buildbot@localhost" },
    { "a@b", NULL },
    { "a b@c.d", NULL },
    { "a@b..c", NULL },
    { "a@-b.c", NULL },
    { "a@b.c\nBcc: x@y.z", NULL },
    { "Name <a@b.c", NULL },
    { "nobody", NULL },
    { "@b.c", NULL },
    { "a@b@c.d", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *address = bb_mail_address_extract (cases[i].text);

      g_assert_cmpstr (address, ==, cases[i].address);
    }
}

/* N4 */
static void
test_users (void)
{
  static const struct
  {
    const char *user;
    const char *domain;
    const char *expected;
  } cases[] = {
    { "joe", "example.org", "joe@example.org" },
    { "ann@x.org", "example.org", "ann@x.org" },
    { "joe", NULL, NULL },
    { "User <a@b.c>@d.e", NULL, "User <a@b.c>" },
    { "a@b.c@d.e", "example.org", "a@b.c" },
    { "two words", "example.org", NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *address = bb_mail_address_of_user (cases[i].user, cases[i].domain);

      g_assert_cmpstr (address, ==, cases[i].expected);
    }
}

static guint
parse_mode (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, ";", -1);
  char *error_text = NULL;
  guint mode;

  g_assert_true (bb_mail_mode_parse ((const char *const *) words, &mode, &error_text));
  return mode;
}

/* N1: every mode, result and previous result against the sentences of Buildbot's manual, written out. */
static void
test_modes (void)
{
  static const char *const modes[] = { "failing", "passing", "warnings;passing", "exception", "change", "problem",
                                       "cancelled", "all", "warnings", "failing;change" };

  for (guint m = 0; m < G_N_ELEMENTS (modes); m++)
    for (int result = BB_RESULT_SUCCESS; result <= BB_RESULT_CANCELLED; result++)
      for (int previous = BB_RESULT_NONE; previous <= BB_RESULT_CANCELLED; previous++)
        {
          const char *mode = modes[m];
          gboolean single_all = g_str_equal (mode, "all");
          gboolean expected = FALSE;

          if (strstr (mode, "failing") || single_all || g_str_equal (mode, "warnings"))
            expected |= result == BB_RESULT_FAILURE;
          if (strstr (mode, "passing") || single_all)
            expected |= result == BB_RESULT_SUCCESS;
          if (strstr (mode, "warnings") || single_all)
            expected |= result == BB_RESULT_WARNINGS;
          if (strstr (mode, "exception") || single_all)
            expected |= result == BB_RESULT_EXCEPTION;
          if (strstr (mode, "cancelled"))
            expected |= result == BB_RESULT_CANCELLED;
          if (strstr (mode, "change"))
            expected |= previous != BB_RESULT_NONE && previous != result;
          if (strstr (mode, "problem"))
            expected |= result == BB_RESULT_FAILURE && previous != BB_RESULT_NONE && previous != BB_RESULT_FAILURE;
          if (bb_mail_mode_selects (parse_mode (mode), (BbResult) result, (BbResult) previous) != expected)
            g_test_fail_printf ("mode %s, result %d, previous %d: not as the manual says", mode, result, previous);
        }
}

static void
test_mode_errors (void)
{
  static const struct
  {
    const char *const words[4];
    const char *text;
  } cases[] = {
    { { "all", "failing" }, "mode: \"all\" stands alone or not at all; list the single modes instead" },
    { { "sometimes" }, "mode: \"sometimes\" is none of failing, passing, warnings, exception, change, problem, "
                       "cancelled, or all" },
    { { NULL }, "mode: is empty; use builders= (empty) for a notifier without mail about builds" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *error_text = NULL;
      guint mode;

      g_assert_false (bb_mail_mode_parse (cases[i].words, &mode, &error_text));
      g_assert_cmpstr (error_text, ==, cases[i].text);
    }
}

static BbSmtpConfig *
new_config (void)
{
  BbSmtpConfig *config = bb_option_struct_new_default (bb_smtp_options);

  config->fromaddr = g_strdup ("Build Bot <buildbot@example.org>");
  return config;
}

static void
assert_error (BbSmtpConfig *config, const char *expected)
{
  g_autoptr (GPtrArray) errors = g_ptr_array_new_with_free_func (g_free);

  bb_smtp_config_validate (config, errors);
  if (expected == NULL)
    g_assert_cmpuint (errors->len, ==, 0);
  else
    {
      g_assert_cmpuint (errors->len, ==, 1);
      g_assert_cmpstr (g_ptr_array_index (errors, 0), ==, expected);
    }
  bb_option_struct_free (bb_smtp_options, config);
}

/* N8, N9, N11: what --check-config refuses across keys. */
static void
test_validation (void)
{
  BbSmtpConfig *config = new_config ();

  assert_error (config, NULL);
  config = new_config ();
  config->smtp_user = g_strdup ("bot");
  assert_error (config, "smtpUser: needs smtpPassword or smtpPassword_file");
  config = new_config ();
  config->smtp_password = g_strdup ("secret");
  assert_error (config, "smtpPassword: needs smtpUser");
  config = new_config ();
  config->smtp_user = g_strdup ("bot");
  config->smtp_password = g_strdup ("secret");
  g_free (config->relayhost);
  config->relayhost = g_strdup ("mail.example.org");
  assert_error (config, "smtpPassword: would be sent in the clear; set useTls=true or useSmtps=true (or "
                        "allow_plain_password=true)");
  config = new_config ();
  config->use_tls = config->use_smtps = TRUE;
  assert_error (config, "useSmtps: not together with useTls; useTls is STARTTLS, useSmtps is TLS from the first byte");
  config = new_config ();
  config->lookup = g_strdup ("@example.org");
  assert_error (config, "lookup: is a mail domain without \"@\", like example.org");
  config = new_config ();
  config->builders = g_strsplit ("a", ";", -1);
  config->tags = g_strsplit ("b", ";", -1);
  assert_error (config, "tags: not together with builders; leave one of them out");
  config = new_config ();
  config->custom_mesg = g_strdup ("f");
  assert_error (config, "customMesg: is gone from Buildbot; use formatter_command (its messageFormatter)");
  config = new_config ();
  g_free (config->fromaddr);
  config->fromaddr = g_strdup ("somebody");
  assert_error (config, "fromaddr: \"somebody\" is not an address like a@b.c or Name <a@b.c>");
}

static char *
write_mail (BbMail *mail, const char *dir)
{
  g_autofree char *path = g_build_filename (dir, "mail", NULL);
  g_autoptr (GError) error = NULL;
  char *bytes;

  g_unlink (path);
  g_assert_true (bb_mail_write (mail, path, &error));
  g_assert_no_error (error);
  g_assert_true (g_file_get_contents (path, &bytes, NULL, NULL));
  return bytes;
}

static BbMail *
new_mail (void)
{
  BbMail *mail = bb_mail_new ();

  mail->from = g_strdup ("Build Bot <buildbot@example.org>");
  g_ptr_array_add (mail->to, g_strdup ("zoe@example.org"));
  g_ptr_array_add (mail->to, g_strdup ("Ann <ann@example.org>"));
  g_ptr_array_add (mail->to, g_strdup ("zoe@example.org"));
  g_ptr_array_add (mail->cc, g_strdup ("ANN@example.org"));
  mail->subject = g_strdup ("b\303\274ild failed");
  mail->text = g_strdup ("first line\nzweite Zeile: \303\244\n");
  mail->date_us = G_GINT64_CONSTANT (1700000000000000);
  mail->message_id = g_strdup ("x@y");
  mail->attachment_limit = 20;
  return mail;
}

/* N3, N6, N11: sorted, without doubles, encoded; one line a header; an extra header does not come twice. */
static void
test_message (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autoptr (BbMail) mail = new_mail ();
  g_auto (GStrv) envelope = NULL;
  g_autofree char *bytes = NULL;
  const char *first;

  mail->extra_headers = g_strsplit ("X-Team=ci;Subject=other;X-Bad=a\nBcc: x@y.z", ";", -1);
  bytes = write_mail (mail, dir);
  g_assert_nonnull (strstr (bytes, "To: Ann <ann@example.org>, zoe@example.org\r\n"));
  g_assert_nonnull (strstr (bytes, "Cc: ANN@example.org\r\n"));
  g_assert_nonnull (strstr (bytes, "Subject: =?"));
  g_assert_null (strstr (bytes, "\303\274"));
  g_assert_nonnull (strstr (bytes, "X-Team: ci\r\n"));
  g_assert_null (strstr (bytes, "Bcc"));
  first = strstr (bytes, "Subject:");
  g_assert_null (strstr (first + 1, "\r\nSubject:"));
  envelope = bb_mail_get_envelope (mail);
  g_assert_cmpuint (g_strv_length (envelope), ==, 2);
  bb_test_remove_dir (dir);
}

/* N7: the tail of a log, with a note; bytes that are not UTF-8 don't hurt. */
static void
test_attachment (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *log = bb_test_write_file (dir, "log", 0600, "0123456789\n\377abcdefghijklmnopq\n");
  g_autoptr (BbMail) mail = new_mail ();
  g_autofree char *bytes = NULL;

  bb_mail_add_attachment (mail, "compile.stdio", log);
  bytes = write_mail (mail, dir);
  g_assert_nonnull (strstr (bytes, "Content-Type: multipart/mixed"));
  g_assert_nonnull (strstr (bytes, "filename=compile.stdio"));
  g_assert_nonnull (strstr (bytes, "(the first 10 bytes are left out)"));
  g_assert_nonnull (strstr (bytes, "bcdefghijklmnopq"));
  g_assert_null (strstr (bytes, "0123456789"));
  bb_test_remove_dir (dir);
}

static GVariant *
new_build (const char *result, const char *previous)
{
  g_autofree char *text
    = g_strdup_printf ("{'number': <uint64 7>, 'builder': <'full'>, 'slave': <'bot1'>, 'result': <'%s'>, 'reason': <''>, "
                       "'previous_result': <'%s'>, 'properties': <{'owner': <'joe'>, 'blamelist': <['ann', 'bob']>}>}",
                       result, previous);

  return g_variant_ref_sink (g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL));
}

static void
test_texts (void)
{
  g_autoptr (GVariant) failed = new_build ("failure", "success");
  g_autoptr (GVariant) restored = new_build ("success", "failure");
  g_autoptr (GVariant) fields = bb_smtp_build_fields (failed, "farm");
  g_autofree char *news = bb_smtp_build_text (failed, BB_MAIL_PROBLEM, "farm");
  g_autofree char *plain = bb_smtp_build_text (failed, BB_MAIL_FAILING, "farm");
  g_autofree char *back = bb_smtp_build_text (restored, BB_MAIL_CHANGE, "farm");
  g_autofree char *subject = bb_smtp_fill_in ("buildbot %(result)s in %(title)s on %(builder)s%(nothing)s", fields);
  g_auto (GStrv) users = bb_smtp_interested_users (failed);

  g_assert_true (g_str_has_prefix (news, "bbhost has detected a new failure on builder full."));
  g_assert_true (g_str_has_prefix (plain, "bbhost has detected a failed build on builder full."));
  g_assert_true (g_str_has_prefix (back, "bbhost has detected a restored build on builder full."));
  g_assert_cmpstr (subject, ==, "buildbot failure in farm on full");
  g_assert_cmpuint (g_strv_length (users), ==, 3);
}

/* M12 */
static void
test_missing_text (void)
{
  const char *recipients[] = { "bob@example.com", NULL };
  g_autoptr (BbNotice) notice = bb_notice_new (
    BB_NOTICE_SLAVE_MISSING, recipients, "lost",
    g_variant_parse (G_VARIANT_TYPE_VARDICT,
                     "{'slave': <'bot1'>, 'since': <int64 1700000000000000>, 'last_message': <int64 1700000001000000>, "
                     "'peer_address': <'192.0.2.1:5'>, 'admin': <'Joe <joe@example.org>'>}",
                     NULL, NULL, NULL));
  g_autofree char *subject = bb_smtp_slave_subject (notice);
  g_autofree char *text = bb_smtp_slave_text (notice, "farm");
  static const char *const wanted[] = { "bot1", "farm", "Missing since: 20", "Last message: 20", "192.0.2.1:5",
                                        "Joe <joe@example.org>", "bbctl slave bot1" };

  g_assert_cmpstr (subject, ==, "Buildbot: buildslave bot1 was lost");
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (strstr (text, wanted[i]) == NULL)
      g_test_fail_printf ("\"%s\" is not in: %s", wanted[i], text);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/addresses/N5", test_addresses);
  g_test_add_func ("/smtp/users/N4", test_users);
  g_test_add_func ("/smtp/modes/N1", test_modes);
  g_test_add_func ("/smtp/modes/errors", test_mode_errors);
  g_test_add_func ("/smtp/validation/N8-N9-N11", test_validation);
  g_test_add_func ("/smtp/message/N3-N6-N11", test_message);
  g_test_add_func ("/smtp/attachment/N7", test_attachment);
  g_test_add_func ("/smtp/texts/builds", test_texts);
  g_test_add_func ("/smtp/texts/missing-M12", test_missing_text);
  return g_test_run ();
}
