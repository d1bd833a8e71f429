/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-launch.h"

#include "bb-ec2-attach.h"
#include "bb-ec2-error.h"
#include "bb-ec2-prepare.h"
#include "bb-ec2-row.h"

#include <string.h>

/* How long something may be refused because of what came before it: a parked machine that is just going down, a group that
 * was made a moment ago. */
#define PATIENCE 120
#define SHORT_PAUSE 2

/* In this order; those of preparing as in BbEc2PrepareKind. */
enum
{
  STEP_TEXTS,
  STEP_IMAGE,
  STEP_KEY_PAIR,
  STEP_SECURITY_GROUP,
  STEP_ALLOCATION,
  STEP_BID, /* from here on again for each combination of type and zone */
  STEP_RECORD_LAUNCH,
  STEP_RUN_INSTANCES,
  STEP_REPORT,
  STEP_RECORD_SPOT_REQUEST,
  STEP_START_PARKED, /* of a parked machine in place of everything since the bid */
  STEP_WAIT,
  STEP_RECORD_ADDRESS,
  STEP_ADDRESS,
  STEP_RECORD_VOLUME, /* from here on again for each volume */
  STEP_VOLUME,
  STEP_FINISH,
};

typedef struct
{
  const BbEc2Config *config;
  BbInstanceRequest *request; /* owned */
  guint step;

  char **tags; /* KEY, VALUE, … */
  char *user_data;
  char *image;
  char *image_choice; /* (nullable): why that one */
  char *allocation;
  gboolean made_something; /* key pair or group, which may not be visible yet */

  char **zones;
  guint next_type; /* of the combination that is tried now */
  guint next_zone;
  gboolean on_demand; /* after spot_fallback */
  guint attempt;
  double bid; /* negative: on demand */
  char *token;

  char *instance_id;
  char *spot_request; /* (nullable) */
  double launched_at; /* of bb_delay_get_now() */
  guint next_volume;
  double refused_since; /* of the step under way; negative: not */
} Launch;

static void next (GTask *task);
static void go_to (GTask *task, guint step);
static void again_after (GTask *task, double seconds);

static void
launch_free (gpointer data)
{
  Launch *launch = data;

  g_object_unref (launch->request);
  g_strfreev (launch->tags);
  g_free (launch->user_data);
  g_free (launch->image);
  g_free (launch->image_choice);
  g_free (launch->allocation);
  g_strfreev (launch->zones);
  g_free (launch->token);
  g_free (launch->instance_id);
  g_free (launch->spot_request);
  g_free (launch);
}

static const char *
slave_name (const Launch *launch)
{
  return bb_instance_request_get_slave_name (launch->request);
}

static const char *get_machine_type (const Launch *launch);
static const char *get_zone (const Launch *launch);

/* For people; of a parked machine it has been told already. */
static void
add_details (const Launch *launch, BbInstance *instance)
{
  GVariantDict details;

  if (launch->image == NULL)
    return;
  g_variant_dict_init (&details, NULL);
  g_variant_dict_insert (&details, "image", "s", launch->image);
  if (launch->image_choice != NULL)
    g_variant_dict_insert (&details, "image_choice", "s", launch->image_choice);
  g_variant_dict_insert (&details, "instance_type", "s", get_machine_type (launch));
  if (*get_zone (launch) != '\0')
    g_variant_dict_insert (&details, "zone", "s", get_zone (launch));
  if (launch->spot_request != NULL)
    g_variant_dict_insert (&details, "spot_request", "s", launch->spot_request);
  bb_instance_set_details (instance, g_variant_dict_end (&details));
}

static BbInstance *
make_instance (const Launch *launch, BbInstanceState state)
{
  BbInstance *instance
    = bb_instance_new (launch->instance_id, bb_instance_request_get_token (launch->request));

  bb_instance_set_state (instance, state, NULL);
  bb_instance_set_slave_name (instance, slave_name (launch));
  bb_instance_set_hourly_cost (instance, launch->bid > 0 ? launch->bid : -1);
  add_details (launch, instance);
  return instance;
}

/* Consumes both. */
static void
fail (GTask *task, GError *error)
{
  g_task_return_error (task, bb_ec2_error_to_core (error));
  g_object_unref (task);
}

/* The wish to give up: what exists is handed over all the same, as it costs money. */
static void
give_up (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);

  if (launch->instance_id != NULL)
    g_task_return_pointer (task, make_instance (launch, BB_INSTANCE_STARTING), (GDestroyNotify) bb_instance_unref);
  else
    g_task_return_error_if_cancelled (task);
  g_object_unref (task);
}

static gboolean
is_cancelled (GTask *task)
{
  return g_cancellable_is_cancelled (g_task_get_cancellable (task));
}

/* For errors of steps before and after the launch: gives up if that was the reason. */
static void
fail_or_give_up (GTask *task, GError *error)
{
  if (!is_cancelled (task))
    {
      fail (task, error);
      return;
    }
  g_error_free (error);
  give_up (task);
}

/* The step may work a little later. Returns: whether it is to be tried again */
static gboolean
have_patience (Launch *launch)
{
  double now = bb_delay_get_now ();

  if (launch->refused_since < 0)
    launch->refused_since = now;
  return now - launch->refused_since < PATIENCE;
}

static BbEc2Client *
get_client (GTask *task)
{
  return bb_ec2_account_get_client (g_task_get_source_object (task));
}

/* Consumes @query. */
static void
call (GTask *task, BbEc2Query *query, BbEc2CallFlags flags, GAsyncReadyCallback callback)
{
  bb_ec2_client_call_async (get_client (task), query, flags, g_task_get_cancellable (task), callback, task);
  bb_ec2_query_unref (query);
}

/* --- before the launch */

static char **
make_tags (const Launch *launch, GError **error)
{
  g_autoptr (GStrvBuilder) tags = g_strv_builder_new ();
  GVariantIter iter;
  const char *key;
  const char *value;

  for (gsize i = 0; launch->config->tags != NULL && launch->config->tags[i] != NULL; i++)
    {
      const char *equals = strchr (launch->config->tags[i], '=');
      g_autofree char *name = g_strndup (launch->config->tags[i], (gsize) (equals - launch->config->tags[i]));
      g_autofree char *filled_in = bb_instance_request_interpolate (launch->request, equals + 1, error);

      if (filled_in == NULL)
        return NULL;
      g_strv_builder_add_many (tags, name, filled_in, NULL);
    }
  g_variant_iter_init (&iter, bb_instance_request_get_tags (launch->request));
  while (g_variant_iter_next (&iter, "{&s&s}", &key, &value))
    g_strv_builder_add_many (tags, key, value, NULL);
  return g_strv_builder_end (tags);
}

static char *
make_user_data (const Launch *launch, GError **error)
{
  g_autofree char *text = bb_ec2_config_get_user_data (launch->config, error);

  return text != NULL ? bb_instance_request_interpolate (launch->request, text, error) : NULL;
}

static void
fill_in_texts (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);
  GError *error = NULL;

  launch->tags = make_tags (launch, &error);
  if (launch->tags != NULL)
    launch->user_data = make_user_data (launch, &error);
  if (error == NULL)
    {
      next (task);
      return;
    }
  g_prefix_error (&error, "ec2: %s: ", launch->tags == NULL ? "tags" : "user_data");
  fail (task, g_error_new_literal (BB_ERROR, BB_ERROR_PERMANENT, error->message));
  g_error_free (error);
}

static void
take_image (Launch *launch, const char *answer)
{
  g_auto (GStrv) parts = g_strsplit (answer, "\n", 2);

  launch->image = g_strdup (parts[0]);
  launch->image_choice = g_strdup (parts[1]);
}

static void
prepared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;
  Launch *launch = g_task_get_task_data (task);
  char *answer = bb_ec2_prepare_finish (BB_EC2_ACCOUNT (source), result, &error);

  if (answer == NULL)
    {
      fail_or_give_up (task, error);
      return;
    }
  switch ((BbEc2PrepareKind) (launch->step - STEP_IMAGE))
    {
    case BB_EC2_PREPARE_IMAGE:
      take_image (launch, answer);
      g_free (answer);
      break;
    case BB_EC2_PREPARE_ADDRESS:
      launch->allocation = answer;
      break;
    default:
      launch->made_something = launch->made_something || g_str_equal (answer, "made");
      g_free (answer);
    }
  next (task);
}

static void
prepare (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);
  BbEc2PrepareKind kind = (BbEc2PrepareKind) (launch->step - STEP_IMAGE);

  if (!bb_ec2_prepare_is_needed (kind, launch->config))
    next (task);
  else
    bb_ec2_prepare_async (g_task_get_source_object (task), kind, launch->config, g_task_get_cancellable (task),
                          prepared_cb, task);
}

/* The machine is there, and was stopped for later. */
static gboolean
is_parked (const Launch *launch)
{
  return bb_instance_request_get_parked_id (launch->request) != NULL;
}

/* --- one combination of type, zone and market after another */

static const char *
get_zone (const Launch *launch)
{
  return launch->zones[launch->next_zone];
}

static const char *
get_machine_type (const Launch *launch)
{
  return launch->config->instance_type[launch->next_type];
}

static gboolean
is_spot (const Launch *launch)
{
  return launch->config->spot_instance && !launch->on_demand;
}

/* Zones of the first type, zones of the second, …; then the same on demand if that is the fallback. */
static gboolean
choose_next_combination (Launch *launch)
{
  launch->attempt++;
  if (launch->zones[++launch->next_zone] != NULL)
    return TRUE;
  launch->next_zone = 0;
  if (launch->config->instance_type[++launch->next_type] != NULL)
    return TRUE;
  launch->next_type = 0;
  if (!is_spot (launch) || launch->config->spot_fallback != BB_EC2_FALLBACK_ON_DEMAND)
    return FALSE;
  bb_log_slave (G_LOG_LEVEL_MESSAGE, slave_name (launch), "ec2: no spot instance to be had, trying on demand");
  launch->on_demand = TRUE;
  return TRUE;
}

static void
bid_known_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Launch *launch = g_task_get_task_data (task);
  GError *error = NULL;

  launch->bid = bb_ec2_prepare_bid_finish (BB_EC2_ACCOUNT (source), result, &error);
  if (launch->bid < 0)
    fail_or_give_up (task, error);
  else
    next (task);
}

static void
bid (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);

  launch->bid = -1;
  if (is_parked (launch))
    go_to (task, STEP_START_PARKED);
  else if (is_spot (launch))
    bb_ec2_prepare_bid_async (g_task_get_source_object (task), launch->config, slave_name (launch),
                              get_machine_type (launch), get_zone (launch), g_task_get_cancellable (task), bid_known_cb,
                              task);
  else
    next (task);
}

static void
recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (bb_instance_request_record_finish (BB_INSTANCE_REQUEST (source), result, &error))
    next (task);
  else
    fail_or_give_up (task, error);
}

static void
record (GTask *task, const char *resource)
{
  const Launch *launch = g_task_get_task_data (task);

  bb_instance_request_record_async (launch->request, resource, NULL, recorded_cb, task);
}

static void
record_launch (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);
  g_autofree char *resource = NULL;

  g_free (launch->token);
  launch->token = bb_ec2_row_make_token (bb_instance_request_get_token (launch->request), launch->attempt);
  resource = g_strdup_printf ("%s:%s@%" G_GINT64_FORMAT, is_spot (launch) ? "spot-launch" : "launch", launch->token,
                              g_get_real_time () / G_USEC_PER_SEC);
  record (task, resource);
}

/* --- the launch */

typedef struct
{
  GTask *task; /* owned */
  GError *error;
} Refusal;

static void try_next_combination (GTask *task, GError *error);

static void
refusal_recorded_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Refusal *refusal = user_data;
  g_autoptr (GError) error = NULL;
  GTask *task = refusal->task;
  GError *reason = refusal->error;

  /* A refusal that isn't written down costs a longer look for what never was, and nothing else. */
  if (!bb_instance_request_record_finish (BB_INSTANCE_REQUEST (source), result, &error))
    bb_log_host (G_LOG_LEVEL_INFO, "ec2: %s", error->message);
  g_free (refusal);
  if (is_cancelled (task) || !g_error_matches (reason, BB_EC2_ERROR, BB_EC2_ERROR_CAPACITY))
    fail_or_give_up (task, reason);
  else
    try_next_combination (task, reason);
}

/* Nothing was launched with this token, nor will be. Consumes @error. */
static void
refused (GTask *task, GError *error)
{
  Launch *launch = g_task_get_task_data (task);
  Refusal *refusal = g_new0 (Refusal, 1);
  g_autofree char *resource = g_strconcat ("refused:", launch->token, NULL);

  refusal->task = task;
  refusal->error = error;
  bb_instance_request_record_async (launch->request, resource, NULL, refusal_recorded_cb, refusal);
}

/* What we made ourselves a moment ago may not be visible everywhere: "eventual consistency" in EC2's manual. */
static gboolean
is_not_visible_yet (Launch *launch, const GError *error)
{
  return launch->made_something && bb_ec2_error_is_definite (error)
         && (bb_ec2_error_has_code (error, "InvalidGroup.NotFound")
             || bb_ec2_error_has_code (error, "InvalidKeyPair.NotFound"))
         && have_patience (launch);
}

static void
forget_what_is_missing (GTask *task, const GError *error)
{
  const Launch *launch = g_task_get_task_data (task);
  BbEc2Account *account = g_task_get_source_object (task);

  if (bb_ec2_error_has_code (error, "InvalidKeyPair.NotFound"))
    bb_ec2_prepare_forget (account, BB_EC2_PREPARE_KEY_PAIR, launch->config);
  if (bb_ec2_error_has_code (error, "InvalidGroup.NotFound"))
    bb_ec2_prepare_forget (account, BB_EC2_PREPARE_SECURITY_GROUP, launch->config);
  if (g_str_has_prefix (bb_ec2_error_get_code (error), "InvalidAMIID."))
    bb_ec2_prepare_forget (account, BB_EC2_PREPARE_IMAGE, launch->config);
}

static void
launch_failed (GTask *task, GError *error)
{
  Launch *launch = g_task_get_task_data (task);

  if (is_not_visible_yet (launch, error) && !is_cancelled (task))
    {
      g_error_free (error);
      again_after (task, SHORT_PAUSE);
      return;
    }
  forget_what_is_missing (task, error);
  /* Cancelled means that nothing was sent. */
  if (bb_ec2_error_is_definite (error) || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    refused (task, error);
  else
    fail (task, error);
}

static void
launched_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Launch *launch = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);
  g_autoptr (GPtrArray) machines = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_ec2_machine_free);
  const BbEc2Machine *machine;

  if (document != NULL)
    bb_ec2_api_parse_machines (bb_ec2_document_get_root (document), machines);
  if (document != NULL && machines->len == 0)
    error = bb_ec2_error_new (BB_EC2_ERROR_GARBAGE, NULL, "RunInstances: an answer without an instance");
  if (error != NULL)
    {
      launch_failed (task, error);
      return;
    }
  machine = machines->pdata[0];
  launch->instance_id = g_strdup (machine->id);
  launch->spot_request = g_strdup (machine->spot_request);
  launch->launched_at = bb_delay_get_now ();
  bb_log_slave (G_LOG_LEVEL_MESSAGE, slave_name (launch), "ec2: instance %s: %s%s%s, image %s%s%s", machine->id,
                get_machine_type (launch), *get_zone (launch) != '\0' ? " in " : "", get_zone (launch), launch->image,
                machine->spot_request != NULL ? ", spot request " : "",
                machine->spot_request != NULL ? machine->spot_request : "");
  if (g_strcmp0 (machine->type, get_machine_type (launch)) != 0 || g_strcmp0 (machine->image, launch->image) != 0)
    bb_log_slave (G_LOG_LEVEL_WARNING, slave_name (launch), "ec2: instance %s has type %s and image %s, %s and %s were "
                  "asked for", machine->id, machine->type, machine->image, get_machine_type (launch), launch->image);
  next (task);
}

static void
run_instances (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);
  const char *zone = *get_zone (launch) != '\0' ? get_zone (launch) : NULL;
  const BbEc2LaunchParameters parameters = {
    .image = launch->image,
    .key_pair = launch->config->keypair_name,
    .security_group = bb_ec2_config_get_security_name (launch->config),
    .security_group_ids = (const char *const *) launch->config->security_group_ids,
    .subnet = launch->config->subnet_id,
    .instance_profile = launch->config->instance_profile_name,
    .user_data = launch->user_data,
    .block_devices = (const char *const *) launch->config->block_device_map,
    .tags = (const char *const *) launch->tags,
    .http_tokens = launch->config->http_tokens == BB_EC2_HTTP_TOKENS_REQUIRED ? "required" : "optional",
    .max_spot_price = launch->bid,
  };

  call (task, bb_ec2_api_run_instances (&parameters, get_machine_type (launch), zone, launch->token),
        BB_EC2_CALL_PATIENT | BB_EC2_CALL_LAUNCH, launched_cb);
}

/* --- in place of the launch */

static void
parked_started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Launch *launch = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document != NULL)
    {
      bb_log_slave (G_LOG_LEVEL_MESSAGE, slave_name (launch), "ec2: instance %s is started again", launch->instance_id);
      next (task);
    }
  else if (!is_cancelled (task) && g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_YET)
           && have_patience (launch))
    {
      g_error_free (error);
      again_after (task, SHORT_PAUSE);
    }
  else
    fail_or_give_up (task, error);
}

static void
start_parked (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);

  if (is_parked (launch))
    call (task, bb_ec2_api_start_instance (launch->instance_id), BB_EC2_CALL_PATIENT, parked_started_cb);
  else
    next (task);
}

/* --- after the launch */

static void
reported_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  g_autoptr (GError) error = NULL;

  if (bb_instance_request_report_finish (BB_INSTANCE_REQUEST (source), result, &error))
    {
      next (task);
      return;
    }
  /* It exists and is not written down: hand it over, which does the same. */
  bb_log_host (G_LOG_LEVEL_WARNING, "ec2: %s", error->message);
  give_up (task);
}

static void
report (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);
  g_autoptr (BbInstance) instance = make_instance (launch, BB_INSTANCE_STARTING);

  bb_instance_request_report_async (launch->request, instance, NULL, reported_cb, task);
}

static void
record_spot_request (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);
  g_autofree char *resource = NULL;

  if (launch->spot_request == NULL)
    {
      next (task);
      return;
    }
  resource = g_strconcat ("spot-request:", launch->spot_request, NULL);
  record (task, resource);
}

/* Why a machine went down before it ran: what helps later is a quota, what does not is a wrong option. */
static BbEc2Error
classify_reason (const char *code)
{
  if (code == NULL || g_str_has_prefix (code, "Server.") || g_str_has_suffix (code, "LimitExceeded"))
    return BB_EC2_ERROR_QUOTA;
  if (g_str_has_prefix (code, "Client.Invalid"))
    return BB_EC2_ERROR_REFUSED;
  return BB_EC2_ERROR_QUOTA;
}

static void
machine_seen (GTask *task, const BbEc2Machine *machine)
{
  Launch *launch = g_task_get_task_data (task);
  g_autofree char *text = NULL;

  if (g_str_equal (machine->state, "running"))
    {
      next (task);
      return;
    }
  /* One that has just been started again may be shown as it was for a moment. */
  if (g_str_equal (machine->state, "pending")
      || (is_parked (launch) && g_str_equal (machine->state, "stopped") && have_patience (launch)))
    {
      again_after (task, 0);
      return;
    }
  text = g_strdup_printf ("instance %s is %s instead of running: %s (%s)", launch->instance_id, machine->state,
                          machine->reason_message != NULL ? machine->reason_message : "no reason was given",
                          machine->reason_code != NULL ? machine->reason_code : "no code");
  fail (task, bb_ec2_error_new (classify_reason (machine->reason_code), machine->reason_code, text));
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Launch *launch = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) machines = bb_ec2_account_look_finish (BB_EC2_ACCOUNT (source), result, &error);
  g_autofree char *text = NULL;

  if (is_cancelled (task))
    give_up (task);
  else if (machines == NULL)
    {
      bb_log_slave (G_LOG_LEVEL_INFO, slave_name (launch), "ec2: %s", error->message);
      again_after (task, 0);
    }
  else if (machines->len > 0)
    machine_seen (task, machines->pdata[0]);
  else if (bb_delay_get_now () - launch->launched_at < launch->config->unseen_grace)
    again_after (task, 0);
  else
    {
      text = g_strdup_printf ("instance %s was launched, and never seen", launch->instance_id);
      fail (task, bb_ec2_error_new (BB_EC2_ERROR_QUOTA, NULL, text));
    }
}

static void
wait_until_running (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);

  bb_ec2_account_look_async (g_task_get_source_object (task), BB_EC2_LOOK_BY_ID, launch->instance_id,
                             launch->config->poll_interval, FALSE, g_task_get_cancellable (task), looked_cb, task);
}

static void
record_address (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);
  g_autofree char *resource = NULL;

  if (launch->config->elastic_ip == NULL)
    {
      next (task);
      return;
    }
  resource = g_strconcat ("address:", launch->config->elastic_ip, NULL);
  record (task, resource);
}

static void
attached_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;

  if (bb_ec2_attach_finish (BB_EC2_ACCOUNT (source), result, &error))
    next (task);
  else
    fail_or_give_up (task, error);
}

static void
associate_address (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);
  const char *allocation = launch->allocation != NULL && *launch->allocation != '\0' ? launch->allocation : NULL;

  if (launch->config->elastic_ip == NULL)
    next (task);
  else
    bb_ec2_attach_address_async (g_task_get_source_object (task), launch->config->elastic_ip, allocation,
                                 launch->instance_id, g_task_get_cancellable (task), attached_cb, task);
}

static char *
get_volume (const Launch *launch, const char **device)
{
  const char *item = launch->config->volumes[launch->next_volume];
  const char *colon = strchr (item, ':');

  *device = colon + 1;
  return g_strndup (item, (gsize) (colon - item));
}

static gboolean
has_volume_left (const Launch *launch)
{
  return launch->config->volumes != NULL && launch->config->volumes[launch->next_volume] != NULL;
}

static void
record_volume (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);
  g_autofree char *volume = NULL;
  g_autofree char *resource = NULL;
  const char *device;

  if (!has_volume_left (launch))
    {
      next (task);
      return;
    }
  volume = get_volume (launch, &device);
  resource = g_strconcat ("volume:", volume, NULL);
  record (task, resource);
}

static void
attach_volume (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);
  g_autofree char *volume = NULL;
  const char *device;

  if (!has_volume_left (launch))
    {
      next (task);
      return;
    }
  volume = get_volume (launch, &device);
  bb_ec2_attach_volume_async (g_task_get_source_object (task), volume, device, launch->instance_id,
                              g_task_get_cancellable (task), attached_cb, task);
}

/* Another volume, or the end. */
static void
finish_volume (GTask *task)
{
  Launch *launch = g_task_get_task_data (task);

  if (has_volume_left (launch))
    launch->next_volume++;
  if (has_volume_left (launch))
    {
      go_to (task, STEP_RECORD_VOLUME);
      return;
    }
  g_task_return_pointer (task, make_instance (launch, BB_INSTANCE_ALIVE), (GDestroyNotify) bb_instance_unref);
  g_object_unref (task);
}

/* A step gets @task (transfer full) and hands it on to next(), go_to(), again_after() or fail(). */
static void (*const steps[]) (GTask *task) = {
  [STEP_TEXTS] = fill_in_texts,
  [STEP_IMAGE] = prepare,
  [STEP_KEY_PAIR] = prepare,
  [STEP_SECURITY_GROUP] = prepare,
  [STEP_ALLOCATION] = prepare,
  [STEP_BID] = bid,
  [STEP_RECORD_LAUNCH] = record_launch,
  [STEP_RUN_INSTANCES] = run_instances,
  [STEP_REPORT] = report,
  [STEP_RECORD_SPOT_REQUEST] = record_spot_request,
  [STEP_START_PARKED] = start_parked,
  [STEP_WAIT] = wait_until_running,
  [STEP_RECORD_ADDRESS] = record_address,
  [STEP_ADDRESS] = associate_address,
  [STEP_RECORD_VOLUME] = record_volume,
  [STEP_VOLUME] = attach_volume,
  [STEP_FINISH] = finish_volume,
};

static void
run_step (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);

  if (is_cancelled (task))
    give_up (task);
  else
    steps[launch->step](task);
}

static void
go_to (GTask *task, guint step)
{
  Launch *launch = g_task_get_task_data (task);

  launch->step = step;
  launch->refused_since = -1;
  run_step (task);
}

static void
next (GTask *task)
{
  const Launch *launch = g_task_get_task_data (task);

  go_to (task, launch->step + 1);
}

static void
pause_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  bb_delay_finish (result, NULL);
  run_step (user_data);
}

static void
again_after (GTask *task, double seconds)
{
  bb_delay_async (seconds, g_task_get_cancellable (task), pause_over_cb, task);
}

/* Consumes both. */
static void
try_next_combination (GTask *task, GError *error)
{
  Launch *launch = g_task_get_task_data (task);
  g_autofree char *type = g_strdup (get_machine_type (launch));
  g_autofree char *zone = g_strdup (get_zone (launch));

  if (!choose_next_combination (launch))
    {
      fail (task, error);
      return;
    }
  bb_log_slave (G_LOG_LEVEL_MESSAGE, slave_name (launch), "ec2: no room for %s%s%s: %s; trying %s%s%s%s", type,
                *zone != '\0' ? " in " : "", zone, bb_ec2_error_get_code (error), get_machine_type (launch),
                *get_zone (launch) != '\0' ? " in " : "", get_zone (launch), launch->on_demand ? " on demand" : "");
  g_error_free (error);
  go_to (task, STEP_BID);
}

void
bb_ec2_launch_async (BbEc2Account *account, const BbEc2Config *config, BbInstanceRequest *request,
                     GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (account, cancellable, callback, user_data);
  Launch *launch = g_new0 (Launch, 1);

  g_task_set_source_tag (task, bb_ec2_launch_async);
  /* What was launched must be heard of, cancelled or not. */
  g_task_set_check_cancellable (task, FALSE);
  launch->config = config;
  launch->request = g_object_ref (request);
  launch->bid = -1;
  launch->zones = bb_ec2_config_get_zones (config);
  launch->instance_id = g_strdup (bb_instance_request_get_parked_id (request));
  launch->launched_at = bb_delay_get_now ();
  g_task_set_task_data (task, launch, launch_free);
  go_to (task, is_parked (launch) ? STEP_ALLOCATION : STEP_TEXTS);
}

BbInstance *
bb_ec2_launch_finish (BbEc2Account *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
