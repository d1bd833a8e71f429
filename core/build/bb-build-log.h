/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "bb-error.h"

G_BEGIN_DECLS

/*
 * Where logs are: STATE/builds/N/POSITION-STEP.LOG, plain bytes. `stdio` is what Buildbot's log of that name shows:
 * standard output, standard error and the slave's own remarks in the order of arrival; an ad-hoc command has `stdout`
 * and `stderr` beside it, as they came and without remarks. A watched log file is a log under its configured name.
 *
 * What the configuration or a request names is escaped (`%2F`), so that a name is never a path.
 */
#define BB_LOG_STDIO "stdio"
#define BB_LOG_STDOUT "stdout"
#define BB_LOG_STDERR "stderr"

char *bb_build_directory (const char *state_directory, guint64 number); /* (transfer full) */
/* Where relative destinations of uploads and sources of downloads are. (transfer full) */
char *bb_build_files_directory (const char *directory);
char *bb_build_log_path (const char *directory, guint position, const char *step, const char *log);

/**
 * bb_build_log_open:
 * @directory: the build's own
 * @step: "" for the first that has the log
 * @log: "" for stdio
 *
 * Returns: a read-only descriptor, or -1 with %BB_ERROR_NO_SUCH_LOG, whose message names the logs that exist
 */
int bb_build_log_open (const char *directory, const char *step, const char *log, GError **error);
/* The same for a log that a running step has, but whose file may not have been begun. */
int bb_build_log_open_new (const char *path, GError **error);

G_END_DECLS
