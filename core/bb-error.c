/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-error.h"

#include <string.h>

static const GDBusErrorEntry entries[] = {
  { BB_ERROR_FAILED, "org.bbhost.Error.Failed" },
  { BB_ERROR_NOT_NOW, "org.bbhost.Error.NotNow" },
  { BB_ERROR_QUOTA, "org.bbhost.Error.Quota" },
  { BB_ERROR_PERMANENT, "org.bbhost.Error.Permanent" },
  { BB_ERROR_CREDENTIALS, "org.bbhost.Error.Credentials" },
  { BB_ERROR_TIMEOUT, "org.bbhost.Error.Timeout" },
  { BB_ERROR_LIMIT, "org.bbhost.Error.Limit" },
  { BB_ERROR_PROTOCOL, "org.bbhost.Error.Protocol" },
  { BB_ERROR_LOST, "org.bbhost.Error.Lost" },
  { BB_ERROR_CONFIG, "org.bbhost.Error.Config" },
  { BB_ERROR_STORE, "org.bbhost.Error.Store" },
  { BB_ERROR_PLUGIN, "org.bbhost.Error.Plugin" },
  { BB_ERROR_NO_SUCH_SLAVE, "org.bbhost.Error.NoSuchSlave" },
  { BB_ERROR_NO_SUCH_BUILDER, "org.bbhost.Error.NoSuchBuilder" },
  { BB_ERROR_NO_SUCH_BUILD, "org.bbhost.Error.NoSuchBuild" },
  { BB_ERROR_NO_SUCH_INSTANCE, "org.bbhost.Error.NoSuchInstance" },
  { BB_ERROR_NO_SUCH_LOG, "org.bbhost.Error.NoSuchLog" },
  { BB_ERROR_INVALID_ARGUMENT, "org.bbhost.Error.InvalidArgument" },
  { BB_ERROR_WRONG_STATE, "org.bbhost.Error.WrongState" },
  { BB_ERROR_NOT_AUTHORIZED, "org.bbhost.Error.NotAuthorized" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (entries) == BB_ERROR_NOT_AUTHORIZED + 1);

GQuark
bb_error_quark (void)
{
  static gsize quark;

  g_dbus_error_register_error_domain ("bb-error-quark", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark) quark;
}

char *
bb_error_quote (const char *text, gsize max_bytes)
{
  g_autofree char *valid = g_utf8_make_valid (text, (gssize) strnlen (text, max_bytes));
  GString *quoted = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      /* What was cut has become U+FFFD, which is longer. */
      if (quoted->len + (gsize) (g_utf8_next_char (p) - p) > max_bytes)
        break;
      if (g_unichar_iscntrl (c))
        g_string_append_c (quoted, ' ');
      else
        g_string_append_unichar (quoted, c);
    }
  return g_string_free (quoted, FALSE);
}
