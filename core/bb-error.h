/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BB_ERROR (bb_error_quark ())
GQuark bb_error_quark (void);

/**
 * BbError:
 * @BB_ERROR_FAILED: nothing more special; the message says what
 * @BB_ERROR_NOT_NOW: a start was put off by its backend without being a failure; try again later
 * @BB_ERROR_QUOTA: trying again later may help (capacity, quota, throttling, time-out of a cloud)
 * @BB_ERROR_PERMANENT: trying again can't help: an unknown image, an option the cloud refuses
 * @BB_ERROR_CREDENTIALS: the backend refused our credentials: builds that waited for a start that ended so are as past
 *   help as with %BB_ERROR_PERMANENT; stops and listings of what is open already are tried on, until there are new ones
 * @BB_ERROR_TIMEOUT: no answer in time
 * @BB_ERROR_LIMIT: a limit of [host] is reached (instances, cost)
 * @BB_ERROR_PROTOCOL: a peer broke its protocol
 * @BB_ERROR_LOST: the connection to a slave ended
 * @BB_ERROR_CONFIG: the configuration is wrong
 * @BB_ERROR_STORE: the store can't be read or written
 * @BB_ERROR_PLUGIN: a plugin is missing or can't be loaded
 * @BB_ERROR_NO_SUCH_SLAVE: no slave of that name
 * @BB_ERROR_NO_SUCH_BUILDER: no builder of that name
 * @BB_ERROR_NO_SUCH_BUILD: no build of that number
 * @BB_ERROR_NO_SUCH_INSTANCE: no open row of that number
 * @BB_ERROR_NO_SUCH_LOG: that build has no such step or log
 * @BB_ERROR_INVALID_ARGUMENT: a caller's argument is wrong
 * @BB_ERROR_WRONG_STATE: not possible in the present state
 * @BB_ERROR_NOT_AUTHORIZED: the caller may not do that
 *
 * A code exists because somebody does something different for it. On D-Bus each is
 * `org.bbhost.Error.` and its name in CamelCase. New codes go at the end.
 */
typedef enum
{
  BB_ERROR_FAILED,
  BB_ERROR_NOT_NOW,
  BB_ERROR_QUOTA,
  BB_ERROR_PERMANENT,
  BB_ERROR_CREDENTIALS,
  BB_ERROR_TIMEOUT,
  BB_ERROR_LIMIT,
  BB_ERROR_PROTOCOL,
  BB_ERROR_LOST,
  BB_ERROR_CONFIG,
  BB_ERROR_STORE,
  BB_ERROR_PLUGIN,
  BB_ERROR_NO_SUCH_SLAVE,
  BB_ERROR_NO_SUCH_BUILDER,
  BB_ERROR_NO_SUCH_BUILD,
  BB_ERROR_NO_SUCH_INSTANCE,
  BB_ERROR_NO_SUCH_LOG,
  BB_ERROR_INVALID_ARGUMENT,
  BB_ERROR_WRONG_STATE,
  BB_ERROR_NOT_AUTHORIZED,
} BbError;

/**
 * bb_error_quote:
 * @text: a stranger's: a service's, a slave's, a caller's
 * @max_bytes: how long it may become
 *
 * For messages, which go into logs, over D-Bus and to terminals.
 *
 * Returns: (transfer full): @text on one line, in valid UTF-8, without control characters; cut between two characters
 *
 * Since: 1.0
 */
char *bb_error_quote (const char *text, gsize max_bytes);

G_END_DECLS
