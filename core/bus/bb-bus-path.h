/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BB_BUS_ROOT "/org/bbhost"

/* A name as one element of an object path, escaped as systemd does it; one to one. */
char *bb_bus_path_escape (const char *name);
/* (nullable): NULL when @element is nothing that bb_bus_path_escape() would have made. */
char *bb_bus_path_unescape (const char *element);

char *bb_bus_path_of_slave (const char *name);
char *bb_bus_path_of_build (guint64 number);
char *bb_bus_path_of_instance (guint64 number);
/* FALSE unless @element is a number as it would be printed. */
gboolean bb_bus_path_parse_number (const char *element, guint64 *number);

G_END_DECLS
