/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-login.h"

#include "bb-error.h"
#include "bb-log.h"

static void
login_free (BbLogin *self)
{
  bb_timer_stop (&self->timer);
  if (self->ticket != NULL)
    bb_login_ticket_release (self->ticket);
  bb_stranger_unref (self->stranger);
  g_free (self->name);
  self->klass->free (self);
}

void
bb_login_close (BbLogin *self, const char *why)
{
  g_autoptr (GError) error = g_error_new_literal (BB_ERROR, BB_ERROR_PROTOCOL, why);

  self->deciding = FALSE;
  bb_timer_stop (&self->timer);
  self->klass->close (self, error);
}

static void
evicted_cb (const char *why, gpointer user_data)
{
  BbLogin *self = user_data;

  self->ticket = NULL;
  bb_login_close (self, why);
}

void
bb_login_refuse (BbLogin *self)
{
  self->refused = TRUE;
  bb_timer_stop (&self->timer);
  self->klass->refuse (self);
}

static void
judge (BbLogin *self)
{
  g_autoptr (BbSlaveLink) link = NULL;

  self->deciding = FALSE;
  if (!bb_login_judge (self->ticket, self->login_host, self->klass->get_stream (self), self->name, self->klass->is_right,
                       self))
    {
      bb_login_refuse (self);
      return;
    }
  link = self->klass->welcome (self);
  bb_login_host_login (self->login_host, self->name, link);
  login_free (self);
}

static void
timer_cb (BbTimer *timer, gpointer user_data)
{
  BbLogin *self = user_data;

  if (self->deciding)
    judge (self);
  else
    bb_login_close (self, self->refused ? "a refused peer has stayed long enough" : "no login within the time limit");
}

void
bb_login_decide (BbLogin *self)
{
  gint64 wait_us = bb_login_throttle_reserve_us (bb_login_ticket_get_throttle (self->ticket),
                                                 bb_stranger_get_host (self->stranger), self->name);

  if (wait_us < 0)
    bb_login_close (self, "too many logins of this name have failed");
  else if (wait_us == 0 && !self->klass->in_own_turn)
    judge (self);
  else
    {
      self->deciding = TRUE;
      bb_timer_start_in (&self->timer, wait_us);
    }
}

void
bb_login_init (BbLogin *self, const BbLoginClass *klass, BbLoop *loop, BbLoginTicket *ticket, BbLoginHost *login_host)
{
  self->klass = klass;
  self->ticket = ticket;
  self->login_host = login_host;
  self->stranger = bb_stranger_ref (bb_login_ticket_get_stranger (ticket));
  bb_timer_init (&self->timer, loop, timer_cb, self);
}

void
bb_login_start (BbLogin *self, gint64 login_time_us)
{
  bb_login_ticket_set_evict (self->ticket, evicted_cb, self);
  bb_timer_start_in (&self->timer, login_time_us);
}

void
bb_login_fail (BbLogin *self, const GError *error)
{
  if (bb_stranger_may_be_logged (self->stranger, G_LOG_LEVEL_WARNING))
    bb_log_host (G_LOG_LEVEL_WARNING, "connection from %s: %s", bb_stranger_get_address (self->stranger), error->message);
  login_free (self);
}

void
bb_login_end (BbLogin *self, const GError *reason)
{
  /* One line for what a person may look for; those who just go are many and say nothing. */
  if (!self->refused && g_error_matches (reason, BB_ERROR, BB_ERROR_PROTOCOL)
      && bb_stranger_may_be_logged (self->stranger, G_LOG_LEVEL_INFO))
    bb_log_host (G_LOG_LEVEL_INFO, "connection from %s closed before login: %s", bb_stranger_get_address (self->stranger),
                 reason->message);
  login_free (self);
}
