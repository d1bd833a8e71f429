/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-images.h"

#include "bb-libvirt-files.h"
#include "bb-libvirt-storage.h"

#include <bbhost/bb-error.h>
#include <sys/stat.h>

void
bb_libvirt_prepare_free (gpointer self)
{
  BbLibvirtPrepare *prepare = self;

  g_free (prepare->base_image);
  g_free (prepare->hd_image);
  g_free (prepare->format);
  g_strfreev (prepare->leftovers);
  g_strfreev (prepare->volumes);
  g_clear_pointer (&prepare->document, bb_libvirt_document_free);
  g_free (prepare);
}

/* Pool, volume and path of each disk that is a volume. */
static GPtrArray *
resolve_volumes (virConnectPtr connection, BbLibvirtDocument *document)
{
  g_auto (GStrv) names = bb_libvirt_document_list_volumes (document);
  GPtrArray *volumes = g_ptr_array_new_with_free_func (g_free);

  for (char **name = names; *name != NULL; name += 2)
    {
      char *path = bb_libvirt_storage_get_path (connection, name[0], name[1]);

      if (path == NULL)
        continue;
      g_ptr_array_add (volumes, g_strdup (name[0]));
      g_ptr_array_add (volumes, g_strdup (name[1]));
      g_ptr_array_add (volumes, path);
    }
  return volumes;
}

static gboolean
find_format (virConnectPtr connection, BbLibvirtPrepare *prepare, GError **error)
{
  if (prepare->locally && bb_libvirt_files_are_same (prepare->base_image, prepare->hd_image))
    {
      struct stat info;

      /* A link that is in the way is replaced; the image itself, under another name, is not. */
      if (lstat (prepare->hd_image, &info) != 0 || !S_ISLNK (info.st_mode))
        {
          g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT,
                       "hd_image \"%s\" is base_image itself, which must never be written; name another file",
                       prepare->hd_image);
          return FALSE;
        }
    }
  if (prepare->format == NULL)
    prepare->format = prepare->locally ? bb_libvirt_files_get_format (prepare->base_image, error)
                                       : bb_libvirt_storage_get_format (connection, prepare->base_image, error);
  return prepare->format != NULL;
}

gboolean
bb_libvirt_prepare (virConnectPtr connection, gpointer self, GError **error)
{
  BbLibvirtPrepare *prepare = self;
  g_autoptr (GPtrArray) volumes = NULL;

  for (char **path = prepare->leftovers; *path != NULL; path++)
    if (!(prepare->is_local ? bb_libvirt_files_remove (*path, error)
                            : bb_libvirt_storage_remove (connection, *path, error)))
      return FALSE;
  /* Before anything is recorded that could neither be made nor be looked for. */
  for (char **path = prepare->volumes; *path != NULL; path++)
    if (!bb_libvirt_storage_has_pool (connection, *path, error))
      return FALSE;
  if (prepare->base_image == NULL)
    return TRUE;
  if (!find_format (connection, prepare, error))
    return FALSE;
  volumes = resolve_volumes (connection, prepare->document);
  return bb_libvirt_document_use_disk (prepare->document, prepare->hd_image,
                                       prepare->overlay ? "qcow2" : prepare->format,
                                       (const char *const *) volumes->pdata, volumes->len / 3, error);
}

void
bb_libvirt_make_free (gpointer self)
{
  BbLibvirtMake *make = self;

  g_free (make->base_image);
  g_free (make->hd_image);
  g_free (make->format);
  g_free (make->seed_file);
  g_clear_pointer (&make->seed, g_bytes_unref);
  g_free (make);
}

gboolean
bb_libvirt_make (virConnectPtr connection, gpointer self, GError **error)
{
  BbLibvirtMake *make = self;

  if (make->seed_file != NULL && !bb_libvirt_storage_upload (connection, make->seed_file, make->seed, error))
    return FALSE;
  return make->base_image == NULL
         || bb_libvirt_storage_clone (connection, make->base_image, make->hd_image, make->format, make->overlay, error);
}
