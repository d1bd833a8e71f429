/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-error.h"
#include "bb-interpolate.h"

static char *
lookup (const char *scope, const char *name, gpointer user_data G_GNUC_UNUSED)
{
  g_autofree char *key = g_strconcat (scope, ":", name, NULL);

  if (g_str_equal (key, "prop:revision"))
    return g_strdup ("a%(prop:b)s");
  if (g_str_equal (key, "prop:empty"))
    return g_strdup ("");
  if (g_str_equal (key, "slave:name"))
    return g_strdup ("bot1");
  if (g_str_equal (key, "host:name"))
    return g_strdup ("build.example.org");
  return NULL;
}

typedef struct
{
  const char *text;
  const char *result;
} Good;

static void
test_good (void)
{
  static const Good cases[] = {
    { "", "" },
    { "make -j4", "make -j4" },
    { "100%%", "100%" },
    { "%%(prop:x)s", "%(prop:x)s" },
    /* What is filled in is not looked at again: it comes from those who may submit builds. */
    { "<%(prop:revision)s>", "<a%(prop:b)s>" },
    { "%(prop:branch:-trunk)s", "trunk" },
    { "%(prop:branch:-)s.", "." },
    { "%(prop:empty:-trunk)s.", "." },
    { "%(prop:branch:-a:-b (c)d)s", "a:-b (c)d" },
    { "%(slave:name)s on %(host:name)s", "bot1 on build.example.org" },
    { "grün %(prop:größe:-groß)s", "grün groß" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *result = bb_interpolate (cases[i].text, lookup, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (result, ==, cases[i].result);
      g_assert_true (bb_interpolate_check (cases[i].text, &error));
      g_assert_no_error (error);
    }
}

static void
test_syntax (void)
{
#define KNOWN                                                                                                          \
  "; there are %(prop:NAME)s, %(prop:NAME:-default)s, %(slave:name)s, %(slave:password)s, %(host:name)s, and %(master:NAME)s with host, port, protocol, tls"
  static const Good cases[] = {
    { "date +%s", "there is a lone % at \"%s\"; write %% for a percent sign" },
    { "100%", "there is a lone % at \"%\"; write %% for a percent sign" },
    { "%ä und mehr", "there is a lone % at \"%ä und meh\"; write %% for a percent sign" },
    { "%(prop:x", "a \"%(\" is not closed by \")s\"; write %% for a percent sign" },
    { "%(prop:x)d", "a \"%(\" is not closed by \")s\"; write %% for a percent sign" },
    { "%(prop:)s", "\"%(prop)s\" is unknown" KNOWN },
    { "%(branch)s", "\"%(branch)s\" is unknown" KNOWN },
    { "%()s", "\"%()s\" is unknown" KNOWN },
    { "%(slave:passwd)s", "\"%(slave:passwd)s\" is unknown" KNOWN },
    { "%(host:id)s", "\"%(host:id)s\" is unknown" KNOWN },
    { "%(secret:x)s", "\"%(secret:x)s\" is unknown" KNOWN },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) error2 = NULL;

      g_assert_false (bb_interpolate_check (cases[i].text, &error));
      g_assert_error (error, BB_ERROR, BB_ERROR_CONFIG);
      g_assert_cmpstr (error->message, ==, cases[i].result);
      g_assert_null (bb_interpolate (cases[i].text, lookup, NULL, &error2));
      g_assert_error (error2, BB_ERROR, BB_ERROR_CONFIG);
    }
}

static void
test_missing (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) error2 = NULL;

  g_assert_null (bb_interpolate ("%(prop:branch)s", lookup, NULL, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "the property \"branch\" is not set; set it, or write %(prop:branch:-default)s");
  g_assert_null (bb_interpolate ("%(slave:password)s", lookup, NULL, &error2));
  g_assert_error (error2, BB_ERROR, BB_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error2->message, ==, "\"%(slave:password)s\" has no value here");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/interpolate/good", test_good);
  g_test_add_func ("/interpolate/syntax", test_syntax);
  g_test_add_func ("/interpolate/missing", test_missing);
  return g_test_run ();
}
