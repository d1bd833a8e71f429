/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-link-limits.h"

/* What a peer of Perspective Broker may do, beside what holds for all of them. */

/* Banana; Twisted drops a connection on which more comes than the first three. */
#define BB_PB_MAX_DIGITS 64
#define BB_PB_MAX_STRING BB_LINK_MAX_BLOCK
#define BB_PB_MAX_LIST 655360
#define BB_PB_MAX_DEPTH 32 /* real traffic needs 8 */
#define BB_PB_MAX_ELEMENTS 1000000
#define BB_PB_MAX_MESSAGE (16 * 1024 * 1024) /* bytes of its strings */

/* Before it has logged in: the legitimate traffic is five messages of 150 bytes in all. */
#define BB_PB_LOGIN_MAX_STRING 512
#define BB_PB_LOGIN_MAX_LIST 8
#define BB_PB_LOGIN_MAX_DEPTH 6
#define BB_PB_LOGIN_MAX_ELEMENTS 64
#define BB_PB_LOGIN_MAX_MESSAGE 1024
#define BB_PB_MAX_BYTES_BEFORE_LOGIN 4096
#define BB_PB_MAX_MESSAGES_BEFORE_LOGIN 16

/* How long a refused peer may stay: newer workers use that time as their growing delay, and come back after 2 s when
 * they are closed early (worker-protocol 4.3). */
#define BB_PB_REFUSED_US (90 * G_USEC_PER_SEC)
