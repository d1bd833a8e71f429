/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-message.h"
#include "bb-ec2-place.h"

G_BEGIN_DECLS

/* Keys from options, files and environment; reads files, so to be called in a thread of its own. %NULL without an
 * error when there are none, with one when there is something that can't be used: other people's keys are not tried
 * then. */
BbEc2Credentials *bb_ec2_static_keys_find (const BbEc2Login *login, const BbEc2Place *place, GError **error);

G_END_DECLS
