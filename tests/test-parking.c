/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-fake-cloud.h"
#include "bb-log-trap.h"
#include "bb-slave-world.h"

/* Machines that are kept when they are idle: parked, and started again under the same row. */
typedef struct
{
  World *world;
  BbSlaveConfig *config; /* of "vm", until it is applied */
} Fixture;

static void
new_config (Fixture *f)
{
  world_begin (f->world);
  f->config = world_add_slave (f->world, "vm", "fake");
  f->config->settings->hourly_cost = 2;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->world = world_new ();
  f->world->with_reaper = TRUE;
  world_restart (f->world);
  bb_fake_cloud_set_can_park (TRUE);
  new_config (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autofree char *warnings = NULL;

  g_assert_cmpuint (bb_fake_cloud_count_overlaps (), ==, 0);
  g_assert_cmpuint (bb_fake_cloud_get_most_machines (), <=, 1);
  g_clear_pointer (&f->world, world_free);
  g_assert_cmpuint (bb_scripted_link_count_alive (), ==, 0);
  warnings = bb_log_trap_take_warnings ();
}

static BbLedgerRow *
get_row (Fixture *f)
{
  return bb_slave_manager_get_row (f->world->slaves, world_find (f->world, "vm"));
}

static void
run_build (Fixture *f, const char *slave)
{
  Request *request = world_acquire (f->world, slave, "hello", NULL);
  g_autoptr (BbScriptedLink) link = NULL;

  g_assert_false (request->done);
  link = world_attach (f->world, slave);
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
assert_parked (Fixture *f, const char *id)
{
  g_assert_cmpstr (world_substantiation (f->world, "vm"), ==, "insubstantiated");
  g_assert_nonnull (get_row (f));
  g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_PARKED);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (get_row (f)), ==, id);
  g_assert_cmpuint (bb_fake_cloud_count_parked (), ==, 1);
  g_assert_cmpfloat (bb_ledger_row_get_hourly_cost (get_row (f)), ==, 0);
}

static void
assert_gone (Fixture *f)
{
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 0);
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 0);
}

/* "vm" with a machine that was idle for too long. */
static void
park (Fixture *f)
{
  world_apply (f->world);
  run_build (f, "vm");
  world_advance (f->world, 601);
  assert_parked (f, "i-1");
}

static void
test_parked_and_started_again (Fixture *f, gconstpointer data)
{
  g_autofree char *token = NULL;
  g_autofree char *password = NULL;
  BbInstanceRequest *told;

  f->config->settings->auto_password = TRUE;
  park (f);
  token = g_strdup (bb_ledger_row_get_token (get_row (f)));
  password = g_strdup (bb_ledger_row_get_password (get_row (f)));
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 0);
  world_assert_why (f->world, "vm", "can be substantiated");
  g_assert_null (bb_login_host_get_password (BB_LOGIN_HOST (f->world->slaves), "vm"));

  /* for as long as nobody wants it */
  world_advance (f->world, 24 * 3600);
  assert_parked (f, "i-1");
  g_assert_cmpuint (bb_ledger_count_unconfirmed (f->world->ledger), ==, 0);

  run_build (f, "vm");
  told = bb_fake_cloud_get_last_request ();
  g_assert_cmpstr (bb_instance_request_get_parked_id (told), ==, "i-1");
  g_assert_cmpstr (bb_instance_request_get_token (told), ==, token);
  g_assert_cmpstr (bb_instance_request_get_password (told), ==, password); /* its disk remembers that one */
  g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_RUNNING);
  g_assert_cmpstr (bb_ledger_row_get_token (get_row (f)), ==, token);
  g_assert_cmpfloat (bb_ledger_get_hourly_cost (f->world->ledger), ==, 2);
  world_advance (f->world, 601);
  assert_parked (f, "i-1");
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 1);
}

static void
test_cost (Fixture *f, gconstpointer data)
{
  f->config->settings->build_wait_timeout = 3600;
  world_apply (f->world);
  run_build (f, "vm");
  world_advance (f->world, 3600);
  assert_parked (f, "i-1");
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->world->ledger), 2, 0.01);
  world_advance (f->world, 5 * 3600);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->world->ledger), 2, 0.01);

  /* the store remembers it */
  world_restart (f->world);
  new_config (f);
  f->config->settings->build_wait_timeout = 3600;
  world_apply (f->world);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->world->ledger), 2, 0.01);
  run_build (f, "vm");
  world_advance (f->world, 3600);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->world->ledger), 4, 0.02);
  bb_slave_manager_terminate_row (f->world->slaves, get_row (f));
  world_turn (f->world);
  assert_gone (f);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->world->ledger), 4, 0.02);
  world_restart (f->world);
  g_assert_cmpfloat_with_epsilon (bb_ledger_get_monthly_cost (f->world->ledger), 4, 0.02);
}

static void
test_limits (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;
  Request *other;

  f->world->limits.max_hourly_cost = 3;
  world_add_slave (f->world, "vm2", "fake")->settings->hourly_cost = 2;
  park (f);
  other = world_acquire (f->world, "vm2", "hello", NULL);
  link = world_attach (f->world, "vm2");
  g_assert_true (other->ok); /* a parked one takes no room */

  request = world_acquire (f->world, "vm", "hello", NULL);
  g_assert_true (request->done);
  g_assert_error (request->error, BB_ERROR, BB_ERROR_LIMIT);
  request_free (request);
  assert_parked (f, "i-1");
  g_assert_cmpint (bb_slave_manager_get_availability (f->world->slaves, world_find (f->world, "vm"), NULL), ==,
                   BB_UNAVAILABLE);

  request_release (other, BB_RESULT_SUCCESS);
  bb_slave_manager_insubstantiate (f->world->slaves, world_find (f->world, "vm2"), TRUE, NULL);
  world_advance (f->world, 1);
  world_assert_why (f->world, "vm", "can be substantiated");
  run_build (f, "vm");
  g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_RUNNING);
}

/* Substantiate() without a build waits for room, too, and asks once. */
static void
test_limits_by_hand (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *other;
  guint n_commits;

  f->world->limits.max_hourly_cost = 3;
  world_add_slave (f->world, "vm2", "fake")->settings->hourly_cost = 2;
  park (f);
  other = world_acquire (f->world, "vm2", "hello", NULL);
  link = world_attach (f->world, "vm2");
  n_commits = bb_memory_store_count_commits (f->world->store);
  g_assert_true (bb_slave_manager_substantiate (f->world->slaves, world_find (f->world, "vm"), NULL));
  world_advance (f->world, 100);
  assert_parked (f, "i-1");
  g_assert_cmpuint (bb_memory_store_count_commits (f->world->store), ==, n_commits);
  request_release (other, BB_RESULT_SUCCESS);
  bb_slave_manager_insubstantiate (f->world->slaves, world_find (f->world, "vm2"), TRUE, NULL);
  world_turn (f->world);
  g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_RUNNING);
}

/* ---- what ends it ---- */

static void
test_image_changes (Fixture *f, gconstpointer data)
{
  BbFakeConfig *config;

  park (f);
  new_config (f);
  world_apply (f->world);
  assert_parked (f, "i-1");
  new_config (f);
  config = f->config->plugin_config;
  g_free (config->image);
  config->image = g_strdup ("other");
  world_apply (f->world);
  assert_gone (f);
}

static void
test_slave_is_removed (Fixture *f, gconstpointer data)
{
  park (f);
  world_begin (f->world);
  world_apply (f->world);
  assert_gone (f);
}

static void
test_terminated (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  park (f);
  g_assert_false (bb_slave_manager_insubstantiate (f->world->slaves, world_find (f->world, "vm"), FALSE, &error));
  g_assert_cmpstr (error->message, ==,
                   "slave vm is not substantiated; terminate its parked instance if it is not wanted any more");
  bb_slave_manager_terminate_row (f->world->slaves, get_row (f));
  world_turn (f->world);
  assert_gone (f);
}

static void
test_lifetime (Fixture *f, gconstpointer data)
{
  f->world->max_lifetime = 5000;
  park (f);
  world_advance (f->world, 4000);
  assert_parked (f, "i-1");
  world_advance (f->world, 500);
  assert_gone (f);
}

/* L35: one that was made for other builds is not started for this one */
static void
test_choice (Fixture *f, gconstpointer data)
{
  BbFakeConfig *config = f->config->plugin_config;
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  g_free (config->image);
  config->image = g_strdup ("%(prop:image:-debian)s");
  park (f);
  request = world_acquire (f->world, "vm", "hello", g_variant_new_parsed ("{'image': <'ubuntu'>}"));
  link = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (get_row (f)), ==, "i-2");
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 1);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_uses_count_on (Fixture *f, gconstpointer data)
{
  f->config->settings->max_uses = 2;
  park (f);
  run_build (f, "vm");
  world_turn (f->world);
  assert_gone (f);
}

static void
test_only_good_ones (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  world_apply (f->world);
  /* one that never came */
  request = world_acquire (f->world, "vm", "hello", NULL);
  request_cancel (request);
  world_turn (f->world);
  assert_gone (f);
  /* one whose connection was lost */
  request = world_acquire (f->world, "vm", "hello", NULL);
  link = world_attach (f->world, "vm");
  request_release (request, BB_RESULT_SUCCESS);
  bb_scripted_link_lose (link);
  world_advance (f->world, 601);
  assert_gone (f);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("park"), ==, 0);
}

/* ---- what goes wrong ---- */

static void
test_park_fails (Fixture *f, gconstpointer data)
{
  world_apply (f->world);
  run_build (f, "vm");
  bb_fake_cloud_set_park (BB_CLOUD_FAILS, BB_ERROR_FAILED, "it has no disk to keep");
  world_advance (f->world, 601);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("park"), ==, 1);
  assert_gone (f);
}

static void
test_park_hangs (Fixture *f, gconstpointer data)
{
  world_apply (f->world);
  run_build (f, "vm");
  bb_fake_cloud_set_park (BB_CLOUD_IS_DEAF, 0, NULL);
  world_advance (f->world, 601);
  g_assert_cmpstr (world_substantiation (f->world, "vm"), ==, "insubstantiating");
  world_advance (f->world, 615);
  assert_gone (f);
  bb_fake_cloud_answer ("park", FALSE); /* late: no news */
  world_turn (f->world);
  assert_gone (f);
}

static void
test_wanted_while_parking (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  world_apply (f->world);
  run_build (f, "vm");
  bb_fake_cloud_set_park (BB_CLOUD_WAITS, 0, NULL);
  world_advance (f->world, 601);
  request = world_acquire (f->world, "vm", "hello", NULL);
  g_assert_false (request->done);
  bb_fake_cloud_answer ("park", TRUE);
  world_turn (f->world);
  link = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (get_row (f)), ==, "i-1");
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_terminated_while_parking (Fixture *f, gconstpointer data)
{
  gboolean forgotten = data != NULL;

  world_apply (f->world);
  run_build (f, "vm");
  bb_fake_cloud_set_park (BB_CLOUD_WAITS, 0, NULL);
  world_advance (f->world, 601);
  if (forgotten)
    bb_ledger_close (f->world->ledger, get_row (f), "forgotten by ann: mine", NULL, NULL);
  else
    bb_slave_manager_terminate_row (f->world->slaves, get_row (f));
  world_turn (f->world);
  bb_fake_cloud_answer ("park", TRUE);
  world_turn (f->world);
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 0);
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, forgotten ? 1 : 0);
  g_assert_cmpstr (world_substantiation (f->world, "vm"), ==, "insubstantiated");
}

static void
test_forgotten (Fixture *f, gconstpointer data)
{
  park (f);
  bb_ledger_close (f->world->ledger, get_row (f), "forgotten by ann: mine", NULL, NULL);
  world_turn (f->world);
  g_assert_null (get_row (f));
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 0);
  g_assert_cmpuint (bb_fake_cloud_count_parked (), ==, 1);
}

static void
test_start_fails (Fixture *f, gconstpointer data)
{
  Request *request;

  park (f);
  bb_fake_cloud_set_start (BB_CLOUD_FAILS, BB_ERROR_QUOTA, "no room for it");
  request = world_acquire (f->world, "vm", "hello", NULL);
  request_assert_failed (request, BB_ERROR, BB_ERROR_QUOTA, "slave vm: no room for it");
  assert_gone (f);
  /* the next one is fresh */
  bb_fake_cloud_set_start (BB_CLOUD_OBEYS, 0, NULL);
  world_advance (f->world, 15);
  run_build (f, "vm");
  g_assert_cmpstr (bb_ledger_row_get_instance_id (get_row (f)), ==, "i-2");
}

static void
test_given_up_before_start (Fixture *f, gconstpointer data)
{
  Request *request;

  park (f);
  bb_memory_store_set_hanging (f->world->store, TRUE);
  request = world_acquire (f->world, "vm", "hello", NULL);
  g_assert_cmpstr (world_substantiation (f->world, "vm"), ==, "substantiating");
  request_cancel (request);
  bb_memory_store_set_hanging (f->world->store, FALSE);
  world_turn (f->world);
  assert_parked (f, "i-1");
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
}

static void
test_disk_full (Fixture *f, gconstpointer data)
{
  Request *request;

  park (f);
  bb_memory_store_set_failing (f->world->store, TRUE);
  request = world_acquire (f->world, "vm", "hello", NULL);
  g_assert_true (request->done && !request->ok);
  request_free (request);
  assert_parked (f, "i-1"); /* durable before paid */
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
  bb_memory_store_set_failing (f->world->store, FALSE);
  world_advance (f->world, 15);
  run_build (f, "vm");
}

/* ---- restarts, and what the reaper sees ---- */

static void
test_restart (Fixture *f, gconstpointer data)
{
  park (f);
  world_restart (f->world);
  new_config (f);
  world_apply (f->world);
  assert_parked (f, "i-1");
  world_advance (f->world, 3600); /* long after the grace */
  assert_parked (f, "i-1");
  run_build (f, "vm");
  g_assert_cmpstr (bb_ledger_row_get_instance_id (get_row (f)), ==, "i-1");
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 1);
}

static void
test_restart_with_changes (Fixture *f, gconstpointer data)
{
  const char *change = data;
  BbFakeConfig *config;

  park (f);
  world_restart (f->world);
  if (g_str_equal (change, "removed"))
    {
      world_begin (f->world);
      world_add_slave (f->world, "other", "fake"); /* has access to the same account */
    }
  else
    new_config (f);
  if (g_str_equal (change, "image"))
    {
      config = f->config->plugin_config;
      g_free (config->image);
      config->image = g_strdup ("other");
    }
  if (g_str_equal (change, "mode"))
    bb_fake_cloud_set_can_park (FALSE);
  world_apply (f->world);
  world_advance (f->world, 400);
  assert_gone (f);
}

/* The daemon dies between the wish and the row's end: it can't tell what the machine was made with. */
static void
test_killed_while_parking (Fixture *f, gconstpointer data)
{
  world_apply (f->world);
  run_build (f, "vm");
  bb_fake_cloud_set_park (BB_CLOUD_WAITS, 0, NULL);
  world_advance (f->world, 601);
  bb_memory_store_set_failing (f->world->store, TRUE);
  bb_fake_cloud_answer ("park", TRUE); /* done, and the row does not say so */
  world_restart (f->world);
  bb_memory_store_set_failing (f->world->store, FALSE);
  new_config (f);
  world_apply (f->world);
  g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_RUNNING);
  world_advance (f->world, 400);
  assert_gone (f);
}

static void
test_woken_by_somebody (Fixture *f, gconstpointer data)
{
  park (f);
  bb_fake_cloud_wake ("vm");
  world_advance (f->world, 301);
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 1); /* seen once */
  world_advance (f->world, 40);
  assert_gone (f);
}

static void
test_lost (Fixture *f, gconstpointer data)
{
  park (f);
  bb_fake_cloud_kill ("vm");
  world_advance (f->world, 400);
  assert_gone (f);
  run_build (f, "vm");
}

static void
test_shutdown (Fixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;

  world_apply (f->world);
  run_build (f, "vm");
  if (data != NULL)
    world_advance (f->world, 601);
  bb_slave_manager_shutdown_async (f->world->slaves, bb_loop_now_us (f->world->loop) + 60 * G_USEC_PER_SEC,
                                   bb_test_store_result, &result);
  world_advance (f->world, 1);
  g_assert_nonnull (result);
  assert_parked (f, "i-1");
}

#define TEST(PATH, FUNC) g_test_add (PATH, Fixture, NULL, set_up, FUNC, tear_down)
#define TEST_DATA(PATH, DATA, FUNC) g_test_add (PATH, Fixture, DATA, set_up, FUNC, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();

  TEST ("/parking/L13/parked-and-started-again", test_parked_and_started_again);
  TEST ("/parking/C8/cost", test_cost);
  TEST ("/parking/C7-C8/limits", test_limits);
  TEST ("/parking/C7-C8/limits-by-hand", test_limits_by_hand);
  TEST ("/parking/L30/image-changes", test_image_changes);
  TEST ("/parking/C6/slave-is-removed", test_slave_is_removed);
  TEST ("/parking/C15/terminated", test_terminated);
  TEST ("/parking/C9/lifetime", test_lifetime);
  TEST ("/parking/L35/choice", test_choice);
  TEST ("/parking/uses-count-on", test_uses_count_on);
  TEST ("/parking/L21/only-good-ones", test_only_good_ones);
  TEST ("/parking/L24/park-fails", test_park_fails);
  TEST ("/parking/L25/park-hangs", test_park_hangs);
  TEST ("/parking/L17/wanted-while-parking", test_wanted_while_parking);
  TEST_DATA ("/parking/C15/terminated-while-parking", NULL, test_terminated_while_parking);
  TEST_DATA ("/parking/C16/forgotten-while-parking", "forgotten", test_terminated_while_parking);
  TEST ("/parking/C16/forgotten", test_forgotten);
  TEST ("/parking/L6/start-fails", test_start_fails);
  TEST ("/parking/L11/given-up-before-start", test_given_up_before_start);
  TEST ("/parking/C1/disk-full", test_disk_full);
  TEST ("/parking/C2/restart", test_restart);
  TEST_DATA ("/parking/L30/restart/image", "image", test_restart_with_changes);
  TEST_DATA ("/parking/C6/restart/removed", "removed", test_restart_with_changes);
  TEST_DATA ("/parking/restart/mode", "mode", test_restart_with_changes);
  TEST ("/parking/C2/killed-while-parking", test_killed_while_parking);
  TEST ("/parking/woken-by-somebody", test_woken_by_somebody);
  TEST ("/parking/C3-C10/lost", test_lost);
  TEST_DATA ("/parking/L31/shutdown-idle", NULL, test_shutdown);
  TEST_DATA ("/parking/L31/shutdown-parked", "parked", test_shutdown);
  return g_test_run ();
}
