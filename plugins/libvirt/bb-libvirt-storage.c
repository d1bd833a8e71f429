/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-storage.h"

#include "bb-libvirt-error.h"

#include <bbhost/bb-error.h>
#include <libvirt-gconfig/libvirt-gconfig.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>

#define UPLOAD_CHUNK (64 * 1024)

typedef virStoragePool Pool;
typedef virStorageVol Volume;
typedef virStream Stream;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Pool, virStoragePoolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Volume, virStorageVolFree)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stream, virStreamFree)
/* libvirt-glib 4.0 has none of its own. */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GVirConfigStorageVol, g_object_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GVirConfigStorageVolTarget, g_object_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GVirConfigStorageVolBackingStore, g_object_unref)

/* @xml: (transfer full) (nullable), libvirt's; the answer is NULL when @path is not there or empty */
static char *
read_text (char *xml, const char *path)
{
  xmlDoc *doc = xml != NULL ? xmlReadMemory (xml, (int) strlen (xml), NULL, NULL, XML_PARSE_NOERROR | XML_PARSE_NONET)
                            : NULL;
  xmlXPathContext *context = doc != NULL ? xmlXPathNewContext (doc) : NULL;
  xmlXPathObject *found = context != NULL ? xmlXPathEvalExpression ((const xmlChar *) path, context) : NULL;
  char *text = found != NULL && *found->stringval != '\0' ? g_strdup ((const char *) found->stringval) : NULL;

  xmlXPathFreeObject (found);
  xmlXPathFreeContext (context);
  xmlFreeDoc (doc);
  free (xml);
  return text;
}

static gboolean
is_in_folder (virStoragePoolPtr pool, const char *folder)
{
  g_autofree char *text = read_text (virStoragePoolGetXMLDesc (pool, 0), "string(/pool/target/path)");
  g_autofree char *target = text != NULL ? g_canonicalize_filename (text, "/") : NULL;

  return g_strcmp0 (target, folder) == 0;
}

/* Asks each pool, as only one of libvirt's drivers can be asked for the pool of a folder. */
static virStoragePoolPtr
find_pool (virConnectPtr connection, const char *path, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (path);
  virStoragePoolPtr *pools = NULL;
  virStoragePoolPtr pool = NULL;
  int n = virConnectListAllStoragePools (connection, &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);

  if (n < 0)
    bb_libvirt_set_error (error, "listing the storage pools");
  for (int i = 0; i < n; i++)
    if (pool == NULL && is_in_folder (pools[i], folder))
      pool = pools[i];
    else
      virStoragePoolFree (pools[i]);
  free (pools);
  if (pool == NULL && n >= 0)
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                 "no active storage pool of the hypervisor is the folder \"%s\"; make one with: virsh pool-create-as "
                 "NAME dir --target \"%s\"",
                 folder, folder);
  /* A pool knows only what it has seen. */
  if (pool != NULL)
    virStoragePoolRefresh (pool, 0);
  return pool;
}

gboolean
bb_libvirt_storage_has_pool (virConnectPtr connection, const char *path, GError **error)
{
  g_autoptr (Pool) pool = find_pool (connection, path, error);

  return pool != NULL;
}

char *
bb_libvirt_storage_get_format (virConnectPtr connection, const char *base, GError **error)
{
  g_autoptr (Pool) pool = find_pool (connection, base, NULL);
  g_autoptr (Volume) volume = virStorageVolLookupByPath (connection, base);
  char *format
    = volume != NULL ? read_text (virStorageVolGetXMLDesc (volume, 0), "string(/volume/target/format/@type)") : NULL;

  if (format == NULL && volume == NULL)
    bb_libvirt_set_error (error, "base_image \"%s\" is in no storage pool of the hypervisor; set base_format", base);
  else if (format == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                 "the hypervisor does not know the format of base_image \"%s\"; set base_format", base);
  return format;
}

static char *
make_volume_xml (const char *path, const char *format, const char *base, const char *base_format, guint64 size)
{
  g_autoptr (GVirConfigStorageVol) volume = gvir_config_storage_vol_new ();
  g_autoptr (GVirConfigStorageVolTarget) target = gvir_config_storage_vol_target_new ();
  g_autofree char *name = g_path_get_basename (path);

  gvir_config_storage_vol_set_name (volume, name);
  gvir_config_storage_vol_set_capacity (volume, size);
  gvir_config_storage_vol_set_allocation (volume, 0);
  gvir_config_storage_vol_target_set_format (target, format);
  gvir_config_storage_vol_set_target (volume, target);
  if (base != NULL)
    {
      g_autoptr (GVirConfigStorageVolBackingStore) store = gvir_config_storage_vol_backing_store_new ();

      gvir_config_storage_vol_backing_store_set_path (store, base);
      gvir_config_storage_vol_backing_store_set_format (store, base_format);
      gvir_config_storage_vol_set_backing_store (volume, store);
    }
  return gvir_config_object_to_xml (GVIR_CONFIG_OBJECT (volume));
}

static gboolean
copy_volume (virConnectPtr connection, virStoragePoolPtr pool, const char *base, const char *xml, GError **error)
{
  g_autoptr (Pool) base_pool = find_pool (connection, base, error);
  g_autoptr (Volume) source = base_pool != NULL ? virStorageVolLookupByPath (connection, base) : NULL;
  g_autoptr (Volume) made = source != NULL ? virStorageVolCreateXMLFrom (pool, xml, source, 0) : NULL;

  if (base_pool == NULL)
    return FALSE;
  if (made == NULL)
    bb_libvirt_set_error (error, "copying base_image \"%s\"", base);
  return made != NULL;
}

/* What replaces @target must not remove @base. */
static gboolean
are_different (virConnectPtr connection, const char *base, const char *target, GError **error)
{
  g_autoptr (Volume) base_volume = virStorageVolLookupByPath (connection, base);
  g_autoptr (Volume) target_volume = virStorageVolLookupByPath (connection, target);

  if (base_volume == NULL || target_volume == NULL
      || g_strcmp0 (virStorageVolGetKey (base_volume), virStorageVolGetKey (target_volume)) != 0)
    return TRUE;
  g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
               "hd_image \"%s\" is base_image itself, which must never be written; name another file", target);
  return FALSE;
}

gboolean
bb_libvirt_storage_clone (virConnectPtr connection, const char *base, const char *target, const char *format,
                          gboolean overlay, GError **error)
{
  g_autoptr (Volume) made = NULL;
  g_autoptr (Pool) pool = find_pool (connection, target, error);
  g_autofree char *xml = NULL;

  if (pool == NULL || !are_different (connection, base, target, error)
      || !bb_libvirt_storage_remove (connection, target, error))
    return FALSE;
  /* Of no size: then it is the base's. */
  xml = make_volume_xml (target, overlay ? "qcow2" : format, overlay ? base : NULL, format, 0);
  if (!overlay)
    return copy_volume (connection, pool, base, xml, error);
  made = virStorageVolCreateXML (pool, xml, 0);
  if (made == NULL)
    bb_libvirt_set_error (error, "making \"%s\" over \"%s\"", target, base);
  return made != NULL;
}

static gboolean
send_contents (virStreamPtr stream, GBytes *contents)
{
  gsize length;
  const char *data = g_bytes_get_data (contents, &length);

  while (length > 0)
    {
      int sent = virStreamSend (stream, data, MIN (length, UPLOAD_CHUNK));

      if (sent < 0)
        {
          virStreamAbort (stream);
          return FALSE;
        }
      data += sent;
      length -= (gsize) sent;
    }
  return virStreamFinish (stream) == 0;
}

gboolean
bb_libvirt_storage_upload (virConnectPtr connection, const char *target, GBytes *contents, GError **error)
{
  g_autofree char *xml = make_volume_xml (target, "raw", NULL, NULL, g_bytes_get_size (contents));
  g_autoptr (Stream) stream = NULL;
  g_autoptr (Volume) volume = NULL;
  g_autoptr (Pool) pool = NULL;

  if (!bb_libvirt_storage_remove (connection, target, error))
    return FALSE;
  pool = find_pool (connection, target, error);
  if (pool == NULL)
    return FALSE;
  volume = virStorageVolCreateXML (pool, xml, 0);
  stream = volume != NULL ? virStreamNew (connection, 0) : NULL;
  if (stream != NULL && virStorageVolUpload (volume, stream, 0, g_bytes_get_size (contents), 0) == 0
      && send_contents (stream, contents))
    return TRUE;
  bb_libvirt_set_error (error, "uploading \"%s\"", target);
  return FALSE;
}

gboolean
bb_libvirt_storage_remove (virConnectPtr connection, const char *path, GError **error)
{
  g_autoptr (Pool) pool = find_pool (connection, path, error);
  g_autofree char *name = g_path_get_basename (path);
  g_autoptr (Volume) volume = NULL;

  if (pool == NULL)
    return FALSE;
  volume = virStorageVolLookupByName (pool, name);
  if (volume == NULL && bb_libvirt_get_error_code () == VIR_ERR_NO_STORAGE_VOL)
    return TRUE;
  if (volume != NULL && virStorageVolDelete (volume, 0) == 0)
    return TRUE;
  bb_libvirt_set_error (error, "removing \"%s\"", path);
  return FALSE;
}

char *
bb_libvirt_storage_get_path (virConnectPtr connection, const char *pool_name, const char *volume_name)
{
  g_autoptr (Pool) pool = virStoragePoolLookupByName (connection, pool_name);
  g_autoptr (Volume) volume = pool != NULL ? virStorageVolLookupByName (pool, volume_name) : NULL;
  char *path = volume != NULL ? virStorageVolGetPath (volume) : NULL;
  char *copy = g_strdup (path);

  free (path);
  return copy;
}
