/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bb-test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT_SECONDS 20

char *
bb_test_make_dir (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("bbhost-test-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

static int
remove_entry (const char *path, const struct stat *info, int type, struct FTW *walk)
{
  return remove (path) == 0 || errno == ENOENT ? 0 : errno;
}

/* The thread of a store that is being closed may still take its files away, or make one, meanwhile. */
void
bb_test_remove_dir (const char *path)
{
  int status;

  for (guint i = 0; i < LIMIT_SECONDS * 100; i++)
    {
      status = nftw (path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
      if (status == 0 || (status == -1 && errno == ENOENT))
        return;
      g_usleep (G_USEC_PER_SEC / 100);
    }
  g_error ("%s can't be removed: %s", path, g_strerror (status > 0 ? status : errno));
}

char *
bb_test_write_file (const char *dir, const char *name, int mode, const char *contents)
{
  char *path = g_build_filename (dir, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_file_set_contents (path, contents, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_chmod (path, mode), ==, 0);
  return path;
}

struct _BbTestClock
{
  GObject parent_instance;

  gint64 monotonic_us;
  gint64 wall_us;
};

static gint64
test_clock_get_monotonic_us (BbClock *clock)
{
  return BB_TEST_CLOCK (clock)->monotonic_us;
}

static gint64
test_clock_get_wall_us (BbClock *clock)
{
  return BB_TEST_CLOCK (clock)->wall_us;
}

static void
test_clock_iface_init (BbClockInterface *iface)
{
  iface->get_monotonic_us = test_clock_get_monotonic_us;
  iface->get_wall_us = test_clock_get_wall_us;
  iface->manual = TRUE;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (BbTestClock, bb_test_clock, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (BB_TYPE_CLOCK, test_clock_iface_init))

static void
bb_test_clock_class_init (BbTestClockClass *klass)
{
}

static void
bb_test_clock_init (BbTestClock *self)
{
  self->monotonic_us = G_GINT64_CONSTANT (1000000000);
  self->wall_us = G_GINT64_CONSTANT (1700000000000000);
}

BbTestClock *
bb_test_clock_new (void)
{
  return g_object_new (BB_TYPE_TEST_CLOCK, NULL);
}

void
bb_test_clock_advance (BbTestClock *self, BbLoop *loop, double seconds)
{
  gint64 end_us = self->monotonic_us + (gint64) (seconds * G_USEC_PER_SEC);

  bb_test_run_pending ();
  while (self->monotonic_us < end_us)
    {
      gint64 next_us = bb_loop_get_next_deadline_us (loop);
      gint64 step_us = (next_us >= 0 && next_us < end_us ? MAX (next_us, self->monotonic_us) : end_us) - self->monotonic_us;

      self->monotonic_us += step_us;
      self->wall_us += step_us;
      bb_test_run_pending ();
    }
}

void
bb_test_clock_set_wall_us (BbTestClock *self, gint64 wall_us)
{
  self->wall_us = wall_us;
}

static void
fail_when_late (gint64 began_us)
{
  g_assert_cmpint ((g_get_monotonic_time () - began_us) / G_USEC_PER_SEC, <, LIMIT_SECONDS);
}

void
bb_test_run_until_true (BbTestCondition condition, gpointer user_data)
{
  gint64 began_us = g_get_monotonic_time ();

  while (!condition (user_data))
    {
      if (!g_main_context_iteration (NULL, FALSE))
        g_usleep (200);
      fail_when_late (began_us);
    }
}

static gboolean
is_set (gpointer user_data)
{
  return *(const gboolean *) user_data;
}

void
bb_test_run_until (const gboolean *flag)
{
  bb_test_run_until_true (is_set, (gpointer) flag);
}

void
bb_test_run_pending (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

void
bb_test_store_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **stored = user_data;

  g_assert_null (*stored);
  *stored = g_object_ref (result);
}

static gboolean
has_result (gpointer user_data)
{
  return *(GAsyncResult *const *) user_data != NULL;
}

void
bb_test_run_until_result (GAsyncResult **result)
{
  bb_test_run_until_true (has_result, result);
}
