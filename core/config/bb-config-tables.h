/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-option.h"

G_BEGIN_DECLS

/**
 * bb_config_find_table:
 * @name: `host`, `listener`, `slave`, `latent-slave`, `builder`, or `step TYPE`
 *
 * The options that a group of the configuration takes whatever plugins there are: what the manual is made from.
 *
 * Returns: (transfer none) (nullable): ends with a row of zeros; %NULL when there is no such table
 */
const BbOption *bb_config_find_table (const char *name);

G_END_DECLS
