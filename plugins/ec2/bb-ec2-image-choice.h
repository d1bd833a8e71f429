/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-api.h"

G_BEGIN_DECLS

/**
 * bb_ec2_image_choose:
 * @images: (element-type BbEc2Image)
 * @regex: (nullable): to be matched at the start of the location
 * @n_candidates: how many fit
 *
 * Buildbot's choice: the last one by location; or, if @regex has a group, by the first group, as a number if all are
 * whole numbers, else as text. Ties by location, then id.
 *
 * Returns: (transfer none) (nullable): one of @images
 */
const BbEc2Image *bb_ec2_image_choose (GPtrArray *images, GRegex *regex, guint *n_candidates);

/* Compiled as it is used. */
GRegex *bb_ec2_image_compile (const char *regex, GError **error);

G_END_DECLS
