/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-slave.h"

G_BEGIN_DECLS

/* A slave that somebody else starts: it attaches when it likes. */
#define BB_TYPE_STATIC_SLAVE (bb_static_slave_get_type ())
G_DECLARE_FINAL_TYPE (BbStaticSlave, bb_static_slave, BB, STATIC_SLAVE, BbAbstractSlave)

G_END_DECLS
