/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-error.h"
#include "bb-option-struct.h"
#include "bb-slave-settings.h"

typedef struct
{
  char *text;
  char *secret;
  char *command;
  char *path;
  char **list;
  char **pairs;
  char **addresses;
  gboolean flag;
  gint64 integer;
  gint64 limit;
  double number;
  double seconds;
  double interval;
  int choice;
} Sample;

static const char *const choices[] = { "first", "random", "least-loaded", NULL };

#define ROW(KEY, TYPE, FALLBACK, MINIMUM, MAXIMUM, FLAGS, CHOICES)                                                     \
  {                                                                                                                    \
    #KEY, BB_OPTION_##TYPE, G_STRUCT_OFFSET (Sample, KEY), FALLBACK, MINIMUM, MAXIMUM, FLAGS, CHOICES, "Help."         \
  }

static const BbOption options[] = {
  ROW (text, STRING, "a\\sb", 0, 0, BB_OPTION_NONE_ALLOWED, NULL),
  ROW (secret, STRING, NULL, 0, 0, BB_OPTION_SECRET, NULL),
  ROW (command, STRING, NULL, 0, 0, BB_OPTION_INTERPOLATED, NULL),
  ROW (path, PATH, NULL, 0, 0, 0, NULL),
  ROW (list, STRINGS, NULL, 0, 0, BB_OPTION_LIVE, NULL),
  ROW (pairs, PAIRS, "a=b;", 0, 0, 0, NULL),
  ROW (addresses, ADDRESSES, NULL, 0, 0, 0, NULL),
  ROW (flag, BOOLEAN, "true", 0, 0, 0, NULL),
  ROW (integer, INTEGER, "7", -5, 10, 0, NULL),
  ROW (limit, INTEGER, "none", 1, 100, BB_OPTION_NONE_ALLOWED, NULL),
  ROW (number, NUMBER, "1.5", 0, 0, 0, NULL),
  ROW (seconds, SECONDS, "60", 1, 86400, 0, NULL),
  ROW (interval, SECONDS, NULL, 0.5, 3600, BB_OPTION_NONE_ALLOWED, NULL),
  ROW (choice, ENUM, "random", 0, 0, 0, choices),
  { 0 },
};

static void
assert_parses (Sample *sample, const char *key, const char *text)
{
  g_autoptr (GError) error = NULL;
  gboolean good = bb_option_parse (bb_option_find (options, key), sample, text, "/etc/bbhost", &error);

  g_assert_no_error (error);
  g_assert_true (good);
}

static void
assert_refused (const char *key, const char *text, const char *message)
{
  g_autoptr (GError) error = NULL;
  Sample *sample = bb_option_struct_new_default (options);

  g_assert_false (bb_option_parse (bb_option_find (options, key), sample, text, "/etc/bbhost", &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_CONFIG);
  g_assert_cmpstr (error->message, ==, message);
  bb_option_struct_free (options, sample);
}

static void
assert_list (char **list, const char *joined)
{
  g_autofree char *text = list != NULL ? g_strjoinv ("|", list) : NULL;

  g_assert_cmpstr (text, ==, joined);
}

static void
test_defaults (void)
{
  Sample *sample = bb_option_struct_new_default (options);

  g_assert_cmpuint (bb_option_struct_get_size (options), <=, sizeof *sample);
  g_assert_cmpstr (sample->text, ==, "a b");
  g_assert_null (sample->secret);
  g_assert_null (sample->list);
  assert_list (sample->pairs, "a=b");
  g_assert_true (sample->flag);
  g_assert_cmpint (sample->integer, ==, 7);
  g_assert_cmpint (sample->limit, ==, 0);
  g_assert_cmpfloat (sample->number, ==, 1.5);
  g_assert_cmpfloat (sample->seconds, ==, 60);
  g_assert_cmpint (sample->choice, ==, 1);
  bb_option_struct_free (options, sample);
  bb_option_struct_free (options, NULL);
}

static void
test_values (void)
{
  Sample *sample = bb_option_struct_new_default (options);
  g_autofree char *home = g_build_filename (g_get_home_dir (), "keys", NULL);

  assert_parses (sample, "text", " \\stwo\\tparts\\n\\\\ ; %s \\s ");
  g_assert_cmpstr (sample->text, ==, " two\tparts\n\\ ; %s  ");
  assert_parses (sample, "text", "none");
  g_assert_null (sample->text);
  assert_parses (sample, "secret", "none");
  g_assert_cmpstr (sample->secret, ==, "none");
  assert_parses (sample, "path", "~/keys");
  g_assert_cmpstr (sample->path, ==, home);
  assert_parses (sample, "path", "keys/a b");
  g_assert_cmpstr (sample->path, ==, "/etc/bbhost/keys/a b");
  assert_parses (sample, "path", "/srv/x");
  g_assert_cmpstr (sample->path, ==, "/srv/x");
  assert_parses (sample, "list", " a ; b\\;c;; \\s;");
  assert_list (sample->list, "a|b;c|| ");
  assert_parses (sample, "list", "a;b");
  assert_list (sample->list, "a|b");
  assert_parses (sample, "list", "  ");
  assert_list (sample->list, "");
  assert_parses (sample, "pairs", "team=ci;expr=a=b;empty=;");
  assert_list (sample->pairs, "team=ci|expr=a=b|empty=");
  assert_parses (sample, "addresses", "bob@example.com;Alice <alice@example.org>;root@localhost");
  assert_list (sample->addresses, "bob@example.com|Alice <alice@example.org>|root@localhost");
  assert_parses (sample, "flag", "false ");
  g_assert_false (sample->flag);
  assert_parses (sample, "integer", "-5");
  g_assert_cmpint (sample->integer, ==, -5);
  assert_parses (sample, "limit", "0");
  g_assert_cmpint (sample->limit, ==, 0);
  assert_parses (sample, "number", "-2.5e3");
  g_assert_cmpfloat (sample->number, ==, -2500);
  assert_parses (sample, "seconds", "1.5");
  g_assert_cmpfloat (sample->seconds, ==, 1.5);
  assert_parses (sample, "interval", "3600");
  assert_parses (sample, "interval", "none");
  g_assert_cmpfloat (sample->interval, ==, 0);
  assert_parses (sample, "choice", "least-loaded");
  g_assert_cmpint (sample->choice, ==, 2);
  bb_option_struct_free (options, sample);
}

/* D2: what is wrong, the value in quotes, and what would be right. */
static void
test_refusals (void)
{
  assert_refused ("seconds", "soon", "\"soon\" is not a whole number of seconds from 1 to 86400");
  assert_refused ("seconds", "0", "\"0\" is not a whole number of seconds from 1 to 86400");
  assert_refused ("seconds", "inf", "\"inf\" is not a whole number of seconds from 1 to 86400");
  assert_refused ("seconds", "none", "\"none\" is not a whole number of seconds from 1 to 86400");
  assert_refused ("seconds", "", "\"\" is not a whole number of seconds from 1 to 86400");
  assert_refused ("seconds", "0x10", "\"0x10\" is not a whole number of seconds from 1 to 86400");
  assert_refused ("seconds", "60s", "\"60s\" is not a whole number of seconds from 1 to 86400");
  assert_refused ("interval", "0.1", "\"0.1\" is not a number of seconds from 0.5 to 3600, or none");
  assert_refused ("integer", "11", "\"11\" is not a whole number from -5 to 10");
  assert_refused ("integer", "1.5", "\"1.5\" is not a whole number from -5 to 10");
  assert_refused ("integer", "99999999999999999999", "\"99999999999999999999\" is not a whole number from -5 to 10");
  assert_refused ("limit", "-1", "\"-1\" is not a whole number from 1 to 100, or none");
  assert_refused ("number", "1,5", "\"1,5\" is not a number");
  assert_refused ("flag", "yes", "\"yes\" is neither true nor false");
  assert_refused ("choice", "best", "\"best\" is not one of: first, random, least-loaded");
  assert_refused ("pairs", "a=b;c", "\"c\" is not KEY=VALUE");
  assert_refused ("pairs", "=b", "\"=b\" is not KEY=VALUE");
  assert_refused ("pairs", "a=b;c=d;a=e", "the key \"a\" is given twice");
  assert_refused ("path", "", "is empty; give the path of a file or folder");
  assert_refused ("text", "a\\d", "there is a lone backslash; write \\\\ for a backslash");
  assert_refused ("text", "a\\", "there is a lone backslash; write \\\\ for a backslash");
  assert_refused ("list", "a\\", "there is a lone backslash; write \\\\ for a backslash");
  assert_refused ("command", "date +%s", "there is a lone % at \"%s\"; write %% for a percent sign");
  assert_refused ("addresses", "bob", "\"bob\" is not a mail address like name@example.org");
  assert_refused ("flag", "ja\x01", "\"ja\x01\" is neither true nor false");
}

static void
test_addresses (void)
{
  static const char *const good[] = { "a@b.c", "<a@b.c>", "Name <a@b.c>", "root@localhost", "a+b@x.org", "ä@ö.de" };
  static const char *const bad[] = { "",         "a",           "@b.c",       "a@",        "a@b@c.d",  "a b@c.d",
                                     "a@b.c\n",  "<a@b.c",      "<a@b.c> x",  "a@.b",      "a@b.",     "a@b..c",
                                     "a@b.c,d@e.f", "x <>" };

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    if (!bb_option_is_mail_address (good[i]))
      g_error ("%s was refused", good[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    if (bb_option_is_mail_address (bad[i]))
      g_error ("%s was taken", bad[i]);
}

static void
test_equal (void)
{
  Sample *a = bb_option_struct_new_default (options);
  Sample *b = NULL;

  assert_parses (a, "list", "a;b");
  b = bb_option_struct_copy (options, a);
  g_assert_true (bb_option_struct_equal (options, a, b, 0));
  assert_parses (b, "list", "a;c");
  g_assert_false (bb_option_struct_equal (options, a, b, 0));
  g_assert_true (bb_option_struct_equal (options, a, b, BB_OPTION_LIVE));
  assert_parses (b, "number", "2");
  g_assert_false (bb_option_struct_equal (options, a, b, BB_OPTION_LIVE));
  bb_option_struct_free (options, b);

  b = bb_option_struct_copy (options, a);
  assert_parses (b, "secret", "x");
  g_assert_false (bb_option_struct_equal (options, a, b, 0));
  bb_option_struct_free (options, b);

  /* Not given and empty differ. */
  b = bb_option_struct_copy (options, a);
  assert_parses (b, "addresses", "");
  g_assert_false (bb_option_struct_equal (options, a, b, 0));
  bb_option_struct_free (options, b);
  bb_option_struct_free (options, a);
}

static void
test_nearest (void)
{
  static const char *const known[] = { "ami", "region", "instance_type", "build_wait_timeout", "bot-solaris", NULL };

  g_assert_cmpstr (bb_option_nearest ("amii", known), ==, "ami");
  g_assert_cmpstr (bb_option_nearest ("aim", known), ==, "ami");
  g_assert_cmpstr (bb_option_nearest ("regoin", known), ==, "region");
  g_assert_cmpstr (bb_option_nearest ("build_wait_timout", known), ==, "build_wait_timeout");
  g_assert_cmpstr (bb_option_nearest ("instancetype", known), ==, "instance_type");
  g_assert_cmpstr (bb_option_nearest ("bot-sunos", known), ==, NULL);
  g_assert_cmpstr (bb_option_nearest ("colour", known), ==, NULL);
  g_assert_cmpstr (bb_option_nearest ("", known), ==, NULL);
}

static void
test_settings (void)
{
  g_autoptr (BbSlaveSettings) fixed = bb_slave_settings_new (FALSE);
  g_autoptr (BbSlaveSettings) latent = bb_slave_settings_new (TRUE);
  g_autoptr (BbSlaveSettings) other = bb_slave_settings_new (TRUE);
  g_autoptr (BbSlaveSettings) again = bb_slave_settings_ref (other);

  g_assert_cmpint (fixed->max_builds, ==, 0);
  g_assert_cmpfloat (fixed->keepalive_interval, ==, 3600);
  g_assert_cmpfloat (fixed->missing_timeout, ==, 3600);
  g_assert_cmpfloat (latent->missing_timeout, ==, 1200);
  g_assert_cmpfloat (latent->build_wait_timeout, ==, 600);
  g_assert_cmpfloat (latent->check_instance_interval, ==, 10);
  g_assert_cmpfloat (latent->hourly_cost, ==, -1);
  g_assert_cmpint (latent->max_uses, ==, 0);
  g_assert_false (latent->keep_on_stop);
  g_assert_true (g_variant_is_of_type (latent->properties, G_VARIANT_TYPE_VARDICT));
  g_assert_true (bb_slave_settings_equal (latent, other, TRUE));
  other->auto_password = TRUE;
  g_assert_false (bb_slave_settings_equal (latent, other, TRUE));
  other->auto_password = FALSE;
  other->build_wait_timeout = -1;
  g_assert_false (bb_slave_settings_equal (latent, other, TRUE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/option/defaults", test_defaults);
  g_test_add_func ("/option/values", test_values);
  g_test_add_func ("/option/refusals", test_refusals);
  g_test_add_func ("/option/addresses", test_addresses);
  g_test_add_func ("/option/equal", test_equal);
  g_test_add_func ("/option/nearest", test_nearest);
  g_test_add_func ("/option/settings", test_settings);
  return g_test_run ();
}
