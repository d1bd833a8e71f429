/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

#include <math.h>

/* How good a place a slave is for one more build, and why it is none. */

/* A slave of this name but another type that is on its way out, and whose instance is there still. */
static gboolean
has_instance_of_former_type (BbSlaveRecord *record)
{
  GHashTableIter iter;
  BbSlaveRecord *former;

  g_hash_table_iter_init (&iter, record->manager->leaving);
  while (g_hash_table_iter_next (&iter, (gpointer *) &former, NULL))
    if (former->substantiation != NULL && !bb_substantiation_is_at_rest (former->substantiation)
        && g_str_equal (bb_slave_record_get_name (former), bb_slave_record_get_name (record)))
      return TRUE;
  return FALSE;
}

static char *
explain_rest (BbSlaveRecord *record)
{
  gint64 left_us = record->next_attempt_us - bb_loop_wall_us (record->manager->context.loop);

  return g_strdup_printf ("next attempt in %.0f s after: %s", ceil (MAX (left_us, 0) / (double) G_USEC_PER_SEC),
                          record->last_error != NULL ? record->last_error : "a failure");
}

/* NULL: nothing is against it but the machine, or the lack of one. */
static char *
explain_common (BbSlaveRecord *record)
{
  gint64 max_builds = bb_slave_record_get_settings (record)->max_builds;

  if (record->removed)
    return g_strdup ("removed from the configuration");
  if (record->manager->context.shutting_down)
    return g_strdup ("bbhostd is stopping");
  if (record->paused)
    return g_strdup ("paused");
  if (record->graceful)
    return g_strdup ("is being shut down");
  if (bb_timer_is_running (&record->rest_timer))
    return explain_rest (record);
  if (max_builds > 0 && bb_slave_manager_count_places (record) >= max_builds)
    return max_builds == 1 ? g_strdup ("its only place is taken")
                           : g_strdup_printf ("all %" G_GINT64_FORMAT " places are taken", max_builds);
  return NULL;
}

char *
bb_slave_manager_explain_latent (BbSlaveRecord *record)
{
  BbSubstantiation *substantiation = record->substantiation;
  const GError *trouble;
  BbLedgerRow *row;

  if (bb_substantiation_is_stuck (substantiation, &trouble))
    return g_strdup_printf ("its last instance could not be stopped yet: %s", trouble->message);
  if (record->waits_for_room)
    return g_strdup (record->room_error);
  if (bb_substantiation_get_builds (substantiation) > 0 && !bb_substantiation_takes_builds (substantiation))
    return g_strdup ("its instance is replaced when its builds have ended");
  row = bb_substantiation_find_foreign_row (substantiation);
  if (row != NULL)
    return g_strdup_printf ("instance %" G_GUINT64_FORMAT " (%s in %s) of before has not been stopped yet",
                            bb_ledger_row_get_number (row), bb_ledger_row_get_backend (row),
                            bb_ledger_row_get_scope (row));
  if (g_hash_table_size (record->manager->leaving) > 0 && has_instance_of_former_type (record))
    return g_strdup ("an instance of its former type is still being stopped");
  return NULL;
}

BbAvailability
bb_slave_manager_get_availability (BbSlaveManager *self, BbSlave *slave, char **why)
{
  BbSlaveRecord *record = bb_slave_record_get (slave);
  g_autofree char *reason = record != NULL ? explain_common (record) : g_strdup ("removed from the configuration");
  BbAvailability availability = BB_UNAVAILABLE;

  if (reason == NULL && record->substantiation == NULL)
    {
      if (bb_slave_record_is_attached (record))
        availability = BB_AVAILABLE_ATTACHED;
      else
        reason = g_strdup (record->missing.missing ? "missing" : "not attached");
    }
  else if (reason == NULL)
    {
      reason = bb_slave_manager_explain_latent (record);
      if (reason == NULL)
        availability = bb_substantiation_takes_builds (record->substantiation) ? BB_AVAILABLE_SUBSTANTIATED
                                                                               : BB_CAN_BE_SUBSTANTIATED;
    }
  if (why != NULL)
    *why = g_steal_pointer (&reason);
  return availability;
}
