/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-record.h"

static const char *const state_names[] = {
  "detached",       "attached",       "missing",          "paused",
  "insubstantiated", "substantiating", "substantiated", "insubstantiating",
};
G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == BB_SLAVE_INSUBSTANTIATING + 1);

const char *
bb_slave_state_to_string (BbSlaveState state)
{
  return state < G_N_ELEMENTS (state_names) ? state_names[state] : "";
}

BbSlaveRecord *
bb_slave_record_get (BbSlave *slave)
{
  return bb_abstract_slave_get_record (slave);
}

gboolean
bb_slave_record_is_attached (BbSlaveRecord *self)
{
  return self->attachment != NULL && bb_attachment_is_ready (self->attachment);
}

BbSlaveLink *
bb_slave_record_get_link (BbSlaveRecord *self)
{
  return bb_slave_record_is_attached (self) ? bb_attachment_get_link (self->attachment) : NULL;
}

const char *
bb_slave_record_get_name (BbSlaveRecord *self)
{
  return bb_slave_get_name (self->slave);
}

BbSlaveSettings *
bb_slave_record_get_settings (BbSlaveRecord *self)
{
  return bb_slave_get_settings (self->slave);
}

BbSlaveLink *
bb_slave_get_link (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL ? bb_slave_record_get_link (record) : NULL;
}

gboolean
bb_slave_is_attached (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL && bb_slave_record_is_attached (record);
}

BbSlaveState
bb_slave_get_state (BbSlave *self)
{
  static const BbSlaveState latent_states[] = {
    [BB_INSUBSTANTIATED] = BB_SLAVE_INSUBSTANTIATED,
    [BB_SUBSTANTIATING] = BB_SLAVE_SUBSTANTIATING,
    [BB_SUBSTANTIATED] = BB_SLAVE_SUBSTANTIATED,
    [BB_INSUBSTANTIATING] = BB_SLAVE_INSUBSTANTIATING,
  };
  BbSlaveRecord *record = bb_slave_record_get (self);

  if (record == NULL)
    return BB_SLAVE_DETACHED;
  if (record->missing.missing)
    return BB_SLAVE_MISSING;
  if (record->paused)
    return BB_SLAVE_PAUSED;
  if (record->substantiation != NULL)
    return latent_states[bb_substantiation_get_state (record->substantiation)];
  return bb_slave_record_is_attached (record) ? BB_SLAVE_ATTACHED : BB_SLAVE_DETACHED;
}

const char *
bb_slave_get_type_name (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL && record->provides != NULL ? record->provides->type_name : "static";
}

gboolean
bb_slave_is_paused (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL && record->paused;
}

gboolean
bb_slave_is_graceful (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL && record->graceful;
}

guint
bb_slave_get_running_builds (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL ? record->n_running : 0;
}

GVariant *
bb_slave_get_info (BbSlave *self)
{
  static GVariant *nothing;
  BbSlaveRecord *record = bb_slave_record_get (self);

  if (record != NULL && record->info != NULL)
    return record->info;
  if (nothing == NULL)
    nothing = g_variant_ref_sink (g_variant_new_array (G_VARIANT_TYPE ("{sv}"), NULL, 0));
  return nothing;
}

BbSlaveCommands *
bb_slave_get_commands (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL ? record->commands : NULL;
}

gint64
bb_slave_get_attached_since_us (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL && bb_slave_record_is_attached (record) ? bb_attachment_get_since_us (record->attachment) : 0;
}

gint64
bb_slave_get_last_message_at_us (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  if (record == NULL)
    return 0;
  return record->attachment != NULL ? bb_attachment_get_last_message_at_us (record->attachment)
                                    : record->last_message_at_us;
}

const char *
bb_slave_get_peer_address (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL && record->peer_address != NULL ? record->peer_address : "";
}

const char *
bb_slave_get_last_error (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL && record->last_error != NULL ? record->last_error : "";
}

gint64
bb_slave_get_next_attempt_us (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL ? record->next_attempt_us : 0;
}

const char *
bb_slave_get_state_reason (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  if (record == NULL || record->paused)
    return "";
  if (record->substantiation != NULL)
    return bb_substantiation_get_why (record->substantiation);
  return !bb_slave_record_is_attached (record) && record->loss_reason != NULL ? record->loss_reason : "";
}

gint64
bb_slave_get_state_since_us (BbSlave *self)
{
  BbSlaveRecord *record = bb_slave_record_get (self);

  return record != NULL ? record->state_since_us : 0;
}
