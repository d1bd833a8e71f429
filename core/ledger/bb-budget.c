/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-budget.h"

#include <string.h>

#define HOUR_US (3600.0 * G_USEC_PER_SEC)

void
bb_budget_month_of (gint64 wall_us, char *month)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC);
  g_autofree char *text = g_date_time_format (time, "%Y-%m");

  g_strlcpy (month, text, 8);
}

void
bb_budget_turn_to (BbBudget *self, gint64 wall_us)
{
  g_autoptr (GDateTime) time = NULL;
  g_autoptr (GDateTime) first = NULL;
  char month[8];

  bb_budget_month_of (wall_us, month);
  if (strcmp (month, self->month) == 0)
    return;
  time = g_date_time_new_from_unix_utc (wall_us / G_USEC_PER_SEC);
  first = g_date_time_new_utc (g_date_time_get_year (time), g_date_time_get_month (time), 1, 0, 0, 0);
  memcpy (self->month, month, sizeof month);
  self->month_start_us = g_date_time_to_unix (first) * G_USEC_PER_SEC;
  self->closed_cost = 0;
  self->warned = 0;
}

double
bb_budget_cost_of (const BbBudget *self, gint64 from_us, gint64 to_us, double hourly_cost)
{
  from_us = MAX (from_us, self->month_start_us);
  return to_us > from_us ? (double) (to_us - from_us) / HOUR_US * hourly_cost : 0;
}
