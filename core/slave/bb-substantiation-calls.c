/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-substantiation-private.h"

#include <unistd.h>

#include "bb-abstract-slave-private.h"
#include "bb-error.h"
#include "bb-instance-choice.h"
#include "bb-instance-request-private.h"
#include "bb-log.h"
#include "bb-option-struct.h"

#define PASSWORD_BYTES 24
#define CHECK_TIME_US (60 * G_USEC_PER_SEC)
/* After its cancellation: then the look counts as never made. */
#define CHECK_GRACE_US (10 * G_USEC_PER_SEC)

/* One call of the backend or the ledger; holds what its return needs. */
typedef struct
{
  BbSubstantiation *self; /* owned */
  BbLedgerRow *row;       /* owned, nullable */
  guint serial;
} Call;

static Call *
call_new (BbSubstantiation *self, guint serial)
{
  Call *call = g_new0 (Call, 1);

  call->self = g_object_ref (self);
  call->row = self->row != NULL ? g_object_ref (self->row) : NULL;
  call->serial = serial;
  return call;
}

static void
call_free (Call *call)
{
  g_clear_object (&call->row);
  g_object_unref (call->self);
  g_free (call);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_free)

static const char *
get_name (BbSubstantiation *self)
{
  return bb_slave_get_name (BB_SLAVE (self->slave));
}

/* 192 bits from the system, as text that fits into every kind of configuration file; NULL when there are none. */
static char *
make_password (void)
{
  guint8 bytes[PASSWORD_BYTES];
  GString *text;

  if (getentropy (bytes, sizeof bytes) != 0)
    return NULL;
  text = g_string_sized_new (2 * sizeof bytes);
  for (guint i = 0; i < sizeof bytes; i++)
    g_string_append_printf (text, "%02x", bytes[i]);
  return g_string_free (text, FALSE);
}

/* Not one that the reaper has begun to stop, say while the slave was not configured: two would call for it then. */
static gboolean
is_own_row (BbSubstantiation *self, BbLedgerRow *row)
{
  g_autofree char *scope = NULL;

  if (self->context->reaper != NULL && bb_reaper_is_stopping (self->context->reaper, row))
    return FALSE;
  if (g_strcmp0 (bb_ledger_row_get_backend (row), self->backend) != 0)
    return FALSE;
  scope = bb_latent_slave_get_scope (self->slave);
  return g_strcmp0 (bb_ledger_row_get_scope (row), scope) == 0;
}

static BbLedgerRow *
find_open_row (BbSubstantiation *self)
{
  BbLedgerRow *row = bb_ledger_find_by_slave (self->ledger, get_name (self));

  return row != NULL && !bb_ledger_row_is_closing (row) ? row : NULL;
}

BbLedgerRow *
bb_substantiation_find_row (BbSubstantiation *self)
{
  BbLedgerRow *row = find_open_row (self);

  return row != NULL && is_own_row (self, row) ? row : NULL;
}

BbLedgerRow *
bb_substantiation_find_foreign_row (BbSubstantiation *self)
{
  BbLedgerRow *row = find_open_row (self);

  return row != NULL && row != self->row && !is_own_row (self, row) ? row : NULL;
}

static void
intended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  BbSubstantiation *self = call->self;
  g_autoptr (BbLedgerRow) row = bb_ledger_intend_finish (BB_LEDGER (source), result, &error);

  if (self->hooks == NULL)
    {
      if (row != NULL)
        bb_ledger_close (BB_LEDGER (source), row, "not started", NULL, NULL);
      return;
    }
  if (g_error_matches (error, BB_ERROR, BB_ERROR_LIMIT))
    {
      self->no_room = TRUE;
      self->hooks->no_room (error, self->user_data);
      bb_substantiation_post (self, BB_EVENT_NO_ROOM, error);
    }
  else if (row == NULL)
    bb_substantiation_post (self, BB_EVENT_REFUSED, error);
  else
    {
      self->row = g_steal_pointer (&row);
      self->hooks->had_room (self->user_data);
      bb_substantiation_post (self, BB_EVENT_INTENDED, NULL);
    }
}

void
bb_substantiation_call_intend (BbSubstantiation *self)
{
  BbSlaveSettings *settings = bb_substantiation_get_settings (self);
  g_autofree char *scope = bb_latent_slave_get_scope (self->slave);
  g_autofree char *password = settings->auto_password ? make_password () : NULL;
  double cost = settings->hourly_cost >= 0 ? settings->hourly_cost : bb_latent_slave_get_hourly_cost (self->slave);

  if (settings->auto_password && password == NULL)
    {
      g_autoptr (GError) error
        = g_error_new_literal (BB_ERROR, BB_ERROR_FAILED, "the system has no random bytes for a password");

      bb_substantiation_post (self, BB_EVENT_REFUSED, error);
      return;
    }
  self->own_password = settings->auto_password;
  self->no_room = FALSE;
  bb_ledger_intend_async (self->ledger, get_name (self), self->backend, scope,
                          password != NULL ? password : "", cost, NULL, intended_cb, call_new (self, 0));
}

/* What the request's recorder writes to; lives as long as the request may ask for it. */
typedef struct
{
  BbLedger *ledger; /* owned */
  BbLedgerRow *row; /* owned */
} Recorder;

static void
recorder_free (gpointer data)
{
  Recorder *recorder = data;

  g_object_unref (recorder->row);
  g_object_unref (recorder->ledger);
  g_free (recorder);
}

static void
record_resource (const char *resource, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
                 gpointer user_data)
{
  Recorder *recorder = user_data;

  bb_ledger_add_resource (recorder->ledger, recorder->row, resource, callback, callback_data);
}

static void
report_instance (BbInstance *instance, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer callback_data,
                 gpointer user_data)
{
  Recorder *recorder = user_data;

  bb_ledger_set_running (recorder->ledger, recorder->row, instance, callback, callback_data);
}

static void
merge_into (GVariantDict *dict, GVariant *properties)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    g_variant_dict_insert_value (dict, key, value);
}

GVariant *
bb_substantiation_merge_properties (BbSubstantiation *self, GVariant *properties)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, properties);
  merge_into (&dict, bb_substantiation_get_settings (self)->properties);
  g_variant_dict_insert (&dict, "slavename", "s", get_name (self));
  g_variant_dict_insert (&dict, "workername", "s", get_name (self));
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

static BbInstanceRequest *
make_request (BbSubstantiation *self, GVariant *properties, gboolean is_parked)
{
  const BbSubstantiationContext *context = self->context;
  BbSlaveSettings *settings = bb_substantiation_get_settings (self);
  Recorder *recorder = g_new0 (Recorder, 1);
  const BbInstanceRequestParameters parameters = {
    .slave_name = get_name (self),
    .token = bb_ledger_row_get_token (self->row),
    .password = self->own_password ? bb_ledger_row_get_password (self->row)
                                   : (settings->password != NULL ? settings->password : ""),
    .host_name = context->host_name,
    .store_id = context->store_id,
    .master_host = context->master_host,
    .master_port = context->master_port,
    .protocol = context->protocol,
    .tls = context->tls,
    .properties = properties,
    .state_directory = context->state_directory,
    .parked_id = is_parked ? bb_ledger_row_get_instance_id (self->row) : NULL,
  };
  BbInstanceRequest *request = bb_instance_request_new (&parameters);

  recorder->ledger = g_object_ref (self->ledger);
  recorder->row = g_object_ref (self->row);
  bb_instance_request_set_recorder (request, record_resource, report_instance, recorder, recorder_free);
  return request;
}

/* The row was closed by a person while the start was under way: what came of it all the same gets a row of its own. */
static void
give_new_row (BbSubstantiation *self, BbLedgerRow *row, BbInstance *instance)
{
  bb_log_instance (G_LOG_LEVEL_WARNING, bb_ledger_row_get_number (row), bb_ledger_row_get_slave_name (row),
                   "instance %s came after its row was closed; it is stopped", bb_instance_get_id (instance));
  bb_ledger_adopt_async (self->ledger, bb_ledger_row_get_slave_name (row), bb_ledger_row_get_backend (row),
                         bb_ledger_row_get_scope (row), instance, BB_ROW_STOPPING, NULL, NULL, NULL);
}

static void
instance_started_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  BbSubstantiation *self = call->self;
  g_autoptr (BbInstance) instance
    = bb_latent_slave_start_instance_finish (BB_LATENT_SLAVE (source), result, &error);

  g_clear_object (&self->call_cancellable);
  if (instance != NULL && bb_ledger_row_is_closing (call->row))
    give_new_row (self, call->row, instance);
  else if (instance != NULL)
    bb_ledger_set_running (self->ledger, call->row, instance, NULL, NULL);
  if (self->hooks == NULL)
    return;
  if (instance != NULL)
    bb_substantiation_post (self, BB_EVENT_STARTED, NULL);
  else
    bb_substantiation_post (self, BB_EVENT_START_FAILED, error);
}

void
bb_substantiation_call_start (BbSubstantiation *self)
{
  BbWaiter *first = g_queue_peek_head (&self->waiters);
  g_autoptr (GVariant) properties
    = bb_substantiation_merge_properties (self, first != NULL ? first->properties : NULL);
  gboolean is_parked = *bb_ledger_row_get_instance_id (self->row) != '\0';

  /* A fresh one is started with what counts now; one that was parked is what it was. */
  if (!is_parked)
    {
      self->retiring = FALSE;
      g_free (self->choice);
      self->choice
        = bb_instance_choice_new (self->options, bb_slave_get_config (BB_SLAVE (self->slave)), properties);
      self->choice_unknown = FALSE;
    }
  g_clear_object (&self->request);
  self->request = make_request (self, properties, is_parked);
  bb_ledger_set_requested (self->ledger, self->row, NULL, NULL);
  self->call_serial++;
  self->call_cancellable = g_cancellable_new ();
  bb_latent_slave_start_instance_async (self->slave, self->request, self->call_cancellable, instance_started_cb,
                                        call_new (self, self->call_serial));
}

/* A stop of an instance whose id is known speaks of that; without one, success may mean that there was nothing to be
 * found yet, and is believed when it has been so for as long as the backend may need to list it. */
static BbEvent
judge_stop (BbSubstantiation *self)
{
  gint64 now_us = bb_loop_now_us (self->context->loop);
  gint64 delay_us = (gint64) (bb_latent_slave_get_listing_delay (self->slave) * G_USEC_PER_SEC);

  if (*bb_ledger_row_get_instance_id (self->row) != '\0')
    return BB_EVENT_STOPPED;
  if (self->not_found_since_us == 0)
    self->not_found_since_us = now_us;
  return now_us - self->not_found_since_us >= delay_us ? BB_EVENT_STOPPED : BB_EVENT_NOT_FOUND;
}

static void
instance_stopped_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  BbSubstantiation *self = call->self;
  gboolean stopped = bb_latent_slave_stop_instance_finish (BB_LATENT_SLAVE (source), result, &error);

  if (call->serial == self->call_serial)
    g_clear_object (&self->call_cancellable);
  if (self->hooks == NULL)
    {
      /* Of one without an id it says too little: the row stays, for whoever finds it. */
      if (stopped && !bb_ledger_row_is_closing (call->row) && *bb_ledger_row_get_instance_id (call->row) != '\0')
        bb_ledger_close (self->ledger, call->row, "stopped", NULL, NULL);
      return;
    }
  /* One that was given up long ago may still have done it; its failure is no news. */
  if (call->serial != self->call_serial)
    {
      if (!stopped || self->row != call->row
          || (self->phase != BB_PHASE_STOPPING && self->phase != BB_PHASE_STOP_PAUSE))
        return;
      bb_substantiation_give_up_stop (self);
    }
  if (stopped)
    bb_substantiation_post (self, judge_stop (self), NULL);
  else
    bb_substantiation_post (self, BB_EVENT_STOP_FAILED, error);
}

void
bb_substantiation_call_stop (BbSubstantiation *self)
{
  g_autoptr (BbInstance) instance = NULL;

  if (self->row == NULL || bb_ledger_row_is_closing (self->row))
    {
      bb_substantiation_post (self, BB_EVENT_STOPPED, NULL);
      return;
    }
  bb_ledger_set_stopping (self->ledger, self->row, NULL, NULL);
  instance = bb_ledger_row_to_instance (self->row);
  self->stop_cancelled = FALSE;
  self->call_serial++;
  g_clear_object (&self->call_cancellable);
  self->call_cancellable = g_cancellable_new ();
  bb_latent_slave_stop_instance_async (self->slave, instance, self->fast, self->call_cancellable, instance_stopped_cb,
                                       call_new (self, self->call_serial));
}

void
bb_substantiation_give_up_stop (BbSubstantiation *self)
{
  self->call_serial++;
  if (self->call_cancellable != NULL)
    g_cancellable_cancel (self->call_cancellable);
  g_clear_object (&self->call_cancellable);
}

static void
instance_parked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  BbSubstantiation *self = call->self;
  gboolean parked = bb_latent_slave_park_instance_finish (BB_LATENT_SLAVE (source), result, &error);

  /* One that was given up is stopped for good by now. */
  if (call->serial != self->call_serial)
    return;
  g_clear_object (&self->call_cancellable);
  if (parked)
    bb_substantiation_post (self, BB_EVENT_PARKED, NULL);
  else
    bb_substantiation_post (self, BB_EVENT_PARK_FAILED, error);
}

void
bb_substantiation_call_park (BbSubstantiation *self)
{
  g_autoptr (BbInstance) instance = bb_ledger_row_to_instance (self->row);

  self->stop_cancelled = FALSE;
  self->call_serial++;
  g_clear_object (&self->call_cancellable);
  self->call_cancellable = g_cancellable_new ();
  bb_latent_slave_park_instance_async (self->slave, instance, self->call_cancellable, instance_parked_cb,
                                       call_new (self, self->call_serial));
}

char *
bb_substantiation_digest_options (BbSubstantiation *self)
{
  return bb_option_struct_digest (self->options, bb_slave_get_config (BB_SLAVE (self->slave)), BB_OPTION_LIVE);
}

static void
unparked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  BbSubstantiation *self = call->self;
  gboolean unparked = bb_ledger_unpark_finish (BB_LEDGER (source), result, &error);

  if (self->hooks == NULL || self->row != call->row)
    return;
  if (unparked)
    {
      self->hooks->had_room (self->user_data);
      bb_substantiation_post (self, BB_EVENT_INTENDED, NULL);
    }
  else if (g_error_matches (error, BB_ERROR, BB_ERROR_LIMIT))
    {
      self->no_room = TRUE;
      self->hooks->no_room (error, self->user_data);
      bb_substantiation_post (self, BB_EVENT_NO_ROOM, error);
    }
  else
    bb_substantiation_post (self, BB_EVENT_REFUSED, error);
}

void
bb_substantiation_call_unpark (BbSubstantiation *self)
{
  self->no_room = FALSE;
  bb_ledger_unpark_async (self->ledger, self->row, NULL, unparked_cb, call_new (self, 0));
}

static void
take_check (BbSubstantiation *self, BbInstance *instance)
{
  const char *reason = bb_instance_get_reason (instance);
  g_autoptr (GError) error = NULL;

  switch (bb_instance_get_state (instance))
    {
    case BB_INSTANCE_STARTING:
    case BB_INSTANCE_ALIVE:
      self->gone_once = FALSE;
      bb_ledger_confirm (self->ledger, self->row);
      return;
    case BB_INSTANCE_ENDING:
      self->gone_once = FALSE;
      bb_ledger_confirm (self->ledger, self->row);
      if (!self->retiring)
        bb_log_slave (G_LOG_LEVEL_MESSAGE, get_name (self), "instance %s will end soon and takes no more builds%s%s",
                      bb_ledger_row_get_instance_id (self->row), reason != NULL ? ": " : "",
                      reason != NULL ? reason : "");
      bb_substantiation_retire (self);
      if (self->hooks != NULL)
        self->hooks->changed (self->user_data);
      return;
    case BB_INSTANCE_GONE:
      /* Clouds say so of what they have just made: their databases agree only after a while. */
      if (!self->gone_once)
        {
          self->gone_once = TRUE;
          bb_substantiation_check_soon (self);
          return;
        }
      error = g_error_new (BB_ERROR, BB_ERROR_FAILED, "instance %s is gone%s%s",
                           bb_ledger_row_get_instance_id (self->row), reason != NULL ? ": " : "",
                           reason != NULL ? reason : "");
      break;
    case BB_INSTANCE_STOPPING:
      error = g_error_new (BB_ERROR, BB_ERROR_FAILED, "instance %s is being stopped by somebody else%s%s",
                           bb_ledger_row_get_instance_id (self->row), reason != NULL ? ": " : "",
                           reason != NULL ? reason : "");
      break;
    case BB_INSTANCE_PARKED:
      error = g_error_new (BB_ERROR, BB_ERROR_FAILED, "instance %s was stopped by somebody else",
                           bb_ledger_row_get_instance_id (self->row));
      break;
    case BB_INSTANCE_FAILED:
    default:
      error = g_error_new (BB_ERROR, BB_ERROR_FAILED, "instance %s failed%s%s",
                           bb_ledger_row_get_instance_id (self->row), reason != NULL ? ": " : "",
                           reason != NULL ? reason : "");
      break;
    }
  bb_substantiation_post (self, BB_EVENT_DIED, error);
}

static void
instance_checked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;
  g_autoptr (GError) error = NULL;
  BbSubstantiation *self = call->self;
  g_autoptr (BbInstance) instance
    = bb_latent_slave_check_instance_finish (BB_LATENT_SLAVE (source), result, &error);

  if (call->serial != self->check_serial)
    return;
  bb_substantiation_forget_check (self);
  if (self->hooks == NULL || self->row != call->row)
    return;
  if (instance == NULL)
    bb_log_slave (G_LOG_LEVEL_INFO, get_name (self), "instance %s can't be looked at: %s",
                  bb_ledger_row_get_instance_id (call->row), error->message);
  else if (self->look_again && bb_instance_get_state (instance) == BB_INSTANCE_ALIVE)
    bb_substantiation_call_check (self);
  else
    take_check (self, instance);
}

void
bb_substantiation_call_check (BbSubstantiation *self)
{
  gint64 now_us = bb_loop_now_us (self->context->loop);
  g_autoptr (BbInstance) instance = NULL;

  if (self->check_cancellable != NULL)
    {
      if (now_us - self->check_since_us > CHECK_TIME_US)
        g_cancellable_cancel (self->check_cancellable);
      if (now_us - self->check_since_us <= CHECK_TIME_US + CHECK_GRACE_US)
        return;
      bb_substantiation_forget_check (self);
    }
  /* An instance without an id can't be looked at, only stopped by its token. */
  if (self->row == NULL || *bb_ledger_row_get_instance_id (self->row) == '\0')
    return;
  instance = bb_ledger_row_to_instance (self->row);
  self->look_again = FALSE;
  self->check_since_us = now_us;
  self->check_serial++;
  self->check_cancellable = g_cancellable_new ();
  bb_latent_slave_check_instance_async (self->slave, instance, self->check_cancellable, instance_checked_cb,
                                        call_new (self, self->check_serial));
}

void
bb_substantiation_forget_check (BbSubstantiation *self)
{
  self->check_serial++;
  if (self->check_cancellable != NULL)
    g_cancellable_cancel (self->check_cancellable);
  g_clear_object (&self->check_cancellable);
}

/* Whether the end could be written or not: in the latter case the ledger writes it again later. */
static void
row_closed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (Call) call = user_data;

  bb_ledger_write_finish (BB_LEDGER (source), result, NULL);
  if (call->self->hooks != NULL && call->self->row == call->row)
    bb_substantiation_post (call->self, BB_EVENT_CLOSED, NULL);
}

void
bb_substantiation_close_row (BbSubstantiation *self)
{
  gboolean asked = self->request != NULL || (self->row != NULL && bb_ledger_row_is_inherited (self->row));

  if (self->request != NULL)
    bb_instance_request_set_recorder (self->request, NULL, NULL, NULL, NULL);
  if (self->row == NULL || bb_ledger_row_is_closing (self->row))
    bb_substantiation_post (self, BB_EVENT_CLOSED, NULL);
  else
    bb_ledger_close (self->ledger, self->row, asked ? "stopped" : "not started", row_closed_cb,
                     call_new (self, 0));
}
