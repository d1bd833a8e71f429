/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-latent-slave.h"
#include "bb-option.h"

G_BEGIN_DECLS

/*
 * What a build's properties make of a latent slave's options: builds with the same choice can share an instance.
 * %NULL: no option of it depends on properties.
 */
char *bb_instance_choice_new (const BbOption *options, gconstpointer config, GVariant *properties);
/* Whether builds may differ in their choice at all. */
gboolean bb_instance_choice_exists (const BbOption *options, gconstpointer config);

G_END_DECLS
