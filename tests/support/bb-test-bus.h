/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A dbus-daemon of the test's own, which ends with the test however that ends. */
typedef struct _BbTestBus BbTestBus;

BbTestBus *bb_test_bus_new (void);
void bb_test_bus_free (BbTestBus *self);
const char *bb_test_bus_get_address (BbTestBus *self);
GDBusConnection *bb_test_bus_connect (BbTestBus *self); /* a new connection; (transfer full) */
/* Owns @name on @connection, or fails the test. */
void bb_test_bus_own_name (GDBusConnection *connection, const char *name);

G_END_DECLS
