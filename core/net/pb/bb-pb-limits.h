/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * What a peer of Perspective Broker may do, and how long it may take: all of it, but for the listener's (bb-listener.h)
 * and those of the stream. A breach costs that connection, with the reason in the log, and nothing else.
 */

/* Banana; Twisted drops a connection on which more comes than the first three. */
#define BB_PB_MAX_DIGITS 64
#define BB_PB_MAX_STRING 655360
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
#define BB_PB_MAX_NAME 256

/* How long a refused peer may stay: newer workers use that time as their growing delay, and come back after 2 s when
 * they are closed early (worker-protocol 4.3). */
#define BB_PB_REFUSED_US (90 * G_USEC_PER_SEC)

/* A message whose first byte has come must be complete after this. */
#define BB_PB_MAX_PARTIAL_US (120 * G_USEC_PER_SEC)

/* Calls of ours that wait for an answer; what a peer may have in the way of objects of ours is bounded by them. */
#define BB_PB_MAX_PENDING_CALLS 4096
/* While more than this waits for the peer nothing is read from it, so that it can't ask for more; and for so long it may
 * take none of it. */
#define BB_PB_MAX_OUTPUT (1024 * 1024)
#define BB_PB_STALL_LIMIT_US (300 * G_USEC_PER_SEC)

/* Twisted gives out 1024 objects on one connection. */
#define BB_PB_MAX_BUILDERS 1000

#define BB_PB_PRINT_LIMIT_US (60 * G_USEC_PER_SEC)
#define BB_PB_INFO_LIMIT_US (60 * G_USEC_PER_SEC)
#define BB_PB_BUILDERS_LIMIT_US (300 * G_USEC_PER_SEC)
#define BB_PB_COMMAND_LIMIT_US (300 * G_USEC_PER_SEC)

/* The watchdog of a command, see bb-pb-command.c. */
#define BB_PB_COMPLETE_LIMIT_US (60 * G_USEC_PER_SEC)    /* from `elapsed` to `complete` */
#define BB_PB_GRACE_US (120 * G_USEC_PER_SEC)            /* past a time limit that the slave itself was to keep */
#define BB_PB_SILENCE_LIMIT_US (1200 * G_USEC_PER_SEC)   /* of commands without an own one; packing may take minutes */
#define BB_PB_INTERRUPT_LIMIT_US (300 * G_USEC_PER_SEC)  /* from interruptCommand to `complete` */
#define BB_PB_UNINTERRUPTIBLE_LIMIT_US (1800 * G_USEC_PER_SEC) /* the same of rmdir and cpdir, which run to their end */

/* What is kept of a slave's info: its files are under the control of its administrator. */
#define BB_PB_MAX_INFO_KEYS 100
#define BB_PB_MAX_INFO_TEXT 4096
#define BB_PB_MAX_COMMANDS 100

/* One value of an update that is kept as it is (a list of files), see bb_jelly_to_variant(); and its key. */
#define BB_PB_MAX_UPDATE_ELEMENTS 100000
#define BB_PB_MAX_UPDATE_KEY 64

/* Text is handed on in pieces of at most this before what is not UTF-8 in it is replaced, which makes it up to three times as long. */
#define BB_PB_OUTPUT_PIECE (192 * 1024)
