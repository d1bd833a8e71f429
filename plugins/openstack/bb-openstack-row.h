/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What the resources of an instance's ledger row say of its start, so that a stop after a crash knows what may exist:
 *
 *   server:TOKEN        a server was about to be asked for; without this there is none
 *   floating-ip:TOKEN   an address may have been made, whose description holds the token
 *   disks:ID,ID         the server has disks that Nova makes and deletes; these volumes of the user's are not among them
 *   volume:ID           one of those disks
 */
#define BB_OPENSTACK_ROW_SERVER "server:"
#define BB_OPENSTACK_ROW_ADDRESS "floating-ip:"
#define BB_OPENSTACK_ROW_DISKS "disks:"
#define BB_OPENSTACK_ROW_VOLUME "volume:"

/* The rest of the first resource of @kind, which points into it; nullable. */
const char *bb_openstack_row_find (const char *const *resources, const char *kind);

G_END_DECLS
