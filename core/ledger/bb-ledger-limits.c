/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "bb-ledger-private.h"

/* Of the meta table: the month, and what share of its budget people were told of. */
#define BUDGET_KEY "budget-told"

/* Dollars per hour: far below any price, far above what adding thousands of them loses. */
#define COST_TOLERANCE 1e-9

double
bb_ledger_count_cost (BbLedger *self, double own_cost)
{
  return own_cost >= 0 ? own_cost : self->limits.default_hourly_cost;
}

void
bb_ledger_count_row (BbLedger *self, BbLedgerRow *row)
{
  row->counted_cost = row->running_since_us == 0 ? 0 : bb_ledger_count_cost (self, row->own_cost);
}

static double
sum_cost (BbLedger *self)
{
  GHashTableIter iter;
  BbLedgerRow *row;
  double sum = 0;

  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &row))
    sum += row->counted_cost;
  g_hash_table_iter_init (&iter, self->intended);
  while (g_hash_table_iter_next (&iter, (gpointer *) &row, NULL))
    sum += row->counted_cost;
  return sum;
}

static gint64
count_running (BbLedger *self)
{
  return (gint64) g_hash_table_size (self->rows) + g_hash_table_size (self->intended) - self->n_parked;
}

/* Dollars of the budget's month. */
static double
cost_until (BbLedger *self, BbLedgerRow *row, gint64 until_us)
{
  double cost = strcmp (row->spent_month, self->budget.month) == 0 ? row->spent : 0;

  if (row->running_since_us > 0)
    cost += bb_budget_cost_of (&self->budget, row->running_since_us, until_us, row->counted_cost);
  return cost;
}

double
bb_ledger_get_monthly_cost (BbLedger *self)
{
  gint64 now_us = bb_clock_get_wall_us (self->clock);
  GHashTableIter iter;
  BbLedgerRow *row;
  double sum;

  bb_budget_turn_to (&self->budget, now_us);
  sum = self->budget.closed_cost;
  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &row))
    sum += cost_until (self, row, now_us);
  return sum;
}

gboolean
bb_ledger_check_limits (BbLedger *self, double cost, GError **error)
{
  const BbLedgerLimits *limits = &self->limits;

  if (limits->max_instances > 0 && count_running (self) >= limits->max_instances)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_LIMIT,
                   "max_instances=%" G_GINT64_FORMAT " of [host] is reached; it waits until an instance is gone",
                   limits->max_instances);
      return FALSE;
    }
  if (limits->max_hourly_cost > 0 && sum_cost (self) + cost > limits->max_hourly_cost + COST_TOLERANCE)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_LIMIT,
                   "max_hourly_cost=%g of [host] would be exceeded: the open instances cost %g, one more %g; it waits "
                   "until instances are gone",
                   limits->max_hourly_cost, sum_cost (self), cost);
      return FALSE;
    }
  if (limits->max_monthly_cost > 0 && bb_ledger_get_monthly_cost (self) >= limits->max_monthly_cost)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_LIMIT,
                   "max_monthly_cost=%g of [host] is spent; it waits for the next month, or for a higher limit",
                   limits->max_monthly_cost);
      return FALSE;
    }
  return TRUE;
}

gboolean
bb_ledger_has_room (BbLedger *self)
{
  g_return_val_if_fail (BB_IS_LEDGER (self), FALSE);

  return bb_ledger_check_limits (self, 0, NULL);
}

void
bb_ledger_tell_room (BbLedger *self)
{
  if (!self->refused || !bb_ledger_has_room (self))
    return;
  self->refused = FALSE;
  g_signal_emit_by_name (self, "room");
}

void
bb_ledger_look_at_budget (BbLedger *self)
{
  double limit = self->limits.max_monthly_cost;
  double spent = limit > 0 ? bb_ledger_get_monthly_cost (self) : 0;
  guint reached = limit <= 0 || spent < 0.8 * limit ? 0 : spent < limit ? 80 : 100;

  if (reached > self->budget.warned)
    {
      g_autofree char *value = g_strdup_printf ("%s %u", self->budget.month, reached);
      GVariantDict row;

      self->budget.warned = reached;
      g_variant_dict_init (&row, NULL);
      g_variant_dict_insert (&row, "key", "s", BUDGET_KEY);
      g_variant_dict_insert (&row, "value", "s", value);
      bb_store_put_async (self->store, &bb_table_meta, g_variant_dict_end (&row), NULL, NULL, NULL);
      g_signal_emit_by_name (self, "budget", spent, limit);
    }
  bb_ledger_tell_room (self);
}

void
bb_ledger_note_spent (BbLedger *self, BbLedgerRow *row)
{
  gint64 now_us = bb_clock_get_wall_us (self->clock);

  bb_budget_turn_to (&self->budget, now_us);
  row->spent = cost_until (self, row, now_us);
  memcpy (row->spent_month, self->budget.month, sizeof row->spent_month);
}

void
bb_ledger_note_closed (BbLedger *self, BbLedgerRow *row)
{
  bb_budget_turn_to (&self->budget, bb_clock_get_wall_us (self->clock));
  self->budget.closed_cost += cost_until (self, row, row->closed_at_us);
}

static void
told_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);
  BbLedger *self = g_task_get_source_object (task);
  const char *value = "";

  if (rows == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  if (rows->len > 0 && g_variant_lookup (rows->pdata[0], "value", "&s", &value)
      && g_str_has_prefix (value, self->budget.month))
    self->budget.warned = (guint) g_ascii_strtoull (value + strlen (self->budget.month), NULL, 10);
  g_task_return_boolean (task, TRUE);
}

/* What this month's closed rows have cost. */
static void
month_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = bb_store_select_finish (BB_STORE (source), result, &error);
  BbLedger *self = g_task_get_source_object (task);

  if (rows == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < rows->len; i++)
    {
      g_autoptr (BbLedgerRow) row = bb_ledger_row_new_from_stored (rows->pdata[i]);

      row->counted_cost = bb_ledger_count_cost (self, row->own_cost);
      self->budget.closed_cost += cost_until (self, row, row->closed_at_us);
    }
  bb_store_select_async (self->store, &bb_table_meta, g_variant_new_parsed ("{'key': <%s>}", BUDGET_KEY), NULL, 1,
                         g_task_get_cancellable (task), told_read_cb, g_object_ref (task));
}

void
bb_ledger_load_budget (BbLedger *self, GTask *task)
{
  bb_budget_turn_to (&self->budget, bb_clock_get_wall_us (self->clock));
  bb_store_select_async (self->store, &bb_table_instances,
                         g_variant_new_parsed ("{'closed_month': <%s>}", self->budget.month), NULL, -1,
                         g_task_get_cancellable (task), month_read_cb, task);
}

void
bb_ledger_set_limits (BbLedger *self, const BbLedgerLimits *limits)
{
  GHashTableIter iter;
  BbLedgerRow *row;

  g_return_if_fail (BB_IS_LEDGER (self) && limits != NULL);

  self->limits = *limits;
  g_hash_table_iter_init (&iter, self->rows);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &row))
    bb_ledger_count_row (self, row);
  bb_ledger_tell_room (self);
}

double
bb_ledger_get_hourly_cost (BbLedger *self)
{
  g_return_val_if_fail (BB_IS_LEDGER (self), 0);

  return sum_cost (self);
}
