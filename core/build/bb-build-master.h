/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build.h"
#include "bb-slave-manager.h"

G_BEGIN_DECLS

/* The builder that ad-hoc commands run under on every slave; reserved, refused by the configuration. */
#define BB_RUN_BUILDER "bbhost-run"

/*
 * All builds: takes requests, keeps them in the store, hands them to slaves (the distributor), runs them.
 *
 * Signals: "build-added" (BbBuild *), "build-changed" (BbBuild *, guint mask of BbBuildChange), "build-finished"
 * (BbBuild *, before it leaves memory), "log-appended" (BbBuild *, const char *step, const char *log, guint64 size).
 */
#define BB_TYPE_BUILD_MASTER (bb_build_master_get_type ())
G_DECLARE_FINAL_TYPE (BbBuildMaster, bb_build_master, BB, BUILD_MASTER, GObject)

typedef enum
{
  BB_BUILD_CHANGED_STATE = 1 << 0,      /* State, Result, StartedAt, FinishedAt, Slave, Reason */
  BB_BUILD_CHANGED_PROPERTIES = 1 << 1,
  BB_BUILD_CHANGED_STEPS = 1 << 2,
} BbBuildChange;

BbBuildMaster *bb_build_master_new (BbSlaveManager *slaves, BbLoop *loop, BbStore *store, const char *state_directory);

/* Builds that had not finished: pending ones are pending again in order, those that ran are requeued as retries. */
void bb_build_master_load_async (BbBuildMaster *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                 gpointer user_data);
gboolean bb_build_master_load_finish (BbBuildMaster *self, GAsyncResult *result, GError **error);

/* After bb_slave_manager_apply() with the same configuration. Running builds keep the steps that they began with. */
void bb_build_master_apply (BbBuildMaster *self, BbConfig *config);

/**
 * bb_build_master_submit_async:
 * @builder: its name
 * @options: a{sv}: `properties` (a{sv}), `slave` (s: only on this one), `reason` (s)
 *
 * Finishes when the request is durable. Errors: NO_SUCH_BUILDER, NO_SUCH_SLAVE, INVALID_ARGUMENT, STORE.
 */
void bb_build_master_submit_async (BbBuildMaster *self, const char *builder, GVariant *options,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/**
 * bb_build_master_submit_set_async:
 * @builders: their names, each once
 * @options: as for one, the same for all
 *
 * Asks for a build of each: all or none. They are a build set, which has the number of its first build.
 */
void bb_build_master_submit_set_async (BbBuildMaster *self, const char *const *builders, GVariant *options,
                                       GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* (transfer container) (element-type BbBuild): in the order of the builders */
GPtrArray *bb_build_master_submit_set_finish (BbBuildMaster *self, GAsyncResult *result, GError **error);
/* @slave: "" for any. @options: a{sv}: `workdir` (s), `env` (a{ss}), `timeout`, `max_time` (d), `properties`, `stdin`
 * (s) */
void bb_build_master_run_async (BbBuildMaster *self, const char *slave, const char *const *argv, GVariant *options,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* Of both. (transfer full) */
BbBuild *bb_build_master_submit_finish (BbBuildMaster *self, GAsyncResult *result, GError **error);

BbBuild *bb_build_master_find (BbBuildMaster *self, guint64 number); /* live ones; (transfer none) (nullable) */
/* aa{sv} of live and finished builds with the keys of `bbctl builds --json` (submitted_at etc. are t, microseconds
 * since 1970; steps aa{sv}). @filter: a{sv}: number (t), builder (s), slave (s), state (s), result (s), build_set (t),
 * limit (t). Newest first. */
void bb_build_master_list_async (BbBuildMaster *self, GVariant *filter, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
GVariant *bb_build_master_list_finish (BbBuildMaster *self, GAsyncResult *result, GError **error);
GVariant *bb_build_master_describe (BbBuild *build);       /* one such a{sv}, floating */
GVariant *bb_build_master_describe_steps (BbBuild *build); /* its steps alone, floating */
gboolean bb_build_master_cancel (BbBuildMaster *self, BbBuild *build, const char *reason, GError **error);

/* A read-only descriptor of a log, of a live or finished build; %BB_ERROR_NO_SUCH_LOG names those that exist.
 * @step "" is the first with a log, @log "" is "stdio". Opens one file and does not block otherwise. */
int bb_build_master_open_log (BbBuildMaster *self, guint64 number, const char *step, const char *log, GError **error);

guint bb_build_master_count_pending (BbBuildMaster *self); /* pending or waiting for a slave */
guint bb_build_master_count_running (BbBuildMaster *self);
GPtrArray *bb_build_master_get_builders (BbBuildMaster *self); /* of const BbBuilderConfig *; (transfer none) */

/* Starts nothing any more; what runs may end until @deadline_us, then it is interrupted and becomes a retry. */
void bb_build_master_shutdown_async (BbBuildMaster *self, gint64 deadline_us, GAsyncReadyCallback callback,
                                     gpointer user_data);
gboolean bb_build_master_shutdown_finish (BbBuildMaster *self, GAsyncResult *result, GError **error);

G_END_DECLS
