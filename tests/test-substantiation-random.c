/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bb-fake-cloud.h"
#include "bb-log-trap.h"
#include "bb-slave-world.h"

/*
 * Random lives of a few latent slaves: builds that come, are cancelled and end; clouds that hang, fail, answer late,
 * lose the answer or list late; slaves that attach early, twice, under the wrong password, and are lost; reloads,
 * restarts, a disk that is full. After each step the invariants hold, and when all is quiet at the end of a sequence
 * nothing is left, and a slave is of use again. What is left then (idle machines, pauses, a ledger of many closed rows)
 * the next sequence begins with, until the world ends with an orderly shutdown.
 *
 * BB_RANDOM_SEQUENCES: how many (default 100,000; 5,000 under sanitizers, which make it 20 times slower). BB_RANDOM_SEED:
 * of the first one, which begins a world; one that fails is repeated with the seed and the number that it prints.
 *
 * That each invariant can fail was seen by breaking the code on purpose; 3,000 sequences found each of these:
 *  calls overlap: bb-substantiation-calls.c, is_own_row() does not ask bb_reaper_is_stopping();
 *  two machines of one slave: bb-substantiation-calls.c, bb_substantiation_find_row() finds nothing;
 *  a start without a row on disk: bb-ledger.c, intended_cb() goes on although nothing was written;
 *  a machine without an open row: bb-substantiation-table.c, START_FAILED closes the row rather than call stop;
 *  the same, listed late: bb-substantiation-calls.c, judge_stop() says STOPPED the first time;
 *  a build that waits for ever: bb-substantiation.c, fail_waiters() does not call waiter_done();
 *  a build that is answered twice: bb-substantiation.c, deliver() calls waiter_done() twice;
 *  a timer that outlives its owner: bb-substantiation.c, bb_substantiation_abandon() does not stop its clocks.
 */
#ifdef __SANITIZE_ADDRESS__
#define DEFAULT_SEQUENCES 5000
#else
#define DEFAULT_SEQUENCES 100000
#endif
#define SEQUENCES_PER_WORLD 25
#define FEWEST_STEPS 5
#define MOST_STEPS 25
#define N_SLAVES 3
#define N_BUILDERS 3

typedef struct
{
  World *world;
  GRand *rand;
  GPtrArray *requests; /* of Request */
  GPtrArray *links;    /* of BbScriptedLink (owned), open or not */
  GPtrArray *passwords; /* of char *, that were right once */
  gboolean removed[N_SLAVES];
  GString *story;       /* of this sequence */
} Life;

static const char *const slave_names[N_SLAVES] = { "a", "b", "c" };
static const char *const builder_names[N_BUILDERS] = { "x", "y", "z" };
static const char *const images[] = { "debian", "ubuntu", "%(prop:image:-debian)s" };

typedef struct
{
  guint sequences;
  guint steps;
  guint starts;
} Counts;

static Counts counts;

static guint
pick (Life *life, guint n)
{
  return (guint) g_rand_int_range (life->rand, 0, (gint32) n);
}

static gboolean
chance (Life *life, guint percent)
{
  return pick (life, 100) < percent;
}

static void
tell (Life *life, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (life->story, format, args);
  g_string_append_c (life->story, '\n');
  va_end (args);
}

#define CHECK(LIFE, CONDITION)                                                                                         \
  G_STMT_START                                                                                                         \
    {                                                                                                                  \
      if (!(CONDITION))                                                                                                \
        {                                                                                                              \
          g_printerr ("%s\n", (LIFE)->story->str);                                                                     \
          g_assert_true (CONDITION);                                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
  G_STMT_END

/* ---- invariants ---- */

static void
check_machine (const char *slave_name, const char *token, gpointer user_data)
{
  Life *life = user_data;

  CHECK (life, bb_ledger_find_by_token (life->world->ledger, token) != NULL);
}

static void
witness_start (const char *slave_name, const char *token, gpointer user_data)
{
  Life *life = user_data;
  BbLedgerRow *row = bb_ledger_find_by_token (life->world->ledger, token);

  counts.starts++;
  CHECK (life, row != NULL);
  CHECK (life, bb_memory_store_has_number (life->world->store, &bb_table_instances, bb_ledger_row_get_number (row)));
}

static void
check_invariants (Life *life)
{
  CHECK (life, bb_fake_cloud_count_overlaps () == 0);
  CHECK (life, bb_fake_cloud_get_most_machines () <= 1);
  bb_fake_cloud_foreach (check_machine, life);
  for (guint i = 0; i < life->requests->len; i++)
    {
      Request *request = g_ptr_array_index (life->requests, i);

      /* what was given is either there, or was lost */
      CHECK (life, !request->done || request->ok == (request->error == NULL));
    }
}

/* ---- steps ---- */

static BbSlave *
some_slave (Life *life)
{
  return bb_slave_manager_find (life->world->slaves, slave_names[pick (life, N_SLAVES)]);
}

static void
drop_done (Life *life)
{
  for (guint i = life->requests->len; i > 0; i--)
    {
      Request *request = g_ptr_array_index (life->requests, i - 1);

      if (!request->done || request->ok)
        continue;
      g_ptr_array_remove_index_fast (life->requests, i - 1);
      request_free (request);
    }
}

static void
step_acquire (Life *life)
{
  BbSlave *slave = some_slave (life);
  const char *builder = builder_names[pick (life, N_BUILDERS)];
  GVariant *properties = chance (life, 30) ? g_variant_new_parsed ("{'image': <'ubuntu'>}") : NULL;

  if (slave == NULL)
    {
      if (properties != NULL)
        g_variant_unref (g_variant_ref_sink (properties));
      return;
    }
  tell (life, "acquire %s %s%s", bb_slave_get_name (slave), builder, properties != NULL ? " ubuntu" : "");
  g_ptr_array_add (life->requests, world_acquire (life->world, bb_slave_get_name (slave), builder, properties));
}

static void
step_cancel (Life *life)
{
  Request *request;

  if (life->requests->len == 0)
    return;
  request = g_ptr_array_index (life->requests, pick (life, life->requests->len));
  if (request->done)
    return;
  tell (life, "cancel %s %s", bb_slave_get_name (request->slave), request->builder);
  g_cancellable_cancel (request->cancellable);
}

static void
end_build (Life *life, Request *request, BbResult result)
{
  tell (life, "release %s %s %s", bb_slave_get_name (request->slave), request->builder, bb_result_to_string (result));
  g_ptr_array_remove_fast (life->requests, request);
  bb_slave_manager_release (life->world->slaves, request->slave, request->builder, result);
  request_free (request);
}

static void
step_release (Life *life)
{
  static const BbResult results[] = { BB_RESULT_SUCCESS, BB_RESULT_FAILURE, BB_RESULT_EXCEPTION, BB_RESULT_CANCELLED };
  Request *request;

  if (life->requests->len == 0)
    return;
  request = g_ptr_array_index (life->requests, pick (life, life->requests->len));
  if (request->done && request->ok)
    end_build (life, request, results[pick (life, G_N_ELEMENTS (results))]);
}

/* The builds of a connection that is gone end before that is told of, as the links promise. */
static void
lose_link (Life *life, BbScriptedLink *link)
{
  for (guint i = life->requests->len; i > 0; i--)
    {
      Request *request = g_ptr_array_index (life->requests, i - 1);

      if (request->done && request->ok && bb_slave_get_link (request->slave) == BB_SLAVE_LINK (link)
          && chance (life, 70))
        end_build (life, request, BB_RESULT_RETRY);
    }
  tell (life, "lose a link");
  bb_scripted_link_lose (link);
}

static void
step_login (Life *life)
{
  BbSlave *slave = some_slave (life);
  const char *password;
  BbScriptedLink *link;

  if (slave == NULL)
    return;
  password = bb_login_host_get_password (BB_LOGIN_HOST (life->world->slaves), bb_slave_get_name (slave));
  if (password != NULL)
    g_ptr_array_add (life->passwords, g_strdup (password));
  if (chance (life, 20) && life->passwords->len > 0)
    password = g_ptr_array_index (life->passwords, pick (life, life->passwords->len));
  link = bb_scripted_link_new ("192.0.2.1:1");
  if (chance (life, 10))
    bb_scripted_link_set_manner (link, "info", chance (life, 50) ? BB_LINK_FAILS : BB_LINK_SILENT);
  if (chance (life, 10))
    bb_scripted_link_set_manner (link, "builders", chance (life, 50) ? BB_LINK_FAILS : BB_LINK_SILENT);
  if (chance (life, 10))
    bb_scripted_link_set_manner (link, "ping", chance (life, 50) ? BB_LINK_FAILS : BB_LINK_SILENT);
  tell (life, "login %s", bb_slave_get_name (slave));
  g_ptr_array_add (life->links, link);
  world_login_with (life->world, bb_slave_get_name (slave), password != NULL ? password : "none", link);
}

static void
step_link (Life *life)
{
  BbScriptedLink *link;

  if (life->links->len == 0)
    return;
  link = g_ptr_array_index (life->links, pick (life, life->links->len));
  if (chance (life, 60))
    lose_link (life, link);
  else if (chance (life, 50))
    bb_scripted_link_time_out (link);
  else
    bb_scripted_link_set_manner (link, "ping", pick (life, 3));
}

static void
step_time (Life *life)
{
  static const double times[] = { 0.1, 1, 9, 12, 61, 130, 301, 601, 1201, 3700 };
  double seconds = times[pick (life, G_N_ELEMENTS (times))];

  tell (life, "%g s pass", seconds);
  world_advance (life->world, seconds);
}

static void
step_cloud (Life *life)
{
  static const int codes[] = { BB_ERROR_FAILED, BB_ERROR_NOT_NOW, BB_ERROR_QUOTA, BB_ERROR_PERMANENT };
  BbCloudManner manner = chance (life, 40) ? BB_CLOUD_OBEYS : pick (life, BB_CLOUD_LOSES_ANSWER + 1);


  if (chance (life, 50))
    {
      tell (life, "starts: %d", manner);
      bb_fake_cloud_set_start (manner, codes[pick (life, G_N_ELEMENTS (codes))], "the cloud says no");
    }
  else if (chance (life, 40))
    {
      tell (life, "parks: %d", manner);
      bb_fake_cloud_set_park (manner, BB_ERROR_FAILED, "the cloud does not keep it");
    }
  else
    {
      tell (life, "stops: %d", manner);
      bb_fake_cloud_set_stop (manner, BB_ERROR_FAILED, "the cloud does not stop it");
    }
}

static void
step_answer (Life *life)
{
  static const char *const calls[] = { "start", "stop", "park", "check" };
  const char *call = calls[pick (life, G_N_ELEMENTS (calls))];
  gboolean success = chance (life, 60);

  tell (life, "answer %s %d", call, success);
  bb_fake_cloud_answer (call, success);
}

static void
step_machine (Life *life)
{
  BbSlave *slave = some_slave (life);
  BbLedgerRow *row;

  if (slave == NULL)
    return;
  row = bb_slave_manager_get_row (life->world->slaves, slave);
  tell (life, "machine of %s", bb_slave_get_name (slave));
  if (chance (life, 40))
    bb_fake_cloud_kill (bb_slave_get_name (slave));
  else if (chance (life, 50))
    bb_fake_cloud_set_check (pick (life, BB_INSTANCE_ENDING + 1), "looked at");
  else if (chance (life, 20))
    bb_fake_cloud_wake (bb_slave_get_name (slave));
  else if (row != NULL && chance (life, 50))
    bb_slave_manager_terminate_row (life->world->slaves, row);
  else if (row != NULL && bb_fake_cloud_count_machines (bb_slave_get_name (slave)) == 0
           && bb_ledger_row_get_state (row) == BB_ROW_RUNNING)
    bb_slave_manager_row_gone (life->world->slaves, row);
}

static void
step_verb (Life *life)
{
  BbSlave *slave = some_slave (life);
  BbSlaveManager *slaves = life->world->slaves;

  if (slave == NULL)
    return;
  tell (life, "verb on %s", bb_slave_get_name (slave));
  switch (pick (life, 7))
    {
    case 0:
      bb_slave_manager_pause (slaves, slave);
      break;
    case 1:
      bb_slave_manager_substantiate (slaves, slave, NULL);
      break;
    case 2:
      bb_slave_manager_insubstantiate (slaves, slave, chance (life, 50), NULL);
      break;
    case 3:
      bb_slave_manager_shutdown_slave (slaves, slave);
      break;
    case 4:
      bb_slave_manager_disconnect (slaves, slave, NULL);
      break;
    default:
      bb_slave_manager_resume (slaves, slave);
      break;
    }
}

static void
configure (Life *life, gboolean wild)
{
  static const double waits[] = { 600, 0, -1, 30 };

  bb_fake_cloud_set_can_park (wild && chance (life, 50));
  bb_fake_cloud_set_announces_ends (wild && chance (life, 30));
  world_begin (life->world);
  for (guint i = 0; i < N_SLAVES; i++)
    {
      BbSlaveConfig *slave;
      BbFakeConfig *config;

      life->removed[i] = wild && chance (life, 15);
      if (life->removed[i])
        continue;
      slave = world_add_slave (life->world, slave_names[i], wild && chance (life, 20) ? "other" : "fake");
      config = slave->plugin_config;
      if (!wild)
        continue;
      slave->settings->build_wait_timeout = waits[pick (life, G_N_ELEMENTS (waits))];
      slave->settings->max_builds = pick (life, 3);
      slave->settings->max_uses = chance (life, 20) ? 2 : 0;
      slave->settings->missing_timeout = chance (life, 50) ? 1200 : 50;
      slave->settings->auto_password = chance (life, 40);
      slave->settings->paused = chance (life, 5);
      g_free (config->image);
      config->image = g_strdup (images[pick (life, G_N_ELEMENTS (images))]);
      if (chance (life, 20))
        {
          g_free (config->region);
          config->region = g_strdup ("there");
        }
    }
  /* somebody who has access to what is left of slaves that were removed or moved */
  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *name = g_strdup_printf ("keeper%u", i);
      BbSlaveConfig *keeper = world_add_slave (life->world, name, i % 2 == 0 ? "fake" : "other");
      BbFakeConfig *config = keeper->plugin_config;

      g_free (config->region);
      config->region = g_strdup (i / 2 == 0 ? "here" : "there");
    }
  life->world->limits.max_instances = wild && chance (life, 30) ? 1 + pick (life, 2) : 0;
  life->world->max_lifetime = wild && chance (life, 20) ? 2000 : 0;
  world_apply (life->world);
}

static void
step_reload (Life *life)
{
  tell (life, "reload");
  configure (life, TRUE);
}

static void
forget_links (Life *life)
{
  for (guint i = 0; i < life->links->len; i++)
    bb_scripted_link_lose (g_ptr_array_index (life->links, i));
  g_ptr_array_set_size (life->links, 0);
}

/* Requests that ran are no more; those that waited have been answered. */
static void
forget_requests (Life *life)
{
  for (guint i = 0; i < life->requests->len; i++)
    {
      Request *request = g_ptr_array_index (life->requests, i);

      CHECK (life, request->done);
      request_free (request);
    }
  g_ptr_array_set_size (life->requests, 0);
}

static void
step_restart (Life *life)
{
  tell (life, "restart");
  /* what was asked for has been done, or not, by the time the daemon is back */
  bb_memory_store_set_hanging (life->world->store, FALSE);
  bb_fake_cloud_answer ("start", chance (life, 50));
  bb_fake_cloud_answer ("stop", chance (life, 50));
  bb_fake_cloud_answer ("park", chance (life, 50));
  world_restart (life->world);
  bb_fake_cloud_answer ("start", FALSE);
  bb_test_run_pending ();
  forget_requests (life);
  forget_links (life);
  world_apply (life->world);
}

static void
step_store (Life *life)
{
  guint what = pick (life, 4);

  tell (life, "store %u", what);
  bb_memory_store_set_failing (life->world->store, what == 0);
  bb_memory_store_set_hanging (life->world->store, what == 1);
}

static const struct
{
  void (*step) (Life *life);
  guint weight;
} steps[] = {
  { step_acquire, 20 },
  { step_cancel, 6 },
  { step_release, 14 },
  { step_login, 20 },
  { step_link, 8 },
  { step_time, 12 },
  { step_cloud, 8 },
  { step_answer, 10 },
  { step_machine, 4 },
  { step_verb, 6 },
  { step_reload, 4 },
  { step_restart, 2 },
  { step_store, 3 },
};

static void
take_step (Life *life)
{
  guint sum = 0;
  guint at;

  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    sum += steps[i].weight;
  at = pick (life, sum);
  for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      if (at < steps[i].weight)
        {
          steps[i].step (life);
          break;
        }
      at -= steps[i].weight;
    }
  counts.steps++;
  world_turn (life->world);
  drop_done (life);
  check_invariants (life);
}

/* ---- a whole life ---- */

static void
end_builds (Life *life)
{
  for (guint i = life->requests->len; i > 0; i--)
    {
      Request *request = g_ptr_array_index (life->requests, i - 1);

      if (request->done && request->ok)
        end_build (life, request, BB_RESULT_SUCCESS);
    }
  world_turn (life->world);
}

/* Nobody but a person ends those that are kept. */
static void
end_parked (Life *life)
{
  g_autoptr (GPtrArray) rows = bb_ledger_get_open_rows (life->world->ledger);

  for (guint i = 0; i < rows->len; i++)
    if (bb_ledger_row_get_state (rows->pdata[i]) == BB_ROW_PARKED)
      bb_slave_manager_terminate_row (life->world->slaves, rows->pdata[i]);
}

static gboolean
is_over (Life *life)
{
  return life->requests->len == 0 && bb_fake_cloud_count_machines (NULL) == 0
         && bb_ledger_count_open (life->world->ledger) == 0;
}

/* Everything obeys again, and nobody wants anything: then nothing is left. */
static void
quieten (Life *life)
{
  tell (life, "quiet");
  bb_memory_store_set_failing (life->world->store, FALSE);
  bb_memory_store_set_hanging (life->world->store, FALSE);
  bb_fake_cloud_set_start (BB_CLOUD_OBEYS, 0, NULL);
  bb_fake_cloud_set_stop (BB_CLOUD_OBEYS, 0, NULL);
  bb_fake_cloud_set_park (BB_CLOUD_OBEYS, 0, NULL);
  bb_fake_cloud_set_check (BB_INSTANCE_ALIVE, NULL);
  for (guint i = 0; i < 10; i++)
    {
      bb_fake_cloud_answer ("start", TRUE);
      bb_fake_cloud_answer ("stop", TRUE);
      bb_fake_cloud_answer ("park", TRUE);
      bb_fake_cloud_answer ("check", TRUE);
      world_turn (life->world);
    }
  configure (life, FALSE);
  end_builds (life);
  /* Nobody attaches any more: who waits gets that for an answer, by itself, whatever had happened before. */
  for (guint i = 0; i < life->links->len; i++)
    lose_link (life, g_ptr_array_index (life->links, i));
  for (guint minutes = 0; minutes == 0 || (minutes < 180 && !is_over (life)); minutes += 10)
    {
      world_advance (life->world, 600);
      end_builds (life);
      drop_done (life);
      end_parked (life);
      check_invariants (life);
      CHECK (life, minutes < 50 || life->requests->len == 0); /* no waiter is lost */
    }
  CHECK (life, bb_fake_cloud_count_machines (NULL) == 0);
  CHECK (life, bb_ledger_count_open (life->world->ledger) == 0);
  for (guint i = 0; i < N_SLAVES; i++)
    CHECK (life, g_str_equal (world_substantiation (life->world, slave_names[i]), "insubstantiated"));
}

/* And a slave is of use again. */
static void
check_usable (Life *life)
{
  const char *name = slave_names[pick (life, N_SLAVES)];
  BbScriptedLink *link;
  Request *request;

  bb_slave_manager_resume (life->world->slaves, world_find (life->world, name));
  request = world_acquire (life->world, name, "x", NULL);
  tell (life, "at last: %s %s", name, request->error != NULL ? request->error->message : "");
  CHECK (life, !request->done);
  link = world_attach (life->world, name);
  CHECK (life, request->done && request->ok);
  g_ptr_array_add (life->links, link);
  request_release (request, BB_RESULT_SUCCESS);
}

static void
shut_down (Life *life)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_slave_manager_shutdown_async (life->world->slaves, bb_loop_now_us (life->world->loop) + 60 * G_USEC_PER_SEC,
                                   bb_test_store_result, &result);
  world_advance (life->world, 30);
  CHECK (life, result != NULL);
  CHECK (life, bb_fake_cloud_count_machines (NULL) == 0);
  CHECK (life, bb_ledger_count_open (life->world->ledger) == 0);
}

static void
live (Life *life)
{
  guint n = FEWEST_STEPS + pick (life, MOST_STEPS - FEWEST_STEPS);

  g_ptr_array_set_size (life->passwords, 0);
  if (chance (life, 50))
    configure (life, TRUE);
  for (guint i = 0; i < n; i++)
    take_step (life);
  quieten (life);
  bb_memory_store_forget_old (life->world->store, &bb_table_instances);
  check_usable (life);
}

static Life *
life_new (guint32 seed)
{
  Life *life = g_new0 (Life, 1);

  life->rand = g_rand_new_with_seed (seed);
  life->requests = g_ptr_array_new ();
  life->links = g_ptr_array_new_with_free_func (g_object_unref);
  life->passwords = g_ptr_array_new_with_free_func (g_free);
  life->story = g_string_new (NULL);
  life->world = world_new_with_reaper ();
  if (chance (life, 50))
    bb_fake_cloud_set_listing_delay (life->world->loop, 30);
  bb_fake_cloud_set_witness (witness_start, life);
  configure (life, FALSE);
  return life;
}

static void
life_free (Life *life)
{
  shut_down (life);
  forget_links (life);
  world_free (life->world); /* asserts that no timer is left */
  CHECK (life, bb_scripted_link_count_alive () == 0);
  g_ptr_array_unref (life->requests);
  g_ptr_array_unref (life->links);
  g_ptr_array_unref (life->passwords);
  g_string_free (life->story, TRUE);
  g_rand_free (life->rand);
  g_free (life);
}

static void
live_in_one_world (guint32 first, guint n)
{
  Life *life = life_new (first);

  for (guint i = 0; i < n; i++)
    {
      g_string_truncate (life->story, 0);
      tell (life, "BB_RANDOM_SEED=%u BB_RANDOM_SEQUENCES=%u", first, i + 1);
      g_rand_set_seed (life->rand, first + i);
      live (life);
      counts.sequences++;
      g_free (bb_log_trap_take_warnings ());
    }
  life_free (life);
  g_free (bb_log_trap_take_warnings ());
}

static void
live_in_worlds (guint32 first, guint n)
{
  for (guint i = 0; i < n; i += SEQUENCES_PER_WORLD)
    live_in_one_world (first + i, MIN (n - i, SEQUENCES_PER_WORLD));
}

typedef struct
{
  pid_t process;
  int counts; /* to be read from */
} Share;

static Share
begin_share (guint32 first, guint n)
{
  Share share;
  int ends[2];

  g_assert_cmpint (pipe (ends), ==, 0);
  share.process = fork ();
  g_assert_cmpint (share.process, >=, 0);
  if (share.process == 0)
    {
      live_in_worlds (first, n);
      _exit (write (ends[1], &counts, sizeof counts) == sizeof counts ? 0 : 1);
    }
  close (ends[1]);
  share.counts = ends[0];
  return share;
}

static void
end_share (const Share *share)
{
  Counts theirs;
  int status;

  g_assert_cmpint (read (share->counts, &theirs, sizeof theirs), ==, sizeof theirs);
  close (share->counts);
  g_assert_cmpint (waitpid (share->process, &status, 0), ==, share->process);
  g_assert_cmpint (status, ==, 0);
  counts.sequences += theirs.sequences;
  counts.steps += theirs.steps;
  counts.starts += theirs.starts;
}

/* Each processor has whole worlds. */
static void
live_in_processes (guint32 first, guint n)
{
  guint n_shares = CLAMP (n / SEQUENCES_PER_WORLD, 1, g_get_num_processors ());
  guint each = n / n_shares / SEQUENCES_PER_WORLD * SEQUENCES_PER_WORLD;
  g_autofree Share *shares = g_new (Share, n_shares);

  for (guint i = 0; i < n_shares; i++)
    shares[i] = begin_share (first + i * each, i < n_shares - 1 ? each : n - i * each);
  for (guint i = 0; i < n_shares; i++)
    end_share (&shares[i]);
}

static void
test_random (void)
{
  const char *seed = g_getenv ("BB_RANDOM_SEED");
  const char *sequences = g_getenv ("BB_RANDOM_SEQUENCES");
  guint32 first = seed != NULL ? (guint32) strtoul (seed, NULL, 10) : 1;
  guint n = sequences != NULL ? (guint) strtoul (sequences, NULL, 10) : DEFAULT_SEQUENCES;

  if (seed == NULL)
    live_in_processes (first, n);
  else
    live_in_worlds (first, n);
  g_test_message ("%u sequences, %u steps, %u starts: 0 leaked, 0 lost, 0 doubled, 0 overlaps", counts.sequences,
                  counts.steps, counts.starts);
  g_assert_cmpuint (counts.sequences, ==, n);
  if (n >= 100)
    g_assert_cmpuint (counts.starts, >, n);
}

/* Nothing here waits for a descriptor or a thread: the kernel need not be asked. */
static int
poll_nothing (GPollFD *descriptors, guint n, int timeout_ms)
{
  for (guint i = 0; i < n; i++)
    descriptors[i].revents = 0;
  return 0;
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  bb_log_trap_set_quiet (g_getenv ("BB_RANDOM_SEED") == NULL);

  g_main_context_set_poll_func (NULL, poll_nothing);
  g_main_context_acquire (NULL); /* else each new source wakes up a poll that nobody is in */
  g_test_add_func ("/substantiation/random", test_random);
  return g_test_run ();
}
