/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-open-instances.h"

#include "bb-ledger.h"
#include "bb-sqlite-store.h"

static void
print_row (GVariant *row)
{
  const char *backend = "", *instance_id = "", *slave = "", *state = "";
  gint64 requested_at_us = 0;
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *text = NULL;

  g_variant_lookup (row, "backend", "&s", &backend);
  g_variant_lookup (row, "instance_id", "&s", &instance_id);
  g_variant_lookup (row, "slave", "&s", &slave);
  g_variant_lookup (row, "state", "&s", &state);
  g_variant_lookup (row, "requested_at", "x", &requested_at_us);
  time = g_date_time_new_from_unix_utc (requested_at_us / G_USEC_PER_SEC);
  text = time != NULL ? g_date_time_format_iso8601 (time) : g_strdup ("?");
  g_print ("%s %s of slave %s, %s since %s\n", backend, *instance_id != '\0' ? instance_id : "(id unknown)", slave,
           state, text);
}

gboolean
bb_open_instances_print (const char *state_directory, GError **error)
{
  g_autoptr (GPtrArray) rows
    = bb_sqlite_store_peek (state_directory, &bb_table_instances, bb_ledger_open_condition (), "number", error);

  if (rows == NULL)
    return FALSE;
  for (guint i = 0; i < rows->len; i++)
    print_row (g_ptr_array_index (rows, i));
  return TRUE;
}
