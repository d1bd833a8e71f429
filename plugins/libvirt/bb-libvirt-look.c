/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-look.h"

#include <bbhost/bb-error.h>

#define MAX_DEFINITION (4 * 1024 * 1024)

void
bb_libvirt_look_free (gpointer self)
{
  BbLibvirtLook *look = self;

  g_free (look->uri);
  g_free (look->name);
  g_free (look->token);
  g_free (look->store);
  g_free (look->xml_file);
  g_free (look->user_data_file);
  g_free (look->xml);
  g_free (look->user_data);
  g_free (look->uuid);
  g_free (look);
}

static gboolean
load (const char *path, char **contents, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  gsize length;

  if (g_file_get_contents (path, contents, &length, &local_error) && length <= MAX_DEFINITION
      && g_utf8_validate (*contents, (gssize) length, NULL))
    return TRUE;
  if (local_error != NULL)
    g_set_error_literal (error, BB_ERROR, BB_ERROR_PERMANENT, local_error->message);
  else
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "\"%s\" is no text, or too long", path);
  return FALSE;
}

/* Leaves those alone that somebody else has started; ends what a run of ours, long over, has left. */
static gboolean
judge_running (virConnectPtr connection, BbLibvirtLook *look, BbLibvirtDomainInfo *info, GError **error)
{
  BbLibvirtMark *mark = info->mark;

  if (mark == NULL || g_strcmp0 (mark->store, look->store) != 0 || g_strcmp0 (mark->slave, look->name) != 0)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_FAILED,
                   "domain \"%s\" runs already, and was not started by this bbhost; it is left alone", look->name);
      return FALSE;
    }
  look->uuid = g_strdup (info->uuid);
  look->persistent = info->persistent;
  look->runs_already = g_strcmp0 (mark->token, look->token) == 0;
  return look->runs_already || bb_libvirt_domain_destroy (connection, info->uuid, error);
}

static gboolean
judge_defined (virConnectPtr connection, BbLibvirtLook *look, BbLibvirtDomainInfo *info, GError **error)
{
  if (look->has_xml && info->persistent)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                   "a domain \"%s\" is defined already; remove it with: virsh -c %s undefine %s; or leave out xml",
                   look->name, look->uri, look->name);
      return FALSE;
    }
  if (look->has_xml)
    return look->xml_file == NULL || load (look->xml_file, &look->xml, error);
  if (!info->persistent)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                   "no domain \"%s\" is defined; define it with: virsh -c %s define FILE; or set xml", look->name,
                   look->uri);
      return FALSE;
    }
  look->persistent = TRUE;
  g_free (look->uuid);
  look->uuid = g_strdup (info->uuid);
  look->xml = bb_libvirt_domain_get_definition (connection, info->uuid, error);
  return look->xml != NULL;
}

gboolean
bb_libvirt_look (virConnectPtr connection, gpointer self, GError **error)
{
  BbLibvirtLook *look = self;
  g_autoptr (BbLibvirtDomainInfo) info = bb_libvirt_domain_find_by_name (connection, look->name, error);

  if (info == NULL)
    return FALSE;
  if (info->state != BB_LIBVIRT_DOMAIN_NONE && info->state != BB_LIBVIRT_DOMAIN_OFF
      && !judge_running (connection, look, info, error))
    return FALSE;
  if (look->user_data_file != NULL && !load (look->user_data_file, &look->user_data, error))
    return FALSE;
  return look->runs_already || judge_defined (connection, look, info, error);
}
