/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-instance-request-private.h"
#include "bb-latent-slave.h"
#include "bb-test.h"

G_BEGIN_DECLS

/* What every backend must do, whatever it is; each plugin's test program runs it, beside what is peculiar to it. */
typedef struct
{
  const char *path; /* "/local": its cases are "/local/latent/…" */
  /* Called for each case, with a fresh folder. Whatever it returns is given to the others. */
  gpointer (*set_up) (const char *dir);
  void (*tear_down) (gpointer backend);
  /* A slave whose instances start well. Called again in a case, it is what a restarted bbhostd would have. */
  BbLatentSlave *(*new_slave) (gpointer backend, const char *name);
  /* Ends the instance behind bbhost's back, as somebody at the console does. */
  void (*kill_instance) (gpointer backend, BbInstance *instance);
  /* Whether a start makes something beside the instance, that it must record first. */
  gboolean records_resources;
} BbLatentSuite;

void bb_latent_suite_add (const BbLatentSuite *suite); /* static */

/* Also of use to what is peculiar: one call each, run to its end. */
#define BB_LATENT_SUITE_STORE "store-1"
#define BB_LATENT_SUITE_PASSWORD "sesame-4711"

/* @resources: (element-type utf8): gets what is recorded. */
BbInstanceRequest *bb_latent_suite_new_request (const char *dir, const char *slave_name, const char *token,
                                                GPtrArray *resources);
BbInstance *bb_latent_suite_start (BbLatentSlave *slave, BbInstanceRequest *request, GError **error);
gboolean bb_latent_suite_stop (BbLatentSlave *slave, BbInstance *instance, gboolean fast, GError **error);
BbInstance *bb_latent_suite_check (BbLatentSlave *slave, BbInstance *instance);
GPtrArray *bb_latent_suite_list (BbLatentSlave *slave, const char *store_id);

G_END_DECLS
