/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-private.h"

static void
add_text (GVariantBuilder *row, const char *column, const char *value)
{
  g_variant_builder_add (row, "{sv}", column, g_variant_new_string (value));
}

static void
add_integer (GVariantBuilder *row, const char *column, gint64 value)
{
  g_variant_builder_add (row, "{sv}", column, g_variant_new_int64 (value));
}

GVariant *
bb_build_to_row (BbBuild *self)
{
  GVariantBuilder row = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_integer (&row, "number", (gint64) self->number);
  add_text (&row, "builder", self->builder);
  add_text (&row, "slave", self->slave);
  add_text (&row, "wanted_slave", self->wanted_slave);
  add_text (&row, "state", bb_build_state_to_string (self->state));
  add_text (&row, "result", bb_result_to_string (self->result));
  add_text (&row, "reason", self->reason);
  add_integer (&row, "submitted_at", self->submitted_at_us);
  add_integer (&row, "started_at", self->started_at_us);
  add_integer (&row, "finished_at", self->finished_at_us);
  g_variant_builder_add (&row, "{sv}", "properties", self->properties);
  g_variant_builder_add (&row, "{sv}", "request", self->request);
  add_integer (&row, "position", self->position);
  add_integer (&row, "attempts", self->attempts);
  if (self->build_set != 0)
    add_integer (&row, "build_set", self->build_set);
  return g_variant_builder_end (&row);
}

GVariant *
bb_build_step_to_row (BbBuild *self, guint position)
{
  const BbBuildStep *step = g_ptr_array_index (self->steps, position);
  GVariantBuilder row = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_integer (&row, "build", (gint64) self->number);
  add_integer (&row, "position", position);
  add_text (&row, "name", step->name);
  add_text (&row, "state", bb_build_state_to_string (step->state));
  add_text (&row, "result", bb_result_to_string (step->result));
  add_integer (&row, "exit_code", step->exit_code);
  add_text (&row, "text", step->text);
  add_integer (&row, "started_at", step->started_at_us);
  add_integer (&row, "finished_at", step->finished_at_us);
  g_variant_builder_add (&row, "{sv}", "logs",
                         g_variant_new_strv ((const char *const *) step->logs->pdata, (gssize) step->logs->len));
  return g_variant_builder_end (&row);
}

static const char *
get_text (GVariant *row, const char *column)
{
  const char *value = "";

  g_variant_lookup (row, column, "&s", &value);
  return value;
}

static gint64
get_integer (GVariant *row, const char *column)
{
  gint64 value = 0;

  g_variant_lookup (row, column, "x", &value);
  return value;
}

static GVariant *
get_dictionary (GVariant *row, const char *column)
{
  GVariant *value = g_variant_lookup_value (row, column, G_VARIANT_TYPE_VARDICT);

  return value != NULL ? value : g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
}

static BbBuildState
state_from_string (const char *text)
{
  for (BbBuildState state = BB_BUILD_PENDING; state < BB_BUILD_FINISHED; state++)
    if (g_str_equal (text, bb_build_state_to_string (state)))
      return state;
  return BB_BUILD_FINISHED;
}

BbBuild *
bb_build_new_from_row (GVariant *row)
{
  g_autoptr (GVariant) request = get_dictionary (row, "request");
  g_autoptr (GVariant) properties = get_dictionary (row, "properties");
  BbBuild *self = bb_build_new ((guint64) get_integer (row, "number"), get_text (row, "builder"),
                                get_text (row, "wanted_slave"), request);

  bb_build_set_slave (self, get_text (row, "slave"));
  bb_build_set_reason (self, get_text (row, "reason"));
  bb_build_set_properties (self, properties);
  self->state = state_from_string (get_text (row, "state"));
  self->result = bb_result_from_string (get_text (row, "result"));
  self->submitted_at_us = get_integer (row, "submitted_at");
  self->started_at_us = get_integer (row, "started_at");
  self->finished_at_us = get_integer (row, "finished_at");
  self->position = get_integer (row, "position");
  self->attempts = get_integer (row, "attempts");
  self->build_set = get_integer (row, "build_set");
  return self;
}

BbBuildStep *
bb_build_step_new_from_row (GVariant *row)
{
  BbBuildStep *self = bb_build_step_new (get_text (row, "name"));
  g_autofree const char **logs = NULL;

  self->state = state_from_string (get_text (row, "state"));
  self->result = bb_result_from_string (get_text (row, "result"));
  self->exit_code = (gint) get_integer (row, "exit_code");
  self->started_at_us = get_integer (row, "started_at");
  self->finished_at_us = get_integer (row, "finished_at");
  g_free (self->text);
  self->text = g_strdup (get_text (row, "text"));
  g_variant_lookup (row, "logs", "^a&s", &logs);
  for (guint i = 0; logs != NULL && logs[i] != NULL; i++)
    g_ptr_array_add (self->logs, g_strdup (logs[i]));
  return self;
}

static void
add_time (GVariantBuilder *dict, const char *key, gint64 time_us)
{
  g_variant_builder_add (dict, "{sv}", key, g_variant_new_uint64 ((guint64) MAX (time_us, 0)));
}

static GVariant *
describe_step (const BbBuildStep *step)
{
  GVariantBuilder dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_text (&dict, "name", step->name);
  add_text (&dict, "state", bb_build_state_to_string (step->state));
  add_text (&dict, "result", bb_result_to_string (step->result));
  g_variant_builder_add (&dict, "{sv}", "exit_code", g_variant_new_int32 (step->exit_code));
  add_text (&dict, "text", step->text);
  add_time (&dict, "started_at", step->started_at_us);
  add_time (&dict, "finished_at", step->finished_at_us);
  g_variant_builder_add (&dict, "{sv}", "logs",
                         g_variant_new_strv ((const char *const *) step->logs->pdata, (gssize) step->logs->len));
  return g_variant_builder_end (&dict);
}

GVariant *
bb_build_describe_steps (BbBuild *self)
{
  GVariantBuilder steps = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < self->steps->len; i++)
    g_variant_builder_add_value (&steps, describe_step (g_ptr_array_index (self->steps, i)));
  return g_variant_builder_end (&steps);
}

GVariant *
bb_build_describe (BbBuild *self)
{
  GVariantBuilder dict = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&dict, "{sv}", "number", g_variant_new_uint64 (self->number));
  add_text (&dict, "builder", self->builder);
  add_text (&dict, "slave", bb_build_get_slave_name (self));
  add_text (&dict, "state", bb_build_state_to_string (self->state));
  add_text (&dict, "result", bb_result_to_string (self->result));
  add_text (&dict, "reason", bb_build_get_reason (self));
  add_time (&dict, "submitted_at", self->submitted_at_us);
  add_time (&dict, "started_at", self->started_at_us);
  add_time (&dict, "finished_at", self->finished_at_us);
  g_variant_builder_add (&dict, "{sv}", "build_set", g_variant_new_uint64 ((guint64) self->build_set));
  g_variant_builder_add (&dict, "{sv}", "properties", self->properties);
  g_variant_builder_add (&dict, "{sv}", "steps", bb_build_describe_steps (self));
  return g_variant_builder_end (&dict);
}
