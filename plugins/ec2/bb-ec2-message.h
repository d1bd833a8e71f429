/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bb-ec2-document.h"
#include "bb-ec2-query.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* The secret half is wiped when the last reference goes. */
typedef struct
{
  char *access_key_id;
  char *secret_access_key;
  char *session_token; /* (nullable) */
  gint64 expires;      /* seconds since 1970; 0: never */
  /*< private >*/
  gatomicrefcount ref_count;
} BbEc2Credentials;

BbEc2Credentials *bb_ec2_credentials_new (const char *access_key_id, const char *secret_access_key,
                                          const char *session_token, gint64 expires);
BbEc2Credentials *bb_ec2_credentials_ref (BbEc2Credentials *self);
void bb_ec2_credentials_unref (BbEc2Credentials *self);
gboolean bb_ec2_credentials_equal (const BbEc2Credentials *a, const BbEc2Credentials *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BbEc2Credentials, bb_ec2_credentials_unref)

/* @query as a signed POST. @now: the service's idea of the time, seconds since 1970. */
SoupMessage *bb_ec2_message_new (const char *endpoint, const char *service, const char *region, BbEc2Query *query,
                                 BbEc2Credentials *credentials, gint64 now);

/* The answer's document, whose root must be @action and "Response"; or %NULL with the error that it is, whose text
 * begins with action and region and ends with the request's id. */
BbEc2Document *bb_ec2_message_parse_answer (SoupMessage *message, GBytes *body, const char *action, const char *region,
                                            GError **error);

/* The header Date, seconds since 1970; 0 when there is none. */
gint64 bb_ec2_message_get_date (SoupMessage *message);
/* The header Retry-After in seconds; 0 when there is none. */
double bb_ec2_message_get_retry_after (SoupMessage *message);

G_END_DECLS
