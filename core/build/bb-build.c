/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-build-private.h"

G_DEFINE_FINAL_TYPE (BbBuild, bb_build, G_TYPE_OBJECT)

static const char *const state_names[] = { "pending", "waiting-for-slave", "running", "finished" };
G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == BB_BUILD_FINISHED + 1);

const char *
bb_build_state_to_string (BbBuildState state)
{
  g_return_val_if_fail (state < G_N_ELEMENTS (state_names), "");

  return state_names[state];
}

static void
bb_build_finalize (GObject *object)
{
  BbBuild *self = BB_BUILD (object);

  g_free (self->builder);
  g_free (self->slave);
  g_free (self->wanted_slave);
  g_free (self->reason);
  g_clear_pointer (&self->request, g_variant_unref);
  g_clear_pointer (&self->properties, g_variant_unref);
  g_ptr_array_unref (self->steps);
  G_OBJECT_CLASS (bb_build_parent_class)->finalize (object);
}

static void
bb_build_class_init (BbBuildClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_build_finalize;
}

static void
bb_build_init (BbBuild *self)
{
  self->builder = g_strdup ("");
  self->slave = g_strdup ("");
  self->wanted_slave = g_strdup ("");
  self->reason = g_strdup ("");
  self->result = BB_RESULT_NONE;
  self->request = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  self->properties = g_variant_ref (self->request);
  self->steps = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_build_step_free);
}

static void
set_text (char **text, const char *value)
{
  char *copy = g_strdup (value); /* @value may be a part of *text */

  g_free (*text);
  *text = copy;
}

BbBuild *
bb_build_new (guint64 number, const char *builder, const char *wanted_slave, GVariant *request)
{
  BbBuild *self = g_object_new (BB_TYPE_BUILD, NULL);

  self->number = number;
  self->position = (gint64) number;
  set_text (&self->builder, builder);
  set_text (&self->wanted_slave, wanted_slave);
  g_variant_unref (self->request);
  self->request = g_variant_ref_sink (request);
  return self;
}

void
bb_build_set_reason (BbBuild *self, const char *reason)
{
  set_text (&self->reason, reason != NULL ? reason : "");
}

void
bb_build_set_slave (BbBuild *self, const char *slave)
{
  set_text (&self->slave, slave);
}

void
bb_build_set_properties (BbBuild *self, GVariant *properties)
{
  g_variant_ref_sink (properties);
  g_variant_unref (self->properties);
  self->properties = properties;
}

BbBuildStep *
bb_build_step_new (const char *name)
{
  BbBuildStep *self = g_new0 (BbBuildStep, 1);

  self->name = g_strdup (name);
  self->state = BB_BUILD_PENDING;
  self->result = BB_RESULT_NONE;
  self->exit_code = -1;
  self->text = g_strdup ("");
  self->logs = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
bb_build_step_free (BbBuildStep *self)
{
  g_free (self->name);
  g_free (self->text);
  g_ptr_array_unref (self->logs);
  g_free (self);
}

gboolean
bb_build_step_has_log (const BbBuildStep *self, const char *log)
{
  return g_ptr_array_find_with_equal_func (self->logs, log, g_str_equal, NULL);
}

guint64
bb_build_get_number (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), 0);

  return self->number;
}

const char *
bb_build_get_builder (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), NULL);

  return self->builder;
}

const char *
bb_build_get_slave_name (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), NULL);

  return *self->slave != '\0' ? self->slave : self->wanted_slave;
}

BbBuildState
bb_build_get_state (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), BB_BUILD_FINISHED);

  return self->state;
}

BbResult
bb_build_get_result (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), BB_RESULT_NONE);

  return self->result;
}

GVariant *
bb_build_get_properties (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), NULL);

  return self->properties;
}

GPtrArray *
bb_build_get_steps (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), NULL);

  return self->steps;
}

gint64
bb_build_get_submitted_at_us (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), 0);

  return self->submitted_at_us;
}

gint64
bb_build_get_started_at_us (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), 0);

  return self->started_at_us;
}

gint64
bb_build_get_finished_at_us (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), 0);

  return self->finished_at_us;
}

guint64
bb_build_get_build_set (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), 0);

  return (guint64) self->build_set;
}

const char *
bb_build_get_reason (BbBuild *self)
{
  g_return_val_if_fail (BB_IS_BUILD (self), NULL);

  if (self->state < BB_BUILD_RUNNING && self->explain != NULL)
    {
      g_autofree char *reason = self->explain (self, self->explain_data);

      bb_build_set_reason (self, reason);
    }
  return self->reason;
}
