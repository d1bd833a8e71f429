/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "suite-latent.h"

#include "bb-conformance.h"

/* Real time: clouds of tests answer at once, and virtual machines take a while on a busy machine. */
#define TIME_LIMIT 120

#define TOKEN "0b5c8d5e-6a51-4f3c-9a52-0d4a8f0e7c11"

typedef struct
{
  const BbLatentSuite *suite;
  char *dir;
  gpointer backend;
} Fixture;

typedef struct
{
  const BbLatentSuite *suite;
  const BbConformanceCase *c;
} Case;

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
  const Case *c = data;

  f->suite = c->suite;
  f->dir = bb_test_make_dir ();
  f->backend = f->suite->set_up (f->dir);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->suite->tear_down (f->backend);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static void
test_case (Fixture *f, gconstpointer data)
{
  const Case *c = data;
  const BbConformanceTarget target = { f->suite->new_slave, f->backend, "bot1", f->dir, TIME_LIMIT };
  g_autoptr (GError) error = NULL;

  if (!bb_conformance_run (&target, c->c, &error) && !f->suite->records_resources &&
      g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED))
    {
      g_test_skip (error->message);
      return;
    }
  g_assert_no_error (error);
}

/* L10, E18: only the backend's own test knows how to do that. */
static void
test_killed (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbLatentSlave) slave = f->suite->new_slave (f->backend, "bot1");
  g_autoptr (GPtrArray) resources = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BbInstanceRequest) request = bb_latent_suite_new_request (f->dir, "bot1", TOKEN, resources);
  g_autoptr (GError) error = NULL;
  g_autoptr (BbInstance) instance = bb_latent_suite_start (slave, request, &error);
  g_autoptr (BbInstance) now = NULL;
  g_autoptr (BbInstance) afterwards = NULL;
  g_autoptr (GPtrArray) left = NULL;

  g_assert_no_error (error);
  f->suite->kill_instance (f->backend, instance);
  now = bb_latent_suite_check (slave, instance);
  if (bb_instance_get_state (now) != BB_INSTANCE_GONE)
    {
      g_assert_cmpint (bb_instance_get_state (now), ==, BB_INSTANCE_FAILED);
      g_assert_nonnull (bb_instance_get_reason (now));
    }
  bb_latent_suite_stop (slave, instance, FALSE, &error);
  g_assert_no_error (error);
  afterwards = bb_latent_suite_check (slave, instance);
  g_assert_cmpint (bb_instance_get_state (afterwards), ==, BB_INSTANCE_GONE);
  left = bb_latent_suite_list (slave, BB_LATENT_SUITE_STORE);
  g_assert_cmpuint (left->len, ==, 0);
}

/* GTest frees its list of cases, and not what they get. */
static GPtrArray *all_cases;

static void
add_case (const BbLatentSuite *suite, const BbConformanceCase *c, const char *name,
          void (*func) (Fixture *f, gconstpointer data))
{
  g_autofree char *path = g_strdup_printf ("%s/latent/%s", suite->path, name);
  Case *data = g_new0 (Case, 1);

  if (all_cases == NULL)
    all_cases = g_ptr_array_new ();
  g_ptr_array_add (all_cases, data);
  data->suite = suite;
  data->c = c;
  g_test_add_vtable (path, sizeof (Fixture), data, (GTestFixtureFunc) fixture_set_up, (GTestFixtureFunc) func,
                     (GTestFixtureFunc) fixture_tear_down);
}

void
bb_latent_suite_add (const BbLatentSuite *suite)
{
  for (const BbConformanceCase *c = bb_conformance_get_cases (); c->name != NULL; c++)
    add_case (suite, c, c->name, test_case);
  add_case (suite, NULL, "killed", test_killed);
}
