/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-libvirt-files.h"

#include <archive.h>
#include <archive_entry.h>
#include <bbhost/bb-delay.h>
#include <bbhost/bb-error.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW_SUFFIX ".bbhost-new"
#define MAX_MESSAGE 1000
#define TAIL_BYTES 4096
#define TAIL_LINES 5
#define SEED_SIZE (8 * 1024 * 1024)
#define GROUP_BUFFER (64 * 1024)
/* A full copy of a large image takes minutes. */
#define CLONE_LIMIT 3600.0

static const struct
{
  const char *format;
  gsize offset;
  const char *magic;
  gsize length;
} formats[] = {
  { "qcow2", 0, "QFI\xfb\0\0\0", 7 }, /* and a version of 2 or 3, while 1 is qcow */
  { "qed", 0, "QED\0", 4 },           { "vmdk", 0, "KDMV", 4 },
  { "vhdx", 0, "vhdxfile", 8 },       { "vpc", 0, "conectix", 8 },
  { "vdi", 64, "\x7f\x10\xda\xbe", 4 },
};

G_GNUC_PRINTF (3, 4) static void
set_errno_error (GError **error, int saved_errno, const char *format, ...)
{
  g_autofree char *what = NULL;
  va_list arguments;

  va_start (arguments, format);
  what = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  g_set_error (error, BB_ERROR,
               saved_errno == ENOENT || saved_errno == ENOTDIR || saved_errno == EACCES ? BB_ERROR_PERMANENT
                                                                                         : BB_ERROR_FAILED,
               "%s: %s", what, g_strerror (saved_errno));
}

char *
bb_libvirt_files_get_format (const char *path, GError **error)
{
  char head[128] = "";
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd >= 0 ? read (fd, head, sizeof head) : -1;
  int saved_errno = errno;

  if (fd >= 0)
    close (fd);
  if (length < 0)
    {
      set_errno_error (error, saved_errno, "base_image \"%s\" can't be read", path);
      return NULL;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    if ((gsize) length >= formats[i].offset + formats[i].length
        && memcmp (head + formats[i].offset, formats[i].magic, formats[i].length) == 0)
      return g_strdup (formats[i].format);
  return g_strdup ("raw");
}

gboolean
bb_libvirt_files_are_same (const char *a, const char *b)
{
  struct stat a_info;
  struct stat b_info;

  return stat (a, &a_info) == 0 && stat (b, &b_info) == 0 && a_info.st_dev == b_info.st_dev
         && a_info.st_ino == b_info.st_ino;
}

/* Cloning. */

typedef struct
{
  char *target;
  char *made; /* what qemu-img writes to */
  char *output;
  GSubprocess *process;
  GCancellable *alarm;
  gulong cancelled_id;
  gboolean too_late;
} Clone;

static void
clone_free (gpointer data)
{
  Clone *clone = data;

  g_clear_object (&clone->process);
  g_clear_object (&clone->alarm);
  g_free (clone->target);
  g_free (clone->made);
  g_free (clone->output);
  g_free (clone);
}

static void
put_in_place_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Clone *clone = task_data;

  if (rename (clone->made, clone->target) == 0)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  g_task_return_new_error (task, BB_ERROR, BB_ERROR_FAILED, "\"%s\" can't be put in place: %s", clone->target,
                           g_strerror (errno));
}

static void
remove_made_thread (GTask *task, gpointer source, gpointer task_data, GCancellable *cancellable)
{
  Clone *clone = task_data;

  unlink (clone->made);
  g_task_return_boolean (task, TRUE);
}

static void
put_in_place_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;

  if (g_task_propagate_boolean (G_TASK (result), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/* The task keeps its error until the half-made image is gone. */
static void
removed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  g_task_return_error (task, g_error_copy (g_object_get_data (G_OBJECT (task), "error")));
}

static void
run_in_thread (GTask *task, GTaskThreadFunc func, GAsyncReadyCallback callback)
{
  g_autoptr (GTask) thread = g_task_new (NULL, NULL, callback, task);

  g_task_set_task_data (thread, g_task_get_task_data (task), NULL);
  g_task_run_in_thread (thread, func);
}

/* @error: (transfer full) */
static void
give_up (GTask *task, GError *error)
{
  g_object_set_data_full (G_OBJECT (task), "error", error, (GDestroyNotify) g_error_free);
  run_in_thread (g_object_ref (task), remove_made_thread, removed_cb);
}

static BbError
judge_message (const char *message)
{
  if (strstr (message, "No space left") != NULL || strstr (message, "Disk quota") != NULL)
    return BB_ERROR_QUOTA;
  if (strstr (message, "No such file") != NULL || strstr (message, "Permission denied") != NULL
      || strstr (message, "not in") != NULL)
    return BB_ERROR_PERMANENT;
  return BB_ERROR_FAILED;
}

static void
qemu_img_ended_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Clone *clone = g_task_get_task_data (task);
  GSubprocess *process = G_SUBPROCESS (source);
  g_autoptr (GError) error = NULL;
  gboolean read = g_subprocess_communicate_utf8_finish (process, result, NULL, &clone->output, &error);
  g_autofree char *message = g_utf8_make_valid (clone->output != NULL ? clone->output : "", -1);

  g_cancellable_disconnect (g_task_get_cancellable (task), clone->cancelled_id);
  g_cancellable_cancel (clone->alarm);
  g_strdelimit (g_strchomp (message), "\r\n", ' ');
  if (g_utf8_strlen (message, -1) > MAX_MESSAGE)
    *g_utf8_offset_to_pointer (message, MAX_MESSAGE) = '\0';
  if (read && g_subprocess_get_successful (process))
    run_in_thread (g_object_ref (task), put_in_place_thread, put_in_place_cb);
  else if (g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    give_up (task, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "the copy was cancelled"));
  else if (clone->too_late)
    give_up (task, g_error_new (BB_ERROR, BB_ERROR_TIMEOUT, "qemu-img has not made \"%s\" within %.0f s",
                                clone->target, CLONE_LIMIT));
  else
    give_up (task, g_error_new (BB_ERROR, judge_message (message), "\"%s\" can't be made: %s", clone->target,
                                *message != '\0' ? message : (read ? "qemu-img failed" : error->message)));
}

static void
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  g_subprocess_force_exit (G_SUBPROCESS (user_data));
}

static void
alarm_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Clone *clone = g_task_get_task_data (task);

  if (!bb_delay_finish (result, NULL))
    return;
  clone->too_late = TRUE;
  g_subprocess_force_exit (clone->process);
}

static GSubprocess *
spawn_qemu_img (const char *base, const char *made, const char *format, gboolean overlay, GError **error)
{
  const char *const create[] = { "qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", format, made, NULL };
  const char *const convert[] = { "qemu-img", "convert", "-q", "-f", format, "-O", format, base, made, NULL };
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GSubprocessLauncher) launcher
    = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
  GSubprocess *process;

  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C.UTF-8", TRUE);
  process = g_subprocess_launcher_spawnv (launcher, overlay ? create : convert, &local_error);
  if (process == NULL)
    g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "qemu-img can't be run: %s; install qemu-utils",
                 local_error->message);
  return process;
}

void
bb_libvirt_files_clone_async (const char *base, const char *target, const char *format, gboolean overlay,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Clone *clone = g_new0 (Clone, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, bb_libvirt_files_clone_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, clone, clone_free);
  clone->target = g_strdup (target);
  clone->made = g_strconcat (target, NEW_SUFFIX, NULL);
  clone->alarm = g_cancellable_new ();
  if (g_task_return_error_if_cancelled (task))
    return;
  clone->process = spawn_qemu_img (base, clone->made, format, overlay, &error);
  if (clone->process == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  bb_delay_async (CLONE_LIMIT, clone->alarm, alarm_cb, g_object_ref (task));
  if (cancellable != NULL)
    clone->cancelled_id
      = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), g_object_ref (clone->process), g_object_unref);
  g_subprocess_communicate_utf8_async (clone->process, NULL, NULL, qemu_img_ended_cb, g_steal_pointer (&task));
}

gboolean
bb_libvirt_files_clone_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* What guests are handed. */

static gboolean
find_group (const char *name, gid_t *gid, GError **error)
{
  g_autofree char *buffer = g_malloc (GROUP_BUFFER);
  struct group group;
  struct group *found = NULL;

  if (getgrnam_r (name, &group, buffer, GROUP_BUFFER, &found) != 0 || found == NULL)
    {
      g_set_error (error, BB_ERROR, BB_ERROR_PERMANENT, "hand_over_group: there is no group \"%s\"", name);
      return FALSE;
    }
  *gid = found->gr_gid;
  return TRUE;
}

static gboolean
write_all (int fd, const char *data, gsize length)
{
  while (length > 0)
    {
      ssize_t written = write (fd, data, length);

      if (written < 0 && errno == EINTR)
        continue;
      if (written < 0)
        return FALSE;
      data += written;
      length -= (gsize) written;
    }
  return TRUE;
}

gboolean
bb_libvirt_files_write_secret (const char *path, GBytes *contents, const char *group, GError **error)
{
  gid_t gid = (gid_t) -1;
  gboolean written;
  int saved_errno;
  int fd;

  if (group != NULL && !find_group (group, &gid, error))
    return FALSE;
  /* Never one that somebody else has put there. */
  unlink (path);
  fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  written = fd >= 0 && (group == NULL || (fchown (fd, (uid_t) -1, gid) == 0 && fchmod (fd, 0640) == 0))
            && write_all (fd, g_bytes_get_data (contents, NULL), g_bytes_get_size (contents));
  saved_errno = errno;
  if (fd >= 0)
    close (fd);
  if (written)
    return TRUE;
  if (fd >= 0)
    unlink (path);
  set_errno_error (error, saved_errno, "\"%s\" can't be written", path);
  return FALSE;
}

static gboolean
add_file (struct archive *archive, const char *name, const char *contents)
{
  struct archive_entry *entry = archive_entry_new ();
  gsize length = strlen (contents);
  gboolean added;

  archive_entry_set_pathname (entry, name);
  archive_entry_set_size (entry, (la_int64_t) length);
  archive_entry_set_filetype (entry, AE_IFREG);
  archive_entry_set_perm (entry, 0644);
  added = archive_write_header (archive, entry) == ARCHIVE_OK
          && archive_write_data (archive, contents, length) == (la_ssize_t) length;
  archive_entry_free (entry);
  return added;
}

static char *
make_default_user_data (const BbLibvirtIdentity *identity)
{
  return g_strdup_printf ("#cloud-config\n"
                          "write_files:\n"
                          "- path: /etc/bbhost/slave\n"
                          "  permissions: '0600'\n"
                          "  content: |\n"
                          "    name=%s\n"
                          "    password=%s\n"
                          "    master=%s\n",
                          identity->name, identity->password, identity->address);
}

GBytes *
bb_libvirt_files_make_seed (const BbLibvirtIdentity *identity, const char *instance_id, const char *user_data,
                            GError **error)
{
  g_autofree char *made_data = user_data == NULL ? make_default_user_data (identity) : NULL;
  g_autofree char *meta = g_strdup_printf ("instance-id: %s\nlocal-hostname: %s\n", instance_id, identity->name);
  g_autofree char *plain = g_strdup_printf ("master=%s\nname=%s\npassword=%s\n", identity->address, identity->name,
                                            identity->password);
  g_autofree char *buffer = g_malloc (SEED_SIZE);
  struct archive *archive = archive_write_new ();
  gsize used = 0;
  gboolean made;

  made = archive_write_set_format_iso9660 (archive) == ARCHIVE_OK
         && archive_write_set_format_option (archive, "iso9660", "volume-id", "cidata") == ARCHIVE_OK
         && archive_write_open_memory (archive, buffer, SEED_SIZE, &used) == ARCHIVE_OK
         && add_file (archive, "meta-data", meta)
         && add_file (archive, "user-data", user_data != NULL ? user_data : made_data)
         && add_file (archive, "bbhost", plain) && archive_write_close (archive) == ARCHIVE_OK;
  if (!made)
    g_set_error (error, BB_ERROR, BB_ERROR_FAILED, "the disk for cloud-init can't be made: %s",
                 archive_error_string (archive));
  archive_write_free (archive);
  return made ? g_bytes_new (buffer, used) : NULL;
}

gboolean
bb_libvirt_files_remove (const char *path, GError **error)
{
  g_autofree char *made = g_strconcat (path, NEW_SUFFIX, NULL);

  unlink (made);
  if (unlink (path) == 0 || errno == ENOENT || errno == ENOTDIR)
    return TRUE;
  set_errno_error (error, errno, "\"%s\" can't be removed", path);
  return FALSE;
}

char *
bb_libvirt_files_get_tail (const char *path)
{
  g_autofree char *buffer = g_malloc0 (TAIL_BYTES + 1);
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *valid = NULL;
  g_auto (GStrv) lines = NULL;
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  ssize_t length = 0;
  guint n_lines;

  if (fd >= 0 && fstat (fd, &info) == 0 && S_ISREG (info.st_mode))
    length = pread (fd, buffer, TAIL_BYTES, MAX (0, info.st_size - TAIL_BYTES));
  if (fd >= 0)
    close (fd);
  for (ssize_t i = 0; i < length; i++)
    if (buffer[i] == '\0' || (g_ascii_iscntrl (buffer[i]) && buffer[i] != '\n'))
      buffer[i] = ' ';
  valid = g_utf8_make_valid (buffer, MAX (length, 0));
  lines = g_strsplit (g_strstrip (valid), "\n", -1);
  n_lines = g_strv_length (lines);
  for (guint i = n_lines > TAIL_LINES ? n_lines - TAIL_LINES : 0; i < n_lines; i++)
    if (*g_strstrip (lines[i]) != '\0')
      g_string_append_printf (text, "%s%s", text->len > 0 ? " | " : "", lines[i]);
  return text->len > 0 ? g_string_free (g_steal_pointer (&text), FALSE) : NULL;
}
