/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-conformance.h"

#include "bb-error.h"
#include "bb-instance-request-private.h"

#define PASSWORD "sesame-4711"
#define OTHER_STORE "a store of another host"
#define UNKNOWN_TOKEN "7c0cb1a3-9f0c-4f8c-a4d1-000000000000"

struct _BbConformance
{
  const BbConformanceTarget *target;
  char *store_id;
  char *token;
  BbLatentSlave *slave;
  BbInstanceRequest *request;
  GPtrArray *resources; /* of char *: what the start had recorded */
};

static gboolean G_GNUC_PRINTF (2, 3)
complain (GError **error, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error_literal (error, BB_ERROR, BB_ERROR_FAILED, text);
  return FALSE;
}

/* What the ledger does for a request. */

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
  gboolean *asked = user_data;

  *asked = TRUE;
  g_task_return_new_error (task, BB_ERROR, BB_ERROR_STORE, "the disk is full");
}

static void
report (BbInstance *instance, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, callback_data);

  g_task_return_boolean (task, TRUE);
}

/* One call, run to its end. Held by whoever waits and by the call itself, which may outlive the wait. */

typedef struct
{
  GAsyncResult *result;
  GCancellable *cancellable;
  gboolean late;
} Call;

static void
call_clear (gpointer data)
{
  Call *call = data;

  g_clear_object (&call->result);
  g_clear_object (&call->cancellable);
}

static void
call_unref (Call *call)
{
  g_rc_box_release_full (call, call_clear);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_unref)

static Call *
call_new (GCancellable *cancellable)
{
  Call *call = g_rc_box_new0 (Call);

  call->cancellable = g_object_ref (cancellable);
  return g_rc_box_acquire (call); /* the second one is returned_cb()'s */
}

static void
returned_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;

  call->result = g_object_ref (result);
}

static gboolean
late_cb (gpointer user_data)
{
  Call *call = user_data;

  call->late = TRUE;
  g_cancellable_cancel (call->cancellable);
  return G_SOURCE_CONTINUE; /* and wakes the loop again, for the one that does not obey */
}

/* Borrowed from @call; NULL with an error when it did not return in time. */
static GAsyncResult *
wait_for (BbConformance *self, Call *call, const char *what, GError **error)
{
  guint source = g_timeout_add_seconds (self->target->time_limit, late_cb, call);
  gint64 end = g_get_monotonic_time () + 2 * (gint64) self->target->time_limit * G_USEC_PER_SEC;

  while (call->result == NULL && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
  if (call->result != NULL && !call->late)
    return call->result;
  complain (error, "%s did not return within %u s%s", what, self->target->time_limit,
            call->result == NULL ? ", nor when it was cancelled" : "");
  return NULL;
}

static BbInstance *
start_with (BbConformance *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (Call) call = call_new (cancellable);
  GAsyncResult *result;

  bb_latent_slave_start_instance_async (self->slave, self->request, cancellable, returned_cb, call);
  result = wait_for (self, call, "start_instance", error);
  return result != NULL ? bb_latent_slave_start_instance_finish (self->slave, result, error) : NULL;
}

static BbInstance *
start (BbConformance *self, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  BbInstance *instance = start_with (self, cancellable, error);

  if (instance == NULL)
    g_prefix_error (error, "start_instance: ");
  return instance;
}

static gboolean
stop_with (BbConformance *self, BbInstance *instance, gboolean fast, GCancellable *cancellable, GError **error)
{
  g_autoptr (Call) call = call_new (cancellable);
  GAsyncResult *result;

  bb_latent_slave_stop_instance_async (self->slave, instance, fast, cancellable, returned_cb, call);
  result = wait_for (self, call, "stop_instance", error);
  return result != NULL && bb_latent_slave_stop_instance_finish (self->slave, result, error);
}

static gboolean
stop (BbConformance *self, BbInstance *instance, gboolean fast, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  if (stop_with (self, instance, fast, cancellable, error))
    return TRUE;
  g_prefix_error (error, "stop_instance: ");
  return FALSE;
}

static BbInstance *
check (BbConformance *self, BbInstance *instance, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (Call) call = call_new (cancellable);
  GAsyncResult *result;
  BbInstance *now = NULL;

  bb_latent_slave_check_instance_async (self->slave, instance, cancellable, returned_cb, call);
  result = wait_for (self, call, "check_instance", error);
  if (result != NULL)
    now = bb_latent_slave_check_instance_finish (self->slave, result, error);
  if (now == NULL)
    g_prefix_error (error, "check_instance: ");
  return now;
}

static GPtrArray *
list (BbConformance *self, const char *store_id, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (Call) call = call_new (cancellable);
  GAsyncResult *result;
  GPtrArray *instances = NULL;

  bb_latent_slave_list_instances_async (self->slave, store_id, cancellable, returned_cb, call);
  result = wait_for (self, call, "list_instances", error);
  if (result != NULL)
    instances = bb_latent_slave_list_instances_finish (self->slave, result, error);
  if (instances == NULL)
    g_prefix_error (error, "list_instances: ");
  return instances;
}

/* What has to hold. */

static gboolean
expect_count (BbConformance *self, const char *store_id, guint count, GError **error)
{
  g_autoptr (GPtrArray) instances = list (self, store_id, error);

  if (instances == NULL)
    return FALSE;
  if (instances->len == count)
    return TRUE;
  return complain (error, "list_instances shows %u instances where there should be %u", instances->len, count);
}

static gboolean
expect_gone (BbConformance *self, BbInstance *instance, GError **error)
{
  g_autoptr (BbInstance) now = check (self, instance, error);

  if (now == NULL)
    return FALSE;
  if (bb_instance_get_state (now) != BB_INSTANCE_GONE)
    return complain (error, "stop_instance said that \"%s\" is gone, check_instance says that it is not",
                     bb_instance_get_id (instance));
  return expect_count (self, self->store_id, 0, error);
}

static gboolean
expect_cancelled (const GError *received, GError **error)
{
  if (g_error_matches (received, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return TRUE;
  return complain (error, "a cancelled call ended with another error than G_IO_ERROR_CANCELLED: %s",
                   received != NULL ? received->message : "none");
}

/* What the ledger hands to a stop when it has nothing but the row: the token, and what was recorded. */
static BbInstance *
make_unanswered (BbConformance *self)
{
  BbInstance *instance = bb_instance_new ("", self->token);

  g_ptr_array_add (self->resources, NULL);
  bb_instance_set_resources (instance, (const char *const *) self->resources->pdata);
  g_ptr_array_remove_index (self->resources, self->resources->len - 1);
  return instance;
}

/* As after a restart: nothing is known but what the backend itself shows. */
static void
forget (BbConformance *self, const char *slave_name)
{
  g_clear_object (&self->slave);
  self->slave = self->target->new_slave (self->target->backend, slave_name);
}

static char *
get_other_name (BbConformance *self)
{
  return g_strconcat (self->target->slave_name, "-2", NULL);
}

/* The cases. */

static gboolean
run_scope (BbConformance *self, GError **error)
{
  g_autofree char *name = get_other_name (self);
  g_autoptr (BbLatentSlave) other = self->target->new_slave (self->target->backend, name);
  g_autofree char *scope = bb_latent_slave_get_scope (self->slave);
  g_autofree char *other_scope = bb_latent_slave_get_scope (other);

  if (scope == NULL || *scope == '\0')
    return complain (error, "get_scope answered nothing");
  if (g_strcmp0 (scope, other_scope) != 0)
    return complain (error, "two slaves with the same options have different scopes: \"%s\" and \"%s\"", scope,
                     other_scope);
  return TRUE;
}

static gboolean
expect_answer (BbConformance *self, BbInstance *instance, GError **error)
{
  if (*bb_instance_get_id (instance) == '\0')
    return complain (error, "the instance has no id");
  if (g_strcmp0 (bb_instance_get_token (instance), self->token) != 0)
    return complain (error, "the instance has the token \"%s\", the request had \"%s\"",
                     bb_instance_get_token (instance), self->token);
  for (const char *const *resource = bb_instance_get_resources (instance); *resource != NULL; resource++)
    if (!g_ptr_array_find_with_equal_func (self->resources, *resource, g_str_equal, NULL))
      return complain (error, "the resource \"%s\" was made without bb_instance_request_record_async()", *resource);
  return TRUE;
}

static gboolean
run_start_and_stop (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);
  g_autoptr (BbInstance) now = NULL;

  if (instance == NULL || !expect_answer (self, instance, error))
    return FALSE;
  now = check (self, instance, error);
  if (now == NULL)
    return FALSE;
  if (bb_instance_get_state (now) != BB_INSTANCE_ALIVE && bb_instance_get_state (now) != BB_INSTANCE_STARTING)
    return complain (error, "check_instance says of an instance just started that it is neither starting nor alive: %s",
                     bb_instance_get_reason (now) != NULL ? bb_instance_get_reason (now) : "no reason");
  if (g_strcmp0 (bb_instance_get_id (now), bb_instance_get_id (instance)) != 0 ||
      g_strcmp0 (bb_instance_get_token (now), self->token) != 0)
    return complain (error, "check_instance answers with another id or token than it was asked for");
  return stop (self, instance, FALSE, error) && expect_gone (self, instance, error);
}

static gboolean
run_stop_fast (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);

  return instance != NULL && stop (self, instance, TRUE, error) && expect_gone (self, instance, error);
}

static gboolean
run_stop_twice (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);

  return instance != NULL && stop (self, instance, FALSE, error) && stop (self, instance, FALSE, error) &&
         stop (self, instance, TRUE, error) && expect_gone (self, instance, error);
}

static gboolean
run_stop_unknown (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);
  g_autoptr (BbInstance) unknown = bb_instance_new ("", UNKNOWN_TOKEN);
  g_autoptr (BbInstance) now = NULL;

  if (instance == NULL || !stop (self, unknown, FALSE, error))
    return FALSE;
  now = check (self, instance, error);
  if (now == NULL)
    return FALSE;
  if (bb_instance_get_state (now) == BB_INSTANCE_GONE)
    return complain (error, "stopping an unknown token has stopped another instance");
  return stop (self, instance, TRUE, error) && expect_gone (self, instance, error);
}

static gboolean
run_stop_by_token (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);
  g_autoptr (BbInstance) unanswered = NULL;

  if (instance == NULL)
    return FALSE;
  unanswered = make_unanswered (self);
  forget (self, self->target->slave_name);
  return stop (self, unanswered, FALSE, error) && expect_gone (self, instance, error);
}

static gboolean
run_list_finds_lost (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);
  g_autofree char *other_name = get_other_name (self);
  g_autoptr (GPtrArray) instances = NULL;
  BbInstance *found;

  if (instance == NULL)
    return FALSE;
  forget (self, other_name); /* any slave of the scope sees it */
  instances = list (self, self->store_id, error);
  if (instances == NULL)
    return FALSE;
  if (instances->len != 1)
    return complain (error, "list_instances shows %u instances where there is one", instances->len);
  found = g_ptr_array_index (instances, 0);
  if (g_strcmp0 (bb_instance_get_id (found), bb_instance_get_id (instance)) != 0 ||
      g_strcmp0 (bb_instance_get_token (found), self->token) != 0 ||
      g_strcmp0 (bb_instance_get_slave_name (found), self->target->slave_name) != 0)
    return complain (error, "list_instances shows id \"%s\", token \"%s\", slave \"%s\"; it is \"%s\", \"%s\", \"%s\"",
                     bb_instance_get_id (found), bb_instance_get_token (found), bb_instance_get_slave_name (found),
                     bb_instance_get_id (instance), self->token, self->target->slave_name);
  return stop (self, found, FALSE, error) && expect_gone (self, instance, error);
}

static gboolean
run_list_other_store (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);

  return instance != NULL && expect_count (self, OTHER_STORE, 0, error) && stop (self, instance, TRUE, error);
}

static gboolean
run_cancel_before (BbConformance *self, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) received = NULL;
  g_autoptr (BbInstance) instance = NULL;

  g_cancellable_cancel (cancellable);
  instance = start_with (self, cancellable, &received);
  if (instance != NULL)
    return complain (error, "start_instance made an instance although it was cancelled before it began");
  if (!expect_cancelled (received, error))
    return FALSE;
  if (self->resources->len > 0)
    return complain (error, "start_instance recorded \"%s\" although it was cancelled before it began",
                     (const char *) g_ptr_array_index (self->resources, 0));
  return expect_count (self, self->store_id, 0, error);
}

/* L11: whatever came of it is either handed out or gone. */
static gboolean
cancel_after_turns (BbConformance *self, guint turns, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (Call) call = call_new (cancellable);
  GAsyncResult *result;
  g_autoptr (GError) received = NULL;
  g_autoptr (BbInstance) instance = NULL;
  g_autoptr (BbInstance) unanswered = NULL;

  bb_latent_slave_start_instance_async (self->slave, self->request, cancellable, returned_cb, call);
  for (; turns > 0; turns--)
    g_main_context_iteration (NULL, FALSE);
  g_cancellable_cancel (cancellable);
  result = wait_for (self, call, "start_instance", error);
  if (result == NULL)
    return FALSE;
  instance = bb_latent_slave_start_instance_finish (self->slave, result, &received);
  if (instance != NULL ? !stop (self, instance, FALSE, error) : !expect_cancelled (received, error))
    return FALSE;
  if (!expect_count (self, self->store_id, 0, error))
    {
      g_prefix_error (error, "after a start that was cancelled meanwhile: ");
      return FALSE;
    }
  unanswered = make_unanswered (self);
  return stop (self, unanswered, TRUE, error);
}

static gboolean
run_cancel_during (BbConformance *self, GError **error)
{
  for (guint turns = 0; turns < 6; turns++)
    if (!cancel_after_turns (self, turns, error))
      return FALSE;
  return TRUE;
}

static gboolean
run_cancel_after (BbConformance *self, GError **error)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (BbInstance) instance = start_with (self, cancellable, error);

  if (instance == NULL)
    return FALSE;
  g_cancellable_cancel (cancellable);
  return expect_count (self, self->store_id, 1, error) && stop (self, instance, FALSE, error) &&
         expect_gone (self, instance, error);
}

static gboolean
run_cancel_stop (BbConformance *self, GError **error)
{
  g_autoptr (BbInstance) instance = start (self, error);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) received = NULL;
  g_autoptr (Call) call = call_new (cancellable);
  GAsyncResult *result;

  if (instance == NULL)
    return FALSE;
  bb_latent_slave_stop_instance_async (self->slave, instance, FALSE, cancellable, returned_cb, call);
  g_cancellable_cancel (cancellable);
  result = wait_for (self, call, "stop_instance", error);
  if (result == NULL)
    return FALSE;
  if (!bb_latent_slave_stop_instance_finish (self->slave, result, &received) && !expect_cancelled (received, error))
    return FALSE;
  return stop (self, instance, FALSE, error) && expect_gone (self, instance, error);
}

static gboolean
run_record_fails (BbConformance *self, GError **error)
{
  gboolean asked = FALSE;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) received = NULL;
  g_autoptr (BbInstance) instance = NULL;

  bb_instance_request_set_recorder (self->request, refuse_to_record, report, &asked, NULL);
  instance = start_with (self, cancellable, &received);
  bb_instance_request_set_recorder (self->request, NULL, NULL, NULL, NULL);
  if (!asked)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_NOT_SUPPORTED,
                           "this backend makes nothing beside the instance");
      return FALSE;
    }
  if (instance != NULL || !g_error_matches (received, BB_ERROR, BB_ERROR_STORE))
    return complain (error, "start_instance went on although what it makes could not be recorded");
  return expect_count (self, self->store_id, 0, error);
}

static const BbConformanceCase cases[] = {
  { "scope", "slaves with the same options have the same scope", run_scope },
  { "start-and-stop", "an instance is started, alive, stopped, and then gone", run_start_and_stop },
  { "stop-fast", "a fast stop, too, ends when the instance is gone", run_stop_fast },
  { "stop-twice", "stopping what is gone succeeds", run_stop_twice },
  { "stop-unknown", "stopping what never was succeeds, and touches nothing else", run_stop_unknown },
  { "stop-by-token", "C2: an instance whose id was never heard is stopped by its token", run_stop_by_token },
  { "list-finds-lost", "C2: an instance is listed with id, token and slave, whoever asks", run_list_finds_lost },
  { "list-other-store", "C4: instances of other stores are not listed", run_list_other_store },
  { "cancel-before", "a start that was cancelled before makes nothing", run_cancel_before },
  { "cancel-during", "L11: what a cancelled start has made is handed out or gone", run_cancel_during },
  { "cancel-after", "cancelling a start that has returned changes nothing", run_cancel_after },
  { "cancel-stop", "L24: a stop that was given up is done again", run_cancel_stop },
  { "record-fails", "C1, C13: nothing is made that could not be recorded", run_record_fails },
  { NULL },
};

const BbConformanceCase *
bb_conformance_get_cases (void)
{
  return cases;
}

static BbInstanceRequest *
make_request (BbConformance *self)
{
  const BbInstanceRequestParameters parameters = {
    .slave_name = self->target->slave_name,
    .token = self->token,
    .password = PASSWORD,
    .host_name = "bbhost-plugin-check",
    .store_id = self->store_id,
    .master_host = "127.0.0.1",
    .master_port = 9, /* nobody listens */
    .protocol = "pb",
    .properties = g_variant_new_parsed ("{'branch': <'trunk'>}"),
    .state_directory = self->target->state_directory,
  };
  BbInstanceRequest *request = bb_instance_request_new (&parameters);

  bb_instance_request_set_recorder (request, record, report, self->resources, NULL);
  return request;
}

/* Whatever the case has left; on top of its own error, if it had one. */
static gboolean
clean_up (BbConformance *self, gboolean passed, GError **error)
{
  g_autoptr (GError) own = NULL;
  g_autoptr (GPtrArray) left = NULL;
  guint n_left = 0;

  if (self->slave == NULL)
    return passed;
  left = list (self, self->store_id, &own);
  for (guint i = 0; left != NULL && i < left->len; i++)
    if (!stop (self, g_ptr_array_index (left, i), TRUE, NULL))
      n_left++;
  if (own == NULL && n_left == 0)
    return passed;
  if (passed)
    complain (error, "cleaning up afterwards: %s", own != NULL ? own->message : "an instance could not be stopped");
  else
    g_prefix_error (error, "%u INSTANCES ARE LEFT; ", n_left);
  return FALSE;
}

gboolean
bb_conformance_run (const BbConformanceTarget *target, const BbConformanceCase *c, GError **error)
{
  BbConformance self = {
    .target = target,
    .store_id = g_uuid_string_random (),
    .token = g_uuid_string_random (),
    .resources = g_ptr_array_new_with_free_func (g_free),
  };
  gboolean passed;

  self.slave = target->new_slave (target->backend, target->slave_name);
  self.request = make_request (&self);
  passed = clean_up (&self, c->run (&self, error), error);

  bb_instance_request_set_recorder (self.request, NULL, NULL, NULL, NULL);
  g_object_unref (self.request);
  g_clear_object (&self.slave);
  g_ptr_array_unref (self.resources);
  g_free (self.token);
  g_free (self.store_id);
  return passed;
}
