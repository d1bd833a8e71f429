/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define BB_OPENSTACK_ERROR (bb_openstack_error_quark ())
GQuark bb_openstack_error_quark (void);

/* What an answer, or the lack of one, means to the caller of one call. */
typedef enum
{
  BB_OPENSTACK_ERROR_UNSENT,    /* nothing of the request went out */
  BB_OPENSTACK_ERROR_LOST,      /* it did, and no whole answer came: it may have had its effect */
  BB_OPENSTACK_ERROR_SERVER,    /* 5xx: it may have had its effect, too */
  BB_OPENSTACK_ERROR_BUSY,      /* 429: asked to come later; had no effect */
  BB_OPENSTACK_ERROR_UNCHECKED, /* a service refuses a token that is good: it can't ask Keystone at present; had no effect */
  BB_OPENSTACK_ERROR_QUOTA,     /* the project may not have more of something */
  BB_OPENSTACK_ERROR_LOGIN,     /* Keystone's 401 */
  BB_OPENSTACK_ERROR_FORBIDDEN, /* a policy's 403 */
  BB_OPENSTACK_ERROR_NOT_FOUND,
  BB_OPENSTACK_ERROR_CONFLICT, /* 409 */
  BB_OPENSTACK_ERROR_REFUSED,  /* every other 4xx: the request is wrong */
  BB_OPENSTACK_ERROR_GARBAGE,  /* no answer of OpenStack */
  BB_OPENSTACK_ERROR_TLS,      /* one side does not trust the other's certificate */
} BbOpenstackError;

/* @who: what was asked, for the text, as "Nova: POST /servers"; @body: as received, in any of the services' forms */
GError *bb_openstack_error_new_from_answer (const char *who, guint status, GBytes *body);

/* (transfer full) of @error: as core understands it. */
GError *bb_openstack_error_to_core (GError *error);

G_END_DECLS
