/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-error.h"

#include <bbhost/bb-error.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <string.h>

int
bb_libvirt_get_error_code (void)
{
  return virGetLastErrorCode ();
}

static BbError
judge_error (virErrorPtr error)
{
  const char *message = error->message != NULL ? error->message : "";

  switch (error->code)
    {
    case VIR_ERR_AUTH_FAILED:
    case VIR_ERR_AUTH_CANCELLED:
    case VIR_ERR_AUTH_UNAVAILABLE:
    case VIR_ERR_ACCESS_DENIED:
      return BB_ERROR_CREDENTIALS;
    case VIR_ERR_XML_ERROR:
    case VIR_ERR_XML_DETAIL:
    case VIR_ERR_XML_INVALID_SCHEMA:
    case VIR_ERR_CONFIG_UNSUPPORTED:
    case VIR_ERR_NO_DOMAIN:
    case VIR_ERR_NO_STORAGE_POOL:
    case VIR_ERR_NO_STORAGE_VOL:
    case VIR_ERR_NO_NETWORK:
    case VIR_ERR_INVALID_ARG:
      return BB_ERROR_PERMANENT;
    case VIR_ERR_NO_CONNECT:
    case VIR_ERR_RPC:
      return BB_ERROR_QUOTA;
    case VIR_ERR_SYSTEM_ERROR:
      if (error->domain == VIR_FROM_RPC || error->domain == VIR_FROM_REMOTE)
        return BB_ERROR_QUOTA;
      return strstr (message, "No such file or directory") != NULL ? BB_ERROR_PERMANENT : BB_ERROR_FAILED;
    default:
      if (strstr (message, "annot allocate memory") != NULL || strstr (message, "client socket is closed") != NULL
          || strstr (message, "cannot set up guest memory") != NULL)
        return BB_ERROR_QUOTA;
      return BB_ERROR_FAILED;
    }
}

void
bb_libvirt_set_error (GError **error, const char *format, ...)
{
  virErrorPtr last = virGetLastError ();
  g_autofree char *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  if (last == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "%s: libvirt gives no reason", what);
  else
    {
      g_autofree char *message = g_strdup (last->message != NULL ? last->message : "unknown error");

      /* QEMU's own words have several lines. */
      g_strdelimit (g_strchomp (message), "\r\n", ' ');
      g_set_error (error, BB_ERROR, judge_error (last), "%s: %s", what, message);
    }
}
