/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-link-limits.h"

/* What a peer of msgpack over WebSocket may do, beside what holds for all of them. */

/* The request of HTTP that asks for the upgrade and logs in: legitimate ones have 300 bytes. */
#define BB_MSGPACK_MAX_HEAD 8192

#define BB_MSGPACK_MAX_MESSAGE (16 * 1024 * 1024) /* all of its frames together */
#define BB_MSGPACK_MAX_FRAGMENTS 1024             /* frames of one message; slaves send one */
#define BB_MSGPACK_MAX_DEPTH 32                   /* as deep as msgpack-c goes; real traffic needs 6 */
#define BB_MSGPACK_MAX_ELEMENTS 1000000
