/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bb-build-log.h"
#include "bb-file-writer.h"
#include "bb-test.h"

typedef struct
{
  char *dir;
  BbTestClock *clock;
  BbLoop *loop;
  GString *events; /* F: full, E: empty again, and errors */
  guint64 written;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  f->dir = bb_test_make_dir ();
  f->clock = bb_test_clock_new ();
  f->loop = bb_loop_new (BB_CLOCK (f->clock), NULL);
  f->events = g_string_new (NULL);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_assert_cmpuint (bb_loop_count_timers (f->loop), ==, 0);
  g_clear_object (&f->loop);
  g_clear_object (&f->clock);
  g_string_free (f->events, TRUE);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

static void
backlog (BbFileWriter *writer, gboolean full, gpointer user_data)
{
  Fixture *f = user_data;

  g_string_append_c (f->events, full ? 'F' : 'E');
}

static void
written (BbFileWriter *writer, guint64 size, gpointer user_data)
{
  Fixture *f = user_data;

  f->written = size;
}

static void
failed (BbFileWriter *writer, const GError *error, gpointer user_data)
{
  Fixture *f = user_data;

  g_string_append_printf (f->events, "[%s]", error->message);
}

static const BbFileWriterEvents events = { backlog, written, failed };

static BbFileWriter *
make_writer (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);

  return bb_file_writer_new (f->loop, path, &events, f);
}

static gboolean
close_writer (BbFileWriter *writer, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  bb_file_writer_close_async (writer, bb_test_store_result, &result);
  bb_test_run_until_result (&result);
  return bb_file_writer_close_finish (writer, result, error);
}

static void
assert_contents (Fixture *f, const char *name, const char *expected)
{
  g_autofree char *path = g_build_filename (f->dir, name, NULL);
  g_autofree char *contents = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &contents, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (contents, ==, expected);
}

static void
test_gathers (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbFileWriter) writer = make_writer (f, "a/b/log");

  bb_file_writer_append (writer, "one\n", 4);
  bb_file_writer_append (writer, "two\n", 4);
  bb_test_run_pending ();
  g_assert_cmpuint (f->written, ==, 0); /* waits a moment for more */
  bb_test_clock_advance (f->clock, f->loop, 0.06);
  while (f->written == 0)
    g_main_context_iteration (NULL, TRUE);
  assert_contents (f, "a/b/log", "one\ntwo\n"); /* while it is still open: for those who follow it */
  bb_file_writer_append (writer, "three\n", 6);
  g_assert_true (close_writer (writer, NULL));
  assert_contents (f, "a/b/log", "one\ntwo\nthree\n");
}

static void
test_empty (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbFileWriter) writer = make_writer (f, "log");

  g_assert_true (close_writer (writer, NULL));
  assert_contents (f, "log", "");
}

/* S18: a fast sender is asked to wait, and nothing is lost. */
static void
test_back_pressure (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbFileWriter) writer = make_writer (f, "log");
  g_autofree char *block = g_malloc (256 * 1024);
  g_autofree char *path = g_build_filename (f->dir, "log", NULL);
  GStatBuf info;

  memset (block, 'x', 256 * 1024);
  bb_file_writer_append (writer, block, 256 * 1024);
  g_assert_cmpstr (f->events->str, ==, "");
  for (guint i = 0; i < 4; i++)
    bb_file_writer_append (writer, block, 256 * 1024);
  g_assert_cmpstr (f->events->str, ==, "F");
  while (f->events->len < 2)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (f->events->str, ==, "FE");
  g_assert_true (close_writer (writer, NULL));
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmpint (info.st_size, ==, 5 * 256 * 1024);
}

/* D14: a disk that is full is told of once, and does not block whoever sends. */
static void
test_full_disk (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbFileWriter) writer = bb_file_writer_new (f->loop, "/dev/full", &events, f);
  g_autoptr (GError) error = NULL;
  g_autofree char *block = g_malloc0 (2 * 1024 * 1024);

  if (!g_file_test ("/dev/full", G_FILE_TEST_EXISTS))
    {
      g_test_skip ("there is no /dev/full");
      return;
    }
  bb_file_writer_append (writer, block, 2 * 1024 * 1024);
  while (f->events->len < 20)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (f->events->str, ==, "F[can't write /dev/full: No space left on device]E");
  bb_file_writer_append (writer, block, 2 * 1024 * 1024);
  g_assert_false (close_writer (writer, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_cmpstr (f->events->str, ==, "F[can't write /dev/full: No space left on device]E");
}

static void
test_no_folder (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *file = bb_test_write_file (f->dir, "file", 0600, "");
  g_autoptr (BbFileWriter) writer = make_writer (f, "file/log");
  g_autoptr (GError) error = NULL;
  g_autofree char *expected = g_strdup_printf ("can't open %s/log: Not a directory", file);

  bb_file_writer_append (writer, "x", 1);
  g_assert_false (close_writer (writer, &error));
  g_assert_cmpstr (error->message, ==, expected);
}

static void
test_detach (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (BbFileWriter) writer = make_writer (f, "log");
  g_autofree char *block = g_malloc0 (2 * 1024 * 1024);

  bb_file_writer_append (writer, block, 2 * 1024 * 1024);
  bb_file_writer_detach (writer);
  g_assert_cmpstr (f->events->str, ==, "FE"); /* whoever was stopped goes on */
  bb_file_writer_append (writer, "x", 1);
  g_assert_true (close_writer (writer, NULL));
}

static char *
read_all (int fd)
{
  char buffer[100] = "";

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (read (fd, buffer, sizeof buffer - 1), >=, 0);
  g_assert_cmpint (fcntl (fd, F_GETFL) & O_ACCMODE, ==, O_RDONLY);
  g_assert_cmpint (fcntl (fd, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  close (fd);
  return g_strdup (buffer);
}

static void
assert_log (Fixture *f, const char *step, const char *log, const char *expected)
{
  g_autoptr (GError) error = NULL;
  int fd = bb_build_log_open (f->dir, step, log, &error);
  g_autofree char *contents = NULL;

  g_assert_no_error (error);
  contents = read_all (fd);
  g_assert_cmpstr (contents, ==, expected);
}

static void
assert_no_log (Fixture *f, const char *step, const char *log, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (bb_build_log_open (f->dir, step, log, &error), ==, -1);
  g_assert_error (error, BB_ERROR, BB_ERROR_NO_SUCH_LOG);
  g_assert_cmpstr (error->message, ==, message);
}

static void
write_log (Fixture *f, guint position, const char *step, const char *log, const char *contents)
{
  g_autofree char *path = bb_build_log_path (f->dir, position, step, log);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, contents, -1, &error);
  g_assert_no_error (error);
}

static void
test_names (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *plain = bb_build_log_path ("/d", 3, "make check", "stdio");
  g_autofree char *hostile = bb_build_log_path ("/d", 0, "../../etc/passwd", "a/../b.log");
  g_autofree char *long_step = g_strnfill (3000, 'x');
  g_autofree char *other_step = g_strconcat (long_step, "y", NULL);
  g_autofree char *long_path = bb_build_log_path ("/d", 0, long_step, long_step);
  g_autofree char *other_path = bb_build_log_path ("/d", 0, other_step, long_step);

  g_assert_cmpstr (plain, ==, "/d/3-make%20check.stdio");
  g_assert_cmpstr (hostile, ==, "/d/0-%2E%2E%2F%2E%2E%2Fetc%2Fpasswd.a%2F..%2Fb.log");
  g_assert_cmpuint (strlen (long_path), <, 255);
  g_assert_cmpstr (long_path, !=, other_path);
}

static void
test_open (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  assert_no_log (f, "", "", "no step has a log \"stdio\"; there are: none");
  write_log (f, 10, "last", "stdio", "tenth");
  write_log (f, 2, "make.all", "stdio", "second");
  write_log (f, 2, "make.all", "test.log", "watched");
  assert_log (f, "", "", "second"); /* by position, not by name */
  assert_log (f, "last", "", "tenth");
  assert_log (f, "make.all", "test.log", "watched");
  assert_no_log (f, "make", "all.stdio",
                 "step \"make\" has no log \"all.stdio\"; there are: make.all.stdio, make.all.test.log, last.stdio");
}

/* D8: a log can be opened before the first of it is there. */
static void
test_open_new (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = g_build_filename (f->dir, "5", "0-run.stdout", NULL);
  g_autoptr (BbFileWriter) writer = make_writer (f, "5/0-run.stdout");
  g_autoptr (GError) error = NULL;
  int fd = bb_build_log_open_new (path, &error);
  g_autofree char *contents = NULL;

  g_assert_no_error (error);
  bb_file_writer_append (writer, "later", 5);
  g_assert_true (close_writer (writer, NULL));
  contents = read_all (fd);
  g_assert_cmpstr (contents, ==, "later");
}

#define ADD(PATH, FUNC) g_test_add (PATH, Fixture, NULL, fixture_set_up, FUNC, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/log/gathers", test_gathers);
  ADD ("/log/empty", test_empty);
  ADD ("/log/S18-back-pressure", test_back_pressure);
  ADD ("/log/D14-full-disk", test_full_disk);
  ADD ("/log/no-folder", test_no_folder);
  ADD ("/log/detach", test_detach);
  ADD ("/log/names", test_names);
  ADD ("/log/open", test_open);
  ADD ("/log/D8-open-new", test_open_new);
  return g_test_run ();
}
