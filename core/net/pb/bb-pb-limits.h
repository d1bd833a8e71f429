/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What a peer of Perspective Broker may do; see also the limits of banana (bb-banana.c) and of the listener. */

/* Before it has logged in: the legitimate traffic is five messages of 150 bytes in all. */
#define BB_PB_MAX_BYTES_BEFORE_LOGIN 4096
#define BB_PB_MAX_MESSAGES_BEFORE_LOGIN 16
#define BB_PB_MAX_NAME 256

/* How long a refused peer may stay: newer workers use that time as their growing delay, and come back after 2 s when
 * they are closed early (worker-protocol 4.3). */
#define BB_PB_REFUSED_US (90 * G_USEC_PER_SEC)

/* A message whose first byte has come must be complete after this. */
#define BB_PB_MAX_PARTIAL_US (120 * G_USEC_PER_SEC)

/* Calls of ours that wait for an answer; and what a peer may have in the way of objects of ours is bounded by them. */
#define BB_PB_MAX_PENDING_CALLS 4096

#define BB_PB_PRINT_LIMIT_US (60 * G_USEC_PER_SEC)
#define BB_PB_INFO_LIMIT_US (60 * G_USEC_PER_SEC)
#define BB_PB_BUILDERS_LIMIT_US (300 * G_USEC_PER_SEC)
#define BB_PB_COMMAND_LIMIT_US (300 * G_USEC_PER_SEC)
/* `elapsed` has come but `complete` does not: a defect of some workers (worker-protocol 5.5.2). */
#define BB_PB_COMPLETE_LIMIT_US (60 * G_USEC_PER_SEC)

/* What is kept of a slave's info: its files are under the control of its administrator. */
#define BB_PB_MAX_INFO_KEYS 100
#define BB_PB_MAX_INFO_TEXT 4096
#define BB_PB_MAX_COMMANDS 100

/* Elements of one value of an update that is kept as it is (a list of files). */
#define BB_PB_MAX_UPDATE_ELEMENTS 100000
