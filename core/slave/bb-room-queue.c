/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-slave-manager-private.h"

/*
 * Slaves that a limit of [host] has refused. When there is room they are let ask again one by one, in the order in
 * which they came: the next one as soon as the one before has had room, or did not want it any more. So one instance
 * that is gone does not wake them all.
 */
#define NEXT_ONE_US (G_USEC_PER_SEC / 4)
/* The room may have come and gone unseen while a refusal was on its way to us. */
#define LOOK_AGAIN_US (60 * G_USEC_PER_SEC)

void
bb_slave_manager_wait_for_room (BbSlaveRecord *record, const GError *error)
{
  BbSlaveManager *self = record->manager;

  bb_timer_start_in (&self->room_timer, LOOK_AGAIN_US); /* there is none for those behind it either */
  g_free (record->room_error);
  record->room_error = g_strdup (error->message);
  if (record->waits_for_room)
    return;
  record->waits_for_room = TRUE;
  record->room_link = (GList){ .data = record };
  /* One that has just been let ask keeps its turn. */
  if (record->had_turn)
    g_queue_push_head_link (&self->rooms, &record->room_link);
  else
    g_queue_push_tail_link (&self->rooms, &record->room_link);
}

void
bb_slave_manager_leave_room_queue (BbSlaveRecord *record)
{
  if (!record->waits_for_room)
    return;
  record->waits_for_room = FALSE;
  g_queue_unlink (&record->manager->rooms, &record->room_link);
  g_clear_pointer (&record->room_error, g_free);
}

void
bb_slave_manager_had_room (BbSlaveRecord *record)
{
  record->had_turn = FALSE;
  bb_slave_manager_leave_room_queue (record);
  bb_slave_manager_there_is_room (record->manager);
}

/* From the loop, as many things tell of the same room. */
void
bb_slave_manager_there_is_room (BbSlaveManager *self)
{
  if (!g_queue_is_empty (&self->rooms))
    bb_timer_start_in (&self->room_timer, 0);
}

void
bb_slave_manager_room_timer_passed (BbTimer *timer, gpointer user_data)
{
  BbSlaveManager *self = user_data;
  GList *link = g_queue_peek_head_link (&self->rooms);
  BbSlaveRecord *record;

  if (link == NULL)
    return;
  if (!bb_ledger_has_room (self->context.ledger))
    {
      bb_timer_start_in (&self->room_timer, LOOK_AGAIN_US);
      return;
    }
  record = link->data;
  bb_slave_manager_leave_room_queue (record);
  record->had_turn = TRUE;
  bb_timer_start_in (&self->room_timer, NEXT_ONE_US);
  bb_substantiation_room (record->substantiation);
  bb_slave_manager_touch (record, 0);
}
