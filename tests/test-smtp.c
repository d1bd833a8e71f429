/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libintl.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

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
    { "m\303\274ller@b.c", NULL },
    { "a@b.c,d@e.f", NULL },
    { "Name a@b.c", NULL },
    { "\"a b\"@c.d", NULL },
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
  config->categories = g_strsplit ("b", ";", -1);
  config->builders = g_new0 (char *, 1);
  assert_error (config, "tags: not together with builders; leave one of them out");
  config = new_config ();
  config->lookup = g_strdup ("example.org");
  config->lookup_command = g_strdup ("look");
  assert_error (config, "lookup_command: not together with lookup; leave one of them out");
  config = new_config ();
  config->template_path = g_strdup ("/a");
  config->formatter_command = g_strdup ("format");
  assert_error (config, "formatter_command: not together with template or template_html");
  config = new_config ();
  config->template_path = g_strdup ("/a");
  config->template_html_path = g_strdup ("/b");
  assert_error (config, "template_html: not together with template; a mail is plain or HTML");
  config = new_config ();
  g_free (config->subject);
  config->subject = g_strdup ("a\nb");
  assert_error (config, "subject: must be one line");
  config = new_config ();
  config->extra_headers = g_strsplit ("X-Team=a\nb", ";", -1);
  assert_error (config, "extraHeaders: a value must be one line");
  config = new_config ();
  config->extra_headers = g_strsplit ("X Team=a", ";", -1);
  assert_error (config, "extraHeaders: \"X Team\" can't be a header's name; those are of ASCII without spaces and "
                        "colons, like X-Team");
  config = new_config ();
  config->smtp_user = g_strdup ("bot");
  config->smtp_password = g_strdup ("secret");
  config->smtp_password_file = g_strdup ("/a");
  assert_error (config, "smtpPassword_file: not together with smtpPassword");
  config = new_config ();
  config->smtp_user = g_strdup ("bot");
  config->smtp_password_file = g_strdup ("/a");
  g_free (config->relayhost);
  config->relayhost = g_strdup ("mail.example.org");
  config->use_tls = TRUE;
  assert_error (config, NULL);
  config = new_config ();
  g_free (config->fromaddr);
  config->fromaddr = g_strdup ("somebody");
  assert_error (config, "fromaddr: \"somebody\" is not an address like a@b.c or Name <a@b.c>");
}

static char *
write_mail (BbMail *mail)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GString) bytes = g_string_new (NULL);
  int fd = bb_mail_write (mail, &error);
  char piece[65536];
  ssize_t length;

  g_assert_no_error (error);
  while ((length = read (fd, piece, sizeof piece)) > 0)
    g_string_append_len (bytes, piece, length);
  close (fd);
  return g_string_free (g_steal_pointer (&bytes), FALSE);
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
  mail->log_limit = 20;
  mail->size_limit = 1000000;
  return mail;
}

/* N3, N6, N11: sorted, without doubles, encoded; one line a header; an extra header does not come twice. */
static void
test_message (void)
{
  g_autoptr (BbMail) mail = new_mail ();
  g_auto (GStrv) envelope = NULL;
  g_autofree char *bytes = NULL;
  const char *first;

  mail->extra_headers = g_strsplit ("X-Team=ci;subject=other;X-Bad=a\nBcc: x@y.z;X-Bad\nBcc: x@y.z=a;Content-Type=a/b;"
                                    "MIME-version=2;X Y=1;from=x@y.z;X-Name=\303\244", ";", -1);
  bytes = write_mail (mail);
  g_assert_nonnull (strstr (bytes, "To: Ann <ann@example.org>, zoe@example.org\r\n"));
  g_assert_nonnull (strstr (bytes, "Cc: ANN@example.org\r\n"));
  g_assert_nonnull (strstr (bytes, "Subject: =?"));
  g_assert_null (strstr (bytes, "\303\274"));
  g_assert_nonnull (strstr (bytes, "X-Team: ci\r\n"));
  g_assert_nonnull (strstr (bytes, "X-Name: =?"));
  g_assert_null (strstr (bytes, "Bcc"));
  g_assert_null (strstr (bytes, "a/b"));
  g_assert_null (strstr (bytes, "other"));
  g_assert_null (strstr (bytes, "X Y"));
  g_assert_null (strstr (bytes, "x@y.z"));
  first = strcasestr (bytes, "\nMIME-Version:");
  g_assert_nonnull (first);
  g_assert_null (strcasestr (first + 1, "\nMIME-Version:"));
  for (const char *c = strchr (bytes, '\n'); c != NULL; c = strchr (c + 1, '\n'))
    g_assert_true (c > bytes && c[-1] == '\r');
  envelope = bb_mail_get_envelope (mail);
  g_assert_cmpuint (g_strv_length (envelope), ==, 2);
}

/* N6: a subject stays one line, whatever a property of a build made of it. */
static void
test_subject (void)
{
  g_autoptr (BbMail) mail = new_mail ();
  g_autofree char *bytes = NULL;

  g_free (mail->subject);
  mail->subject = g_strdup ("build\r\nBcc: x@y.z");
  bytes = write_mail (mail);
  g_assert_null (strstr (bytes, "\nBcc"));
  g_assert_nonnull (strstr (bytes, "Subject: build  Bcc: x@y.z\r\n"));
}

/* N7: the tail of a log, with a note; bytes that are not UTF-8 don't hurt. */
static void
test_attachment (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *log = bb_test_write_file (dir, "log", 0600, "0123456789\n\377abcdefghijklmnopq\n");
  g_autoptr (BbMail) mail = new_mail ();
  g_autofree char *bytes = NULL;

  bb_mail_add_log (mail, "compile.stdio", log);
  bytes = write_mail (mail);
  g_assert_nonnull (strstr (bytes, "Content-Type: multipart/mixed"));
  g_assert_nonnull (strstr (bytes, "filename=compile.stdio"));
  g_assert_nonnull (strstr (bytes, "(the first 10 bytes are left out)"));
  g_assert_nonnull (strstr (bytes, "bcdefghijklmnopq"));
  g_assert_null (strstr (bytes, "0123456789"));
  bb_test_remove_dir (dir);
}

/* Of all attachments of a mail as it was read back, the content of the one of this name. */
static char *
read_part (const char *bytes, const char *name, char **type)
{
  GMimeStream *stream = g_mime_stream_mem_new_with_buffer (bytes, strlen (bytes));
  GMimeParser *parser = g_mime_parser_new_with_stream (stream);
  GMimeMessage *message = g_mime_parser_construct_message (parser, NULL);
  GMimePartIter *iter = g_mime_part_iter_new (GMIME_OBJECT (message));
  GMimeStream *content = g_mime_stream_mem_new ();
  char *text = NULL;

  do
    {
      GMimeObject *part = g_mime_part_iter_get_current (iter);

      if (!GMIME_IS_PART (part) || g_strcmp0 (g_mime_part_get_filename (GMIME_PART (part)), name) != 0)
        continue;
      g_mime_data_wrapper_write_to_stream (g_mime_part_get_content (GMIME_PART (part)), content);
      text = g_strndup ((const char *) g_mime_stream_mem_get_byte_array (GMIME_STREAM_MEM (content))->data,
                        g_mime_stream_mem_get_byte_array (GMIME_STREAM_MEM (content))->len);
      if (type != NULL)
        *type = g_mime_content_type_get_mime_type (g_mime_object_get_content_type (part));
    }
  while (g_mime_part_iter_next (iter));
  g_object_unref (content);
  g_mime_part_iter_free (iter);
  g_object_unref (message);
  g_object_unref (parser);
  g_object_unref (stream);
  return text;
}

/* N6, N7: a log of many pieces comes whole, characters across their bounds included. */
static void
test_pieces (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autoptr (GString) text = g_string_new ("x");
  g_autofree char *log = NULL;
  g_autoptr (BbMail) mail = new_mail ();
  g_autofree char *bytes = NULL;
  g_autofree char *back = NULL;

  while (text->len < 300000)
    g_string_append (text, "\342\202\254 and \360\237\230\200\n");
  log = bb_test_write_file (dir, "log", 0600, text->str);
  mail->log_limit = 1000000;
  bb_mail_add_log (mail, "big", log);
  bytes = write_mail (mail);
  back = read_part (bytes, "big", NULL);
  g_assert_cmpuint (strlen (back), ==, text->len);
  g_assert_cmpstr (back, ==, text->str);
  bb_test_remove_dir (dir);
}

/* N7: what all attachments may have together is kept; what is left out is said in the text. */
static void
test_size_limit (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *log = bb_test_write_file (dir, "log", 0600, "0123456789\n");
  g_autofree char *patch = bb_test_write_file (dir, "patch", 0600, "a patch that is too long for what is left\n");
  g_autofree char *nowhere = g_build_filename (dir, "nowhere", NULL);
  g_autoptr (BbMail) mail = new_mail ();
  g_autofree char *bytes = NULL;

  mail->size_limit = 30;
  bb_mail_add_log (mail, "one", log);
  bb_mail_add_patch (mail, "source patch 0", patch);
  bb_mail_add_log (mail, "gone", nowhere);
  bytes = write_mail (mail);
  g_assert_nonnull (strstr (bytes, "filename=one"));
  g_assert_null (strstr (bytes, "source patch"));
  g_assert_null (strstr (bytes, "filename=gone"));
  g_assert_nonnull (strstr (bytes, "2 attachments are left out"));
  bb_test_remove_dir (dir);
}

/* N6: patches byte by byte: as text when they are UTF-8, else as octet stream. */
static void
test_patches (void)
{
  g_autofree char *dir = bb_test_make_dir ();
  g_autofree char *text = bb_test_write_file (dir, "text", 0600, "-a\n+\303\244\n");
  g_autofree char *binary = bb_test_write_file (dir, "binary", 0600, "-a\n+\344\n");
  g_autoptr (BbMail) mail = new_mail ();
  g_autofree char *bytes = NULL;
  g_autofree char *first = NULL, *first_type = NULL, *second = NULL, *second_type = NULL;

  bb_mail_add_patch (mail, "source patch 0", text);
  bb_mail_add_patch (mail, "source patch 1", binary);
  bytes = write_mail (mail);
  first = read_part (bytes, "source patch 0", &first_type);
  second = read_part (bytes, "source patch 1", &second_type);
  g_assert_cmpstr (first, ==, "-a\n+\303\244\n");
  g_assert_cmpstr (first_type, ==, "text/plain");
  g_assert_cmpstr (second, ==, "-a\n+\344\n");
  g_assert_cmpstr (second_type, ==, "application/octet-stream");
  bb_test_remove_dir (dir);
}

static GVariant *
new_build (const char *result, const char *previous)
{
  g_autofree char *text
    = g_strdup_printf ("{'number': <uint64 7>, 'builder': <'full'>, 'slave': <'bot1'>, 'result': <'%s'>, 'reason': <''>, "
                       "'previous_result': <'%s'>, 'properties': <{'owner': <'joe'>, 'blamelist': <['ann', 'bob']>}>}",
                       result, previous);

  return g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
}

/* N1: the built-in text says what is new about it. */
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
    g_variant_new_parsed ("{'slave': <'bot1'>, 'since': <int64 1700000000000000>, "
                          "'last_message': <int64 1700000001000000>, 'peer_address': <'192.0.2.1:5'>, "
                          "'admin': <'Joe <joe@example.org>'>}"));
  g_autofree char *subject = bb_smtp_slave_subject (notice);
  g_autofree char *text = bb_smtp_slave_text (notice, "farm");
  static const char *const wanted[] = { "bot1", "farm", "Missing since: 20", "Last message: 20", "192.0.2.1:5",
                                        "Joe <joe@example.org>", "bbctl slave bot1" };

  g_assert_cmpstr (subject, ==, "Buildbot: buildslave bot1 was lost");
  for (guint i = 0; i < G_N_ELEMENTS (wanted); i++)
    if (strstr (text, wanted[i]) == NULL)
      g_test_fail_printf ("\"%s\" is not in: %s", wanted[i], text);
}

/* gettext's manual: how a program that has changed its language says so. */
extern int _nl_msg_cat_cntr;

/* Writes a catalogue of @language with what is between the pairs' members. */
static gboolean
make_catalogue (const char *dir, const char *language, const char *const *pairs)
{
  g_autofree char *folder = g_build_filename (dir, language, "LC_MESSAGES", NULL);
  g_autofree char *compiled = g_build_filename (folder, "bbhost.mo", NULL);
  g_autoptr (GString) source = g_string_new ("msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=UTF-8\\n\"\n");
  g_autofree char *path = NULL;
  char *argv[] = { "msgfmt", "-o", compiled, NULL, NULL };
  int status = -1;

  for (; *pairs != NULL; pairs += 2)
    {
      g_autofree char *original = g_strescape (pairs[0], NULL);

      g_string_append_printf (source, "msgid \"%s\"\nmsgstr \"%s\"\n", original, pairs[1]);
    }
  path = bb_test_write_file (dir, "catalogue.po", 0600, source->str);
  g_mkdir_with_parents (folder, 0700);
  argv[3] = path;
  return g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL) && status == 0;
}

static void
assert_translated (const char *dir, const char *language, const char *subject, const char *text)
{
  const char *recipients[] = { "bob@example.com", NULL };
  g_autoptr (BbNotice) notice = bb_notice_new (
    BB_NOTICE_SLAVE_MISSING, recipients, "lost", g_variant_new_parsed ("{'slave': <'bot1'>, 'since': <int64 17>}"));
  g_autoptr (BbMail) mail = new_mail ();
  g_autofree char *bytes = NULL;
  GMimeStream *stream;
  GMimeParser *parser;
  GMimeMessage *message;
  GMimeObject *body;
  g_autofree char *content = NULL;
  g_auto (GStrv) lines = NULL;
  g_autofree char *read_back = NULL;

  g_setenv ("LANGUAGE", language, TRUE);
  _nl_msg_cat_cntr++;
  bindtextdomain ("bbhost", dir);
  bind_textdomain_codeset ("bbhost", "UTF-8");
  g_free (mail->subject);
  g_free (mail->text);
  mail->subject = bb_smtp_slave_subject (notice);
  mail->text = bb_smtp_slave_text (notice, "farm");
  bytes = write_mail (mail);
  for (const char *c = bytes; *c != '\0'; c++)
    g_assert_true ((guchar) *c < 0x80);

  stream = g_mime_stream_mem_new_with_buffer (bytes, strlen (bytes));
  parser = g_mime_parser_new_with_stream (stream);
  message = g_mime_parser_construct_message (parser, NULL);
  body = g_mime_message_get_mime_part (message);
  g_assert_cmpstr (g_mime_message_get_subject (message), ==, subject);
  g_assert_cmpstr (g_mime_object_get_content_type_parameter (body, "charset"), ==, "UTF-8");
  content = g_mime_text_part_get_text (GMIME_TEXT_PART (body));
  lines = g_strsplit (content, "\r\n", -1);
  read_back = g_strjoinv ("\n", lines);
  if (!g_str_has_prefix (read_back, text))
    g_test_fail_printf ("%s: does not begin with \"%s\": %s", language, text, read_back);
  g_object_unref (message);
  g_object_unref (parser);
  g_object_unref (stream);
}

static BbNotice *
new_trouble (const char *details)
{
  return bb_notice_new (BB_NOTICE_INSTANCE_TROUBLE, NULL, "as it was logged", g_variant_new_parsed (details));
}

static void
assert_sentence (const char *details, const char *expected)
{
  g_autoptr (BbNotice) notice = new_trouble (details);
  g_autofree char *sentence = bb_smtp_trouble_sentence (notice);

  g_assert_cmpstr (sentence, ==, expected);
}

/* C8: what is wrong with instances, in words of the mail's language; of what is new here, in those of the log. */
static void
test_troubles (void)
{
  g_autoptr (BbNotice) notice = new_trouble ("{'trouble': <'forgotten'>, 'slave': <'bot1'>, 'backend': <'ec2'>, "
                                             "'instance_id': <'i-1'>, 'by': <'ann'>, 'reason': <'account closed'>}");
  g_autofree char *text = bb_smtp_trouble_text (notice, "farm");

  assert_sentence ("{'trouble': <'stop'>, 'slave': <'bot1'>, 'instance_id': <'i-1'>, 'attempts': <uint32 3>}",
                   "instance i-1 of slave bot1 can't be stopped and may cost money; 3 attempts failed so far, and more follow");
  assert_sentence ("{'trouble': <'stop'>, 'slave': <'bot1'>, 'instance': <uint64 7>, 'attempts': <uint32 3>}",
                   "instance 7 of slave bot1 can't be stopped and may cost money; 3 attempts failed so far, and more follow");
  assert_sentence ("{'trouble': <'start'>, 'slave': <'bot1'>, 'backend': <'ec2'>, 'seconds': <uint32 600>}",
                   "the start of an instance of slave bot1 was given up 600 s ago, but its backend ec2 has not returned; the "
                   "slave can't be used before that");
  assert_sentence ("{'trouble': <'account'>, 'backend': <'ec2'>, 'account': <'us-east-1'>, 'open': <uint32 2>, "
                   "'attempts': <uint32 3>}",
                   "ec2 in us-east-1 can't be asked for its instances, of which 2 are open and may cost money; 3 attempts "
                   "failed so far, and more follow");
  assert_sentence ("{'trouble': <'orphans'>, 'backend': <'ec2'>, 'account': <'us-east-1'>, 'instances': <'i-1, i-2'>, "
                   "'seconds': <uint32 300>}",
                   "the store is new, but there are instances of an earlier one in us-east-1 (ec2): i-1, i-2; they are stopped "
                   "in 300 s, but for those whose slaves log in");
  assert_sentence ("{'trouble': <'budget'>, 'spent': <80.5>, 'limit': <100.0>}",
                   "instances have cost $80.50 this month, of max_monthly_cost=100");
  assert_sentence ("{'trouble': <'budget'>, 'spent': <100.0>, 'limit': <100.0>}",
                   "instances have cost $100.00 this month: max_monthly_cost=100 is spent, none is started any more");
  assert_sentence ("{'trouble': <'none'>}", "this is a test: nothing has happened");
  assert_sentence ("{'trouble': <'of another bbhost'>}", "as it was logged");
  g_assert_cmpstr (text, ==,
                   "Something about the instances of farm needs a person:\n\n"
                   "instance i-1 of slave bot1 was forgotten by ann; nobody looks after it any more, and if it exists it goes "
                   "on costing money\n\n"
                   "Slave: bot1\nBackend: ec2\nInstance: i-1\nReason: account closed\n\n"
                   "To look at it on farm: bbctl instances\n");
}

/* N6: texts in the daemon's language, with MIME that fits whatever its letters are. */
static void
test_languages (void)
{
  static const char *const german[] = { "Buildbot: buildslave %s was lost", "Buildbot: Buildslave %s ist verloren, \303\274brigens",
                                        "The buildslave named %s of %s went away.\n\nMissing since: %s\n",
                                        "Der Buildslave %s von %s f\303\244llt aus.\\n\\nSeit: %s\\n",
                                        "this is a test: nothing has happened", "nichts ist geschehen", NULL };
  static const char *const japanese[] = { "Buildbot: buildslave %s was lost", "\346\266\210\343\201\210\343\201\237: %s",
                                          "The buildslave named %s of %s went away.\n\nMissing since: %s\n",
                                          "%s (%s) \346\266\210\343\201\210\343\201\237\\n\\n%s\\n", NULL };
  g_autofree char *dir = bb_test_make_dir ();

  if (setlocale (LC_ALL, "C.UTF-8") == NULL)
    g_test_skip ("there is no locale C.UTF-8");
  else if (!make_catalogue (dir, "de", german) || !make_catalogue (dir, "ja", japanese))
    g_test_skip ("msgfmt is not installed");
  else
    {
      assert_translated (dir, "de", "Buildbot: Buildslave bot1 ist verloren, \303\274brigens",
                         "Der Buildslave bot1 von farm f\303\244llt aus.\n\nSeit: 1970");
      assert_sentence ("{'trouble': <'none'>}", "nichts ist geschehen");
      assert_translated (dir, "ja", "\346\266\210\343\201\210\343\201\237: bot1",
                         "bot1 (farm) \346\266\210\343\201\210\343\201\237\n\n1970");
    }
  g_unsetenv ("LANGUAGE");
  setlocale (LC_ALL, "C");
  bb_test_remove_dir (dir);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/smtp/addresses/N5", test_addresses);
  g_test_add_func ("/smtp/users/N4", test_users);
  g_test_add_func ("/smtp/modes/N1", test_modes);
  g_test_add_func ("/smtp/modes/errors-N1", test_mode_errors);
  g_test_add_func ("/smtp/validation/N8-N9-N11", test_validation);
  g_test_add_func ("/smtp/message/N3-N6-N11", test_message);
  g_test_add_func ("/smtp/subject/N6", test_subject);
  g_test_add_func ("/smtp/attachment/N7", test_attachment);
  g_test_add_func ("/smtp/attachment/pieces-N6-N7", test_pieces);
  g_test_add_func ("/smtp/attachment/size-limit-N7", test_size_limit);
  g_test_add_func ("/smtp/attachment/patches-N6", test_patches);
  g_test_add_func ("/smtp/languages/N6", test_languages);
  g_test_add_func ("/smtp/texts/builds-N1", test_texts);
  g_test_add_func ("/smtp/texts/missing-M12", test_missing_text);
  g_test_add_func ("/smtp/texts/troubles-C8", test_troubles);
  return g_test_run ();
}
