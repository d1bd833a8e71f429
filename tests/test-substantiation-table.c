/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bb-abstract-slave-private.h"
#include "bb-error.h"
#include "bb-fake-cloud.h"
#include "bb-log-trap.h"
#include "bb-memory-store.h"
#include "bb-option-struct.h"
#include "bb-substantiation-private.h"
#include "bb-test.h"

/* L38: each cell of the table, on an executor that was led into the phase by what leads there in life. */
typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbMemoryStore *store;
  BbLedger *ledger;
  BbSubstantiationContext context;
  BbSlave *slave;
  BbSubstantiation *machine;
  BbWaiter waiter;
  BbWaiter other;
  guint n_served;
  guint n_sent_away; /* waiters that got an error */
  guint n_failures;
  guint n_dropped;
} Fixture;

static void
waiter_done (BbWaiter *waiter, const GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  if (error != NULL)
    f->n_sent_away++;
  else
    f->n_served++;
}

static void
changed (gpointer user_data)
{
}

static void
attempt_failed (const GError *error, gpointer user_data)
{
  g_assert_nonnull (error);
  ((Fixture *) user_data)->n_failures++;
}

static void
attempt_succeeded (gpointer user_data)
{
}

static void
no_room (const GError *error, gpointer user_data)
{
}

static void
had_room (gpointer user_data)
{
}

static void
drop_link (const GError *reason, gpointer user_data)
{
  ((Fixture *) user_data)->n_dropped++;
}

static void
notice (BbNoticeKind kind, const char *summary, GVariant *details, BbLedgerRow *row, gpointer user_data)
{
  if (details != NULL)
    g_variant_unref (g_variant_ref_sink (details));
}

static const BbSubstantiationHooks hooks = {
  .waiter_done = waiter_done,
  .changed = changed,
  .attempt_failed = attempt_failed,
  .attempt_succeeded = attempt_succeeded,
  .no_room = no_room,
  .had_room = had_room,
  .drop_link = drop_link,
  .notice = notice,
};

static void
load_ledger (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;

  g_clear_object (&f->ledger);
  f->ledger = bb_ledger_new (BB_STORE (f->store), BB_CLOCK (f->clock));
  bb_ledger_load_async (f->ledger, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_true (bb_ledger_load_finish (f->ledger, result, NULL));
  f->context.ledger = f->ledger;
}

static void
make_machine (Fixture *f)
{
  g_clear_object (&f->machine);
  f->machine
    = bb_substantiation_new (BB_LATENT_SLAVE (f->slave), "fake", bb_fake_provides.options, &f->context, &hooks, f);
}

/* As if the daemon had been restarted: the row is one that it inherits. */
static void
leave_row (Fixture *f, BbRowState state)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (BbLedgerRow) row = NULL;
  g_autoptr (BbInstance) instance = NULL;

  bb_ledger_intend_async (f->ledger, "vm", "fake", "here", "", -1, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  row = bb_ledger_intend_finish (f->ledger, result, NULL);
  instance = bb_instance_new ("i-old", bb_ledger_row_get_token (row));
  bb_ledger_set_running (f->ledger, row, instance, NULL, NULL);
  if (state == BB_ROW_STOPPING)
    bb_ledger_set_stopping (f->ledger, row, NULL, NULL);
  if (state == BB_ROW_PARKED)
    {
      g_autofree char *made_with = bb_substantiation_digest_options (f->machine);

      bb_ledger_set_parked (f->ledger, row, made_with, NULL, NULL);
    }
  bb_test_run_pending ();
  load_ledger (f);
  make_machine (f);
}

static void
fixture_begin (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (BbSlaveSettings) settings = bb_slave_settings_new (TRUE);
  gpointer config = bb_option_struct_new_default (bb_fake_provides.options);

  *f = (Fixture){ 0 };
  bb_fake_cloud_reset ();
  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), &error);
  g_assert_no_error (error);
  f->store = bb_memory_store_new ();
  f->context.loop = f->loop;
  f->context.host_name = (char *) "host";
  f->context.store_id = (char *) "store";
  f->context.state_directory = (char *) "/nowhere";
  f->context.master_host = (char *) "master";
  f->context.protocol = (char *) "pb";
  f->context.login_grace = 300;
  load_ledger (f);
  settings->build_wait_timeout = -1;
  settings->password = g_strdup ("pw");
  f->slave = g_object_new (BB_TYPE_FAKE_SLAVE, "name", "vm", "settings", settings, "config", config, NULL);
  bb_abstract_slave_take_config (f->slave, bb_fake_provides.options, config);
  make_machine (f);
}

static void
fixture_end (Fixture *f)
{
  g_autofree char *warnings = NULL;

  bb_memory_store_set_hanging (f->store, FALSE);
  bb_substantiation_abandon (f->machine);
  bb_fake_cloud_reset ();
  bb_test_run_pending ();
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_clear_object (&f->machine);
  g_clear_object (&f->slave);
  g_clear_object (&f->ledger);
  g_clear_object (&f->store);
  g_clear_object (&f->loop);
  g_clear_object (&f->clock);
  bb_fake_cloud_reset ();
  warnings = bb_log_trap_take_warnings ();
}

/* Keeps it, from where it is up. */
static void
park (Fixture *f)
{
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "enough");

  bb_fake_cloud_set_can_park (TRUE);
  bb_substantiation_stop (f->machine, FALSE, reason);
  bb_test_run_pending ();
}

static void
go_up (Fixture *f)
{
  bb_substantiation_want (f->machine);
  bb_test_run_pending ();
  bb_substantiation_attached (f->machine);
}

/* Leads the machine into @phase, with somebody waiting where that leads nowhere else. */
static void
reach (Fixture *f, BbPhase phase)
{
  switch (phase)
    {
    case BB_PHASE_NONE:
      return;
    case BB_PHASE_INTENDING:
      bb_memory_store_set_hanging (f->store, TRUE);
      break;
    case BB_PHASE_STARTING:
    case BB_PHASE_STARTING_ATTACHED:
    case BB_PHASE_DROPPING_START:
      bb_fake_cloud_set_start (BB_CLOUD_IS_DEAF, 0, NULL);
      break;
    case BB_PHASE_DROPPING_INTENT:
      bb_memory_store_set_hanging (f->store, TRUE);
      break;
    case BB_PHASE_AWAITING:
      break;
    case BB_PHASE_ADOPTING:
      leave_row (f, BB_ROW_RUNNING);
      break;
    case BB_PHASE_UP:
      go_up (f);
      return;
    case BB_PHASE_UP_LOST:
      go_up (f);
      bb_substantiation_lost (f->machine, FALSE);
      return;
    case BB_PHASE_STOPPING:
      go_up (f);
      bb_fake_cloud_set_stop (BB_CLOUD_IS_DEAF, 0, NULL);
      bb_substantiation_retire (f->machine);
      break;
    case BB_PHASE_STOP_PAUSE:
      go_up (f);
      bb_fake_cloud_set_stop (BB_CLOUD_FAILS, 0, "no");
      bb_substantiation_retire (f->machine);
      bb_test_run_pending ();
      break;
    case BB_PHASE_CLOSING:
      go_up (f);
      bb_memory_store_set_hanging (f->store, TRUE);
      bb_substantiation_retire (f->machine);
      bb_test_run_pending ();
      break;
    case BB_PHASE_PARKING:
      go_up (f);
      bb_fake_cloud_set_park (BB_CLOUD_IS_DEAF, 0, NULL);
      park (f);
      break;
    case BB_PHASE_PARKED:
      go_up (f);
      park (f);
      return;
    case BB_PHASE_UNPARKING:
    case BB_PHASE_DROPPING_UNPARK:
      go_up (f);
      park (f);
      bb_fake_cloud_set_park (BB_CLOUD_IS_DEAF, 0, NULL);
      bb_memory_store_set_hanging (f->store, TRUE);
      break;
    case BB_N_PHASES:
    default:
      g_assert_not_reached ();
    }
  bb_substantiation_wait (f->machine, &f->waiter);
  if (phase == BB_PHASE_STARTING_ATTACHED || phase == BB_PHASE_STARTING || phase == BB_PHASE_AWAITING
      || phase == BB_PHASE_DROPPING_START)
    bb_test_run_pending ();
  if (phase == BB_PHASE_STARTING_ATTACHED)
    bb_substantiation_attached (f->machine);
  if (phase == BB_PHASE_DROPPING_INTENT || phase == BB_PHASE_DROPPING_START || phase == BB_PHASE_DROPPING_UNPARK)
    {
      bb_substantiation_unwait (f->machine, &f->waiter);
      bb_substantiation_wait (f->machine, &f->waiter);
    }
}

/* Makes the event happen, with what is true in life when it does. */
static void
happen (Fixture *f, BbPhase phase, BbEvent event)
{
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "it has failed");

  switch (event)
    {
    case BB_EVENT_WANTED:
      bb_substantiation_wait (f->machine, &f->other);
      break;
    case BB_EVENT_UNWANTED:
      if (f->waiter.queued)
        bb_substantiation_unwait (f->machine, &f->waiter);
      else
        bb_substantiation_post (f->machine, event, NULL);
      break;
    case BB_EVENT_FOUND:
    case BB_EVENT_FOUND_STOPPING:
    case BB_EVENT_FOUND_PARKED:
      bb_fake_cloud_set_can_park (TRUE);
      leave_row (f, event == BB_EVENT_FOUND   ? BB_ROW_RUNNING
                    : event == BB_EVENT_FOUND_PARKED ? BB_ROW_PARKED
                                                     : BB_ROW_STOPPING);
      bb_substantiation_found (f->machine, bb_ledger_find_by_slave (f->ledger, "vm"));
      break;
    case BB_EVENT_CLOSED:
    case BB_EVENT_PARKED:
      if (phase == BB_PHASE_CLOSING || phase == BB_PHASE_PARKING) /* else it starts again at once */
        bb_substantiation_unwait (f->machine, &f->waiter);
      bb_substantiation_post (f->machine, event, NULL);
      break;
    case BB_EVENT_INTENDED:
      if (phase == BB_PHASE_INTENDING || phase == BB_PHASE_DROPPING_INTENT || phase == BB_PHASE_UNPARKING
          || phase == BB_PHASE_DROPPING_UNPARK)
        bb_memory_store_set_hanging (f->store, FALSE);
      if (phase == BB_PHASE_INTENDING || phase == BB_PHASE_UNPARKING || phase == BB_PHASE_DROPPING_UNPARK)
        {
          bb_fake_cloud_set_start (BB_CLOUD_IS_DEAF, 0, NULL);
          bb_test_run_pending ();
          return;
        }
      if (phase == BB_PHASE_DROPPING_INTENT)
        {
          while (f->machine->phase == phase)
            g_main_context_iteration (NULL, TRUE);
          return;
        }
      bb_substantiation_post (f->machine, event, NULL);
      break;
    default:
      bb_substantiation_post (f->machine, event, error);
    }
}

static void
assert_action (Fixture *f, const BbCell *cell, guint n_starts, guint n_stops, guint n_checks, guint n_parks,
               guint n_dropped)
{
  gboolean calls_stop = cell->action == BB_ACTION_CALL_STOP;

  g_assert_cmpuint (bb_fake_cloud_count_calls ("start"), ==, n_starts + (cell->action == BB_ACTION_CALL_START));
  g_assert_cmpuint (bb_fake_cloud_count_calls ("stop"), ==, n_stops + calls_stop);
  g_assert_cmpuint (bb_fake_cloud_count_calls ("check"), ==, n_checks + (cell->action == BB_ACTION_LOOK));
  g_assert_cmpuint (f->n_dropped, ==,
                    n_dropped
                      + (cell->action == BB_ACTION_DROP_LINK || cell->action == BB_ACTION_CLOSE_ROW
                         || cell->action == BB_ACTION_KEEP));
  g_assert_cmpuint (bb_fake_cloud_count_calls ("park"), ==, n_parks + (cell->action == BB_ACTION_CALL_PARK));
  if (cell->action == BB_ACTION_KEEP)
    g_assert_cmpint (bb_ledger_row_get_state (f->machine->row), ==, BB_ROW_PARKED);
  if (cell->action == BB_ACTION_UNPARK)
    g_assert_cmpint (bb_ledger_row_get_state (f->machine->row), ==, BB_ROW_REQUESTED);
  if (cell->action == BB_ACTION_CANCEL_START)
    g_assert_true (g_cancellable_is_cancelled (f->machine->call_cancellable));
  if (cell->action == BB_ACTION_PAUSE)
    g_assert_true (bb_timer_is_running (&f->machine->deadline) && f->machine->trouble != NULL);
  if (cell->action == BB_ACTION_LOOK_LATER)
    g_assert_true (bb_timer_is_running (&f->machine->deadline) && f->machine->trouble == NULL);
  if (cell->action == BB_ACTION_DELIVER)
    g_assert_false (f->waiter.queued || f->other.queued);
  if (cell->action == BB_ACTION_ADOPT)
    g_assert_nonnull (f->machine->row);
}

static void
assert_waiters (Fixture *f, const BbCell *cell, BbEvent event, gboolean waited)
{
  if (cell->fate == BB_WAITERS_STAY && cell->action != BB_ACTION_DELIVER && waited && event != BB_EVENT_UNWANTED
      && event != BB_EVENT_PARKED
      && f->machine->phase != BB_PHASE_NONE)
    g_assert_true (f->waiter.queued);
  g_assert_cmpuint (f->n_sent_away, ==, cell->fate != BB_WAITERS_STAY && waited ? 1 : 0);
  g_assert_cmpuint (f->n_failures, ==, cell->fate == BB_WAITERS_FAIL ? 1 : 0);
}

/* The reason is the phase and the event, as the log has it. */
static void
assert_bug (BbPhase phase, BbEvent event)
{
  g_autofree char *said = bb_log_trap_take_warnings ();
  g_autofree char *expected = g_strdup_printf ("slave vm: %s in phase %s", bb_substantiation_event_to_string (event),
                                               bb_phase_to_string (phase));

  g_assert_true (strstr (said, expected) != NULL);
}

typedef struct
{
  BbPhase phase;
  BbEvent event;
} Case;

static void
test_cell (gconstpointer data)
{
  const Case *one = data;
  const BbCell *cell = bb_substantiation_table_lookup (one->phase, one->event);
  gboolean is_bug = cell->action == BB_ACTION_BUG;
  BbPhase next = cell->next == BB_PHASE_SAME ? one->phase : cell->next;
  guint n_starts, n_stops, n_checks, n_parks, n_dropped;
  gboolean waited;
  Fixture f;

  fixture_begin (&f);
  reach (&f, one->phase);
  if (one->phase == BB_PHASE_ADOPTING)
    {
      /* the wish has found the row already */
      g_assert_nonnull (f.machine->row);
    }
  g_assert_cmpstr (bb_phase_to_string (f.machine->phase), ==, bb_phase_to_string (one->phase));
  n_starts = bb_fake_cloud_count_calls ("start");
  n_stops = bb_fake_cloud_count_calls ("stop");
  n_checks = bb_fake_cloud_count_calls ("check");
  n_parks = bb_fake_cloud_count_calls ("park");
  n_dropped = f.n_dropped;
  waited = f.waiter.queued;
  g_free (bb_log_trap_take_warnings ());

  if (is_bug
      && (one->event == BB_EVENT_FOUND || one->event == BB_EVENT_FOUND_STOPPING || one->event == BB_EVENT_FOUND_PARKED))
    {
      bb_log_trap_expect_criticals (TRUE);
      bb_substantiation_post (f.machine, one->event, NULL);
    }
  else
    {
      bb_log_trap_expect_criticals (is_bug);
      happen (&f, one->phase, one->event);
    }
  bb_log_trap_expect_criticals (FALSE);

  g_assert_cmpstr (bb_phase_to_string (f.machine->phase), ==, bb_phase_to_string (next));
  if (is_bug)
    assert_bug (one->phase, one->event);
  else
    {
      assert_action (&f, cell, n_starts, n_stops, n_checks, n_parks, n_dropped);
      assert_waiters (&f, cell, one->event, waited);
    }
  fixture_end (&f);
}

/* No hole, nothing out of range, and rules that no cell may break. */
static void
test_whole (void)
{
  for (guint phase = 0; phase < BB_N_PHASES; phase++)
    for (guint event = 0; event < BB_N_EVENTS; event++)
      {
        const BbCell *cell = bb_substantiation_table_lookup (phase, event);
        BbPhase next = cell->next == BB_PHASE_SAME ? phase : cell->next;

        g_assert_cmpuint (cell->action, >, BB_ACTION_MISSING);
        g_assert_cmpuint (cell->action, <, BB_N_ACTIONS);
        g_assert_cmpuint (cell->next, <=, BB_PHASE_SAME);
        g_assert_cmpuint (cell->fate, <=, BB_WAITERS_FAIL);
        /* an instance that may exist is never let go of without a confirmed stop */
        if ((phase >= BB_PHASE_STARTING && phase <= BB_PHASE_UP_LOST) || phase >= BB_PHASE_PARKING)
          g_assert_true (next != BB_PHASE_NONE && next != BB_PHASE_CLOSING);
        if (next == BB_PHASE_CLOSING && phase != BB_PHASE_CLOSING)
          g_assert_true (event == BB_EVENT_STOPPED || phase == BB_PHASE_DROPPING_INTENT);
        /* one call at a time */
        if (cell->action == BB_ACTION_CALL_STOP)
          g_assert_true (phase != BB_PHASE_INTENDING && phase != BB_PHASE_DROPPING_INTENT
                         && ((phase != BB_PHASE_STARTING && phase != BB_PHASE_STARTING_ATTACHED
                              && phase != BB_PHASE_DROPPING_START && phase != BB_PHASE_UNPARKING
                              && phase != BB_PHASE_DROPPING_UNPARK && phase != BB_PHASE_PARKING)
                             || event == BB_EVENT_PARK_FAILED || event == BB_EVENT_STARTED || event == BB_EVENT_START_FAILED));
        if (cell->action == BB_ACTION_CALL_START)
          g_assert_true ((phase == BB_PHASE_INTENDING || phase == BB_PHASE_UNPARKING) && event == BB_EVENT_INTENDED);
        /* only one that was attached and idle is kept, or one that has been */
        if (cell->action == BB_ACTION_CALL_PARK)
          g_assert_true (phase == BB_PHASE_UP || phase == BB_PHASE_DROPPING_UNPARK);
        /* who is told that it has failed has been waiting */
        if (cell->fate == BB_WAITERS_FAIL)
          g_assert_true (event != BB_EVENT_STOP && event != BB_EVENT_RETIRE && event != BB_EVENT_UNWANTED);
      }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();

  g_test_add_func ("/substantiation/table/whole", test_whole);
  for (guint phase = 0; phase < BB_N_PHASES; phase++)
    for (guint event = 0; event < BB_N_EVENTS; event++)
      {
        g_autofree char *path = g_strdup_printf ("/substantiation/table/L38/%s/%s", bb_phase_to_string (phase),
                                                 bb_substantiation_event_to_string (event));
        Case *one = g_new (Case, 1);

        one->phase = phase;
        one->event = event;
        g_test_add_data_func_full (path, one, test_cell, g_free);
      }
  return g_test_run ();
}
