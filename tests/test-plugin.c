/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <unistd.h>

#include "bb-error.h"
#include "bb-latent-slave.h"
#include "bb-plugin-registry.h"
#include "bb-test.h"

/* Each case has its own folder with copies of the modules it needs, as a module's rights and name are part of it. */
typedef struct
{
  char *dir;
  BbPluginRegistry *registry;
} Fixture;

static void
fixture_set_up (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const char *directories[] = { NULL, NULL };

  f->dir = bb_test_make_dir ();
  directories[0] = f->dir;
  f->registry = bb_plugin_registry_new (directories);
}

static void
fixture_tear_down (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_clear_object (&f->registry);
  bb_test_remove_dir (f->dir);
  g_free (f->dir);
}

/* Copies a module of tests/plugins; returns its path. */
static char *
install (Fixture *f, const char *module, const char *name, int mode)
{
  g_autofree char *file = g_strconcat (module, ".so", NULL);
  g_autofree char *from_path = g_test_build_filename (G_TEST_BUILT, "plugins", ".libs", file, NULL);
  g_autofree char *new_file = g_strconcat (name, ".so", NULL);
  char *to_path = g_build_filename (f->dir, new_file, NULL);
  g_autoptr (GFile) from = g_file_new_for_path (from_path);
  g_autoptr (GFile) to = g_file_new_for_path (to_path);
  g_autoptr (GError) error = NULL;

  g_file_copy (from, to, G_FILE_COPY_NONE, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_chmod (to_path, mode), ==, 0);
  return to_path;
}

static void G_GNUC_PRINTF (3, 4)
assert_refused (Fixture *f, const char *type, const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  g_assert_null (bb_plugin_registry_lookup (f->registry, type, &error));
  g_assert_error (error, BB_ERROR, BB_ERROR_PLUGIN);
  g_assert_cmpstr (error->message, ==, message);
}

/* The resident module is loaded once in the process, whatever registry and path: so one case for all that is good. */
static void
test_good (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = install (f, "cloud", "cloud", 0644);
  g_autofree char *other_path = install (f, "mailer", "mailer", 0644);
  g_autofree char *text = bb_test_write_file (f->dir, "text.so", 0644, "no module");
  g_autofree char *expected = NULL;
  g_autoptr (GError) error = NULL;
  const BbPluginProvides *cloud = bb_plugin_registry_lookup (f->registry, "cloud", &error);
  const BbPluginProvides *mailer;
  g_autoptr (GVariant) described = NULL;
  g_autoptr (GVariant) plugin = NULL;
  g_autoptr (GVariant) types = NULL;
  g_autoptr (GVariant) type = NULL;
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GVariant) option = NULL;
  g_autofree char *printed = NULL;
  const char *why;
  gboolean loaded;

  g_assert_no_error (error);
  g_assert_cmpstr (cloud->type_name, ==, "cloud");
  g_assert_false (cloud->is_notifier);
  g_assert_true (g_type_is_a (cloud->get_type (), BB_TYPE_LATENT_SLAVE));
  g_assert_true (bb_plugin_registry_lookup (f->registry, "cloud", NULL) == cloud);

  described = g_variant_ref_sink (bb_plugin_registry_describe (f->registry));
  g_assert_cmpuint (g_variant_n_children (described), ==, 3);
  plugin = g_variant_get_child_value (described, 0);
  g_assert_true (g_variant_lookup (plugin, "name", "&s", &why));
  g_assert_cmpstr (why, ==, "cloud");
  g_assert_true (g_variant_lookup (plugin, "path", "&s", &why));
  g_assert_cmpstr (why, ==, path);
  g_assert_true (g_variant_lookup (plugin, "loaded", "b", &loaded));
  g_assert_true (loaded);
  types = g_variant_lookup_value (plugin, "types", G_VARIANT_TYPE ("aa{sv}"));
  type = g_variant_get_child_value (types, 0);
  options = g_variant_lookup_value (type, "options", G_VARIANT_TYPE ("aa{sv}"));
  option = g_variant_get_child_value (options, 7);
  printed = g_variant_print (option, FALSE);
  g_assert_nonnull (strstr (printed, "'key': <'max_spot_price'>"));
  g_assert_nonnull (strstr (printed, "'kind': <'number'>"));
  g_assert_nonnull (strstr (printed, "'default': <'1.6'>"));
  g_assert_nonnull (strstr (printed, "'flags': <['none']>"));

  g_clear_pointer (&plugin, g_variant_unref);
  plugin = g_variant_get_child_value (described, 2);
  g_assert_true (g_variant_lookup (plugin, "error", "&s", &why));
  expected = g_strdup_printf ("%s: cannot be loaded: ", text);
  g_assert_true (g_str_has_prefix (why, expected));

  /* What was looked at is loaded; nothing that it needs is gone. */
  mailer = bb_plugin_registry_lookup (f->registry, "mailer", &error);
  g_assert_no_error (error);
  g_assert_true (mailer->is_notifier);
}

/* D11 */
static void
test_not_installed (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = install (f, "no-entry", "lokal", 0644);

  assert_refused (f, "ec2", "there is no plugin \"ec2\" in %s; install the package bbhost-plugin-ec2", f->dir);
  assert_refused (f, "local",
                  "there is no plugin \"local\" in %s; did you mean \"lokal\"? "
                  "Otherwise install the package bbhost-plugin-local", f->dir);
  assert_refused (f, "../cloud", "\"../cloud\" cannot be a plugin's name; those are of lower-case letters, digits, "
                                 "\"-\" and \"_\"");
  assert_refused (f, "", "\"\" cannot be a plugin's name; those are of lower-case letters, digits, \"-\" and \"_\"");
}

static void
test_no_directory (void)
{
  static const char *const directories[] = { "/nonexistent/a", "/nonexistent/b", NULL };
  g_autoptr (BbPluginRegistry) registry = bb_plugin_registry_new (directories);
  g_autoptr (GVariant) described = g_variant_ref_sink (bb_plugin_registry_describe (registry));
  g_autoptr (GError) error = NULL;

  g_assert_cmpuint (g_variant_n_children (described), ==, 0);
  g_assert_null (bb_plugin_registry_lookup (registry, "ec2", &error));
  g_assert_cmpstr (error->message, ==, "there is no plugin \"ec2\" in /nonexistent/a, /nonexistent/b; "
                                       "install the package bbhost-plugin-ec2");
}

/* D11: a failure is not remembered. */
static void
test_installed_later (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = NULL;

  assert_refused (f, "old-abi", "there is no plugin \"old-abi\" in %s; install the package bbhost-plugin-old-abi",
                  f->dir);
  path = install (f, "old-abi", "old-abi", 0644);
  assert_refused (f, "old-abi", "%s: built for plugin ABI %u, this bbhostd has %u; upgrade bbhost-plugin-old-abi", path,
                  BB_PLUGIN_ABI - 1, BB_PLUGIN_ABI);
}

static void
test_abi (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *new_path = install (f, "new-abi", "new-abi", 0644);
  g_autofree char *short_path = install (f, "short", "short", 0644);

  assert_refused (f, "new-abi", "%s: built for plugin ABI %u, this bbhostd has %u; upgrade bbhost", new_path,
                  BB_PLUGIN_ABI + 1, BB_PLUGIN_ABI);
  assert_refused (f, "short", "%s: its description is too short for plugin ABI %u; upgrade bbhost-plugin-short",
                  short_path, BB_PLUGIN_ABI);
}

static void
test_contents (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *no_entry = install (f, "no-entry", "no-entry", 0644);
  g_autofree char *wrong_name = install (f, "wrong-name", "wrong-name", 0644);
  g_autofree char *unresolved = install (f, "unresolved", "unresolved", 0644);
  g_autofree char *no_slave = install (f, "no-slave", "no-slave", 0644);
  g_autofree char *text = bb_test_write_file (f->dir, "text.so", 0644, "no module");

  assert_refused (f, "no-entry", "%s: is no plugin of bbhost (it has no bb_plugin_query); remove it", no_entry);
  assert_refused (f, "wrong-name", "%s: is the plugin \"right-name\"; it must be named right-name.so", wrong_name);
  assert_refused (f, "unresolved",
                  "%s: cannot be loaded: undefined symbol: bb_function_of_the_future; "
                  "reinstall bbhost-plugin-unresolved", unresolved);
  assert_refused (f, "no-slave", "%s: its type \"no-slave\" is no latent slave; upgrade bbhost-plugin-no-slave",
                  no_slave);
  assert_refused (f, "text", "%s: cannot be loaded: file too short; reinstall bbhost-plugin-text", text);
}

static void
test_rights (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = install (f, "no-entry", "writable", 0666);
  g_autofree char *folder = g_build_filename (f->dir, "folder.so", NULL);
  g_autofree char *dangling = g_build_filename (f->dir, "dangling.so", NULL);

  assert_refused (f, "writable", "%s: others may write to it; run chmod go-w '%s'", path, path);
  g_assert_cmpint (g_mkdir (folder, 0755), ==, 0);
  assert_refused (f, "folder", "%s: is not a regular file; reinstall the package that it came with", folder);
  g_assert_cmpint (symlink ("/nonexistent", dangling), ==, 0);
  assert_refused (f, "dangling", "%s: No such file or directory; reinstall the package that it came with", dangling);
  /* Who may write to the folder, may replace the file. */
  g_assert_cmpint (g_chmod (path, 0644), ==, 0);
  g_assert_cmpint (g_chmod (f->dir, 0777), ==, 0);
  assert_refused (f, "writable", "%s: others may write to it; run chmod go-w '%s'", f->dir, f->dir);
}

#define ADD(PATH, FUNC) g_test_add (PATH, Fixture, NULL, fixture_set_up, FUNC, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/plugin/good", test_good);
  ADD ("/plugin/not-installed", test_not_installed);
  g_test_add_func ("/plugin/no-directory", test_no_directory);
  ADD ("/plugin/installed-later", test_installed_later);
  ADD ("/plugin/abi", test_abi);
  ADD ("/plugin/contents", test_contents);
  ADD ("/plugin/rights", test_rights);
  return g_test_run ();
}
