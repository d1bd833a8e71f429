/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-ec2-attach.h"

#include <bbhost/bbhost.h>

#include "bb-ec2-api.h"
#include "bb-ec2-error.h"

#define PATIENCE 120
#define SHORT_PAUSE 2

typedef struct
{
  char *instance_id;
  char *address;    /* (nullable): else a volume */
  char *allocation; /* (nullable) */
  char *volume;
  char *device;
  double refused_since; /* of bb_delay_get_now(); negative: not */
} Attach;

static void try_it (GTask *task);

static void
attach_free (gpointer data)
{
  Attach *attach = data;

  g_free (attach->instance_id);
  g_free (attach->address);
  g_free (attach->allocation);
  g_free (attach->volume);
  g_free (attach->device);
  g_free (attach);
}

/* Consumes @query. */
static void
call (GTask *task, BbEc2Query *query, GAsyncReadyCallback callback)
{
  bb_ec2_client_call_async (bb_ec2_account_get_client (g_task_get_source_object (task)), query, BB_EC2_CALL_PATIENT,
                            g_task_get_cancellable (task), callback, task);
  bb_ec2_query_unref (query);
}

static void
pause_over_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;

  if (bb_delay_finish (result, NULL))
    try_it (task);
  else
    {
      g_task_return_error_if_cancelled (task);
      g_object_unref (task);
    }
}

static gboolean
have_patience (Attach *attach, const GError *error)
{
  double now = bb_delay_get_now ();

  if (!g_error_matches (error, BB_EC2_ERROR, BB_EC2_ERROR_NOT_YET)
      && !bb_ec2_error_has_code (error, "InvalidInstanceID.NotFound")
      && !bb_ec2_error_has_code (error, "Resource.AlreadyAssociated"))
    return FALSE;
  if (attach->refused_since < 0)
    attach->refused_since = now;
  return now - attach->refused_since < PATIENCE;
}

static void
attached_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document == NULL && have_patience (g_task_get_task_data (task), error))
    {
      g_error_free (error);
      bb_delay_async (SHORT_PAUSE, g_task_get_cancellable (task), pause_over_cb, task);
      return;
    }
  if (document != NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
  g_object_unref (task);
}

static gboolean
is_attached (BbEc2Document *document, const char *instance_id)
{
  g_autoptr (GPtrArray) attachments = g_ptr_array_new_with_free_func ((GDestroyNotify) bb_ec2_attachment_free);

  bb_ec2_api_parse_attachments (bb_ec2_document_get_root (document), attachments);
  for (guint i = 0; i < attachments->len; i++)
    if (g_strcmp0 (((const BbEc2Attachment *) attachments->pdata[i])->instance, instance_id) == 0)
      return TRUE;
  return FALSE;
}

static void
volume_described_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  const Attach *attach = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (BbEc2Document) document = bb_ec2_client_call_finish (BB_EC2_CLIENT (source), result, &error);

  if (document != NULL && !is_attached (document, attach->instance_id))
    {
      call (task, bb_ec2_api_attach_volume (attach->volume, attach->instance_id, attach->device), attached_cb);
      return;
    }
  if (document != NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
  g_object_unref (task);
}

static void
try_it (GTask *task)
{
  const Attach *attach = g_task_get_task_data (task);

  if (attach->address != NULL)
    call (task, bb_ec2_api_associate_address (attach->allocation, attach->address, attach->instance_id), attached_cb);
  else
    call (task, bb_ec2_api_describe_volume (attach->volume), volume_described_cb);
}

static GTask *
new_task (BbEc2Account *account, const char *instance_id, GCancellable *cancellable, GAsyncReadyCallback callback,
          gpointer user_data, Attach **attach)
{
  GTask *task = g_task_new (account, cancellable, callback, user_data);

  *attach = g_new0 (Attach, 1);
  (*attach)->instance_id = g_strdup (instance_id);
  (*attach)->refused_since = -1;
  g_task_set_task_data (task, *attach, attach_free);
  return task;
}

void
bb_ec2_attach_address_async (BbEc2Account *account, const char *address, const char *allocation, const char *instance_id,
                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Attach *attach;
  GTask *task = new_task (account, instance_id, cancellable, callback, user_data, &attach);

  attach->address = g_strdup (address);
  attach->allocation = g_strdup (allocation);
  try_it (task);
}

void
bb_ec2_attach_volume_async (BbEc2Account *account, const char *volume, const char *device, const char *instance_id,
                            GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  Attach *attach;
  GTask *task = new_task (account, instance_id, cancellable, callback, user_data, &attach);

  attach->volume = g_strdup (volume);
  attach->device = g_strdup (device);
  try_it (task);
}

gboolean
bb_ec2_attach_finish (BbEc2Account *account, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, account), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
