/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bbctl-progress.h"

#include "bbctl-output.h"

void
bbctl_progress_hide (BbctlProgress *self)
{
  if (self->shown)
    g_printerr ("\r\033[K");
  self->shown = FALSE;
}

void
bbctl_progress_set (BbctlProgress *self, const char *text, gint64 since_us)
{
  gboolean changed = g_strcmp0 (text, self->text) != 0;
  g_autofree char *clean = bbctl_sanitize (text);
  g_autofree char *time = NULL;

  if (self->quiet || (!changed && !self->terminal))
    return;
  if (changed)
    {
      g_free (self->text);
      self->text = g_strdup (text);
    }
  if (since_us > 0)
    time = bbctl_format_duration (g_get_real_time () - since_us);
  if (self->terminal)
    g_printerr ("\r\033[K%s%s%s", clean, time != NULL ? " " : "", time != NULL ? time : "");
  else
    g_printerr ("%s\n", clean);
  self->shown = self->terminal;
}

void
bbctl_progress_note (BbctlProgress *self, const char *text)
{
  g_autofree char *clean = bbctl_sanitize (text);

  if (self->quiet)
    return;
  bbctl_progress_hide (self);
  g_printerr ("%s\n", clean);
  g_clear_pointer (&self->text, g_free);
}

void
bbctl_progress_clear (BbctlProgress *self)
{
  bbctl_progress_hide (self);
  g_clear_pointer (&self->text, g_free);
}
