/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-openstack-config.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Choosing one of a list that a service gave. Errors name what there is. */

/* By id, else by name. @items: (element-type JsonObject); @what: "flavor" */
JsonObject *bb_openstack_choice_find (GPtrArray *items, const char *what, const char *wanted, GError **error);

/* The newest or oldest image whose whole name fits. */
JsonObject *bb_openstack_choice_match_image (GPtrArray *images, const char *regex, BbOpenstackImageOrder order,
                                             GError **error);

/* What a program chooses of @images: the id it prints. */
void bb_openstack_choice_ask_async (GPtrArray *images, const char *command, double time_limit,
                                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
char *bb_openstack_choice_ask_finish (GAsyncResult *result, GError **error);

G_END_DECLS
