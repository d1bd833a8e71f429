/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-authority.h"
#include "bb-host.h"

G_BEGIN_DECLS

/* org.bbhost on a bus: translates, authorises, calls; has no state of its own but what is to be announced. */
#define BB_TYPE_BUS (bb_bus_get_type ())
G_DECLARE_FINAL_TYPE (BbBus, bb_bus, BB, BUS, GObject)

/* Exports the objects of @host, which has been started, on @connection; the name is the caller's to own. */
BbBus *bb_bus_new (BbHost *host, GDBusConnection *connection, BbAuthority *authority, GError **error);
/* Takes the objects off the bus. Calls under way end with an error; until they have, the bus, and @host, live on. */
void bb_bus_close (BbBus *self);

G_END_DECLS
