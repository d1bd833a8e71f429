/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-build-master.h"
#include "bb-ledger.h"
#include "bb-slave-manager.h"

G_BEGIN_DECLS

/* Figures of the host in Prometheus' text format, for the textfile collector of its node_exporter: written four times a minute
 * under another name and then renamed, on a thread, readable by everybody. */
#define BB_TYPE_METRICS (bb_metrics_get_type ())
G_DECLARE_FINAL_TYPE (BbMetrics, bb_metrics, BB, METRICS, GObject)

BbMetrics *bb_metrics_new (BbLoop *loop, BbSlaveManager *slaves, BbBuildMaster *builds, BbLedger *ledger);

/* @path: (nullable): NULL ends it; a file that was written stays, and its age tells. @host_name: goes into the file */
void bb_metrics_apply (BbMetrics *self, const char *path, const char *host_name);

G_END_DECLS
