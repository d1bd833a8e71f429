/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"

#include <string.h>

/* Stands for libFuzzer in `make check`: every input of the corpus once, with any compiler. */

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static GPtrArray *
list_inputs (const char *folder)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const char *name;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (paths, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (paths, compare_names);
  return paths;
}

static void
replay (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL;
  g_autofree guint8 *exact = NULL;
  gsize length;

  g_file_get_contents (path, &contents, &length, &error);
  g_assert_no_error (error);
  exact = g_memdup2 (contents, length); /* without the NUL byte behind it, so that reading past the end is seen */
  LLVMFuzzerTestOneInput (exact, length);
}

int
main (int argc, char **argv)
{
  g_autofree char *folder = g_build_filename (g_getenv ("BB_SRCDIR"), "fuzz", "corpus", FUZZ_NAME, NULL);
  g_autoptr (GPtrArray) paths = list_inputs (folder);

  LLVMFuzzerInitialize (&argc, &argv);
  g_assert_cmpuint (paths->len, >, 0);
  for (guint i = 0; i < paths->len; i++)
    {
      /* Names what crashes, should it. */
      g_printerr ("%s\n", (const char *) paths->pdata[i]);
      replay (paths->pdata[i]);
    }
  g_print ("ok 1 /fuzz/%s: %u inputs\n1..1\n", FUZZ_NAME, paths->len);
  return 0;
}
