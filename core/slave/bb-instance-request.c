/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-instance-request-private.h"

#include "bb-error.h"
#include "bb-interpolate.h"

struct _BbInstanceRequest
{
  GObject parent_instance;

  char *slave_name;
  char *token;
  char *password;
  char *host_name;
  char *master_host;
  char *protocol;
  char *state_directory;
  char *parked_id;
  GVariant *tags;
  GVariant *properties;
  guint16 master_port;
  gboolean tls;

  BbRecordResourceFunc record;
  BbReportInstanceFunc report;
  gpointer record_data;
  GDestroyNotify record_destroy;
};

G_DEFINE_FINAL_TYPE (BbInstanceRequest, bb_instance_request, G_TYPE_OBJECT)

static void
bb_instance_request_finalize (GObject *object)
{
  BbInstanceRequest *self = BB_INSTANCE_REQUEST (object);

  bb_instance_request_set_recorder (self, NULL, NULL, NULL, NULL);
  g_free (self->slave_name);
  g_free (self->token);
  g_free (self->password);
  g_free (self->host_name);
  g_free (self->master_host);
  g_free (self->protocol);
  g_free (self->state_directory);
  g_free (self->parked_id);
  g_clear_pointer (&self->tags, g_variant_unref);
  g_clear_pointer (&self->properties, g_variant_unref);
  G_OBJECT_CLASS (bb_instance_request_parent_class)->finalize (object);
}

static void
bb_instance_request_class_init (BbInstanceRequestClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bb_instance_request_finalize;
}

static void
bb_instance_request_init (BbInstanceRequest *self)
{
}

static GVariant *
make_tags (const BbInstanceRequestParameters *parameters)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{ss}"));
  g_variant_builder_add (&builder, "{ss}", "bbhost:host", parameters->host_name);
  g_variant_builder_add (&builder, "{ss}", "bbhost:store", parameters->store_id);
  g_variant_builder_add (&builder, "{ss}", "bbhost:token", parameters->token);
  g_variant_builder_add (&builder, "{ss}", "bbhost:slave", parameters->slave_name);
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

BbInstanceRequest *
bb_instance_request_new (const BbInstanceRequestParameters *parameters)
{
  BbInstanceRequest *self = g_object_new (BB_TYPE_INSTANCE_REQUEST, NULL);

  self->slave_name = g_strdup (parameters->slave_name);
  self->token = g_strdup (parameters->token);
  self->password = g_strdup (parameters->password);
  self->host_name = g_strdup (parameters->host_name);
  self->master_host = g_strdup (parameters->master_host);
  self->master_port = parameters->master_port;
  self->protocol = g_strdup (parameters->protocol);
  self->tls = parameters->tls;
  self->state_directory = g_strdup (parameters->state_directory);
  self->parked_id = g_strdup (parameters->parked_id);
  self->tags = make_tags (parameters);
  self->properties = g_variant_ref_sink (parameters->properties);
  return self;
}

void
bb_instance_request_set_recorder (BbInstanceRequest *self, BbRecordResourceFunc record, BbReportInstanceFunc report,
                                  gpointer user_data, GDestroyNotify destroy)
{
  gpointer old_data = self->record_data;
  GDestroyNotify old_destroy = self->record_destroy;

  self->record = record;
  self->report = report;
  self->record_data = user_data;
  self->record_destroy = destroy;
  if (old_destroy != NULL)
    old_destroy (old_data);
}

const char *
bb_instance_request_get_slave_name (BbInstanceRequest *self)
{
  return self->slave_name;
}

const char *
bb_instance_request_get_token (BbInstanceRequest *self)
{
  return self->token;
}

const char *
bb_instance_request_get_password (BbInstanceRequest *self)
{
  return self->password;
}

const char *
bb_instance_request_get_master_host (BbInstanceRequest *self)
{
  return self->master_host;
}

guint16
bb_instance_request_get_master_port (BbInstanceRequest *self)
{
  return self->master_port;
}

const char *
bb_instance_request_get_protocol (BbInstanceRequest *self)
{
  return self->protocol;
}

gboolean
bb_instance_request_get_tls (BbInstanceRequest *self)
{
  return self->tls;
}

GVariant *
bb_instance_request_get_tags (BbInstanceRequest *self)
{
  return self->tags;
}

GVariant *
bb_instance_request_get_properties (BbInstanceRequest *self)
{
  return self->properties;
}

const char *
bb_instance_request_get_parked_id (BbInstanceRequest *self)
{
  return self->parked_id;
}

const char *
bb_instance_request_get_state_directory (BbInstanceRequest *self)
{
  return self->state_directory;
}

static char *
property_to_string (GVariant *properties, const char *name)
{
  g_autoptr (GVariant) value = g_variant_lookup_value (properties, name, NULL);

  if (value == NULL)
    return NULL;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  return g_variant_print (value, FALSE);
}

static char *
master_to_string (BbInstanceRequest *self, const char *name)
{
  if (g_str_equal (name, "host"))
    return g_strdup (self->master_host);
  if (g_str_equal (name, "port"))
    return g_strdup_printf ("%u", self->master_port);
  if (g_str_equal (name, "protocol"))
    return g_strdup (self->protocol);
  return g_strdup (self->tls ? "true" : "false");
}

static char *
lookup_for_interpolation (const char *scope, const char *name, gpointer user_data)
{
  BbInstanceRequest *self = user_data;

  if (g_str_equal (scope, "prop"))
    return property_to_string (self->properties, name);
  if (g_str_equal (scope, "slave") && g_str_equal (name, "name"))
    return g_strdup (self->slave_name);
  if (g_str_equal (scope, "slave") && g_str_equal (name, "password"))
    return g_strdup (self->password);
  if (g_str_equal (scope, "host") && g_str_equal (name, "name"))
    return g_strdup (self->host_name);
  if (g_str_equal (scope, "master"))
    return master_to_string (self, name);
  return NULL;
}

char *
bb_instance_request_interpolate (BbInstanceRequest *self, const char *text, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  char *filled_in;

  g_return_val_if_fail (BB_IS_INSTANCE_REQUEST (self), NULL);

  filled_in = bb_interpolate (text, lookup_for_interpolation, self, &local_error);
  if (filled_in == NULL)
    g_set_error_literal (error, BB_ERROR, BB_ERROR_PERMANENT, local_error->message);
  return filled_in;
}

static void
row_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

static void
return_closed (BbInstanceRequest *self, GTask *task)
{
  g_task_return_new_error (task, BB_ERROR, BB_ERROR_WRONG_STATE, "slave %s: the instance's row is closed already",
                           self->slave_name);
}

void
bb_instance_request_record_async (BbInstanceRequest *self, const char *resource, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (BB_IS_INSTANCE_REQUEST (self));
  g_return_if_fail (resource != NULL);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_instance_request_record_async);
  if (self->record == NULL)
    return_closed (self, task);
  else
    self->record (resource, cancellable, row_written_cb, g_steal_pointer (&task), self->record_data);
}

gboolean
bb_instance_request_record_finish (BbInstanceRequest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
bb_instance_request_report_async (BbInstanceRequest *self, BbInstance *instance, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (BB_IS_INSTANCE_REQUEST (self));
  g_return_if_fail (instance != NULL);

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, bb_instance_request_report_async);
  if (self->report == NULL)
    return_closed (self, task);
  else
    self->report (instance, cancellable, row_written_cb, g_steal_pointer (&task), self->record_data);
}

gboolean
bb_instance_request_report_finish (BbInstanceRequest *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
