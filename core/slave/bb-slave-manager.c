/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include "bb-error.h"
#include "bb-log.h"

enum
{
  SIGNAL_SLAVE_ADDED,
  SIGNAL_SLAVE_REMOVED,
  SIGNAL_SLAVE_CHANGED,
  SIGNAL_AVAILABILITY_CHANGED,
  SIGNAL_NOTICE,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE_WITH_CODE (BbSlaveManager, bb_slave_manager, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_LOGIN_HOST, bb_slave_manager_login_iface_init))

/* ---- telling ---- */

void
bb_slave_manager_touch (BbSlaveRecord *record, guint changes)
{
  BbSlaveManager *self = record->manager;
  BbSlaveState state;
  BbAvailability availability;

  if (record->removed)
    return;
  state = bb_slave_get_state (record->slave);
  if (state != record->state)
    {
      record->state = state;
      record->state_since_us = bb_loop_wall_us (self->context.loop);
      changes |= BB_SLAVE_CHANGED_STATE;
    }
  if (changes != 0)
    g_signal_emit (self, signals[SIGNAL_SLAVE_CHANGED], 0, record->slave, changes);
  availability = bb_slave_manager_get_availability (self, record->slave, NULL);
  if (availability == record->availability)
    return;
  record->availability = availability;
  g_signal_emit (self, signals[SIGNAL_AVAILABILITY_CHANGED], 0, record->slave);
}

static GVariant *
describe (BbSlaveRecord *record, BbLedgerRow *row, GVariant *more)
{
  GVariantDict dict;
  const char *admin = NULL;
  gint64 last_message_us = bb_slave_get_last_message_at_us (record->slave);

  g_variant_dict_init (&dict, more);
  g_variant_dict_insert (&dict, "slave", "s", bb_slave_record_get_name (record));
  if (record->missing.since_us != 0)
    g_variant_dict_insert (&dict, "since", "x", record->missing.since_us);
  else if (row != NULL)
    g_variant_dict_insert (&dict, "since", "x", bb_ledger_row_get_requested_at_us (row));
  if (last_message_us != 0)
    g_variant_dict_insert (&dict, "last_message", "x", last_message_us);
  if (record->peer_address != NULL)
    g_variant_dict_insert (&dict, "peer_address", "s", record->peer_address);
  if (g_variant_lookup (bb_slave_get_info (record->slave), "admin", "&s", &admin))
    g_variant_dict_insert (&dict, "admin", "s", admin);
  if (record->last_error != NULL && !g_variant_dict_contains (&dict, "last_error"))
    g_variant_dict_insert (&dict, "last_error", "s", record->last_error);
  if (row != NULL)
    {
      g_variant_dict_insert (&dict, "instance", "t", bb_ledger_row_get_number (row));
      g_variant_dict_insert (&dict, "backend", "s", bb_ledger_row_get_backend (row));
      g_variant_dict_insert (&dict, "instance_id", "s", bb_ledger_row_get_instance_id (row));
    }
  return g_variant_dict_end (&dict);
}

void
bb_slave_manager_tell (BbSlaveManager *self, BbNoticeKind kind, const char *summary, GVariant *details,
                       BbSlaveRecord *record, BbLedgerRow *row)
{
  g_autoptr (GVariant) sunk = details != NULL ? g_variant_ref_sink (details) : NULL;
  BbSlaveSettings *settings = bb_slave_record_get_settings (record);
  const char *const *recipients = (const char *const *) settings->notify_on_missing;
  g_autoptr (BbNotice) notice = NULL;

  /* What may cost money concerns the host's administrators as well; who is away, only those who want to know. */
  if (kind != BB_NOTICE_INSTANCE_TROUBLE && (recipients == NULL || recipients[0] == NULL))
    return;
  notice = bb_notice_new (kind, recipients, summary, describe (record, row, sunk));
  g_signal_emit (self, signals[SIGNAL_NOTICE], 0, notice);
}

void
bb_slave_manager_rest (BbSlaveRecord *record, const char *reason)
{
  BbLoop *loop = record->manager->context.loop;
  gint64 pause_us = bb_backoff_fail (&record->attempts);

  g_free (record->last_error);
  record->last_error = g_strdup (reason);
  record->next_attempt_us = bb_loop_wall_us (loop) + pause_us;
  bb_timer_start_in (&record->rest_timer, pause_us);
  bb_log_slave (G_LOG_LEVEL_WARNING, bb_slave_record_get_name (record), "%s; gets no build for %d s", reason,
                (int) (pause_us / G_USEC_PER_SEC));
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_INSTANCE);
}

/* ---- what the substantiations tell ---- */

static void
substantiation_waiter_done (BbWaiter *waiter, const GError *error, gpointer user_data)
{
  bb_slave_manager_waiter_done (waiter, error);
}

static void
substantiation_changed (gpointer user_data)
{
  BbSlaveRecord *record = user_data;

  if (bb_substantiation_get_state (record->substantiation) == BB_INSUBSTANTIATED)
    {
      if (bb_substantiation_get_row (record->substantiation) == NULL)
        bb_slave_manager_take_pending_config (record);
      bb_slave_manager_stopped_for_shutdown (record);
    }
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_STATE | BB_SLAVE_CHANGED_INSTANCE);
  bb_slave_manager_end_if_through (record);
}

static void
substantiation_attempt_failed (const GError *error, gpointer user_data)
{
  bb_slave_manager_rest (user_data, error->message);
}

static void
substantiation_attempt_succeeded (gpointer user_data)
{
  BbSlaveRecord *record = user_data;

  g_clear_pointer (&record->last_error, g_free);
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_INSTANCE);
}

static void
substantiation_no_room (const GError *error, gpointer user_data)
{
  BbSlaveRecord *record = user_data;

  bb_log_slave (record->had_turn ? G_LOG_LEVEL_INFO : G_LOG_LEVEL_MESSAGE, bb_slave_record_get_name (record), "%s",
                error->message);
  bb_slave_manager_wait_for_room (record, error);
}

static void
substantiation_had_room (gpointer user_data)
{
  bb_slave_manager_had_room (user_data);
}

static void
substantiation_drop_link (const GError *reason, gpointer user_data)
{
  bb_slave_manager_drop_attachment (user_data, reason);
}

static void
substantiation_notice (BbNoticeKind kind, const char *summary, GVariant *details, BbLedgerRow *row, gpointer user_data)
{
  BbSlaveRecord *record = user_data;

  bb_slave_manager_tell (record->manager, kind, summary, details, record, row);
}

const BbSubstantiationHooks bb_slave_manager_substantiation_hooks = {
  .waiter_done = substantiation_waiter_done,
  .changed = substantiation_changed,
  .attempt_failed = substantiation_attempt_failed,
  .attempt_succeeded = substantiation_attempt_succeeded,
  .no_room = substantiation_no_room,
  .had_room = substantiation_had_room,
  .drop_link = substantiation_drop_link,
  .notice = substantiation_notice,
};

/* ---- what the ledger tells ---- */

static BbSlaveRecord *
find_record_of_row (BbSlaveManager *self, BbLedgerRow *row)
{
  BbSlaveRecord *record = g_hash_table_lookup (self->records, bb_ledger_row_get_slave_name (row));
  GHashTableIter iter;

  if (record != NULL && record->substantiation != NULL && bb_substantiation_get_row (record->substantiation) == row)
    return record;
  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, (gpointer *) &record, NULL))
    if (record->substantiation != NULL && bb_substantiation_get_row (record->substantiation) == row)
      return record;
  return NULL;
}

static void
row_changed_cb (BbLedger *ledger, BbLedgerRow *row, gpointer user_data)
{
  BbSlaveRecord *record = find_record_of_row (user_data, row);

  if (record != NULL)
    bb_slave_manager_touch (record, BB_SLAVE_CHANGED_INSTANCE);
}

static void
row_closed_cb (BbLedger *ledger, BbLedgerRow *row, gpointer user_data)
{
  BbSlaveManager *self = user_data;
  BbSlaveRecord *record = find_record_of_row (self, row);

  if (record != NULL)
    bb_substantiation_row_closed (record->substantiation);
  /* It may have been in the way of the slave that has its name now. */
  record = g_hash_table_lookup (self->records, bb_ledger_row_get_slave_name (row));
  if (record != NULL)
    bb_slave_manager_touch (record, 0);
  bb_slave_manager_there_is_room (self);
}

static void
room_cb (BbLedger *ledger, gpointer user_data)
{
  bb_slave_manager_there_is_room (user_data);
}

/* ---- removed slaves ---- */

static gboolean
is_through (BbSlaveRecord *record)
{
  return bb_slave_manager_count_places (record) == 0
         && (record->substantiation == NULL || bb_substantiation_is_at_rest (record->substantiation));
}

static void
let_go (BbSlaveManager *self, BbSlaveRecord *record, const GError *reason)
{
  g_autofree char *name = g_strdup (bb_slave_record_get_name (record));
  BbSlaveRecord *successor;

  bb_slave_manager_drop_attachment (record, reason);
  g_hash_table_remove (self->leaving, record);
  /* One of another type may have waited for this. */
  successor = g_hash_table_lookup (self->records, name);
  if (successor != NULL)
    bb_slave_manager_touch (successor, 0);
}

static void
leaving_timer_passed (BbTimer *timer, gpointer user_data)
{
  BbSlaveManager *self = user_data;
  g_autoptr (GError) reason
    = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "the slave was removed from the configuration");
  g_autoptr (GPtrArray) through = g_ptr_array_new ();
  GHashTableIter iter;
  BbSlaveRecord *record;

  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, (gpointer *) &record, NULL))
    if (is_through (record))
      g_ptr_array_add (through, record);
  for (guint i = 0; i < through->len; i++)
    let_go (self, g_ptr_array_index (through, i), reason);
}

void
bb_slave_manager_end_if_through (BbSlaveRecord *record)
{
  if (record->removed && is_through (record) && !bb_timer_is_running (&record->manager->leaving_timer))
    bb_timer_start_in (&record->manager->leaving_timer, 0);
}

/* ---- GObject ---- */

static void
bb_slave_manager_dispose (GObject *object)
{
  BbSlaveManager *self = BB_SLAVE_MANAGER (object);

  self->context.shutting_down = TRUE;
  bb_timer_stop (&self->room_timer);
  bb_timer_stop (&self->memory_timer);
  bb_timer_stop (&self->leaving_timer);
  bb_timer_stop (&self->shutdown_timer);
  g_ptr_array_set_size (self->order, 0);
  g_hash_table_remove_all (self->leaving);
  g_hash_table_remove_all (self->records);
  g_clear_weak_pointer (&self->context.reaper);
  if (self->context.ledger != NULL)
    g_signal_handlers_disconnect_by_data (self->context.ledger, self);
  g_clear_object (&self->context.ledger);
  g_clear_object (&self->context.loop);
  g_clear_object (&self->store);
  g_clear_object (&self->shutdown_task);
  G_OBJECT_CLASS (bb_slave_manager_parent_class)->dispose (object);
}

static void
bb_slave_manager_finalize (GObject *object)
{
  BbSlaveManager *self = BB_SLAVE_MANAGER (object);

  g_hash_table_unref (self->records);
  g_hash_table_unref (self->leaving);
  g_hash_table_unref (self->remembered);
  g_hash_table_unref (self->pool);
  g_clear_pointer (&self->stopping, g_hash_table_unref);
  g_ptr_array_unref (self->order);
  g_free (self->context.host_name);
  g_free (self->context.store_id);
  g_free (self->context.state_directory);
  g_free (self->context.master_host);
  g_free (self->context.protocol);
  G_OBJECT_CLASS (bb_slave_manager_parent_class)->finalize (object);
}

static void
bb_slave_manager_class_init (BbSlaveManagerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GType type = G_TYPE_FROM_CLASS (klass);

  object_class->dispose = bb_slave_manager_dispose;
  object_class->finalize = bb_slave_manager_finalize;
  signals[SIGNAL_SLAVE_ADDED] = g_signal_new ("slave-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE,
                                              1, BB_TYPE_SLAVE);
  signals[SIGNAL_SLAVE_REMOVED] = g_signal_new ("slave-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                                G_TYPE_NONE, 1, BB_TYPE_SLAVE);
  signals[SIGNAL_SLAVE_CHANGED] = g_signal_new ("slave-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                                G_TYPE_NONE, 2, BB_TYPE_SLAVE, G_TYPE_UINT);
  signals[SIGNAL_AVAILABILITY_CHANGED] = g_signal_new ("availability-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                                       NULL, G_TYPE_NONE, 1, BB_TYPE_SLAVE);
  signals[SIGNAL_NOTICE] = g_signal_new ("notice", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                         BB_TYPE_NOTICE);
}

static void
bb_slave_manager_init (BbSlaveManager *self)
{
  self->records = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, bb_slave_record_free);
  self->leaving = g_hash_table_new_full (NULL, NULL, bb_slave_record_free, NULL);
  self->remembered = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  self->pool = bb_builder_list_pool_new ();
  self->order = g_ptr_array_new ();
  self->context.master_host = g_strdup ("localhost");
  self->context.protocol = g_strdup ("pb");
  self->context.host_name = g_strdup ("");
}

BbSlaveManager *
bb_slave_manager_new (const BbSlaveManagerParameters *parameters)
{
  BbSlaveManager *self = g_object_new (BB_TYPE_SLAVE_MANAGER, NULL);
  BbLoop *loop = parameters->loop;

  self->context.loop = g_object_ref (loop);
  self->context.ledger = g_object_ref (parameters->ledger);
  self->context.store_id = g_strdup (parameters->store_id);
  self->context.state_directory = g_strdup (parameters->state_directory);
  self->store = g_object_ref (parameters->store);
  self->info_era = 1;
  bb_timer_init (&self->room_timer, loop, bb_slave_manager_room_timer_passed, self);
  bb_timer_init (&self->memory_timer, loop, bb_slave_manager_memory_timer_passed, self);
  bb_timer_init (&self->leaving_timer, loop, leaving_timer_passed, self);
  bb_timer_init (&self->shutdown_timer, loop, bb_slave_manager_shutdown_timer_passed, self);
  g_signal_connect (self->context.ledger, "row-changed", G_CALLBACK (row_changed_cb), self);
  g_signal_connect (self->context.ledger, "row-closed", G_CALLBACK (row_closed_cb), self);
  g_signal_connect (self->context.ledger, "room", G_CALLBACK (room_cb), self);
  return self;
}

void
bb_slave_manager_set_reaper (BbSlaveManager *self, BbReaper *reaper)
{
  g_return_if_fail (BB_IS_SLAVE_MANAGER (self));

  g_set_weak_pointer (&self->context.reaper, reaper);
}

void
bb_slave_manager_set_master_address (BbSlaveManager *self, const char *host, guint16 port, const char *protocol,
                                         gboolean tls)
{
  g_return_if_fail (BB_IS_SLAVE_MANAGER (self));

  g_free (self->context.master_host);
  self->context.master_host = g_strdup (host);
  self->context.master_port = port;
  g_free (self->context.protocol);
  self->context.protocol = g_strdup (protocol);
  self->context.tls = tls;
}

/* ---- looking ---- */

BbSlave *
bb_slave_manager_find (BbSlaveManager *self, const char *name)
{
  BbSlaveRecord *record = g_hash_table_lookup (self->records, name);

  return record != NULL ? record->slave : NULL;
}

GPtrArray *
bb_slave_manager_list (BbSlaveManager *self)
{
  GPtrArray *slaves = g_ptr_array_new_full (self->order->len, NULL);

  for (guint i = 0; i < self->order->len; i++)
    g_ptr_array_add (slaves, ((BbSlaveRecord *) g_ptr_array_index (self->order, i))->slave);
  return slaves;
}

guint
bb_slave_manager_count (BbSlaveManager *self)
{
  return g_hash_table_size (self->records);
}

guint
bb_slave_manager_count_attached (BbSlaveManager *self)
{
  return self->n_attached;
}

BbSubstantiationState
bb_slave_manager_get_substantiation_state (BbSlaveManager *self, BbSlave *slave)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);

  return record != NULL && record->substantiation != NULL ? bb_substantiation_get_state (record->substantiation)
                                                          : BB_INSUBSTANTIATED;
}

BbLedgerRow *
bb_slave_manager_get_row (BbSlaveManager *self, BbSlave *slave)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);

  return record != NULL && record->substantiation != NULL ? bb_substantiation_get_row (record->substantiation) : NULL;
}

const char *
bb_slave_manager_get_instance_id (BbSlaveManager *self, BbSlave *slave)
{
  BbLedgerRow *row = bb_slave_manager_get_row (self, slave);

  return row != NULL ? bb_ledger_row_get_instance_id (row) : NULL;
}

/* ---- for the reaper ---- */

GPtrArray *
bb_slave_manager_list_latent (BbSlaveManager *self)
{
  GPtrArray *slaves = g_ptr_array_new ();
  GHashTableIter iter;
  BbSlaveRecord *record;

  for (guint i = 0; i < self->order->len; i++)
    {
      record = g_ptr_array_index (self->order, i);
      if (record->substantiation != NULL)
        g_ptr_array_add (slaves, record->slave);
    }
  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, (gpointer *) &record, NULL))
    if (record->substantiation != NULL)
      g_ptr_array_add (slaves, record->slave);
  return slaves;
}

static gboolean
can_act_for (BbSlaveRecord *record, BbLedgerRow *row)
{
  g_autofree char *scope = NULL;

  if (record->substantiation == NULL || g_strcmp0 (record->provides->type_name, bb_ledger_row_get_backend (row)) != 0)
    return FALSE;
  scope = bb_latent_slave_get_scope (BB_LATENT_SLAVE (record->slave));
  return g_strcmp0 (scope, bb_ledger_row_get_scope (row)) == 0;
}

BbLatentSlave *
bb_slave_manager_find_backend (BbSlaveManager *self, BbLedgerRow *row)
{
  BbSlaveRecord *record = find_record_of_row (self, row);
  GHashTableIter iter;

  if (record == NULL)
    record = g_hash_table_lookup (self->records, bb_ledger_row_get_slave_name (row));
  if (record != NULL && can_act_for (record, row))
    return BB_LATENT_SLAVE (record->slave);
  for (guint i = 0; i < self->order->len; i++)
    if (can_act_for (g_ptr_array_index (self->order, i), row))
      return BB_LATENT_SLAVE (((BbSlaveRecord *) g_ptr_array_index (self->order, i))->slave);
  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, (gpointer *) &record, NULL))
    if (can_act_for (record, row))
      return BB_LATENT_SLAVE (record->slave);
  return NULL;
}

gboolean
bb_slave_manager_is_row_in_use (BbSlaveManager *self, BbLedgerRow *row)
{
  return find_record_of_row (self, row) != NULL;
}

void
bb_slave_manager_row_gone (BbSlaveManager *self, BbLedgerRow *row)
{
  BbSlaveRecord *record = find_record_of_row (self, row);
  g_autoptr (GError) error = g_error_new (BB_ERROR, BB_ERROR_LOST, "instance %s is gone: its backend does not list it",
                                          bb_ledger_row_get_instance_id (row));

  if (record != NULL)
    bb_substantiation_died (record->substantiation, error);
}

void
bb_slave_manager_row_woken (BbSlaveManager *self, BbLedgerRow *row)
{
  BbSlaveRecord *record = find_record_of_row (self, row);
  g_autoptr (GError) error = g_error_new (BB_ERROR, BB_ERROR_LOST, "instance %s was parked, and somebody has started it",
                                          bb_ledger_row_get_instance_id (row));

  if (record != NULL)
    bb_substantiation_died (record->substantiation, error);
}

void
bb_slave_manager_terminate_row (BbSlaveManager *self, BbLedgerRow *row)
{
  BbSlaveRecord *record = find_record_of_row (self, row);
  g_autoptr (GError) reason = g_error_new_literal (BB_ERROR, BB_ERROR_LOST, "its instance was terminated by a person");

  if (record != NULL)
    bb_substantiation_stop (record->substantiation, TRUE, reason);
  else if (self->context.reaper != NULL)
    bb_reaper_stop_row (self->context.reaper, row);
  else
    bb_ledger_set_stopping (self->context.ledger, row, NULL, NULL);
}
