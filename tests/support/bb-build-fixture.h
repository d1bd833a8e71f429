/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-master.h"
#include "bb-fake-link.h"
#include "bb-fake-slaves.h"
#include "bb-fragile-store.h"
#include "bb-sqlite-store.h"
#include "bb-test.h"

G_BEGIN_DECLS

/* A build master over a real store, with slaves and links that the test plays. */
typedef struct
{
  char *dir;
  BbTestClock *clock;
  BbLoop *loop;
  BbSqliteStore *sqlite;
  BbFragileStore *store;
  BbSlaveManager *slaves;
  BbBuildMaster *master;
  BbConfig *config; /* (nullable) */
  GString *events; /* of the master: "+1 " added, "!1=success " finished */
} BuildFixture;

void build_fixture_set_up (BuildFixture *f, gconstpointer data);
void build_fixture_tear_down (BuildFixture *f, gconstpointer data);

/* The daemon is killed, and started again over the same store; nobody is attached. Configuration and slaves are the
 * test's. */
void build_fixture_kill (BuildFixture *f);
void build_fixture_load (BuildFixture *f);
/* A configuration file; slaves that it names are not added to the fake manager. */
void build_fixture_configure (BuildFixture *f, const char *contents);

BbFakeLink *build_fixture_attach (BuildFixture *f, const char *name); /* adds the slave if it is not there; borrowed */
/* As the real manager does before the builds hear of a new configuration. */
BbSlave *build_fixture_add (BuildFixture *f, const char *name, gint64 max_builds, gboolean latent);

/* @options: text form of an a{sv}, or NULL. (transfer none), or NULL with *message (transfer full) */
BbBuild *build_fixture_submit (BuildFixture *f, const char *builder, const char *options, char **message);
BbBuild *build_fixture_run (BuildFixture *f, const char *slave, const char *line, const char *options, char **message);
/* Turns the loop until build @number has ended, and says how, with its reason: "failure: …". (transfer full) */
char *build_fixture_wait (BuildFixture *f, guint64 number);
GVariant *build_fixture_list (BuildFixture *f, const char *filter); /* (transfer full) */
/* "NAME=RESULT …" of the steps of build @number; (transfer full) */
char *build_fixture_get_steps (BuildFixture *f, guint64 number);
/* or the error's text */
char *build_fixture_read_log (BuildFixture *f, guint64 number, const char *step, const char *log);
/* The command that runs for @builder on @link, once it does. */
BbRemoteCommand *build_fixture_wait_command (BuildFixture *f, BbFakeLink *link, const char *builder);
/* Cancels; what it says, or NULL. (transfer full) */
char *build_fixture_cancel (BuildFixture *f, guint64 number, const char *reason);

G_END_DECLS
