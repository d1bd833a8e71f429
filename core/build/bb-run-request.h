/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-config.h"

G_BEGIN_DECLS

/*
 * What a build was asked for, as it is kept in the store (a{sv}) and as retries are made from it:
 * `properties` (a{sv}), `reason` (s), `retry_of` (x: the number of the build that this one takes up again); of an
 * ad-hoc command also `argv` (as), `workdir` (s), `env` (a{ss}), `timeout`, `max_time` (d: 0 is none), `stdin` (s).
 */

/* Checks the options of a submit (@argv %NULL) or a run; (transfer full), with every number a `d`. %NULL with
 * INVALID_ARGUMENT that names the option. The option `slave` is left out. */
GVariant *bb_run_request_new (const char *const *argv, GVariant *options, GError **error);
GVariant *bb_run_request_get_properties (GVariant *request); /* (transfer full), a{sv} */
/* (transfer full): the same, as a retry of @number */
GVariant *bb_run_request_retry (GVariant *request, guint64 number);

/* The one-step builder that an ad-hoc command runs as; NULL for a request without `argv`. */
BbBuilderConfig *bb_run_request_to_builder (GVariant *request);
void bb_run_request_free_builder (BbBuilderConfig *builder);

G_END_DECLS
