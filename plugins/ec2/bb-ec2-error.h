/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define BB_EC2_ERROR (bb_ec2_error_quark ())
GQuark bb_ec2_error_quark (void);

/* What became of a call, sorted by what is to be done about it. */
typedef enum
{
  BB_EC2_ERROR_THROTTLED,        /* nothing was done; slow down */
  BB_EC2_ERROR_SERVER,           /* the service's own trouble: it may have acted */
  BB_EC2_ERROR_UNSENT,           /* never reached the service */
  BB_EC2_ERROR_LOST,             /* sent, no answer: it may have acted */
  BB_EC2_ERROR_GARBAGE,          /* an answer that isn't the document: it may have acted */
  BB_EC2_ERROR_CAPACITY,         /* no machine of that kind there now */
  BB_EC2_ERROR_QUOTA,            /* a limit of the account */
  BB_EC2_ERROR_NOT_FOUND,        /* doesn't exist, or isn't visible yet */
  BB_EC2_ERROR_NOT_YET,          /* in a state that doesn't allow it */
  BB_EC2_ERROR_CREDENTIALS,      /* refused */
  BB_EC2_ERROR_EXPIRED,          /* of the signature or of temporary credentials */
  BB_EC2_ERROR_FORBIDDEN,        /* the keys are good, the right is missing */
  BB_EC2_ERROR_TOKEN_MISMATCH,   /* the token was used with other parameters: a machine may exist */
  BB_EC2_ERROR_TOKEN_TERMINATED, /* the token's machine existed, and is gone */
  BB_EC2_ERROR_REFUSED,          /* anything else that repeating can't help */
} BbEc2Error;

/* The class of an answer that is no success. @code is the service's own, or NULL when none could be read. */
BbEc2Error bb_ec2_error_classify (guint http_status, const char *code);

/* @code: (nullable): the service's */
GError *bb_ec2_error_new (BbEc2Error error_class, const char *code, const char *message);
/* The service's code, "" when there is none. */
const char *bb_ec2_error_get_code (const GError *error);
gboolean bb_ec2_error_has_code (const GError *error, const char *code);
/* An earlier attempt of the same call may have been carried out. */
void bb_ec2_error_set_maybe_done (GError *error);
/* Nothing was done, by this attempt or an earlier one. False for every other domain. */
gboolean bb_ec2_error_is_definite (const GError *error);

/* Consumes @error, of any domain, and answers it as core understands it: a BbError, or G_IO_ERROR_CANCELLED as it
 * is. */
GError *bb_ec2_error_to_core (GError *error);

G_END_DECLS
