/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/*
 * What a slave may do, and how long it may take, whichever protocol it speaks; beside it each protocol has limits of its own,
 * the listener (bb-listener.h) and the stream. A breach costs that connection, with the reason in the log, and nothing else.
 */

#define BB_LINK_MAX_NAME 256 /* of a slave, before it has logged in; of anything that it calls by a name */

/* A block of a file, in either direction: Twisted drops a connection on which more comes. */
#define BB_LINK_MAX_BLOCK 655360

/* A message whose first byte has come must be complete after this. */
#define BB_LINK_MAX_PARTIAL_US (120 * G_USEC_PER_SEC)

/* Calls of ours that wait for an answer; what a peer may have in the way of objects of ours is bounded by them. */
#define BB_LINK_MAX_PENDING_CALLS 4096

#define BB_LINK_MAX_BUILDERS 1000 /* Twisted gives out 1024 objects on one connection */

#define BB_LINK_PRINT_LIMIT_US (60 * G_USEC_PER_SEC)
#define BB_LINK_INFO_LIMIT_US (60 * G_USEC_PER_SEC)
#define BB_LINK_BUILDERS_LIMIT_US (300 * G_USEC_PER_SEC)
#define BB_LINK_COMMAND_LIMIT_US (300 * G_USEC_PER_SEC)

/* The watchdog of a command, see bb-remote-command.c. */
#define BB_LINK_COMPLETE_LIMIT_US (60 * G_USEC_PER_SEC)  /* from `elapsed` to `complete` */
#define BB_LINK_GRACE_US (120 * G_USEC_PER_SEC)          /* past a time limit that the slave itself was to keep */
#define BB_LINK_SILENCE_LIMIT_US (1200 * G_USEC_PER_SEC) /* of commands without an own one; packing may take minutes */
#define BB_LINK_INTERRUPT_LIMIT_US (300 * G_USEC_PER_SEC) /* from the interruption to `complete` */
#define BB_LINK_UNINTERRUPTIBLE_LIMIT_US (1800 * G_USEC_PER_SEC) /* the same of rmdir and cpdir, which run to their end */

/* What is kept of a slave's info: its files are under the control of its administrator. */
#define BB_LINK_MAX_INFO_KEYS 100
#define BB_LINK_MAX_INFO_TEXT 4096
#define BB_LINK_MAX_COMMANDS 100

/* One value of an update that is kept as it is (a list of files): its elements, see bb_jelly_to_variant(); and its key. */
#define BB_LINK_MAX_UPDATE_ELEMENTS 100000
#define BB_LINK_MAX_UPDATE_KEY 64

/* Text is handed on in pieces of at most this before what is not UTF-8 in it is replaced, which makes it up to three times as long. */
#define BB_LINK_OUTPUT_PIECE (192 * 1024)
