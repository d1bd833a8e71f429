/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <unistd.h>

#include "bb-build-fixture.h"
#include "bb-log-trap.h"

#define SLAVES "[slave a]\npassword=x\n[slave b]\npassword=x\n"
#define ONE_STEP SLAVES "[builder one]\nslavenames=a;b;\nsteps=only;\n[step only]\ncommand=true\n"

static void
assert_text (char *text, const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

static void
test_success (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbBuild *build = build_fixture_submit (f, "one", NULL, NULL);
  BbRemoteCommand *command = build_fixture_wait_command (f, link, "one");
  g_autoptr (GVariant) list = NULL;
  g_autofree char *text = NULL;

  g_assert_cmpint (bb_build_get_state (build), ==, BB_BUILD_RUNNING);
  g_assert_cmpstr (bb_build_get_slave_name (build), ==, "a");
  g_assert_cmpuint (bb_build_master_count_running (f->master), ==, 1);
  g_assert_cmpuint (bb_build_master_count_pending (f->master), ==, 0);
  bb_fake_command_output (command, BB_OUTPUT_HEADER, NULL, "true\n");
  bb_fake_command_output (command, BB_OUTPUT_STDOUT, NULL, "out\n");
  bb_fake_command_output (command, BB_OUTPUT_STDERR, NULL, "err\n");
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
  assert_text (build_fixture_get_steps (f, 1), "only=success");
  assert_text (build_fixture_read_log (f, 1, "", ""), "true\nout\nerr\n");
  assert_text (build_fixture_read_log (f, 1, "only", "stdout"),
               "step \"only\" has no log \"stdout\"; there are: only.stdio");
  assert_text (build_fixture_read_log (f, 2, "", ""), "there is no build 2");
  g_assert_cmpstr (f->events->str, ==, "+1 !1=success ");
  g_assert_cmpuint (bb_build_master_count_running (f->master), ==, 0);

  list = build_fixture_list (f, NULL);
  text = g_variant_print (list, FALSE);
  g_assert_nonnull (strstr (text,
                            "'number': <uint64 1>, 'builder': <'one'>, 'slave': <'a'>, 'state': <'finished'>, "
                            "'result': <'success'>"));
  g_assert_nonnull (strstr (text, "'exit_code': <0>"));
  g_assert_nonnull (strstr (text, "'logs': <['stdio']>"));
}

static void
test_refusals (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  char *message;

  build_fixture_attach (f, "a");
  build_fixture_attach (f, "c");
  g_assert_null (build_fixture_submit (f, "oen", NULL, &message));
  assert_text (message, "there is no builder \"oen\"; did you mean \"one\"?");
  g_assert_null (build_fixture_submit (f, "one", "{'slave': <'z'>}", &message));
  assert_text (message, "there is no slave \"z\"");
  g_assert_null (build_fixture_submit (f, "one", "{'slave': <'c'>}", &message));
  assert_text (message, "slave \"c\" does not run builder \"one\"; these do: a, b");
  g_assert_null (build_fixture_submit (f, "one", "{'workdir': <'c'>}", &message));
  assert_text (message, "option \"workdir\" is not known here");
  g_assert_null (build_fixture_submit (f, "one", "{'properties': <{'x': <@mv nothing>}>}", &message));
  assert_text (message, "property \"x\": a value is a string, a number, a boolean or a list of strings");
  g_assert_null (build_fixture_run (f, "a", "", NULL, &message));
  assert_text (message, "there is no command to run");
  g_assert_null (build_fixture_run (f, "a", "ls", "{'timeout': <'soon'>}", &message));
  assert_text (message, "option \"timeout\" has type s, and would be right as a number of seconds from 0 to "
                        "1000000000");
  g_assert_cmpstr (f->events->str, ==, "");
}

/* D14: nothing is promised that could not be written down. */
static void
test_submit_full_disk (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  char *message;

  bb_fragile_store_set_failing (f->store, TRUE);
  g_assert_null (build_fixture_submit (f, "one", NULL, &message));
  g_assert_nonnull (message);
  g_free (message);
  bb_fragile_store_set_failing (f->store, FALSE);
  bb_fake_link_set_automatic (link, TRUE);
  g_assert_nonnull (build_fixture_submit (f, "one", NULL, NULL));
  assert_text (build_fixture_wait (f, 2), "success");
}

/* D14: the end of a build is not forgotten either. */
static void
test_end_full_disk (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbRemoteCommand *command;
  g_autofree char *warning = NULL;

  build_fixture_submit (f, "one", NULL, NULL);
  command = build_fixture_wait_command (f, link, "one");
  bb_fragile_store_settle (f->store);
  bb_fragile_store_set_failing (f->store, TRUE);
  bb_fake_command_end (command, 0);
  while (strstr (f->events->str, "!1=success") == NULL)
    g_main_context_iteration (NULL, TRUE);
  bb_fragile_store_settle (f->store);
  warning = bb_log_trap_take_warnings ();
  g_assert_nonnull (strstr (warning, "build 1: its end can't be stored, and will be tried again"));
  g_assert_nonnull (bb_build_master_find (f->master, 1));
  bb_fragile_store_set_failing (f->store, FALSE);
  bb_test_clock_advance (f->clock, f->loop, 11);
  assert_text (build_fixture_wait (f, 1), "success");
  assert_text (build_fixture_get_steps (f, 1), "only=success");
}

#define FLAGS                                                                                                          \
  SLAVES "[builder f]\nslavenames=a;\nsteps=first;second;third;last;\n"                                                \
         "[step first]\ncommand=exit %(prop:first:-0)s\nhalt_on_failure=%(HALT)\nflunk_on_failure=%(FLUNK)\n" \
         "warn_on_failure=%(WARN)\n" \
         "[step second]\ncommand=second\n"                                                                             \
         "[step third]\ncommand=third\ndo_step_if=%(prop:third:-)s\n"                                                  \
         "[step last]\ncommand=exit %(prop:last:-0)s\nalways_run=true\n"

static void
check_flags (BuildFixture *f, const char *halt, const char *flunk, const char *warn, const char *options,
             const char *result, const char *steps)
{
  static guint64 number;
  g_autoptr (GString) config = g_string_new (FLAGS);
  BbSlave *slave = bb_slave_manager_find (f->slaves, "a");
  BbFakeLink *link;

  g_string_replace (config, "%(HALT)", halt, 0);
  g_string_replace (config, "%(FLUNK)", flunk, 0);
  g_string_replace (config, "%(WARN)", warn, 0);
  build_fixture_configure (f, config->str);
  if (slave == NULL)
    number = 0;
  link = slave != NULL ? BB_FAKE_LINK (bb_slave_get_link (slave)) : build_fixture_attach (f, "a");
  bb_fake_link_set_automatic (link, TRUE);
  build_fixture_submit (f, "f", options, NULL);
  number++;
  assert_text (build_fixture_wait (f, number), result);
  assert_text (build_fixture_get_steps (f, number), steps);
}

/* Buildbot's rules of what a failed step does to the build. */
static void
test_flags (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const char *fails = "{'properties': <{'first': <1>}>}";

  check_flags (f, "true", "true", "false", NULL, "success", "first=success second=success third=skipped last=success");
  check_flags (f, "false", "true", "false", "{'properties': <{'third': <'yes'>}>}", "success",
               "first=success second=success third=success last=success");
  check_flags (f, "true", "true", "false", fails, "failure: first: exit status 1",
               "first=failure second=skipped third=skipped last=success");
  check_flags (f, "false", "true", "false", fails, "failure: first: exit status 1",
               "first=failure second=success third=skipped last=success");
  check_flags (f, "false", "false", "true", fails, "warnings: first: exit status 1",
               "first=failure second=success third=skipped last=success");
  check_flags (f, "true", "false", "false", fails, "success",
               "first=failure second=skipped third=skipped last=success");
  check_flags (f, "false", "false", "true", "{'properties': <{'first': <1>, 'last': <2>}>}",
               "failure: last: exit status 2", "first=failure second=success third=skipped last=failure");
}

/* S5, S6: the slave's own values win, the request's win over the builder's, and types are kept. */
static void
test_properties (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link;
  BbBuild *build;
  BbSlave *slave;
  g_autoptr (BbSlaveSettings) settings = bb_slave_settings_new (FALSE);
  BbRemoteCommand *command;
  g_autofree char *line = NULL;
  g_autofree char *shown = NULL;

  build_fixture_configure (f,
                           SLAVES "[builder one]\nslavenames=a;\nsteps=only;\nproperties=os=builder;by=builder;n=7;\n"
                                     "[step only]\ncommand=%(prop:os)s %(prop:by)s %(prop:n)s %(prop:flag)s "
                                     "%(prop:slavename)s "
                                     "%(slave:name)s %(prop:buildername)s %(prop:buildnumber)s %(prop:builddir)s "
                                     "%(prop:none:-dflt)s 100%%\n");
  link = build_fixture_attach (f, "a");
  slave = bb_slave_manager_find (f->slaves, "a");
  g_clear_pointer (&settings->properties, g_variant_unref);
  settings->properties = g_variant_ref_sink (g_variant_new_parsed ("{'os': <'slave'>, 'flag': <true>}"));
  g_object_set (slave, "settings", settings, NULL);
  build = build_fixture_submit (f, "one",
                                "{'properties': <{'os': <'request'>, 'by': <'request'>, 'slavename': "
                                "<'evil'>}>}", NULL);
  command = build_fixture_wait_command (f, link, "one");
  line = bb_fake_command_get_text (command, "command");
  g_assert_cmpstr (line, ==, "slave request 7 true a a one 1 /home/bot/one dflt 100%");
  shown = g_variant_print (bb_build_get_properties (build), FALSE);
  g_assert_cmpstr (shown, ==,
                   "{'basedir': <'/home/bot'>, 'builddir': <'/home/bot/one'>, 'buildername': <'one'>, "
                   "'buildnumber': <int64 1>, "
                   "'by': <'request'>, 'flag': <true>, 'n': <int64 7>, 'os': <'slave'>, 'slavename': <'a'>, "
                   "'workername': <'a'>}");
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
}

static void
test_missing_property (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  build_fixture_configure (f,
                           SLAVES "[builder one]\nslavenames=a;\nsteps=only;\n[step only]\ncommand=echo "
                                  "%(prop:nope)s\n");
  build_fixture_attach (f, "a");
  build_fixture_submit (f, "one", NULL, NULL);
  {
    g_autofree char *result = build_fixture_wait (f, 1);

    g_assert_true (g_str_has_prefix (result, "exception: only: command: "));
    g_assert_nonnull (strstr (result, "nope"));
    /* not the slave's fault: it need not rest */
    g_assert_cmpint (bb_fake_slaves_get_last_result (f->slaves, bb_slave_manager_find (f->slaves, "a")), ==,
                     BB_RESULT_FAILURE);
  }
}

/* S7: a lost slave makes a retry, at the head of the queue, for whoever is there. */
static void
test_lost (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a"), *other;
  BbSlave *slave = bb_slave_manager_find (f->slaves, "a");
  BbBuild *retry;
  gint64 retry_of = 0;

  build_fixture_submit (f, "one", NULL, NULL);
  build_fixture_wait_command (f, link, "one");
  build_fixture_submit (f, "one", NULL, NULL);
  bb_fake_link_lose (link, "connection reset by peer");
  bb_fake_slaves_attach (f->slaves, slave, NULL);
  assert_text (build_fixture_wait (f, 1), "retry: only: connection reset by peer");
  g_assert_cmpuint (bb_fake_slaves_count_places (f->slaves, slave), ==, 0);
  retry = bb_build_master_find (f->master, 3);
  g_assert_nonnull (retry);
  g_assert_true (g_variant_lookup (bb_build_get_properties (retry), "retry_of", "x", &retry_of));
  g_assert_cmpint (retry_of, ==, 1);

  other = build_fixture_attach (f, "b");
  build_fixture_wait_command (f, other, "one");
  g_assert_cmpint (bb_build_get_state (retry), ==, BB_BUILD_RUNNING); /* before build 2, which was submitted earlier */
  g_assert_cmpint (bb_build_get_state (bb_build_master_find (f->master, 2)), ==, BB_BUILD_PENDING);
  bb_fake_link_set_automatic (other, TRUE);
  bb_fake_command_end (bb_fake_link_get_command (other, "one"), 0);
  assert_text (build_fixture_wait (f, 3), "success");
  assert_text (build_fixture_wait (f, 2), "success");
}

/* S8: no trace of a slave that did not answer its ping. */
static void
test_ping_before (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *other;
  BbBuild *build;
  g_autoptr (GVariant) list = NULL;

  build_fixture_attach (f, "a");
  bb_fake_slaves_break_ping (f->slaves, bb_slave_manager_find (f->slaves, "a"));
  build = build_fixture_submit (f, "one", NULL, NULL);
  bb_test_run_pending ();
  g_assert_cmpint (bb_build_get_state (build), ==, BB_BUILD_PENDING);
  g_assert_cmpstr (bb_build_get_slave_name (build), ==, "");
  g_assert_cmpuint (bb_build_get_steps (build)->len, ==, 0);
  other = build_fixture_attach (f, "b");
  bb_fake_link_set_automatic (other, TRUE);
  assert_text (build_fixture_wait (f, 1), "success");
  list = build_fixture_list (f, NULL);
  g_assert_cmpuint (g_variant_n_children (list), ==, 1);
}

static void
test_cancel_running (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link;
  BbRemoteCommand *command;

  build_fixture_configure (f,
                           SLAVES "[builder one]\nslavenames=a;\nsteps=only;more;clean;\n[step only]\n"
                                  "command=sleep 100\n"
                                     "[step more]\ncommand=more\n[step clean]\ncommand=clean\nalways_run=true\n");
  link = build_fixture_attach (f, "a");
  build_fixture_submit (f, "one", NULL, NULL);
  command = build_fixture_wait_command (f, link, "one");
  g_assert_null (build_fixture_cancel (f, 1, "not needed"));
  g_assert_cmpstr (command->interrupted, ==, "not needed");
  bb_fake_command_end (command, -1);
  command = build_fixture_wait_command (f, link, "one");
  assert_text (bb_fake_command_get_text (command, "command"), "clean");
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "cancelled: not needed");
  assert_text (build_fixture_get_steps (f, 1), "only=cancelled more=skipped clean=success");
  assert_text (bb_fake_link_dup_history (link), "sleep 100\nclean\n");
}

/* The link closes the connection of a slave that does not end what was interrupted. */
static void
test_cancel_lost (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");

  build_fixture_submit (f, "one", NULL, NULL);
  build_fixture_wait_command (f, link, "one");
  g_assert_null (build_fixture_cancel (f, 1, "not needed"));
  bb_fake_link_lose (link, "gone");
  assert_text (build_fixture_wait (f, 1), "cancelled: not needed");
  g_assert_cmpstr (f->events->str, ==, "+1 !1=cancelled ");
}

static void
test_cancel_pending (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbBuild *build = build_fixture_submit (f, "one", NULL, NULL);
  g_autoptr (BbBuild) keep = g_object_ref (build);
  g_autoptr (GError) error = NULL;

  g_assert_null (build_fixture_cancel (f, 1, ""));
  assert_text (build_fixture_wait (f, 1), "cancelled: cancelled");
  g_assert_false (bb_build_master_cancel (f->master, build, "again", &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "build 1 has ended: cancelled");
}

static void
test_step_failures (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "builtins.OSError: no such directory");
  BbRemoteCommand *command;

  build_fixture_submit (f, "one", NULL, NULL);
  command = build_fixture_wait_command (f, link, "one");
  bb_fake_command_update (command, "rc", g_variant_new_int64 (0));
  bb_fake_command_done (command, error); /* counts although rc is 0 */
  assert_text (build_fixture_wait (f, 1), "exception: only: builtins.OSError: no such directory");
  g_assert_cmpint (bb_fake_slaves_get_last_result (f->slaves, bb_slave_manager_find (f->slaves, "a")), ==,
                   BB_RESULT_EXCEPTION);

  build_fixture_submit (f, "one", NULL, NULL);
  bb_fake_command_done (build_fixture_wait_command (f, link, "one"), NULL);
  assert_text (build_fixture_wait (f, 2), "failure: only: the slave reported no exit status");

  build_fixture_submit (f, "one", NULL, NULL);
  command = build_fixture_wait_command (f, link, "one");
  bb_fake_command_update (command, "failure_reason", g_variant_new_string ("timeout_without_output"));
  bb_fake_command_end (command, -1);
  assert_text (build_fixture_wait (f, 3), "failure: only: killed after 1200 s without output");

  build_fixture_submit (f, "one", NULL, NULL);
  bb_fake_command_end (build_fixture_wait_command (f, link, "one"), -1);
  assert_text (build_fixture_wait (f, 4), "failure: only: killed by a signal");
}

/* An ad-hoc command: both streams apart, its exit status, its per cent signs untouched. */
static void
test_run (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbBuild *build = build_fixture_run (f, "a", "printf %s %(x) 100%",
                                      "{'timeout': <60>, 'env': <{'A': 'b'}>, 'stdin': <'in'>}", NULL);
  BbRemoteCommand *command = build_fixture_wait_command (f, link, BB_RUN_BUILDER);
  g_autofree char *args = g_variant_print (command->args, FALSE);
  g_autoptr (GVariant) list = NULL;
  g_autofree char *text = NULL;

  g_assert_cmpstr (args, ==,
                   "{'command': <['printf', '%s', '%(x)', '100%']>, 'workdir': <'build'>, 'env': <{'A': 'b'}>, "
                   "'logfiles': <@a{ss} {}>, "
                   "'initial_stdin': <'in'>, 'want_stdout': <true>, 'want_stderr': <true>, 'timeout': <int64 60>, "
                   "'maxTime': <@mv nothing>, "
                   "'sigtermTime': <@mv nothing>, 'usePTY': <false>, 'logEnviron': <false>}");
  g_assert_cmpstr (bb_build_get_builder (build), ==, "");
  bb_fake_command_output (command, BB_OUTPUT_HEADER, NULL, "header\n");
  bb_fake_command_output (command, BB_OUTPUT_STDOUT, NULL, "out");
  bb_fake_command_output (command, BB_OUTPUT_STDERR, NULL, "err");
  bb_fake_command_end (command, 7);
  assert_text (build_fixture_wait (f, 1), "failure: run: exit status 7");
  assert_text (build_fixture_read_log (f, 1, "run", "stdout"), "out");
  assert_text (build_fixture_read_log (f, 1, "", "stderr"), "err");
  assert_text (build_fixture_read_log (f, 1, "", ""), "header\nouterr");
  list = build_fixture_list (f, NULL);
  text = g_variant_print (list, FALSE);
  g_assert_nonnull (strstr (text, "'exit_code': <7>"));
}

/* D8: what will run can be followed from the moment that it was asked for. */
static void
test_follow (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link;
  g_autoptr (GError) error = NULL;
  char buffer[10] = "";
  int fd;

  build_fixture_attach (f, "b");
  build_fixture_add (f, "a", 0, FALSE);
  build_fixture_run (f, "a", "ls", NULL, NULL);
  fd = bb_build_master_open_log (f->master, 1, "", "stdout", &error);
  g_assert_no_error (error);
  g_assert_cmpint (read (fd, buffer, 9), ==, 0);
  link = build_fixture_attach (f, "a");
  bb_fake_command_output (build_fixture_wait_command (f, link, BB_RUN_BUILDER), BB_OUTPUT_STDOUT, NULL, "now");
  bb_test_clock_advance (f->clock, f->loop, 0.1);
  while (read (fd, buffer, 9) == 0)
    g_main_context_iteration (NULL, FALSE);
  g_assert_cmpstr (buffer, ==, "now");
  close (fd);
  bb_fake_command_end (bb_fake_link_get_command (link, BB_RUN_BUILDER), 0);
  assert_text (build_fixture_wait (f, 1), "success");
}

static void
test_watched_logs (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link;
  BbRemoteCommand *command;

  build_fixture_configure (f,
                           SLAVES "[builder one]\nslavenames=a;\nsteps=only;\n[step only]\ncommand=make\n"
                                  "logfiles=test=t.log;\n");
  link = build_fixture_attach (f, "a");
  build_fixture_submit (f, "one", NULL, NULL);
  command = build_fixture_wait_command (f, link, "one");
  bb_fake_command_output (command, BB_OUTPUT_LOG, "test", "watched\n");
  bb_fake_command_output (command, BB_OUTPUT_LOG, "../evil", "x"); /* nobody asked for it */
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
  assert_text (build_fixture_read_log (f, 1, "only", "test"), "watched\n");
  assert_text (build_fixture_read_log (f, 1, "only", "../evil"),
               "step \"only\" has no log \"../evil\"; there are: only.stdio, only.test");
}

/* S18: memory is bounded, since a slave that is too fast is not read. */
static void
test_fast_log (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  g_autofree char *block = g_strnfill (300 * 1024, 'x');
  g_autofree char *log = NULL;
  BbRemoteCommand *command;

  build_fixture_submit (f, "one", NULL, NULL);
  command = build_fixture_wait_command (f, link, "one");
  bb_fake_command_output (command, BB_OUTPUT_STDOUT, NULL, block);
  g_assert_cmpint (bb_fake_link_get_paused (link), ==, 0);
  bb_fake_command_output (command, BB_OUTPUT_STDOUT, NULL, block);
  g_assert_cmpint (bb_fake_link_get_paused (link), ==, 1);
  while (bb_fake_link_get_paused (link) > 0)
    g_main_context_iteration (NULL, TRUE);
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
  log = build_fixture_read_log (f, 1, "", "");
  g_assert_cmpuint (strlen (log), ==, 2 * 300 * 1024);
}

/* D14: the log can't be written, so the build ends with that reason. */
static void
test_log_full_disk (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  g_autofree char *folder = g_build_filename (f->dir, "builds", NULL);
  g_autofree char *expected = g_strdup_printf ("exception: only: can't open %s/1/0-only.stdio: Not a directory",
                                               folder);
  BbRemoteCommand *command;

  g_assert_true (g_file_set_contents (folder, "in the way", -1, NULL));
  build_fixture_submit (f, "one", NULL, NULL);
  command = build_fixture_wait_command (f, link, "one");
  bb_fake_command_output (command, BB_OUTPUT_STDOUT, NULL, "out\n");
  bb_test_clock_advance (f->clock, f->loop, 0.1);
  while (command->interrupted == NULL)
    g_main_context_iteration (NULL, TRUE);
  bb_fake_command_end (command, -1);
  assert_text (build_fixture_wait (f, 1), expected);
  g_assert_cmpint (unlink (folder), ==, 0);
  bb_fake_link_set_automatic (link, TRUE);
  build_fixture_submit (f, "one", NULL, NULL);
  assert_text (build_fixture_wait (f, 2), "success");
}

/* D15: a daemon that is killed forgets nothing: pending builds are pending in order, those that ran are retries, first
 * in line. */
static void
test_restart (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  g_autoptr (GVariant) list = NULL;

  bb_fake_link_set_automatic (link, TRUE);
  build_fixture_submit (f, "one", NULL, NULL);
  assert_text (build_fixture_wait (f, 1), "success");
  bb_fake_link_set_automatic (link, FALSE);
  for (guint i = 2; i <= 4; i++)
    {
      g_autofree char *options = g_strdup_printf ("{'properties': <{'i': <%u>}>}", i);

      build_fixture_submit (f, "one", options, NULL);
    }
  build_fixture_wait_command (f, link, "one");
  build_fixture_kill (f);
  build_fixture_configure (f, ONE_STEP);
  build_fixture_load (f);

  list = build_fixture_list (f, NULL);
  g_assert_cmpuint (g_variant_n_children (list), ==, 5);
  assert_text (build_fixture_wait (f, 1), "success");
  assert_text (build_fixture_wait (f, 2), "retry: bbhostd was stopped while it ran");
  g_string_truncate (f->events, 0);
  link = build_fixture_attach (f, "a");
  bb_fake_link_set_automatic (link, TRUE);
  assert_text (build_fixture_wait (f, 3), "success");
  assert_text (build_fixture_wait (f, 4), "success");
  assert_text (build_fixture_wait (f, 5), "success");
  g_assert_cmpstr (f->events->str, ==, "!5=success !3=success !4=success ");
}

/* The grace of a stop: what ends in time ends as it does, the rest is taken up again. */
static void
test_shutdown (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *a, *b;
  g_autoptr (GAsyncResult) result = NULL;
  g_autofree char *retries = NULL;
  BbRemoteCommand *command;

  a = build_fixture_attach (f, "a");
  b = build_fixture_attach (f, "b");
  build_fixture_submit (f, "one", "{'slave': <'a'>}", NULL);
  build_fixture_submit (f, "one", "{'slave': <'b'>}", NULL);
  command = build_fixture_wait_command (f, a, "one");
  build_fixture_wait_command (f, b, "one");
  bb_build_master_shutdown_async (f->master, bb_loop_now_us (f->loop) + 10 * G_USEC_PER_SEC, bb_test_store_result,
                                  &result);
  build_fixture_submit (f, "one", NULL, NULL);
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
  bb_test_clock_advance (f->clock, f->loop, 9);
  g_assert_null (result);
  bb_test_clock_advance (f->clock, f->loop, 2);
  g_assert_cmpstr (build_fixture_wait_command (f, b, "one")->interrupted, ==, "bbhostd was stopped while it ran");
  g_assert_null (result);
  bb_test_clock_advance (f->clock, f->loop, 5); /* b does not listen */
  bb_test_run_until_result (&result);
  g_assert_true (bb_build_master_shutdown_finish (f->master, result, NULL));
  assert_text (build_fixture_wait (f, 2), "retry: bbhostd was stopped while it ran");
  g_assert_null (bb_fake_link_get_command (a, NULL)); /* nothing new was begun */
  g_assert_cmpstr (bb_build_get_reason (bb_build_master_find (f->master, 3)), ==,
                   "bbhostd is stopping; it is kept for the next start");
}

static void
test_list (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  static const struct { const char *filter; const char *numbers; } cases[] = {
    { NULL, "4 3 2 1 " },
    { "{'limit': <uint64 3>}", "4 3 2 " },
    { "{'state': <'pending'>}", "4 " },
    { "{'state': <'finished'>}", "3 2 1 " },
    { "{'state': <'finished'>, 'limit': <uint64 1>}", "3 " },
    { "{'result': <'success'>}", "3 2 1 " },
    { "{'slave': <'b'>}", "4 " },
    { "{'builder': <'two'>}", "" },
    { "{'number': <uint64 2>}", "2 " },
    { "{'number': <uint64 4>}", "4 " },
  };

  build_fixture_add (f, "b", 0, FALSE);
  bb_fake_link_set_automatic (link, TRUE);
  for (guint i = 1; i <= 3; i++)
    {
      build_fixture_submit (f, "one", NULL, NULL);
      assert_text (build_fixture_wait (f, i), "success");
    }
  build_fixture_submit (f, "one", "{'slave': <'b'>}", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) list = build_fixture_list (f, cases[i].filter);
      g_autoptr (GString) numbers = g_string_new (NULL);

      for (gsize j = 0; j < g_variant_n_children (list); j++)
        {
          g_autoptr (GVariant) build = g_variant_get_child_value (list, j);
          guint64 number = 0;

          g_assert_true (g_variant_lookup (build, "number", "t", &number));
          g_string_append_printf (numbers, "%d ", (int) number);
        }
      g_assert_cmpstr (numbers->str, ==, cases[i].numbers);
    }
}

static void
test_retention (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  g_autofree char *folder = g_build_filename (f->dir, "builds", "1", NULL);
  g_autoptr (GVariant) list = NULL;

  bb_fake_link_set_automatic (link, TRUE);
  for (guint i = 1; i <= 3; i++)
    {
      build_fixture_submit (f, "one", NULL, NULL);
      assert_text (build_fixture_wait (f, i), "success");
    }
  g_assert_true (g_file_test (folder, G_FILE_TEST_IS_DIR));
  build_fixture_configure (f, "[host]\nlog_retention=3600\n" ONE_STEP);
  bb_test_clock_advance (f->clock, f->loop, 1);
  bb_fragile_store_settle (f->store);
  g_assert_true (g_file_test (folder, G_FILE_TEST_IS_DIR));
  bb_test_clock_advance (f->clock, f->loop, 7200);
  while (g_file_test (folder, G_FILE_TEST_IS_DIR))
    {
      bb_test_clock_advance (f->clock, f->loop, 700);
      g_usleep (1000);
    }
  list = build_fixture_list (f, NULL);
  g_assert_cmpuint (g_variant_n_children (list), ==, 1); /* the next number follows from the newest */
}

#define ADD(PATH, CONFIG, FUNC)                                                                                        \
  g_test_add (PATH, BuildFixture, CONFIG, build_fixture_set_up, FUNC, build_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  ADD ("/build/success", ONE_STEP, test_success);
  ADD ("/build/refusals", ONE_STEP, test_refusals);
  ADD ("/build/D14-submit", ONE_STEP, test_submit_full_disk);
  ADD ("/build/D14-end", ONE_STEP, test_end_full_disk);
  ADD ("/build/flags", NULL, test_flags);
  ADD ("/build/S5-S6-properties", NULL, test_properties);
  ADD ("/build/missing-property", NULL, test_missing_property);
  ADD ("/build/S7-lost", ONE_STEP, test_lost);
  ADD ("/build/S8-ping-before", ONE_STEP, test_ping_before);
  ADD ("/build/cancel-running", NULL, test_cancel_running);
  ADD ("/build/cancel-lost", ONE_STEP, test_cancel_lost);
  ADD ("/build/cancel-pending", ONE_STEP, test_cancel_pending);
  ADD ("/build/step-failures", ONE_STEP, test_step_failures);
  ADD ("/build/run", ONE_STEP, test_run);
  ADD ("/build/D8-follow", ONE_STEP, test_follow);
  ADD ("/build/watched-logs", NULL, test_watched_logs);
  ADD ("/build/S18-fast-log", ONE_STEP, test_fast_log);
  ADD ("/build/D14-log", ONE_STEP, test_log_full_disk);
  ADD ("/build/D15-restart", ONE_STEP, test_restart);
  ADD ("/build/shutdown", ONE_STEP, test_shutdown);
  ADD ("/build/list", ONE_STEP, test_list);
  ADD ("/build/retention", ONE_STEP, test_retention);
  return g_test_run ();
}
