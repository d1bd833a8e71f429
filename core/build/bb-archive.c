/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "bb-error.h"

#define BLOCK_SIZE (64 * 1024)

typedef struct archive Reader;
typedef struct archive Writer;
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Reader, archive_read_free)

static void
writer_free (Writer *writer)
{
  archive_write_free (writer);
}

static gboolean
set_archive_error (struct archive *archive, const char *what, GError **error)
{
  const char *text = archive_error_string (archive);

  g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "%s: %s", what, text != NULL ? text : "not a tar archive");
  return FALSE;
}

static Reader *
open_archive (const char *path, GError **error)
{
  g_autoptr (Reader) reader = archive_read_new ();

  archive_read_support_filter_gzip (reader);
  archive_read_support_filter_bzip2 (reader);
  archive_read_support_format_tar (reader);
  archive_read_support_format_empty (reader);
  if (archive_read_open_filename (reader, path, BLOCK_SIZE) != ARCHIVE_OK)
    {
      set_archive_error (reader, "the archive can't be read", error);
      return NULL;
    }
  return g_steal_pointer (&reader);
}

/* The daemon's locale need not be able to say a name that is bytes in the archive. */
static const char *
get_name (struct archive_entry *entry)
{
  const char *name = archive_entry_pathname_utf8 (entry);

  return name != NULL ? name : archive_entry_pathname (entry);
}

static const char *
get_hardlink (struct archive_entry *entry)
{
  const char *name = archive_entry_hardlink_utf8 (entry);

  return name != NULL ? name : archive_entry_hardlink (entry);
}

static const char *
get_symlink (struct archive_entry *entry)
{
  const char *name = archive_entry_symlink_utf8 (entry);

  return name != NULL ? name : archive_entry_symlink (entry);
}

/* TRUE, with *inside without a leading `./`, for a name that stays below the target; "" is the target itself. */
static gboolean
check_name (const char *name, const char **inside, GError **error)
{
  g_auto (GStrv) parts = NULL;

  if (name == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the archive has a member without a name");
      return FALSE;
    }
  *inside = "";
  if (*name == '\0' || g_str_equal (name, "/") || g_str_equal (name, ".") || g_str_equal (name, "./"))
    return TRUE;
  while (g_str_has_prefix (name, "./"))
    name += 2;
  parts = g_strsplit (name, "/", -1);
  for (guint i = 0; parts[i] != NULL; i++)
    if (g_str_equal (parts[i], "..") || (i == 0 && *parts[i] == '\0'))
      {
        g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the archive has a member \"%.200s\" that lies outside", name);
        return FALSE;
      }
  *inside = name;
  return TRUE;
}

/* Whether a symbolic link at @name (inside) to @link stays inside, by its words alone: what it passes through may be
 * no link itself, which libarchive sees to. */
static gboolean
check_link (const char *name, const char *link, GError **error)
{
  g_auto (GStrv) name_parts = g_strsplit (name, "/", -1);
  g_auto (GStrv) link_parts = g_strsplit (link, "/", -1);
  gint depth = 0;
  gboolean ok = *link != '/' && *link != '\0';

  for (guint i = 0; name_parts[i] != NULL && name_parts[i + 1] != NULL; i++)
    if (*name_parts[i] != '\0' && !g_str_equal (name_parts[i], "."))
      depth++;
  for (guint i = 0; ok && link_parts[i] != NULL; i++)
    {
      if (g_str_equal (link_parts[i], ".."))
        ok = --depth >= 0;
      else if (*link_parts[i] != '\0' && !g_str_equal (link_parts[i], "."))
        depth++;
    }
  if (!ok)
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED,
                 "the archive has a link \"%.200s\" to \"%.200s\", which lies outside",
                 name, link);
  return ok;
}

static gboolean
check_entry (struct archive_entry *entry, const char **inside, GError **error)
{
  const char *hardlink = get_hardlink (entry);
  const char *ignored;
  mode_t type = archive_entry_filetype (entry);

  if (!check_name (get_name (entry), inside, error))
    return FALSE;
  if (hardlink != NULL)
    return check_name (hardlink, &ignored, error);
  if (type == AE_IFLNK)
    {
      const char *link = get_symlink (entry);

      return check_link (*inside, link != NULL ? link : "", error);
    }
  if (type != AE_IFREG && type != AE_IFDIR)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_FAILED,
                   "the archive has a member \"%.200s\" that is no file, folder or link", *inside);
      return FALSE;
    }
  if (**inside == '\0' && type != AE_IFDIR)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the archive has a file without a name");
      return FALSE;
    }
  return TRUE;
}

/* Counts what really comes out, since a header may say anything. */
static gboolean
skip_data (Reader *reader, gint64 *left, GCancellable *cancellable, GError **error)
{
  const void *block;
  size_t length;
  la_int64_t offset;
  int status;

  while ((status = archive_read_data_block (reader, &block, &length, &offset)) == ARCHIVE_OK)
    {
      *left -= (gint64) length;
      if (*left < 0)
        {
          g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the archive is larger, unpacked, than is allowed");
          return FALSE;
        }
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
    }
  return status == ARCHIVE_EOF ? TRUE : set_archive_error (reader, "the archive can't be read", error);
}

static gboolean
check_archive (const char *path, gint64 max_bytes, GCancellable *cancellable, GError **error)
{
  g_autoptr (Reader) reader = open_archive (path, error);
  struct archive_entry *entry;
  gint64 left = max_bytes;
  guint n_members = 0;
  int status = ARCHIVE_OK;

  if (reader == NULL)
    return FALSE;
  while ((status = archive_read_next_header (reader, &entry)) == ARCHIVE_OK)
    {
      const char *inside;

      if (++n_members > BB_ARCHIVE_MAX_MEMBERS)
        {
          g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the archive has more than %d members",
                       BB_ARCHIVE_MAX_MEMBERS);
          return FALSE;
        }
      if (archive_entry_size (entry) > left)
        {
          g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the archive is larger, unpacked, than is allowed");
          return FALSE;
        }
      if (!check_entry (entry, &inside, error) || !skip_data (reader, &left, cancellable, error))
        return FALSE;
    }
  return status == ARCHIVE_EOF ? TRUE : set_archive_error (reader, "the archive can't be read", error);
}

static gboolean
copy_data (Reader *reader, Writer *writer, GCancellable *cancellable, GError **error)
{
  const void *block;
  size_t length;
  la_int64_t offset;
  int status;

  while ((status = archive_read_data_block (reader, &block, &length, &offset)) == ARCHIVE_OK)
    {
      if (archive_write_data_block (writer, block, length, offset) < 0)
        return set_archive_error (writer, "the archive can't be unpacked", error);
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
    }
  return status == ARCHIVE_EOF ? TRUE : set_archive_error (reader, "the archive can't be read", error);
}

static gboolean
write_entry (Reader *reader, Writer *writer, struct archive_entry *entry, const char *target, const char *inside,
             GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_build_filename (target, inside, NULL);
  const char *hardlink = get_hardlink (entry);
  g_autofree char *symlink_target = g_strdup (get_symlink (entry));
  mode_t type = archive_entry_filetype (entry);

  if (hardlink != NULL)
    {
      const char *other;

      if (!check_name (hardlink, &other, error))
        return FALSE;
      g_autofree char *other_path = g_build_filename (target, other, NULL);
      archive_entry_set_hardlink (entry, other_path);
    }
  else if (type == AE_IFLNK)
    archive_entry_set_symlink (entry, symlink_target);
  archive_entry_set_pathname (entry, path);
  /* A folder that its owner can't write to could not be filled, nor be removed with the build. */
  archive_entry_set_perm (entry, (archive_entry_perm (entry) & 0777) | (type == AE_IFDIR ? 0700 : 0600));
  if (archive_write_header (writer, entry) < ARCHIVE_WARN)
    return set_archive_error (writer, "the archive can't be unpacked", error);
  if (!copy_data (reader, writer, cancellable, error))
    return FALSE;
  if (archive_write_finish_entry (writer) < ARCHIVE_WARN)
    return set_archive_error (writer, "the archive can't be unpacked", error);
  return TRUE;
}

static gboolean
write_members (Reader *reader, Writer *writer, const char *target, GCancellable *cancellable, GError **error)
{
  struct archive_entry *entry;
  int status;

  while ((status = archive_read_next_header (reader, &entry)) == ARCHIVE_OK)
    {
      const char *inside;

      if (!check_entry (entry, &inside, error))
        return FALSE;
      if (*inside != '\0' && !write_entry (reader, writer, entry, target, inside, cancellable, error))
        return FALSE;
    }
  return status == ARCHIVE_EOF ? TRUE : set_archive_error (reader, "the archive can't be read", error);
}

gboolean
bb_archive_unpack (const char *path, const char *target, gint64 max_bytes, GCancellable *cancellable, GError **error)
{
  g_autoptr (Reader) reader = NULL;
  g_autofree char *real = NULL; /* links above the target are the administrator's and may stay */
  Writer *writer;
  gboolean ok;

  if (!check_archive (path, max_bytes > 0 ? max_bytes : BB_ARCHIVE_MAX_BYTES, cancellable, error))
    return FALSE;
  if (g_mkdir_with_parents (target, 0755) != 0 || (real = realpath (target, NULL)) == NULL)
    {
      int code = errno;

      g_set_error (error, G_IO_ERROR, (gint) g_io_error_from_errno (code), "can't make the folder %s: %s", target,
                   g_strerror (code));
      return FALSE;
    }
  reader = open_archive (path, error);
  if (reader == NULL)
    return FALSE;

  /* SECURE_NOABSOLUTEPATHS would refuse the paths that are made here; the members' own names were checked above. */
  writer = archive_write_disk_new ();
  archive_write_disk_set_options (writer, ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS
                                            | ARCHIVE_EXTRACT_SECURE_NODOTDOT);
  ok = write_members (reader, writer, real, cancellable, error);
  if (archive_write_close (writer) < ARCHIVE_WARN && ok)
    ok = set_archive_error (writer, "the archive can't be unpacked", error);
  writer_free (writer);
  return ok;
}
