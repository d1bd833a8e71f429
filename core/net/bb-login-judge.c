/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-login-judge.h"

#include "bb-log.h"

char *
bb_login_dup_name (const char *bytes, gsize length)
{
  char *name = g_utf8_make_valid (bytes, (gssize) length);

  for (char *p = name; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = '?';
  return name;
}

static gboolean
has_right_certificate (BbStream *stream, const char *name, BbStranger *stranger)
{
  if (bb_stream_fits_name (stream, name))
    return TRUE;
  if (bb_stranger_may_be_logged (stranger, G_LOG_LEVEL_WARNING))
    bb_log_host (G_LOG_LEVEL_WARNING, "slave %s: the certificate that %s has shown is not for this name", name,
                 bb_stranger_get_address (stranger));
  return FALSE;
}

gboolean
bb_login_judge (BbLoginTicket *ticket, BbLoginHost *login_host, BbStream *stream, const char *name,
                BbPasswordCheck check, gpointer user_data)
{
  BbLoginThrottle *throttle = bb_login_ticket_get_throttle (ticket);
  BbStranger *stranger = bb_login_ticket_get_stranger (ticket);
  const char *host = bb_stranger_get_host (stranger);
  const char *password = bb_login_host_get_password (login_host, name);
  gboolean fits = check (password != NULL ? password : "nobody has this name", user_data);

  if (fits && password != NULL && has_right_certificate (stream, name, stranger))
    {
      bb_login_throttle_succeeded (throttle, host, name);
      return TRUE;
    }
  bb_login_throttle_failed (throttle, host, name);
  if (bb_stranger_may_be_logged (stranger, G_LOG_LEVEL_WARNING))
    bb_login_host_login_failed (login_host, name, password != NULL, bb_stranger_get_address (stranger));
  return FALSE;
}
