/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include "bb-error.h"
#include "bb-log.h"
#include "bb-option-struct.h"
#include "bb-static-slave.h"

/* First pause after a failed attempt and the longest, in seconds: Buildbot's quarantine. */
#define FIRST_REST 10.0
#define LONGEST_REST 3600.0

/* Reloads: the difference between what is and what the configuration says. */

static void
rest_over (BbTimer *timer, gpointer user_data)
{
  BbSlaveRecord *record = user_data;

  record->next_attempt_us = 0;
  bb_slave_manager_touch (record, BB_SLAVE_CHANGED_INSTANCE);
}

void
bb_slave_record_free (gpointer data)
{
  BbSlaveRecord *record = data;
  BbSlaveManager *self = record->manager;

  bb_slave_manager_leave_room_queue (record);
  bb_slave_manager_leave_memory_queue (record);
  bb_slave_manager_free_acquisitions (record);
  bb_slave_manager_drop_newcomer (record, "the slave is gone");
  if (record->attachment != NULL && bb_attachment_is_ready (record->attachment))
    self->n_attached--;
  g_clear_pointer (&record->attachment, bb_attachment_free);
  if (record->substantiation != NULL)
    bb_substantiation_abandon (record->substantiation);
  g_clear_object (&record->substantiation);
  bb_timer_stop (&record->rest_timer);
  bb_missing_watch_end (&record->missing);
  if (record->pending_config != NULL)
    bb_option_struct_free (record->provides->options, record->pending_config);
  g_clear_pointer (&record->builders, bb_builder_list_unref);
  g_clear_pointer (&record->info, g_variant_unref);
  g_clear_pointer (&record->commands, bb_slave_commands_unref);
  g_free (record->peer_address);
  g_free (record->last_error);
  g_free (record->loss_reason);
  g_free (record->command_token);
  g_free (record->room_error);
  bb_abstract_slave_set_record (record->slave, NULL);
  g_object_unref (record->slave);
  g_free (record);
}

static BbSlave *
make_slave (const BbSlaveConfig *config)
{
  const BbPluginProvides *provides = config->provides;
  gpointer copy;
  BbSlave *slave;

  if (provides == NULL)
    return g_object_new (BB_TYPE_STATIC_SLAVE, "name", config->name, "settings", config->settings, NULL);
  copy = bb_option_struct_copy (provides->options, config->plugin_config);
  slave = g_object_new (provides->get_type (), "name", config->name, "settings", config->settings, "config", copy,
                        NULL);
  bb_abstract_slave_take_config (slave, provides->options, copy);
  return slave;
}

static BbSlaveRecord *
record_new (BbSlaveManager *self, const BbSlaveConfig *config)
{
  BbSlaveRecord *record = g_new0 (BbSlaveRecord, 1);

  record->manager = self;
  record->slave = make_slave (config);
  record->provides = config->provides;
  record->builders = bb_builder_list_get (self->pool, NULL);
  record->paused = config->settings->paused;
  record->availability = BB_UNAVAILABLE;
  record->state_since_us = bb_loop_wall_us (self->context.loop);
  bb_backoff_init (&record->attempts, FIRST_REST, LONGEST_REST);
  bb_timer_init (&record->rest_timer, self->context.loop, rest_over, record);
  bb_missing_watch_init (&record->missing, self->context.loop, bb_slave_manager_slave_is_missing, record);
  if (record->provides != NULL)
    record->substantiation
      = bb_substantiation_new (BB_LATENT_SLAVE (record->slave), record->provides->type_name, record->provides->options,
                               &self->context, &bb_slave_manager_substantiation_hooks, record);
  bb_abstract_slave_set_record (record->slave, record);
  return record;
}

/* When nobody knows since when it is away, it counts from now; after a start those that were attached get the grace. */
static void
begin_absence (BbSlaveRecord *record, gboolean was_attached)
{
  BbSlaveManager *self = record->manager;
  gint64 since_us = record->missing.since_us;

  if (since_us == 0)
    since_us = record->last_message_at_us != 0 ? record->last_message_at_us : bb_loop_wall_us (self->context.loop);
  bb_slave_manager_begin_missing (record, since_us, was_attached ? self->context.adopt_until_us : 0);
}

static void
add_slave (BbSlaveManager *self, const BbSlaveConfig *config)
{
  BbSlaveRecord *record = record_new (self, config);
  BbLedgerRow *row;
  gboolean was_attached;

  g_hash_table_insert (self->records, (gpointer) bb_slave_record_get_name (record), record);
  bb_slave_manager_recall (record, &was_attached);
  record->state = bb_slave_get_state (record->slave);
  record->seen = TRUE;
  begin_absence (record, was_attached);
  g_signal_emit_by_name (self, "slave-added", record->slave);
  row = record->substantiation != NULL ? bb_substantiation_find_row (record->substantiation) : NULL;
  if (row != NULL)
    bb_substantiation_found (record->substantiation, row);
  bb_slave_manager_touch (record, 0);
}

static void
remove_slave (BbSlaveManager *self, BbSlaveRecord *record)
{
  g_autoptr (GError) reason
    = g_error_new_literal (BB_ERROR, BB_ERROR_NOT_NOW, "it was removed from the configuration");

  bb_log_slave (G_LOG_LEVEL_MESSAGE, bb_slave_record_get_name (record), "removed from the configuration");
  bb_slave_manager_forget (record);
  g_hash_table_steal (self->records, bb_slave_record_get_name (record));
  g_hash_table_add (self->leaving, record);
  record->removed = TRUE;
  bb_missing_watch_end (&record->missing);
  bb_slave_manager_leave_room_queue (record);
  bb_slave_manager_drop_newcomer (record, "the slave was removed from the configuration");
  g_signal_emit_by_name (self, "slave-removed", record->slave);
  bb_slave_manager_fail_acquisitions (record, reason);
  if (record->substantiation != NULL)
    bb_substantiation_dismiss (record->substantiation);
  bb_slave_manager_end_if_through (record);
}

/* ---- one that stays ---- */

static gboolean
is_scope_of_instance (BbSlaveRecord *record)
{
  BbLedgerRow *row = bb_substantiation_get_row (record->substantiation);
  g_autofree char *scope = NULL;

  if (row == NULL)
    return TRUE;
  scope = bb_latent_slave_get_scope (BB_LATENT_SLAVE (record->slave));
  return g_strcmp0 (scope, bb_ledger_row_get_scope (row)) == 0;
}

static void
drop_pending_config (BbSlaveRecord *record)
{
  if (record->pending_config != NULL)
    bb_option_struct_free (record->provides->options, record->pending_config);
  record->pending_config = NULL;
}

void
bb_slave_manager_take_pending_config (BbSlaveRecord *record)
{
  if (record->pending_config != NULL)
    bb_abstract_slave_take_config (record->slave, record->provides->options,
                                   g_steal_pointer (&record->pending_config));
}

/*
 * New credentials count at once, for a stop that waits as well. But an instance of another region or account can be
 * stopped with the old options only: they stay until it is gone.
 */
static gboolean
update_plugin_config (BbSlaveRecord *record, gconstpointer wanted)
{
  const BbOption *options = record->provides->options;
  gconstpointer current = bb_slave_get_config (record->slave);
  gpointer copy;
  gboolean must_go;

  drop_pending_config (record);
  if (bb_option_struct_equal (options, current, wanted, BB_OPTION_NO_FLAGS))
    return FALSE;
  must_go = !bb_option_struct_equal (options, current, wanted, BB_OPTION_LIVE);
  copy = bb_option_struct_copy (options, wanted);
  g_object_set (record->slave, "config", copy, NULL);
  if (is_scope_of_instance (record))
    bb_abstract_slave_take_config (record->slave, options, copy);
  else
    {
      g_object_set (record->slave, "config", current, NULL);
      record->pending_config = copy;
      must_go = TRUE;
    }
  if (must_go)
    bb_substantiation_retire (record->substantiation);
  return TRUE;
}

static void
update_settings (BbSlaveRecord *record, BbSlaveSettings *settings)
{
  BbSlaveSettings *old = bb_slave_record_get_settings (record);
  gboolean paused_changed = old->paused != settings->paused;

  g_object_set (record->slave, "settings", settings, NULL);
  bb_missing_watch_set_timeout (&record->missing, settings->missing_timeout);
  if (record->attachment != NULL)
    bb_attachment_set_keepalive (record->attachment, settings->keepalive_interval);
  if (record->substantiation != NULL)
    bb_substantiation_settings_changed (record->substantiation);
  if (paused_changed && settings->paused)
    bb_slave_manager_pause (record->manager, record->slave);
  else if (paused_changed)
    bb_slave_manager_resume (record->manager, record->slave);
}

static void
update_slave (BbSlaveRecord *record, const BbSlaveConfig *config)
{
  gboolean latent = record->provides != NULL;
  gboolean changed = FALSE;

  record->seen = TRUE;
  if (!bb_slave_settings_equal (bb_slave_record_get_settings (record), config->settings, latent))
    {
      update_settings (record, config->settings);
      changed = TRUE;
    }
  if (latent && update_plugin_config (record, config->plugin_config))
    changed = TRUE;
  if (changed)
    bb_slave_manager_touch (record, BB_SLAVE_CHANGED_SETTINGS);
}

/* One that an earlier reload has removed, and that is not through yet: what is left of it goes on. */
static BbSlaveRecord *
find_leaving (BbSlaveManager *self, const BbSlaveConfig *config)
{
  GHashTableIter iter;
  BbSlaveRecord *record;

  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, (gpointer *) &record, NULL))
    if (record->provides == config->provides && g_str_equal (bb_slave_record_get_name (record), config->name))
      return record;
  return NULL;
}

static void
bring_back (BbSlaveManager *self, BbSlaveRecord *record, const BbSlaveConfig *config)
{
  g_hash_table_steal (self->leaving, record);
  g_hash_table_insert (self->records, (gpointer) bb_slave_record_get_name (record), record);
  record->removed = FALSE;
  record->availability = BB_UNAVAILABLE;
  if (!bb_slave_record_is_attached (record))
    begin_absence (record, FALSE);
  g_signal_emit_by_name (self, "slave-added", record->slave);
  update_slave (record, config);
  bb_slave_manager_remember (record);
  bb_slave_manager_touch (record, 0);
}

/* ---- builders ---- */

static void
set_builders (BbSlaveRecord *record, GPtrArray *builders)
{
  BbBuilderList *list = bb_builder_list_get (record->manager->pool, builders);
  gboolean changed = list != record->builders;

  bb_builder_list_unref (record->builders);
  record->builders = list;
  if (changed && record->attachment != NULL)
    bb_attachment_update_builders (record->attachment);
}

static void
apply_builders (BbSlaveManager *self, BbConfig *config)
{
  GPtrArray *builders = bb_config_get_builders (config);
  g_autoptr (GHashTable) builders_of
    = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_ptr_array_unref); /* record → BbBuilderConfig[] */

  for (guint i = 0; i < builders->len; i++)
    {
      BbBuilderConfig *builder = g_ptr_array_index (builders, i);

      for (char **name = builder->slavenames; name != NULL && *name != NULL; name++)
        {
          BbSlaveRecord *record = g_hash_table_lookup (self->records, *name);
          GPtrArray *list = record != NULL ? g_hash_table_lookup (builders_of, record) : NULL;

          if (record == NULL)
            continue;
          if (list == NULL)
            {
              list = g_ptr_array_new ();
              g_hash_table_insert (builders_of, record, list);
            }
          g_ptr_array_add (list, builder);
        }
    }
  for (guint i = 0; i < self->order->len; i++)
    {
      BbSlaveRecord *record = g_ptr_array_index (self->order, i);

      set_builders (record, g_hash_table_lookup (builders_of, record));
    }
}

/* ---- the whole ---- */

static void
apply_host (BbSlaveManager *self, const BbHostConfig *host)
{
  g_free (self->context.host_name);
  self->context.host_name = g_strdup (host->name);
  self->context.login_grace = host->login_grace;
  self->context.instance_max_lifetime = host->instance_max_lifetime;
  if (!self->applied)
    self->context.adopt_until_us
      = bb_loop_now_us (self->context.loop) + (gint64) (host->login_grace * G_USEC_PER_SEC);
}

static void
remove_unseen (BbSlaveManager *self)
{
  for (guint i = 0; i < self->order->len; i++)
    {
      BbSlaveRecord *record = g_ptr_array_index (self->order, i);

      if (!record->seen && !record->removed)
        remove_slave (self, record);
      record->seen = FALSE;
    }
}

/* What the store remembers of slaves that the configuration does not have any more. */
static void
forget_unclaimed (BbSlaveManager *self)
{
  GHashTableIter iter;
  const char *name;
  BbStoreBatch *batch;

  if (g_hash_table_size (self->remembered) == 0)
    return;
  batch = bb_store_batch_new ();
  g_hash_table_iter_init (&iter, self->remembered);
  while (g_hash_table_iter_next (&iter, (gpointer *) &name, NULL))
    {
      GVariantDict key;

      g_variant_dict_init (&key, NULL);
      g_variant_dict_insert (&key, "name", "s", name);
      bb_store_batch_remove (batch, &bb_table_slaves, g_variant_dict_end (&key));
    }
  bb_store_commit_async (self->store, batch, NULL, NULL, NULL);
  g_hash_table_remove_all (self->remembered);
}

static gboolean
has_type (BbSlaveRecord *record, const BbSlaveConfig *config)
{
  return record->provides == config->provides;
}

void
bb_slave_manager_apply (BbSlaveManager *self, BbConfig *config)
{
  GPtrArray *slaves;

  g_return_if_fail (BB_IS_SLAVE_MANAGER (self));
  g_return_if_fail (BB_IS_CONFIG (config));

  apply_host (self, bb_config_get_host (config));
  slaves = bb_config_get_slaves (config);
  for (guint i = 0; i < slaves->len; i++)
    {
      const BbSlaveConfig *wanted = g_ptr_array_index (slaves, i);
      BbSlaveRecord *record = g_hash_table_lookup (self->records, wanted->name);

      if (record != NULL)
        record->seen = has_type (record, wanted);
    }
  remove_unseen (self);

  g_ptr_array_set_size (self->order, 0);
  for (guint i = 0; i < slaves->len; i++)
    {
      const BbSlaveConfig *wanted = g_ptr_array_index (slaves, i);
      BbSlaveRecord *record = g_hash_table_lookup (self->records, wanted->name);

      if (record != NULL)
        update_slave (record, wanted);
      else if ((record = find_leaving (self, wanted)) != NULL)
        bring_back (self, record, wanted);
      else
        add_slave (self, wanted);
      g_ptr_array_add (self->order, g_hash_table_lookup (self->records, wanted->name));
    }
  for (guint i = 0; i < self->order->len; i++)
    ((BbSlaveRecord *) g_ptr_array_index (self->order, i))->seen = FALSE;
  apply_builders (self, config);
  forget_unclaimed (self);
  bb_slave_manager_there_is_room (self); /* as far as the limits have changed */
  self->applied = TRUE;
}
