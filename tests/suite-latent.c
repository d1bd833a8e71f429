/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "suite-latent.h"

#include <string.h>

#include "bb-error.h"

#define TOKEN "0b5c8d5e-6a51-4f3c-9a52-0d4a8f0e7c11"

typedef struct
{
  const BbLatentSuite *suite;
  char *dir;
  gpointer backend;
  BbLatentSlave *slave;
  GPtrArray *resources; /* of char *: recorded by the start */
  BbInstanceRequest *request;
  GCancellable *cancellable;
} Fixture;

static void
record (const char *resource, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, callback_data);
  GPtrArray *resources = user_data;

  g_ptr_array_add (resources, g_strdup (resource));
  g_task_return_boolean (task, TRUE);
}

static void
refuse_to_record (const char *resource, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, callback_data);

  g_task_return_new_error (task, BB_ERROR, BB_ERROR_STORE, "the disk is full");
}

static void
report (BbInstance *instance, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, callback_data);

  g_task_return_boolean (task, TRUE);
}

BbInstanceRequest *
bb_latent_suite_new_request (const char *dir, const char *slave_name, const char *token, GPtrArray *resources)
{
  const BbInstanceRequestParameters parameters = {
    .slave_name = slave_name,
    .token = token,
    .password = BB_LATENT_SUITE_PASSWORD,
    .host_name = "host-1",
    .store_id = BB_LATENT_SUITE_STORE,
    .master_host = "127.0.0.1",
    .master_port = 9,
    .protocol = "pb",
    .properties = g_variant_new_parsed ("{'branch': <'trunk'>}"),
    .state_directory = dir,
  };
  BbInstanceRequest *request = bb_instance_request_new (&parameters);

  bb_instance_request_set_recorder (request, record, report, resources, NULL);
  return request;
}

BbInstance *
bb_latent_suite_start (BbLatentSlave *slave, BbInstanceRequest *request, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_latent_slave_start_instance_async (slave, request, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_latent_slave_start_instance_finish (slave, result, error);
}

gboolean
bb_latent_suite_stop (BbLatentSlave *slave, BbInstance *instance, gboolean fast, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_latent_slave_stop_instance_async (slave, instance, fast, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_latent_slave_stop_instance_finish (slave, result, error);
}

BbInstance *
bb_latent_suite_check (BbLatentSlave *slave, BbInstance *instance)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  BbInstance *now;

  bb_latent_slave_check_instance_async (slave, instance, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  now = bb_latent_slave_check_instance_finish (slave, result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (now);
  return now;
}

GPtrArray *
bb_latent_suite_list (BbLatentSlave *slave, const char *store_id)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  GPtrArray *instances;

  bb_latent_slave_list_instances_async (slave, store_id, NULL, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  instances = bb_latent_slave_list_instances_finish (slave, result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (instances);
  return instances;
}

static void
fixture_set_up (Fixture *f, gconstpointer data)
{
  f->suite = data;
  f->dir = bb_test_make_dir ();
  f->backend = f->suite->set_up (f->dir);
  f->slave = f->suite->new_slave (f->backend, "bot1");
  f->resources = g_ptr_array_new_with_free_func (g_free);
  f->request = bb_latent_suite_new_request (f->dir, "bot1", TOKEN, f->resources);
  f->cancellable = g_cancellable_new ();
}

static void
fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_object_unref (f->request);
  g_ptr_array_unref (f->resources);
  g_object_unref (f->cancellable);
  g_object_unref (f->slave);
  f->suite->tear_down (f->backend);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static BbInstance *
start (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  BbInstance *instance = bb_latent_suite_start (f->slave, f->request, &error);

  g_assert_no_error (error);
  g_assert_nonnull (instance);
  return instance;
}

static void
stop (Fixture *f, BbInstance *instance, gboolean fast)
{
  g_autoptr (GError) error = NULL;
  gboolean gone = bb_latent_suite_stop (f->slave, instance, fast, &error);

  g_assert_no_error (error);
  g_assert_true (gone);
}

static void
assert_count (Fixture *f, guint count)
{
  g_autoptr (GPtrArray) instances = bb_latent_suite_list (f->slave, BB_LATENT_SUITE_STORE);

  g_assert_cmpuint (instances->len, ==, count);
}

static void
assert_gone (Fixture *f, BbInstance *instance)
{
  g_autoptr (BbInstance) now = bb_latent_suite_check (f->slave, instance);

  g_assert_cmpint (bb_instance_get_state (now), ==, BB_INSTANCE_GONE);
  assert_count (f, 0);
}

/* What the ledger hands to a stop when it has nothing but the row: the token, and what was recorded. */
static BbInstance *
make_unanswered (Fixture *f)
{
  BbInstance *instance = bb_instance_new ("", TOKEN);

  g_ptr_array_add (f->resources, NULL);
  bb_instance_set_resources (instance, (const char *const *) f->resources->pdata);
  g_ptr_array_remove_index (f->resources, f->resources->len - 1);
  return instance;
}

static void
test_start_and_stop (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);
  g_autoptr (BbInstance) now = bb_latent_suite_check (f->slave, instance);

  g_assert_cmpstr (bb_instance_get_id (instance), !=, "");
  g_assert_cmpstr (bb_instance_get_token (instance), ==, TOKEN);
  g_assert_true (bb_instance_get_state (now) == BB_INSTANCE_ALIVE || bb_instance_get_state (now) == BB_INSTANCE_STARTING);
  g_assert_cmpstr (bb_instance_get_id (now), ==, bb_instance_get_id (instance));
  g_assert_cmpstr (bb_instance_get_token (now), ==, TOKEN);
  /* What has to be gone with it is in the row before it exists, and with the instance. */
  for (const char *const *resource = bb_instance_get_resources (instance); *resource != NULL; resource++)
    g_assert_true (g_ptr_array_find_with_equal_func (f->resources, *resource, g_str_equal, NULL));
  stop (f, instance, FALSE);
  assert_gone (f, instance);
}

static void
test_stop_fast (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);

  stop (f, instance, TRUE);
  assert_gone (f, instance);
}

static void
test_stop_twice (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);

  stop (f, instance, FALSE);
  stop (f, instance, FALSE);
  stop (f, instance, TRUE);
  assert_gone (f, instance);
}

static void
test_stop_unknown (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) other = start (f);
  g_autoptr (BbInstance) instance = bb_instance_new ("", "7c0cb1a3-9f0c-4f8c-a4d1-000000000000");
  g_autoptr (BbInstance) now = NULL;

  stop (f, instance, FALSE);
  now = bb_latent_suite_check (f->slave, other);
  g_assert_cmpint (bb_instance_get_state (now), !=, BB_INSTANCE_GONE);
  stop (f, other, TRUE);
}

/* C2: killed between the cloud's call and its answer, so that there is no id. */
static void
test_stop_by_token (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);
  g_autoptr (BbInstance) unanswered = make_unanswered (f);

  g_clear_object (&f->slave);
  f->slave = f->suite->new_slave (f->backend, "bot1");
  stop (f, unanswered, FALSE);
  assert_gone (f, instance);
}

/* C2 */
static void
test_list_finds_lost (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);
  g_autoptr (GPtrArray) instances = NULL;
  BbInstance *found;

  g_clear_object (&f->slave);
  /* Any slave of the scope sees it. */
  f->slave = f->suite->new_slave (f->backend, "bot2");
  instances = bb_latent_suite_list (f->slave, BB_LATENT_SUITE_STORE);
  g_assert_cmpuint (instances->len, ==, 1);
  found = g_ptr_array_index (instances, 0);
  g_assert_cmpstr (bb_instance_get_id (found), ==, bb_instance_get_id (instance));
  g_assert_cmpstr (bb_instance_get_token (found), ==, TOKEN);
  g_assert_cmpstr (bb_instance_get_slave_name (found), ==, "bot1");
  stop (f, found, FALSE);
  assert_gone (f, instance);
}

/* C4 */
static void
test_list_other_store (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);
  g_autoptr (GPtrArray) instances = bb_latent_suite_list (f->slave, "store-2");

  g_assert_cmpuint (instances->len, ==, 0);
  stop (f, instance, TRUE);
}

static void
test_cancel_before (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (f->cancellable);
  bb_latent_slave_start_instance_async (f->slave, f->request, f->cancellable, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  g_assert_null (bb_latent_slave_start_instance_finish (f->slave, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (f->resources->len, ==, 0);
  assert_count (f, 0);
}

/* L11: whatever came of it is either handed out or gone. */
static void
cancel_after_turns (Fixture *f, guint turns)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (BbInstance) unanswered = NULL;

  bb_latent_slave_start_instance_async (f->slave, f->request, f->cancellable, bb_test_store_result, &result);
  for (; turns > 0; turns--)
    g_main_context_iteration (NULL, FALSE);
  g_cancellable_cancel (f->cancellable);
  bb_test_run_until_result (&result);
  instance = bb_latent_slave_start_instance_finish (f->slave, result, &error);
  g_assert_true ((instance == NULL) == (error != NULL));
  if (instance != NULL)
    {
      assert_count (f, 1);
      stop (f, instance, FALSE);
    }
  else
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_count (f, 0);
  unanswered = make_unanswered (f);
  stop (f, unanswered, TRUE);
}

static void
test_cancel_during (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  for (guint turns = 0; turns < 6; turns++)
    {
      cancel_after_turns (f, turns);
      g_object_unref (f->cancellable);
      f->cancellable = g_cancellable_new ();
    }
}

static void
test_cancel_after (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance = NULL;

  bb_latent_slave_start_instance_async (f->slave, f->request, f->cancellable, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  instance = bb_latent_slave_start_instance_finish (f->slave, result, &error);
  g_assert_no_error (error);
  g_cancellable_cancel (f->cancellable);
  assert_count (f, 1);
  stop (f, instance, FALSE);
}

/* L24: a stop that was given up is done again. */
static void
test_cancel_stop (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  bb_latent_slave_stop_instance_async (f->slave, instance, FALSE, f->cancellable, bb_test_store_result, &result);
  g_cancellable_cancel (f->cancellable);
  bb_test_run_until_result (&result);
  if (!bb_latent_slave_stop_instance_finish (f->slave, result, &error))
    g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  stop (f, instance, FALSE);
  assert_gone (f, instance);
}

/* L10, E18 */
static void
test_killed (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbInstance) instance = start (f);
  g_autoptr (BbInstance) now = NULL;

  f->suite->kill_instance (f->backend, instance);
  now = bb_latent_suite_check (f->slave, instance);
  if (bb_instance_get_state (now) != BB_INSTANCE_GONE)
    {
      g_assert_cmpint (bb_instance_get_state (now), ==, BB_INSTANCE_FAILED);
      g_assert_nonnull (bb_instance_get_reason (now));
    }
  stop (f, instance, FALSE);
  assert_gone (f, instance);
}

/* C1, C13: nothing is made that is not in the row. */
static void
test_record_fails (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  if (!f->suite->records_resources)
    {
      g_test_skip ("this backend makes nothing beside the instance");
      return;
    }
  bb_instance_request_set_recorder (f->request, refuse_to_record, report, NULL, NULL);
  g_assert_null (bb_latent_suite_start (f->slave, f->request, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_STORE);
  assert_count (f, 0);
}

static void
test_scope (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbLatentSlave) other = f->suite->new_slave (f->backend, "bot2");
  g_autofree char *scope = bb_latent_slave_get_scope (f->slave);
  g_autofree char *other_scope = bb_latent_slave_get_scope (other);

  g_assert_cmpstr (scope, !=, "");
  g_assert_cmpstr (scope, ==, other_scope);
}

void
bb_latent_suite_add (const BbLatentSuite *suite)
{
  static const struct
  {
    const char *name;
    void (*func) (Fixture *f, gconstpointer data);
  } cases[] = {
    { "start-and-stop", test_start_and_stop },
    { "stop-fast", test_stop_fast },
    { "stop-twice", test_stop_twice },
    { "stop-unknown", test_stop_unknown },
    { "stop-by-token", test_stop_by_token },
    { "list-finds-lost", test_list_finds_lost },
    { "list-other-store", test_list_other_store },
    { "cancel-before", test_cancel_before },
    { "cancel-during", test_cancel_during },
    { "cancel-after", test_cancel_after },
    { "cancel-stop", test_cancel_stop },
    { "killed", test_killed },
    { "record-fails", test_record_fails },
    { "scope", test_scope },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("%s/latent/%s", suite->path, cases[i].name);

      g_test_add (path, Fixture, suite, fixture_set_up, cases[i].func, fixture_tear_down);
    }
}
