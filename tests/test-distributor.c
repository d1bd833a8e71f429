/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-fixture.h"
#include "bb-log-trap.h"

#define SLAVES "[slave a]\npassword=x\n[slave b]\npassword=x\n[slave c]\npassword=x\n"
#define STEP "[step s]\ncommand=true\n"
#define ONE SLAVES "[builder one]\nslavenames=a;b;c;\nsteps=s;\n" STEP
#define TWO SLAVES "[builder one]\nslavenames=a;b;c;\nsteps=s;\n[builder two]\nslavenames=a;b;c;\nsteps=s;\n" STEP
#define FIRST SLAVES "[builder one]\nslavenames=c;a;b;\nsteps=s;\nnext_slave=first\n" STEP
#define RANDOM SLAVES "[builder one]\nslavenames=a;b;c;\nsteps=s;\nnext_slave=random\n" STEP

static void
assert_text (char *text, const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

/* Which slaves the live builds are on, in the order of their numbers: "a - b". */
static void
assert_places (BuildFixture *f, const char *expected)
{
  g_autoptr (GString) places = g_string_new (NULL);

  bb_test_run_pending ();
  for (guint number = 1; number < 20; number++)
    {
      BbBuild *build = bb_build_master_find (f->master, number);
      const char *slave;

      if (build == NULL || bb_build_get_state (build) == BB_BUILD_FINISHED)
        continue;
      slave = bb_build_get_state (build) != BB_BUILD_PENDING ? bb_build_get_slave_name (build) : "-";
      g_string_append_printf (places, "%s%s", places->len > 0 ? " " : "", slave);
    }
  g_assert_cmpstr (places->str, ==, expected);
}

static void
submit (BuildFixture *f, const char *builder, guint n)
{
  for (guint i = 0; i < n; i++)
    build_fixture_submit (f, builder, NULL, NULL);
}

static void
assert_reason (BuildFixture *f, guint64 number, const char *expected)
{
  g_assert_cmpstr (bb_build_get_reason (bb_build_master_find (f->master, number)), ==, expected);
}

static void
end_command (BuildFixture *f, BbFakeLink *link, const char *builder)
{
  bb_fake_command_end (build_fixture_wait_command (f, link, builder), 0);
}

/* S3: one place, two builders: the older build first, the other as soon as it has ended. */
static void
test_max_builds (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link;

  build_fixture_add (f, "a", 1, FALSE);
  submit (f, "two", 1);
  submit (f, "one", 1);
  link = build_fixture_attach (f, "a");
  assert_places (f, "a -");
  assert_reason (f, 2, "a: all 1 places are taken");
  end_command (f, link, "two");
  assert_text (build_fixture_wait (f, 1), "success");
  assert_places (f, "a");
  end_command (f, link, "one");
  assert_text (build_fixture_wait (f, 2), "success");
}

/* S4: without a limit, one build of each builder at a time. */
static void
test_no_limit (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");

  submit (f, "one", 2);
  submit (f, "two", 1);
  build_fixture_run (f, "a", "ls", NULL, NULL);
  assert_places (f, "a - a a");
  assert_reason (f, 2, "a: has another build of this builder");
  end_command (f, link, "one");
  assert_text (build_fixture_wait (f, 1), "success");
  assert_places (f, "a a a");
}

/* Attached before substantiated before to be substantiated, whatever the order in the configuration. */
static void
test_tiers (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a = build_fixture_add (f, "a", 0, TRUE), *b = build_fixture_add (f, "b", 0, TRUE);

  build_fixture_attach (f, "b");
  build_fixture_attach (f, "c");
  submit (f, "one", 4);
  assert_places (f, "c b a -");
  g_assert_cmpuint (bb_fake_slaves_count_waiting (f->slaves, a), ==, 1);
  g_assert_cmpuint (bb_fake_slaves_count_waiting (f->slaves, b), ==, 0);
  g_assert_cmpint (bb_build_get_state (bb_build_master_find (f->master, 3)), ==, BB_BUILD_WAITING_FOR_SLAVE);
  assert_reason (f, 3, "waiting for slave a");
}

static void
test_first (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *c;

  build_fixture_attach (f, "a");
  build_fixture_attach (f, "b");
  c = build_fixture_attach (f, "c");
  submit (f, "one", 2);
  assert_places (f, "c a");
  end_command (f, c, "one");
  assert_text (build_fixture_wait (f, 1), "success");
  submit (f, "one", 1);
  assert_places (f, "a c");
}

static void
test_least_loaded (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  build_fixture_attach (f, "a");
  build_fixture_attach (f, "b");
  submit (f, "one", 1);
  assert_places (f, "a");
  submit (f, "two", 2);
  assert_places (f, "a b a");
}

static void
test_random (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const names[] = { "a", "b", "c" };
  guint seen[3] = { 0, 0, 0 };

  for (guint i = 0; i < 3; i++)
    bb_fake_link_set_automatic (build_fixture_attach (f, names[i]), TRUE);
  for (guint64 number = 1; number <= 60; number++)
    {
      g_autoptr (BbBuild) build = NULL;

      submit (f, "one", 1);
      build = g_object_ref (bb_build_master_find (f->master, number));
      assert_text (build_fixture_wait (f, number), "success");
      seen[*bb_build_get_slave_name (build) - 'a']++;
    }
  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (seen[i], >, 2); /* less by chance in one run of twenty million */
}

/* What waits for a machine waits for that one; those behind it go to whoever becomes free. */
static void
test_overtaking (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a = build_fixture_add (f, "a", 0, TRUE);
  BbFakeLink *link;

  submit (f, "one", 2);
  assert_places (f, "a -");
  build_fixture_attach (f, "b");
  assert_places (f, "a b");
  g_assert_cmpint (bb_build_get_state (bb_build_master_find (f->master, 1)), ==, BB_BUILD_WAITING_FOR_SLAVE);
  link = build_fixture_attach (f, "a");
  bb_fake_slaves_answer (f->slaves, a, NULL);
  end_command (f, link, "one");
  assert_text (build_fixture_wait (f, 1), "success");
}

/* L2: three builds of three builders, one machine. */
static void
test_one_machine (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a = build_fixture_add (f, "a", 2, TRUE);

  submit (f, "one", 1);
  submit (f, "two", 1);
  build_fixture_run (f, "a", "ls", NULL, NULL);
  assert_places (f, "a a -");
  g_assert_cmpuint (bb_fake_slaves_count_waiting (f->slaves, a), ==, 2);
  build_fixture_attach (f, "a");
  bb_fake_slaves_answer (f->slaves, a, NULL);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_build_master_count_running (f->master), ==, 2);
  assert_reason (f, 3, "a: all 2 places are taken");
}

/* L11, L12: a cancelled build leaves the machine to the other that waits for it, or gives it up. */
static void
test_cancel_waiting (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a = build_fixture_add (f, "a", 0, TRUE);

  submit (f, "one", 1);
  submit (f, "two", 1);
  assert_places (f, "a a");
  g_assert_null (build_fixture_cancel (f, 1, "enough"));
  assert_text (build_fixture_wait (f, 1), "cancelled: enough");
  g_assert_cmpuint (bb_fake_slaves_count_waiting (f->slaves, a), ==, 1);
  g_assert_null (build_fixture_cancel (f, 2, "enough"));
  assert_text (build_fixture_wait (f, 2), "cancelled: enough");
  g_assert_cmpuint (bb_fake_slaves_count_waiting (f->slaves, a), ==, 0);
  g_assert_cmpuint (bb_fake_slaves_count_places (f->slaves, a), ==, 0);
  submit (f, "one", 1);
  assert_places (f, "a");
}

/* A cancel that comes when the place was got, but before that was heard of. */
static void
test_cancel_late (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a = build_fixture_add (f, "a", 0, TRUE);
  BbFakeLink *link;

  submit (f, "one", 1);
  assert_places (f, "a");
  link = build_fixture_attach (f, "a");
  bb_fake_slaves_answer (f->slaves, a, NULL);
  g_assert_null (build_fixture_cancel (f, 1, "enough"));
  assert_text (build_fixture_wait (f, 1), "cancelled: enough");
  bb_test_run_pending ();
  g_assert_cmpuint (bb_fake_slaves_count_places (f->slaves, a), ==, 0);
  g_assert_cmpuint (bb_fake_link_count_commands (link), ==, 0);
}

/* A start that fails puts the build back where it was, and it waits for what comes. */
static void
test_start_fails (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a = build_fixture_add (f, "a", 0, TRUE);
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_QUOTA, "no capacity");

  submit (f, "one", 2);
  assert_places (f, "a -");
  bb_fake_slaves_answer (f->slaves, a, error);
  assert_places (f, "- -");
  assert_reason (f, 1, "a: next attempt in 10 s after: no capacity");
  g_assert_cmpuint (bb_fake_slaves_count_places (f->slaves, a), ==, 0);
  bb_fake_slaves_block (f->slaves, a, NULL);
  assert_places (f, "a -"); /* the head again, without a further event */
}

/* L7: what no retry can cure ends the build. */
static void
test_hopeless (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a = build_fixture_add (f, "a", 0, TRUE);
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_PERMANENT, "slave a: unknown image");

  submit (f, "one", 1);
  assert_places (f, "a");
  bb_fake_slaves_answer (f->slaves, a, error);
  assert_text (build_fixture_wait (f, 1), "exception: slave a: unknown image");
}

/* S9: a paused slave gets nothing; resumed it gets what waits, without a further event. S20: and it says so. */
static void
test_blocked (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *a;

  build_fixture_attach (f, "a");
  a = bb_slave_manager_find (f->slaves, "a");
  build_fixture_add (f, "b", 0, FALSE);
  bb_fake_slaves_block (f->slaves, a, "paused");
  submit (f, "one", 1);
  assert_places (f, "-");
  assert_reason (f, 1, "a: paused; b: not attached");
  bb_fake_slaves_block (f->slaves, a, NULL);
  assert_places (f, "a");
}

static void
test_wanted (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbSlave *b;

  build_fixture_attach (f, "a");
  b = build_fixture_add (f, "b", 0, FALSE);
  build_fixture_submit (f, "one", "{'slave': <'b'>}", NULL);
  submit (f, "one", 1);
  assert_places (f, "- a"); /* nobody stands behind what waits for b */
  assert_reason (f, 1, "b: not attached");
  build_fixture_attach (f, "b");
  assert_places (f, "b a");
  build_fixture_submit (f, "one", "{'slave': <'b'>}", NULL);
  bb_fake_slaves_remove (f->slaves, b);
  assert_reason (f, 3, "b: not configured any more");
}

/* S13, S16: a builder that goes lets its running build end and keeps those that wait until it comes back. */
static void
test_builder_comes_back (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *a = build_fixture_attach (f, "a");

  submit (f, "one", 2);
  assert_places (f, "a -");
  build_fixture_configure (f, SLAVES "[builder two]\nslavenames=a;\nsteps=s;\n" STEP);
  assert_reason (f, 2, "builder \"one\" is not configured any more");
  build_fixture_attach (f, "b");
  assert_places (f, "a -");
  build_fixture_configure (f, ONE);
  assert_places (f, "a b"); /* a still has the first one */
  end_command (f, a, "one");
  assert_text (build_fixture_wait (f, 1), "success");
  submit (f, "one", 1);
  assert_places (f, "b a");
}

static void
test_slave_leaves_builder (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *a = build_fixture_attach (f, "a");

  submit (f, "one", 2);
  assert_places (f, "a -");
  build_fixture_configure (f, SLAVES "[builder one]\nslavenames=b;\nsteps=s;\n" STEP);
  end_command (f, a, "one");
  assert_text (build_fixture_wait (f, 1), "success");
  assert_places (f, "-");
  assert_reason (f, 2, "no slave is configured for it");
  build_fixture_attach (f, "b");
  assert_places (f, "b");
}

/* S15: another slave under the same name, while the old one still has a build. */
static void
test_slave_replaced (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *old = build_fixture_attach (f, "a"), *link;

  submit (f, "one", 1);
  build_fixture_wait_command (f, old, "one");
  bb_fake_slaves_remove (f->slaves, bb_slave_manager_find (f->slaves, "a"));
  link = build_fixture_attach (f, "a");
  submit (f, "one", 1);
  assert_places (f, "a a");
  bb_fake_link_lose (old, "removed");
  assert_text (build_fixture_wait (f, 1), "retry: s: removed");
  end_command (f, link, "one");
  assert_text (build_fixture_wait (f, 2), "success");
  assert_places (f, "a"); /* the retry */
}

/* S19: what a lost slave held is free at once, and the next build goes elsewhere. */
static void
test_lost_frees (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *a = build_fixture_attach (f, "a");
  BbSlave *slave = bb_slave_manager_find (f->slaves, "a");

  submit (f, "one", 1);
  build_fixture_wait_command (f, a, "one");
  bb_fake_link_lose (a, "gone");
  bb_fake_slaves_attach (f->slaves, slave, NULL);
  assert_text (build_fixture_wait (f, 1), "retry: s: gone");
  g_assert_cmpuint (bb_fake_slaves_count_places (f->slaves, slave), ==, 0);
  build_fixture_attach (f, "a");
  assert_places (f, "a");
}

/* What a build costs does not depend on how many slaves there are. */
static void
test_flat (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GString) config = g_string_new ("[slave s{0001..2000}]\npassword=x\n[builder one]\nslavenames=s*;\n"
                                             "steps=s;\n" STEP);
  guint before, used;

  for (guint i = 1; i <= 2000; i++)
    {
      g_autofree char *name = g_strdup_printf ("s%04u", i);
      g_autoptr (BbFakeLink) link = bb_fake_link_new ();
      BbSlave *slave = bb_fake_slaves_add (f->slaves, name, 0, FALSE);

      bb_fake_slaves_attach (f->slaves, slave, BB_SLAVE_LINK (link));
    }
  build_fixture_configure (f, config->str);
  before = bb_fake_slaves_count_questions (f->slaves);
  submit (f, "one", 10);
  bb_test_run_pending ();
  g_assert_cmpuint (bb_build_master_count_running (f->master), ==, 10);
  used = bb_fake_slaves_count_questions (f->slaves) - before;
  g_assert_cmpuint (used, <=, 20); /* of availabilities: a slave's own events, and no more */
}

#define ADD(PATH, CONFIG, FUNC)                                                                                        \
  g_test_add (PATH, BuildFixture, CONFIG, build_fixture_set_up, FUNC, build_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  ADD ("/distributor/S3-max-builds", TWO, test_max_builds);
  ADD ("/distributor/S4-no-limit", TWO, test_no_limit);
  ADD ("/distributor/tiers", ONE, test_tiers);
  ADD ("/distributor/first", FIRST, test_first);
  ADD ("/distributor/least-loaded", TWO, test_least_loaded);
  ADD ("/distributor/random", RANDOM, test_random);
  ADD ("/distributor/overtaking", ONE, test_overtaking);
  ADD ("/distributor/L2-one-machine", TWO, test_one_machine);
  ADD ("/distributor/L11-L12-cancel-waiting", TWO, test_cancel_waiting);
  ADD ("/distributor/cancel-late", ONE, test_cancel_late);
  ADD ("/distributor/start-fails", ONE, test_start_fails);
  ADD ("/distributor/L7-hopeless", ONE, test_hopeless);
  ADD ("/distributor/S9-S20-blocked", ONE, test_blocked);
  ADD ("/distributor/wanted", ONE, test_wanted);
  ADD ("/distributor/S13-S16-builder-comes-back", ONE, test_builder_comes_back);
  ADD ("/distributor/slave-leaves-builder", ONE, test_slave_leaves_builder);
  ADD ("/distributor/S15-slave-replaced", ONE, test_slave_replaced);
  ADD ("/distributor/S19-lost-frees", ONE, test_lost_frees);
  ADD ("/distributor/flat", NULL, test_flat);
  return g_test_run ();
}
