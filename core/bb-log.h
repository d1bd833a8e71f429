/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * bb_log_slave:
 * @level: %G_LOG_LEVEL_WARNING for what a person should look at, %G_LOG_LEVEL_MESSAGE for one line per
 *   change of state, %G_LOG_LEVEL_INFO with `--verbose`, %G_LOG_LEVEL_DEBUG for us
 * @slave_name: the slave that the line is about; goes before the text and into the field BBHOST_SLAVE
 * @format: printf-like; never a secret
 */
void bb_log_slave (GLogLevelFlags level, const char *slave_name, const char *format, ...) G_GNUC_PRINTF (3, 4);

/* The same about a build (BBHOST_BUILD), an instance of the ledger (BBHOST_INSTANCE), and the host. */
void bb_log_build (GLogLevelFlags level, guint64 number, const char *format, ...) G_GNUC_PRINTF (3, 4);
void bb_log_instance (GLogLevelFlags level, guint64 number, const char *slave_name, const char *format, ...)
  G_GNUC_PRINTF (4, 5);
void bb_log_host (GLogLevelFlags level, const char *format, ...) G_GNUC_PRINTF (2, 3);

G_END_DECLS
