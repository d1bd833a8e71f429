/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What was spent in the present calendar month (UTC) by instances that are gone. A member of the ledger. */
typedef struct
{
  /*< private >*/
  char month[8];         /* "2026-11" */
  gint64 month_start_us; /* wall */
  double closed_cost;    /* dollars */
  guint warned;          /* per cent of the limit that people were told of: 0, 80 or 100 */
} BbBudget;

/* "2026-11"; @month holds 8 bytes. */
void bb_budget_month_of (gint64 wall_us, char *month);
/* Starts from nothing when a new month has begun. */
void bb_budget_turn_to (BbBudget *self, gint64 wall_us);
/* Dollars of the present month for an instance that cost @hourly_cost from @from_us to @to_us (wall). */
double bb_budget_cost_of (const BbBudget *self, gint64 from_us, gint64 to_us, double hourly_cost);

G_END_DECLS
