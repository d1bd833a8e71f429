/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave-record.h"

G_BEGIN_DECLS

/*
 * Between the files of the slave manager: what it is (bb-slave-manager.c), logins and attachments (bb-slave-login.c),
 * places for builds (bb-acquisition.c), who has one (bb-availability.c), reloads (bb-slave-apply.c), what people can do
 * (bb-slave-verbs.c), the end (bb-slave-shutdown.c), what the store remembers (bb-slave-memory.c), the order of
 * those who wait for room (bb-room-queue.c).
 */
struct _BbSlaveManager
{
  GObject parent_instance;

  BbSubstantiationContext context; /* its references and texts are owned */
  BbStore *store;                  /* owned */

  GHashTable *records;     /* name (the slave's) → BbSlaveRecord (owned) */
  GPtrArray *order;        /* of BbSlaveRecord, as in the configuration */
  GHashTable *leaving;     /* set of BbSlaveRecord (owned): removed, and not through yet */
  GHashTable *remembered;  /* name (owned) → GVariant (owned): rows of the store that no slave has claimed */
  GHashTable *pool;        /* of builder lists */
  GQueue rooms;            /* of BbSlaveRecord that wait for room, linked by room_link */
  BbTimer room_timer;
  GQueue to_remember;      /* of BbSlaveRecord whose row is to be written, linked by memory_link */
  BbTimer memory_timer;
  gboolean writing;        /* rows are on their way to the store */
  guint info_era;          /* not 0; another one when rows could not be written */
  BbTimer leaving_timer;
  guint n_attached;
  gboolean applied;        /* at least once */

  GTask *shutdown_task;    /* owned, while it is under way */
  GHashTable *stopping;    /* set of BbSlaveRecord (not owned) whose instance the shutdown waits for */
  BbTimer shutdown_timer;
};

/* bb-slave-manager.c */
/* What people or the distributor can see may have changed: tells them what has. */
void bb_slave_manager_touch (BbSlaveRecord *record, guint changes);
/* @details: (nullable) (transfer floating): what is to be said beside what @record and @row know */
void bb_slave_manager_tell (BbSlaveManager *self, BbNoticeKind kind, const char *summary, GVariant *details, BbSlaveRecord *record,
                            BbLedgerRow *row);
/* The slave is not to be used for a while, because of @reason. */
void bb_slave_manager_rest (BbSlaveRecord *record, const char *reason);
/* Lets a removed slave go, from the loop, once nothing of it is left. */
void bb_slave_manager_end_if_through (BbSlaveRecord *record);
extern const BbSubstantiationHooks bb_slave_manager_substantiation_hooks;

/* bb-slave-login.c */
void bb_slave_manager_login_iface_init (BbLoginHostInterface *iface);
void bb_slave_manager_drop_attachment (BbSlaveRecord *record, const GError *reason);
void bb_slave_manager_drop_newcomer (BbSlaveRecord *record, const char *reason);
/* Says to the slave that it shall end, if that is wanted and nothing runs. */
void bb_slave_manager_shut_down_if_idle (BbSlaveRecord *record);
void bb_slave_manager_begin_missing (BbSlaveRecord *record, gint64 since_us, gint64 earliest_us);
void bb_slave_manager_slave_is_missing (BbMissingWatch *watch, gpointer user_data);

/* bb-acquisition.c */
guint bb_slave_manager_count_places (BbSlaveRecord *record); /* taken ones */
gboolean bb_slave_manager_has_builder (BbSlaveRecord *record, const char *builder); /* has a place for it */
void bb_slave_manager_waiter_done (BbWaiter *waiter, const GError *error);
void bb_slave_manager_fail_acquisitions (BbSlaveRecord *record, const GError *error);
void bb_slave_manager_free_acquisitions (BbSlaveRecord *record);
/* (transfer full): what it is configured for, and those gone from the configuration of which a build still runs */
BbBuilderList *bb_slave_manager_list_builders (BbSlaveRecord *record);

/* bb-availability.c */
/* What is in the way of a build on a latent slave, beyond what holds for all slaves; (transfer full) (nullable) */
char *bb_slave_manager_explain_latent (BbSlaveRecord *record);

/* bb-slave-shutdown.c */
void bb_slave_manager_stopped_for_shutdown (BbSlaveRecord *record); /* there is no instance of it any more */
void bb_slave_manager_shutdown_timer_passed (BbTimer *timer, gpointer user_data);

/* bb-slave-memory.c */
void bb_slave_manager_remember (BbSlaveRecord *record); /* from the loop */
void bb_slave_manager_write_memory (BbSlaveManager *self); /* all that waits, now */
void bb_slave_manager_memory_timer_passed (BbTimer *timer, gpointer user_data);
void bb_slave_manager_leave_memory_queue (BbSlaveRecord *record);
void bb_slave_manager_forget (BbSlaveRecord *record);
void bb_slave_manager_recall (BbSlaveRecord *record, gboolean *was_attached); /* takes the row that waits for it */

/* bb-slave-apply.c */
void bb_slave_record_free (gpointer record);
void bb_slave_manager_take_pending_config (BbSlaveRecord *record);

/* bb-room-queue.c */
void bb_slave_manager_wait_for_room (BbSlaveRecord *record, const GError *error);
void bb_slave_manager_leave_room_queue (BbSlaveRecord *record);
void bb_slave_manager_had_room (BbSlaveRecord *record);
void bb_slave_manager_there_is_room (BbSlaveManager *self);
void bb_slave_manager_room_timer_passed (BbTimer *timer, gpointer user_data);

G_END_DECLS
