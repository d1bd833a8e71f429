/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Signature Version 4: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html */

typedef struct
{
  const char *name;
  const char *value;
} BbEc2Header;

typedef struct
{
  const char *method;
  const char *path;  /* as in the request line */
  const char *query; /* without the "?"; "" when there is none */
  const BbEc2Header *headers; /* all of those that are to be signed, host and x-amz-date among them */
  gsize n_headers;
  const char *body;
  gsize body_length;
  const char *timestamp; /* YYYYMMDDTHHMMSSZ, as in the header x-amz-date */
  const char *region;
  const char *service;
} BbEc2SigningRequest;

char *bb_ec2_signature_canonical_request (const BbEc2SigningRequest *request);
char *bb_ec2_signature_string_to_sign (const BbEc2SigningRequest *request);
/* The value of the header Authorization. */
char *bb_ec2_signature_authorize (const BbEc2SigningRequest *request, const char *access_key_id,
                                  const char *secret_access_key);
/* YYYYMMDDTHHMMSSZ */
char *bb_ec2_signature_format_time (gint64 unix_time);

G_END_DECLS
