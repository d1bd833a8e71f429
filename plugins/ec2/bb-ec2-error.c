/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-error.h"

#include <bbhost/bbhost.h>
#include <string.h>

typedef struct
{
  char *code;
  gboolean maybe_done;
} BbEc2ErrorPrivate;

static void
bb_ec2_error_private_init (BbEc2ErrorPrivate *private)
{
}

static void
bb_ec2_error_private_copy (const BbEc2ErrorPrivate *source, BbEc2ErrorPrivate *copy)
{
  copy->code = g_strdup (source->code);
  copy->maybe_done = source->maybe_done;
}

static void
bb_ec2_error_private_clear (BbEc2ErrorPrivate *private)
{
  g_free (private->code);
}

G_DEFINE_EXTENDED_ERROR (BbEc2Error, bb_ec2_error)

typedef struct
{
  const char *code;
  BbEc2Error error_class;
  gboolean is_prefix;
} Known;

/* The service's codes: "Error codes for the Amazon EC2 API" of its reference, and what botocore takes for
 * throttling. */
static const Known known[] = {
  { "RequestLimitExceeded", BB_EC2_ERROR_THROTTLED },
  { "Throttling", BB_EC2_ERROR_THROTTLED, TRUE },
  { "RequestThrottled", BB_EC2_ERROR_THROTTLED, TRUE },
  { "EC2ThrottledException", BB_EC2_ERROR_THROTTLED },
  { "TooManyRequestsException", BB_EC2_ERROR_THROTTLED },
  { "BandwidthLimitExceeded", BB_EC2_ERROR_THROTTLED },
  { "SlowDown", BB_EC2_ERROR_THROTTLED },
  { "PriorRequestNotComplete", BB_EC2_ERROR_THROTTLED },
  { "InternalError", BB_EC2_ERROR_SERVER },
  { "InternalFailure", BB_EC2_ERROR_SERVER },
  { "Unavailable", BB_EC2_ERROR_SERVER },
  { "ServiceUnavailable", BB_EC2_ERROR_SERVER },
  { "RequestTimeout", BB_EC2_ERROR_SERVER },
  { "InsufficientInstanceCapacity", BB_EC2_ERROR_CAPACITY },
  { "InsufficientHostCapacity", BB_EC2_ERROR_CAPACITY },
  { "InsufficientCapacity", BB_EC2_ERROR_CAPACITY, TRUE },
  { "InsufficientReservedInstanceCapacity", BB_EC2_ERROR_CAPACITY },
  { "Unsupported", BB_EC2_ERROR_CAPACITY },
  { "SpotMaxPriceTooLow", BB_EC2_ERROR_CAPACITY },
  { "InstanceLimitExceeded", BB_EC2_ERROR_QUOTA },
  { "VcpuLimitExceeded", BB_EC2_ERROR_QUOTA },
  { "MaxSpotInstanceCountExceeded", BB_EC2_ERROR_QUOTA },
  { "SpotInstanceCountExceeded", BB_EC2_ERROR_QUOTA },
  { "VolumeLimitExceeded", BB_EC2_ERROR_QUOTA },
  { "AddressLimitExceeded", BB_EC2_ERROR_QUOTA },
  { "InsufficientFreeAddressesInSubnet", BB_EC2_ERROR_QUOTA },
  { "PendingVerification", BB_EC2_ERROR_QUOTA },
  { "IncorrectState", BB_EC2_ERROR_NOT_YET },
  { "IncorrectInstanceState", BB_EC2_ERROR_NOT_YET },
  { "InvalidInstanceID", BB_EC2_ERROR_NOT_YET },
  { "VolumeInUse", BB_EC2_ERROR_NOT_YET },
  { "AuthFailure", BB_EC2_ERROR_CREDENTIALS },
  { "SignatureDoesNotMatch", BB_EC2_ERROR_CREDENTIALS },
  { "InvalidClientTokenId", BB_EC2_ERROR_CREDENTIALS },
  { "IncompleteSignature", BB_EC2_ERROR_CREDENTIALS },
  { "MissingAuthenticationToken", BB_EC2_ERROR_CREDENTIALS },
  { "UnrecognizedClientException", BB_EC2_ERROR_CREDENTIALS },
  { "InvalidAccessKeyId", BB_EC2_ERROR_CREDENTIALS },
  { "RequestExpired", BB_EC2_ERROR_EXPIRED },
  { "ExpiredToken", BB_EC2_ERROR_EXPIRED, TRUE },
  { "UnauthorizedOperation", BB_EC2_ERROR_FORBIDDEN },
  { "AccessDenied", BB_EC2_ERROR_FORBIDDEN, TRUE },
  { "OptInRequired", BB_EC2_ERROR_FORBIDDEN },
  { "Blocked", BB_EC2_ERROR_FORBIDDEN },
  { "IdempotentParameterMismatch", BB_EC2_ERROR_TOKEN_MISMATCH },
  { "IdempotentInstanceTerminated", BB_EC2_ERROR_TOKEN_TERMINATED },
};

/* A status below 100 is what libsoup has for no answer; the caller doesn't ask then. */
static BbEc2Error
classify_status (guint http_status)
{
  if (http_status == 429)
    return BB_EC2_ERROR_THROTTLED;
  if (http_status == 401)
    return BB_EC2_ERROR_CREDENTIALS;
  if (http_status >= 500)
    return BB_EC2_ERROR_SERVER;
  if (http_status < 400)
    return BB_EC2_ERROR_GARBAGE;
  return BB_EC2_ERROR_REFUSED;
}

BbEc2Error
bb_ec2_error_classify (guint http_status, const char *code)
{
  if (code == NULL)
    return http_status == 429 ? BB_EC2_ERROR_THROTTLED : BB_EC2_ERROR_GARBAGE;
  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (known[i].is_prefix ? g_str_has_prefix (code, known[i].code) : g_str_equal (code, known[i].code))
      return known[i].error_class;
  if (g_str_has_suffix (code, ".NotFound"))
    return BB_EC2_ERROR_NOT_FOUND;
  return classify_status (http_status);
}

GError *
bb_ec2_error_new (BbEc2Error error_class, const char *code, const char *message)
{
  GError *error = g_error_new_literal (BB_EC2_ERROR, (gint) error_class, message);

  bb_ec2_error_get_private (error)->code = g_strdup (code);
  return error;
}

const char *
bb_ec2_error_get_code (const GError *error)
{
  const BbEc2ErrorPrivate *private;

  if (error == NULL || error->domain != BB_EC2_ERROR)
    return "";
  private = bb_ec2_error_get_private (error);
  return private->code != NULL ? private->code : "";
}

gboolean
bb_ec2_error_has_code (const GError *error, const char *code)
{
  return g_str_equal (bb_ec2_error_get_code (error), code);
}

void
bb_ec2_error_set_maybe_done (GError *error)
{
  g_return_if_fail (error->domain == BB_EC2_ERROR);

  bb_ec2_error_get_private (error)->maybe_done = TRUE;
}

gboolean
bb_ec2_error_is_definite (const GError *error)
{
  if (error->domain != BB_EC2_ERROR || bb_ec2_error_get_private (error)->maybe_done)
    return FALSE;
  switch ((BbEc2Error) error->code)
    {
    case BB_EC2_ERROR_SERVER:
    case BB_EC2_ERROR_LOST:
    case BB_EC2_ERROR_GARBAGE:
    case BB_EC2_ERROR_TOKEN_MISMATCH:
      return FALSE;
    default:
      return TRUE;
    }
}

static BbError
core_code (const GError *error)
{
  switch ((BbEc2Error) error->code)
    {
    case BB_EC2_ERROR_LOST:
      return BB_ERROR_TIMEOUT;
    case BB_EC2_ERROR_CREDENTIALS:
    case BB_EC2_ERROR_EXPIRED:
      return BB_ERROR_CREDENTIALS;
    case BB_EC2_ERROR_NOT_FOUND:
    case BB_EC2_ERROR_FORBIDDEN:
    case BB_EC2_ERROR_REFUSED:
      return BB_ERROR_PERMANENT;
    case BB_EC2_ERROR_TOKEN_MISMATCH:
    case BB_EC2_ERROR_TOKEN_TERMINATED:
      return BB_ERROR_FAILED;
    default:
      return BB_ERROR_QUOTA;
    }
}

GError *
bb_ec2_error_to_core (GError *error)
{
  GError *core;

  if (error->domain == BB_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return error;
  if (error->domain == BB_EC2_ERROR)
    core = g_error_new (BB_ERROR, (gint) core_code (error), "ec2: %s", error->message);
  else
    core = g_error_new (BB_ERROR, BB_ERROR_FAILED, "ec2: %s", error->message);
  g_error_free (error);
  return core;
}
