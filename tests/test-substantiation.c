/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-fake-cloud.h"
#include "bb-log-trap.h"
#include "bb-slave-world.h"

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
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->world = world_new ();
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
assert_state (Fixture *f, const char *state, guint n_machines, guint n_rows)
{
  g_assert_cmpstr (world_substantiation (f->world, "vm"), ==, state);
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, n_machines);
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, n_rows);
}

/* An instance with its slave attached and one build on it. */
static Request *
run_build (Fixture *f, BbScriptedLink **link)
{
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "hello", NULL);
  *link = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  return request;
}

static const char *
last_error (Fixture *f)
{
  return bb_slave_get_last_error (world_find (f->world, "vm"));
}

/* ---- the way up ---- */

static void
test_first_build (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;
  BbInstanceRequest *told;
  GVariant *properties;
  const char *text = NULL;
  g_autofree char *filled_in = NULL;

  g_variant_unref (f->config->settings->properties);
  f->config->settings->properties
    = g_variant_ref_sink (g_variant_new_parsed ("{'os': <'linux'>, 'own': <true>}"));
  world_apply (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  world_assert_why (f->world, "vm", "can be substantiated");
  request = world_acquire (f->world, "vm", "hello", g_variant_new_parsed ("{'os': <'any'>, 'n': <3>}"));
  assert_state (f, "substantiating", 1, 1);
  g_assert_cmpstr (world_state (f->world, "vm"), ==, "substantiating");
  g_assert_false (request->done);
  g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_RUNNING);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (get_row (f)), ==, "i-1");

  told = bb_fake_cloud_get_last_request ();
  g_assert_cmpstr (bb_instance_request_get_token (told), ==, bb_ledger_row_get_token (get_row (f)));
  g_assert_cmpstr (bb_instance_request_get_password (told), ==, "pw-vm");
  g_assert_cmpstr (bb_instance_request_get_master_host (told), ==, "master.example.org");
  g_assert_cmpuint (bb_instance_request_get_master_port (told), ==, 9989);
  g_assert_true (bb_instance_request_get_tls (told));
  text = filled_in = bb_instance_request_interpolate (told, "%(master:protocol)s %(master:tls)s %(master:host)s:%(master:port)s",
                                                      NULL);
  g_assert_cmpstr (text, ==, "pb true master.example.org:9989");
  properties = bb_instance_request_get_properties (told);
  g_assert_true (g_variant_lookup (properties, "os", "&s", &text));
  g_assert_cmpstr (text, ==, "linux"); /* S5: the slave's own win */
  g_assert_true (g_variant_lookup (properties, "slavename", "&s", &text));
  g_assert_cmpstr (text, ==, "vm");

  link = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  assert_state (f, "substantiated", 1, 1);
  g_assert_cmpuint (bb_scripted_link_count (link, "ping"), ==, 1);
  world_assert_why (f->world, "vm", "substantiated");
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_three_builds (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *one;
  Request *two;
  Request *three;

  f->config->settings->max_builds = 3;
  world_apply (f->world);
  one = world_acquire (f->world, "vm", "a", NULL);
  two = world_acquire (f->world, "vm", "b", NULL);
  three = world_acquire (f->world, "vm", "c", NULL);
  world_assert_why (f->world, "vm", "unavailable: all 3 places are taken");
  link = world_attach (f->world, "vm");
  g_assert_true (one->ok && two->ok && three->ok);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);

  /* L14: the clock starts with the last one's end */
  request_release (one, BB_RESULT_SUCCESS);
  request_release (two, BB_RESULT_SUCCESS);
  world_advance (f->world, 1000);
  assert_state (f, "substantiated", 1, 1);
  request_release (three, BB_RESULT_SUCCESS);
  world_advance (f->world, 599);
  assert_state (f, "substantiated", 1, 1);
  world_advance (f->world, 2);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_false (bb_scripted_link_is_open (link));
}

static void
test_two_slaves (Fixture *f, gconstpointer data)
{
  Request *one;
  Request *two;

  world_add_slave (f->world, "vm2", "fake");
  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_WAITS, 0, NULL);
  one = world_acquire (f->world, "vm", "a", NULL);
  two = world_acquire (f->world, "vm2", "a", NULL);
  g_assert_cmpuint (bb_fake_cloud_count_waiting ("start"), ==, 2);
  request_cancel (one);
  request_cancel (two);
}

static void
test_attach_first (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_WAITS, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  link = world_attach (f->world, "vm");
  g_assert_cmpstr (bb_scripted_link_get_refusal (link), ==, NULL);
  assert_state (f, "substantiating", 0, 1);
  bb_fake_cloud_answer ("start", TRUE);
  world_turn (f->world);
  g_assert_true (request->ok);
  assert_state (f, "substantiated", 1, 1);
  request_release (request, BB_RESULT_SUCCESS);
}

/* It attaches first, is lost, and comes again. */
static void
test_attach_first_and_again (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_WAITS, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  link = world_attach (f->world, "vm");
  bb_scripted_link_lose (link);
  bb_fake_cloud_answer ("start", TRUE);
  world_turn (f->world);
  g_assert_false (request->done);
  again = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

/* ---- starts that fail ---- */

static void
test_not_now (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_FAILS, BB_ERROR_NOT_NOW, "the host is being serviced");
  request = world_acquire (f->world, "vm", "a", NULL);
  request_assert_failed (request, BB_ERROR, BB_ERROR_NOT_NOW, "slave vm: the host is being serviced");
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpint (bb_slave_manager_get_availability (f->world->slaves, world_find (f->world, "vm"), NULL), ==,
                   BB_UNAVAILABLE);
  g_string_truncate (f->world->availability, 0);
  world_advance (f->world, 13);
  g_assert_cmpstr (f->world->availability->str, ==, "vm ");
  world_assert_why (f->world, "vm", "can be substantiated");
}

static void
test_start_fails (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_FAILS, BB_ERROR_FAILED, "the cloud is broken");
  request = world_acquire (f->world, "vm", "a", NULL);
  request_assert_failed (request, BB_ERROR, BB_ERROR_FAILED, "slave vm: the cloud is broken");
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 1); /* what was made is removed */
  g_assert_cmpstr (last_error (f), ==, "the cloud is broken");
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpstr (bb_slave_get_state_reason (world_find (f->world, "vm")), ==, "start-failed: the cloud is broken");

  bb_slave_manager_resume (f->world->slaves, world_find (f->world, "vm"));
  bb_fake_cloud_set_start (BB_CLOUD_OBEYS, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  link = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  g_assert_cmpstr (last_error (f), ==, "");
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_answer_lost (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_LOSES_ANSWER, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  request_assert_failed (request, BB_ERROR, BB_ERROR_TIMEOUT, NULL);
  /* found again by its token */
  assert_state (f, "insubstantiated", 0, 0);
}

/* The cloud lists the machine only a while after it was made: that its token finds nothing proves nothing before. */
static void
test_answer_lost_listed_late (Fixture *f, gconstpointer data)
{
  world_apply (f->world);
  bb_fake_cloud_set_listing_delay (f->world->loop, 30);
  bb_fake_cloud_set_start (BB_CLOUD_LOSES_ANSWER, 0, NULL);
  request_assert_failed (world_acquire (f->world, "vm", "a", NULL), BB_ERROR, BB_ERROR_TIMEOUT, NULL);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 1);
  assert_state (f, "insubstantiating", 1, 1);
  world_advance (f->world, 29);
  assert_state (f, "insubstantiating", 1, 1);
  world_advance (f->world, 1);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 2);
  assert_state (f, "insubstantiated", 0, 0);
}

/* Nothing was made: the row is open until that is certain, whoever asks meanwhile; the slave is free again then. */
static void
test_not_found_twice (Fixture *f, gconstpointer data)
{
  world_apply (f->world);
  bb_fake_cloud_set_listing_delay (f->world->loop, 30);
  bb_fake_cloud_set_start (BB_CLOUD_FAILS, BB_ERROR_TIMEOUT, "no answer");
  request_assert_failed (world_acquire (f->world, "vm", "a", NULL), BB_ERROR, BB_ERROR_TIMEOUT, NULL);
  world_advance (f->world, 10);
  g_assert_true (bb_slave_manager_insubstantiate (f->world->slaves, world_find (f->world, "vm"), TRUE, NULL));
  world_turn (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 2);
  assert_state (f, "insubstantiating", 0, 1);
  world_advance (f->world, 20);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 3);
  assert_state (f, "insubstantiated", 0, 0);
  world_assert_why (f->world, "vm", "can be substantiated");
}

/* The answer to the start was lost with the daemon. */
/* @with_vm: or only somebody else who has access to its machine */
static void
configure_keeper (Fixture *f, gboolean with_vm)
{
  world_begin (f->world);
  world_add_slave (f->world, "keeper", "fake");
  if (with_vm)
    world_add_slave (f->world, "vm", "fake");
  world_apply (f->world);
}

/* A slave that comes back while the reaper is at the instance that it left: one of them must do it. */
static void
test_back_while_reaped (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  f->world->with_reaper = TRUE;
  world_restart (f->world);
  bb_scripted_link_lose (link);
  request_free (request);
  bb_fake_cloud_set_stop (BB_CLOUD_IS_DEAF, 0, NULL);
  configure_keeper (f, FALSE);
  world_advance (f->world, 300);
  g_assert_cmpuint (bb_fake_cloud_count_waiting ("stop"), ==, 1);
  configure_keeper (f, TRUE);
  request_assert_failed (world_acquire (f->world, "vm", "a", NULL), BB_ERROR, BB_ERROR_NOT_NOW,
                         "slave vm: instance 1 (fake in here) of before has not been stopped yet");
  g_assert_cmpuint (bb_fake_cloud_count_overlaps (), ==, 0);
  g_string_truncate (f->world->availability, 0);
  bb_fake_cloud_answer ("stop", TRUE);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpstr (f->world->availability->str, ==, "vm ");
}

static void
test_answer_lost_in_restart (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_listing_delay (f->world->loop, 30);
  bb_fake_cloud_set_start (BB_CLOUD_IS_DEAF, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_restart (f->world);
  request_assert_failed (request, G_IO_ERROR, G_IO_ERROR_CANCELLED, NULL);
  world_apply (f->world);
  bb_fake_cloud_answer ("start", TRUE);
  g_assert_true (bb_slave_manager_insubstantiate (f->world->slaves, world_find (f->world, "vm"), TRUE, NULL));
  world_turn (f->world);
  assert_state (f, "insubstantiating", 1, 1);
  world_advance (f->world, 30);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_permanent (Fixture *f, gconstpointer data)
{
  static const int codes[] = { BB_ERROR_PERMANENT, BB_ERROR_CREDENTIALS };

  world_apply (f->world);
  for (guint i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      bb_fake_cloud_set_start (BB_CLOUD_FAILS, codes[i], "there is no image \"debain\"");
      request_assert_failed (world_acquire (f->world, "vm", "a", NULL), BB_ERROR, BB_ERROR_PERMANENT,
                             "slave vm: there is no image \"debain\"");
      bb_slave_manager_resume (f->world->slaves, world_find (f->world, "vm"));
    }
  bb_fake_cloud_set_start (BB_CLOUD_FAILS, BB_ERROR_QUOTA, "quota exceeded");
  request_assert_failed (world_acquire (f->world, "vm", "a", NULL), BB_ERROR, BB_ERROR_QUOTA,
                         "slave vm: quota exceeded");
}

static void
test_backoff_of_starts (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;
  gint64 last_us = 0;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_FAILS, BB_ERROR_FAILED, "no");
  /* C14: a day of failing starts */
  for (double left = 86400; left > 0; left -= 10)
    {
      if (bb_slave_manager_get_availability (f->world->slaves, world_find (f->world, "vm"), NULL) != BB_UNAVAILABLE)
        request_assert_failed (world_acquire (f->world, "vm", "a", NULL), BB_ERROR, BB_ERROR_FAILED, NULL);
      world_advance (f->world, 10);
    }
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), >=, 20);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), <=, 50);
  assert_state (f, "insubstantiated", 0, 0);

  /* resume ends the pause; one good build sets it back */
  bb_fake_cloud_set_start (BB_CLOUD_OBEYS, 0, NULL);
  bb_slave_manager_resume (f->world->slaves, world_find (f->world, "vm"));
  request = world_acquire (f->world, "vm", "a", NULL);
  link = world_attach (f->world, "vm");
  request_release (request, BB_RESULT_SUCCESS);
  request = world_acquire (f->world, "vm", "a", NULL);
  last_us = bb_loop_wall_us (f->world->loop);
  request_release (request, BB_RESULT_EXCEPTION);
  g_assert_cmpint (bb_slave_get_next_attempt_us (world_find (f->world, "vm")) - last_us, <=, 13 * G_USEC_PER_SEC);
}

static void
test_never_attaches (Fixture *f, gconstpointer data)
{
  const char *who[] = { "bob@example.com", NULL };
  Request *request;

  f->config->settings->missing_timeout = 100;
  f->config->settings->notify_on_missing = g_strdupv ((char **) who);
  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_advance (f->world, 99);
  g_assert_false (request->done);
  world_advance (f->world, 2);
  request_assert_failed (request, BB_ERROR, BB_ERROR_TIMEOUT,
                         "slave vm: instance i-1 was started, but its slave did not attach within 100 s "
                         "(missing_timeout)");
  g_assert_cmpuint (world_count_notices (f->world, BB_NOTICE_SLAVE_NEVER_CAME), ==, 1);
  g_assert_cmpstr (world_last_summary (f->world), ==,
                   "slave vm was never substantiated: instance i-1 was started, but its slave did not attach within "
                   "100 s (missing_timeout)");
  assert_state (f, "insubstantiated", 0, 0);
  world_advance (f->world, 20);
  world_assert_why (f->world, "vm", "can be substantiated");
}

/* A start that hangs is cancelled by missing_timeout, too. */
static void
test_start_hangs (Fixture *f, gconstpointer data)
{
  Request *request;

  f->config->settings->missing_timeout = 100;
  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_WAITS, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_advance (f->world, 101);
  request_assert_failed (request, BB_ERROR, BB_ERROR_TIMEOUT,
                         "slave vm: its start did not end within 100 s (missing_timeout)");
  assert_state (f, "insubstantiated", 0, 0);
}

/* One that does not even obey its cancellation holds the slave, and people hear of it; it is never left alone. */
static void
test_start_is_deaf (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_IS_DEAF, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  request_cancel (request);
  world_advance (f->world, 1000);
  assert_state (f, "insubstantiating", 0, 1);
  g_assert_cmpuint (world_count_notices (f->world, BB_NOTICE_INSTANCE_TROUBLE), ==, 1);
  g_assert_cmpstr (world_last_summary (f->world), ==,
                   "the start of an instance of slave vm was given up 60 s ago, but its backend fake has not "
                   "returned; the slave can't be used before that");
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 0);
  bb_fake_cloud_answer ("start", TRUE);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 1);
}

static void
test_dies_at_boot (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_advance (f->world, 11);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("check"), ==, 1);
  g_assert_cmpint (bb_ledger_row_get_confirmed_at_us (get_row (f)), >, 0);
  bb_fake_cloud_set_check (BB_INSTANCE_FAILED, "kernel panic");
  world_advance (f->world, 10);
  request_assert_failed (request, BB_ERROR, BB_ERROR_FAILED, "slave vm: instance i-1 failed: kernel panic");
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_gone_at_boot (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  bb_fake_cloud_set_check (BB_INSTANCE_GONE, NULL);
  world_advance (f->world, 11);
  g_assert_false (request->done); /* C10: not believed the first time */
  bb_fake_cloud_set_check (BB_INSTANCE_STARTING, NULL);
  world_advance (f->world, 10);
  bb_fake_cloud_kill ("vm");
  world_advance (f->world, 10);
  g_assert_false (request->done);
  world_advance (f->world, 10);
  request_assert_failed (request, BB_ERROR, BB_ERROR_FAILED, "slave vm: instance i-1 is gone");
  assert_state (f, "insubstantiated", 0, 0);
}

/* A look that hangs does not keep others from being made. */
static void
test_check_hangs (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_check_manner (BB_CLOUD_IS_DEAF);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_advance (f->world, 65);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("check"), ==, 1);
  world_advance (f->world, 30);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("check"), ==, 2);
  request_cancel (request);
  bb_fake_cloud_answer ("check", TRUE);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
}

/* ---- L11, L12: given up ---- */

static void
test_cancelled_while_starting (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_WAITS_LATE, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  g_cancellable_cancel (request->cancellable);
  g_assert_cmpstr (world_substantiation (f->world, "vm"), ==, "insubstantiating");
  world_turn (f->world);
  request_assert_failed (request, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the build was given up");
  /* it came all the same, and was stopped by its id */
  g_assert_cmpuint (bb_fake_cloud_get_most_machines (), ==, 1);
  assert_state (f, "insubstantiated", 0, 0);
  world_assert_why (f->world, "vm", "can be substantiated"); /* nobody's failure */
}

static void
test_cancelled_while_waiting (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  assert_state (f, "substantiating", 1, 1);
  request_cancel (request);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_cancelled_while_writing (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_memory_store_set_hanging (f->world->store, TRUE);
  request = world_acquire (f->world, "vm", "a", NULL);
  request_cancel (request);
  bb_memory_store_set_hanging (f->world->store, FALSE);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 0);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 0);
}

static void
test_cancelled_for_one (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *one;
  Request *two;

  world_apply (f->world);
  one = world_acquire (f->world, "vm", "a", NULL);
  two = world_acquire (f->world, "vm", "b", NULL);
  request_cancel (one);
  assert_state (f, "substantiating", 1, 1);
  link = world_attach (f->world, "vm");
  g_assert_true (two->ok);
  request_release (two, BB_RESULT_SUCCESS);
}

/* ---- L13 to L16, L36, L39: idle ---- */

static void
test_idle (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 500);
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_true (request->ok);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
  world_advance (f->world, 10000); /* no clock runs during a build */
  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 599);
  assert_state (f, "substantiated", 1, 1);
  world_advance (f->world, 2);
  assert_state (f, "insubstantiated", 0, 0);
}

/* The clock would end while the build that was given the slave is still being handed over. */
static void
test_idle_during_handover (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 599);
  bb_scripted_link_set_manner (link, "ping", BB_LINK_SILENT);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_advance (f->world, 30);
  assert_state (f, "substantiated", 1, 1);
  request_cancel (request);
  world_advance (f->world, 599);
  assert_state (f, "substantiated", 1, 1);
  world_advance (f->world, 2);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_wait_timeout_zero (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) fresh = NULL;
  Request *one;
  Request *two;

  f->config->settings->build_wait_timeout = 0;
  f->config->settings->max_builds = 1;
  one = run_build (f, &link);
  bb_fake_cloud_set_stop (BB_CLOUD_WAITS, 0, NULL);
  bb_slave_manager_release (f->world->slaves, one->slave, one->builder, BB_RESULT_SUCCESS);
  /* before anybody else gets a turn */
  g_assert_cmpstr (world_substantiation (f->world, "vm"), ==, "insubstantiating");
  request_free (one);
  two = world_acquire (f->world, "vm", "a", NULL);
  g_assert_false (two->done);
  bb_fake_cloud_answer ("stop", TRUE);
  world_turn (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 2);
  fresh = world_attach (f->world, "vm");
  g_assert_true (two->ok);
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  request_release (two, BB_RESULT_SUCCESS);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_wait_timeout_negative (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  Request *request;

  f->config->settings->build_wait_timeout = -1;
  request = run_build (f, &link);
  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 1000000);
  assert_state (f, "substantiated", 1, 1);
  bb_scripted_link_lose (link);
  world_advance (f->world, 10);
  again = world_attach (f->world, "vm"); /* a lost connection that comes back is accepted */
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_true (request->ok);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_attaches_unasked (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  Request *request;

  f->config->settings->build_wait_timeout = -1;
  world_apply (f->world);
  link = world_attach (f->world, "vm");
  assert_state (f, "substantiated", 0, 0);
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
  bb_scripted_link_lose (link);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  again = world_attach (f->world, "vm");
  assert_state (f, "substantiated", 0, 0);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 0); /* it is not ours */
}

static void
test_nobody_asked (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autofree char *warnings = NULL;

  world_apply (f->world);
  link = world_login (f->world, "vm", "pw-vm");
  g_assert_cmpstr (bb_scripted_link_get_refusal (link), ==,
                   "nobody asked for this slave: it is not being substantiated");
  warnings = bb_log_trap_take_warnings ();
  g_assert_cmpstr (warnings, ==,
                   "slave vm: refused a login from 192.0.2.1:4711: nobody asked for this slave: it is not being "
                   "substantiated\n");
}

static void
test_substantiate (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  g_autoptr (GError) error = NULL;
  Request *request;

  world_apply (f->world);
  g_assert_true (bb_slave_manager_substantiate (f->world->slaves, world_find (f->world, "vm"), &error));
  world_turn (f->world);
  link = world_attach (f->world, "vm");
  world_advance (f->world, 599);
  assert_state (f, "substantiated", 1, 1);
  world_advance (f->world, 2);
  assert_state (f, "insubstantiated", 0, 0);

  g_assert_true (bb_slave_manager_substantiate (f->world->slaves, world_find (f->world, "vm"), &error));
  world_turn (f->world);
  again = world_attach (f->world, "vm");
  world_advance (f->world, 300);
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_true (request->ok);
  world_advance (f->world, 10000);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_insubstantiate (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) again = NULL;
  g_autoptr (GError) error = NULL;
  BbSlave *slave;
  Request *request;

  world_apply (f->world);
  slave = world_find (f->world, "vm");
  g_assert_false (bb_slave_manager_insubstantiate (f->world->slaves, slave, FALSE, &error));
  g_assert_cmpstr (error->message, ==, "slave vm is not substantiated");
  g_clear_error (&error);

  /* during substantiation: given up and stopped */
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_true (bb_slave_manager_insubstantiate (f->world->slaves, slave, FALSE, &error));
  world_turn (f->world);
  request_assert_failed (request, BB_ERROR, BB_ERROR_LOST, "slave vm: insubstantiated by a person");
  assert_state (f, "insubstantiated", 0, 0);

  /* while building: refused, then forced */
  request = world_acquire (f->world, "vm", "a", NULL);
  link = world_attach (f->world, "vm");
  g_assert_false (bb_slave_manager_insubstantiate (f->world->slaves, slave, FALSE, &error));
  g_assert_cmpstr (error->message, ==,
                   "slave vm runs 1 build; wait for its end, cancel it, or insubstantiate with force");
  g_clear_error (&error);
  g_assert_true (bb_slave_manager_insubstantiate (f->world->slaves, slave, TRUE, &error));
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==, "insubstantiated by a person");
  world_turn (f->world);
  g_assert_true (bb_fake_cloud_get_last_fast ());
  request_release (request, BB_RESULT_RETRY);
  assert_state (f, "insubstantiated", 0, 0);

  /* while idle */
  request = world_acquire (f->world, "vm", "a", NULL);
  again = world_attach (f->world, "vm");
  request_release (request, BB_RESULT_SUCCESS);
  g_assert_true (bb_slave_manager_insubstantiate (f->world->slaves, slave, FALSE, &error));
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
}

/* ---- L17 to L19, L21 to L26: the way down ---- */

static void
test_build_while_stopping (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) fresh = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_WAITS, 0, NULL);
  world_advance (f->world, 601);
  assert_state (f, "insubstantiating", 1, 1);
  world_assert_why (f->world, "vm", "can be substantiated");
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
  bb_scripted_link_lose (link); /* L19: it goes while it is being stopped */
  bb_fake_cloud_answer ("stop", TRUE);
  world_turn (f->world);
  assert_state (f, "substantiating", 1, 1);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 2);
  fresh = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_build_while_stopping_cancelled (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_WAITS, 0, NULL);
  world_advance (f->world, 601);
  request = world_acquire (f->world, "vm", "a", NULL);
  request_cancel (request);
  bb_fake_cloud_answer ("stop", TRUE);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
}

/* The old connection's end comes when the next attempt is under way already: it was ours to close. */
static void
test_late_detach (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) late = NULL;
  g_autoptr (BbScriptedLink) fresh = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 601);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==, "its instance was stopped");
  request = world_acquire (f->world, "vm", "a", NULL);
  g_signal_emit_by_name (link, "lost", NULL);
  assert_state (f, "substantiating", 1, 1);
  late = NULL;
  fresh = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_lost_while_idle (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) fresh = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 5);
  bb_scripted_link_lose (link);
  world_turn (f->world);
  assert_state (f, "substantiated", 1, 1);
  world_assert_why (f->world, "vm", "can be substantiated");
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 1);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 2);
  fresh = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

/* E18: it is looked at once its connection is lost, so that a dead one is not paid for until the idle clock ends. */
static void
test_lost_and_dead (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 5);
  bb_fake_cloud_kill ("vm");
  bb_scripted_link_lose (link);
  world_advance (f->world, 11);
  assert_state (f, "insubstantiated", 0, 0);
}

/* One that is lost and stays so ends with the idle clock. */
static void
test_lost_and_idle (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 300);
  bb_scripted_link_lose (link);
  world_advance (f->world, 301);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_lost_while_building (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) fresh = NULL;
  Request *request = run_build (f, &link);

  bb_scripted_link_lose (link);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  request_release (request, BB_RESULT_RETRY);
  request = world_acquire (f->world, "vm", "hello", NULL);
  fresh = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

/* The build's end may be told before the loss that caused it. */
static void
test_lost_after_retry (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  bb_slave_manager_release (f->world->slaves, request->slave, request->builder, BB_RESULT_RETRY);
  request_free (request);
  bb_scripted_link_lose (link);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_cut_while_stopping (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_scripted_link_set_manner (link, "ping", BB_LINK_SILENT);
  world_advance (f->world, 601);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpuint (bb_slave_manager_count_attached (f->world->slaves), ==, 0);
}

static void
test_stop_fails (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) late = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_FAILS, BB_ERROR_FAILED, "protected against termination");
  world_advance (f->world, 601);
  assert_state (f, "insubstantiating", 1, 1);
  world_assert_why (f->world, "vm",
                    "unavailable: its last instance could not be stopped yet: protected against termination");
  request = world_acquire (f->world, "vm", "a", NULL);
  request_assert_failed (request, BB_ERROR, BB_ERROR_NOT_NOW, NULL);
  world_advance (f->world, 13);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 2);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
  world_advance (f->world, 26);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 3);
  g_assert_cmpuint (world_count_notices (f->world, BB_NOTICE_INSTANCE_TROUBLE), ==, 1);
  g_assert_cmpstr (world_last_summary (f->world), ==,
                   "instance i-1 of slave vm can't be stopped and may cost money: 3 attempts failed, the last one "
                   "with: protected against termination");
  world_advance (f->world, 86400);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), >=, 100);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), <=, 250);
  g_assert_cmpuint (f->world->notices->len, ==, 1);
  assert_state (f, "insubstantiating", 1, 1);
  late = world_login (f->world, "vm", "pw-vm");
  g_assert_cmpstr (bb_scripted_link_get_refusal (late), ==,
                   "nobody asked for this slave: its instance is being stopped");

  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  world_advance (f->world, 800);
  assert_state (f, "insubstantiated", 0, 0);
  world_assert_why (f->world, "vm", "can be substantiated");
}

static void
test_stop_hangs (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);
  BbCloudManner manner = GPOINTER_TO_INT (data);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (manner, 0, NULL);
  world_advance (f->world, 601);
  assert_state (f, "insubstantiating", 1, 1);
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  world_advance (f->world, 590);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 1);
  world_advance (f->world, 45);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, 2);
  assert_state (f, "insubstantiated", 0, 0);
}

/* A stop that was given up long ago confirms all the same. */
static void
test_stop_confirms_late (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_IS_DEAF, 0, NULL);
  world_advance (f->world, 601 + 612);
  assert_state (f, "insubstantiating", 1, 1);
  bb_fake_cloud_answer ("stop", TRUE);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_stop_answer_lost (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_LOSES_ANSWER, 0, NULL);
  world_advance (f->world, 601);
  assert_state (f, "insubstantiating", 0, 1); /* only the backend's word closes the row */
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  world_advance (f->world, 13);
  assert_state (f, "insubstantiated", 0, 0);
}

/* ---- L27, L28: set-up ---- */

static void
test_setup_fails (Fixture *f, gconstpointer data)
{
  const char *call = data;
  g_autoptr (BbScriptedLink) link = bb_scripted_link_new ("192.0.2.5:5");
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  bb_scripted_link_set_manner (link, call, BB_LINK_FAILS);
  world_login_with (f->world, "vm", "pw-vm", link);
  g_assert_true (request->done);
  g_assert_false (request->ok);
  request_free (request);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpstr (last_error (f), !=, "");
  g_assert_false (bb_scripted_link_is_open (link));
}

/* A connection that breaks during the set-up may come again. */
static void
test_setup_is_cut (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = bb_scripted_link_new ("192.0.2.5:5");
  g_autoptr (BbScriptedLink) again = NULL;
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  bb_scripted_link_set_manner (link, "info", BB_LINK_SILENT);
  world_login_with (f->world, "vm", "pw-vm", link);
  bb_scripted_link_lose (link);
  world_turn (f->world);
  assert_state (f, "substantiating", 1, 1);
  again = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

/* ---- L29, L30, L35, removal: reload ---- */

static BbFakeConfig *
fake_config (Fixture *f)
{
  return f->config->plugin_config;
}

static void
set_text (char **member, const char *text)
{
  g_free (*member);
  *member = g_strdup (text);
}

static void
test_reload_while_substantiating (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  new_config (f);
  world_apply (f->world);
  new_config (f);
  f->config->settings->max_builds = 4;
  g_variant_unref (f->config->settings->properties);
  f->config->settings->properties = g_variant_ref_sink (g_variant_new_parsed ("{'x': <1>}"));
  set_text (&fake_config (f)->key, "k2");
  world_apply (f->world);
  assert_state (f, "substantiating", 1, 1);
  link = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_reload_image_while_building (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  new_config (f);
  set_text (&fake_config (f)->image, "ubuntu");
  world_apply (f->world);
  assert_state (f, "substantiated", 1, 1);
  world_assert_why (f->world, "vm", "unavailable: its instance is replaced when its builds have ended");
  request_release (request, BB_RESULT_SUCCESS);
  assert_state (f, "insubstantiated", 0, 0);
  world_assert_why (f->world, "vm", "can be substantiated");
}

static void
test_reload_image_while_substantiating (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;

  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  new_config (f);
  set_text (&fake_config (f)->image, "ubuntu");
  world_apply (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 2); /* for the same build */
  link = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

/* Credentials count at once, for a stop that waits as well; another region only when the old instance is gone. */
static void
test_reload_scope (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_FAILS, BB_ERROR_CREDENTIALS, "key refused");
  world_advance (f->world, 601);
  g_assert_cmpstr (bb_fake_cloud_get_last_key (), ==, "k1");
  new_config (f);
  set_text (&fake_config (f)->key, "k2");
  world_apply (f->world);
  world_advance (f->world, 13);
  g_assert_cmpstr (bb_fake_cloud_get_last_key (), ==, "k2");

  new_config (f);
  set_text (&fake_config (f)->key, "k3");
  set_text (&fake_config (f)->region, "there");
  world_apply (f->world);
  world_advance (f->world, 26);
  g_assert_cmpstr (bb_fake_cloud_get_last_key (), ==, "k2");
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  world_advance (f->world, 60);
  assert_state (f, "insubstantiated", 0, 0);
  request = world_acquire (f->world, "vm", "a", NULL);
  g_assert_cmpstr (bb_fake_cloud_get_last_key (), ==, "k3");
  g_assert_cmpstr (bb_ledger_row_get_scope (get_row (f)), ==, "there");
  request_cancel (request);
}

static void
test_removed_with_instance (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (GPtrArray) latent = NULL;
  Request *request = run_build (f, &link);

  world_begin (f->world);
  world_apply (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 1); /* its build goes on */
  latent = bb_slave_manager_list_latent (f->world->slaves);
  g_assert_cmpuint (latent->len, ==, 1);
  bb_fake_cloud_set_stop (BB_CLOUD_FAILS, 0, "no");
  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 100);
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 1);
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  world_advance (f->world, 1000);
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 0);
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 0);
  g_assert_false (bb_scripted_link_is_open (link));
}

static void
test_type_changed (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  world_begin (f->world);
  world_add_slave (f->world, "vm", "other");
  world_apply (f->world);
  world_assert_why (f->world, "vm",
                    "unavailable: instance 1 (fake in here) of before has not been stopped yet");
  g_string_truncate (f->world->availability, 0);
  request_release (request, BB_RESULT_SUCCESS);
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 0);
  world_assert_why (f->world, "vm", "can be substantiated");
  g_assert_cmpstr (f->world->availability->str, ==, "vm ");
}

static GVariant *
choose (const char *image)
{
  return g_variant_new_parsed ("{'image': <%s>}", image);
}

static void
test_choice (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) fresh = NULL;
  Request *one;
  Request *two;
  Request *three;

  set_text (&fake_config (f)->image, "%(prop:image:-debian)s");
  world_apply (f->world);
  one = world_acquire (f->world, "vm", "a", choose ("debian"));
  two = world_acquire (f->world, "vm", "b", NULL); /* the default: the same */
  three = world_acquire (f->world, "vm", "c", choose ("ubuntu"));
  link = world_attach (f->world, "vm");
  g_assert_true (one->ok && two->ok);
  g_assert_false (three->done);
  request_release (one, BB_RESULT_SUCCESS);
  g_assert_false (three->done);
  request_release (two, BB_RESULT_SUCCESS);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 2);
  fresh = world_attach (f->world, "vm");
  g_assert_true (three->ok);
  request_release (three, BB_RESULT_SUCCESS);

  /* idle, and does not fit: stopped at once */
  one = world_acquire (f->world, "vm", "a", choose ("debian"));
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 3);
  request_cancel (one);
}

/* ---- L34: passwords ---- */

static void
test_password_auto (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) nobody = NULL;
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) wrong = NULL;
  g_autoptr (BbScriptedLink) right = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;
  Request *request;

  f->config->settings->auto_password = TRUE;
  g_clear_pointer (&f->config->settings->password, g_free);
  world_apply (f->world);
  g_assert_null (bb_login_host_get_password (BB_LOGIN_HOST (f->world->slaves), "vm"));
  request = world_acquire (f->world, "vm", "a", NULL);
  first = g_strdup (bb_instance_request_get_password (bb_fake_cloud_get_last_request ()));
  g_assert_cmpuint (strlen (first), ==, 48);

  new_config (f); /* a reload does not change the one in use */
  f->config->settings->auto_password = TRUE;
  g_clear_pointer (&f->config->settings->password, g_free);
  f->config->settings->max_builds = 3;
  world_apply (f->world);
  link = world_login (f->world, "vm", first);
  g_assert_true (bb_scripted_link_was_accepted (link));
  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 601);

  request = world_acquire (f->world, "vm", "a", NULL);
  second = g_strdup (bb_instance_request_get_password (bb_fake_cloud_get_last_request ()));
  g_assert_cmpstr (second, !=, first);
  wrong = world_login (f->world, "vm", first);
  g_assert_cmpstr (bb_scripted_link_get_refusal (wrong), ==, "unauthorized");
  right = world_login (f->world, "vm", second);
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

/* ---- C1, C7, C9, max_uses ---- */

static void
test_store_fails (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_memory_store_set_failing (f->world->store, TRUE);
  request = world_acquire (f->world, "vm", "a", NULL);
  request_assert_failed (request, BB_ERROR, BB_ERROR_STORE, NULL);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 0);
  bb_memory_store_set_failing (f->world->store, FALSE);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *one;
  Request *two;
  Request *three;

  world_add_slave (f->world, "vm2", "fake");
  world_add_slave (f->world, "vm3", "fake");
  world_add_slave (f->world, "vm4", "fake");
  f->world->limits.max_instances = 1;
  world_apply (f->world);
  one = world_acquire (f->world, "vm", "a", NULL);
  link = world_attach (f->world, "vm");
  two = world_acquire (f->world, "vm2", "a", NULL);
  request_assert_failed (two, BB_ERROR, BB_ERROR_LIMIT,
                         "slave vm2: max_instances=1 of [host] is reached; it waits until an instance is gone");
  world_assert_why (f->world, "vm2",
                    "unavailable: max_instances=1 of [host] is reached; it waits until an instance is gone");
  request_assert_failed (world_acquire (f->world, "vm3", "a", NULL), BB_ERROR, BB_ERROR_LIMIT, NULL);
  request_assert_failed (world_acquire (f->world, "vm4", "a", NULL), BB_ERROR, BB_ERROR_LIMIT, NULL);
  g_string_truncate (f->world->availability, 0);
  request_release (one, BB_RESULT_SUCCESS);
  world_advance (f->world, 600.1);
  /* in the order in which they came, and one at a time */
  g_assert_cmpstr (f->world->availability->str, ==, "vm vm2 ");
  world_advance (f->world, 0.3);
  g_assert_cmpstr (f->world->availability->str, ==, "vm vm2 vm3 "); /* the second did not want it any more */
  three = world_acquire (f->world, "vm3", "a", NULL);
  g_assert_cmpuint (bb_fake_cloud_count_machines ("vm3"), ==, 1);
  world_advance (f->world, 100);
  /* the fourth had its turn, but would be refused */
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 1);
  request_cancel (three);
}

/* Substantiate() without a build waits for room, too. */
static void
test_limit_by_hand (Fixture *f, gconstpointer data)
{
  Request *one;

  world_add_slave (f->world, "vm2", "fake");
  f->world->limits.max_instances = 1;
  world_apply (f->world);
  one = world_acquire (f->world, "vm", "a", NULL);
  g_assert_true (bb_slave_manager_substantiate (f->world->slaves, world_find (f->world, "vm2"), NULL));
  world_advance (f->world, 100);
  g_assert_cmpuint (bb_fake_cloud_count_machines ("vm2"), ==, 0);
  request_cancel (one);
  world_turn (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_machines ("vm2"), ==, 1);
}

static void
test_max_uses (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *one;
  Request *two;

  f->config->settings->max_uses = 2;
  one = run_build (f, &link);
  two = world_acquire (f->world, "vm", "b", NULL);
  g_assert_true (two->ok);
  world_assert_why (f->world, "vm", "unavailable: its instance is replaced when its builds have ended");
  request_release (one, BB_RESULT_SUCCESS);
  request_release (two, BB_RESULT_SUCCESS);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_lifetime (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) other = NULL;
  Request *request;

  f->config->settings->build_wait_timeout = -1;
  f->world->max_lifetime = 1000;
  request = run_build (f, &link);
  world_advance (f->world, 1001);
  world_assert_why (f->world, "vm", "unavailable: its instance is replaced when its builds have ended");
  request_release (request, BB_RESULT_SUCCESS);
  assert_state (f, "insubstantiated", 0, 0);

  /* the hard limit */
  request = world_acquire (f->world, "vm", "hello", NULL);
  other = world_attach (f->world, "vm");
  world_advance (f->world, 2001);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpstr (bb_scripted_link_get_close_reason (other), ==,
                   "instance i-2 is older than twice the instance_max_lifetime");
  request_release (request, BB_RESULT_RETRY);
}

/* ---- L33: after a restart ---- */

static void
test_adopted (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) back = NULL;
  g_autofree char *password = NULL;
  Request *request;

  f->config->settings->auto_password = TRUE;
  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  password = g_strdup (bb_instance_request_get_password (bb_fake_cloud_get_last_request ()));
  link = world_attach (f->world, "vm");
  request_release (request, BB_RESULT_SUCCESS);
  world_restart (f->world);
  world_apply (f->world);
  assert_state (f, "substantiating", 1, 1);
  g_assert_true (bb_slave_manager_is_row_in_use (f->world->slaves, get_row (f)));
  request = world_acquire (f->world, "vm", "a", NULL);
  world_advance (f->world, 200);
  back = world_login (f->world, "vm", password);
  g_assert_true (request->ok);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (get_row (f)), ==, "i-1");
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 1);
  request_release (request, BB_RESULT_SUCCESS);
  world_advance (f->world, 601);
  assert_state (f, "insubstantiated", 0, 0);
}

static void
test_not_adopted (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_restart (f->world);
  world_apply (f->world);
  world_advance (f->world, 299);
  assert_state (f, "substantiating", 1, 1);
  world_advance (f->world, 2);
  assert_state (f, "insubstantiated", 0, 0);
  g_assert_cmpuint (f->world->notices->len, ==, 0);
  world_assert_why (f->world, "vm", "can be substantiated"); /* nobody's failure */
}

/* A build waits for the one that does not come back: it gets a fresh one, after the old one is gone. */
static void
test_not_adopted_but_wanted (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  g_autoptr (BbScriptedLink) fresh = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  world_restart (f->world);
  world_apply (f->world);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_advance (f->world, 301);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 2);
  fresh = world_attach (f->world, "vm");
  g_assert_true (request->ok);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
test_stop_goes_on_after_restart (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_FAILS, 0, "no");
  world_advance (f->world, 601);
  world_restart (f->world);
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  world_apply (f->world);
  assert_state (f, "insubstantiated", 0, 0);
}

/* Killed while the start was under way: the token finds what came of it. */
static void
test_restart_during_start (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_IS_DEAF, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_restart (f->world);
  request_assert_failed (request, G_IO_ERROR, G_IO_ERROR_CANCELLED, "bbhostd has stopped");
  bb_fake_cloud_answer ("start", TRUE); /* it did what it was asked for, but the answer reached nobody */
  bb_test_run_pending ();
  g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 1);
  world_apply (f->world);
  world_advance (f->world, 301);
  assert_state (f, "insubstantiated", 0, 0);
}

/* ---- L31, L32: shutdown ---- */

static gboolean
shut_down (Fixture *f, double seconds)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_slave_manager_shutdown_async (f->world->slaves,
                                   bb_loop_now_us (f->world->loop) + (gint64) (seconds * G_USEC_PER_SEC),
                                   bb_test_store_result, &result);
  world_advance (f->world, seconds / 2);
  if (result == NULL)
    {
      world_advance (f->world, seconds / 2 + 0.1);
      g_assert_nonnull (result);
      g_assert_true (bb_slave_manager_shutdown_finish (f->world->slaves, result, NULL));
      return FALSE;
    }
  g_assert_true (bb_slave_manager_shutdown_finish (f->world->slaves, result, NULL));
  return TRUE;
}

static void
test_shutdown (Fixture *f, gconstpointer data)
{
  const char *phase = data;
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = NULL;
  gboolean hangs = FALSE;

  if (g_str_equal (phase, "negative"))
    f->config->settings->build_wait_timeout = -1;
  if (g_str_equal (phase, "kept"))
    f->config->settings->keep_on_stop = TRUE;
  world_apply (f->world);
  if (g_str_equal (phase, "intending"))
    bb_memory_store_set_hanging (f->world->store, TRUE);
  if (g_str_equal (phase, "starting"))
    bb_fake_cloud_set_start (BB_CLOUD_WAITS, 0, NULL);
  if (!g_str_equal (phase, "insubstantiated"))
    request = world_acquire (f->world, "vm", "a", NULL);
  if (g_str_equal (phase, "idle") || g_str_equal (phase, "negative") || g_str_equal (phase, "kept")
      || g_str_has_prefix (phase, "stopping"))
    {
      link = world_attach (f->world, "vm");
      request_release (g_steal_pointer (&request), BB_RESULT_SUCCESS);
    }
  if (g_str_has_prefix (phase, "stopping"))
    {
      hangs = g_str_equal (phase, "stopping-hangs");
      bb_fake_cloud_set_stop (BB_CLOUD_WAITS, 0, NULL);
      world_advance (f->world, 601);
      if (!hangs)
        {
          bb_fake_cloud_answer ("stop", TRUE);
          bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
        }
    }
  if (g_str_equal (phase, "intending"))
    bb_memory_store_set_hanging (f->world->store, FALSE);

  g_assert_true (shut_down (f, 60) != hangs);
  if (request != NULL)
    request_assert_failed (request, BB_ERROR, BB_ERROR_NOT_NOW, "slave vm: bbhostd is stopping");
  world_assert_why (f->world, "vm", "unavailable: bbhostd is stopping");
  if (link != NULL)
    g_assert_false (bb_scripted_link_is_open (link));
  if (g_str_equal (phase, "kept"))
    {
      g_assert_cmpuint (bb_fake_cloud_count_machines (NULL), ==, 1);
      g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_RUNNING);
    }
  else if (hangs)
    g_assert_cmpint (bb_ledger_row_get_state (get_row (f)), ==, BB_ROW_STOPPING); /* for the next start */
  else
    assert_state (f, "insubstantiated", 0, 0);
}

/* ---- terminate, forget, and what the reaper sees ---- */

static void
test_terminate (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  bb_slave_manager_terminate_row (f->world->slaves, get_row (f));
  g_assert_cmpstr (bb_scripted_link_get_close_reason (link), ==, "its instance was terminated by a person");
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  request_release (request, BB_RESULT_RETRY);
}

static void
test_forgotten (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  request_release (request, BB_RESULT_SUCCESS);
  bb_fake_cloud_set_stop (BB_CLOUD_FAILS, BB_ERROR_CREDENTIALS, "the account is closed");
  world_advance (f->world, 601);
  assert_state (f, "insubstantiating", 1, 1);
  bb_ledger_close (f->world->ledger, get_row (f), "forgotten by ann: account closed", NULL, NULL);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 1, 0);
  world_assert_why (f->world, "vm", "can be substantiated");
}

/* The row of a start under way is forgotten: what the start then brings is nobody's, and gets a row to be stopped by. */
static void
test_forgotten_while_starting (Fixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) rows = NULL;
  Request *request;

  world_apply (f->world);
  bb_fake_cloud_set_start (BB_CLOUD_WAITS, 0, NULL);
  request = world_acquire (f->world, "vm", "a", NULL);
  bb_ledger_close (f->world->ledger, get_row (f), "forgotten by ann: it hangs", NULL, NULL);
  world_turn (f->world);
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 0);
  bb_fake_cloud_answer ("start", TRUE);
  world_turn (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_machines ("vm"), ==, 1);
  rows = bb_ledger_get_open_rows (f->world->ledger);
  g_assert_cmpuint (rows->len, ==, 1);
  g_assert_cmpint (bb_ledger_row_get_state (rows->pdata[0]), ==, BB_ROW_STOPPING);
  g_assert_cmpstr (bb_ledger_row_get_instance_id (rows->pdata[0]), ==, "i-1");
  request_cancel (request);
}

/* Before the row of a start is on disk its slave is removed: nothing is started, and the row does not stay. */
static void
test_removed_while_writing (Fixture *f, gconstpointer data)
{
  Request *request;

  world_apply (f->world);
  bb_memory_store_set_hanging (f->world->store, TRUE);
  request = world_acquire (f->world, "vm", "a", NULL);
  world_begin (f->world);
  world_apply (f->world);
  bb_memory_store_set_hanging (f->world->store, FALSE);
  world_turn (f->world);
  g_assert_true (request->done);
  request_free (request);
  g_assert_cmpuint (bb_ledger_count_open (f->world->ledger), ==, 0);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, 0);
}

/* A backend that hears of its instances by itself says so: then it is looked at, once, and not before. */
static void
test_instance_changed (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;
  BbLatentSlave *slave;

  world_apply (f->world);
  slave = BB_LATENT_SLAVE (world_find (f->world, "vm"));
  bb_latent_slave_instance_changed (slave);
  world_turn (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("check"), ==, 0);
  request = run_build (f, &link);
  bb_latent_slave_instance_changed (slave);
  world_turn (f->world);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("check"), ==, 1);
  assert_state (f, "substantiated", 1, 1);
  bb_fake_cloud_kill ("vm");
  bb_fake_cloud_set_check (BB_INSTANCE_GONE, NULL);
  bb_latent_slave_instance_changed (slave);
  world_turn (f->world);
  assert_state (f, "substantiated", 0, 1); /* an absence is believed when it has been seen twice */
  bb_latent_slave_instance_changed (slave);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  request_release (request, BB_RESULT_RETRY);
}

static void
test_listed_as_gone (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request = run_build (f, &link);

  bb_fake_cloud_kill ("vm");
  bb_slave_manager_row_gone (f->world->slaves, get_row (f));
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  request_release (request, BB_RESULT_RETRY);
}

/* P9: what runs goes on, and nothing is added */
static void
test_announced_end (Fixture *f, gconstpointer data)
{
  g_autoptr (BbScriptedLink) link = NULL;
  Request *request;
  guint n_checks;

  f->config->settings->max_builds = 2;
  request = run_build (f, &link);
  n_checks = bb_fake_cloud_count_calls ("check");
  world_advance (f->world, 100);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("check"), ==, n_checks); /* nobody asks where nothing is announced */
  request_release (request, BB_RESULT_SUCCESS);
  bb_slave_manager_insubstantiate (f->world->slaves, world_find (f->world, "vm"), TRUE, NULL);
  world_turn (f->world);

  bb_fake_cloud_set_announces_ends (TRUE);
  g_clear_object (&link);
  request = world_acquire (f->world, "vm", "hello", NULL);
  link = world_attach (f->world, "vm");
  world_advance (f->world, 25);
  world_assert_why (f->world, "vm", "substantiated");
  bb_fake_cloud_set_check (BB_INSTANCE_ENDING, "taken back in two minutes");
  g_string_truncate (f->world->availability, 0);
  world_advance (f->world, 10);
  world_assert_why (f->world, "vm", "unavailable: its instance is replaced when its builds have ended");
  g_assert_cmpstr (f->world->availability->str, ==, "vm ");
  world_advance (f->world, 100);
  assert_state (f, "substantiated", 1, 1);
  g_assert_true (bb_scripted_link_is_open (link));
  request_release (request, BB_RESULT_SUCCESS);
  world_turn (f->world);
  assert_state (f, "insubstantiated", 0, 0);
  world_assert_why (f->world, "vm", "can be substantiated"); /* and it is nobody's failure */
}

#define TEST(PATH, FUNC) g_test_add (PATH, Fixture, NULL, set_up, FUNC, tear_down)
#define TEST_DATA(PATH, DATA, FUNC) g_test_add (PATH, Fixture, DATA, set_up, FUNC, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();

  TEST ("/substantiation/L1-first-build", test_first_build);
  TEST ("/substantiation/L2-L14-three-builds", test_three_builds);
  TEST ("/substantiation/L3-two-slaves", test_two_slaves);
  TEST ("/substantiation/L4-attach-first", test_attach_first);
  TEST ("/substantiation/L4-attach-first-and-again", test_attach_first_and_again);
  TEST ("/substantiation/L5-not-now", test_not_now);
  TEST ("/substantiation/L6-start-fails", test_start_fails);
  TEST ("/substantiation/L6-answer-lost", test_answer_lost);
  TEST ("/substantiation/C2-answer-lost-listed-late", test_answer_lost_listed_late);
  TEST ("/substantiation/C2-not-found-twice", test_not_found_twice);
  TEST ("/substantiation/C2-answer-lost-in-restart", test_answer_lost_in_restart);
  TEST ("/substantiation/L26-back-while-reaped", test_back_while_reaped);
  TEST ("/substantiation/L7-permanent", test_permanent);
  TEST ("/substantiation/L8-C14-back-off", test_backoff_of_starts);
  TEST ("/substantiation/L9-never-attaches", test_never_attaches);
  TEST ("/substantiation/L9-start-hangs", test_start_hangs);
  TEST ("/substantiation/start-is-deaf", test_start_is_deaf);
  TEST ("/substantiation/L10-dies-at-boot", test_dies_at_boot);
  TEST ("/substantiation/L10-C10-gone-at-boot", test_gone_at_boot);
  TEST ("/substantiation/check-hangs", test_check_hangs);
  TEST ("/substantiation/L11-cancelled-while-starting", test_cancelled_while_starting);
  TEST ("/substantiation/L11-cancelled-while-waiting", test_cancelled_while_waiting);
  TEST ("/substantiation/L11-cancelled-while-writing", test_cancelled_while_writing);
  TEST ("/substantiation/L12-cancelled-for-one", test_cancelled_for_one);
  TEST ("/substantiation/L13-L39-idle", test_idle);
  TEST ("/substantiation/L39-handover", test_idle_during_handover);
  TEST ("/substantiation/L15-wait-timeout-zero", test_wait_timeout_zero);
  TEST ("/substantiation/L16-wait-timeout-negative", test_wait_timeout_negative);
  TEST ("/substantiation/L16-attaches-unasked", test_attaches_unasked);
  TEST ("/substantiation/L17-build-while-stopping", test_build_while_stopping);
  TEST ("/substantiation/L18-cancelled-while-stopping", test_build_while_stopping_cancelled);
  TEST ("/substantiation/L19-late-detach", test_late_detach);
  TEST ("/substantiation/L20-nobody-asked", test_nobody_asked);
  TEST ("/substantiation/L21-lost-while-idle", test_lost_while_idle);
  TEST ("/substantiation/lost-and-dead", test_lost_and_dead);
  TEST ("/substantiation/lost-and-idle", test_lost_and_idle);
  TEST ("/substantiation/L22-lost-while-building", test_lost_while_building);
  TEST ("/substantiation/L22-lost-after-retry", test_lost_after_retry);
  TEST ("/substantiation/L23-cut-while-stopping", test_cut_while_stopping);
  TEST ("/substantiation/L24-stop-fails", test_stop_fails);
  TEST_DATA ("/substantiation/L25-stop-hangs", GINT_TO_POINTER (BB_CLOUD_WAITS), test_stop_hangs);
  TEST_DATA ("/substantiation/L25-stop-is-deaf", GINT_TO_POINTER (BB_CLOUD_IS_DEAF), test_stop_hangs);
  TEST ("/substantiation/L25-stop-confirms-late", test_stop_confirms_late);
  TEST ("/substantiation/stop-answer-lost", test_stop_answer_lost);
  TEST_DATA ("/substantiation/L27-info-fails", "info", test_setup_fails);
  TEST_DATA ("/substantiation/L27-builders-fail", "builders", test_setup_fails);
  TEST_DATA ("/substantiation/L28-first-ping-fails", "ping", test_setup_fails);
  TEST ("/substantiation/setup-is-cut", test_setup_is_cut);
  TEST ("/substantiation/L29-reload-while-substantiating", test_reload_while_substantiating);
  TEST ("/substantiation/L30-reload-image-while-building", test_reload_image_while_building);
  TEST ("/substantiation/L30-reload-image-while-substantiating", test_reload_image_while_substantiating);
  TEST ("/substantiation/reload-scope", test_reload_scope);
  TEST ("/substantiation/C6-removed", test_removed_with_instance);
  TEST ("/substantiation/S15-type-changed", test_type_changed);
  TEST ("/substantiation/L35-choice", test_choice);
  TEST ("/substantiation/L34-password-auto", test_password_auto);
  TEST ("/substantiation/L36-substantiate", test_substantiate);
  TEST ("/substantiation/L37-insubstantiate", test_insubstantiate);
  TEST ("/substantiation/C1-store-fails", test_store_fails);
  TEST ("/substantiation/C7-limit", test_limit);
  TEST ("/substantiation/C7-limit-by-hand", test_limit_by_hand);
  TEST ("/substantiation/max-uses", test_max_uses);
  TEST ("/substantiation/C9-lifetime", test_lifetime);
  TEST ("/substantiation/L33-adopted", test_adopted);
  TEST ("/substantiation/L33-not-adopted", test_not_adopted);
  TEST ("/substantiation/L33-not-adopted-but-wanted", test_not_adopted_but_wanted);
  TEST ("/substantiation/restart-while-stopping", test_stop_goes_on_after_restart);
  TEST ("/substantiation/restart-during-start", test_restart_during_start);
  TEST_DATA ("/substantiation/L31-shutdown-insubstantiated", "insubstantiated", test_shutdown);
  TEST_DATA ("/substantiation/L31-shutdown-intending", "intending", test_shutdown);
  TEST_DATA ("/substantiation/L31-shutdown-starting", "starting", test_shutdown);
  TEST_DATA ("/substantiation/L31-shutdown-awaiting", "awaiting", test_shutdown);
  TEST_DATA ("/substantiation/L31-shutdown-idle", "idle", test_shutdown);
  TEST_DATA ("/substantiation/L31-shutdown-negative", "negative", test_shutdown);
  TEST_DATA ("/substantiation/L31-shutdown-kept", "kept", test_shutdown);
  TEST_DATA ("/substantiation/L32-shutdown-stopping", "stopping", test_shutdown);
  TEST_DATA ("/substantiation/L32-shutdown-stopping-hangs", "stopping-hangs", test_shutdown);
  TEST ("/substantiation/C15-terminate", test_terminate);
  TEST ("/substantiation/C16-forgotten", test_forgotten);
  TEST ("/substantiation/C16-forgotten-while-starting", test_forgotten_while_starting);
  TEST ("/substantiation/removed-while-writing", test_removed_while_writing);
  TEST ("/substantiation/instance-changed", test_instance_changed);
  TEST ("/substantiation/listed-as-gone", test_listed_as_gone);
  TEST ("/substantiation/P9/announced-end", test_announced_end);
  return g_test_run ();
}
