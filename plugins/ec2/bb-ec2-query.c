/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-query.h"

#include <string.h>

#define EC2_VERSION "2016-11-15"

typedef struct
{
  char *name;
  char *value;
} Parameter;

struct _BbEc2Query
{
  gatomicrefcount ref_count;
  char *action;
  char *version;
  GArray *parameters; /* of Parameter */
  guint n_filters;
};

static void
parameter_clear (gpointer data)
{
  Parameter *parameter = data;

  g_free (parameter->name);
  g_free (parameter->value);
}

BbEc2Query *
bb_ec2_query_new (const char *action)
{
  BbEc2Query *self = g_new0 (BbEc2Query, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->action = g_strdup (action);
  self->version = g_strdup (EC2_VERSION);
  self->parameters = g_array_new (FALSE, FALSE, sizeof (Parameter));
  g_array_set_clear_func (self->parameters, parameter_clear);
  return self;
}

BbEc2Query *
bb_ec2_query_ref (BbEc2Query *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
bb_ec2_query_unref (BbEc2Query *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;
  g_free (self->action);
  g_free (self->version);
  g_array_unref (self->parameters);
  g_free (self);
}

BbEc2Query *
bb_ec2_query_copy (BbEc2Query *self)
{
  BbEc2Query *copy = bb_ec2_query_new (self->action);

  bb_ec2_query_set_version (copy, self->version);
  for (guint i = 0; i < self->parameters->len; i++)
    {
      const Parameter *parameter = &g_array_index (self->parameters, Parameter, i);

      bb_ec2_query_add (copy, parameter->name, parameter->value);
    }
  copy->n_filters = self->n_filters;
  return copy;
}

const char *
bb_ec2_query_get_action (BbEc2Query *self)
{
  return self->action;
}

void
bb_ec2_query_set_version (BbEc2Query *self, const char *version)
{
  g_free (self->version);
  self->version = g_strdup (version);
}

void
bb_ec2_query_add (BbEc2Query *self, const char *name, const char *value)
{
  Parameter parameter = { g_strdup (name), g_strdup (value) };

  g_array_append_val (self->parameters, parameter);
}

void
bb_ec2_query_add_printf (BbEc2Query *self, const char *value, const char *format, ...)
{
  Parameter parameter = { NULL, g_strdup (value) };
  va_list arguments;

  va_start (arguments, format);
  parameter.name = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_array_append_val (self->parameters, parameter);
}

void
bb_ec2_query_add_list (BbEc2Query *self, const char *name, const char *const *values)
{
  for (guint i = 0; values != NULL && values[i] != NULL; i++)
    bb_ec2_query_add_printf (self, values[i], "%s.%u", name, i + 1);
}

void
bb_ec2_query_add_filter (BbEc2Query *self, const char *name, const char *const *values)
{
  guint number = ++self->n_filters;

  bb_ec2_query_add_printf (self, name, "Filter.%u.Name", number);
  for (guint i = 0; values[i] != NULL; i++)
    bb_ec2_query_add_printf (self, values[i], "Filter.%u.Value.%u", number, i + 1);
}

static Parameter *
find_parameter (BbEc2Query *self, const char *name)
{
  for (guint i = 0; i < self->parameters->len; i++)
    {
      Parameter *parameter = &g_array_index (self->parameters, Parameter, i);

      if (g_str_equal (parameter->name, name))
        return parameter;
    }
  return NULL;
}

void
bb_ec2_query_set (BbEc2Query *self, const char *name, const char *value)
{
  Parameter *parameter = find_parameter (self, name);

  if (parameter == NULL)
    {
      bb_ec2_query_add (self, name, value);
      return;
    }
  g_free (parameter->value);
  parameter->value = g_strdup (value);
}

const char *
bb_ec2_query_get (BbEc2Query *self, const char *name)
{
  const Parameter *parameter = find_parameter (self, name);

  return parameter != NULL ? parameter->value : NULL;
}

static void
append_encoded (GString *body, const char *text)
{
  g_autofree char *escaped = g_uri_escape_string (text, NULL, FALSE);
  const char *rest = escaped;

  for (const char *space; (space = strstr (rest, "%20")) != NULL; rest = space + 3)
    {
      g_string_append_len (body, rest, space - rest);
      g_string_append_c (body, '+');
    }
  g_string_append (body, rest);
}

char *
bb_ec2_query_encode (BbEc2Query *self)
{
  GString *body = g_string_new ("Action=");

  append_encoded (body, self->action);
  g_string_append (body, "&Version=");
  append_encoded (body, self->version);
  for (guint i = 0; i < self->parameters->len; i++)
    {
      const Parameter *parameter = &g_array_index (self->parameters, Parameter, i);

      g_string_append_c (body, '&');
      append_encoded (body, parameter->name);
      g_string_append_c (body, '=');
      append_encoded (body, parameter->value);
    }
  return g_string_free (body, FALSE);
}
