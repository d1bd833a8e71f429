/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-latent-slave.h"
#include "bb-loop.h"
#include "bb-plugin.h"

G_BEGIN_DECLS

/* A backend that keeps its machines in memory, for a whole test program, and fails on command. */
#define BB_TYPE_FAKE_SLAVE (bb_fake_slave_get_type ())
G_DECLARE_FINAL_TYPE (BbFakeSlave, bb_fake_slave, BB, FAKE_SLAVE, BbAbstractSlave)

typedef struct
{
  char *image;  /* interpolated; a change replaces the instance */
  char *region; /* the scope */
  char *key;    /* live: credentials */
} BbFakeConfig;

extern const BbPluginProvides bb_fake_provides;       /* type=fake */
extern const BbPluginProvides bb_other_fake_provides; /* type=other, the same otherwise */

typedef enum
{
  BB_CLOUD_OBEYS,       /* and is as fast as the loop's next turn */
  BB_CLOUD_FAILS,       /* with the error that is set */
  BB_CLOUD_WAITS,       /* until bb_fake_cloud_answer() or a cancellation, which it obeys */
  BB_CLOUD_WAITS_LATE,  /* the same, but a start that is cancelled succeeds all the same */
  BB_CLOUD_IS_DEAF,     /* until bb_fake_cloud_answer() alone */
  BB_CLOUD_LOSES_ANSWER, /* does it, and reports a time-out */
} BbCloudManner;

void bb_fake_cloud_reset (void); /* no machines, no calls; to be called first and last */
void bb_fake_cloud_set_start (BbCloudManner manner, int code, const char *message);
void bb_fake_cloud_set_stop (BbCloudManner manner, int code, const char *message);
void bb_fake_cloud_set_announces_ends (gboolean announces);
void bb_fake_cloud_set_can_park (gboolean can_park);
void bb_fake_cloud_set_park (BbCloudManner manner, int code, const char *message);
void bb_fake_cloud_wake (const char *slave_name); /* a parked machine runs, by somebody's hand */
guint bb_fake_cloud_count_parked (void);          /* they count as machines, too */
void bb_fake_cloud_set_check (BbInstanceState state, const char *reason);
void bb_fake_cloud_set_check_manner (BbCloudManner manner);
/* Machines that are made from now on are listed, and found by their token, so many seconds late. @loop: borrowed */
void bb_fake_cloud_set_listing_delay (BbLoop *loop, double seconds);
/* Ends what waits: with success, or with the error that is set. @call: "start", "stop", "park", "check" */
guint bb_fake_cloud_answer (const char *call, gboolean success);
void bb_fake_cloud_kill (const char *slave_name); /* a machine dies, by itself */
guint bb_fake_cloud_count_machines (const char *slave_name); /* NULL: all */
/* Calls @func for each machine. */
void bb_fake_cloud_foreach (void (*func) (const char *slave_name, const char *token, gpointer user_data),
                            gpointer user_data);
guint bb_fake_cloud_count_calls (const char *call);
guint bb_fake_cloud_count_waiting (const char *call);
guint bb_fake_cloud_count_overlaps (void); /* of start and stop of one slave: never */
guint bb_fake_cloud_get_most_machines (void); /* that one slave ever had at once */
BbInstanceRequest *bb_fake_cloud_get_last_request (void); /* (transfer none) */
const char *bb_fake_cloud_get_last_key (void);   /* credentials of the last call */
gboolean bb_fake_cloud_get_last_fast (void);
/* Is asked at each start, with the token; for invariants. */
void bb_fake_cloud_set_witness (void (*witness) (const char *slave_name, const char *token, gpointer user_data),
                                gpointer user_data);

G_END_DECLS
