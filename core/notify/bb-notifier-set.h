/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-config.h"
#include "bb-notifier.h"

G_BEGIN_DECLS

/* The name of the notifier that stands for none. */
#define BB_NOTIFIER_DEFAULT "default"

/*
 * The notifiers of one configuration, in its order; counted, as what one of them has begun outlives a reload. They hold
 * the configuration's structs, so this holds the configuration.
 *
 * Without any there is one that sends as Buildbot does by default, from `buildbot`, through localhost:25: mail about
 * missing slaves and instances, not about builds. Its module is loaded when there is something to say, as its libraries
 * are larger than the daemon.
 */
typedef struct _BbNotifierSet BbNotifierSet;

BbNotifierSet *bb_notifier_set_new (BbConfig *config, BbPluginRegistry *plugins);
BbNotifierSet *bb_notifier_set_ref (BbNotifierSet *self);
void bb_notifier_set_unref (BbNotifierSet *self);

BbNotifier *bb_notifier_set_find (BbNotifierSet *self, const char *name); /* (transfer none) (nullable) */

/**
 * bb_notifier_set_next:
 * @after: (nullable): a notifier's name; only those that come after it
 *
 * The first that wants @notice. Logs why when the one that stands for none can't be had.
 *
 * Returns: (nullable): its name
 */
const char *bb_notifier_set_next (BbNotifierSet *self, BbNotice *notice, const char *after);

char *bb_notifier_set_list_names (BbNotifierSet *self); /* `"a", "b"`, for messages */

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbNotifierSet, bb_notifier_set_unref)

G_END_DECLS
