/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "bb-archive.h"
#include "bb-build-fixture.h"
#include "bb-log-trap.h"

static void
assert_text (char *text, const char *expected)
{
  g_assert_cmpstr (text, ==, expected);
  g_free (text);
}

/* Archives. */

typedef struct
{
  char *dir;
  char *path;
  char *target;
  struct archive *archive;
} ArchiveFixture;

static void
archive_set_up (ArchiveFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->dir = bb_test_make_dir ();
  f->path = g_build_filename (f->dir, "a.tar", NULL);
  f->target = g_build_filename (f->dir, "target", NULL);
}

static void
archive_tear_down (ArchiveFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  bb_test_remove_dir (f->dir);
  g_free (f->path);
  g_free (f->target);
  g_free (f->dir);
}

static void
begin (ArchiveFixture *f, const char *compress)
{
  f->archive = archive_write_new ();
  if (g_strcmp0 (compress, "gz") == 0)
    archive_write_add_filter_gzip (f->archive);
  else if (g_strcmp0 (compress, "bz2") == 0)
    archive_write_add_filter_bzip2 (f->archive);
  archive_write_set_format_gnutar (f->archive); /* takes any name as it is */
  g_assert_cmpint (archive_write_open_filename (f->archive, f->path), ==, ARCHIVE_OK);
}

static void
add_member (ArchiveFixture *f, const char *name, mode_t type, mode_t perm, const char *contents, gsize length)
{
  struct archive_entry *entry = archive_entry_new ();

  archive_entry_set_pathname (entry, name);
  archive_entry_set_perm (entry, perm);
  archive_entry_set_mtime (entry, 1000000000, 0);
  archive_entry_set_uid (entry, 12345);
  if (type == 0)
    archive_entry_set_hardlink (entry, contents);
  else
    archive_entry_set_filetype (entry, type);
  if (type == AE_IFLNK)
    archive_entry_set_symlink (entry, contents);
  if (type == AE_IFREG)
    archive_entry_set_size (entry, (gint64) length);
  g_assert_cmpint (archive_write_header (f->archive, entry), ==, ARCHIVE_OK);
  if (type == AE_IFREG)
    g_assert_cmpint (archive_write_data (f->archive, contents, length), ==, (gssize) length);
  archive_entry_free (entry);
}

static void
end (ArchiveFixture *f)
{
  g_assert_cmpint (archive_write_close (f->archive), ==, ARCHIVE_OK);
  archive_write_free (f->archive);
}

static char *
unpack (ArchiveFixture *f, gint64 max_bytes)
{
  g_autoptr (GError) error = NULL;

  if (bb_archive_unpack (f->path, f->target, max_bytes, NULL, &error))
    return NULL;
  return g_strdup (error->message);
}

static char *
in_target (ArchiveFixture *f, const char *name)
{
  return g_build_filename (f->target, name, NULL);
}

static void
test_unpack (ArchiveFixture *f, gconstpointer data)
{
  g_autofree char *file = in_target (f, "sub/file");
  g_autofree char *link = in_target (f, "sub/link");
  g_autofree char *hard = in_target (f, "hard");
  g_autofree char *odd = in_target (f, "sch\303\266n");
  g_autofree char *contents = NULL;
  g_autofree char *to = NULL;
  GStatBuf info;

  begin (f, data);
  add_member (f, "/", AE_IFDIR, 0755, NULL, 0); /* as a worker calls the directory itself */
  add_member (f, "sub", AE_IFDIR, 0500, NULL, 0);
  add_member (f, "sub/file", AE_IFREG, 06755, "hello", 5);
  add_member (f, "./sub/link", AE_IFLNK, 0777, "../sub/file", 0);
  add_member (f, "hard", 0, 0644, "sub/file", 0);
  add_member (f, "sch\303\266n", AE_IFREG, 0644, "", 0);
  end (f);
  g_assert_null (unpack (f, 0));
  g_assert_true (g_file_get_contents (file, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "hello");
  g_assert_cmpint (g_stat (file, &info), ==, 0);
  g_assert_cmpuint (info.st_mode & 07000, ==, 0); /* no set-user-id */
  g_assert_cmpuint (info.st_mode & 0700, ==, 0700);
  g_assert_cmpuint (info.st_uid, ==, getuid ());
  g_assert_cmpint (info.st_mtime, ==, 1000000000);
  to = g_file_read_link (link, NULL);
  g_assert_cmpstr (to, ==, "../sub/file");
  g_assert_true (g_file_test (hard, G_FILE_TEST_IS_REGULAR));
  g_assert_true (g_file_test (odd, G_FILE_TEST_IS_REGULAR));
}

static void
test_beside (ArchiveFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *mine = NULL;
  g_autofree char *contents = NULL;

  g_assert_cmpint (g_mkdir (f->target, 0755), ==, 0);
  mine = bb_test_write_file (f->target, "mine", 0600, "mine");
  begin (f, NULL);
  add_member (f, "other", AE_IFREG, 0644, "x", 1);
  end (f);
  g_assert_null (unpack (f, 0));
  g_assert_true (g_file_get_contents (mine, &contents, NULL, NULL));
}

typedef struct
{
  const char *name;
  mode_t type;
  const char *contents;
  const char *message;
} Hostile;

static const Hostile hostiles[] = {
  { "/etc/passwd", AE_IFREG, "x", "the archive has a member \"/etc/passwd\" that lies outside" },
  { "../x", AE_IFREG, "x", "the archive has a member \"../x\" that lies outside" },
  { "a/../../x", AE_IFREG, "x", "the archive has a member \"a/../../x\" that lies outside" },
  { ".//x", AE_IFREG, "x", "the archive has a member \"/x\" that lies outside" },
  { "..", AE_IFDIR, "", "the archive has a member \"../\" that lies outside" },
  { "link", AE_IFLNK, "/etc/passwd", "the archive has a link \"link\" to \"/etc/passwd\", which lies outside" },
  { "a/link", AE_IFLNK, "../../x", "the archive has a link \"a/link\" to \"../../x\", which lies outside" },
  { "hard", 0, "/etc/passwd", "the archive has a member \"/etc/passwd\" that lies outside" },
  { "hard", 0, "../x", "the archive has a member \"../x\" that lies outside" },
  { "dev", AE_IFCHR, "", "the archive has a member \"dev\" that is no file, folder or link" },
  { "fifo", AE_IFIFO, "", "the archive has a member \"fifo\" that is no file, folder or link" },
};

/* Refused as a whole: nothing that came before it was written. */
static void
test_hostile (ArchiveFixture *f, gconstpointer data)
{
  const Hostile *hostile = data;

  begin (f, NULL);
  add_member (f, "before", AE_IFREG, 0644, "x", 1);
  add_member (f, hostile->name, hostile->type, 0644, hostile->contents, strlen (hostile->contents));
  end (f);
  assert_text (unpack (f, 0), hostile->message);
  g_assert_false (g_file_test (f->target, G_FILE_TEST_EXISTS));
}

/* A link that was there before, or that stays inside, is never written through. */
static void
test_through_link (ArchiveFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *link = in_target (f, "way");
  g_autofree char *outside = g_build_filename (f->dir, "outside", NULL);
  g_autofree char *written = g_build_filename (outside, "x", NULL);
  g_autofree char *message = NULL;

  g_assert_cmpint (g_mkdir (f->target, 0755), ==, 0);
  g_assert_cmpint (g_mkdir (outside, 0755), ==, 0);
  g_assert_cmpint (symlink (outside, link), ==, 0);
  begin (f, NULL);
  add_member (f, "way/x", AE_IFREG, 0644, "x", 1);
  end (f);
  message = unpack (f, 0);
  g_assert_nonnull (message);
  g_assert_false (g_file_test (written, G_FILE_TEST_EXISTS));
}

static void
test_too_much (ArchiveFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *zeros = g_malloc0 (4 * 1024 * 1024);
  GStatBuf info;

  begin (f, "bz2");
  add_member (f, "bomb", AE_IFREG, 0644, zeros, 4 * 1024 * 1024);
  end (f);
  g_assert_cmpint (g_stat (f->path, &info), ==, 0);
  g_assert_cmpint (info.st_size, <, 1000);
  assert_text (unpack (f, 1024 * 1024), "the archive is larger, unpacked, than is allowed");
  g_assert_false (g_file_test (f->target, G_FILE_TEST_EXISTS));
}

static void
test_no_archive (ArchiveFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *message = NULL;

  g_assert_true (g_file_set_contents (f->path, "this is certainly not a tar archive", -1, NULL));
  message = unpack (f, 0);
  g_assert_true (g_str_has_prefix (message, "the archive can't be read: "));
}

/* Steps. */

#define UPLOAD                                                                                                         \
  "[slave a]\npassword=x\n[builder one]\nslavenames=a;\nsteps=up;\n[step up]\ntype=upload\nsource=out.bin\n"        \
  "destination=%(prop:where:-out/x.bin)s\nkeep_stamp=true\nmax_size=100\n"

static char *
file_of_build (BuildFixture *f, guint number, const char *name)
{
  g_autofree char *n = g_strdup_printf ("%u", number);

  return g_build_filename (f->dir, "builds", n, "files", name, NULL);
}

static void
assert_count (const char *folder, guint expected)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  g_assert_cmpuint (n, ==, expected);
}

static BbRemoteCommand *
start_step (BuildFixture *f, BbFakeLink *link, const char *options)
{
  build_fixture_submit (f, "one", options, NULL);
  return build_fixture_wait_command (f, link, "one");
}

static gboolean
send_block (BbRemoteCommand *command, const char *data, char **message)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = command->events->write (command, (const guint8 *) data, strlen (data), command->user_data, &error);

  if (message != NULL)
    *message = g_strdup (error != NULL ? error->message : NULL);
  return ok;
}

static void
test_upload (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbRemoteCommand *command = start_step (f, link, NULL);
  g_autofree char *path = file_of_build (f, 1, "out/x.bin");
  g_autofree char *contents = NULL;
  GStatBuf info;

  g_assert_cmpstr (command->name, ==, "uploadFile");
  g_assert_true (send_block (command, "hello ", NULL));
  g_assert_true (send_block (command, "world", NULL));
  command->events->close (command, command->user_data);
  command->events->utime (command, 1e9, 1.1e9, command->user_data);
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS)); /* not before the slave says that all went well */
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "hello world");
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_mtime, ==, 1100000000);
  g_assert_cmpuint (info.st_mode & 0777, ==, 0644);
}

/* Neither a failed upload nor a lost one leaves anything. */
static void
test_upload_fails (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbRemoteCommand *command = start_step (f, link, NULL);
  g_autofree char *first = file_of_build (f, 1, "out");
  g_autofree char *second = file_of_build (f, 2, "out");

  send_block (command, "half", NULL);
  bb_fake_command_output (command, BB_OUTPUT_STDERR, NULL, "Cannot open file 'out.bin' for upload\n");
  command->events->close (command, command->user_data);
  bb_fake_command_end (command, 1);
  assert_text (build_fixture_wait (f, 1), "failure: up: upload failed on the slave; its log says why");
  assert_text (build_fixture_read_log (f, 1, "", ""), "Cannot open file 'out.bin' for upload\n");
  assert_count (first, 0);

  command = start_step (f, link, NULL);
  send_block (command, "half", NULL);
  bb_fake_slaves_block (f->slaves, bb_slave_manager_find (f->slaves, "a"), "gone");
  bb_fake_link_lose (link, "gone");
  assert_text (build_fixture_wait (f, 2), "retry: up: gone");
  assert_count (second, 0);
}

static void
test_upload_too_large (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbRemoteCommand *command = start_step (f, link, NULL);
  g_autofree char *block = g_strnfill (60, 'x');
  g_autofree char *folder = file_of_build (f, 1, "out");
  char *message;

  g_assert_true (send_block (command, block, NULL));
  g_assert_false (send_block (command, block, &message));
  assert_text (message, "out.bin is larger than max_size=100 bytes");
  bb_fake_command_end (command, 1);
  assert_text (build_fixture_wait (f, 1), "failure: up: out.bin is larger than max_size=100 bytes");
  assert_count (folder, 0);
}

/* A property may name a file, and not lead out of where the configuration wants it. */
static void
test_paths (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbRemoteCommand *command = start_step (f, link, "{'properties': <{'where': <'ok/name'>}>}");
  g_autofree char *path = file_of_build (f, 1, "ok/name");

  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
  g_assert_true (g_file_test (path, G_FILE_TEST_EXISTS)); /* empty */
  build_fixture_submit (f, "one", "{'properties': <{'where': <'/etc/passwd'>}>}", NULL);
  assert_text (build_fixture_wait (f, 2),
               "exception: up: destination: \"/etc/passwd\" is not a path that properties may make of "
               "\"%(prop:where:-out/x.bin)s\"");
  build_fixture_submit (f, "one", "{'properties': <{'where': <'../../x'>}>}", NULL);
  assert_text (build_fixture_wait (f, 3),
               "exception: up: destination: \"../../x\" is not a path that properties may make of "
               "\"%(prop:where:-out/x.bin)s\"");
  g_assert_cmpuint (bb_fake_link_count_commands (link), ==, 1);
}

/* A peer that sends what nobody asked for. */
static void
test_unasked (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbRemoteCommand *command;
  g_autoptr (GError) error = NULL;
  char *message;

  build_fixture_run (f, "a", "ls", NULL, NULL);
  command = build_fixture_wait_command (f, link, BB_RUN_BUILDER);
  g_assert_false (send_block (command, "x", &message));
  assert_text (message, "the slave sent a file that nobody asked it for");
  g_assert_null (bb_fake_command_read (command, 10, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PROTOCOL);
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "failure: run: the slave sent a file that nobody asked it for");
}

#define DIRECTORY "[slave a]\npassword=x\n[builder one]\nslavenames=a;\nsteps=up;\n" \
                  "[step up]\ntype=upload-directory\nsource=doc\ndestination=doc\ncompress=gz\n"

static void
test_upload_directory (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  ArchiveFixture archive;
  BbFakeLink *link = build_fixture_attach (f, "a");
  BbRemoteCommand *command = start_step (f, link, NULL);
  g_autofree char *path = file_of_build (f, 1, "doc/sub/file");
  g_autofree char *folder = file_of_build (f, 1, "");
  g_autofree char *other = file_of_build (f, 2, "");
  g_autofree char *contents = NULL;
  g_autofree char *bytes = NULL;
  gsize length;

  archive_set_up (&archive, NULL);
  begin (&archive, "gz");
  add_member (&archive, "/", AE_IFDIR, 0755, NULL, 0);
  add_member (&archive, "sub/file", AE_IFREG, 0644, "hello", 5);
  end (&archive);
  g_assert_true (g_file_get_contents (archive.path, &bytes, &length, NULL));
  g_assert_true (command->events->write (command, (guint8 *) bytes, length, command->user_data, NULL));
  command->events->close (command, command->user_data);
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
  g_assert_true (g_file_get_contents (path, &contents, NULL, NULL));
  g_assert_cmpstr (contents, ==, "hello");
  assert_count (folder, 1); /* the archive is gone */

  begin (&archive, "gz");
  add_member (&archive, "../evil", AE_IFREG, 0644, "hello", 5);
  end (&archive);
  g_free (g_steal_pointer (&bytes));
  g_assert_true (g_file_get_contents (archive.path, &bytes, &length, NULL));
  command = start_step (f, link, NULL);
  g_assert_true (command->events->write (command, (guint8 *) bytes, length, command->user_data, NULL));
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 2), "failure: up: the archive has a member \"../evil\" that lies outside");
  assert_count (other, 0);
  archive_tear_down (&archive, NULL);
}

static void
configure_download (BuildFixture *f, const char *path)
{
  g_autofree char *config = g_strdup_printf ("[slave a]\npassword=x\n[builder one]\nslavenames=a;\nsteps=down;\n"
                                             "[step down]\ntype=download\nsource=%s\ndestination=in.bin\n"
                                             "max_size=20000000\n", path);

  build_fixture_configure (f, config);
}

static void
test_download (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const gsize size = 10000001; /* more than is read ahead */
  g_autofree char *contents = g_malloc (size + 1);
  g_autofree char *path = g_build_filename (f->dir, "large", NULL);
  g_autoptr (GByteArray) received = g_byte_array_new ();
  BbFakeLink *link;
  BbRemoteCommand *command;

  for (gsize i = 0; i < size; i++)
    contents[i] = (char) ('a' + i * 7 % 26 + i / 1000003 % 3);
  g_assert_true (g_file_set_contents (path, contents, (gssize) size, NULL));
  configure_download (f, path);
  link = build_fixture_attach (f, "a");
  command = start_step (f, link, NULL);
  g_assert_cmpstr (command->name, ==, "downloadFile");
  while (TRUE)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GBytes) block = bb_fake_command_read (command, 262144, &error);

      g_assert_no_error (error);
      if (g_bytes_get_size (block) == 0)
        break;
      g_assert_cmpuint (g_bytes_get_size (block), <=, 262144);
      g_byte_array_append (received, g_bytes_get_data (block, NULL), (guint) g_bytes_get_size (block));
    }
  g_assert_cmpmem (received->data, received->len, contents, size);
  command->events->close (command, command->user_data);
  bb_fake_command_end (command, 0);
  assert_text (build_fixture_wait (f, 1), "success");
}

/* The slave goes while its block is under way. */
static void
test_download_lost (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (f->dir, "small", NULL);
  BbFakeLink *link;
  BbRemoteCommand *command;

  g_assert_true (g_file_set_contents (path, "text", 4, NULL));
  configure_download (f, path);
  link = build_fixture_attach (f, "a");
  command = start_step (f, link, NULL);
  command->events->read (command, 262144, command->user_data);
  bb_fake_link_lose (link, "it went");
  assert_text (build_fixture_wait (f, 1), "retry: down: it went");
}

static void
test_download_refused (BuildFixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *missing = g_build_filename (f->dir, "missing", NULL);
  g_autofree char *expected = g_strdup_printf ("failure: down: can't read %s: No such file or directory", missing);
  g_autofree char *folder = g_strdup_printf ("failure: down: can't read %s: it is not a plain file", f->dir);
  g_autofree char *large = g_build_filename (f->dir, "large", NULL);
  g_autofree char *too_large = g_strdup_printf ("failure: down: %s has 20000001 bytes, more than max_size=20000000",
                                                large);
  BbFakeLink *link;

  configure_download (f, missing);
  link = build_fixture_attach (f, "a");
  build_fixture_submit (f, "one", NULL, NULL);
  assert_text (build_fixture_wait (f, 1), expected);
  configure_download (f, f->dir);
  build_fixture_submit (f, "one", NULL, NULL);
  assert_text (build_fixture_wait (f, 2), folder);
  g_assert_true (g_file_set_contents (large, "", 0, NULL));
  g_assert_cmpint (truncate (large, 20000001), ==, 0);
  configure_download (f, large);
  build_fixture_submit (f, "one", NULL, NULL);
  assert_text (build_fixture_wait (f, 3), too_large);
  g_assert_cmpuint (bb_fake_link_count_commands (link), ==, 0);
}

#define ADD_ARCHIVE(PATH, DATA, FUNC) g_test_add (PATH, ArchiveFixture, DATA, archive_set_up, FUNC, archive_tear_down)
#define ADD(PATH, CONFIG, FUNC)                                                                                        \
  g_test_add (PATH, BuildFixture, CONFIG, build_fixture_set_up, FUNC, build_fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bb_log_trap_install ();
  ADD_ARCHIVE ("/transfer/unpack/plain", NULL, test_unpack);
  ADD_ARCHIVE ("/transfer/unpack/gz", "gz", test_unpack);
  ADD_ARCHIVE ("/transfer/unpack/bz2", "bz2", test_unpack);
  ADD_ARCHIVE ("/transfer/unpack/beside", NULL, test_beside);
  for (guint i = 0; i < G_N_ELEMENTS (hostiles); i++)
    {
      g_autofree char *path = g_strdup_printf ("/transfer/unpack/hostile/%u", i);

      ADD_ARCHIVE (path, &hostiles[i], test_hostile);
    }
  ADD_ARCHIVE ("/transfer/unpack/through-link", NULL, test_through_link);
  ADD_ARCHIVE ("/transfer/unpack/too-much", NULL, test_too_much);
  ADD_ARCHIVE ("/transfer/unpack/no-archive", NULL, test_no_archive);
  ADD ("/transfer/upload", UPLOAD, test_upload);
  ADD ("/transfer/upload-fails", UPLOAD, test_upload_fails);
  ADD ("/transfer/upload-too-large", UPLOAD, test_upload_too_large);
  ADD ("/transfer/paths", UPLOAD, test_paths);
  ADD ("/transfer/unasked", UPLOAD, test_unasked);
  ADD ("/transfer/upload-directory", DIRECTORY, test_upload_directory);
  ADD ("/transfer/download", NULL, test_download);
  ADD ("/transfer/download-lost", NULL, test_download_lost);
  ADD ("/transfer/download-refused", NULL, test_download_refused);
  return g_test_run ();
}
