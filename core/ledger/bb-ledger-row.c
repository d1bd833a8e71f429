/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ledger-row.h"

#include "bb-ledger-row-private.h"

#include "bb-budget.h"

G_DEFINE_FINAL_TYPE (BbLedgerRow, bb_ledger_row, G_TYPE_OBJECT)

static const char *const state_names[] = {
  [BB_ROW_INTENDED] = "intended", [BB_ROW_REQUESTED] = "requested", [BB_ROW_RUNNING] = "running",
  [BB_ROW_PARKED] = "parked",     [BB_ROW_STOPPING] = "stopping",   [BB_ROW_CLOSED] = "closed",
};

const char *
bb_row_state_to_string (BbRowState state)
{
  g_return_val_if_fail ((guint) state < G_N_ELEMENTS (state_names), "");

  return state_names[state];
}

static BbRowState
state_from_string (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (state_names); i++)
    if (g_str_equal (name, state_names[i]))
      return i;
  /* Whatever it means, the backend may have been called. */
  return BB_ROW_REQUESTED;
}

static void
bb_ledger_row_finalize (GObject *object)
{
  BbLedgerRow *self = BB_LEDGER_ROW (object);

  g_free (self->token);
  g_free (self->slave_name);
  g_free (self->backend);
  g_free (self->scope);
  g_free (self->instance_id);
  g_free (self->password);
  g_free (self->why);
  g_free (self->made_with);
  g_variant_unref (self->details);
  g_ptr_array_unref (self->resources);

  G_OBJECT_CLASS (bb_ledger_row_parent_class)->finalize (object);
}

static void
bb_ledger_row_class_init (BbLedgerRowClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_ledger_row_finalize;
}

static void
bb_ledger_row_init (BbLedgerRow *self)
{
  self->resources = g_ptr_array_new_with_free_func (g_free);
  g_ptr_array_add (self->resources, NULL);
  self->own_cost = -1;
  self->instance_id = g_strdup ("");
  self->password = g_strdup ("");
  self->why = g_strdup ("");
  self->made_with = g_strdup ("");
  self->details = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
}

BbLedgerRow *
bb_ledger_row_new (guint64 number, const char *token, const char *slave_name, const char *backend, const char *scope)
{
  BbLedgerRow *self = g_object_new (BB_TYPE_LEDGER_ROW, NULL);

  self->number = number;
  self->token = g_strdup (token);
  self->slave_name = g_strdup (slave_name);
  self->backend = g_strdup (backend);
  self->scope = g_strdup (scope);
  return self;
}

/* A text that is not there leaves *@text as it is. */
static void
look_up_text (GVariant *stored, const char *column, char **text)
{
  g_autofree char *found = NULL;

  if (g_variant_lookup (stored, column, "s", &found))
    {
      g_free (*text);
      *text = g_steal_pointer (&found);
    }
}

BbLedgerRow *
bb_ledger_row_new_from_stored (GVariant *stored)
{
  BbLedgerRow *self = bb_ledger_row_new (0, "", "", "", "");
  g_autofree char *state = NULL;
  g_autofree const char **resources = NULL;
  GVariant *details = NULL;
  const char *spent_month = "";
  gint64 number = 0;

  g_variant_lookup (stored, "number", "x", &number);
  self->number = (guint64) number;
  look_up_text (stored, "token", &self->token);
  look_up_text (stored, "slave", &self->slave_name);
  look_up_text (stored, "backend", &self->backend);
  look_up_text (stored, "scope", &self->scope);
  look_up_text (stored, "instance_id", &self->instance_id);
  look_up_text (stored, "password", &self->password);
  look_up_text (stored, "why", &self->why);
  look_up_text (stored, "made_with", &self->made_with);
  look_up_text (stored, "state", &state);
  self->state = state_from_string (state != NULL ? state : "");
  g_variant_lookup (stored, "hourly_cost", "d", &self->own_cost);
  g_variant_lookup (stored, "requested_at", "x", &self->requested_at_us);
  if (!g_variant_lookup (stored, "running_since", "x", &self->running_since_us))
    self->running_since_us = self->requested_at_us;
  g_variant_lookup (stored, "spent", "d", &self->spent);
  g_variant_lookup (stored, "spent_month", "&s", &spent_month);
  g_strlcpy (self->spent_month, spent_month, sizeof self->spent_month);
  g_variant_lookup (stored, "confirmed_at", "x", &self->confirmed_at_us);
  g_variant_lookup (stored, "stopping_at", "x", &self->stopping_at_us);
  g_variant_lookup (stored, "closed_at", "x", &self->closed_at_us);
  if (g_variant_lookup (stored, "details", "@a{sv}", &details))
    {
      g_variant_unref (self->details);
      self->details = details;
    }
  if (g_variant_lookup (stored, "resources", "^a&s", &resources))
    for (guint i = 0; resources[i] != NULL; i++)
      bb_ledger_row_add_resource (self, resources[i]);
  self->inherited = TRUE;
  return self;
}

/* @value: floating. Without a format string to parse, since every change of every row comes by here. */
static void
add_column (GVariantBuilder *row, const char *name, GVariant *value)
{
  g_variant_builder_add_value (row, g_variant_new_dict_entry (g_variant_new_string (name),
                                                              g_variant_new_variant (value)));
}

static void
add_text (GVariantBuilder *row, const char *name, const char *text)
{
  add_column (row, name, g_variant_new_string (text));
}

GVariant *
bb_ledger_row_to_stored (BbLedgerRow *self)
{
  char month[8];
  GVariantBuilder row;

  g_variant_builder_init (&row, G_VARIANT_TYPE_VARDICT);
  add_column (&row, "number", g_variant_new_int64 ((gint64) self->number));
  add_text (&row, "token", self->token);
  add_text (&row, "slave", self->slave_name);
  add_text (&row, "backend", self->backend);
  add_text (&row, "scope", self->scope);
  add_text (&row, "state", state_names[self->closing ? BB_ROW_CLOSED : self->state]);
  add_text (&row, "instance_id", self->instance_id);
  /* Nobody logs in with it any more. */
  add_text (&row, "password", self->closing ? "" : self->password);
  add_column (&row, "resources",
              g_variant_new_strv ((const char *const *) self->resources->pdata, self->resources->len - 1));
  add_column (&row, "hourly_cost", g_variant_new_double (self->own_cost));
  add_column (&row, "requested_at", g_variant_new_int64 (self->requested_at_us));
  add_column (&row, "running_since", g_variant_new_int64 (self->running_since_us));
  add_column (&row, "spent", g_variant_new_double (self->spent));
  add_text (&row, "spent_month", self->spent_month);
  add_column (&row, "details", self->details);
  add_text (&row, "made_with", self->made_with);
  add_column (&row, "confirmed_at", g_variant_new_int64 (self->confirmed_at_us));
  add_column (&row, "stopping_at", g_variant_new_int64 (self->stopping_at_us));
  add_column (&row, "closed_at", g_variant_new_int64 (self->closed_at_us));
  if (self->closed_at_us != 0)
    {
      bb_budget_month_of (self->closed_at_us, month);
      add_text (&row, "closed_month", month);
    }
  add_text (&row, "why", self->why);
  return g_variant_builder_end (&row);
}

gboolean
bb_ledger_row_add_resource (BbLedgerRow *self, const char *resource)
{
  if (g_strv_contains ((const char *const *) self->resources->pdata, resource))
    return FALSE;
  g_ptr_array_insert (self->resources, (gint) self->resources->len - 1, g_strdup (resource));
  return TRUE;
}

void
bb_ledger_row_take_instance (BbLedgerRow *self, BbInstance *instance)
{
  const char *const *resources = bb_instance_get_resources (instance);

  if (*bb_instance_get_id (instance) != '\0')
    {
      g_free (self->instance_id);
      self->instance_id = g_strdup (bb_instance_get_id (instance));
    }
  if (bb_instance_get_details (instance) != NULL)
    {
      g_variant_unref (self->details);
      self->details = g_variant_ref (bb_instance_get_details (instance));
    }
  if (bb_instance_get_hourly_cost (instance) >= 0)
    self->own_cost = bb_instance_get_hourly_cost (instance);
  for (guint i = 0; resources[i] != NULL; i++)
    bb_ledger_row_add_resource (self, resources[i]);
}

guint64
bb_ledger_row_get_number (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), 0);

  return self->number;
}

const char *
bb_ledger_row_get_token (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->token;
}

const char *
bb_ledger_row_get_slave_name (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->slave_name;
}

const char *
bb_ledger_row_get_backend (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->backend;
}

const char *
bb_ledger_row_get_scope (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->scope;
}

BbRowState
bb_ledger_row_get_state (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), BB_ROW_CLOSED);

  return self->state;
}

const char *
bb_ledger_row_get_instance_id (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->instance_id;
}

const char *
bb_ledger_row_get_password (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->password;
}

const char *const *
bb_ledger_row_get_resources (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return (const char *const *) self->resources->pdata;
}

double
bb_ledger_row_get_hourly_cost (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), 0);

  return self->counted_cost;
}

GVariant *
bb_ledger_row_get_details (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->details;
}

const char *
bb_ledger_row_get_made_with (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->made_with;
}

gint64
bb_ledger_row_get_requested_at_us (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), 0);

  return self->requested_at_us;
}

gint64
bb_ledger_row_get_born_us (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), 0);

  return self->born_us;
}

gint64
bb_ledger_row_get_confirmed_at_us (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), 0);

  return self->confirmed_at_us;
}

const char *
bb_ledger_row_get_why (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  return self->why;
}

gboolean
bb_ledger_row_is_inherited (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), FALSE);

  return self->inherited;
}

gboolean
bb_ledger_row_is_closing (BbLedgerRow *self)
{
  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), TRUE);

  return self->closing;
}

BbInstance *
bb_ledger_row_to_instance (BbLedgerRow *self)
{
  static const BbInstanceState states[] = {
    [BB_ROW_INTENDED] = BB_INSTANCE_STARTING, [BB_ROW_REQUESTED] = BB_INSTANCE_STARTING,
    [BB_ROW_RUNNING] = BB_INSTANCE_ALIVE,     [BB_ROW_PARKED] = BB_INSTANCE_PARKED,
    [BB_ROW_STOPPING] = BB_INSTANCE_STOPPING, [BB_ROW_CLOSED] = BB_INSTANCE_GONE,
  };
  BbInstance *instance;

  g_return_val_if_fail (BB_IS_LEDGER_ROW (self), NULL);

  instance = bb_instance_new (self->instance_id, self->token);
  bb_instance_set_state (instance, states[self->state], NULL);
  bb_instance_set_slave_name (instance, self->slave_name);
  bb_instance_set_hourly_cost (instance, self->own_cost);
  bb_instance_set_resources (instance, (const char *const *) self->resources->pdata);
  return instance;
}
