/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-master.h"
#include "bb-ledger.h"
#include "bb-listener.h"
#include "bb-notice-queue.h"
#include "bb-slave-manager.h"

G_BEGIN_DECLS

/* The whole of bbhost in one process, without its faces: owns everything, starts it, reloads it, stops it. */
#define BB_TYPE_HOST (bb_host_get_type ())
G_DECLARE_FINAL_TYPE (BbHost, bb_host, BB, HOST, GObject)

typedef struct
{
  const char *config_path;
  const char *const *plugin_directories; /* NULL: the built-in one */
  const char *state_directory;           /* NULL: the configuration's, or the built-in one */
  double shutdown_grace;                 /* seconds */
  BbClock *clock;                        /* NULL: the system's */
} BbHostParameters;

BbHost *bb_host_new (const BbHostParameters *parameters);

/* Loads, opens, reconciles, binds. Errors: CONFIG with every error in @config_errors (transfer none, of char *), STORE, FAILED. */
void bb_host_start_async (BbHost *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_host_start_finish (BbHost *self, GAsyncResult *result, GError **error);

/* @warnings: (out) (transfer container). FALSE with every error in one CONFIG message; then nothing has changed. */
gboolean bb_host_reload (BbHost *self, GPtrArray **warnings, GError **error);

/* In order: listeners stay until the end so that slaves can finish; see interface section 1. */
void bb_host_shutdown_async (BbHost *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean bb_host_shutdown_finish (BbHost *self, GAsyncResult *result, GError **error);

/**
 * bb_host_tell_trouble:
 * @details: (transfer floating): see bb-notice.h, but for what @row knows
 * @row: (nullable): the instance that it is about
 *
 * Logs @summary, and brings it to the host's administrators.
 */
void bb_host_tell_trouble (BbHost *self, const char *summary, GVariant *details, BbLedgerRow *row);

const char *bb_host_get_name (BbHost *self);
BbSlaveManager *bb_host_get_slaves (BbHost *self);
BbBuildMaster *bb_host_get_builds (BbHost *self);
BbLedger *bb_host_get_ledger (BbHost *self);
BbPluginRegistry *bb_host_get_plugins (BbHost *self);
BbNoticeQueue *bb_host_get_notices (BbHost *self);
BbConfig *bb_host_get_config (BbHost *self);
BbLoop *bb_host_get_loop (BbHost *self);
GPtrArray *bb_host_get_listeners (BbHost *self); /* of BbListener */

G_END_DECLS
