/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-fake-cloud.h"

#include <string.h>

#include "bb-error.h"

struct _BbFakeSlave
{
  BbAbstractSlave parent_instance;
};

typedef struct
{
  char *slave_name;
  char *token;
  char *id;
  gboolean parked;
  gint64 listed_from_us; /* loop time: before that it is found by its id alone */
} Machine;

/* A call that waits. */
typedef struct
{
  const char *kind;
  GTask *task; /* owned */
  char *slave_name;
  char *token;
  char *parked_id; /* of a start: nullable */
  BbInstance *instance; /* owned, nullable */
  BbCloudManner manner;
  gulong cancelled_id;
  guint idle_id;
} Call;

static struct
{
  GPtrArray *machines; /* of Machine (owned) */
  GPtrArray *calls;    /* of Call (owned): under way */
  BbCloudManner start, stop, check, park;
  GError *start_error, *stop_error, *park_error;
  gboolean can_park;
  gboolean announces_ends;
  BbInstanceState check_state;
  char *check_reason;
  BbInstanceRequest *request;
  char *key;
  gboolean fast;
  BbLoop *loop; /* NULL: machines are listed at once */
  double listing_delay;
  guint n_starts, n_stops, n_checks, n_parks, n_overlaps, most_machines, last_id;
  void (*witness) (const char *slave_name, const char *token, gpointer user_data);
  gpointer witness_data;
} cloud;

static void bb_fake_slave_latent_iface_init (BbLatentSlaveInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (BbFakeSlave, bb_fake_slave, BB_TYPE_ABSTRACT_SLAVE,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LATENT_SLAVE, bb_fake_slave_latent_iface_init))

static void
machine_free (gpointer data)
{
  Machine *machine = data;

  g_free (machine->slave_name);
  g_free (machine->token);
  g_free (machine->id);
  g_free (machine);
}

static void
call_free (gpointer data)
{
  Call *call = data;

  g_clear_signal_handler (&call->cancelled_id, g_task_get_cancellable (call->task));
  g_clear_handle_id (&call->idle_id, g_source_remove);
  g_clear_pointer (&call->instance, bb_instance_unref);
  g_object_unref (call->task);
  g_free (call->slave_name);
  g_free (call->token);
  g_free (call->parked_id);
  g_free (call);
}

static void
note_key (BbLatentSlave *slave)
{
  const BbFakeConfig *config = bb_slave_get_config (BB_SLAVE (slave));

  g_free (cloud.key);
  cloud.key = g_strdup (config != NULL ? config->key : NULL);
}

/* A stop that was cancelled and does not return may be given up; nothing else may be under way. */
static gboolean
is_given_up (Call *call)
{
  GCancellable *cancellable = g_task_get_cancellable (call->task);

  return (g_str_equal (call->kind, "stop") || g_str_equal (call->kind, "park")) && call->manner == BB_CLOUD_IS_DEAF
         && g_cancellable_is_cancelled (cancellable);
}

static void
note_overlap (const char *slave_name)
{
  for (guint i = 0; i < cloud.calls->len; i++)
    {
      Call *call = g_ptr_array_index (cloud.calls, i);

      if (!g_str_equal (call->kind, "check") && g_str_equal (call->slave_name, slave_name) && !is_given_up (call))
        cloud.n_overlaps++;
    }
}

static BbInstance *
make_machine (const char *slave_name, const char *token)
{
  Machine *machine = g_new0 (Machine, 1);

  machine->slave_name = g_strdup (slave_name);
  machine->token = g_strdup (token);
  machine->id = g_strdup_printf ("i-%u", ++cloud.last_id);
  if (cloud.loop != NULL)
    machine->listed_from_us = bb_loop_now_us (cloud.loop) + (gint64) (cloud.listing_delay * G_USEC_PER_SEC);
  g_ptr_array_add (cloud.machines, machine);
  cloud.most_machines = MAX (cloud.most_machines, bb_fake_cloud_count_machines (slave_name));
  return bb_instance_new (machine->id, token);
}

static gboolean
is_listed (const Machine *machine)
{
  return cloud.loop == NULL || bb_loop_now_us (cloud.loop) >= machine->listed_from_us;
}

static void
remove_machine (BbInstance *instance)
{
  for (guint i = cloud.machines->len; i > 0; i--)
    {
      Machine *machine = g_ptr_array_index (cloud.machines, i - 1);

      if (g_str_equal (machine->id, bb_instance_get_id (instance))
          || (is_listed (machine) && g_strcmp0 (machine->token, bb_instance_get_token (instance)) == 0))
        g_ptr_array_remove_index (cloud.machines, i - 1);
    }
}

static Machine *
find_machine (const char *id)
{
  for (guint i = 0; i < cloud.machines->len; i++)
    if (g_str_equal (((Machine *) g_ptr_array_index (cloud.machines, i))->id, id))
      return g_ptr_array_index (cloud.machines, i);
  return NULL;
}

static void
return_error (GTask *task, const GError *error)
{
  g_task_return_error (task, error != NULL ? g_error_copy (error)
                                           : g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "the cloud has failed"));
}

static void
do_check (Call *call)
{
  BbInstance *now = bb_instance_new (bb_instance_get_id (call->instance), call->token);
  const Machine *machine = find_machine (bb_instance_get_id (call->instance));
  BbInstanceState state = cloud.check_state;

  if (machine == NULL)
    state = BB_INSTANCE_GONE;
  else if (machine->parked)
    state = BB_INSTANCE_PARKED;
  bb_instance_set_state (now, state, cloud.check_reason);
  g_task_return_pointer (call->task, now, (GDestroyNotify) bb_instance_unref);
}

/* (transfer full) (nullable): of a parked one that is not there any more */
static BbInstance *
start_machine (Call *call)
{
  Machine *machine = call->parked_id != NULL ? find_machine (call->parked_id) : NULL;

  if (call->parked_id == NULL)
    return make_machine (call->slave_name, call->token);
  if (machine == NULL)
    return NULL;
  machine->parked = FALSE;
  return bb_instance_new (machine->id, call->token);
}

static void
return_done (GTask *task, gboolean answer_lost)
{
  if (answer_lost)
    g_task_return_new_error (task, BB_ERROR, BB_ERROR_TIMEOUT, "the answer was lost");
  else
    g_task_return_boolean (task, TRUE);
}

static void
do_park (Call *call, gboolean answer_lost)
{
  Machine *machine = find_machine (bb_instance_get_id (call->instance));

  if (machine == NULL)
    {
      g_task_return_new_error (call->task, BB_ERROR, BB_ERROR_FAILED, "there is no such machine");
      return;
    }
  machine->parked = TRUE;
  return_done (call->task, answer_lost);
}

/* The call's work and its answer. Its owner has let go of it. */
static void
carry_out (Call *call, gboolean success, gboolean answer_lost)
{
  const GError *error = g_str_equal (call->kind, "start")  ? cloud.start_error
                        : g_str_equal (call->kind, "park") ? cloud.park_error
                                                           : cloud.stop_error;

  if (!success)
    return_error (call->task, error);
  else if (g_str_equal (call->kind, "check"))
    do_check (call);
  else if (g_str_equal (call->kind, "start"))
    {
      BbInstance *instance = start_machine (call);

      if (instance == NULL)
        g_task_return_new_error (call->task, BB_ERROR, BB_ERROR_FAILED, "the parked machine is gone");
      else if (answer_lost)
        {
          bb_instance_unref (instance);
          g_task_return_new_error (call->task, BB_ERROR, BB_ERROR_TIMEOUT, "the answer was lost");
        }
      else
        g_task_return_pointer (call->task, instance, (GDestroyNotify) bb_instance_unref);
    }
  else if (g_str_equal (call->kind, "park"))
    do_park (call, answer_lost);
  else
    {
      remove_machine (call->instance);
      return_done (call->task, answer_lost);
    }
}

static void
end_call (Call *call, gboolean success)
{
  guint index;

  if (g_ptr_array_find (cloud.calls, call, &index))
    g_ptr_array_steal_index (cloud.calls, index);
  carry_out (call, success, FALSE);
  call_free (call);
}

static gboolean
cancelled_idle (gpointer data)
{
  Call *call = data;
  guint index = 0;

  call->idle_id = 0;
  if (call->manner == BB_CLOUD_WAITS_LATE)
    {
      end_call (call, TRUE);
      return G_SOURCE_REMOVE;
    }
  g_assert_true (g_ptr_array_find (cloud.calls, call, &index));
  g_ptr_array_steal_index (cloud.calls, index);
  g_task_return_new_error (call->task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "the call was cancelled");
  call_free (call);
  return G_SOURCE_REMOVE;
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  Call *call = user_data;

  if (call->manner != BB_CLOUD_IS_DEAF)
    call->idle_id = g_idle_add (cancelled_idle, call);
}

/* @task: (transfer full) */
static void
take_call (const char *kind, BbLatentSlave *slave, const char *token, const char *parked_id, BbInstance *instance,
           BbCloudManner manner, GTask *task)
{
  Call *call = g_new0 (Call, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);

  g_task_set_check_cancellable (task, FALSE);
  note_key (slave);
  call->kind = kind;
  call->task = task;
  /* One slave may act for the instance of another that is gone. */
  call->slave_name = g_strdup (instance != NULL && bb_instance_get_slave_name (instance) != NULL
                                 ? bb_instance_get_slave_name (instance)
                                 : bb_slave_get_name (BB_SLAVE (slave)));
  call->token = g_strdup (token);
  call->parked_id = g_strdup (parked_id);
  call->instance = instance != NULL ? bb_instance_ref (instance) : NULL;
  call->manner = manner;
  if (!g_str_equal (kind, "check"))
    note_overlap (call->slave_name);
  if (manner == BB_CLOUD_WAITS || manner == BB_CLOUD_WAITS_LATE || manner == BB_CLOUD_IS_DEAF)
    {
      if (cancellable != NULL)
        call->cancelled_id = g_signal_connect (cancellable, "cancelled", G_CALLBACK (cancelled_cb), call);
      g_ptr_array_add (cloud.calls, call);
      return;
    }
  carry_out (call, manner == BB_CLOUD_OBEYS || manner == BB_CLOUD_LOSES_ANSWER, manner == BB_CLOUD_LOSES_ANSWER);
  call_free (call);
}

static void
start_instance_async (BbLatentSlave *slave, BbInstanceRequest *request, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  cloud.n_starts++;
  g_set_object (&cloud.request, request);
  if (cloud.witness != NULL)
    cloud.witness (bb_slave_get_name (BB_SLAVE (slave)), bb_instance_request_get_token (request), cloud.witness_data);
  take_call ("start", slave, bb_instance_request_get_token (request), bb_instance_request_get_parked_id (request), NULL,
             cloud.start,
             g_task_new (slave, cancellable, callback, user_data));
}

static BbInstance *
start_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
stop_instance_async (BbLatentSlave *slave, BbInstance *instance, gboolean fast, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  cloud.n_stops++;
  cloud.fast = fast;
  take_call ("stop", slave, bb_instance_get_token (instance), NULL, instance, cloud.stop,
             g_task_new (slave, cancellable, callback, user_data));
}

static gboolean
stop_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
announces_ends (BbLatentSlave *slave)
{
  return cloud.announces_ends;
}

static gboolean
can_park (BbLatentSlave *slave)
{
  return cloud.can_park;
}

static void
park_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                     GAsyncReadyCallback callback, gpointer user_data)
{
  cloud.n_parks++;
  take_call ("park", slave, bb_instance_get_token (instance), NULL, instance, cloud.park,
             g_task_new (slave, cancellable, callback, user_data));
}

static void
check_instance_async (BbLatentSlave *slave, BbInstance *instance, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  cloud.n_checks++;
  take_call ("check", slave, bb_instance_get_token (instance), NULL, instance, cloud.check,
             g_task_new (slave, cancellable, callback, user_data));
}

static BbInstance *
check_instance_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
list_instances_async (BbLatentSlave *slave, const char *store_id, GCancellable *cancellable,
                      GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (slave, cancellable, callback, user_data);
  GPtrArray *instances = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_instance_unref);

  for (guint i = 0; i < cloud.machines->len; i++)
    {
      const Machine *machine = g_ptr_array_index (cloud.machines, i);
      BbInstance *instance;

      if (!is_listed (machine))
        continue;
      instance = bb_instance_new (machine->id, machine->token);
      bb_instance_set_state (instance, machine->parked ? BB_INSTANCE_PARKED : BB_INSTANCE_ALIVE, NULL);
      bb_instance_set_slave_name (instance, machine->slave_name);
      g_ptr_array_add (instances, instance);
    }
  g_task_return_pointer (task, instances, (GDestroyNotify) g_ptr_array_unref);
}

static GPtrArray *
list_instances_finish (BbLatentSlave *slave, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static char *
get_scope (BbLatentSlave *slave)
{
  const BbFakeConfig *config = bb_slave_get_config (BB_SLAVE (slave));

  return g_strdup (config != NULL && config->region != NULL ? config->region : "here");
}

static double
get_listing_delay (BbLatentSlave *slave)
{
  return cloud.listing_delay;
}

static void
bb_fake_slave_latent_iface_init (BbLatentSlaveInterface *iface)
{
  iface->start_instance_async = start_instance_async;
  iface->start_instance_finish = start_instance_finish;
  iface->stop_instance_async = stop_instance_async;
  iface->stop_instance_finish = stop_instance_finish;
  iface->check_instance_async = check_instance_async;
  iface->check_instance_finish = check_instance_finish;
  iface->list_instances_async = list_instances_async;
  iface->list_instances_finish = list_instances_finish;
  iface->get_scope = get_scope;
  iface->announces_ends = announces_ends;
  iface->can_park = can_park;
  iface->park_instance_async = park_instance_async;
  iface->park_instance_finish = stop_instance_finish;
  iface->get_listing_delay = get_listing_delay;
}

static void
bb_fake_slave_class_init (BbFakeSlaveClass *klass)
{
}

static void
bb_fake_slave_init (BbFakeSlave *self)
{
}

static const BbOption options[] = {
  { "image", BB_OPTION_STRING, G_STRUCT_OFFSET (BbFakeConfig, image), "debian", 0, 0, BB_OPTION_INTERPOLATED, NULL,
    "Image." },
  { "region", BB_OPTION_STRING, G_STRUCT_OFFSET (BbFakeConfig, region), "here", 0, 0, BB_OPTION_NO_FLAGS, NULL,
    "Region." },
  { "key", BB_OPTION_STRING, G_STRUCT_OFFSET (BbFakeConfig, key), "k1", 0, 0, BB_OPTION_LIVE | BB_OPTION_SECRET, NULL,
    "Key." },
  { 0 },
};

const BbPluginProvides bb_fake_provides
  = { "fake", bb_fake_slave_get_type, options, sizeof (BbFakeConfig), NULL, FALSE };
const BbPluginProvides bb_other_fake_provides
  = { "other", bb_fake_slave_get_type, options, sizeof (BbFakeConfig), NULL, FALSE };

void
bb_fake_cloud_reset (void)
{
  if (cloud.machines != NULL)
    {
      while (cloud.calls->len > 0)
        end_call (g_ptr_array_index (cloud.calls, 0), FALSE);
      g_ptr_array_unref (cloud.machines);
      g_ptr_array_unref (cloud.calls);
    }
  g_clear_error (&cloud.start_error);
  g_clear_error (&cloud.stop_error);
  g_clear_error (&cloud.park_error);
  g_clear_object (&cloud.request);
  g_free (cloud.check_reason);
  g_free (cloud.key);
  memset (&cloud, 0, sizeof cloud);
  cloud.machines = g_ptr_array_new_with_free_func (machine_free);
  cloud.calls = g_ptr_array_new ();
  cloud.check_state = BB_INSTANCE_ALIVE;
}

void
bb_fake_cloud_set_start (BbCloudManner manner, int code, const char *message)
{
  cloud.start = manner;
  g_clear_error (&cloud.start_error);
  if (message != NULL)
    cloud.start_error = g_error_new_literal (BB_ERROR, code, message);
}

void
bb_fake_cloud_set_stop (BbCloudManner manner, int code, const char *message)
{
  cloud.stop = manner;
  g_clear_error (&cloud.stop_error);
  if (message != NULL)
    cloud.stop_error = g_error_new_literal (BB_ERROR, code, message);
}

void
bb_fake_cloud_set_can_park (gboolean can_park)
{
  cloud.can_park = can_park;
}

void
bb_fake_cloud_set_announces_ends (gboolean announces)
{
  cloud.announces_ends = announces;
}

void
bb_fake_cloud_set_park (BbCloudManner manner, int code, const char *message)
{
  cloud.park = manner;
  g_clear_error (&cloud.park_error);
  if (message != NULL)
    cloud.park_error = g_error_new_literal (BB_ERROR, code, message);
}

void
bb_fake_cloud_wake (const char *slave_name)
{
  for (guint i = 0; i < cloud.machines->len; i++)
    if (g_str_equal (((Machine *) g_ptr_array_index (cloud.machines, i))->slave_name, slave_name))
      ((Machine *) g_ptr_array_index (cloud.machines, i))->parked = FALSE;
}

guint
bb_fake_cloud_count_parked (void)
{
  guint n = 0;

  for (guint i = 0; i < cloud.machines->len; i++)
    n += ((Machine *) g_ptr_array_index (cloud.machines, i))->parked ? 1 : 0;
  return n;
}

void
bb_fake_cloud_set_check (BbInstanceState state, const char *reason)
{
  cloud.check_state = state;
  g_free (cloud.check_reason);
  cloud.check_reason = g_strdup (reason);
}

void
bb_fake_cloud_set_listing_delay (BbLoop *loop, double seconds)
{
  cloud.loop = loop;
  cloud.listing_delay = seconds;
}

void
bb_fake_cloud_set_check_manner (BbCloudManner manner)
{
  cloud.check = manner;
}

guint
bb_fake_cloud_answer (const char *kind, gboolean success)
{
  guint n = 0;

  for (guint i = cloud.calls->len; i > 0; i--)
    {
      Call *call = i <= cloud.calls->len ? g_ptr_array_index (cloud.calls, i - 1) : NULL;

      if (call == NULL || !g_str_equal (call->kind, kind))
        continue;
      n++;
      end_call (call, success);
    }
  return n;
}

void
bb_fake_cloud_kill (const char *slave_name)
{
  for (guint i = cloud.machines->len; i > 0; i--)
    if (g_str_equal (((Machine *) g_ptr_array_index (cloud.machines, i - 1))->slave_name, slave_name))
      g_ptr_array_remove_index (cloud.machines, i - 1);
}

guint
bb_fake_cloud_count_machines (const char *slave_name)
{
  guint n = 0;

  for (guint i = 0; i < cloud.machines->len; i++)
    if (slave_name == NULL || g_str_equal (((Machine *) g_ptr_array_index (cloud.machines, i))->slave_name, slave_name))
      n++;
  return n;
}

void
bb_fake_cloud_foreach (void (*func) (const char *slave_name, const char *token, gpointer user_data), gpointer user_data)
{
  for (guint i = 0; i < cloud.machines->len; i++)
    {
      const Machine *machine = g_ptr_array_index (cloud.machines, i);

      func (machine->slave_name, machine->token, user_data);
    }
}

guint
bb_fake_cloud_count_calls (const char *kind)
{
  return g_str_equal (kind, "start")  ? cloud.n_starts
         : g_str_equal (kind, "stop") ? cloud.n_stops
         : g_str_equal (kind, "park") ? cloud.n_parks
                                      : cloud.n_checks;
}

guint
bb_fake_cloud_count_waiting (const char *kind)
{
  guint n = 0;

  for (guint i = 0; i < cloud.calls->len; i++)
    if (g_str_equal (((Call *) g_ptr_array_index (cloud.calls, i))->kind, kind))
      n++;
  return n;
}

guint
bb_fake_cloud_count_overlaps (void)
{
  return cloud.n_overlaps;
}

guint
bb_fake_cloud_get_most_machines (void)
{
  return cloud.most_machines;
}

BbInstanceRequest *
bb_fake_cloud_get_last_request (void)
{
  return cloud.request;
}

const char *
bb_fake_cloud_get_last_key (void)
{
  return cloud.key;
}

gboolean
bb_fake_cloud_get_last_fast (void)
{
  return cloud.fast;
}

void
bb_fake_cloud_set_witness (void (*witness) (const char *slave_name, const char *token, gpointer user_data),
                           gpointer user_data)
{
  cloud.witness = witness;
  cloud.witness_data = user_data;
}
