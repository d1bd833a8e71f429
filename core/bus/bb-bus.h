/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-authority.h"
#include "bb-host.h"

G_BEGIN_DECLS

/* org.bbhost on a bus: translates, authorises, calls; has no state of its own but what is to be announced. */
#define BB_TYPE_BUS (bb_bus_get_type ())
G_DECLARE_FINAL_TYPE (BbBus, bb_bus, BB, BUS, GObject)

/* Exports the objects on @connection; the name is the caller's to own. */
BbBus *bb_bus_new (BbHost *host, GDBusConnection *connection, BbAuthority *authority, GError **error);

G_END_DECLS
