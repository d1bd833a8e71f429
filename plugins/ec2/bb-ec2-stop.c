/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-stop.h"

#include "bb-ec2-error.h"
#include "bb-ec2-row.h"

#include <string.h>

/* A TerminateInstances or StopInstances that was taken is a promise and not a fact: said again when nothing comes of it for that
 * long. */
#define REMIND_SECONDS 60
/* Core tries again; it shows people why, and has newer keys after a reload. */
#define LONGEST_WAIT 900
/* A machine that nobody shows has to be missed that often before it counts as gone. */
#define MISSED_LOOKS 2

/* In this order; the first one of each kind of resource may fail, as nothing may prevent the terminating. */
enum
{
  STEP_FREE_ADDRESSES,
  STEP_LOOK,
  STEP_ADDRESSES,
  STEP_VOLUMES,
  STEP_SPOT_REQUESTS,
  STEP_FINISH,
};

typedef struct
{
  const BbEc2Config *config;
  BbInstance *instance; /* owned */
  BbEc2StopKind kind;
  guint step;
  guint next_resource;  /* of the step under way */

  GHashTable *terminated_at; /* id (owned) → double *: when it was told to end, of bb_delay_get_now() */
  GPtrArray *to_terminate;   /* of char *: those of the last look that are to be told */
  GPtrArray *spot_requests;  /* of BbEc2SpotRequest: those to be cancelled */
  guint missed_looks;
  double began_at;
  gboolean seen; /* at least once, in whatever state */

  gint64 last_launch;
  gboolean launch_is_open;
  gboolean spot;
} Stop;

static void go_to (GTask *task, guint step);

static void
stop_free (gpointer data)
{
  Stop *stop = data;

  bb_instance_unref (stop->instance);
  g_hash_table_unref (stop->terminated_at);
  g_clear_pointer (&stop->to_terminate, g_ptr_array_unref);
  g_clear_pointer (&stop->spot_requests, g_ptr_array_unref);
  g_free (stop);
}

/* Consumes both. */
static void
fail (GTask *task, GError *error)
{
  g_task_return_error (task, bb_ec2_error_to_core (error));
  g_object_unref (task);
}

static void
next (GTask *task)
{
  const Stop *stop = g_task_get_task_data (task);

  go_to (task, stop->step + 1);
}

static void
call (GTask *task, BbEc2Query *query, GAsyncReadyCallback callback)
{
  BbEc2Account *account = g_task_get_source_object (task);

  bb_ec2_client_call_async (bb_ec2_account_get_client (account), query, BB_EC2_CALL_NO_FLAGS,
                            g_task_get_cancellable (task), callback, task);
  bb_ec2_query_unref (query);
}

static const char *
get_id (const Stop *stop)
{
  const char *id = bb_instance_get_id (stop->instance);

  return id != NULL && *id != '\0' ? id : NULL;
}

/* The instance itself, or one that was found by the token. */
static gboolean
is_ours (const Stop *stop, const char *id)
{
  return id != NULL && (g_strcmp0 (id, get_id (stop)) == 0 || g_hash_table_contains (stop->terminated_at, id));
}

/* The next resource of that kind from next_resource on, or NULL. */
static const char *
find_resource (Stop *stop, const char *prefix)
{
  const char *const *resources = bb_instance_get_resources (stop->instance);

  for (; resources[stop->next_resource] != NULL; stop->next_resource++)
    if (g_str_has_prefix (resources[stop->next_resource], prefix))
      return resources[stop->next_resource] + strlen (prefix);
  return NULL;
}

/* --- the address */

static void free_address (GTask *task);

static void
address_done (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  stop->next_resource++;
  free_address (task);
}

/* Before the terminating a failure is only logged; after it, it counts. Consumes @error. */
static void
address_failed (GTask *task, GError *error)
{
  const Stop *stop = g_task_get_task_data (task);

  if (stop->step == STEP_ADDRESSES && !g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_FOUND))
    {
      fail (task, error);
      return;
    }
  bb_log_host (G_LOG_LEVEL_INFO, "ec2: %s", error->message);
  g_error_free (error);
  address_done (task);
}

static void
disassociated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document == NULL)
    address_failed (task, error);
  else
    address_done (task);
}

static void
address_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);
  g_autoptr (GPtrArray) addresses = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_ec2_address_free);
  const BbEc2Address *address;

  if (document == NULL)
    {
      address_failed (task, error);
      return;
    }
  bb_ec2_api_parse_addresses (bb_ec2_document_get_root (document), addresses);
  address = addresses->len > 0 ? addresses->pdata[0] : NULL;
  if (address == NULL || !is_ours (stop, address->instance))
    address_done (task);
  else
    call (task, bb_ec2_api_disassociate_address (address->association, find_resource (stop, "address:")),
          disassociated_cb);
}

static void
free_address (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  const char *address = find_resource (stop, "address:");

  if (address == NULL)
    next (task);
  else
    call (task, bb_ec2_api_describe_address (address), address_described_cb);
}

/* --- the machine */

static void
look_again (GTask *task)
{
  go_to (task, STEP_LOOK);
}

static void terminate_next (GTask *task);

static void
terminated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  /* "Not found" may mean that it isn't visible yet, and a state that does not allow it may pass: only looking again can
   * tell. */
  if (document == NULL && !g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_FOUND)
      && !(stop->kind == BB_EC2_STOP_PARK && g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_YET)))
    {
      fail (task, error);
      return;
    }
  g_clear_error (&error);
  terminate_next (task);
}

static void
terminate_next (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  g_autofree char *id = NULL;
  double now = bb_delay_get_now ();

  if (stop->to_terminate->len == 0)
    {
      look_again (task);
      return;
    }
  id = g_ptr_array_steal_index (stop->to_terminate, stop->to_terminate->len - 1);
  g_hash_table_insert (stop->terminated_at, g_strdup (id), g_memdup2 (&now, sizeof now));
  call (task, stop->kind == BB_EC2_STOP_PARK ? bb_ec2_api_stop_instance (id) : bb_ec2_api_terminate_instance (id),
        terminated_cb);
}

static const char *
get_last_state (const Stop *stop)
{
  return stop->kind == BB_EC2_STOP_PARK ? "stopped" : "terminated";
}

static gboolean
is_to_be_told (const Stop *stop, const BbEc2Machine *machine)
{
  const double *told_at = g_hash_table_lookup (stop->terminated_at, machine->id);

  /* On its way down already, by us, by itself or by somebody's hand: waited for. */
  if (g_str_equal (machine->state, "shutting-down") || g_str_equal (machine->state, "stopping")
      || g_str_equal (machine->state, get_last_state (stop)))
    return FALSE;
  return told_at == NULL || bb_delay_get_now () - *told_at > REMIND_SECONDS;
}

/* One that is on its way out, or out of sight, can't be kept any more. */
static void
fail_to_park (GTask *task, const char *state)
{
  const Stop *stop = g_task_get_task_data (task);
  g_autofree char *text = g_strdup_printf ("instance %s is %s and can't be stopped for later", get_id (stop), state);

  fail (task, bb_ec2_error_new (BB_EC2_ERROR_REFUSED, NULL, text));
}

/* Nobody shows it. Returns: whether that is to be believed by now */
static gboolean
is_gone_for_good (Stop *stop)
{
  gint64 now = g_get_real_time () / G_USEC_PER_SEC;
  double age = stop->last_launch > 0 ? (double) (now - stop->last_launch) : G_MAXDOUBLE;

  if (++stop->missed_looks < MISSED_LOOKS)
    return FALSE;
  return stop->seen || age > stop->config->unseen_grace;
}

static void
wait_for_it (GTask *task)
{
  const Stop *stop = g_task_get_task_data (task);
  g_autofree char *text = NULL;

  if (bb_delay_get_now () - stop->began_at < LONGEST_WAIT)
    {
      look_again (task);
      return;
    }
  text = g_strdup_printf ("instance %s is still not %s after %d s",
                          get_id (stop) != NULL ? get_id (stop) : "of a lost answer", get_last_state (stop),
                          LONGEST_WAIT);
  fail (task, g_error_new_literal (BB_ERROR, BB_ERROR_TIMEOUT, text));
}

static void
machines_seen (GTask *task, GPtrArray *machines)
{
  Stop *stop = g_task_get_task_data (task);
  gboolean is_left = FALSE;

  for (guint i = 0; i < machines->len; i++)
    {
      const BbEc2Machine *machine = machines->pdata[i];

      if (stop->kind == BB_EC2_STOP_PARK
          && (g_str_equal (machine->state, "shutting-down") || g_str_equal (machine->state, "terminated")))
        {
          fail_to_park (task, machine->state);
          return;
        }
      is_left = is_left || !g_str_equal (machine->state, get_last_state (stop));
      if (is_to_be_told (stop, machine))
        g_ptr_array_add (stop->to_terminate, g_strdup (machine->id));
    }
  stop->seen = TRUE;
  stop->missed_looks = 0;
  if (stop->to_terminate->len > 0)
    terminate_next (task);
  else if (is_left)
    wait_for_it (task);
  else
    next (task);
}

static void
nothing_seen (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  if (stop->kind == BB_EC2_STOP_PARK)
    {
      fail_to_park (task, "not shown");
      return;
    }
  if (is_gone_for_good (stop))
    {
      next (task);
      return;
    }
  /* Telling it is always right, also when it can't be seen. */
  if (get_id (stop) != NULL && stop->missed_looks % 4 == 1)
    {
      g_ptr_array_add (stop->to_terminate, g_strdup (get_id (stop)));
      terminate_next (task);
    }
  else
    wait_for_it (task);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) machines = bb_ec2_account_look_finish (BB_EC2_ACCOUNT (source), result, &error);

  if (machines != NULL && machines->len > 0)
    machines_seen (task, machines);
  else if (machines != NULL)
    nothing_seen (task);
  else if (get_id (stop) != NULL && !stop->seen && g_hash_table_size (stop->terminated_at) == 0
           && error->domain == BB_EC2_ERROR)
    {
      /* It may be out of sight and still cost money. */
      g_error_free (error);
      g_ptr_array_add (stop->to_terminate, g_strdup (get_id (stop)));
      terminate_next (task);
    }
  else
    fail (task, error);
}

static void
look (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  if (get_id (stop) == NULL && !stop->launch_is_open)
    {
      next (task); /* nothing was ever asked for, or all of it refused */
      return;
    }
  bb_ec2_account_look_async (g_task_get_source_object (task),
                             get_id (stop) != NULL ? BB_EC2_LOOK_BY_ID : BB_EC2_LOOK_BY_TOKEN,
                             get_id (stop) != NULL ? get_id (stop) : bb_instance_get_token (stop->instance),
                             stop->config->poll_interval, FALSE, g_task_get_cancellable (task), looked_cb, task);
}

/* --- volumes: those of the user go with the machine, in order, when its system goes down. To take one from a running
 * system could cost data, so this is for what is still attached after that. */

static void free_volume (GTask *task);

static void
volume_done (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);

  stop->next_resource++;
  free_volume (task);
}

static void
detached_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document == NULL && !g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_YET))
    {
      fail (task, error);
      return;
    }
  g_clear_error (&error);
  volume_done (task);
}

static void
volume_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);
  g_autoptr (GPtrArray) attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_ec2_attachment_free);

  if (document == NULL && !g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_FOUND))
    {
      fail (task, error);
      return;
    }
  g_clear_error (&error);
  if (document != NULL)
    bb_ec2_api_parse_attachments (bb_ec2_document_get_root (document), attachments);
  for (guint i = 0; i < attachments->len; i++)
    {
      const BbEc2Attachment *attachment = attachments->pdata[i];

      if (is_ours (stop, attachment->instance) && g_strcmp0 (attachment->state, "detached") != 0)
        {
          call (task, bb_ec2_api_detach_volume (find_resource (stop, "volume:"), attachment->instance), detached_cb);
          return;
        }
    }
  volume_done (task);
}

static void
free_volume (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  const char *volume = find_resource (stop, "volume:");

  if (volume == NULL)
    next (task);
  else
    call (task, bb_ec2_api_describe_volume (volume), volume_described_cb);
}

static void
free_volumes (GTask *task)
{
  const Stop *stop = g_task_get_task_data (task);

  if (stop->kind == BB_EC2_STOP_PARK)
    go_to (task, STEP_FINISH); /* volumes wait with the machine */
  else
    free_volume (task);
}

/* --- spot requests: one-time ones end with their machine; one whose launch was lost may be open still */

static void cancel_next_spot_request (GTask *task);

static void
spot_request_cancelled_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document == NULL && !g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_FOUND))
    {
      fail (task, error);
      return;
    }
  g_clear_error (&error);
  cancel_next_spot_request (task);
}

/* Cancelling a request doesn't end its machine, and may lose a race against its start: so everything is looked at again
 * afterwards, the machines first. */
static void
cancel_next_spot_request (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  g_autofree char *id = NULL;
  BbEc2SpotRequest *request;

  if (stop->spot_requests->len == 0)
    {
      look_again (task);
      return;
    }
  request = g_ptr_array_steal_index (stop->spot_requests, stop->spot_requests->len - 1);
  id = g_strdup (request->id);
  bb_ec2_spot_request_free (request);
  bb_log_host (G_LOG_LEVEL_MESSAGE, "ec2: cancelling spot request %s", id);
  call (task, bb_ec2_api_cancel_spot_request (id), spot_request_cancelled_cb);
}

static void
spot_requests_listed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) requests = bb_ec2_client_list_finish (BB_EC2_CLIENT (source), result, &error);
  gboolean has_machine = FALSE;

  if (requests == NULL)
    {
      fail (task, error);
      return;
    }
  for (guint i = requests->len; i > 0; i--)
    {
      const BbEc2SpotRequest *request = requests->pdata[i - 1];

      /* An active one ends with its machine, which has just been seen terminated. */
      if (g_str_equal (request->state, "open"))
        continue;
      if (request->instance != NULL && !is_ours (stop, request->instance)
          && !g_hash_table_contains (stop->terminated_at, request->instance))
        {
          has_machine = TRUE;
          g_ptr_array_add (stop->to_terminate, g_strdup (request->instance));
        }
      g_ptr_array_remove_index (requests, i - 1);
    }
  g_clear_pointer (&stop->spot_requests, g_ptr_array_unref);
  stop->spot_requests = g_steal_pointer (&requests);
  if (stop->spot_requests->len > 0)
    cancel_next_spot_request (task);
  else if (has_machine && !stop->seen)
    terminate_next (task);
  else
    {
      g_ptr_array_set_size (stop->to_terminate, 0);
      next (task);
    }
}

static void
check_spot_requests (GTask *task)
{
  Stop *stop = g_task_get_task_data (task);
  BbEc2Account *account = g_task_get_source_object (task);
  const char *const tokens[] = { bb_instance_get_token (stop->instance), NULL };
  g_autoptr (BbEc2Query) query = NULL;

  if (!stop->spot || tokens[0] == NULL)
    {
      next (task);
      return;
    }
  query = bb_ec2_api_describe_spot_requests ("tag:bbhost:token", tokens);
  bb_ec2_client_list_async (bb_ec2_account_get_client (account), query, bb_ec2_api_parse_spot_requests,
                            (GDestroyNotify) bb_ec2_spot_request_free, BB_EC2_CALL_NO_FLAGS,
                            g_task_get_cancellable (task), spot_requests_listed_cb, task);
}

static void
finish (GTask *task)
{
  g_task_return_boolean (task, TRUE);
  g_object_unref (task);
}

/* A step gets @task (transfer full) and hands it on to next(), go_to() or fail(). */
static void (*const steps[]) (GTask *task) = {
  [STEP_FREE_ADDRESSES] = free_address,
  [STEP_LOOK] = look,
  [STEP_ADDRESSES] = free_address,
  [STEP_VOLUMES] = free_volumes,
  [STEP_SPOT_REQUESTS] = check_spot_requests,
  [STEP_FINISH] = finish,
};

static void
go_to (GTask *task, guint step)
{
  Stop *stop = g_task_get_task_data (task);
  GError *error = NULL;

  stop->step = step;
  stop->next_resource = 0;
  if (step != STEP_FINISH && g_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    fail (task, error);
  else
    steps[step](task);
}

void
bb_ec2_stop_async (BbEc2Account *account, const BbEc2Config *config, BbInstance *instance, BbEc2StopKind kind,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (account, cancellable, callback, user_data);
  Stop *stop = g_new0 (Stop, 1);

  g_task_set_source_tag (task, bb_ec2_stop_async);
  g_task_set_check_cancellable (task, FALSE);
  stop->config = config;
  stop->instance = bb_instance_ref (instance);
  stop->kind = kind;
  stop->began_at = bb_delay_get_now ();
  stop->terminated_at = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  stop->to_terminate = g_ptr_array_new_with_free_func (g_free);
  stop->launch_is_open
    = bb_ec2_row_parse_resources (bb_instance_get_resources (instance), &stop->last_launch, &stop->spot);
  g_task_set_task_data (task, stop, stop_free);
  go_to (task, STEP_FREE_ADDRESSES);
}

gboolean
bb_ec2_stop_finish (BbEc2Account *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
