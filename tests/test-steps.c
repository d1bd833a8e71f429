/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-fixture.h"
#include "bb-log-trap.h"
#include "bb-properties.h"
#include "bb-step-types.h"

/* The arguments of the commands that @step becomes, with the properties of @properties, each ended by "\n"; or the
 * error. */
static char *
make_args (const BbStepConfig *step, const char *properties, const char *const *builder_env)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (g_variant_new_parsed (properties));
  const BbStepContext context = { { dict, "bot", "host", FALSE }, builder_env };
  const BbStepTypeInfo *type = &bb_step_types[step->type];
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < type->count (step); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) args = type->make_args (step, i, &context, &error);
      g_autofree char *printed = NULL;

      if (args == NULL)
        {
          g_string_free (text, TRUE);
          return g_strdup (error->message);
        }
      g_variant_ref_sink (args);
      printed = g_variant_print (args, FALSE);
      g_string_append_printf (text, "%s %s\n", type->command, printed);
    }
  return g_string_free (text, FALSE);
}

static void
assert_args (const BbStepConfig *step, const char *expected)
{
  g_autofree char *args = make_args (step, "{'x': <'y'>, 'n': <3>}", NULL);

  g_assert_cmpstr (args, ==, expected);
}

static void
test_shell (void)
{
  char *env[] = { "A=%(prop:x)s", "B=step", NULL };
  char *logfiles[] = { "test=%(prop:x)s.log", NULL };
  const char *const builder_env[] = { "B=builder", "C=builder", NULL };
  BbStepConfig step = { .type = BB_STEP_SHELL, .command = "make %(prop:x)s 100%%", .timeout = 1200,
                       .log_environ = TRUE };
  g_autofree char *with_env = NULL;

  assert_args (&step, "shell {'command': <'make y 100%'>, 'workdir': <'build'>, 'env': <@mv nothing>, 'logfiles': "
                      "<@a{ss} {}>, "
                      "'initial_stdin': <@mv nothing>, 'want_stdout': <true>, 'want_stderr': <true>, 'timeout': "
                      "<int64 1200>, "
                      "'maxTime': <@mv nothing>, 'sigtermTime': <@mv nothing>, 'usePTY': <false>, 'logEnviron': "
                      "<true>}\n");
  step = (BbStepConfig){ .type = BB_STEP_SHELL, .argv = (char *[]){ "printf", "%%s", "%(prop:n)s", NULL },
                        .workdir = "%(slave:name)s",
                         .timeout = 0, .max_time = 0.5, .sigterm_time = 3, .use_pty = TRUE,
                         .initial_stdin = "%(host:name)s",
                         .logfiles = logfiles };
  assert_args (&step, "shell {'command': <['printf', '%s', '3']>, 'workdir': <'bot'>, 'env': <@mv nothing>, "
                      "'logfiles': <{'test': 'y.log'}>, "
                      "'initial_stdin': <'host'>, 'want_stdout': <true>, 'want_stderr': <true>, 'timeout': <@mv "
                      "nothing>, "
                      "'maxTime': <0.5>, 'sigtermTime': <int64 3>, 'usePTY': <true>, 'logEnviron': <false>}\n");
  step = (BbStepConfig){ .type = BB_STEP_SHELL, .command = "x", .env = env };
  with_env = make_args (&step, "{'x': <'y'>}", builder_env);
  g_assert_nonnull (strstr (with_env, "'A': 'y'"));
  g_assert_nonnull (strstr (with_env, "'B': 'step'")); /* wins over the builder's */
  g_assert_nonnull (strstr (with_env, "'C': 'builder'"));
}

static void
test_transfers (void)
{
  BbStepConfig step = { .type = BB_STEP_UPLOAD, .source = "%(prop:x)s.tar", .destination = "/srv/x",
                       .keep_stamp = TRUE };

  assert_args (&step, "uploadFile {'workdir': <'build'>, 'workersrc': <'y.tar'>, 'maxsize': <@mv nothing>, "
                      "'blocksize': <int64 262144>, "
                      "'keepstamp': <true>}\n");
  /* A slave takes a file of exactly maxsize bytes for one that was cut off. */
  step = (BbStepConfig){ .type = BB_STEP_UPLOAD_DIRECTORY, .source = "doc", .compress = "gz", .max_size = 1000,
                        .block_size = 1 };
  assert_args (&step, "uploadDirectory {'workdir': <'build'>, 'workersrc': <'doc'>, 'maxsize': <int64 1001>, "
                      "'blocksize': <int64 4096>, "
                      "'compress': <'gz'>}\n");
  step = (BbStepConfig){ .type = BB_STEP_DOWNLOAD, .source = "/x", .destination = "in/%(prop:x)s", .mode = "0640",
                        .block_size = 1 << 30 };
  assert_args (&step, "downloadFile {'workdir': <'build'>, 'workerdest': <'in/y'>, 'maxsize': <@mv nothing>, "
                      "'blocksize': <int64 524288>, "
                      "'mode': <int64 416>}\n");
}

static void
test_directories (void)
{
  char *directories[] = { "a", "%(prop:x)s/b", NULL };
  BbStepConfig step = { .type = BB_STEP_MKDIR, .directories = directories };

  assert_args (&step, "mkdir {'dir': <'a'>}\nmkdir {'dir': <'y/b'>}\n"); /* old slaves take one at a time */
  step.type = BB_STEP_RMDIR;
  assert_args (&step, "rmdir {'dir': <'a'>, 'timeout': <int64 120>, 'logEnviron': <false>}\n"
                      "rmdir {'dir': <'y/b'>, 'timeout': <int64 120>, 'logEnviron': <false>}\n");
  step = (BbStepConfig){ .type = BB_STEP_COPY, .source = "a", .destination = "%(prop:x)s", .timeout = 5 };
  assert_args (&step, "cpdir {'fromdir': <'a'>, 'todir': <'y'>, 'timeout': <int64 5>, 'maxTime': <@mv nothing>, "
                      "'logEnviron': <false>}\n");
}

static void
test_errors (void)
{
  char *env[] = { "A=%(prop:none)s", NULL };
  BbStepConfig step = { .type = BB_STEP_SHELL, .command = "%(prop:none)s" };
  g_autofree char *command = make_args (&step, "@a{sv} {}", NULL);
  g_autofree char *in_env = NULL;
  g_autofree char *password = NULL;

  g_assert_true (g_str_has_prefix (command, "command: "));
  g_assert_nonnull (strstr (command, "none"));
  step = (BbStepConfig){ .type = BB_STEP_SHELL, .command = "x", .env = env };
  in_env = make_args (&step, "@a{sv} {}", NULL);
  g_assert_true (g_str_has_prefix (in_env, "env: A: "));
  /* A10: the command line is in the log. */
  step = (BbStepConfig){ .type = BB_STEP_SHELL, .command = "echo %(slave:password)s" };
  password = make_args (&step, "@a{sv} {}", NULL);
  g_assert_true (g_str_has_prefix (password, "command: "));
}

static void
test_do_step_if (void)
{
  static const struct { const char *text; gboolean wanted; } cases[] = {
    { NULL, TRUE },  { "", FALSE },  { "false", FALSE }, { "0", FALSE }, { "no", TRUE },
    { "%(prop:yes)s", TRUE }, { "%(prop:flag)s", FALSE }, { "%(prop:none:-)s", FALSE },
  };
  g_autoptr (GVariant) dict = g_variant_ref_sink (g_variant_new_parsed ("{'yes': <true>, 'flag': <false>}"));
  const BbStepContext context = { { dict, "bot", "host", FALSE }, NULL };
  BbStepConfig step = { .type = BB_STEP_SHELL, .do_step_if = "%(prop:none)s" };
  g_autoptr (GError) error = NULL;

  g_assert_false (bb_step_is_wanted (&step, &context, &error));
  g_assert_nonnull (error);
  g_assert_true (g_str_has_prefix (error->message, "do_step_if: "));
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) none = NULL;

      step.do_step_if = (char *) cases[i].text;
      g_assert_cmpint (bb_step_is_wanted (&step, &context, &none), ==, cases[i].wanted);
      g_assert_no_error (none);
    }
}

static void
test_property_text (void)
{
  static const struct { const char *value; const char *text; } cases[] = {
    { "'x y'", "x y" }, { "true", "true" }, { "int64 -7", "-7" }, { "uint64 18446744073709551615",
                                                                   "18446744073709551615" },
    { "1.5", "1.5" },   { "3.0", "3" },     { "['a', 'b']", "['a', 'b']" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) value = g_variant_take_ref (g_variant_parse (NULL, cases[i].value, NULL, NULL, NULL));
      g_autofree char *text = bb_property_to_text (value);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
}

static void
test_merge (void)
{
  g_autoptr (GVariant) builder = g_variant_ref_sink (g_variant_new_parsed ("{'a': <'builder'>, 'b': <'builder'>, "
                                                                           "'c': <1>}"));
  g_autoptr (GVariant) request = g_variant_ref_sink (g_variant_new_parsed ("{'b': <'request'>, 'c': <true>}"));
  g_autoptr (GVariant) slave = g_variant_ref_sink (g_variant_new_parsed ("{'c': <'slave'>}"));
  GVariant *layers[] = { builder, NULL, request, slave };
  g_autoptr (GVariant) merged = bb_properties_merge (layers, G_N_ELEMENTS (layers));
  g_autofree char *text = g_variant_print (merged, FALSE);

  g_assert_cmpstr (text, ==, "{'a': <'builder'>, 'b': <'request'>, 'c': <'slave'>}");
}

static void
test_property_limits (void)
{
  g_autofree char *large = g_strnfill (BB_PROPERTIES_MAX_BYTES, 'x');
  g_autoptr (GVariant) too_large = g_variant_ref_sink (g_variant_new_parsed ("{'a': <%s>}", large));
  g_autoptr (GVariant) unnamed = g_variant_ref_sink (g_variant_new_parsed ("{'': <'x'>}"));
  g_autoptr (GVariant) good = g_variant_ref_sink (g_variant_new_parsed ("{'a': <'x'>, 'b': <['c']>, 'd': <1.5>}"));
  g_autoptr (GError) error = NULL;

  g_assert_true (bb_properties_check (good, NULL));
  g_assert_false (bb_properties_check (unnamed, NULL));
  g_assert_false (bb_properties_check (too_large, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_INVALID_ARGUMENT);
  g_assert_true (g_str_has_suffix (error->message, "are more than the 262144 that one request may bring"));
}

/* Several commands make one step: the first that fails ends it. */
static void
test_several_commands (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  g_autofree char *result = NULL;
  g_autofree char *dir = NULL;

  build_fixture_submit (f, "one", NULL, NULL);
  bb_fake_command_end (build_fixture_wait_command (f, link, "one"), 0);
  dir = bb_fake_command_get_text (build_fixture_wait_command (f, link, "one"), "dir");
  g_assert_cmpstr (dir, ==, "second");
  bb_fake_command_end (bb_fake_link_get_command (link, "one"), 13);
  result = build_fixture_wait (f, 1);
  g_assert_cmpstr (result, ==, "failure: make: mkdir failed on the slave; its log says why");
  g_assert_cmpuint (bb_fake_link_count_commands (link), ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  g_test_add_func ("/steps/shell", test_shell);
  g_test_add_func ("/steps/transfers", test_transfers);
  g_test_add_func ("/steps/directories", test_directories);
  g_test_add_func ("/steps/errors", test_errors);
  g_test_add_func ("/steps/do-step-if", test_do_step_if);
  g_test_add_func ("/steps/S5-property-text", test_property_text);
  g_test_add_func ("/steps/S5-S6-merge", test_merge);
  g_test_add_func ("/steps/property-limits", test_property_limits);
  g_test_add ("/steps/several-commands", BuildFixture,
              "[slave a]\npassword=x\n[builder one]\nslavenames=a;\nsteps=make;\n"
              "[step make]\ntype=mkdir\ndirectories=first;second;third;\n",
              build_fixture_set_up, test_several_commands, build_fixture_tear_down);
  return g_test_run ();
}
