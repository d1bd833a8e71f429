/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-instance.h"

struct _BbInstance
{
  gatomicrefcount ref_count;
  char *id;
  char *token;
  char *slave_name;
  char *reason;
  char **resources;
  GVariant *details;
  double hourly_cost;
  BbInstanceState state;
};

G_DEFINE_BOXED_TYPE (BbInstance, bb_instance, bb_instance_ref, bb_instance_unref)

BbInstance *
bb_instance_new (const char *id, const char *token)
{
  BbInstance *self;

  g_return_val_if_fail (id != NULL, NULL);

  self = g_new0 (BbInstance, 1);
  g_atomic_ref_count_init (&self->ref_count);
  self->id = g_strdup (id);
  self->token = g_strdup (token);
  self->hourly_cost = -1.0;
  self->resources = g_new0 (char *, 1);
  return self;
}

BbInstance *
bb_instance_ref (BbInstance *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bb_instance_unref (BbInstance *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->id);
  g_free (self->token);
  g_free (self->slave_name);
  g_free (self->reason);
  g_strfreev (self->resources);
  g_clear_pointer (&self->details, g_variant_unref);
  g_free (self);
}

const char *
bb_instance_get_id (BbInstance *self)
{
  return self->id;
}

const char *
bb_instance_get_token (BbInstance *self)
{
  return self->token;
}

void
bb_instance_set_state (BbInstance *self, BbInstanceState state, const char *reason)
{
  char *copy = g_strdup (reason);

  self->state = state;
  g_free (self->reason);
  self->reason = copy;
}

BbInstanceState
bb_instance_get_state (BbInstance *self)
{
  return self->state;
}

const char *
bb_instance_get_reason (BbInstance *self)
{
  return self->reason;
}

void
bb_instance_set_slave_name (BbInstance *self, const char *slave_name)
{
  char *copy = g_strdup (slave_name);

  g_free (self->slave_name);
  self->slave_name = copy;
}

const char *
bb_instance_get_slave_name (BbInstance *self)
{
  return self->slave_name;
}

void
bb_instance_set_hourly_cost (BbInstance *self, double hourly_cost)
{
  self->hourly_cost = hourly_cost;
}

double
bb_instance_get_hourly_cost (BbInstance *self)
{
  return self->hourly_cost;
}

void
bb_instance_set_details (BbInstance *self, GVariant *details)
{
  g_return_if_fail (g_variant_is_of_type (details, G_VARIANT_TYPE_VARDICT));

  g_clear_pointer (&self->details, g_variant_unref);
  self->details = g_variant_ref_sink (details);
}

GVariant *
bb_instance_get_details (BbInstance *self)
{
  return self->details;
}

void
bb_instance_set_resources (BbInstance *self, const char *const *resources)
{
  char **copy;

  g_return_if_fail (resources != NULL);

  copy = g_strdupv ((char **) resources);
  g_strfreev (self->resources);
  self->resources = copy;
}

const char *const *
bb_instance_get_resources (BbInstance *self)
{
  return (const char *const *) self->resources;
}
