/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-config.h"
#include "bb-fake-cloud.h"
#include "bb-scripted-link.h"
#include "bb-memory-store.h"
#include "bb-reaper.h"
#include "bb-slave-manager.h"
#include "bb-test.h"

G_BEGIN_DECLS

/* A slave manager with a clock that is moved by hand, a store in memory and a configuration that is put together. */
typedef struct
{
  BbTestClock *clock;
  BbLoop *loop;
  BbMemoryStore *store;
  BbLedger *ledger;
  BbSlaveManager *slaves;
  BbConfig *config;   /* under construction, or the one in force */
  GPtrArray *notices; /* of BbNotice */
  GString *availability; /* names whose availability changed, each ended by a blank */
  BbReaper *reaper;   /* NULL: there is none */
  gboolean with_reaper;
  gboolean reaper_runs;
  BbLedgerLimits limits;
  double login_grace;
  double reconcile_interval; /* from the next restart on */
  double max_lifetime;
} World;

/* One acquisition. */
typedef struct
{
  World *world;
  BbSlave *slave;
  char *builder;
  GCancellable *cancellable;
  gboolean done;
  gboolean ok;
  GError *error;
} Request;

World *world_new (void);
World *world_new_with_reaper (void);
void world_free (World *self);
/* The daemon ends as by kill -9 and is started again: the store and the machines stay. */
void world_restart (World *self);

void world_begin (World *self); /* a fresh, empty configuration */
BbSlaveConfig *world_add_slave (World *self, const char *name, const char *type); /* password: "pw-NAME" */
void world_add_builder (World *self, const char *name, const char *builddir, const char *slaves); /* blanks between */
void world_apply (World *self);

BbSlave *world_find (World *self, const char *name);
void world_advance (World *self, double seconds);
void world_turn (World *self);

/* As the protocol does it: asks for the password, and then the host. (transfer full) */
BbScriptedLink *world_login (World *self, const char *name, const char *password);
BbScriptedLink *world_attach (World *self, const char *name); /* with the right one; attached when it returns */
/* @link: changed before it logs in */
void world_login_with (World *self, const char *name, const char *password, BbScriptedLink *link);

Request *world_acquire (World *self, const char *slave, const char *builder, GVariant *properties);
void request_release (Request *self, BbResult result); /* and free */
void request_cancel (Request *self);
void request_free (Request *self); /* it has failed */
void request_assert_failed (Request *self, GQuark domain, int code, const char *message); /* and free */

const char *world_state (World *self, const char *slave);
const char *world_substantiation (World *self, const char *slave);
char *world_why (World *self, const char *slave); /* "AVAILABILITY: why" */
void world_assert_why (World *self, const char *slave, const char *expected);
guint world_count_notices (World *self, BbNoticeKind kind);
const char *world_last_summary (World *self);

G_END_DECLS
